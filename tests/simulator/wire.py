"""What all wires share: what was asked, what is answered, and the form in which both are handed on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Of the simulator's answers: raised when they change, so that a cassette says which ones it holds.
VERSION: Final = "1"

CREATED: Final = 1767225600  # every answer is of 2026-01-01T00:00:00Z


@dataclass(frozen=True)
class Tool:
    """A function the model may call; `schema` is the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request, read by its wire.

    `words` is the last user message, `heard` all text of the request, `turns` the number of messages. `told` is a tool's
    result that came last. `schema` is the JSON schema wanted, an empty one where any JSON object is.
    """

    provider: str
    model: str
    seed: str
    words: str
    heard: str
    turns: int
    tools: tuple[Tool, ...] = ()
    told: str | None = None
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    limit: int | None = None
    thinks: bool = False
    shows_thoughts: bool = False
    n: int = 1
    usage: bool = True
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def ident(self, prefix: str, length: int = 24) -> str:
        """An id that is the same for the same request, of `length` hexadecimal digits."""
        return prefix + hashlib.sha256(f"{prefix}{self.provider}{self.model}{self.seed}".encode()).hexdigest()[:length]

    @property
    def uuid(self) -> str:
        """The same in the form of a UUID."""
        text = self.ident("", 32)
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass(frozen=True)
class Answer:
    """What is answered. `arguments` belongs to `tool`; `prompt` includes `cached`, and `said` excludes `reasoning`."""

    text: str
    tool: str | None
    arguments: Mapping[str, Any]
    thoughts: str
    prompt: int
    cached: int
    said: int
    reasoning: int
    finish: str
    """`stop`, `length` or `tool_calls`."""

    @property
    def arguments_json(self) -> str:
        """The arguments as the model would write them."""
        return compact(self.arguments)

    @property
    def pieces(self) -> list[str]:
        """The text in the pieces a stream brings it in."""
        return cut(self.text)


@dataclass(frozen=True)
class Wire:
    """One wire format: how a request is read and an answer written.

    `whole` gives an answer's JSON, `events` the bytes of a stream, one piece for each event, and `failure` the JSON of an
    error from (kind, message, asked for model, seconds to wait).
    """

    name: str
    read: Callable[[str, str, Mapping[str, Any]], Asked]
    whole: Callable[[Asked, Answer], dict[str, Any]]
    events: Callable[[Asked, Answer], Iterator[bytes]]
    failure: Callable[[str, str, float | None], tuple[int, dict[str, Any]]]
    stream_type: str = "text/event-stream; charset=utf-8"
    id_header: str | None = "x-request-id"


class BadRequest(ValueError):
    """A request the provider would refuse with a 400."""


def compact(value: Any) -> str:
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def cut(text: str) -> list[str]:
    """`text` in pieces of two words or so: as little as a stream brings at once.

    >>> cut("one two three")
    ['one two ', 'three']
    """
    return re.findall(r"(?:\S+\s*){1,2}|\s+", text) or [""]


def sse(data: Any, event: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {data if isinstance(data, str) else compact(data)}\n\n".encode()


def text_of(content: Any) -> str:
    """The text in a message's content, whichever of the providers' forms it has."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return "".join(text_of(content[name]) for name in ("text", "content", "parts") if name in content)
    return "".join(map(text_of, content)) if isinstance(content, list) else ""


def seed_of(body: Mapping[str, Any]) -> str:
    """What an answer's ids are made from: the request, without regard to the order of its keys."""
    return json.dumps(body, sort_keys=True)


def required(body: Mapping[str, Any], name: str) -> Any:
    """A field that must be there.

    Raises:
        BadRequest: it isn't.
    """
    if not body.get(name):
        raise BadRequest(f"{name}: field required")
    return body[name]


def whole_number(value: Any) -> int | None:
    """A limit, where one was given."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
