"""One cache for a directory in a process, and what it remembers of the last requests."""

from __future__ import annotations

import os
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from insights.cache import answers
from insights.cache.answers import LARGE, REMEMBERED, TELLING, AnswerCache, close_all, open_cache
from insights.cache.memory import MemoryStore
from tests.processes import run_python

from .tools import DIRECTORY, one_warning, silence


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, AnswerCache]]:
    """Each test begins without open caches, and leaves none behind."""
    mine: dict[str, AnswerCache] = {}
    monkeypatch.setattr(answers, "_open", mine)
    monkeypatch.setattr(answers, "_left_alone", [])
    monkeypatch.setattr(answers, "_mutex", threading.Lock())
    yield mine
    close_all()


# ---------------------------------------------------------------- one per directory


def test_one_for_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = open_cache(tmp_path / "a", 10**6)
    assert open_cache(tmp_path / "a", 10**6) is first
    assert open_cache(Path("a"), 10**6) is first
    assert open_cache(tmp_path / "b" / ".." / "a", 10**6) is first
    assert open_cache(tmp_path / "b", 10**6) is not first
    assert first.store.stats().directory == str(tmp_path / "a" / DIRECTORY)
    assert first.store.stats().size_limit == 10**6


def test_opening_makes_nothing(tmp_path: Path) -> None:
    open_cache(tmp_path / "a", 10**6)
    assert list(tmp_path.iterdir()) == []


def test_a_relative_directory_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    cache = open_cache(Path("a"), 10**6)
    monkeypatch.chdir(tmp_path)
    cache.store.set("k", b"x")
    assert (tmp_path / "one" / "a" / DIRECTORY).is_dir()
    assert not (tmp_path / "a").exists()


def test_many_threads_open_one(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    found: list[AnswerCache] = []

    def work() -> None:
        start.wait(30)
        found.append(open_cache(tmp_path / "a", 10**6))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(cache) for cache in found}) == 1


def test_who_comes_second_takes_what_the_first_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registry: dict[str, AnswerCache]
) -> None:
    """Between its look and its turn another thread has opened the directory."""
    first = AnswerCache(MemoryStore())

    class Turn:
        def __enter__(self) -> None:
            own_registry[str(tmp_path / "a")] = first

        def __exit__(self, *args: object) -> None: ...

    monkeypatch.setattr(answers, "_mutex", Turn())
    assert open_cache(tmp_path / "a", 10**6) is first


def test_all_are_closed_and_used_again(tmp_path: Path) -> None:
    caches = [open_cache(tmp_path / name, 10**6) for name in "ab"]
    for cache in caches:
        cache.store.set("k", b"x")
        cache.store.count(hits=1)
    close_all()
    for name, cache in zip("ab", caches, strict=True):
        assert open_cache(tmp_path / name, 10**6) is cache
        assert cache.store.get("k") == (b"x", None)
        assert cache.store.stats().hits == 1


def test_what_was_counted_is_written_when_python_ends(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from insights.cache.answers import open_cache\n"
        "store = open_cache(Path(sys.argv[1]), 10**6).store\n"
        "store.set('k', b'x'); store.count(hits=3)"
    )
    run = run_python("-c", script, str(tmp_path / "a"))
    assert (run.returncode, run.stderr) == (0, "")
    assert open_cache(tmp_path / "a", 10**6).store.stats().hits == 3


# ---------------------------------------------------------------- fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_begins_anew(tmp_path: Path) -> None:
    """Of the parent's calls under way none would ever land in the child, and a lock that a thread held stays locked."""
    parent = open_cache(tmp_path / "a", 10**6)
    parent.store.set("k", b"x")
    flight, _ = parent.flights.enter("k", streaming=False)
    with answers._mutex:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                own = open_cache(tmp_path / "a", 10**6)
                ours = own.flights.enter("k", streaming=False)[1]
                right = own is not parent and ours and own.store.get("k") == (b"x", None) and own.store.set("c", b"child")
                close_all()
                code = 0 if right else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert open_cache(tmp_path / "a", 10**6) is parent
    assert parent.store.get("c") == (b"child", None)
    parent.flights.leave("k", flight, None)


def test_what_the_child_does_first(tmp_path: Path, own_registry: dict[str, AnswerCache]) -> None:
    parent, mutex = open_cache(tmp_path / "a", 10**6), answers._mutex
    answers._after_fork()
    assert own_registry == {}
    assert answers._left_alone == [parent], "let go, its connections would be closed"
    assert answers._mutex is not mutex
    assert open_cache(tmp_path / "a", 10**6) is not parent


# ---------------------------------------------------------------- answers that can't be used


def test_one_warning_for_each_reason(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, 10**6)
    for reason in ("it is damaged", "it is old"):
        with one_warning("insights asks again") as said:
            cache.warn_once(reason)
            cache.warn_once(reason)
        assert said == [f"insights asks again: {reason} ({tmp_path / DIRECTORY})"]
    with silence():
        cache.warn_once("it is damaged")


def test_a_warning_that_is_an_error_costs_no_call(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_cache(tmp_path, 10**6).warn_once("it is damaged")


# ---------------------------------------------------------------- the nearest request


def cache_of(*requests: dict[str, Any]) -> AnswerCache:
    made = AnswerCache(MemoryStore())
    for request in requests:
        made.remember(request, 100)
    return made


def test_in_what_it_differs_from_the_nearest() -> None:
    asked = {"model": "m", "params": {"seed": 1, "top_p": 1}}
    cache = cache_of({"model": "n", "params": {}}, asked, {"model": "o", "params": {"seed": 1, "top_p": 2}})
    assert cache.nearest({"model": "m", "params": {"seed": 2, "top_p": 1}}) == ["seed"]
    assert cache.nearest({"model": "o", "params": {"seed": 5, "top_p": 3}}) == ["seed", "top_p"]


def test_nothing_is_near() -> None:
    assert cache_of().nearest({"model": "m"}) == []
    far = dict.fromkeys("abcdefgh", 1)
    near = dict.fromkeys(list(far)[:TELLING], 1)
    assert cache_of(far).nearest({}) == []
    assert cache_of(near).nearest({}) == list(near)


def test_the_same_request_is_not_the_nearest_one() -> None:
    """It has missed all the same, because its time was over, say: then something else is to be told."""
    same = {"model": "m", "n": 1}
    assert cache_of(same).nearest(dict(same)) == []
    assert cache_of(same, {"model": "m", "n": 2}).nearest(dict(same)) == ["n"]


def test_the_last_ones_are_remembered() -> None:
    cache = cache_of(*({"seed": number} for number in range(REMEMBERED + 1)))
    assert cache._lately == deque({"seed": number} for number in range(1, REMEMBERED + 1))


def test_one_request_is_remembered_once() -> None:
    """A hit tells it again with each call."""
    request = {"seed": 1}
    cache = cache_of({"seed": 0}, *[request] * (2 * REMEMBERED))
    assert list(cache._lately) == [{"seed": 0}, request]


def test_a_long_request_is_not_remembered() -> None:
    cache = AnswerCache(MemoryStore())
    cache.remember({"long": 1}, LARGE + 1)
    cache.remember({"short": 1}, LARGE)
    assert list(cache._lately) == [{"short": 1}]
