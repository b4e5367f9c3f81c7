"""Identical calls at once, seen from their flows: advanced by hand, one step at a time, without threads or clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from insights.cache.answers import AnswerCache
from insights.cache.flight import IDLE
from insights.cache.locks import Hold
from insights.cache.lookup import POLL, TURNS
from insights.cache.memory import MemoryStore
from insights.client import Client
from insights.core.effects import Effect, Emit, Flow, Join, Opened, Read, Send, Sleep, close
from insights.core.errors import BadRequestError, TruncatedStreamError
from insights.core.types import ModelResponse
from insights.flow import IMPORT_ALLOWANCE, call

from .openai_wire import ROLE, answer, chunk, events, refusal
from .scripted import Script, ok, planned, refused, streamed


class Counted(Hold):
    """A lock that says when it is given back, and since when its answer has lain unread."""

    def __init__(self, store: Taken) -> None:
        super().__init__()
        self.store = store

    def __call__(self) -> None:
        self.store.given_back += 1

    def lies(self, since: float | None) -> None:
        self.store.told.append(since)


class Taken(MemoryStore):
    """A store whose lock another process has for a while."""

    def __init__(self, times: int = 10**9, unread_since: float | None = None) -> None:
        super().__init__()
        self.times, self.unread_since = times, unread_since
        self.given_back = 0
        self.told: list[float | None] = []

    def hold(self, key: str) -> Hold | None:
        if self.times:
            self.times -= 1
            return None
        return Counted(self)

    def lying(self, key: str) -> float | None:
        return self.unread_since


class Walk:
    """A call whose effects are done one by one."""

    def __init__(self, client: Client, script: Script, shared: AnswerCache | None = None, **params: Any) -> None:
        plan = planned(client, script, **params)
        self.flow = Flow(call(plan if shared is None else replace(plan, cache=shared)))
        self.script = script
        self.waiting: Effect | None = None
        self.seen: list[Effect] = []

    def to(self, *kinds: type[Effect]) -> Effect:
        """Goes on to the next effect of a kind, which is not done yet."""
        while (effect := self.next()) is not None:
            if isinstance(effect, kinds):
                return effect
        raise AssertionError(f"returned before any of {kinds}")

    def next(self) -> Effect | None:
        """Does the effect that is waiting, and gives the next one."""
        if self.waiting is not None and not isinstance(self.waiting, Opened | Emit):
            try:
                self.flow.succeed(self.script.perform(self.waiting))
            except BaseException as error:
                self.flow.fail(error)
        self.waiting = self.flow.advance()
        if self.waiting is not None:
            self.seen.append(self.waiting)
        return self.waiting

    def end(self) -> ModelResponse:
        """Goes on to the end."""
        while self.next() is not None:
            pass
        assert self.flow.result is not None
        return self.flow.result

    def skip(self, outcome: Any) -> None:
        """Says that the effect that is waiting had this outcome."""
        self.waiting = None
        self.flow.succeed(outcome)


@pytest.fixture
def nothing() -> Script:
    """A provider that is not to be asked."""
    return Script()


@pytest.fixture(autouse=True)
def litellm_is_there() -> None:
    """So that no time is allowed for its import."""
    from insights.adapters.models import transport

    transport.load()


def test_the_second_waits_for_the_first_and_gets_its_answer(client: Client, nothing: Script) -> None:
    first = Walk(client, Script(ok(answer("Hello!"))))
    first.to(Send)
    second = Walk(client, nothing)
    assert isinstance(second.next(), Join)
    mine = first.end()
    theirs = second.end()
    assert (mine.cached, theirs.cached) == (False, True)
    assert theirs.choices == mine.choices
    assert theirs.trace.cache == "hit: shared with an identical call"
    assert theirs.trace.attempts == []
    assert mine.cost is not None
    assert theirs.cost_saved == mine.cost.total


def test_another_request_waits_for_nobody(client: Client) -> None:
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    second = Walk(client, Script(ok(answer("two"))), temperature=0.5)
    second.to(Send)
    assert (first.end().text, second.end().text) == ("one", "two")


@pytest.mark.parametrize("how", ["refresh", False])
def test_who_wants_no_stored_answer_waits_for_nobody(client: Client, how: Any) -> None:
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    second = Walk(client, Script(ok(answer("two"))), cache=how)
    assert second.end().text == "two"
    assert not any(isinstance(effect, Join) for effect in second.seen)
    first.end()


def test_a_refresh_is_waited_for_by_nobody(client: Client) -> None:
    first = Walk(client, Script(ok(answer("one"))), cache="refresh")
    first.to(Send)
    assert Walk(client, Script(ok(answer("two")))).end().text == "two"
    first.end()


def test_after_a_failure_one_of_the_others_asks(client: Client, nothing: Script) -> None:
    first = Walk(client, Script(refused(400, refusal("no"))))
    first.to(Send)
    second, third = Walk(client, Script(ok(answer("Hello!")))), Walk(client, nothing)
    second.to(Join)
    third.to(Join)
    with pytest.raises(BadRequestError):
        first.end()
    second.to(Send)
    assert isinstance(third.next(), Join)
    assert second.end().text == "Hello!"
    assert third.end().text == "Hello!"


def test_failures_are_not_waited_for_without_end(client: Client) -> None:
    waiting = Walk(client, Script(ok(answer("mine"))))
    for turn in range(TURNS):
        failing = Walk(client, Script(refused(400, refusal("no"))))
        failing.to(Send)
        waiting.to(Join)
        with pytest.raises(BadRequestError):
            failing.end()
        assert turn < TURNS
    other = Walk(client, Script(ok(answer("theirs"))))
    other.to(Send)
    assert waiting.end().text == "mine"
    assert other.end().text == "theirs"


def test_a_call_that_is_given_up_is_over_for_the_others(client: Client) -> None:
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    second = Walk(client, Script(ok(answer("two"))))
    second.to(Join)
    close(first.flow, first.script)
    assert second.end().text == "two"


def test_a_call_that_is_forgotten_is_over_for_the_others(client: Client) -> None:
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    second = Walk(client, Script(ok(answer("two"))))
    second.to(Join)
    del first
    assert second.end().text == "two"


def test_who_can_not_wait_asks(client: Client) -> None:
    """A blocking call on the very thread whose event loop has the other one under way, for instance."""
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    second = Walk(client, Script(ok(answer("two"))))
    second.to(Join)
    second.skip(None)
    assert second.end().text == "two"
    assert first.end().text == "one"


def test_waiting_ends_with_the_time_allowed(client: Client, nothing: Script) -> None:
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    second = Walk(client, nothing, timeout=5)
    join = second.to(Join)
    assert isinstance(join, Join)
    assert join.until == nothing.clock.now + 5
    nothing.clock.now += 5
    second.skip(False)
    with pytest.raises(Exception, match="an identical call is still under way") as raised:
        second.end()
    assert type(raised.value).__name__ == "Timeout"
    assert getattr(raised.value, "provider", None) == "openai"
    first.end()


def test_the_import_of_litellm_is_not_counted_for_who_waits_instead(
    client: Client, nothing: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Walk(client, Script(ok(answer("one"))))
    first.to(Send)
    monkeypatch.setattr("insights.adapters.models.transport.loaded", lambda: False)
    second = Walk(client, nothing, timeout=5)
    join = second.to(Join)
    assert isinstance(join, Join)
    assert join.until == nothing.clock.now + 5 + IMPORT_ALLOWANCE
    first.end()
    assert second.end().text == "one"


def test_an_answer_that_is_not_stored_is_shared_all_the_same(client: Client, nothing: Script) -> None:
    first = Walk(client, Script(ok(answer("par", finish="content_filter"))))
    first.to(Send)
    second = Walk(client, nothing)
    second.to(Join)
    assert first.end().trace.notes == ["not cached: finish_reason is 'content_filter'"]
    assert second.end().text == "par"
    assert Walk(client, Script(ok(answer("whole")))).end().text == "whole"


# ---------------------------------------------------------------- streams


def text(walk: Walk) -> str:
    return "".join(effect.chunk.text for effect in walk.seen if isinstance(effect, Emit))


def test_a_stream_serves_who_waits_with_the_same_chunks(client: Client, nothing: Script) -> None:
    first = Walk(client, Script(streamed(events(["Hel", "lo", "!"]))), stream=True)
    first.to(Emit)
    second, third = Walk(client, nothing, stream=True), Walk(client, nothing)
    second.to(Join)
    third.to(Join)
    first.end()
    second.end()
    assert third.end().text == "Hello!"
    mine = [effect.chunk for effect in first.seen if isinstance(effect, Emit)]
    theirs = [effect.chunk for effect in second.seen if isinstance(effect, Emit)]
    assert len(mine) > 2
    assert [c.model_dump() for c in theirs] == [c.model_dump() for c in mine]


def test_a_stream_that_nobody_reads_is_not_waited_for(client: Client) -> None:
    first = Walk(client, Script(streamed(events())), stream=True)
    first.to(Emit)
    second = Walk(client, Script(ok(answer("mine"))))
    join = second.to(Join)
    assert isinstance(join, Join)
    assert join.until == second.script.clock.now + IDLE
    second.script.clock.now = join.until
    second.skip(False)
    assert second.end().text == "mine"
    assert text(first) != "Hello!"
    assert first.end().text == "Hello!"


def test_a_stream_whose_provider_takes_its_time_is_waited_for(client: Client, nothing: Script) -> None:
    first = Walk(client, Script(streamed(events())), stream=True)
    first.to(Emit)
    first.to(Read)  # the caller wants the next chunk: now the provider has the word
    second = Walk(client, nothing)
    for _ in range(3):
        join = second.to(Join)
        assert isinstance(join, Join)
        nothing.clock.now += IDLE
        second.skip(False)
    first.end()
    assert second.end().text == "Hello!"


def test_a_stream_that_breaks_off_is_not_shared(client: Client) -> None:
    first = Walk(client, Script(streamed([ROLE, chunk({"content": "Hel"})])), stream=True)
    first.to(Emit)
    second = Walk(client, Script(ok(answer("Hello!"))))
    second.to(Join)
    with pytest.raises(TruncatedStreamError):
        first.end()
    assert second.end().text == "Hello!"


# ---------------------------------------------------------------- other processes


def waits(walk: Walk) -> Iterator[float]:
    return (effect.seconds for effect in walk.seen if isinstance(effect, Sleep))


def test_another_process_is_waited_for(client: Client) -> None:
    store = Taken(times=8)
    walk = Walk(client, Script(ok(answer("Hello!"))), AnswerCache(store))
    assert walk.end().text == "Hello!"
    pauses = list(waits(walk))
    assert len(pauses) == 8
    assert pauses[0] == POLL[0]
    assert pauses == sorted(pauses)
    assert max(pauses) == POLL[1]
    assert store.given_back == 1


def test_what_another_process_stored_meanwhile_is_the_answer(client: Client, nothing: Script) -> None:
    shared = AnswerCache(Taken(times=2))
    walk = Walk(client, nothing, shared)
    walk.to(Sleep)
    other = AnswerCache(shared.store)  # another process sees the same store, and none of this one's flights
    shared.store.times, before = 0, shared.store.times  # type: ignore[attr-defined]  # it is a Taken
    Walk(client, Script(ok(answer("theirs"))), other).end()
    shared.store.times = before  # type: ignore[attr-defined]
    found = walk.end()
    assert (found.text, found.cached) == ("theirs", True)
    assert shared.store.given_back == 2  # type: ignore[attr-defined]


def test_another_process_is_not_waited_for_longer_than_there_is_time(client: Client, nothing: Script) -> None:
    walk = Walk(client, nothing, AnswerCache(Taken()), timeout=2)
    start = nothing.clock.now
    with pytest.raises(Exception, match="another process is still making an identical call"):
        walk.end()
    assert nothing.clock.now - start == pytest.approx(2, abs=POLL[1])


def test_a_stream_tells_other_processes_when_it_lies_unread(client: Client) -> None:
    store = Taken(times=1)
    walk = Walk(client, Script(streamed(events())), AnswerCache(store), stream=True)
    walk.to(Opened)
    assert store.told == [walk.script.clock.now]
    walk.to(Read)
    assert store.told[-1] is None
    assert store.given_back == 0
    walk.end()
    assert (store.told[-1], store.given_back) == (None, 1)


def test_another_processs_stream_that_nobody_reads_is_not_waited_for(client: Client) -> None:
    script = Script(ok(answer("mine")))
    store = Taken(unread_since=script.clock.now)
    walk = Walk(client, script, AnswerCache(store))
    assert walk.end().text == "mine"
    assert sum(waits(walk)) == pytest.approx(IDLE, abs=POLL[1])
    assert store.given_back == 0


def test_a_failure_gives_the_turn_back(client: Client) -> None:
    store = Taken(times=0)
    with pytest.raises(BadRequestError):
        Walk(client, Script(refused(400, refusal("no"))), AnswerCache(store)).end()
    assert store.given_back == 1
