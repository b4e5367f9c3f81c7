"""What the simulator says: a small table, what it knows of two cities, and otherwise an echo."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.simulator.wire import Answer, Asked, Tool, compact

SAYINGS: Final[Mapping[str, str]] = {
    "hello": "Hello! How can I help you today?",
    "what is the capital of france": "The capital of France is Paris.",
    "why is the sky blue": "Air scatters blue light more than red.",
    "how do plants eat": "They make sugar from water, air and sunlight.",
    "write three lines about the sea": "Grey water, white foam,\nthe tide counts the stones again,\nno two waves agree.",
}

# What the table's cities are known for, by the names a schema may give its fields.
CITIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Paris": {"country": "France", "population": 2102650, "river": "Seine", "languages": ["French"], "founded": -250},
    "Tokyo": {"country": "Japan", "population": 14178000, "river": "Sumida", "languages": ["Japanese"], "founded": 1457},
}
_CITY_FIELDS: Final = ("city", "location", "name", "place", "capital")

THINKERS: Final = re.compile(r"gpt-5|(?:^|/)o[134](?:-|$)|gemini-(?:2\.5|[3-9])|reason|thinking|-r1|qwq")
THINKING: Final = 64  # reasoning tokens of a model that reasons; OpenAI reports multiples of 64
CACHE_FROM, CACHE_STEP = 1024, 128  # tokens; OpenAI's guide "Prompt caching"


def tokens(text: str) -> int:
    """The token rule: one for every four characters begun.

    >>> tokens("Hello")
    2
    """
    return math.ceil(len(text) / 4)


def answer(asked: Asked) -> Answer:
    """What is said to a request; the same for the same request."""
    prompt = tokens(asked.heard) + 3 * asked.turns + sum(8 + tokens(compact(dict(t.schema))) for t in asked.tools)
    cached = prompt // CACHE_STEP * CACHE_STEP if prompt >= CACHE_FROM else 0
    tool = chosen(asked)
    if tool is not None:
        arguments = example(tool.schema, asked.words, tool.schema)
        found: tuple[str, str | None, Any, str] = ("", tool.name, arguments, compact(arguments))
    else:
        text = compact(example(asked.schema, asked.words, asked.schema)) if asked.schema is not None else said(asked)
        found = (text, None, {}, text)
    text, name, arguments, written = found
    finish = "tool_calls" if name else "stop"
    count = tokens(written) + (tokens(name) if name else 0)
    if asked.limit is not None and count > asked.limit and not name:
        text, count, finish = text[: 4 * asked.limit], asked.limit, "length"
    thoughts = f"I am asked: {asked.words or asked.told or ''}" if asked.shows_thoughts else ""
    return Answer(text, name, arguments, thoughts, prompt, cached, count, THINKING * asked.n if asked.thinks else 0, finish)


def chosen(asked: Asked) -> Tool | None:
    """The tool that is called: the first, until there is a result."""
    return asked.tools[0] if asked.tools and asked.told is None else None


def said(asked: Asked) -> str:
    """The sentence for a request without tools and schemas."""
    if asked.told is not None:
        return f"The tool says: {asked.told}"
    known = SAYINGS.get(re.sub(r"[^a-z ]", "", asked.words.lower()).strip())
    return known or f"You said: {asked.words}"


def thinks(model: str, effort: Any = None) -> bool:
    """Whether a model reasons before it answers."""
    return bool(THINKERS.search(model)) and effort not in ("none", "minimal")


def example(schema: Mapping[str, Any] | None, words: str, root: Mapping[str, Any] | None, name: str = "") -> Any:
    """A value that fits a JSON schema: what is known of the city in `words`, else something plain.

    >>> example({"type": "object", "properties": {"city": {"type": "string"}}}, "The weather in Tokyo?", None)
    {'city': 'Tokyo'}
    """
    schema = _resolved(schema or {}, root or {})
    kind = str(schema.get("type") or ("object" if "properties" in schema else "string")).lower()
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    known = _known(name, words, kind)
    if known is not None:
        return known
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties") or ({} if name else {"answer": {"type": "string"}})
        return {key: example(part, words, root, key) for key, part in properties.items()}
    if kind == "array":
        return [example(schema.get("items"), words, root, name)]
    return {"integer": 7, "number": 1.5, "boolean": True, "null": None}.get(kind, f"some {name or 'text'}")


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    return _resolved(choices[0], root) if choices else schema


def _known(name: str, words: str, kind: str) -> Any:
    city = next((city for city in CITIES if city in words), None)
    if city is None:
        return None
    value = city if name in _CITY_FIELDS else CITIES[city].get(name)
    kinds: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "array": (list,)}
    return value if isinstance(value, kinds.get(kind, ())) else None
