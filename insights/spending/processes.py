"""Which process holds a reservation, and whether it is still there."""

from __future__ import annotations

import os
from pathlib import Path


def this_process() -> str:
    """A name that no other process has, now or later: its number, when it began, and in whose numbering."""
    return f"{os.getpid()} {_began(os.getpid())} {_numbering()}".rstrip()


def _numbering() -> str:
    """Which numbering of processes this one is in (pid_namespaces(7)); empty where the system has but one, or doesn't say."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _began(number: int) -> str:
    """When a process began, in the system's own units; empty where it doesn't say (proc(5), field 22 of `stat`)."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def alive(process: str) -> bool:
    """Whether a process of this name is there; True where that can't be seen: then its time decides."""
    number, began, numbering, *_ = [*process.split(" "), "", ""]
    if numbering and numbering != _numbering():
        return True  # in another container: its numbers mean nothing here
    if began:
        return _began(int(number)) == began  # its number may be another's by now
    if os.name == "nt":  # where this would be Ctrl-C to it; its reservations end with their time
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
