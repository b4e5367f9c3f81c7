"""Files that are written all together or not at all, and shown before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from insights.cassettes.writing import write_text
from insights.cli.app import app
from insights.core.errors import ConfigError, InsightsError
from insights.scaffold.changes import Changes

from .project import arguments, contents, git, snapshot


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory under git, with two files in it."""
    folder = tmp_path / "root"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "table.md").write_bytes(b"one\ntwo\nthree\n")
    (folder / "end.txt").write_bytes(b"one\ntwo")
    git(folder, "init", "-q")
    return folder


def planned(root: Path, new: Mapping[str, str], changed: Mapping[str, str]) -> Changes:
    changes = Changes(root)
    changes.create(new)
    for name, text in changed.items():
        changes.change(name, text)
    return changes


NEW = {"new/folder/here.py": "x = 1\n", "beside.yaml": 'a: "ü"\n'}
CHANGED = {"deep/table.md": "one\ntwo and a half\nthree\nfour\n"}


def test_the_diff_is_what_is_written(root: Path) -> None:
    changes = planned(root, NEW, CHANGED)
    before = snapshot(root)
    diff = changes.diff
    assert snapshot(root) == before
    assert git(root, "apply", "--check", "-", stdin=diff).stderr == ""
    git(root, "apply", "-", stdin=diff)
    applied = contents(root)
    git(root, "apply", "-R", "-", stdin=diff)
    assert changes.write() == [root / name for name in (*NEW, *CHANGED)]
    assert contents(root) == applied
    assert (root / "deep/table.md").read_text() == CHANGED["deep/table.md"]


@pytest.mark.parametrize(
    "change",
    [
        ({"py.typed": ""}, {}),
        ({"new.txt": "no newline"}, {}),
        ({}, {"end.txt": "one\ntwo\n"}),
        ({}, {"end.txt": "one\ntwo, still without"}),
        ({}, {"end.txt": "zero\none\ntwo"}),
        ({"a b.txt": "x\n"}, {}),
    ],
    ids=["an empty file", "a new file without a last newline", "a newline more", "never one", "in front", "a space"],
)
def test_the_diff_is_applied_by_git(root: Path, change: tuple[dict[str, str], dict[str, str]]) -> None:
    changes = planned(root, *change)
    done = git(root, "apply", "-", stdin=changes.diff)
    assert (done.returncode, done.stderr) == (0, "")
    applied = contents(root)
    for name in change[0]:
        (root / name).unlink()
    (root / "end.txt").write_bytes(b"one\ntwo")
    changes.write()
    assert contents(root) == applied


def test_what_stays_as_it_is_is_no_change(root: Path) -> None:
    changes = planned(root, {}, {"deep/table.md": "one\ntwo\nthree\n"})
    assert (changes.new, changes.diff) == ({}, "")


@pytest.mark.parametrize("kind", ["a file", "a directory", "a link", "a broken link"])
def test_what_exists_is_not_created(root: Path, kind: str) -> None:
    path = root / "beside.yaml"
    match kind:
        case "a file":
            path.write_text("mine\n")
        case "a directory":
            path.mkdir()
        case "a link":
            path.symlink_to(root / "end.txt")
        case _:
            path.symlink_to(root / "nowhere")
    with pytest.raises(ConfigError, match="exists already, and is not overwritten") as caught:
        planned(root, NEW, {})
    assert caught.value.file == str(path)


def _a_file_in_the_way(root: Path) -> str:
    (root / "way").write_text("mine\n")
    return "way"


def _it_appeared(root: Path) -> str:
    (root / "way").mkdir()
    (root / "way" / "last.txt").write_text("mine\n")
    return "has changed meanwhile"


def _a_directory_appeared(root: Path) -> str:
    (root / "way" / "last.txt").mkdir(parents=True)
    return "can't be written"


@pytest.mark.parametrize("fault", [_a_file_in_the_way, _it_appeared, _a_directory_appeared])
def test_a_fault_in_the_middle_takes_everything_back(root: Path, fault: object) -> None:
    changes = planned(root, NEW, CHANGED)
    changes.create({"way/last.txt": "x\n"})
    assert callable(fault)
    said = fault(root)
    before = contents(root)
    with pytest.raises(InsightsError) as caught:
        changes.write()
    assert said in str(caught.value)
    assert contents(root) == before
    assert not (root / "new").exists()
    assert (root / "way").exists()


@pytest.mark.parametrize("what", ["another text", "gone"])
def test_a_file_that_changed_meanwhile_is_left_alone(root: Path, what: str) -> None:
    changes = planned(root, NEW, CHANGED)
    if what == "gone":
        (root / "deep/table.md").unlink()
    else:
        (root / "deep/table.md").write_text("somebody else's\n")
    before = contents(root)
    with pytest.raises(ConfigError, match="has changed meanwhile") as caught:
        changes.write()
    assert caught.value.hint == "run the command again"
    assert contents(root) == before
    assert not (root / "new").exists()


def test_stopped_in_the_middle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the third file is written."""
    from insights.scaffold import changes as module

    calls: list[Path] = []

    def write(path: Path, text: str) -> None:
        calls.append(path)
        if len(calls) == 3:
            path.write_text(text[:3])
            raise KeyboardInterrupt
        write_text(path, text)

    made = planned(root, NEW, CHANGED)
    before = contents(root)
    monkeypatch.setattr(module, "write_text", write)
    with pytest.raises(KeyboardInterrupt):
        made.write()
    assert contents(root) == before
    assert not (root / "new").exists()


def test_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's place is below a file: exit code 2, one line, nothing beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine\n")
    before = snapshot(tmp_path)
    done = CliRunner().invoke(app, arguments("initech", "--out-of-tree", "--into", "taken/below"))
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    assert [line for line in done.stderr.splitlines() if not line.startswith("  -> ")] == [done.stderr.splitlines()[0]]
    assert done.stderr.startswith("error: ")
    assert snapshot(tmp_path) == before
