"""One cache directory as a process sees it: the store, the calls under way, and what was asked lately."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import warnings
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from insights.cache.disk import DiskStore
from insights.cache.flight import Flights
from insights.cache.key import differences
from insights.cache.memory import MemoryStore, TieredStore
from insights.cache.store import Store

REMEMBERED: Final = 16  # requests of this process, to say why a call missed
LARGE: Final = 2**16  # characters; a longer request isn't remembered
TELLING: Final = 5  # differences; a request with more is another one, not nearly the same


class AnswerCache:
    """A store and what belongs to it in this process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.flights = Flights()
        self._warned: set[str] = set()
        self._lately: deque[Mapping[str, Any]] = deque(maxlen=REMEMBERED)

    def warn_once(self, reason: str) -> None:
        """Warns that a stored answer can't be used; once for each reason."""
        if reason not in self._warned:
            self._warned.add(reason)
            with contextlib.suppress(RuntimeWarning):  # where warnings are errors: a fault of the cache costs no call
                warnings.warn(f"insights asks again: {reason} ({self.store.stats().directory})", RuntimeWarning, stacklevel=2)

    def remember(self, fields: Mapping[str, Any], length: int) -> None:
        """Remembers a request whose answer is stored; in memory only."""
        if length <= LARGE and not any(fields is known for known in self._lately):
            self._lately.append(fields)

    def nearest(self, fields: Mapping[str, Any]) -> list[str]:
        """In what this request differs from the one nearest to it; empty where none is near."""
        found = [differences(known, fields) for known in list(self._lately)]
        near = min((names for names in found if names), key=len, default=[])
        return near if len(near) <= TELLING else []


_open: dict[str, AnswerCache] = {}
_disks: dict[str, DiskStore] = {}
_mutex = threading.Lock()
_left_alone: list[AnswerCache] = []


def open_cache(directory: Path, size_limit: int) -> AnswerCache:
    """The cache of a directory: one in a process, however many clients use it."""
    name = os.path.realpath(directory)
    found = _open.get(name)
    if found is None:
        with _mutex:
            found = _open.get(name)
            if found is None:
                disk = _disks[name] = DiskStore(Path(name), size_limit)
                found = _open[name] = AnswerCache(TieredStore(MemoryStore(), disk))
                _close_with_worker()
    if name in _disks:
        _disks[name].resize(size_limit)
    return found


def _close_with_worker() -> None:
    """A worker of multiprocessing leaves without running what `atexit` knows; it has finalizers of its own."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing import util

        util.Finalize(None, close_all, exitpriority=0)


def close_all() -> None:
    """Writes what was counted and closes all databases; the next use opens them again."""
    for cache in list(_open.values()):
        cache.store.close()


def _after_fork() -> None:
    """A forked child has none of its parent's calls under way, and must not close its connections."""
    global _mutex
    _left_alone.extend(_open.values())
    _open.clear()
    _mutex = threading.Lock()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
