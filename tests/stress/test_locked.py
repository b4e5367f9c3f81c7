"""A database that somebody else has locked, and a process that asks and has been stopped: every call has its answer."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import insights
from insights.cache.disk import DiskStore
from insights.cache.locks import Hold
from tests.stress.sizes import tell
from tests.stress.upstream import Upstream
from tests.unit.cache.tools import Other

HOLDER = """
import sys
from pathlib import Path
from insights.cache.disk import DiskStore
from insights.cache.locks import Hold
store = DiskStore(Path(sys.argv[1]))
held = None
for line in sys.stdin:
    held = store.hold(line.strip())
    print("held", flush=True)
"""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Nobody else can write, as long as the block lasts."""
    with closing(sqlite3.connect(directory / "answers-v1" / "cache.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def nine_calls(client: insights.Client, upstream: Upstream) -> list[str]:
    """Four that are the same at once, and five that aren't, each with a second to be answered in."""

    async def four() -> list[str]:
        calls = [client.acompletion(messages="the same", **upstream.given(timeout=1)) for _ in range(4)]
        return [found.text for found in await asyncio.gather(*calls)]

    return asyncio.run(four()) + [
        client.completion(messages=f"{number}", **upstream.given(timeout=1)).text for number in range(5)
    ]


@pytest.mark.parametrize("already_open", [False, True])
def test_a_locked_database_costs_no_call(upstream: Upstream, own_cache_dir: Path, already_open: bool) -> None:
    with insights.Client(cache_dir=own_cache_dir) as client:
        client.completion(messages="before", **upstream.given())
        if not already_open:
            client.close()
        with locked(own_cache_dir), pytest.warns(RuntimeWarning, match="it was locked for more than") as caught:
            texts = nine_calls(client, upstream)
        assert len(caught) == 1
    assert upstream.count == 1 + len(set(texts))
    assert not already_open or len(set(texts)) == 6, "the four that are the same share one answer"
    tell(f"a database that is locked, {'open' if already_open else 'and not yet open'}: 9 calls answered, 1 warning")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who holds a lock, and whether it is stopped")
def test_a_stopped_process_is_not_waited_for(upstream: Upstream, own_cache_dir: Path) -> None:
    with insights.Client(cache_dir=own_cache_dir) as client, Other(HOLDER, own_cache_dir) as holder:
        plan = client._plan(upstream.given()["model"], "the same", False, {})
        assert plan.cache is not None
        client.completion(messages="warm", **upstream.given())
        seen: list[str] = []
        store = plan.cache.store
        hold = store.hold

        def listening(key: str) -> Hold | None:
            seen.append(key)
            return hold(key)

        store.hold = listening  # type: ignore[method-assign]  # the key of a request is nobody's but the cache's
        client.completion(messages="the same", **upstream.given())
        assert holder.ask(seen[0]) == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        try:
            found = client.completion(messages="the same", **upstream.given(cache="refresh"))
            client.cache.clear()
            found = client.completion(messages="the same", **upstream.given(timeout=20))
        finally:
            os.kill(holder.pid, signal.SIGCONT)
    assert found.text == "answer 4"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who holds a lock, and whether it is stopped")
def test_who_is_stopped(own_cache_dir: Path) -> None:
    store = DiskStore(own_cache_dir)
    assert not store.stopped("a")
    with Other(HOLDER, own_cache_dir) as holder:
        assert holder.ask("a") == "held"
        assert store.hold("a") is None
        assert not store.stopped("a"), "it is at work"
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitpid(holder.pid, os.WUNTRACED)
        assert store.stopped("a")
        assert not store.stopped("b")
        os.kill(holder.pid, signal.SIGCONT)
    store.close()
