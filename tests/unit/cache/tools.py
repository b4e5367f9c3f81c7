"""What several of these tests need: a clock that is moved by hand, the size of a stress run, Python in another process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from insights.cache.store import Store
from tests.conftest import OUTER_ENVIRON
from tests.processes import REPO

DIRECTORY = "answers-v1"  # below the directory that a DiskStore is given


def stress(what: str, usual: int) -> int:
    """`INSIGHTS_STRESS_EXAMPLES`, `..._RUNS`, `..._STEPS`: how long a run is asked for, from the run's outer environment."""
    return int(OUTER_ENVIRON.get(f"INSIGHTS_STRESS_{what}") or usual)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing is said; if it were, it would fail the test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(one.message) for one in caught] == []


@contextlib.contextmanager
def one_warning(match: str) -> Iterator[list[str]]:
    """One RuntimeWarning, however much is done inside; in the end its text is in the list."""
    texts: list[str] = []
    with pytest.warns(RuntimeWarning, match=match) as caught:
        yield texts
    texts += [str(one.message) for one in caught]
    assert len(texts) == 1, texts


def value(store: Store, key: str) -> bytes | None:
    """The bytes that lie there."""
    found = store.get(key)
    return None if found is None else found.value


def hold_once(store: Store, key: str) -> None:
    """Holds a key and gives it back, as somebody whom nobody is in the way of can."""
    give_back = store.hold(key)
    assert give_back is not None
    give_back()


class Clock:
    """`time.time`, moved by hand."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """Puts it in place: of the stores', and of diskcache's too."""
        monkeypatch.setattr(time, "time", self)
        return self


class Other:
    """A Python process that does what it is told, line by line: `say` gives it a line, `hear` waits for one of its own."""

    def __init__(self, script: str, *arguments: str | Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        self.say(line)
        return self.hear()

    def kill(self) -> None:
        """At once and without a word, as the system does it when memory is short."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Other:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
