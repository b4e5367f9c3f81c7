"""Recorders killed in the middle of their work: the cassette is the old one or the new one, never half of one."""

from __future__ import annotations

import os
import random
import signal
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from insights.cassettes.file import read_cassette
from tests.stress.children import PATIENCE, Child, children
from tests.stress.recorder import name_of, record
from tests.stress.sizes import WHICH, tell

KILLS = 100 if WHICH == "full" else 8
INTERACTIONS = 300 if WHICH == "full" else 100


@dataclass
class Told:
    """What recorders said: the last version that one began, the last that was written, and how many were."""

    begun: int = 0
    done: int = 0
    written: int = 0

    def hear(self, line: bytes | None) -> bool:
        """Takes one line; whether there was one."""
        if line is None:
            return False
        word, number = line.split()
        if word == b"begin":
            self.begun = int(number)
        else:
            self.done = int(number)
            self.written += 1
        return True


def leftovers(folder: Path) -> list[Path]:
    """Everything in the folder but the cassette."""
    return [path for path in folder.iterdir() if path.name != "c.yaml"]


def wait_for_a_write(folder: Path) -> None:
    """Until a file is being written: there is no event for it, so the folder is looked at again and again."""
    until = time.monotonic() + PATIENCE
    while not leftovers(folder):
        assert time.monotonic() < until, "nothing was written"


def kill_somewhere(recorder: Child, folder: Path, dice: random.Random, told: Told, *, while_writing: bool) -> None:
    """SIGKILL, at any moment or while a file is being written, after the recorder has written a version or two."""
    until = told.written + dice.randint(1, 2)
    while told.written < until:
        assert told.hear(recorder.line()), recorder.complaints()
    foreign = [path.name for path in leftovers(folder) if f".{recorder.pid}." not in path.name]
    assert not foreign, "what a killed recorder had left was not taken away by the next write"
    # Not always at the same place. Writing a file takes a millisecond or so, recording a version some tenths of a second.
    wait = dice.uniform(-0.0005, 0.0005) if while_writing else dice.uniform(0, 0.3)
    if while_writing:
        wait_for_a_write(folder)
    if wait > 0:
        time.sleep(wait)
    assert recorder.kill() == -signal.SIGKILL, "it was not at work any more"
    while told.hear(recorder.line()):
        pass


def test_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "cassettes"
    cassette = folder / "c.yaml"
    record(cassette, 0, INTERACTIONS)
    template = cassette.read_bytes()
    assert template.count(name_of(0).encode()) == 2 * INTERACTIONS
    dice = random.Random(20)
    told = Told()
    in_writing = half_written = newer = broken = 0
    for turn in range(KILLS):
        with children(1, "recorder", str(cassette), str(told.begun + 1), str(INTERACTIONS)) as (recorder,):
            kill_somewhere(recorder, folder, dice, told, while_writing=turn % 4 != 3)
        found = cassette.read_bytes()
        possible = {
            template.replace(name_of(0).encode(), name_of(number).encode()): number for number in (told.done, told.begun)
        }
        broken += found not in possible
        newer += possible.get(found, told.done) > told.done
        assert len(read_cassette(cassette).interactions) == INTERACTIONS
        left = leftovers(folder)
        assert len(left) <= 1, "what was left before has not been taken away"
        in_writing += bool(left)
        half_written += sum(path.stat().st_size < len(template) for path in left)
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 or path.stat().st_size == len(template) for path in left)
    record(cassette, told.begun + 1, INTERACTIONS)
    tell(
        f"{KILLS} recorders killed after {told.written} cassettes, {in_writing} while a file was being written (half of it was"
        f" there {half_written} times), {newer} before they could say that it was: {broken} cassettes broken,"
        f" {len(leftovers(folder))} files left"
    )
    assert os.listdir(folder) == ["c.yaml"]
    assert not broken
    assert in_writing >= KILLS // 8, "too few were killed in the middle of a write"
