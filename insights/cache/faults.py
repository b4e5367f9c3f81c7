"""What kind of fault a cache's database has, and how it is said."""

from __future__ import annotations

import sqlite3
from typing import Final

from insights.cache.folder import Unfit

BUSY: Final = 2.0  # seconds to wait for another process's write; diskcache's 60 would hold a call too long
OPENING: Final = 10.0  # seconds to wait for another process that makes the database


def is_damage(error: Exception, *more: int) -> bool:
    """Whether what lies there is no database, or not of this kind; by SQLite's result codes (https://sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, *more) or (
        code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column", "unsupported file format"))
    )


def is_busy(error: Exception) -> bool:
    """Whether others have it, which will pass."""
    diskcaches_own = type(error).__name__ == "Timeout"
    busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return diskcaches_own or busy or isinstance(error, TimeoutError)


def said(error: Exception) -> str:
    """The fault in words."""
    if is_busy(error):
        return f"it was locked for more than {BUSY:g} s"
    return str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error}"
