"""A provider's day as a schedule: what it does with each request, drawn by Hypothesis, played without sockets.

Unlike `tests.unit.scripted.Script`, which says what an attempt comes to, this one keeps the time as a performer does: what
would take longer than the effect's `until` ends in a `Timeout` at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from insights.core.effects import Effect, Read, WireCall
from insights.core.errors import APIConnectionError, APIError, Timeout
from tests.faults.calling import MODELS, family
from tests.unit.scripted import Clock, Script, Step

WORDS = ("Hello", " there", " you")
STATUSES = (302, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 429, 429, 500, 500, 502, 503, 504, 529)
NO_ANSWERS = (
    b"",
    b"null",
    b"[]",
    b'"hello"',
    b"<html>Bad gateway</html>",
    b'{"choices": [{"mess',
    b'{"choices": []}',
    b"\xff\xfe",
    b"[" * 5000,
)


@dataclass(frozen=True)
class Fault:
    """What a provider does with one request. It may be none: `kind` is `well` then."""

    kind: str
    takes: float = 0.0
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    says_key: bool = False
    cut: int = 0
    """How many of a stream's pieces come before it ends, or `ending` happens."""
    ending: str = "end"
    pause: float = 0.0
    """Seconds before each piece of a stream."""


_takes = st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.0, 1.0, 3.0, 20.0])
_retry_after = st.sampled_from(["0", "0.5", "3", "30", "100", "soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"])
_headers = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry"]), st.just("")).flatmap(
    lambda names: st.tuples(
        *(
            st.tuples(st.just(name), st.sampled_from(["true", "false"]) if name == "x-should-retry" else _retry_after)
            for name in sorted(names)
        )
    )
)

_broken_off = st.builds(
    Fault,
    st.just("cut"),
    _takes,
    says_key=st.booleans(),
    cut=st.sampled_from([4, 3, 2, 1, 0]),
    ending=st.sampled_from(["end", "reset", "bad json", "error event", "silence"]),
    pause=st.sampled_from([0.0, 0.0, 0.5]),
)
_refusal = st.builds(
    Fault,
    st.just("refusal"),
    _takes,
    st.sampled_from(STATUSES),
    _headers,
    st.sampled_from([b"", b"<html>No</html>", b"[]", b"{}", b"own", b"own"]),
    st.booleans(),
)
faults = st.one_of(
    _refusal,
    _broken_off,
    _broken_off,  # only streams break off so, and these are half of the calls
    st.builds(Fault, st.just("refused"), _takes),
    st.builds(Fault, st.just("late"), _takes),
    st.builds(Fault, st.just("nonsense"), _takes, body=st.sampled_from(NO_ANSWERS)),
    st.builds(Fault, st.just("well"), _takes, pause=st.sampled_from([0.0, 0.0, 1.0])),
)


class Schedule(Script):
    """Plays a fault for each request, in the wire format of whoever is asked. After the last one all is well."""

    def __init__(self, day: list[Fault], clock: Clock) -> None:
        super().__init__(clock=clock)
        self.day = list(day)
        self.answered: list[str] = []
        self._pauses: dict[int, float] = {}

    def perform(self, effect: Effect) -> Any:
        """Does one effect, in the time it has."""
        try:
            if isinstance(effect, Read):
                self._pass(self._pauses.get(id(effect.stream), 0.0), effect.until)
            found = super().perform(effect)
        except APIError as error:  # performers say whose connection it was
            error.provider, error.model = self.calls[-1].provider, self.calls[-1].model
            raise
        if self.streams and found is self.streams[-1]:
            self._pauses[id(found)] = self._pause
        return found

    def _next(self, wire: WireCall, until: float | None) -> Step:
        self.calls.append(wire)
        self.deadlines.append(until)
        fault = self.day.pop(0) if self.day else Fault("well")
        self._pause = fault.pause
        self._pass(fault.takes, until)
        return _step(fault, wire)

    def _pass(self, seconds: float, until: float | None) -> None:
        if until is not None and self.clock.now + seconds > until:
            self.clock.now = max(self.clock.now, until)
            raise Timeout("no answer in the time allowed")
        self.clock.now += seconds


def key_in(wire: WireCall) -> str:
    """The key that a request carries."""
    assert wire.secret is not None
    return wire.secret.get_secret_value()


def streams(wire: WireCall) -> bool:
    """Whether a request asks for a stream."""
    return "stream" in wire.url or b'"stream": true' in wire.content or b'"stream":true' in wire.content


def _step(fault: Fault, wire: WireCall) -> Step:
    spoken, said = family(wire.provider), (f" {key_in(wire)} " if fault.says_key else "").encode()
    if fault.kind == "refused":
        return Step([], then=APIConnectionError("the connection failed"))
    if fault.kind == "late":
        return Step([], then=Timeout("no answer in the time allowed"))
    if fault.kind == "refusal":
        own = spoken.error(fault.status).content.replace(b"the provider says no", b"the provider says no" + said)
        body = own if fault.body == b"own" else fault.body + said
        return Step([body], fault.status, {"content-type": "application/json", **dict(fault.headers)})
    if fault.kind == "nonsense":
        return Step([fault.body + said])
    if not streams(wire):
        body = spoken.text().content
        return Step([body[: len(body) // 2]] if fault.kind == "cut" else [body])
    events = spoken.events(WORDS)
    if fault.kind == "well":
        return _streamed(events)
    pieces = events[: min(fault.cut, len(events) - 1)]  # the last one ends the answer
    if fault.ending == "bad json":
        return _streamed([*pieces, b"data: {no JSON" + said + b"\n\n"])
    if fault.ending == "error event":
        return _streamed([*pieces, spoken.error_event().replace(b"the provider says no", b"no" + said)])
    if fault.ending == "end":
        return _streamed(pieces)
    wrong = APIConnectionError("reset") if fault.ending == "reset" else Timeout("no answer in the time allowed")
    return _streamed(pieces or [b": well\n\n"], wrong)


def _streamed(pieces: list[bytes], then: BaseException | None = None) -> Step:
    return Step(pieces, 200, {"content-type": "text/event-stream"}, then)


@dataclass(frozen=True)
class Case:
    """A call: whom it may ask, how, and what the providers do."""

    chain: tuple[str, ...]
    broken: tuple[bool, ...]
    """Which of them are known to be down."""
    stream: bool
    num_retries: int | None
    timeout: float
    attempt_timeout: float | None
    fallback_on: tuple[str, ...]
    day: list[Fault]
    leaves_after: int | None
    """Chunks after which the caller goes."""


def _case(chain: list[str]) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        st.just(tuple(chain)),
        st.tuples(*(st.integers(0, 7).map(lambda number: number == 7) for _ in chain)),
        st.booleans(),
        st.sampled_from([None, None, 0, 1, 2]),
        st.sampled_from([0.3, 5.0, 30.0, 120.0, 120.0, 600.0]),
        st.sampled_from([None, None, 0.7, 10.0]),
        st.sampled_from([(), (), ("authentication",), ("bad_request", "not_found")]),
        st.lists(faults, min_size=1, max_size=3 * len(chain)),
        st.sampled_from([None, None, None, None, None, 0, 1, 2]),
    )


cases = st.lists(st.sampled_from(list(MODELS)), min_size=1, max_size=4).flatmap(_case)
