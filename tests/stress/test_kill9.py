"""Writers killed in the middle of their work: what they had been told is kept is kept, whole, and nothing else is left."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from insights.cache.answers import open_cache
from insights.cache.store import Store
from insights.cache.value import Unreadable, unpack
from tests.stress.children import children
from tests.stress.sizes import SIZES, tell
from tests.stress.writer import LIMIT, OVERWRITTEN, text_of

ALLOWED = {"cache.db", "cache.db-wal", "cache.db-shm", "locks"}


def written_until_killed(directory: Path, turn: int, dice: random.Random) -> list[str]:
    """The names a writer acknowledged before it was killed."""
    names: list[str] = []
    with children(1, "writer", str(directory), str(turn)) as (writer,):
        for _ in range(dice.randint(1, 30)):
            line = writer.line()
            assert line is not None, writer.complaints()
            names.append(line.decode())
        # Somewhere in one of the next writes, and not always at the same place: right after an acknowledgement.
        time.sleep(dice.uniform(0, 0.004))
        assert writer.kill() == -signal.SIGKILL, "it was not at work any more"
        while (line := writer.line()) is not None:
            names.append(line.decode())
    return names


def text_under(store: Store, key: str) -> str | None:
    """The stored text; None where there is none.

    Raises:
        Unreadable: it isn't what was written.
    """
    entry = store.get(key)
    return None if entry is None else unpack(key, entry.value).answer.decode()


def number(name: str) -> tuple[int, int]:
    turn, _, count = name.partition("-")
    return int(turn), int(count)


def verdict(store: Store, names: list[str]) -> tuple[list[str], list[str]]:
    """Which of the names are lost, and which aren't what was written. The one that is overwritten must not be an older one."""
    lost, corrupt = [], []
    own = [name for name in names if number(name)[1] % 4]
    newest = max((name for name in names if not number(name)[1] % 4), key=number, default=None)
    for key in [*own, *([OVERWRITTEN] if newest else [])]:
        try:
            text = text_under(store, key)
        except Unreadable:
            corrupt.append(key)
            continue
        if text is None:
            lost.append(key)
            continue
        name, _, rest = text.partition(" ")
        if rest != text_of(name) or (key != OVERWRITTEN and name != key):
            corrupt.append(key)
        elif key == OVERWRITTEN and newest is not None and number(name) < number(newest):
            lost.append(newest)
    return lost, corrupt


def test_kill_9(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    dice = random.Random(20)
    everything: list[str] = []
    unacknowledged = 0
    lost: list[str] = []
    corrupt: list[str] = []
    orphans: set[str] = set()
    for turn in range(SIZES.kills):
        names = written_until_killed(directory, turn, dice)
        everything += names
        store = open_cache(directory, LIMIT).store
        gone, damaged = verdict(store, names)
        lost += gone
        corrupt += damaged
        following = number(names[-1])[1] + 1
        unacknowledged += following % 4 > 0 and store.get(f"{turn}-{following}") is not None
        store.close()
        orphans |= {path.name for path in (directory / "answers-v1").rglob("*")} - ALLOWED
    store = open_cache(directory, LIMIT).store
    gone, damaged = verdict(store, everything)
    entries = store.stats().entries
    store.close()
    with closing(sqlite3.connect(directory / "answers-v1" / "cache.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (rows,) = database.execute("SELECT COUNT(*) FROM Cache").fetchone()
    tell(
        f"{SIZES.kills} writers killed: {len(everything)} acknowledged, {len(lost + gone)} lost, "
        f"{len(corrupt + damaged)} corrupt, {len(orphans)} orphans ({unacknowledged} kept, but killed before they said so)"
    )
    assert len(everything) >= SIZES.kills
    assert not lost + gone
    assert not corrupt + damaged
    assert not orphans
    assert entries == rows, "the count that diskcache keeps is not the number of rows"
