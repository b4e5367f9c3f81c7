"""A file is the old one or the new one, never half of one: whatever fails, and also when the process is killed."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from insights.core.errors import CassetteError

try:
    import fcntl
except ImportError:  # Windows: no such locks
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Only one process at a time changes files in this directory, where the system has such locks. They die with it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.parent, os.O_RDONLY)
    except OSError:
        yield  # what is wrong will be said where it is written
        return
    try:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # some network filesystems have none
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes a file in one step. Until it is whole, nobody else can read what is there (mode 0600); what a killed process
    left lying is taken away.

    Raises:
        CassetteError: it can't be written; the old file is kept.
    """
    temporary: Path | None = None
    path = Path(os.path.realpath(path))  # of a link what it leads to is written
    if path.exists() and not path.is_file():
        raise CassetteError(f"{path}: can't be written: it is no file", hint="choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode(path))
        temporary.replace(path)
    except OSError as error:
        raise CassetteError(
            f"{path}: can't be written: {error.strerror}", hint="mend that, or choose another path; the old file is kept"
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _mode(path: Path) -> int:
    """The old file's; of a new one, what its owner lets others read: it has been looked through by now."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o644 & ~mask


def _tidy(path: Path) -> None:
    """Takes away what processes that are gone have left of this file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):  # names of tests have brackets
        number = left.name.removeprefix(f".{path.name}.").partition(".")[0]
        if number.isdigit() and int(number) != os.getpid() and not _alive(int(number)):
            with contextlib.suppress(OSError):
                left.unlink()


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
