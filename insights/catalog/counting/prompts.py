"""A prompt taken apart: its texts counted, its media bounded, its messages and calls numbered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from insights.catalog.counting import media
from insights.catalog.counting.media import Span
from insights.catalog.counting.vocabulary import Tally, tally

_MEDIA: Final = ("image_url", "input_audio", "file", "image", "audio", "video_url")
# Of earlier answers: some providers read them again, others leave them out.
_THOUGHTS: Final = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "refusal")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt taken apart: its texts counted, its media as spans, its messages and calls numbered."""

    text: Tally
    media: Span
    messages: int
    calls: int
    names: int
    plain: bool  # nothing but system, user and assistant messages, each of one text
    system: bool
    answers: int  # messages of the assistant


def texts(value: Any, above: tuple[int, ...] = ()) -> list[str]:
    """The texts of messages or tools; what is no text (an image, a sound) is left out, and so is what contains itself."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, dict | list | tuple) or id(value) in above or len(above) > 200:
        return []
    above = (*above, id(value))
    inner = [item for name, item in value.items() if name not in _MEDIA] if isinstance(value, dict) else value
    return [text for item in inner for text in texts(item, above)]


def take_apart(messages: Any, model: str, vocabulary: str) -> Prompt:
    """Count what is in messages of any shape."""
    text, spans, plain, system = Tally(), Span(), True, False
    calls = names = answers = 0
    items = list(messages) if isinstance(messages, Sequence) and not isinstance(messages, str | bytes) else [messages]
    for message in items:
        if not isinstance(message, Mapping):
            plain = False
            for said in texts(message):
                text += tally(said, vocabulary)
            continue
        role = message.get("role")
        system |= role == "system"
        parts = _parts(message.get("content"))
        plain &= role in ("system", "user", "assistant") and not message.keys() - {"role", "content", "name"}
        plain &= len(parts) == 1 and _is_text(parts[0])
        answers += role == "assistant"
        for part in parts:
            span = _media(part, model)
            if span is None:
                for said in [part] if isinstance(part, str) else texts(_said(part)):
                    text += tally(said, vocabulary)
            else:
                spans, plain = spans + span, False
        if isinstance(message.get("name"), str):
            names += 1
            text += tally(message["name"], vocabulary)
        for said in texts([message.get(name) for name in _THOUGHTS]):
            spans += Span(0, 0, 2 * tally(said, vocabulary).high)
        for call in _calls(message):
            calls += 1
            for said in texts([call.get("name"), call.get("arguments")]):
                text += tally(said, vocabulary)
        calls += role in ("tool", "function")
    return Prompt(text, spans, len(items), calls, names, plain, system, answers)


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list | tuple):
        return list(content)
    return [] if content is None else [content]


def _is_text(part: Any) -> bool:
    if isinstance(part, Mapping):
        return part.get("type") == "text" and isinstance(part.get("text"), str) and not part.keys() - {"type", "text"}
    return isinstance(part, str)


def _said(part: Any) -> Any:
    """Of a part of a message what isn't its form: `{"type": "text", "text": ...}` says one thing."""
    if isinstance(part, Mapping):
        return {name: value for name, value in part.items() if name not in ("type", "cache_control")}
    return part


def _calls(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    calls = message.get("tool_calls")
    for call in [*(calls if isinstance(calls, list | tuple) else []), {"function": message.get("function_call")}]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield function


def _media(part: Any, model: str) -> Span | None:
    """Tokens of a part that isn't text; None for text."""
    kind = next((name for name in _MEDIA if name in part), None) if isinstance(part, Mapping) else None
    if kind is None:
        return None
    inside = part[kind]
    if not isinstance(inside, Mapping):
        inside = {"url": inside}
    if kind in ("image_url", "image"):
        return media.image(model, inside.get("url") or inside.get("data"), inside.get("detail"))
    if kind in ("input_audio", "audio"):
        return media.sound(inside.get("data") or inside.get("url"))
    return media.document(model.lower(), inside.get("file_data") or inside.get("data"))


def functions(tools: Any, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The functions among tools of either form, `tools` and the older `functions`; what is no function as it is."""
    found: list[Mapping[str, Any]] = []
    for listed in (tools, params.get("functions")):
        for tool in listed if isinstance(listed, list | tuple) else []:
            if isinstance(tool, Mapping):
                inner = tool.get("function")
                found.append(inner if isinstance(inner, Mapping) else tool)
    return found


def as_json(value: Any, *, tight: bool = False) -> str:
    """JSON of anything; `tight` without spaces."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":") if tight else None)
    except (ValueError, RecursionError, TypeError):  # circular, or keys that JSON has no word for
        return " ".join(texts(value))


def schema_of(params: Mapping[str, Any]) -> Any:
    """The JSON schema that an answer is to follow; None without one."""
    wanted = params.get("response_format")
    inside = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return inside.get("schema", inside) if isinstance(inside, Mapping) else None
