"""The ledger: every paid attempt, in an append-only SQLite file next to the cache. No prompt, no answer, no key.

An entry is written before the answer is given to the caller, so that a process killed afterwards has lost nothing. SQLite's
write-ahead log without a sync at each commit survives the death of processes; what the machine's own death may take is the
last moment. Answers from the cache cost nothing: what they saved is summed up in memory, and written now and then.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from insights.cache.folder import Unfit, prepare
from insights.core.errors import LedgerError
from insights.spending.entries import COLUMNS, SCHEMA, Entry, day_of, entry_of_row, total
from insights.spending.processes import alive, this_process

FILE: Final = "ledger.sqlite3"
PATIENCE: Final = 10.0  # seconds that another process's write is waited for
SAVED_EVERY: Final = 5.0  # seconds; so old may what hits saved be before it is written
_WAITING: Final = 10_000  # entries kept in memory while the file can't be written
_PAUSE: Final = 5.0  # seconds that nothing is tried after a write has failed: no call after it has to wait for the same lock


@dataclass
class _Spent:
    """What a budget has seen of a day's entries, so that it needn't read them again."""

    day: str = ""
    last: int = 0
    usd: Decimal = field(default_factory=Decimal)


class Ledger:
    """The ledger of one directory, for all threads of a process, and beside other processes.

    A failed write costs no call: it is one warning, and what wasn't written is written with what comes next.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # which one the connection is to
        self._parents: list[Any] = []  # a parent process's connection, which a forked child must not even close
        self._disowned = False
        self._pause = 0.0
        self._over: list[int] = []  # reservations that are over, but could not be taken away
        self._unwritten: list[Entry] = []
        self._saved: dict[tuple[str, str, str, tuple[str, ...]], list[Any]] = {}
        self._saved_since = 0.0
        self._warned: set[str] = set()
        self._spent: dict[str | None, _Spent] = {}

    # ------------------------------------------------------------ writing

    def add(self, *entries: Entry) -> None:
        """Writes entries, with what could not be written before."""
        with self._mutex:
            if not self._disowned:
                self._unwritten.extend(entries)
                self._drain()

    def note_saved(self, provider: str, model: str, usd: Decimal, tags: tuple[str, ...] = ()) -> None:
        """Notes an answer from the cache: in memory, and soon in the file."""
        now = time.time()
        with self._mutex:
            line = self._saved.setdefault((day_of(now), provider, model, tags), [now, 0, Decimal(0)])
            line[1] += 1
            line[2] = total((line[2], usd))
            if not self._saved_since:
                self._saved_since = now
                self._write_soon()

    def _write_soon(self) -> None:
        """In a thread of its own: a hit is not to wait for the file."""
        later = threading.Timer(SAVED_EVERY, self.flush)
        later.daemon = True
        with contextlib.suppress(RuntimeError):  # the interpreter is ending, and writes what waits by itself
            later.start()

    def flush(self, *, now: bool = False) -> None:
        """Writes all that waits; `now` also where a write has just failed."""
        with self._mutex:
            for (_, provider, model, tags), (began, calls, usd) in self._saved.items():
                self._unwritten.append(Entry(began, "saved", provider, model, calls, saved=usd, cost=Decimal(0), tags=tags))
            self._saved, self._saved_since = {}, 0.0
            self._drain(now=now)

    def _drain(self, *, now: bool = False) -> None:
        if not (self._unwritten or self._over) or (time.monotonic() < self._pause and not now):
            return
        try:
            with self._writing() as connection:
                self._insert(connection, self._unwritten)
                connection.executemany("DELETE FROM reservations WHERE id = ?", [(number,) for number in self._over])
        except (OSError, sqlite3.Error, Unfit) as error:
            self._warn(error)
            self._pause = time.monotonic() + _PAUSE
            del self._unwritten[:-_WAITING]
            return
        self._unwritten, self._over, self._pause = [], [], 0.0

    def _insert(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        places = ", ".join("?" * len(COLUMNS.split(",")))
        connection.executemany(f"INSERT INTO entries ({COLUMNS}) VALUES ({places})", [entry.row() for entry in entries])

    def _warn(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if reason not in self._warned:
            self._warned.add(reason)
            with contextlib.suppress(RuntimeWarning):  # where warnings are errors: the ledger's faults cost no call
                warnings.warn(f"insights can't write its ledger, {self.path} ({reason})", RuntimeWarning, stacklevel=3)

    # ------------------------------------------------------------ the database

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else can write beside."""
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself has ended it where the disk is full
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._file != _identity(self.path):
            self._connection.close()  # somebody has deleted it
            self._connection = None
        if self._connection is None:
            prepare(self.path.parent, [FILE, f"{FILE}-wal", f"{FILE}-shm"])
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
            self._spent = {}
            found = _identity(self.path)
            try:
                self._connection = self._connected()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                if found == _identity(self.path):  # else another process has seen to it
                    self._set_aside()
                self._connection = self._connected()
            self._file = _identity(self.path)
        return self._connection

    def _set_aside(self) -> None:
        aside = f"{FILE}.damaged-{int(time.time())}-{os.getpid()}"
        self.path.replace(self.path.with_name(aside))
        for end in ("-wal", "-shm"):  # which belong to it
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(FILE + end).replace(self.path.with_name(aside + end))
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        self._warn(LedgerError(f"it was damaged, and is kept as {aside}; a new one is begun"))

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Writes what waits and closes the file; the next use opens it again."""
        with self._mutex:
            if self._saved or self._unwritten or self._over:
                self.flush(now=True)
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def disown(self) -> None:
        """In a forked child: what is under way here is its parent's, who writes it."""
        self._mutex, self._disowned = threading.RLock(), True
        self._parents.append(self._connection)
        self._connection, self._unwritten, self._saved, self._over = None, [], {}, []

    # ------------------------------------------------------------ reading

    def entries(self, since: float = 0.0) -> list[Entry]:
        """All entries from a Unix time on, in their order.

        Raises:
            LedgerError: the file can't be read.
        """
        with self._mutex, self._reading() as connection:
            self.flush(now=True)
            rows = connection.execute(f"SELECT {COLUMNS} FROM entries WHERE time >= ? ORDER BY id", (since,)).fetchall()
        return [entry_of_row(row) for row in rows]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._open()
        except (OSError, sqlite3.Error, Unfit) as error:
            raise LedgerError(f"{self.path}: can't be read: {error}", hint="see whether another program holds it") from None

    # ------------------------------------------------------------ reservations

    def reserve(
        self, limits: Sequence[tuple[Decimal, str | None]], usd: Decimal, until: float, tags: tuple[str, ...]
    ) -> tuple[int, list[tuple[Decimal, Decimal]]]:
        """Reserves an amount of today's money, if it fits all limits; other processes see it at once.

        Args:
            limits: USD a day, each with the tag whose calls it counts (None: all).
            usd: the amount. until: a Unix time; later the reservation is void.
            tags: of the call.

        Returns:
            The reservation's number (0: it doesn't fit), and for each limit what is spent and what is reserved by others.

        Raises:
            LedgerError: the file can't be used, so that no limit can be kept.
        """
        today = day_of(time.time())
        with self._mutex, self._reading():
            self._drain(now=True)
            with self._writing() as connection:
                self._void(connection)
                held = connection.execute("SELECT tags, usd FROM reservations WHERE day = ?", (today,)).fetchall()
                found = []
                for _, tag in limits:
                    reserved = total(Decimal(amount) for named, amount in held if tag is None or tag in json.loads(named))
                    found.append((self._spent_on(connection, today, tag), reserved))
                if any(total((*each, usd)) > limit for (limit, _), each in zip(limits, found, strict=True)):
                    return 0, found
                cursor = connection.execute(
                    "INSERT INTO reservations (day, tags, usd, until, process) VALUES (?, ?, ?, ?, ?)",
                    (today, json.dumps(list(tags)), f"{usd:f}", until, this_process()),
                )
                return int(cursor.lastrowid or 0), found

    def settle(self, number: int, *entries: Entry) -> None:
        """Gives a reservation back, and writes what was spent in its place: both or neither."""
        with self._mutex:
            if not self._disowned:
                self._unwritten.extend(entries)
                self._over.append(number)
                self._drain()

    def _void(self, connection: sqlite3.Connection) -> None:
        """Takes away the reservations of calls that are over, and of processes that are gone."""
        rows = connection.execute("SELECT id, until, process FROM reservations").fetchall()
        now = time.time()
        gone = [(number,) for number, until, process in rows if until < now or not alive(process)]
        connection.executemany("DELETE FROM reservations WHERE id = ?", gone)

    def _spent_on(self, connection: sqlite3.Connection, day: str, tag: str | None) -> Decimal:
        known = self._spent.setdefault(tag, _Spent())
        if known.day != day:
            known.day, known.last, known.usd = day, 0, Decimal(0)
        rows = connection.execute(
            "SELECT id, cost, assumed, tags FROM entries WHERE day = ? AND id > ? AND kind != 'saved'", (day, known.last)
        )
        for number, cost, assumed, tags in rows:
            known.last = max(known.last, number)
            if tag is None or tag in json.loads(tags):
                known.usd = total((known.usd, Decimal(assumed if cost is None else cost)))
        return known.usd


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


_open: dict[str, Ledger] = {}
_PARENTS: Final[list[Ledger]] = []
_opening = threading.Lock()


def open_ledger(directory: Path) -> Ledger:
    """The ledger of a directory: one in a process, however many clients use it."""
    named = str(directory)
    found = _open.get(named) if directory.is_absolute() else None
    if found is not None:
        return found
    name = os.path.realpath(directory)
    found = _open.get(name)
    if found is None:
        with _opening:
            found = _open.setdefault(name, Ledger(Path(name)))
    if directory.is_absolute():  # looking up its links takes as long as an answer from the cache
        _open[named] = found
    return found


def close_ledgers() -> None:
    """Writes what waits, of all ledgers."""
    for ledger in set(_open.values()):
        ledger.close()


def _forget() -> None:
    """A forked child must not write through its parent's connection, nor write what waits in its parent."""
    global _opening
    _opening = threading.Lock()
    for ledger in _open.values():
        ledger.disown()
        _PARENTS.append(ledger)  # never collected: that would close its connection
    _open.clear()


atexit.register(close_ledgers)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
