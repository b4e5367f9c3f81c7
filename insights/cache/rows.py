"""What diskcache may do with what it finds in its database: little.

Its own Disk unpickles what it finds (CVE-2025-69872: whoever can write the directory runs code), and reads or deletes any file
that a row names. This one keeps everything in the database, refuses every other kind of row, and removes no file.

Its Cache makes an attribute, or a PRAGMA, of every row in the table Settings, and waits a minute for a locked database. This
one believes no such row, and waits as long as it is told.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

# PRAGMAs of every connection: diskcache's own choice. The first has an effect on an empty database only.
_PRAGMAS = (("auto_vacuum", 1), ("journal_mode", "wal"), ("synchronous", 1), ("cache_size", 8192), ("mmap_size", 2**26))


class ForeignRow(Exception):
    """A row that was not written here."""


@cache
def bytes_disk() -> type[Any]:
    """The class; made at the first use, because importing diskcache takes its time."""
    import diskcache
    from diskcache.core import MODE_RAW, UNKNOWN

    class BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
        """str keys, bytes values, all inside the database."""

        def put(self, key: Any) -> tuple[str, bool]:
            if not isinstance(key, str):
                raise TypeError("keys are text")
            return key, True

        def get(self, key: Any, raw: bool) -> str:
            if not raw or not isinstance(key, str):
                raise ForeignRow
            return key

        def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, None, sqlite3.Binary]:
            if read or not isinstance(value, bytes):
                raise TypeError("values are bytes")
            return 0, MODE_RAW, None, sqlite3.Binary(value)  # 0 bytes outside the database

        def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> bytes:
            if mode != MODE_RAW or filename is not None or read or not isinstance(value, bytes):
                raise ForeignRow
            return value

        def remove(self, file_path: Any) -> None:
            """Nothing: no value is in a file of its own."""

    return BytesDisk


def _patiently(execute: Callable[..., Any], patience: float, *arguments: Any) -> Any:
    """Executes a statement, again and again while others have the database, for so many seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            return execute(*arguments)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.001)


@cache
def _cache_class() -> type[Any]:
    import diskcache
    from diskcache.core import DEFAULT_SETTINGS, ENOVAL, METADATA

    known = {*DEFAULT_SETTINGS, *METADATA}

    class BytesCache(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
        """diskcache's Cache, with settings of its own and bounded patience."""

        def __init__(self, directory: Path, size_limit: int, patience: float) -> None:
            self._patience = patience
            settings = {**DEFAULT_SETTINGS, "size_limit": size_limit}
            super().__init__(str(directory), timeout=patience, disk=bytes_disk(), **settings)

        @property
        def _con(self) -> sqlite3.Connection:
            connection: sqlite3.Connection | None = getattr(self._local, "con", None)
            if connection is None:
                # WAL has no such file once the database is made; one that somebody put there could name files for SQLite to
                # delete, or be a FIFO to wait at.
                Path(self._directory, "cache.db-journal").unlink(missing_ok=True)
                connection = sqlite3.connect(Path(self._directory, "cache.db"), timeout=self._timeout, isolation_level=None)
                self._local.con = connection
                for name, value in _PRAGMAS:
                    if self._sql_retry(f"PRAGMA {name}").fetchone() != (value,):  # to set it again would take a lock
                        self._sql_retry(f"PRAGMA {name} = {value}").fetchall()
            return connection

        @property
        def _sql_retry(self) -> Callable[..., Any]:
            return partial(_patiently, self._con.execute, self._patience)

        def reset(self, key: str, value: Any = ENOVAL, update: bool = True) -> Any:
            if key not in known or key.startswith("sqlite_"):
                return None
            return super().reset(key, value, update)

    return BytesCache


def open_database(directory: Path, size_limit: int, patience: float) -> Any:
    """A `diskcache.Cache` over the database `cache.db` of a directory.

    Args:
        size_limit: bytes; beyond, what was stored first goes first.
        patience: seconds to wait for others' writes.

    Raises:
        sqlite3.DatabaseError: it is none, or of another kind.
    """
    found = _cache_class()(directory, size_limit, patience)
    found._sql("CREATE TABLE IF NOT EXISTS Counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
    for probe in (
        "SELECT key, raw, store_time, expire_time, tag, mode, filename, value FROM Cache LIMIT 1",
        "SELECT name, value FROM Counts LIMIT 1",
    ):
        found._sql(probe).fetchall()
    return found
