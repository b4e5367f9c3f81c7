"""A disk that is full and a directory that can't be written: every call has its answer, and one warning says why."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Received
from tests.stress.children import children
from tests.stress.sizes import tell
from tests.stress.upstream import Said, Upstream
from tests.unit.openai_wire import answer

CALLS = 40
LONG = "x" * 40_000  # forty of these and their database are more than either disk below holds


def long(request: Received, number: int) -> Said:
    return Said(answer(f"answer {number} {LONG}"))


def called(directory: Path, **wish: Any) -> Any:
    with Upstream(long) as upstream:
        order = {"calls": CALLS, "given": upstream.given(), **wish}
        env = {"INSIGHTS_CACHE_DIR": str(directory), "INSIGHTS_LEDGER": "0"}  # the ledger would warn of the disk as well
        with children(1, "caller", json.dumps(order), env=env) as (caller,):
            said = caller.hear()
    assert [text.split()[1] for text in said["texts"]] == [str(number + 2) for number in range(CALLS)], "the first warmed up"
    return said


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no filesystem may be mounted here")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_full_disk(tiny_disk: Path) -> None:
    said = called(tiny_disk / "cache")
    tell(f"a disk of 1 MB, {CALLS} calls of 40 kB: all answered, {len(said['warnings'])} warning")
    assert len(said["warnings"]) == 1, said["warnings"]
    assert said["again"] == said["texts"][0], "what was kept before the disk was full is lost"


def test_a_disk_that_is_full_from_the_start(tiny_disk: Path) -> None:
    with contextlib.suppress(OSError), (tiny_disk / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            """Until nothing more goes in."""
    said = called(tiny_disk / "cache")
    assert len(said["warnings"]) == 1, said["warnings"]


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    said = called(tmp_path / "cache", file_limit=1_000_000)
    assert len(said["warnings"]) == 1, said["warnings"]
    assert said["again"] == said["texts"][0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root becomes somebody who may not write")
def test_a_directory_that_may_not_be_written() -> None:
    # Not below pytest's own directory, which nobody else may look into.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o555)
        said = called(directory, uid=65534)
        assert list(directory.iterdir()) == []
    assert len(said["warnings"]) == 1, said["warnings"]
