"""What is stored of an answer: versioned JSON with a checksum, and never a pickle.

A stored value has three lines: a head with version, time and checksum, the answer, and the chunks it came in (an empty list
for an answer that came whole). The checksum covers the key as well, so that a value can't stand in for another request's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from insights.core.types import Chunk, ModelResponse

VERSION: Final = 2  # of a stored value's form

_LATEST: Final = 1e11  # Unix time; the year 5138
_MOST: Final = 10**9  # USD for one answer

_FINISHED: Final = ("stop", "length", "tool_calls", "function_call")


class Unreadable(Exception):
    """A stored value that can't be used. `newer`: a later version of insights can, so it is left where it is. `older`: it is
    of an earlier version, which is no fault.
    """

    def __init__(self, reason: str, *, newer: bool = False, older: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.newer, self.older = newer, older


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored value, checked: when it was stored (Unix time), and the JSON of the answer and of its chunks."""

    at: float
    answer: bytes
    chunks: bytes


def pack(key: str, answer: str, chunks: Sequence[str] = (), *, at: float) -> bytes:
    """The bytes to store under `key`.

    Raises:
        UnicodeEncodeError: a text holds half a character, which no encoding can say.
    """
    data = f"{answer}\n[{','.join(chunks)}]".encode()
    head = json.dumps({"v": VERSION, "at": at, "sha256": _checksum(key, at, data)})
    return head.encode() + b"\n" + data


def unpack(key: str, value: bytes) -> Stored:
    """The parts of a value.

    Raises:
        Unreadable: damaged, stored under another key, or of another version.
    """
    line, _, data = value.partition(b"\n")
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or not isinstance(head.get("v"), int):
        raise Unreadable("the stored answer is damaged")
    if head["v"] != VERSION:
        newer = head["v"] > VERSION
        age = "a newer" if newer else "an older"
        raise Unreadable(f"the stored answer was written by {age} insights", newer=newer, older=not newer)
    answer, _, chunks = data.partition(b"\n")
    at = head.get("at")
    if not isinstance(at, int | float) or not 0 <= at < _LATEST or head.get("sha256") != _checksum(key, at, data):
        raise Unreadable("the stored answer is damaged")
    return Stored(at, answer, chunks)


def _checksum(key: str, at: float, data: bytes) -> str:
    return hashlib.sha256(f"{key}\n{at!r}\n".encode() + data).hexdigest()


def thaw(stored: Stored, parse_as: Any) -> ModelResponse:
    """The answer as a hit gives it: a fresh object each time, what a caller does to it changes nothing that is stored.

    Raises:
        Unreadable: the JSON is no answer.
    """
    from insights.core.types import Cost, ModelResponse

    try:
        found = ModelResponse.model_validate_json(stored.answer)
    except (ValueError, RecursionError):
        raise Unreadable("the stored answer is damaged") from None
    if found.cost is not None and not 0 <= found.cost.total < _MOST:
        raise Unreadable("the stored answer is damaged")
    found.cached = True
    found._parse_as = parse_as
    price = found.cost or Cost()  # a hit costs nothing, whether or not a price is known
    found.cost = Cost(saved=price.total, price_source=price.price_source, price_date=price.price_date)
    if not _is_as_asked(found):
        raise Unreadable("the stored answer isn't what response_format asks for", older=True)
    return found


def thaw_chunks(stored: Stored) -> list[Chunk]:
    """The chunks the answer came in; empty where it came whole.

    Raises:
        Unreadable: the JSON is no list of chunks.
    """
    from pydantic import TypeAdapter

    from insights.core.types import Chunk

    if stored.chunks == b"[]":
        return []
    try:
        return TypeAdapter(list[Chunk]).validate_json(stored.chunks)
    except (ValueError, RecursionError):
        raise Unreadable("the stored chunks are damaged") from None


def not_storable(found: ModelResponse) -> str | None:
    """Why an answer may not serve again; None where it may.

    It may when it is finished by the provider's own word, not filtered, and what `response_format` asked for.
    """
    if not found.choices:
        return "the answer has no choices"
    for choice in found.choices:
        if choice.finish_reason not in _FINISHED:
            return f"finish_reason is {choice.finish_reason!r}"
    return None if _is_as_asked(found) else "the answer isn't what response_format asks for"


def _is_as_asked(found: ModelResponse) -> bool:
    """Whether the caller's `response_format` can read it. A class of the same schema may have validators of its own."""
    if found._parse_as is None or not found.choices or found.choices[0].message.tool_calls:
        return True
    try:
        _ = found.parsed
    except Exception:  # a validator may raise anything
        return False
    return True
