"""One way for sync and async: a call is a generator that yields what it needs done, and a driver does it.

The pattern is httpx's `auth_flow`. A flow yields an `Effect` and receives its outcome (or its error) at the same `yield`;
it never touches a socket, a clock or an event loop itself, so that all decisions can be tested without any of them.

    flow = Flow(generator)
    drive(flow, performer)          # blocking
    await adrive(flow, performer)   # awaiting: the same lines, with `await` in front of the deed

A `Performer` does the deeds: `insights.adapters.models.http` has the blocking one and the awaiting one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from insights.core.redact import SecretStr
    from insights.core.types import Chunk

T = TypeVar("T")


class Effect:
    """Something a flow wants done."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Blocking(Effect):
    """Run a function that may block for long (an import, a token refresh). Outcome: what it returns."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class WireCall:
    """One HTTP request, ready to be sent. Headers hold the key, so they stay out of the repr."""

    url: str
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    method: str = "POST"
    provider: str = ""
    model: str = ""
    secret: SecretStr | None = field(default=None, repr=False)
    """The key the call carries, for those who write something down: it must not be in it."""
    meaning: Mapping[str, Any] | None = field(default=None, repr=False)
    """What is asked, in the library's own terms; only where a cassette wants to know."""
    cleared: bool = False
    """Whether the cassette in use has been asked already."""
    recorded: Recorded | None = field(default=None, repr=False)
    """What it answered; None: the request may go out."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A response as it was recorded: decompressed, in the pieces it came in."""

    status: int
    headers: dict[str, str]
    pieces: list[bytes]
    seconds: tuple[float, ...] = ()
    """When each piece came, in seconds after the request; empty where nobody knows, or nobody wants to wait."""
    fault: Exception | None = None
    """What is raised where the pieces end, instead of an end."""


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP response, read to its end and decompressed. Header names are lower case."""

    status: int
    headers: dict[str, str]
    content: bytes = field(repr=False)


class WireStream(Protocol):
    """An HTTP response whose body is still to come. Only the performer that opened it may read or close it."""

    status: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Send(Effect):
    """Send a request and read the whole response. Outcome: `WireAnswer`. `until` is a `time.monotonic()` moment."""

    call: WireCall
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Open(Effect):
    """Send a request and read the response's head only. Outcome: `WireStream`."""

    call: WireCall
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Read(Effect):
    """Read the next piece of a stream. Outcome: bytes, or None at its end."""

    stream: WireStream
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Close(Effect):
    """Close a stream; closing twice is allowed. Outcome: None."""

    stream: WireStream


@dataclass(frozen=True, slots=True)
class Sleep(Effect):
    """Wait. Outcome: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Join(Effect):
    """Wait for what a thread or a task has under way. Outcome: True when it is done, False when the time is over.

    None at once where waiting could never end: `thread` is the one that has to bring it about, and a performer that blocks
    would block it.
    """

    future: Future[Any]
    thread: int
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Race(Effect):
    """Run flows side by side: the first at once, each next one when `after` more seconds have brought nothing.

    The first that has content for the caller, or has returned, wins; the others are cancelled. Outcome: `RaceResult`.
    """

    flows: tuple[Flow[Any], ...]
    after: float


@dataclass(slots=True)
class RaceResult:
    """How a race ended: the winner's number, what it has to say first, the errors of those who failed before, and how many
    were started. Without a winner all that were started failed."""

    winner: int | None = None
    news: Effect | None = None
    errors: list[BaseException] = field(default_factory=list)
    started: int = 0


@dataclass(frozen=True, slots=True)
class Opened(Effect):
    """Not a deed but news: the provider accepted a streaming request."""


@dataclass(frozen=True, slots=True)
class Emit(Effect):
    """Not a deed but news: the next chunk for the caller."""

    chunk: Chunk


FlowGenerator = Generator[Effect, Any, T]


class StreamClosed(BaseException):
    """Thrown into a flow whose caller leaves early. A BaseException, so that no `except Exception` keeps it going."""


class Flow(Generic[T]):
    """A generator of effects together with the outcome it waits for."""

    def __init__(self, generator: FlowGenerator[T]) -> None:
        self._generator = generator
        self._outcome: Any = None
        self._error: BaseException | None = None
        self.done = False
        self.result: T | None = None

    def advance(self) -> Effect | None:
        """Hands over the last outcome and returns the next effect, or None when the flow has returned."""
        if self.done:
            return None
        outcome, error = self._outcome, self._error
        self._outcome = self._error = None
        try:
            return self._generator.send(outcome) if error is None else self._generator.throw(error)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
            return None
        except BaseException:
            self.done = True
            raise

    def succeed(self, outcome: Any) -> None:
        """The effect was done; `outcome` is what `yield` gives."""
        self._outcome = outcome

    def fail(self, error: BaseException) -> None:
        """The effect failed; `yield` raises `error`."""
        self._error = error


class Performer(Protocol):
    """Does effects, blocking."""

    def perform(self, effect: Effect) -> Any:
        """Does one effect and returns its outcome."""


class AsyncPerformer(Protocol):
    """Does effects, awaiting."""

    async def perform(self, effect: Effect) -> Any:
        """Does one effect and returns its outcome."""


NEWS: Final = (Opened, Emit)


def drive(flow: Flow[T], performer: Performer) -> Effect | None:
    """Runs a flow until it has news for the caller (returned) or has returned itself (None; see `flow.result`)."""
    while (effect := flow.advance()) is not None:
        if isinstance(effect, NEWS):
            return effect
        try:
            flow.succeed(performer.perform(effect))
        except BaseException as error:
            flow.fail(error)
    return None


async def adrive(flow: Flow[T], performer: AsyncPerformer) -> Effect | None:
    """`drive`, awaiting."""
    while (effect := flow.advance()) is not None:
        if isinstance(effect, NEWS):
            return effect
        try:
            flow.succeed(await performer.perform(effect))
        except BaseException as error:
            flow.fail(error)
    return None


def close(flow: Flow[T], performer: Performer) -> None:
    """Ends a flow whose caller leaves early: what it holds open is closed."""
    if not flow.done:
        flow.fail(StreamClosed())
        with contextlib.suppress(StreamClosed):
            drive(flow, performer)


async def aclose(flow: Flow[T], performer: AsyncPerformer) -> None:
    """`close`, awaiting."""
    if not flow.done:
        flow.fail(StreamClosed())
        with contextlib.suppress(StreamClosed):
            await adrive(flow, performer)
