"""Of identical calls at once one asks: in processes, threads, tasks and streams, and whatever becomes of the one that asks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

import insights
from insights.core.errors import BadRequestError
from tests.loopback import Received
from tests.stress.children import children
from tests.stress.sizes import SIZES, tell
from tests.stress.upstream import PATIENCE, Said, Upstream, numbered
from tests.unit.openai_wire import refusal

HELD: Final = 0.3  # seconds that an answer is held back, so that whoever would ask too does so meanwhile
QUESTION: Final = "the same question"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def client(own_cache_dir: Path) -> Iterator[insights.Client]:
    with insights.Client(cache_dir=own_cache_dir) as made:
        yield made


def after_a_while(gate: threading.Event) -> None:
    """Opens a gate when everybody has had the time to come."""
    threading.Timer(HELD, gate.set).start()


def at_once(works: list[Callable[[], Any]]) -> list[Future[Any]]:
    """Runs each in a thread of its own, all from the same moment on, to their ends."""
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        ready.wait(PATIENCE)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return [threads.submit(run, work) for work in works]


def outcome(future: Future[Any]) -> str:
    error = future.exception(PATIENCE)
    return type(error).__name__ if error else str(future.result().text)


# ---------------------------------------------------------------- processes


def test_processes(upstream: Upstream) -> None:
    """One of them imports litellm and asks; the others wait without it."""
    gate = upstream.hold(1)
    with children(SIZES.askers, "asker") as askers:
        for asker in askers:
            assert asker.hear() == {"ready": True}
        for asker in askers:
            asker.tell(upstream.given(messages=QUESTION))
        for asker in askers:
            assert asker.hear() == {"asking": True}
        upstream.wait_for(1)
        after_a_while(gate)
        said = [asker.hear() for asker in askers]
    answers = [one.get("answer", one) for one in said]
    with_litellm = sum(one["litellm"] for one in said)
    tell(f"{SIZES.askers} processes, one question: {upstream.count} upstream, {with_litellm} imported litellm")
    assert upstream.count == 1
    assert all(one == answers[0] for one in answers)
    assert answers[0]["choices"][0]["message"]["content"] == "answer 1"
    assert sorted(one["cache"].partition(":")[0] for one in said) == ["hit"] * (SIZES.askers - 1) + ["miss"]
    assert with_litellm == 1


def test_a_process_is_killed_while_it_asks(upstream: Upstream) -> None:
    """The system gives its lock back, so one of those who wait asks at once, and the others get its answer."""
    with children(SIZES.heirs + 1, "asker") as askers:
        for number, asker in enumerate(askers):
            assert asker.hear() == {"ready": True}
            # litellm's import is no part of the time from the death to the next request.
            asker.tell(upstream.given(messages=f"warming up {number}"))
        for asker in askers:
            assert asker.hear() == {"asking": True}
            assert asker.hear()["litellm"] is True
        before = upstream.count
        never, gate = upstream.hold(before + 1), upstream.hold(before + 2)
        holder, *heirs = askers
        holder.tell(upstream.given(messages=QUESTION))
        upstream.wait_for(before + 1)
        for heir in heirs:
            heir.tell(upstream.given(messages=QUESTION))
        for heir in heirs:
            assert heir.hear() == {"asking": True}
        time.sleep(HELD)  # until they wait; nothing outside of a process tells that it does
        assert upstream.count == before + 1
        killed = time.monotonic()
        holder.kill()
        upstream.wait_for(before + 2)
        latency = upstream.moments[before + 1] - killed
        after_a_while(gate)
        said = [heir.hear() for heir in heirs]
        never.set()
    asked = upstream.count - before
    tell(f"a holder killed, {SIZES.heirs} waiting: {asked} upstream, the second {latency * 1000:.0f} ms after the kill")
    assert asked == 2
    texts = {one["answer"]["choices"][0]["message"]["content"] for one in said}
    assert texts == {f"answer {before + 2}"}
    assert latency < 5, "a guard against a hang, no measurement"


# ---------------------------------------------------------------- threads and tasks


def test_threads(upstream: Upstream, client: insights.Client) -> None:
    gate = upstream.hold(1)
    after_a_while(gate)
    done = at_once([lambda: client.completion(messages=QUESTION, **upstream.given())] * SIZES.threads)
    found = [future.result() for future in done]
    tell(f"{SIZES.threads} threads, one question: {upstream.count} upstream")
    assert upstream.count == 1
    assert {one.text for one in found} == {"answer 1"}
    assert len({id(one) for one in found}) == len(found), "an object of two callers"
    assert sum(not one.cached for one in found) == 1


def test_tasks(upstream: Upstream, client: insights.Client) -> None:
    gate = upstream.hold(1)

    async def crowd() -> list[Any]:
        tasks = [asyncio.create_task(client.acompletion(messages=QUESTION, **upstream.given())) for _ in range(SIZES.tasks)]
        await asyncio.to_thread(upstream.wait_for, 1)
        after_a_while(gate)
        return await asyncio.gather(*tasks)

    found = asyncio.run(crowd())
    tell(f"{SIZES.tasks} tasks, one question: {upstream.count} upstream")
    assert upstream.count == 1
    assert {one.text for one in found} == {"answer 1"}
    assert len({id(one) for one in found}) == len(found), "an object of two callers"


async def threads_and_tasks(
    upstream: Upstream, client: insights.Client, gate: threading.Event, pool: ThreadPoolExecutor | None, count: int
) -> list[Any]:
    """As many identical calls in threads of `pool` (None: the loop's own) as in tasks, all at once."""
    given = upstream.given(messages=QUESTION)
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(client.acompletion(**given)) for _ in range(count)]
    await asyncio.sleep(0)  # a task is the first to ask
    threads = [loop.run_in_executor(pool, lambda: client.completion(**given)) for _ in range(count)]
    after_a_while(gate)
    return list(await asyncio.gather(*tasks, *threads))


def test_threads_and_tasks(upstream: Upstream, client: insights.Client) -> None:
    gate = upstream.hold(1)
    with ThreadPoolExecutor(SIZES.threads) as pool:
        found = asyncio.run(threads_and_tasks(upstream, client, gate, pool, SIZES.threads))
    tell(f"{SIZES.threads} threads and {SIZES.threads} tasks, one question: {upstream.count} upstream")
    assert upstream.count == 1
    assert {one.text for one in found} == {"answer 1"}


def test_tasks_and_the_loops_own_threads(upstream: Upstream, client: insights.Client) -> None:
    """A task that asks must not need a thread of the pool whose threads all wait for it (`asyncio.to_thread`)."""
    gate = upstream.hold(1)

    async def crowd() -> list[Any]:
        with ThreadPoolExecutor(2) as small:
            asyncio.get_running_loop().set_default_executor(small)
            return await threads_and_tasks(upstream, client, gate, None, 4)

    found = asyncio.run(crowd())
    assert upstream.count == 1
    assert {one.text for one in found} == {"answer 1"}


def test_event_loops_in_threads(upstream: Upstream, client: insights.Client) -> None:
    """Each thread has a loop of its own; the one that asks wakes all the others."""
    gate = upstream.hold(1)
    after_a_while(gate)

    def loop() -> Any:
        async def pair() -> list[Any]:
            given = upstream.given(messages=QUESTION)
            return list(await asyncio.gather(client.acompletion(**given), client.acompletion(**given)))

        return asyncio.run(pair())

    done = at_once([loop] * 8)
    assert {one.text for future in done for one in future.result()} == {"answer 1"}
    assert upstream.count == 1


def test_what_is_not_the_same(upstream: Upstream, client: insights.Client) -> None:
    """Nobody waits for another's answer where that isn't his: all requests arrive before one is answered."""
    ways: list[dict[str, Any]] = [
        {},
        {"sample": 1},
        {"cache": {"namespace": "a"}},
        {"cache": {"namespace": "b"}},
        {"cache": {"namespace": "b"}, "sample": 1},
        {"cache": "refresh"},
        {"cache": "refresh"},
        {"cache": False},
        {"cache": False},
    ]
    gate = upstream.hold(*range(1, len(ways) + 1))

    def watch() -> None:
        upstream.wait_for(len(ways))
        gate.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    done = at_once([lambda way=way: client.completion(messages=QUESTION, **upstream.given(**way)) for way in ways])  # type: ignore[misc]
    watcher.join()
    assert len({future.result().text for future in done}) == len(ways) == upstream.count
    tell(f"{len(ways)} calls that differ in namespace, sample or mode: {upstream.count} upstream")


# ---------------------------------------------------------------- streams


def read(client: insights.Client, upstream: Upstream, **more: Any) -> list[Any]:
    return list(client.completion(messages=QUESTION, stream=True, **upstream.given(**more)))


def test_streams(upstream: Upstream, client: insights.Client) -> None:
    gate = upstream.hold(1)
    after_a_while(gate)
    done = at_once([lambda: read(client, upstream)] * SIZES.threads)
    found = [future.result() for future in done]
    tell(f"{SIZES.threads} identical streams: {upstream.count} upstream, {len(found[0])} chunks each")
    assert upstream.count == 1
    assert "".join(chunk.text for chunk in found[0]) == "answer 1"
    assert len(found[0]) > 3
    assert all(one == found[0] for one in found)


def test_streams_and_whole_answers(upstream: Upstream, client: insights.Client) -> None:
    gate = upstream.hold(1)
    after_a_while(gate)
    streams: list[Callable[[], Any]] = [lambda: "".join(chunk.text for chunk in read(client, upstream))] * 4
    whole: list[Callable[[], Any]] = [lambda: client.completion(messages=QUESTION, **upstream.given()).text] * 4
    assert {future.result() for future in at_once([*streams, *whole])} == {"answer 1"}
    assert upstream.count == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_reader_that_stops_asks_again_in_the_same_thread(stream: bool, upstream: Upstream, client: insights.Client) -> None:
    """Waiting for the end of a stream that only this thread could read would never end."""
    with client.completion(messages=QUESTION, stream=True, **upstream.given()) as left:
        next(left)
        again: Any = client.completion(messages=QUESTION, stream=stream, **upstream.given())
        text = "".join(chunk.text for chunk in again) if stream else again.text
        assert text == "answer 2"
        assert "".join(chunk.text for chunk in left).endswith("answer 1"[-4:]), "the first one can still be read"
    assert upstream.count == 2


def test_a_reader_that_stops_keeps_no_other_thread_waiting(upstream: Upstream, client: insights.Client) -> None:
    with client.completion(messages=QUESTION, stream=True, **upstream.given()) as left:
        next(left)
        (other,) = at_once([lambda: client.completion(messages=QUESTION, **upstream.given())])
        assert other.result().text == "answer 2"
    assert upstream.count == 2


def test_a_reader_that_stops_keeps_no_other_process_waiting(upstream: Upstream, own_cache_dir: Path) -> None:
    with (
        insights.Client(cache_dir=own_cache_dir) as client,
        client.completion(messages=QUESTION, stream=True, **upstream.given()) as left,
        children(1, "asker") as (other,),
    ):
        next(left)
        assert other.hear() == {"ready": True}
        other.tell(upstream.given(messages=QUESTION))
        assert other.hear() == {"asking": True}
        assert other.hear()["answer"]["choices"][0]["message"]["content"] == "answer 2"
    assert upstream.count == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_task_that_stops_reading(stream: bool, upstream: Upstream, client: insights.Client) -> None:
    async def both() -> str:
        async with await client.acompletion(messages=QUESTION, stream=True, **upstream.given()) as left:
            await anext(left)
            again: Any = await client.acompletion(messages=QUESTION, stream=stream, **upstream.given())
            return "".join([chunk.text async for chunk in again]) if stream else again.text

    assert asyncio.run(asyncio.wait_for(both(), PATIENCE)) == "answer 2"
    assert upstream.count == 2


def test_a_stream_that_is_closed_wakes_who_waits(upstream: Upstream, client: insights.Client) -> None:
    """Closed after the first chunk, its answer is incomplete; the next asks at once and the others share."""
    left = client.completion(messages=QUESTION, stream=True, **upstream.given())
    next(left)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(lambda: client.completion(messages=QUESTION, **upstream.given())) for _ in range(4)]
        left.close()
        texts = {future.result(PATIENCE).text for future in waiting}
    assert texts <= {"answer 2", "answer 3"}, "an answer that broke off was shared"
    assert client.completion(messages=QUESTION, **upstream.given()).text in texts


# ---------------------------------------------------------------- the one that asks fails


def test_a_task_that_is_cancelled(upstream: Upstream, client: insights.Client) -> None:
    """Another of those who wait takes over, and the rest get its answer."""
    never, gate = upstream.hold(1), upstream.hold(2)

    async def crowd() -> list[Any]:
        given = upstream.given(messages=QUESTION)
        holder = asyncio.create_task(client.acompletion(**given))
        await asyncio.to_thread(upstream.wait_for, 1)
        others = [asyncio.create_task(client.acompletion(**given)) for _ in range(8)]
        await asyncio.sleep(0)
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder
        await asyncio.to_thread(upstream.wait_for, 2)
        after_a_while(gate)
        return await asyncio.gather(*others)

    try:
        found = asyncio.run(asyncio.wait_for(crowd(), PATIENCE))
    finally:
        never.set()
    tell(f"a task cancelled, {len(found)} waiting: {upstream.count} upstream")
    assert {one.text for one in found} == {"answer 2"}
    assert upstream.count == 2


def test_waiting_tasks_that_are_cancelled(upstream: Upstream, client: insights.Client) -> None:
    """Neither the one that asks nor those who still wait notice."""
    gate = upstream.hold(1)

    async def crowd() -> list[Any]:
        given = upstream.given(messages=QUESTION)
        tasks = [asyncio.create_task(client.acompletion(**given)) for _ in range(8)]
        await asyncio.to_thread(upstream.wait_for, 1)
        for task in tasks[1::2]:
            task.cancel()
        gone = await asyncio.gather(*tasks[1::2], return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in gone)
        gate.set()
        return await asyncio.gather(*tasks[::2])

    found = asyncio.run(asyncio.wait_for(crowd(), PATIENCE))
    assert {one.text for one in found} == {"answer 1"}
    assert upstream.count == 1


def test_a_refusal_is_not_shared(client: insights.Client) -> None:
    """Who asked gets it; the next asks, and the rest share that answer."""

    def first_refuses(request: Received, number: int) -> Said:
        return Said(refusal("no"), 400) if number == 1 else numbered(request, number)

    with Upstream(first_refuses) as upstream:
        first, second = upstream.hold(1), upstream.hold(2)
        after_a_while(first)

        def then() -> None:
            upstream.wait_for(2)
            after_a_while(second)

        watcher = threading.Thread(target=then)
        watcher.start()
        done = at_once([lambda: client.completion(messages=QUESTION, **upstream.given())] * 8)
        watcher.join()
        outcomes = sorted(outcome(future) for future in done)
        tell(f"8 threads, the first is refused: {upstream.count} upstream")
        assert outcomes == [BadRequestError.__name__] + ["answer 2"] * 7
        assert upstream.count == 2


def test_refusal_after_refusal(client: insights.Client) -> None:
    """A question that is always refused is not waited for in a line: each one gets the refusal, and none hangs."""
    with Upstream(lambda request, number: Said(refusal("no"), 400)) as upstream:
        done = at_once([lambda: client.completion(messages=QUESTION, **upstream.given())] * 8)
        assert [outcome(future) for future in done] == [BadRequestError.__name__] * 8
        assert upstream.count == 8


# ---------------------------------------------------------------- blocking inside of an event loop


def test_a_blocking_call_in_the_loop_that_asks(upstream: Upstream, client: insights.Client) -> None:
    """The task could answer only when the loop goes on, and the loop only when the blocking call has its answer."""
    gate = upstream.hold(1)

    async def both() -> tuple[str, str]:
        given = upstream.given(messages=QUESTION)
        task = asyncio.create_task(client.acompletion(**given))
        await asyncio.to_thread(upstream.wait_for, 1)
        blocking = client.completion(**given)  # blocking in a coroutine: what this is about
        gate.set()
        return blocking.text, (await task).text

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, both()).result(PATIENCE / 2) == ("answer 2", "answer 1")
    assert upstream.count == 2
