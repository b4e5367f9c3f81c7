"""Faults in place of recorded answers: what a provider's bad day looks like, without waiting for one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from insights.core.effects import Recorded, WireCall
from insights.core.errors import APIConnectionError, BadRequestError, Timeout

KINDS: Final = ("timeout", "connection", "cut")


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    Args:
        kind: an HTTP status from 400 to 599; `"timeout"` (no answer in time; nothing waits); `"connection"` (refused);
            `"cut"` (the recorded answer ends in its middle).
        retry_after: seconds the provider asks to wait; with a status only.
        message: what the provider says; with a status only.

    Raises:
        BadRequestError: no such kind.
    """

    kind: int | str
    retry_after: float | None = None
    message: str = "injected by use_cassette"

    def __post_init__(self) -> None:
        status = isinstance(self.kind, int) and not isinstance(self.kind, bool) and 400 <= self.kind <= 599
        if not status and self.kind not in KINDS:
            raise BadRequestError(
                f"inject has no fault {self.kind!r}", hint=f"a fault is a status from 400 to 599, or one of {', '.join(KINDS)}"
            )
        if not status and self.retry_after is not None:
            raise BadRequestError(f"a fault of kind {self.kind!r} has no retry_after", hint="only a status has, such as 429")

    def answer(self, call: WireCall) -> Recorded | None:
        """What the request gets instead; None where it gets a part of its recorded answer.

        Raises:
            Timeout, APIConnectionError: as the network would.
        """
        if self.kind == "timeout":
            raise Timeout("no answer in the time allowed (injected)", provider=call.provider, model=call.model)
        if self.kind == "connection":
            raise APIConnectionError("the connection failed (injected)", provider=call.provider, model=call.model)
        if self.kind == "cut":
            return None
        headers = {"content-type": "application/json"}
        if self.retry_after is not None:
            headers["retry-after"] = f"{self.retry_after:g}"
        # The providers' several forms in one: each finds its own.
        said = {"message": self.message, "type": "injected", "code": self.kind}
        return Recorded(int(self.kind), headers, [json.dumps({"message": self.message, "error": said}).encode()])


Injected: TypeAlias = "Sequence[Fault | int | str | None] | Mapping[int, Fault | int | str]"


def read_faults(given: Injected) -> dict[int, Fault]:
    """Which request, counted from 1, meets which fault.

    Raises:
        BadRequestError: something that is no fault, or no number of a request.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | Mapping):
        raise BadRequestError(
            f"inject is a list with one entry for each request, got {given!r}", hint="e.g. inject=[429, None, 'timeout']"
        )
    items = dict(given) if isinstance(given, Mapping) else dict(enumerate(given, 1))
    for number in items:
        if not isinstance(number, int) or number < 1:  # type: ignore[redundant-expr]
            raise BadRequestError(f"inject counts requests from 1, got {number!r}")
    return {number: fault if isinstance(fault, Fault) else Fault(fault) for number, fault in items.items() if fault is not None}


def cut_short(response: Recorded, call: WireCall) -> Recorded:
    """The first half of a recorded answer. A stream ends there as if it were complete; of a whole answer the rest is missed."""
    whole = b"".join(response.pieces)
    pieces, size = [], 0
    for piece in response.pieces[:-1]:
        if size >= len(whole) // 2:
            break
        pieces.append(piece)
        size += len(piece)
    if not pieces:
        pieces = [whole[: len(whole) // 2]]
    fault = None
    if not _streams(response):
        fault = APIConnectionError(
            "the connection was closed before the whole answer had come (injected)", provider=call.provider, model=call.model
        )
    return replace(response, pieces=pieces, fault=fault)


def _streams(response: Recorded) -> bool:
    kind = response.headers.get("content-type", "")
    return "event-stream" in kind or "eventstream" in kind or "ndjson" in kind or len(response.pieces) > 1
