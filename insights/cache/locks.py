"""Locks that die with their process: POSIX locks, each on one byte of one file.

The system takes them back at once when their holder is killed, so nothing has to expire, and no file is left over. They are
a process's, not a thread's: within a process `flight.py` decides. Closing *any* descriptor of the file gives all locks of the
process back, so there is one `LockFile` per directory and process, and nobody else opens the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows: no such locks, so each process asks for itself
    fcntl = None  # type: ignore[assignment]


_SLOTS: Final = 2**16  # of 8 bytes at the file's beginning: since when a holder's answer has lain unread


class Hold:
    """A lock that is held, or stands for one where none is needed. Called, it is given back; more than once does no harm."""

    def __init__(self, file: LockFile | None = None, place: int = 0) -> None:
        self._file, self._place = file, place

    def __call__(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file._give_back(self._place)

    def lies(self, since: float | None) -> None:
        """Tells other processes since when the reader of a stream has had the word (`time.monotonic()`); None: it hasn't."""
        if self._file is not None:
            self._file._write(self._place, since or 0.0)


class LockFile:
    """The file whose bytes are locked; made with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._mutex = threading.Lock()
        self._held: set[int] = set()
        self._file: int | None = None
        self._retired = False
        if fcntl is not None:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def hold(self, name: str) -> Hold | None:
        """The lock of this name; None while another process has it.

        Raises:
            OSError: the filesystem has no locks.
        """
        if self._file is None:
            return Hold()
        place = _place(name)
        with self._mutex:
            if not self._take(place):
                return None
            self._held.add(place)
        self._write(place, 0.0)
        return Hold(self, place)

    def lying(self, name: str) -> float | None:
        """Since when the reader of whoever holds this name has had the word (`time.monotonic()`); None: it hasn't.

        Two names may share the slot this is written to, of 65,536; then one is waited for too long or not long enough.
        """
        if self._file is None:
            return None
        data = os.pread(self._file, 8, _place(name) % _SLOTS * 8)
        since = struct.unpack("<d", data)[0] if len(data) == 8 else 0.0
        return float(since) if since > 0 else None

    def stopped(self, name: str) -> bool:
        """Whether the process that holds this name is stopped. Linux says who it is; elsewhere nobody knows."""
        if self._file is None or sys.platform != "linux":
            return False
        # struct flock: type, whence, start, length, pid (fcntl(2)).
        ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _place(name), 1, 0)
        kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(self._file, fcntl.F_GETLK, ask))
        if kind == fcntl.F_UNLCK or pid <= 0:
            return False
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in ("T", "t")  # proc(5)

    def _write(self, place: int, since: float) -> None:
        with contextlib.suppress(OSError):
            if self._file is not None:
                os.pwrite(self._file, struct.pack("<d", since), place % _SLOTS * 8)

    def _give_back(self, place: int) -> None:
        with self._mutex:
            self._held.discard(place)
            self._release(place)
            if self._retired and not self._held:
                self._close()

    def _take(self, place: int) -> bool:
        assert self._file is not None
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # POSIX lets a system choose
            return False
        return True

    def _release(self, place: int) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    @contextlib.contextmanager
    def alone(self, patience: float) -> Iterator[None]:
        """Only one process at a time is inside.

        Raises:
            TimeoutError: another process has been inside for longer than `patience` seconds.
        """
        if self._file is None:
            yield
            return
        until = time.monotonic() + patience
        while not self._take(0):
            if time.monotonic() > until:
                raise TimeoutError(f"another process has held the cache for {patience:g} s")
            time.sleep(0.005)
        try:
            yield
        finally:
            self._release(0)

    def close(self) -> bool:
        """Closes the file, unless a lock is held; whether it is closed."""
        with self._mutex:
            if self._held:
                return False
            self._close()
            return True

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def is_at(self, path: Path) -> bool:
        """Whether this is still the file at `path`; a second descriptor of the same file must not be opened."""
        try:
            return self._file is not None and os.path.samestat(os.fstat(self._file), os.stat(path))
        except OSError:
            return False

    def retire(self) -> None:
        """Closes the file as soon as no lock is held any more."""
        with self._mutex:
            self._retired = True
            if not self._held:
                self._close()

    def disown(self) -> None:
        """In a forked child: the parent's locks are not the child's."""
        self._mutex = threading.Lock()
        self._held.clear()


def _place(name: str) -> int:
    """A byte for each name: 56 bits of a digest, from 1. Offsets are signed 64 bits, and byte 0 is `alone`'s."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest(), "big") + 1
