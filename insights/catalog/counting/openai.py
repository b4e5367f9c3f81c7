"""OpenAI's own rules.

Messages: the cookbook's "How to count tokens with tiktoken". Tools: the TypeScript that functions are shown to the model as
(hmarr/openai-chat-tokens; the cookbook's formula is a simpler form of it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from insights.catalog.counting.media import Span
from insights.catalog.counting.prompts import Prompt, as_json
from insights.catalog.counting.vocabulary import ENCODING, OLD_ENCODING, tally

# Chat models whose counts of text agree with recordings or the cookbook to the token; others of OpenAI's are near.
_MEASURED: Final = re.compile(r"(ft:)?(gpt-3\.5-turbo|gpt-35-turbo|gpt-4|gpt-4o|gpt-4\.1|gpt-5)(?![a-z])")
_UNMEASURED: Final = re.compile("0301|audio|realtime|search|codex|-pro|chat-latest|image|transcribe|instruct|vision|tts")
# The answer begins with two tokens instead of three, and earlier answers name their channel with two more.
_REASONING: Final = re.compile(r"(ft:)?(gpt-[5-9]|o\d)")
_OLD: Final = re.compile(r"(ft:)?(gpt-4(?![.o\d])|gpt-3|gpt-35)")
_DEEPEST: Final = 8  # levels of a schema that are written out
NAMES: Final = re.compile(r"(ft:)?(gpt-(?!oss)|o\d|chatgpt|codex|computer-use)")


def encoding_name(model: str) -> str:
    """The vocabulary of an OpenAI model, by tiktoken's own table where that knows it; o200k_base for anything else."""
    name = model.lower().rpartition("/")[2]
    try:
        from tiktoken.model import encoding_name_for_model

        found = encoding_name_for_model(name)
    except (ImportError, KeyError):
        found = OLD_ENCODING if _OLD.match(name) else ENCODING
    return found if found == OLD_ENCODING else ENCODING


def total(model: str, prompt: Prompt, tools: list[Mapping[str, Any]], schema: Any, vocabulary: str) -> tuple[Span, bool]:
    """Tokens of a prompt by OpenAI's rules, and whether they are exact."""
    name = model.lower().rpartition("/")[2]
    measured = _MEASURED.match(name) is not None and not _UNMEASURED.search(name)
    reasoning = _REASONING.match(name) is not None
    # A message is <|start|>, its role, <|message|>, its text, <|end|>; the answer begins with a third of that.
    frame = 4 * prompt.messages + prompt.names + (2 + 2 * prompt.answers if reasoning else 3)
    text = prompt.text
    found = Span(text.tokens + frame, text.low + frame, text.high + frame) + prompt.media
    if prompt.calls:
        found += Span(3 * prompt.calls, -4 * prompt.calls, 16 * prompt.calls)
    if tools:
        shown, whole = tally(_typescript(tools), vocabulary).tokens, tally(as_json(tools), vocabulary).tokens
        around = 5 if prompt.system else 9
        found += Span(shown + around, 0.7 * shown, max(1.3 * shown, 1.2 * whole) + 30)
    if schema is not None:
        size = tally(as_json(schema, tight=True), vocabulary).tokens
        found += Span(size + 2, 0.5 * size, 1.5 * size + 40)
    exact = measured and prompt.plain and not tools and schema is None and text.whole
    exact &= not (reasoning and (prompt.system or prompt.answers))  # too few of those are recorded
    if exact:
        return found, True
    if measured:
        return found + room(prompt), False
    # A model or deployment of unknown name may have the other vocabulary, and instructions of its own.
    unknown = Span(0, -0.2 * text.low - 4, 0.35 * text.high + text.wide / 2 + 60)
    return found + unknown, False


def room(prompt: Prompt) -> Span:
    """Bounds around a count of messages that isn't known to be exact."""
    return Span(0, -2 - 2 * prompt.messages, 4 + 4 * prompt.messages)


def _typescript(tools: list[Mapping[str, Any]]) -> str:
    """Functions as OpenAI shows them to the model."""
    lines = ["namespace functions {", ""]
    for tool in tools:
        if tool.get("description"):
            lines.append(f"// {tool['description']}")
        parameters = tool.get("parameters")
        inside = _properties(parameters, 0) if isinstance(parameters, Mapping) else ""
        lines += [f"type {tool.get('name')} = (_: {{", inside, "}) => any;", ""] if inside else [
            f"type {tool.get('name')} = () => any;", ""]  # fmt: skip
    return "\n".join([*lines, "} // namespace functions"])


def _properties(schema: Mapping[str, Any], depth: int) -> str:
    """One line for each property; descriptions are shown on the first two levels."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or depth > _DEEPEST:
        return ""
    needed = required if isinstance(required, list | tuple) else ()
    lines = []
    for name, value in properties.items():
        inner = value if isinstance(value, Mapping) else {}
        if inner.get("description") and depth < 2:
            lines.append(f"// {inner['description']}")
        lines.append(f"{name}{'' if name in needed else '?'}: {_type(inner, depth)},")
    return "\n".join(" " * 2 * depth + line for line in lines)


def _type(schema: Mapping[str, Any], depth: int) -> str:
    kind = schema.get("type")
    if isinstance(schema.get("enum"), list | tuple):
        return " | ".join(as_json(value) for value in schema["enum"])
    if kind == "array":
        items = schema.get("items")
        return f"{_type(items, depth + 1)}[]" if isinstance(items, Mapping) and depth < _DEEPEST else "any[]"
    if kind == "object":
        inside = _properties(schema, depth + 1)
        return f"{{\n{inside}\n{'  ' * depth}}}" if inside else "object"
    if kind in ("integer", "number"):
        return "number"
    return kind if isinstance(kind, str) else "any"
