"""A file is the old one or the new one, and nobody else reads it before it is whole."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from insights.cassettes import writing
from insights.cassettes.writing import alone, write_text
from insights.core.errors import CassetteError

PATIENCE = 20


@pytest.fixture
def mask() -> Iterator[None]:
    """A umask that forbids nothing: what is not readable then was meant not to be."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def others(folder: Path, name: str = "c.yaml") -> list[str]:
    return sorted(item.name for item in folder.iterdir() if item.name != name)


@pytest.mark.usefixtures("mask")
def test_nobody_else_reads_it_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("old")
    path.chmod(0o664)
    written, go_on, real = threading.Event(), threading.Event(), os.fsync

    def held(handle: int) -> None:
        real(handle)
        written.set()
        assert go_on.wait(PATIENCE)

    monkeypatch.setattr(os, "fsync", held)
    writer = threading.Thread(target=write_text, args=(path, "new"))
    writer.start()
    try:
        assert written.wait(PATIENCE)
        (name,) = others(tmp_path)
        assert (tmp_path / name).read_text() == "new"
        assert mode(tmp_path / name) == 0o600
        assert path.read_text() == "old"
    finally:
        go_on.set()
        writer.join()
    assert path.read_text() == "new"
    assert mode(path) == 0o664  # as the old one's
    assert others(tmp_path) == []


@pytest.mark.parametrize(("umask", "expected"), [(0o000, 0o644), (0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
@pytest.mark.usefixtures("mask")
def test_a_new_file_is_readable_as_its_owner_lets_files_be(tmp_path: Path, umask: int, expected: int) -> None:
    os.umask(umask)
    write_text(tmp_path / "deep" / "er" / "c.yaml", "text")
    assert mode(tmp_path / "deep" / "er" / "c.yaml") == expected
    assert os.umask(0) == umask  # as it was


def test_line_breaks_and_letters_stay(tmp_path: Path) -> None:
    write_text(tmp_path / "c.yaml", "ä\n🙂\r\n")
    assert (tmp_path / "c.yaml").read_bytes() == "ä\n🙂\r\n".encode()


def gone() -> int:
    """The number of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_what_others_left(tmp_path: Path) -> None:
    """Files of processes that are gone are taken away, and no others."""
    dead, alive = gone(), os.getppid()
    kept = [
        f".c[1].yaml.{alive}.abc.tmp",
        f".c[1].yaml.{os.getpid()}.abc.tmp",
        ".c[1].yaml.word.abc.tmp",
        f".c[1].yaml.{10**30}.abc.tmp",  # no number of a process
        f".c1.yaml.{dead}.abc.tmp",
        f".d.yaml.{dead}.abc.tmp",
    ]
    for name in (*kept, f".c[1].yaml.{dead}.abc.tmp"):
        (tmp_path / name).write_text("half")
    write_text(tmp_path / "c[1].yaml", "whole")
    assert others(tmp_path, "c[1].yaml") == sorted(kept)


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("old")
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from insights.cassettes.writing import write_text\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_text(Path(sys.argv[1]), 'new')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(others(tmp_path)) == 1
    write_text(path, "newer")
    assert path.read_text() == "newer"
    assert others(tmp_path) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CassetteError, match=r"c\.yaml: can't be written: No space left") as raised:
        write_text(path, "new")
    assert "the old file is kept" in str(raised.value.hint)
    assert path.read_text() == "old"
    assert others(tmp_path) == []


@pytest.mark.parametrize("path", ["a-file/deep/c.yaml", "a-directory"])
def test_a_place_that_cannot_be_written_to(tmp_path: Path, path: str) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    (tmp_path / "a-directory").mkdir()
    with pytest.raises(CassetteError, match="can't be written") as raised:
        write_text(tmp_path / path, "new")
    assert raised.value.message.startswith(f"{tmp_path / path}: ")
    assert others(tmp_path, "") == ["a-directory", "a-file"]


def test_one_after_the_other(tmp_path: Path) -> None:
    """Who comes second waits for who came first, and no longer."""
    entered, done = threading.Event(), threading.Event()

    def second() -> None:
        with alone(tmp_path / "c.yaml"):
            entered.set()
        done.set()

    waiting = threading.Thread(target=second)
    with alone(tmp_path / "c.yaml"):
        waiting.start()
        assert not entered.wait(0.1)
    assert entered.wait(PATIENCE)
    assert done.wait(PATIENCE)
    waiting.join()


def test_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "fcntl", None)
    with alone(tmp_path / "deep" / "c.yaml"), alone(tmp_path / "deep" / "c.yaml"):
        write_text(tmp_path / "deep" / "c.yaml", "text")
    assert (tmp_path / "deep" / "c.yaml").read_text() == "text"


def test_a_place_that_is_no_directory_is_told_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    with alone(tmp_path / "a-file" / "c.yaml"):
        entered = True
    assert entered
