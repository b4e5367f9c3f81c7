"""What a call may leave behind in a process, and must not: sockets, turns, locks, tasks, threads."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.cache.answers import open_cache
from insights.routing.breaker import BREAKERS

linux = pytest.mark.skipif(sys.platform != "linux", reason="sockets are counted by way of /proc")


def sockets_to(port: int) -> int:
    """Sockets of this process that are connected to a port: its clients', not its servers'."""
    own = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # closed since it was listed
            continue
        if found:
            own.add(found[1])
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[2].split(":")[1], 16) == port and row[9] in own for row in rows)


def is_free(port: int) -> bool:
    """Whether no process has a socket that is connected to a port."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return not any(int(row[2].split(":")[1], 16) == port and row[9] != "0" for row in rows)


def soon(holds: Callable[[], bool], within: float = 5.0) -> bool:
    """Whether something holds now or soon, where there is no event to wait for."""
    until = time.monotonic() + within
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def held(client: insights.Client) -> dict[str, Any]:
    """The turns and locks that calls of a client hold. None, when nothing is under way."""
    cache: Any = open_cache(client.settings.cache_dir, client.settings.cache_size_limit)
    locks = cache.store._back._locks
    return {
        "flights": list(cache.flights._under_way),
        "locks": [] if locks is None else sorted(locks._held),
        "probes": [name for name, breaker in BREAKERS if breaker._probing],
    }


NOTHING: dict[str, Any] = {"flights": [], "locks": [], "probes": []}


def threads() -> set[str]:
    """The names of the threads that are none of a test server's."""
    return {
        thread.name for thread in threading.enumerate() if not re.search(r"\((_serve|accept|serve_forever)\)$", thread.name)
    }
