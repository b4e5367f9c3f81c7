"""Where a cassette steps in between a call and the network.

Every request of insights passes here on its way to the performers in `adapters.models.http`, whichever HTTP stack they use
and whether they block or await. So one small interface serves all of them, and nothing has to be patched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final, Protocol

from insights.core.effects import Recorded, WireCall
from insights.core.errors import InsightsError, MissingKeyError


class Unfinished(Protocol):
    """A response that is still being read."""

    def left(self) -> None:
        """Keeps what has come so far."""


class Interceptor(Protocol):
    """What a cassette is, seen from the wire."""

    recording: bool
    """Whether responses from the network are wanted."""
    replaying: bool
    """Whether every answer comes from the cassette, so that nothing goes out and no key is needed."""
    realtime: bool
    """Whether recorded answers take the time they took."""

    def replay(self, call: WireCall) -> Recorded | None:
        """The recorded response, or None to let the request go out.

        Raises:
            CassetteMissingError: there is none, and the request must not go out.
        """

    def record(self, call: WireCall, response: Recorded) -> None:
        """Keeps a response that came from the network."""

    def opened(self, stream: Unfinished) -> None:
        """Tells of a response whose pieces are still to come, while it is recorded."""

    def missing(self, call: WireCall, error: MissingKeyError) -> InsightsError:
        """What is raised for a request that isn't recorded, and that lacks a key for going out."""


# A plain stack, not a context variable: threads started inside `with use_cassette(...)` must be covered too.
_stack: list[Interceptor] = []

# Where a block was entered, and in what was started from there: a call from elsewhere may still be meant for another.
_own: ContextVar[Interceptor | None] = ContextVar("insights_own_cassette", default=None)

SENDING: Final[ContextVar[bool]] = ContextVar("insights_sending", default=False)
"""Whether a request of insights is being sent right here, for other recorders in the way: they leave it alone."""


@contextmanager
def installed(interceptor: Interceptor) -> Iterator[None]:
    """Puts an interceptor in the way of every request until the block ends."""
    _stack.append(interceptor)
    token = _own.set(interceptor)
    try:
        yield
    finally:
        _stack.remove(interceptor)
        with suppress(ValueError):  # ended elsewhere than it began
            _own.reset(token)


def innermost() -> Interceptor | None:
    """The cassette in use."""
    return _stack[-1] if _stack else None


def inside(interceptor: Interceptor) -> list[Interceptor]:
    """Those that were put in after this one and are still in use."""
    return _stack[_stack.index(interceptor) + 1 :] if interceptor in _stack else []


def own() -> Interceptor | None:
    """The one whose block this code runs in, as far as that is known and it is still in use."""
    found = _own.get()
    return found if found in _stack else None


def active() -> bool:
    """Whether a cassette is in use."""
    return bool(_stack)


def replaying() -> bool:
    """Whether every answer comes from a cassette, so that nothing is sent and no key is needed."""
    return bool(_stack) and _stack[-1].replaying


def recording() -> bool:
    """Whether responses from the network are wanted."""
    return bool(_stack) and _stack[-1].recording


def replay(call: WireCall) -> Recorded | None:
    """What the innermost interceptor has for this request; None without one."""
    return _stack[-1].replay(call) if _stack else None


def opened(stream: Unfinished) -> Interceptor | None:
    """Tells the innermost interceptor of a response whose pieces are still to come; it is the one to give them to."""
    if _stack:
        _stack[-1].opened(stream)
    return innermost()
