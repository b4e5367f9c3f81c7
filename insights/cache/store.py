"""Answers on disk: diskcache, with a Disk that takes str keys and bytes values and nothing else.

diskcache's own Disk unpickles what it finds (CVE-2025-69872: whoever can write the directory runs code), and reads or deletes
any file that a row names. This one keeps everything in the database, refuses every other kind of row, and removes no file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import warnings
from pathlib import Path
from typing import Any, Final, Protocol

VERSION: Final = 1  # of a stored value's form
SIZE_LIMIT: Final = 2**30  # bytes; diskcache evicts the least recently stored beyond


class Store(Protocol):
    """What a cache must do; values are bytes, keys are hex digests."""

    def get(self, key: str) -> bytes | None:
        """The value, or None."""

    def set(self, key: str, value: bytes) -> None:
        """Keeps a value."""


def _bytes_disk() -> type[Any]:
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
                raise ValueError("a row with a foreign key")
            return key

        def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, None, sqlite3.Binary]:
            if read or not isinstance(value, bytes):
                raise TypeError("values are bytes")
            return len(value), MODE_RAW, None, sqlite3.Binary(value)

        def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> bytes:
            if mode != MODE_RAW or filename is not None or read or not isinstance(value, bytes):
                raise ValueError("a row that was not written here")
            return value

        def remove(self, file_path: Any) -> None:
            """Nothing: no value is in a file of its own."""

    return BytesDisk


class DiskStore:
    """A directory of the user's own; opened at the first use, created at the first write. Faults cost a miss, never a call."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "answers-v1"
        self._lock = threading.Lock()
        self._cache: Any = None
        self._process = 0
        self._broken = False

    def _open(self, create: bool) -> Any:
        if self._broken or not (create or (self._directory / "cache.db").exists()):
            return None
        with self._lock:
            if self._cache is None or self._process != os.getpid():  # sqlite connections don't survive a fork
                import diskcache

                self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._cache = diskcache.Cache(
                    str(self._directory), disk=_bytes_disk(), size_limit=SIZE_LIMIT, disk_min_file_size=2**62
                )
                self._process = os.getpid()
                for file in self._directory.iterdir():
                    file.chmod(0o600)
            return self._cache

    def get(self, key: str) -> bytes | None:
        """The value; None when there is none, or when the cache can't be read."""
        try:
            cache = self._open(create=False)
            return None if cache is None else cache.get(key)
        except Exception as error:
            self._give_up(error)
            return None

    def set(self, key: str, value: bytes) -> None:
        """Keeps a value, or warns once that it can't."""
        try:
            cache = self._open(create=True)
            if cache is not None:
                cache.set(key, value)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if not self._broken:
            self._broken = True
            with contextlib.suppress(RuntimeWarning):  # where warnings are errors: a fault of the cache costs no call
                warnings.warn(
                    f"insights answers without its cache: {self._directory}: {type(error).__name__}: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def close(self) -> None:
        """Closes the database; the next use opens it again."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()
                self._cache = None


def pack(answer: str) -> bytes:
    """A stored value: one line that says its version and checksum, then the answer's JSON."""
    data = answer.encode()
    head = json.dumps({"v": VERSION, "sha256": hashlib.sha256(data).hexdigest()}).encode()
    return head + b"\n" + data


def unpack(value: bytes) -> bytes | None:
    """The answer's JSON; None when the value is of another version, damaged, or not one of ours."""
    head, _, data = value.partition(b"\n")
    try:
        about = json.loads(head)
    except ValueError:
        return None
    right = isinstance(about, dict) and about.get("v") == VERSION and about.get("sha256") == hashlib.sha256(data).hexdigest()
    return data if right else None
