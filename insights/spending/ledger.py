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
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from insights.cache.folder import Unfit, prepare
from insights.core.errors import LedgerError

FILE: Final = "ledger.sqlite3"
PATIENCE: Final = 10.0  # seconds that another process's write is waited for
SAVED_EVERY: Final = 5.0  # seconds; so old may what hits saved be before it is written
_WAITING: Final = 10_000  # entries kept in memory while the file can't be written

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,             -- Unix time, when the attempt began
    day TEXT NOT NULL,              -- of that time, UTC
    kind TEXT NOT NULL,             -- answer, failed, saved
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost TEXT,                      -- USD, exact; NULL where it isn't known
    assumed TEXT NOT NULL,          -- USD a budget counts where the cost isn't known
    saved TEXT NOT NULL,            -- USD that answers from the cache would have cost
    tags TEXT NOT NULL              -- a JSON list
);
CREATE INDEX IF NOT EXISTS by_day ON entries (day, id);
CREATE TRIGGER IF NOT EXISTS nothing_is_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS nothing_is_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TABLE IF NOT EXISTS reservations (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    tags TEXT NOT NULL,
    usd TEXT NOT NULL,
    until REAL NOT NULL,            -- Unix time; beyond, its call is over
    process TEXT NOT NULL           -- who holds it: a process id, and when that process began where the system says so
);
"""
_COLUMNS: Final = (
    "time, day, kind, provider, model, calls, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost, assumed,"
    " saved, tags"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `time` is a Unix time, amounts are USD; `kind` is `answer`, `failed` (paid all the same) or `saved` (from the
    cache, `calls` of them). `cost` is None where it isn't known, and then `assumed` is what a budget counts."""

    time: float
    kind: str
    provider: str
    model: str
    calls: int = 1
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal | None = None
    assumed: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)
    tags: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """The day of `time`, UTC."""
        return day_of(self.time)

    def row(self) -> tuple[Any, ...]:
        """As it is stored."""
        counts = self.calls, self.prompt_tokens, self.cached_tokens, self.completion_tokens, self.reasoning_tokens
        amounts = None if self.cost is None else f"{self.cost:f}", f"{self.assumed:f}", f"{self.saved:f}"
        return self.time, self.day, self.kind, self.provider, self.model, *counts, *amounts, json.dumps(list(self.tags))


def day_of(moment: float) -> str:
    """The day of a Unix time, UTC, as 2026-01-31."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


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
        self._unwritten: list[Entry] = []
        self._saved: dict[tuple[str, str, str, tuple[str, ...]], list[Any]] = {}
        self._saved_since = 0.0
        self._warned: set[str] = set()
        self._spent: dict[str | None, _Spent] = {}

    # ------------------------------------------------------------ writing

    def add(self, *entries: Entry) -> None:
        """Writes entries, with what could not be written before."""
        with self._mutex:
            self._unwritten.extend(entries)
            self._drain()

    def note_saved(self, provider: str, model: str, usd: Decimal, tags: tuple[str, ...] = ()) -> None:
        """Notes an answer from the cache: in memory, and soon in the file."""
        now = time.time()
        with self._mutex:
            line = self._saved.setdefault((day_of(now), provider, model, tags), [now, 0, Decimal(0)])
            line[1] += 1
            line[2] += usd
            if not self._saved_since:
                self._saved_since = now
            elif now - self._saved_since > SAVED_EVERY:
                self.flush()

    def flush(self) -> None:
        """Writes all that waits."""
        with self._mutex:
            for (_, provider, model, tags), (began, calls, usd) in self._saved.items():
                self._unwritten.append(Entry(began, "saved", provider, model, calls, saved=usd, cost=Decimal(0), tags=tags))
            self._saved, self._saved_since = {}, 0.0
            self._drain()

    def _drain(self) -> None:
        if not self._unwritten:
            return
        try:
            with self._writing() as connection:
                self._insert(connection, self._unwritten)
        except (OSError, sqlite3.Error, Unfit) as error:
            self._warn(error)
            del self._unwritten[:-_WAITING]
            return
        self._unwritten = []

    def _insert(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        places = ", ".join("?" * len(_COLUMNS.split(",")))
        connection.executemany(f"INSERT INTO entries ({_COLUMNS}) VALUES ({places})", [entry.row() for entry in entries])

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
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            prepare(self.path.parent, [FILE, f"{FILE}-wal", f"{FILE}-shm"])
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
            try:
                self._connection = self._connected()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = self.path.with_name(f"{FILE}.damaged-{int(time.time())}")
                self.path.replace(aside)
                self._warn(LedgerError(f"it was damaged, and is kept as {aside.name}; a new one is begun"))
                self._connection = self._connected()
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Writes what waits and closes the file; the next use opens it again."""
        with self._mutex:
            if self._saved or self._unwritten:
                self.flush()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # ------------------------------------------------------------ reading

    def entries(self, since: float = 0.0) -> list[Entry]:
        """All entries from a Unix time on, in their order.

        Raises:
            LedgerError: the file can't be read.
        """
        with self._mutex, self._reading() as connection:
            self.flush()
            rows = connection.execute(f"SELECT {_COLUMNS} FROM entries WHERE time >= ? ORDER BY id", (since,)).fetchall()
        return [_entry(row) for row in rows]

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
            if self._unwritten:
                self._drain()
            with self._writing() as connection:
                self._void(connection)
                held = connection.execute("SELECT tags, usd FROM reservations WHERE day = ?", (today,)).fetchall()
                found = []
                for _, tag in limits:
                    reserved = sum(
                        (Decimal(amount) for named, amount in held if tag is None or tag in json.loads(named)), Decimal(0)
                    )
                    found.append((self._spent_on(connection, today, tag), reserved))
                if any(spent + reserved + usd > limit for (limit, _), (spent, reserved) in zip(limits, found, strict=True)):
                    return 0, found
                cursor = connection.execute(
                    "INSERT INTO reservations (day, tags, usd, until, process) VALUES (?, ?, ?, ?, ?)",
                    (today, json.dumps(list(tags)), f"{usd:f}", until, _this_process()),
                )
                return int(cursor.lastrowid or 0), found

    def settle(self, number: int, *entries: Entry) -> None:
        """Gives a reservation back, and writes what was spent in its place: both or neither."""
        with self._mutex:
            self._unwritten.extend(entries)
            try:
                with self._writing() as connection:
                    self._insert(connection, self._unwritten)
                    connection.execute("DELETE FROM reservations WHERE id = ?", (number,))
            except (OSError, sqlite3.Error, Unfit) as error:
                self._warn(error)
                return
            self._unwritten = []

    def _void(self, connection: sqlite3.Connection) -> None:
        """Takes away the reservations of calls that are over, and of processes that are gone."""
        rows = connection.execute("SELECT id, until, process FROM reservations").fetchall()
        now = time.time()
        gone = [(number,) for number, until, process in rows if until < now or not _alive(process)]
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
                known.usd += Decimal(assumed if cost is None else cost)
        return known.usd


def _entry(row: Sequence[Any]) -> Entry:
    began, _, kind, provider, model, calls, prompt, cached, completion, reasoning, cost, assumed, saved, tags = row
    amounts = None if cost is None else Decimal(cost), Decimal(assumed), Decimal(saved)
    return Entry(
        began, kind, provider, model, calls, prompt, cached, completion, reasoning, *amounts, tags=tuple(json.loads(tags))
    )


def _this_process() -> str:
    return f"{os.getpid()} {_began(os.getpid())}"


def _began(number: int) -> str:
    """When a process began, in the system's own units; empty where it doesn't say (proc(5), field 22 of `stat`)."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _alive(process: str) -> bool:
    number, _, began = process.partition(" ")
    if began:
        return _began(int(number)) == began  # its number may be another's by now
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


_open: dict[str, Ledger] = {}
_opening = threading.Lock()


def open_ledger(directory: Path) -> Ledger:
    """The ledger of a directory: one in a process, however many clients use it."""
    name = os.path.realpath(directory)
    found = _open.get(name)
    if found is None:
        with _opening:
            found = _open.setdefault(name, Ledger(Path(name)))
    return found


def close_ledgers() -> None:
    """Writes what waits, of all ledgers."""
    for ledger in list(_open.values()):
        ledger.close()


def _forget() -> None:
    """A forked child must not write through its parent's connection, nor write what waits in its parent."""
    global _opening
    _opening = threading.Lock()
    _open.clear()


atexit.register(close_ledgers)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
