"""A performer that plays a provider from a script: no socket, no clock, no waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from insights.client import Client
from insights.core.effects import (
    Blocking,
    Close,
    Effect,
    Emit,
    Flow,
    Join,
    Open,
    Opened,
    Read,
    Send,
    Sleep,
    WireAnswer,
    WireCall,
    drive,
)
from insights.core.types import Chunk, ModelResponse
from insights.flow import call
from insights.plan import Plan
from insights.routing.breaker import Breakers
from insights.routing.retry import RetryBudgets, RetryPolicy

JSON_TYPE = {"content-type": "application/json"}


@dataclass
class Clock:
    """Time that passes when the script says so. Starts now, because a deadline is a `time.monotonic()` moment."""

    now: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return self.now


@dataclass
class Step:
    """What the provider does next: a body in pieces, and perhaps an error after them."""

    pieces: list[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON_TYPE))
    then: BaseException | None = None
    takes: float = 0.0


def ok(body: bytes, **more: Any) -> Step:
    """An answer."""
    return Step([body], **more)


def refused(status: int, body: bytes, *, takes: float = 0.0, **headers: str) -> Step:
    """A refusal; `retry_after="2"` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Step([body], status, {**JSON_TYPE, **named}, takes=takes)


def streamed(pieces: Iterable[bytes], then: BaseException | None = None) -> Step:
    """A stream."""
    return Step(list(pieces), 200, {"content-type": "text/event-stream"}, then)


def failing(error: BaseException) -> Step:
    """No answer at all."""
    return Step([], then=error)


class _Playing:
    def __init__(self, step: Step) -> None:
        self.status, self.headers = step.status, step.headers
        self.left = list(step.pieces)
        self.then = step.then
        self.closed = 0


class Script:
    """Plays its steps in order, one for each request, and remembers what it was asked."""

    def __init__(self, *steps: Step, clock: Clock | None = None) -> None:
        self.steps = list(steps)
        self.clock = clock or Clock()
        self.calls: list[WireCall] = []
        self.deadlines: list[float | None] = []
        self.slept: list[float] = []
        self.streams: list[_Playing] = []

    def perform(self, effect: Effect) -> Any:
        """Does one effect."""
        match effect:
            case Blocking(function):
                return function()
            case Send(wire, until):
                step = self._next(wire, until)
                if step.then is not None:
                    raise step.then
                return WireAnswer(step.status, step.headers, b"".join(step.pieces))
            case Open(wire, until):
                step = self._next(wire, until)
                if step.then is not None and not step.pieces:
                    raise step.then
                self.streams.append(_Playing(step))
                return self.streams[-1]
            case Read(stream):
                assert isinstance(stream, _Playing)
                if stream.left:
                    return stream.left.pop(0)
                if stream.then is not None:
                    raise stream.then
                return None
            case Close(stream):
                assert isinstance(stream, _Playing)
                stream.closed += 1
                return None
            case Sleep(seconds):
                self.slept.append(seconds)
                self.clock.now += seconds
                return None
            case Join(future):
                return future.done() or None  # nobody else is there to bring it about
        raise AssertionError(f"a flow asked for {effect!r}")

    def _next(self, wire: WireCall, until: float | None) -> Step:
        self.calls.append(wire)
        self.deadlines.append(until)
        assert self.steps, f"the script has no step for request {len(self.calls)}: {wire.url}"
        step = self.steps.pop(0)
        self.clock.now += step.takes
        return step

    @property
    def hosts(self) -> list[str]:
        """The hosts that were asked, in order."""
        return [wire.url.split("/")[2] for wire in self.calls]

    def sent(self, index: int = -1) -> Any:
        """The JSON of a request."""
        return json.loads(self.calls[index].content)


def planned(client: Client, script: Script, model: str = "openai/test-model", messages: Any = "Hi", **params: Any) -> Plan:
    """The plan of a call by the script's clock; waits are not drawn but the longest there may be."""
    stream = params.pop("stream", False)
    plan = client._plan(model, messages, stream, params)
    policy = RetryPolicy(num_retries=plan.retry.num_retries, jitter=lambda most: most)
    clock = script.clock
    return replace(plan, retry=policy, clock=clock, breakers=Breakers(clock), budgets=RetryBudgets(clock))


def ask(client: Client, script: Script, model: str = "openai/test-model", messages: Any = "Hi", **params: Any) -> ModelResponse:
    """A plain call, played."""
    flow = Flow(call(planned(client, script, model, messages, **params)))
    assert drive(flow, script) is None, "a plain call has no news"
    assert flow.result is not None
    return flow.result


class Played:
    """A streamed call, played: its chunks as they come, and its answer."""

    def __init__(
        self, client: Client, script: Script, model: str = "openai/test-model", messages: Any = "Hi", **params: Any
    ) -> None:
        self._script = script
        self.flow = Flow(call(planned(client, script, model, messages, stream=True, **params)))
        self.opened = 0
        self.chunks: list[Chunk] = []

    def run(self) -> ModelResponse:
        """Plays to the end."""
        while (news := drive(self.flow, self._script)) is not None:
            self.opened += isinstance(news, Opened)
            if isinstance(news, Emit):
                self.chunks.append(news.chunk)
        assert self.flow.result is not None
        return self.flow.result

    @property
    def text(self) -> str:
        """What the caller has seen so far."""
        return "".join(chunk.text for chunk in self.chunks)
