"""Answers that take the time they took. Only lower bounds are asserted: a busy machine is slow."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from insights import Fault, use_cassette
from insights.adapters.models.deadline import Cancel, cancellable, pause
from insights.client import Client
from insights.core.errors import Timeout
from tests.unit.both import ask, both
from tests.unit.cassettes.tools import MODEL, handmade, interaction, streamed
from tests.unit.openai_wire import answer, events

EVER = 30.0  # seconds: no test waits so long
STEP = 0.04


def tape(path: Path, *seconds: float) -> Path:
    """One plain answer, and one stream; their pieces came at these times."""
    return handmade(
        path,
        interaction(pieces=[answer("Hello!")], seconds=seconds[:1]),
        interaction(streamed(), events(), seconds=seconds),
    )


def moments(client: Client, awaiting: bool, **params: Any) -> list[float]:
    """When each chunk came, in seconds after the request."""
    begun = time.monotonic()

    async def awaited() -> list[float]:
        stream = await client.acompletion(MODEL, "Hi", stream=True, **params)
        return [time.monotonic() - begun async for _ in stream]

    if awaiting:
        return asyncio.run(awaited())
    return [time.monotonic() - begun for _ in client.completion(MODEL, "Hi", stream=True, **params)]


@both
def test_pieces_come_no_sooner_than_they_came(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    path = tape(tmp_path / "c.yaml", *(STEP * number for number in range(1, 7)))
    with use_cassette(path, realtime=True) as cassette:
        found = moments(keyless, awaiting)
        assert cassette.realtime
    role, first, second, finish, *_ = found
    assert role >= 2 * STEP  # held back until there is something to say
    assert first >= 2 * STEP
    assert second >= 3 * STEP
    assert finish >= 4 * STEP


@both
def test_a_plain_answer_takes_its_time(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    begun = time.monotonic()
    with use_cassette(tape(tmp_path / "c.yaml", 2 * STEP), realtime=True):
        assert ask(keyless, awaiting, MODEL).text == "Hello!"
    assert time.monotonic() - begun >= 2 * STEP


@both
def test_else_nothing_waits(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    with use_cassette(tape(tmp_path / "c.yaml", *[EVER] * 6)):
        assert len(moments(keyless, awaiting, timeout=EVER / 2)) > 2
        assert ask(keyless, awaiting, MODEL, timeout=EVER / 2).text == "Hello!"


@both
def test_a_time_that_is_not_known_is_none(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    with use_cassette(tape(tmp_path / "c.yaml"), realtime=True):
        assert len(moments(keyless, awaiting, timeout=EVER / 2)) > 2


@both
def test_the_deadline_holds(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    path = tape(tmp_path / "c.yaml", EVER, EVER)
    with use_cassette(path, realtime=True):
        with pytest.raises(Timeout):
            ask(keyless, awaiting, MODEL, timeout=STEP, num_retries=0)
        with pytest.raises(Timeout):
            moments(keyless, awaiting, timeout=STEP, num_retries=0)


@both
def test_retries_wait_as_they_would(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    begun = time.monotonic()
    with use_cassette(tape(tmp_path / "c.yaml"), realtime=True, inject=[Fault(429, retry_after=2 * STEP)]):
        assert ask(keyless, awaiting, MODEL).text == "Hello!"
    assert time.monotonic() - begun >= 2 * STEP


@both
def test_retries_wait_for_nobody_else(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    """A wait that was waited for would be longer than the call may take, so that it would fail."""
    begun = time.monotonic()
    with use_cassette(tape(tmp_path / "c.yaml"), inject=[Fault(429, retry_after=EVER), 500, "timeout"]):
        found = ask(keyless, awaiting, MODEL, num_retries=3, timeout=2 * EVER)
    assert found.text == "Hello!"
    assert time.monotonic() - begun < EVER
    assert [a.status_code for a in found.trace.attempts][:2] == [429, 500]


def test_a_wait_can_be_stopped_from_another_thread() -> None:
    cancel = Cancel()
    begun = time.monotonic()

    def wait() -> None:
        with cancellable(cancel):
            pause(EVER)

    waiting = threading.Thread(target=wait)
    waiting.start()
    cancel()
    waiting.join(EVER)
    assert not waiting.is_alive()
    assert time.monotonic() - begun < EVER
