"""Flows and their two drivers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from insights.core.effects import (
    Blocking,
    Effect,
    Emit,
    Flow,
    FlowGenerator,
    Opened,
    Sleep,
    StreamClosed,
    WireAnswer,
    WireCall,
    adrive,
    drive,
)
from insights.core.types import Chunk


class Deeds:
    """Does what it is told to, blocking."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.done: list[Effect] = []

    def perform(self, effect: Effect) -> Any:
        self.done.append(effect)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class AsyncDeeds(Deeds):
    """The same, awaiting."""

    async def perform(self, effect: Effect) -> Any:
        await asyncio.sleep(0)
        return super().perform(effect)


def run(flow: Flow[Any], deeds: Deeds) -> Effect | None:
    return asyncio.run(adrive(flow, deeds)) if isinstance(deeds, AsyncDeeds) else drive(flow, deeds)


both = pytest.mark.parametrize("kind", [Deeds, AsyncDeeds])


def adding() -> FlowGenerator[int]:
    one = yield Sleep(1)
    two = yield Sleep(2)
    return int(one + two)


@both
def test_outcomes_come_back_at_the_yield(kind: type[Deeds]) -> None:
    flow, deeds = Flow(adding()), kind(3, 4)
    assert run(flow, deeds) is None
    assert (flow.done, flow.result) == (True, 7)
    assert deeds.done == [Sleep(1), Sleep(2)]


@both
def test_errors_are_raised_at_the_yield(kind: type[Deeds]) -> None:
    def careful() -> FlowGenerator[str]:
        try:
            yield Sleep(1)
        except LookupError as error:
            return f"caught {error}"
        return "nothing"

    flow = Flow(careful())
    assert run(flow, kind(LookupError("it"))) is None
    assert flow.result == "caught it"


@both
def test_an_error_nobody_caught_ends_the_flow(kind: type[Deeds]) -> None:
    flow, deeds = Flow(adding()), kind(LookupError("it"))
    with pytest.raises(LookupError):
        run(flow, deeds)
    assert (flow.done, flow.result) == (True, None)
    assert flow.advance() is None
    assert run(flow, deeds) is None


@both
def test_an_error_is_raised_once(kind: type[Deeds]) -> None:
    def stubborn() -> FlowGenerator[int]:
        caught = 0
        for _ in range(3):
            try:
                yield Sleep(1)
            except LookupError:
                caught += 1
        return caught

    flow = Flow(stubborn())
    run(flow, kind(LookupError(), None, None))
    assert flow.result == 1


@both
def test_news_go_to_the_caller(kind: type[Deeds]) -> None:
    def telling() -> FlowGenerator[str]:
        yield Opened()
        yield Sleep(1)
        yield Emit(Chunk(id="a"))
        return "end"

    flow, deeds = Flow(telling()), kind(None)
    assert run(flow, deeds) == Opened()
    news = run(flow, deeds)
    assert isinstance(news, Emit)
    assert news.chunk.id == "a"
    assert run(flow, deeds) is None
    assert flow.result == "end"


@both
def test_even_an_interrupt_reaches_the_flow(kind: type[Deeds]) -> None:
    closed = []

    def tidy() -> FlowGenerator[None]:
        try:
            yield Sleep(1)
        except BaseException:
            closed.append(True)
            raise

    with pytest.raises(StreamClosed):
        run(Flow(tidy()), kind(StreamClosed()))
    assert closed == [True]


def test_a_caller_that_leaves_is_no_exception() -> None:
    assert not issubclass(StreamClosed, Exception)


def test_a_call_keeps_key_and_prompt_out_of_its_repr() -> None:
    call = WireCall("https://x.example/v1", {"Authorization": "Bearer canary-key"}, b"canary prompt")
    answer = WireAnswer(200, {"x-request-id": "1"}, b"canary answer")
    for thing in (call, answer, Blocking(dict)):
        assert "canary" not in repr(thing)
    assert "https://x.example/v1" in repr(call)


def test_effects_are_values() -> None:
    assert Sleep(1) == Sleep(1)
    with pytest.raises(AttributeError):
        Sleep(1).seconds = 2  # type: ignore[misc]  # that it is frozen is the point
