"""What a row of the database may be: diskcache's Disk, for str keys and bytes values and nothing else.

diskcache's own Disk unpickles what it finds (CVE-2025-69872: whoever can write the directory runs code), and reads or deletes
any file that a row names. This one keeps everything in the database, refuses every other kind of row, and removes no file.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any


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
