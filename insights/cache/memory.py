"""Answers in this process: the least recently used go first. In front of a slower store, no older than that."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from insights.cache.locks import Hold
from insights.cache.store import CacheStats, Entry, Store

SIZE_LIMIT: Final = 32 * 2**20  # bytes
VALUE_LIMIT: Final = 2**20  # bytes; a larger value would push out all the others


class MemoryStore:
    """Immutable values in a dict, up to so many bytes."""

    def __init__(self, size_limit: int = SIZE_LIMIT, value_limit: int = VALUE_LIMIT) -> None:
        self._limit, self._value_limit = size_limit, value_limit
        self._rows: OrderedDict[str, tuple[Entry, str]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._stats = CacheStats(size_limit=size_limit)

    def get(self, key: str) -> Entry | None:
        """See `Store.get`."""
        with self._lock:
            row = self._rows.get(key)
            if row is None or _over(row[0]):
                return None
            self._rows.move_to_end(key)
            return row[0]

    def set(self, key: str, value: bytes, *, ttl: float | None = None, tag: str = "") -> bool:
        """See `Store.set`."""
        return self.put(key, Entry(value, None if ttl is None else time.time() + ttl), tag)

    def put(self, key: str, entry: Entry, tag: str = "") -> bool:
        """Keeps an entry as it is."""
        with self._lock:
            self._drop(key)
            if len(entry.value) > min(self._value_limit, self._limit):
                return False
            self._rows[key] = entry, tag
            self._size += len(entry.value)
            while self._size > self._limit:
                self._drop(next(iter(self._rows)))
            return True

    def drop(self, key: str) -> None:
        """Forgets one value."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self._size -= len(row[0].value)

    def expired(self, key: str) -> bool:
        """See `Store.expired`."""
        with self._lock:
            row = self._rows.get(key)
            return row is not None and _over(row[0])

    def evict(self, tag: str) -> int:
        """See `Store.evict`."""
        with self._lock:
            gone = [key for key, (_, own) in self._rows.items() if own == tag or own.startswith(f"{tag}/")]
            for key in gone:
                self._drop(key)
            return len(gone)

    def clear(self) -> int:
        """See `Store.clear`."""
        with self._lock:
            gone = len(self._rows)
            self._rows.clear()
            self._size = 0
            return gone

    def count(self, *, hits: int = 0, misses: int = 0, saved: Decimal = Decimal(0)) -> None:
        """See `Store.count`."""
        with self._lock:
            old = self._stats
            self._stats = CacheStats(old.hits + hits, old.misses + misses, old.saved + saved, size_limit=self._limit)

    def stats(self) -> CacheStats:
        """See `Store.stats`."""
        with self._lock:
            s = self._stats
            return CacheStats(s.hits, s.misses, s.saved, len(self._rows), self._size, self._limit)

    def hold(self, key: str) -> Hold | None:
        """No other process sees this store."""
        return Hold()

    def lying(self, key: str) -> float | None:
        """No other process sees this store."""
        return None

    def stopped(self, key: str) -> bool:
        """No other process sees this store."""
        return False

    def changed(self) -> bool:
        """Nobody else can write."""
        return False

    def fault(self) -> str | None:
        """Nothing can go wrong."""
        return None

    def close(self) -> None:
        """There is nothing to close."""


class TieredStore:
    """A memory in front of a store that others write to as well.

    What lies in front is given out only while nobody else has written behind it. It gets there by being read, never by
    being written: of two writers at once, the store alone knows who was the last. And only what was read while nobody in this
    process wrote: of two readers during a write, one may have seen the old value and put it over the new one.
    """

    def __init__(self, front: MemoryStore, back: Store) -> None:
        self._front, self._back = front, back
        self._lock = threading.Lock()
        self._changes = 0  # so that a value read before a change isn't put in front after it
        self._writers = 0

    def get(self, key: str) -> Entry | None:
        """See `Store.get`."""
        if self._back.changed():
            with self._lock:
                self._changes += 1
                self._front.clear()
        found = self._front.get(key)
        if found is not None:
            return found
        with self._lock:
            changes, quiet = self._changes, not self._writers
        found = self._back.get(key)
        if found is not None and quiet:
            with self._lock:
                if changes == self._changes:
                    self._front.put(key, found)
        return found

    def set(self, key: str, value: bytes, *, ttl: float | None = None, tag: str = "") -> bool:
        """See `Store.set`."""
        with self._writing(key):
            return self._back.set(key, value, ttl=ttl, tag=tag)

    @contextlib.contextmanager
    def _writing(self, key: str | None) -> Iterator[None]:
        """During the block nothing is put in front; after it the key, or None for all, is out of it."""
        with self._lock:
            self._writers += 1
            self._changes += 1
        try:
            yield
        finally:
            with self._lock:
                self._writers -= 1
                if key is None:
                    self._front.clear()
                else:
                    self._front.drop(key)

    def expired(self, key: str) -> bool:
        """See `Store.expired`."""
        return self._back.expired(key)

    def evict(self, tag: str) -> int:
        """See `Store.evict`."""
        with self._writing(None):
            return self._back.evict(tag)

    def clear(self) -> int:
        """See `Store.clear`."""
        with self._writing(None):
            return self._back.clear()

    def count(self, *, hits: int = 0, misses: int = 0, saved: Decimal = Decimal(0)) -> None:
        """See `Store.count`."""
        self._back.count(hits=hits, misses=misses, saved=saved)

    def stats(self) -> CacheStats:
        """See `Store.stats`."""
        return self._back.stats()

    def hold(self, key: str) -> Hold | None:
        """See `Store.hold`."""
        return self._back.hold(key)

    def lying(self, key: str) -> float | None:
        """See `Store.lying`."""
        return self._back.lying(key)

    def stopped(self, key: str) -> bool:
        """See `Store.stopped`."""
        return self._back.stopped(key)

    def changed(self) -> bool:
        """See `Store.changed`."""
        return self._back.changed()

    def fault(self) -> str | None:
        """See `Store.fault`."""
        return self._back.fault()

    def close(self) -> None:
        """See `Store.close`."""
        with self._writing(None):
            self._back.close()


def _over(entry: Entry) -> bool:
    return entry.expires is not None and entry.expires <= time.time()
