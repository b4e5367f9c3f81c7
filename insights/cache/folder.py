"""A directory that is this user's alone: made so, and checked before anything in it is believed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# Where SQLite's locks or its shared memory don't hold (https://sqlite.org/wal.html, "all processes ... on the same host").
NETWORK: Final = frozenset(
    """afs beegfs ceph cifs davfs fuse.ceph-fuse fuse.davfs2 fuse.gcsfuse fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs
    glusterfs gpfs lustre ncpfs nfs nfs4 smb3 smbfs""".split()
)
_MOUNTS: Final = Path("/proc/self/mountinfo")  # Linux; elsewhere nothing is known about mounts


class Unfit(Exception):
    """A directory that is not to be used, and why."""


def prepare(directory: Path, files: Iterable[str]) -> None:
    """Makes `directory` with mode 0700, or sees that it is private already, and that its files are.

    Args:
        directory: the innermost one, in a directory that the user may have named.
        files: names in it that are opened later, where they exist.

    Raises:
        Unfit: it is somebody else's, a symbolic link, or on a network filesystem; or one of its files is.
        OSError: it can't be made.
    """
    kind = filesystem(directory)
    if kind in NETWORK:
        raise Unfit(f"it is on a network filesystem ({kind}), where SQLite's locks don't hold")
    make(directory.parent)
    _check_outer(directory.parent)
    make(directory)
    found = directory.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise Unfit("it is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise Unfit("it is not a directory")
    _check_owner(found, "it")
    if found.st_mode & 0o077:
        directory.chmod(0o700)
    for name in files:
        _check_file(directory / name)


def make(directory: Path) -> None:
    """Makes a directory and those above it that are missing, all for the user alone, whatever the umask."""
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)


def _check_outer(directory: Path) -> None:
    """Whoever can rename what lies in the outer directory can put something else in its place."""
    if not hasattr(os, "geteuid"):
        return
    found = directory.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise Unfit(f"{directory} belongs to user {found.st_uid}")
    if directory.lstat().st_uid not in (os.geteuid(), 0):
        raise Unfit(f"{directory} is a symbolic link of user {directory.lstat().st_uid}")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise Unfit(f"{directory} can be written to by everybody")


def _check_owner(found: os.stat_result, what: str) -> None:
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise Unfit(f"{what} belongs to user {found.st_uid}")


def _check_file(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise Unfit(f"{path.name} in it is not a plain file")
    _check_owner(found, f"{path.name} in it")
    if found.st_nlink > 1:
        raise Unfit(f"{path.name} in it has another name elsewhere")
    if found.st_mode & 0o077:
        path.chmod(0o600)


def filesystem(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the filesystem a path is on, or will be on; None where the system doesn't say.

    The form of `mountinfo` is that of proc(5).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return None
    real = os.path.realpath(path)
    best, kind = -1, None
    for line in lines:
        head, _, tail = line.partition(" - ")
        fields = head.split(" ")
        if len(fields) < 5 or not tail:
            continue
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # of two mounts at one place the later one is seen
            best, kind = len(point), tail.split(" ", 1)[0]
    return kind
