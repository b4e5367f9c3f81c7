"""Answers on disk, for all processes of one user: a diskcache database in a private directory."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from insights.cache.faults import BUSY, OPENING, is_busy, is_damage, said
from insights.cache.folder import prepare
from insights.cache.locks import Hold, LockFile
from insights.cache.rows import ForeignRow, open_database
from insights.cache.store import MICRO, CacheStats, Entry
from insights.core.config import DEFAULT_CACHE_SIZE
from insights.core.errors import CacheError

T = TypeVar("T")

REST: Final = 60.0  # seconds without the cache, when it couldn't be opened in time
FLUSH: Final = 64  # counts kept in memory before they are written

DATABASE: Final = "cache.db"
LOCKS: Final = "locks"
FILES: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCKS)


class DiskStore:
    """A directory of the user's own; opened at the first use, created at the first write. Faults cost a miss, never a call.

    Args:
        directory: the cache directory; answers lie in `answers-v1` below it.
        size_limit: bytes; beyond, what was stored first goes first.
    """

    def __init__(self, directory: Path, size_limit: int = DEFAULT_CACHE_SIZE) -> None:
        self.directory = directory / "answers-v1"
        self._size_limit = size_limit
        self._mutex = threading.RLock()
        self._cache: Any = None
        self._identity: tuple[int, int, int] | None = None  # process, and the database's device and inode
        self._left_alone: list[Any] = []  # a parent's connections, which a forked child must not close
        self._warned: set[str] = set()
        self._unusable_until = 0.0  # time.monotonic()
        self._fault: str | None = None
        self._writing_from = 0.0  # time.monotonic(); until then nothing is written
        self._set_aside = 0
        self._seen = threading.local()
        self._locks: LockFile | None = None
        self._counts: dict[str, int] = {}
        self._counting = threading.Lock()  # its own: `_mutex` may be held by one who waits for the database

    # ------------------------------------------------------------ Store

    def get(self, key: str) -> Entry | None:
        """See `Store.get`."""

        def read(cache: Any) -> Entry | None:
            value, expires = cache.get(key, expire_time=True)
            if not isinstance(expires, float | None):
                raise ForeignRow
            return None if value is None else Entry(value, expires)

        return self._use(read, None, reading=True)

    def set(self, key: str, value: bytes, *, ttl: float | None = None, tag: str = "") -> bool:
        """See `Store.set`."""
        if not isinstance(value, bytes):  # type: ignore[redundant-expr, unused-ignore]  # said here, not as a fault of the disk
            raise TypeError(f"values are bytes, got {type(value).__name__}")

        if len(value) > self._size_limit:
            return False  # it would push out all the others, and then itself

        def write(cache: Any) -> bool:
            with cache.transact():
                kept = bool(cache.set(key, value, expire=ttl, tag=tag))
                self._flush(cache)
            return kept

        return not self._resting() and self._use(write, False, create=True)

    def _resting(self) -> bool:
        """Whether the last write had to wait in vain: the next ones don't, for a while."""
        return bool(self._writing_from) and time.monotonic() < self._writing_from

    def expired(self, key: str) -> bool:
        """See `Store.expired`."""

        def read(cache: Any) -> bool:
            query = "SELECT 1 FROM Cache WHERE key = ? AND raw = 1 AND expire_time <= ?"
            return cache._sql(query, (key, time.time())).fetchone() is not None

        return self._use(read, False, reading=True)

    def evict(self, tag: str) -> int:
        """See `Store.evict`."""

        def forget(cache: Any) -> int:
            query = "SELECT DISTINCT tag FROM Cache WHERE tag >= ? AND tag < ?"
            below = cache._sql(query, (f"{tag}/", f"{tag}0")).fetchall()  # "0" comes after "/"
            return sum(cache.evict(name) for name in (tag, *(row[0] for row in below)))

        return self._insist(forget)

    def clear(self) -> int:
        """See `Store.clear`."""
        return self._insist(lambda cache: int(cache.clear()))

    def _insist(self, work: Callable[[Any], int]) -> int:
        try:
            cache = self._open(create=False)
            if cache is None and self._fault is not None:
                raise CacheError(f"the cache can't be used: {self._fault}")
            return 0 if cache is None else work(cache)
        except CacheError:
            raise
        except Exception as error:
            raise CacheError(f"answers could not be forgotten: {self.directory}: {said(error)}", hint="try again") from None

    def fault(self) -> str | None:
        """See `Store.fault`."""
        return self._fault if self._unusable_until and time.monotonic() < self._unusable_until else None

    def count(self, *, hits: int = 0, misses: int = 0, saved: Decimal = Decimal(0)) -> None:
        """See `Store.count`."""
        with self._counting:
            for name, number in (("hits", hits), ("misses", misses), ("saved", _micros(saved))):
                if number:
                    self._counts[name] = self._counts.get(name, 0) + number
            due = self._counts.get("hits", 0) >= FLUSH
        if due and not self._resting():
            self._use(self._flush, None)

    def stats(self) -> CacheStats:
        """See `Store.stats`."""

        def read(cache: Any) -> CacheStats:
            self._flush(cache)
            counts = dict(cache._sql("SELECT name, value FROM Counts").fetchall())
            return CacheStats(
                hits=int(counts.get("hits", 0)),
                misses=int(counts.get("misses", 0)),
                saved=int(counts.get("saved", 0)) * MICRO,
                entries=len(cache),
                size=int(cache.volume()),
                size_limit=self._size_limit,
                directory=str(self.directory),
            )

        return self._use(read, CacheStats(size_limit=self._size_limit, directory=str(self.directory)))

    def hold(self, key: str) -> Hold | None:
        """See `Store.hold`."""
        try:
            self._open(create=True)
            return Hold() if self._locks is None else self._locks.hold(key)
        except Exception as error:
            self._failed(error, self._cache)
            return Hold()

    def lying(self, key: str) -> float | None:
        """See `Store.lying`."""
        locks = self._locks
        try:
            return None if locks is None else locks.lying(key)
        except OSError:
            return None

    def stopped(self, key: str) -> bool:
        """See `Store.stopped`."""
        locks = self._locks
        try:
            return locks is not None and locks.stopped(key)
        except OSError:
            return False

    def changed(self) -> bool:
        """See `Store.changed`."""

        def ask(cache: Any) -> bool:
            # The number is this connection's alone (https://sqlite.org/pragma.html#pragma_data_version).
            connection = cache._con
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            before, self._seen.now = getattr(self._seen, "now", None), (connection, version)
            return before is None or before[0] is not connection or before[1] != version

        return self._use(ask, True, reading=True)

    def close(self) -> None:
        """See `Store.close`."""
        if self._cache is not None and self._counts:
            self._use(self._flush, None)
        with self._mutex:
            if self._cache is not None:
                self._cache.close()
                self._cache = self._identity = None
            if self._locks is not None and self._locks.close():
                self._locks = None

    def resize(self, size_limit: int) -> None:
        """Another size limit, for all that is stored from now on."""
        if size_limit != self._size_limit:
            self._size_limit = size_limit
            cache = self._cache
            if cache is not None:
                cache.size_limit = size_limit

    # ------------------------------------------------------------ opening

    def _use(self, work: Callable[[Any], T], otherwise: T, *, create: bool = False, reading: bool = False) -> T:
        """What `work` gives for the open cache; `otherwise` without one, or when something fails."""
        cache, begun = None, time.monotonic()
        try:
            cache = self._open(create)
            return otherwise if cache is None else work(cache)
        except Exception as error:
            self._failed(error, cache)
            if is_busy(error) and time.monotonic() - begun >= BUSY / 2:  # it has waited in vain
                self._writing_from = time.monotonic() + REST
                if reading:  # nobody's writing makes a reader wait: something holds the database for good
                    self._unusable_until, self._fault = self._writing_from, said(error)
            return otherwise

    def _open(self, create: bool) -> Any:
        if self._unusable_until and time.monotonic() < self._unusable_until:
            return None
        cache = self._cache
        if cache is not None and self._identity == self._current():
            return cache
        if not (create or (self.directory / DATABASE).exists()):
            return None
        with self._mutex:
            if self._cache is None or self._identity != self._current():
                self._leave_old()
                try:
                    self._cache = self._open_database()
                except Exception as error:
                    if not is_damage(error, sqlite3.SQLITE_ERROR):  # that: other tables than ours
                        raise
                    self._put_aside(error)
                    self._cache = self._open_database()
            return self._cache

    def _current(self) -> tuple[int, int, int] | None:
        """This process and the database's file, as they are now: who deletes the directory begins a new cache."""
        try:
            found = os.stat(self.directory / DATABASE)
        except OSError:
            return None
        return os.getpid(), found.st_dev, found.st_ino

    def _leave_old(self) -> None:
        """Leaves a database that was deleted, or a parent's: a forked child must not close its connections."""
        if self._identity is not None and self._identity[0] != os.getpid():
            self._left_alone.append(self._cache)
            if self._locks is not None:
                self._locks.disown()
        self._cache = None
        if self._locks is not None and not self._locks.is_at(self.directory / LOCKS):
            self._locks.retire()
            self._locks = None

    def _open_database(self) -> Any:
        prepare(self.directory, FILES)
        if self._locks is None:
            self._locks = LockFile(self.directory / LOCKS)
        with self._locks.alone(OPENING):  # SQLite's own locks don't cover the making of a database
            with contextlib.suppress(FileExistsError):  # made by SQLite, its mode would be the umask's
                os.close(os.open(self.directory / DATABASE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._identity = self._current()
            return open_database(self.directory, self._size_limit, BUSY)

    def _flush(self, cache: Any) -> None:
        """Writes what was counted."""
        with self._counting:
            counts, self._counts = self._counts, {}
        try:
            with cache.transact():
                for name, number in counts.items():
                    cache._sql(
                        "INSERT INTO Counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                        (name, number),
                    )
        except Exception:
            with self._counting:
                for name, number in counts.items():
                    self._counts[name] = self._counts.get(name, 0) + number
            raise

    # ------------------------------------------------------------ what may go wrong

    def _failed(self, error: Exception, cache: Any) -> None:
        """Warns once of each kind of fault, and makes the best of it."""
        if isinstance(error, ForeignRow):
            self._warn("foreign", f"{self.directory} has a row that was not written by insights; it is not read")
            return
        if cache is not None and is_damage(error):
            try:
                with self._mutex:
                    if self._cache is cache:  # else another thread has seen to it
                        self._put_aside(error)
                return
            except Exception as worse:
                error, cache = worse, None
        if cache is None:
            # Locked by others it may be used again, but not before every call has waited for it.
            self._unusable_until = time.monotonic() + REST if is_busy(error) else float("inf")
            self._fault = said(error)
            self._warn(
                "unusable",
                f"insights answers without its cache: {self.directory}: {said(error)}\n"
                "  -> INSIGHTS_CACHE_DIR names another directory, INSIGHTS_CACHE=0 turns the cache off",
            )
            return
        with contextlib.suppress(Exception):
            cache.close()  # this thread's connection: a commit that failed leaves it inside a transaction
        self._warn(
            "busy" if is_busy(error) else type(error).__name__,
            f"insights could not use its cache: {self.directory}: {said(error)}",
        )

    def _put_aside(self, error: Exception) -> None:
        """Renames a database that is none, unless another process has done so already.

        Raises:
            Exception: `error`, where it is not the first time: two are no accident.
        """
        self._set_aside += 1
        if self._set_aside > 1 or self._locks is None:
            raise error
        with self._locks.alone(OPENING):
            if self._identity == self._current():
                stamp = f"damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
                for name in FILES[:3]:
                    with contextlib.suppress(FileNotFoundError):
                        (self.directory / name).rename(self.directory / f"{name}.{stamp}")
                self._warn(
                    "damaged",
                    f"the cache's database was damaged ({said(error)}): it is set aside as "
                    f"{self.directory / DATABASE}.{stamp}, and a new one begins",
                )
        self._cache = self._identity = None

    def _warn(self, kind: str, text: str) -> None:
        with self._mutex:
            if kind in self._warned:
                return
            self._warned.add(kind)
        with contextlib.suppress(RuntimeWarning):  # where warnings are errors: a fault of the cache costs no call
            warnings.warn(text, RuntimeWarning, stacklevel=2)


def _micros(usd: Decimal) -> int:
    try:
        return int(usd / MICRO)
    except (ArithmeticError, ValueError):  # infinite, or beyond all sense
        return 0
