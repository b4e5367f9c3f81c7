"""A call that is given up, at whatever point, leaves nothing: no connection, task, thread, lock or turn, and no answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.adapters.models import http
from insights.adapters.models.race import arace, race
from insights.core.effects import Blocking, Effect, Emit, Flow, FlowGenerator, Race
from insights.core.types import Chunk
from insights.routing import breaker
from tests.faults import test_streams as streams
from tests.faults.calling import MODELS, call, every_wire
from tests.faults.chains import STREAMS, Crowd, down, port_of, stand_in, well
from tests.faults.leftovers import NOTHING, held, is_free, linux, sockets_to, soon, threads
from tests.faults.server import Behaviour, Connection, misbehaving, nobody
from tests.processes import REPO
from tests.stress.sizes import WHICH, tell

CALLS = 1000 if WHICH == "full" else 100
AT_ONCE = 100
KEY = "key-0123456789"
PATIENCE = 20.0  # seconds; what has not happened by then does not happen
POINTS = ("at once", "before sending", "some time", "while waiting", "mid-stream")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[insights.Client]:
    call("openai", nobody(), awaiting=False)  # litellm is there: no call of these is given up in the middle of its import
    with insights.Client(cache_dir=tmp_path / "kept") as made:
        yield made


def hanging(connection: Connection) -> None:
    """Never ends: says nothing, or stops after a head, or after the first words of a stream."""
    request = connection.server.requests[-1]
    wire = "anthropic" if b"/messages" in request else "gemini" if b"enerateContent" in request else "openai"
    if STREAMS.search(request):
        streams.after(wire, streams.stall, 1)(connection)
    elif len(connection.server.requests) % 2:
        connection.head("Content-Type: application/json", "Content-Length: 1000")
        connection.send(b'{"cho')
    connection.hang()


# ---------------------------------------------------------------- many, anywhere


class Caller:
    """One call in a task of its own, which will be cancelled at its point."""

    def __init__(self, client: insights.Client, number: int, url: str, draw: random.Random) -> None:
        self.provider = list(MODELS)[number % len(MODELS)]
        self.question = f"question {number}"
        self.point = POINTS[number // len(MODELS) % len(POINTS)]
        self.stream = self.point == "mid-stream" or draw.random() < 0.5
        self.spoken = asyncio.Event()
        self._draw = draw
        self.task = asyncio.create_task(self._ask(client, url))

    async def _ask(self, client: insights.Client, url: str) -> None:
        given: dict[str, Any] = {"api_base": url, "api_key": KEY, "timeout": 120}
        found: Any = await client.acompletion(MODELS[self.provider], self.question, stream=self.stream, **given)
        async for _ in found:
            self.spoken.set()

    async def cancelled(self, all_have_come: asyncio.Event) -> None:
        """Cancels it when it is there."""
        if self.point == "before sending":
            for _ in range(self._draw.randrange(1, 12)):
                await asyncio.sleep(0)
        elif self.point == "some time":
            await asyncio.sleep(self._draw.uniform(0, 0.3))
        elif self.point == "while waiting":
            await all_have_come.wait()
        elif self.point == "mid-stream":
            await self.spoken.wait()
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


async def _cancel_them(client: insights.Client, url: str, port: int, crowd: Crowd, draw: random.Random) -> None:
    before = asyncio.all_tasks()
    for first in range(0, CALLS, AT_ONCE):
        callers = [Caller(client, number, url, draw) for number in range(first, min(first + AT_ONCE, CALLS))]
        waiting = [caller for caller in callers if caller.point in ("while waiting", "mid-stream")]
        come = asyncio.Event()
        came = crowd.came

        async def tell_that_they_have_come(count: int, come: asyncio.Event = come) -> None:
            assert await asyncio.to_thread(crowd.has_come, count, PATIENCE)
            come.set()

        async with asyncio.timeout(3 * PATIENCE):
            await asyncio.gather(tell_that_they_have_come(came + len(waiting)), *(caller.cancelled(come) for caller in callers))
    for _ in range(100):  # what a connection does when it is closed, it does in the loop's next rounds
        if asyncio.all_tasks() == before and not sockets_to(port):
            break
        await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before
    assert sockets_to(port) == 0
    assert held(client) == NOTHING


@linux
def test_calls_cancelled_anywhere(client: insights.Client) -> None:
    draw = random.Random(20_260_131)
    crowd = Crowd(hanging)
    known = threads()
    with misbehaving(crowd) as server:
        asyncio.run(_cancel_them(client, server.url, port_of(server), crowd, draw))
        assert crowd.all_gone(), f"of {crowd.came} connections {crowd.came - crowd.went} are open"
        tell(f"{CALLS} calls cancelled, {crowd.came} of them with a request under way: nothing is left")
        assert crowd.came >= CALLS * 2 // 5
        assert client.cache.stats().entries == 0
        assert all(name.startswith("insights_") for name in threads() - known), threads() - known
        assert sum(name.startswith("insights_") for name in threads()) <= 8

        # The same questions again: nobody waits for those who are gone.
        server.behaviour = lambda connection: well(
            "anthropic"
            if b"/messages" in connection.server.requests[-1]
            else "gemini"
            if b"enerateContent" in connection.server.requests[-1]
            else "openai"
        )(connection)
        for number, provider in enumerate(MODELS):
            given: dict[str, Any] = {"api_base": server.url, "api_key": KEY, "num_retries": 0, "timeout": PATIENCE}
            assert client.completion(MODELS[provider], f"question {number}", **given).text == "Hello there"
        assert client.cache.stats().entries == len(MODELS)


# ---------------------------------------------------------------- somebody else's turn


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_who_waits_for_a_cancelled_call_asks_itself(client: insights.Client, stream: bool) -> None:
    with misbehaving(Crowd(hanging)) as server:
        given: dict[str, Any] = {"api_base": server.url, "api_key": KEY, "num_retries": 0, "timeout": 60}

        async def ask(stream: bool) -> str:
            found: Any = await client.acompletion(MODELS["openai"], "Hello", stream=stream, **given)
            return "".join([chunk.text async for chunk in found]) if stream else str(found.text)

        async def both() -> tuple[str, list[str]]:
            leader = asyncio.create_task(ask(stream))
            assert await asyncio.to_thread(soon, lambda: len(server.requests) == 1)
            waiters = [asyncio.create_task(ask(False)) for _ in range(3)]
            cache: Any = client._planner.open_cache()
            (flight,) = cache.flights._under_way.values()
            if not stream:  # who reads a stream slowly isn't waited for
                while len(flight.landed._done_callbacks) < 3:  # until they wait
                    await asyncio.sleep(0.01)
                waiters.pop().cancel()  # one of those who wait takes nothing from the others
            server.behaviour = well("openai")
            leader.cancel()
            async with asyncio.timeout(PATIENCE):
                found = [await waiter for waiter in waiters]
            with pytest.raises(asyncio.CancelledError):
                await leader
            return found[0], found

        first, all_of_them = asyncio.run(both())
        assert (first, set(all_of_them)) == ("Hello there", {"Hello there"})
        assert held(client) == NOTHING
        assert client.cache.stats().entries == 1


def test_a_cancelled_probe_is_given_back(client: insights.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN", 0.0)  # once it is open, the next call is the one that looks
    with misbehaving(down("openai")) as server, insights.no_waiting():
        given: dict[str, Any] = {"api_base": server.url, "api_key": KEY, "cache": False, "timeout": PATIENCE}
        breaker.BREAKERS.reset()
        for _ in range(4):  # of three attempts each
            with pytest.raises(insights.InsightsError):
                client.completion(MODELS["openai"], "Hello", **given)
        assert insights.health()[f"openai/gpt-4o @ {server.url}"].state == "half-open"
        crowd = Crowd(hanging)
        server.behaviour = crowd

        async def give_up() -> None:
            task = asyncio.create_task(client.acompletion(MODELS["openai"], "Hello", **given))
            assert await asyncio.to_thread(crowd.has_come, 1, PATIENCE)
            with pytest.raises(insights.CircuitOpenError):  # while one looks, the others don't
                await client.acompletion(MODELS["openai"], "Hello", **given)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(give_up())
        assert held(client) == NOTHING
        server.behaviour = well("openai")
        assert client.completion(MODELS["openai"], "Hello", **given).text == "Hello there"
    assert insights.health()[f"openai/gpt-4o @ {server.url}"].state == "closed"


# ---------------------------------------------------------------- streams closed early


@linux
@every_wire
@pytest.mark.parametrize("chunks", [0, 1])
def test_a_stream_closed_early_leaves_nothing(client: insights.Client, provider: str, chunks: int) -> None:
    crowd = Crowd(hanging)
    with misbehaving(crowd) as server:
        given: dict[str, Any] = {"api_base": server.url, "api_key": KEY, "num_retries": 0, "timeout": PATIENCE}
        stream = client.completion(MODELS[provider], "Hello", stream=True, **given)
        for _ in range(chunks):
            next(stream)
        assert held(client) != NOTHING
        stream.close()
        assert held(client) == NOTHING
        assert crowd.all_gone()
        assert sockets_to(port_of(server)) == 0
        assert http._client(server.url)._transport._pool.connections == []

        async def leave() -> None:
            stream = await client.acompletion(MODELS[provider], "Hello", stream=True, **given)
            for _ in range(chunks):
                await anext(stream)
            assert held(client) != NOTHING
            await stream.aclose()
            assert held(client) == NOTHING
            assert await asyncio.to_thread(crowd.all_gone)
            assert sockets_to(port_of(server)) == 0

        asyncio.run(leave())
        assert client.cache.stats().entries == 0
        server.behaviour = well(provider)
        found = client.completion(MODELS[provider], "Hello", **given)
        assert (found.text, found.trace.cache[:5]) == ("Hello there", "miss:")


# ---------------------------------------------------------------- two at once


def hedged(first: str, second: str) -> dict[str, Any]:
    return {
        "api_base": first,
        "api_key": KEY,
        "num_retries": 0,
        "timeout": 60,
        "hedge_after": 0.02,
        "fallbacks": stand_in("openai", second),
    }


@linux
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_hedged_call_cancelled(client: insights.Client, stream: bool) -> None:
    slow, other = Crowd(lambda connection: connection.hang()), Crowd(lambda connection: connection.hang())
    with misbehaving(slow) as first, misbehaving(other) as second:

        async def give_up() -> None:
            before = asyncio.all_tasks()
            given = hedged(first.url, second.url)
            task = asyncio.create_task(client.acompletion(MODELS["openai"], "Hello", stream=stream, **given))
            assert await asyncio.to_thread(other.has_come, 1, PATIENCE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == before
            assert held(client) == NOTHING
            assert await asyncio.to_thread(lambda: slow.all_gone() and other.all_gone())
            assert sockets_to(port_of(first)) == sockets_to(port_of(second)) == 0

        asyncio.run(give_up())
    assert client.cache.stats().entries == 0


@pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("chunks", [0, 1])
def test_a_hedged_stream_closed_early(client: insights.Client, awaiting: bool, chunks: int) -> None:
    slow, other = Crowd(lambda connection: connection.hang()), Crowd(hanging)
    with misbehaving(slow) as first, misbehaving(other) as second:
        given = hedged(first.url, second.url)

        async def leave() -> bool:
            stream = await client.acompletion(MODELS["openai"], "Hello", stream=True, **given)
            for _ in range(chunks):
                await anext(stream)
            await stream.aclose()
            return await asyncio.to_thread(lambda: slow.all_gone() and other.all_gone(1))

        if awaiting:
            gone = asyncio.run(leave())
        else:
            stream = client.completion(MODELS["openai"], "Hello", stream=True, **given)
            for _ in range(chunks):
                next(stream)
            stream.close()
            gone = slow.all_gone() and other.all_gone(1)
        assert gone
        assert held(client) == NOTHING


@pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])
def test_of_two_that_speak_at_once_one_is_closed(awaiting: bool) -> None:
    closed: list[int] = []
    met = threading.Barrier(2)

    def talks(number: int) -> FlowGenerator[None]:
        yield Blocking(lambda: None)
        try:
            yield Emit(Chunk())
        finally:
            closed.append(number)

    class Meeting:
        """Both have their first words at the same moment."""

        def perform(self, effect: Effect) -> None:
            met.wait(PATIENCE)

    class AwaitingMeeting:
        def __init__(self) -> None:
            self.met = asyncio.Event()
            self.waiting = 0

        async def perform(self, effect: Effect) -> None:
            self.waiting += 1
            if self.waiting == 2:
                self.met.set()
            await self.met.wait()

    flows = Flow(talks(0)), Flow(talks(1))
    effect = Race(flows, 0.001)

    async def run() -> Any:
        return await arace(effect, AwaitingMeeting())

    found = asyncio.run(run()) if awaiting else race(effect, Meeting())
    assert found.winner is not None
    # The other one is over, whether it had come to its first words or was just about to.
    assert flows[1 - found.winner].done
    assert not flows[found.winner].done
    assert found.winner not in closed


# ---------------------------------------------------------------- interrupted by hand


class Interruptible:
    """`tests.faults.interrupted` in a process of its own."""

    def __init__(self, cache_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.faults.interrupted", str(cache_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPO,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._into, self._out = self.process.stdin, self.process.stdout
        self._pending = b""

    def tell(self, order: dict[str, Any]) -> None:
        """Has it ask."""
        self._into.write(json.dumps(order).encode() + b"\n")
        self._into.flush()

    def hear(self) -> Any:
        """What it says next."""
        while b"\n" not in self._pending:
            assert select.select([self._out], [], [], 120)[0], "the child says nothing"
            piece = os.read(self._out.fileno(), 65536)
            assert piece, "the child has ended"
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return json.loads(line)

    def end(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()
        self._into.close()
        self._out.close()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Interruptible]:
    made = Interruptible(tmp_path / "kept")
    try:
        yield made
    finally:
        with contextlib.suppress(BrokenPipeError):
            made.end()


def wait_long(connection: Connection) -> None:
    body = b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'
    connection.head(
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Retry-After: 30",
        "Connection: close",
        status="429 No",
    )
    connection.send(body)


@linux
def test_interrupted_by_hand(child: Interruptible) -> None:
    """Ctrl-C while a call waits: for an answer, for more of a stream, for the faster of two, for another attempt."""
    assert child.hear() == "ready"
    ways: dict[str, tuple[Behaviour, dict[str, Any]]] = {
        "whole": (lambda connection: connection.hang(), {}),
        "body": (hanging, {}),
        "stream": (streams.after("openai", streams.stall, 1), {"stream": True}),
        "hedged": (lambda connection: connection.hang(), {"hedge_after": 0.02}),
        "retry": (wait_long, {}),
    }
    late: dict[str, float] = {}
    for name, (behaviour, more) in ways.items():
        crowd, other = Crowd(behaviour), Crowd(lambda connection: connection.hang())
        with misbehaving(crowd) as first, misbehaving(other) as second:
            given = {"model": MODELS["openai"], "messages": name, "api_base": first.url, "api_key": KEY, "timeout": 60, **more}
            if name == "hedged":
                given["fallbacks"] = stand_in("openai", second.url)
            order = {"ports": [port_of(first), port_of(second)], "given": given}
            child.tell(order)
            assert child.hear() == "asking"
            assert (other if name == "hedged" else crowd).has_come(1)
            if name == "stream":
                assert child.hear() == "waiting"
            if name == "retry":
                assert soon(partial(is_free, port_of(first)))  # it has read the answer, and waits
            sent = time.monotonic()
            os.kill(child.process.pid, signal.SIGINT)
            said = child.hear()
            while said == "waiting":  # for the next chunk, of the two there are
                said = child.hear()
            late[name] = said["stopped"] - sent
            assert said["ended"] == "KeyboardInterrupt"
            assert (said["held"], said["sockets"], said["hedges"], said["entries"]) == (NOTHING, False, False, len(late) - 1)
            assert crowd.all_gone()
            assert other.all_gone()
            first.behaviour = well("openai")
            child.tell(order)  # the same call again, which nothing holds up
            assert child.hear() == "asking"
            said = child.hear()
            while said == "waiting":
                said = child.hear()
            assert (said["ended"], said["entries"]) == ("answered", len(late))
    assert max(late.values()) < 4
    tell(
        "interrupted by hand, stopped after " + ", ".join(f"{seconds * 1000:.1f} ms ({name})" for name, seconds in late.items())
    )
