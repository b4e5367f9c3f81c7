"""Locks between processes: one holds, and its death gives back what it held."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from insights.cache import locks
from insights.cache.disk import DiskStore
from insights.cache.locks import Hold, LockFile

from .tools import Other, hold_once

# Does what it is told and answers each line: "hold a" with yes or no, "give a", "alone" (until "leave"), "close",
# "lies a" and "reads a" (whoever reads the stream has the word, or hasn't).
HOLDER = """
import os, sys
from pathlib import Path
from insights.cache.locks import LockFile
file, held, inside = LockFile(Path(sys.argv[1])), {}, None
for line in sys.stdin:
    word, _, name = line.strip().partition(" ")
    said = "done"
    if word == "hold":
        held[name] = file.hold(name)
        said = "no" if held[name] is None else "yes"
    elif word == "give":
        held.pop(name)()
    elif word == "alone":
        inside = file.alone(30)
        inside.__enter__()
    elif word == "leave":
        inside.__exit__(None, None, None)
    elif word == "lies":
        held[name].lies(42.5)
    elif word == "reads":
        held[name].lies(None)
    elif word == "close":
        said = "yes" if file.close() else "no"
    print(said, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def file(path: Path) -> Iterator[LockFile]:
    made = LockFile(path)
    yield made
    made._held.clear()
    made.close()


@pytest.fixture
def other(path: Path) -> Iterator[Other]:
    with Other(HOLDER, path) as process:
        yield process


def held(file: LockFile, name: str) -> Hold:
    give_back = file.hold(name)
    assert give_back is not None
    return give_back


# ---------------------------------------------------------------- between processes


def test_one_process_holds(file: LockFile, other: Other) -> None:
    assert other.ask("hold a") == "yes"
    assert file.hold("a") is None
    assert file.hold("a") is None
    give_back = held(file, "b")  # another name is another lock
    assert other.ask("hold b") == "no"
    assert other.ask("give a") == "done"
    held(file, "a")()
    give_back()
    assert other.ask("hold b") == "yes"
    assert file.hold("b") is None


def test_a_killed_holder_has_given_back(file: LockFile, other: Other) -> None:
    assert other.ask("hold a") == "yes"
    assert file.hold("a") is None
    other.kill()
    held(file, "a")()


def test_what_was_not_got_is_not_held(file: LockFile, other: Other) -> None:
    assert other.ask("hold a") == "yes"
    assert file.hold("a") is None
    assert file.close(), "there is nothing to give back"


def test_giving_back_twice_takes_nothing_from_others(file: LockFile, other: Other) -> None:
    give_back = held(file, "a")
    give_back()
    assert other.ask("hold a") == "yes"
    give_back()
    assert file.hold("a") is None


def test_keys_as_they_are_and_odd_ones(file: LockFile, other: Other) -> None:
    names = ["0" * 64, "0" * 63 + "1", "ä", "", "a b"]
    back = [held(file, name) for name in names]
    assert [other.ask(f"hold {name}") for name in names] == ["no"] * len(names)
    for give_back in back:
        give_back()
    assert [other.ask(f"hold {name}") for name in names] == ["yes"] * len(names)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_inherit(file: LockFile, other: Other) -> None:
    """Neither does it hold what the parent holds, nor does it give back what is not its own."""
    give_back = held(file, "a")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            file.disown()
            give_back()  # the parent's call, unwound in the child
            blocked = file.hold("a") is None
            code = 0 if blocked and file.close() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert other.ask("hold a") == "no", "the child's end gave the parent's lock back"
    give_back()
    assert other.ask("hold a") == "yes"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_amid_another_thread_does_not_lock_the_child(file: LockFile) -> None:
    """The mutex may be held at the moment of the fork, by a thread that the child does not have."""
    with file._mutex:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                file.disown()
                code = 0 if file.hold("a") is not None else 2
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_two_stores_in_two_processes(tmp_path: Path) -> None:
    """The way it is used: a store holds, and a store in another process asks."""
    script = """
import sys
from pathlib import Path
from insights.cache.disk import DiskStore
store = DiskStore(Path(sys.argv[1]))
for line in sys.stdin:
    print("no" if store.hold(line.strip()) is None else "yes", flush=True)
"""
    store = DiskStore(tmp_path)
    with Other(script, tmp_path) as other:
        assert other.ask("a") == "yes"
        assert store.hold("a") is None
        give_back = store.hold("b")
        assert give_back is not None
        assert other.ask("b") == "no"
        give_back()
        assert other.ask("b") == "yes"
        other.kill()
    for name in "ab":
        hold_once(store, name)
    store.close()


# ---------------------------------------------------------------- a stream that nobody reads


def test_others_see_since_when_an_answer_lies_unread(file: LockFile, other: Other) -> None:
    assert file.lying("a") is None
    assert other.ask("hold a") == "yes"
    assert file.lying("a") is None
    other.ask("lies a")
    assert file.lying("a") == 42.5
    assert file.lying("b") is None
    other.ask("reads a")
    assert file.lying("a") is None


def test_what_a_holder_left_behind_is_not_the_next_ones(file: LockFile, other: Other) -> None:
    """It was killed while its answer lay unread; whoever holds the name next has not begun to answer."""
    assert other.ask("hold a") == "yes"
    other.ask("lies a")
    other.kill()
    assert file.lying("a") == 42.5
    give_back = held(file, "a")
    assert file.lying("a") is None
    give_back.lies(7.0)
    give_back()
    give_back.lies(8.0)
    assert file.lying("a") == 7.0, "who has given back has nothing to tell"


def test_who_did_not_get_it_changes_nothing(file: LockFile, other: Other) -> None:
    assert other.ask("hold a") == "yes"
    other.ask("lies a")
    assert file.hold("a") is None
    assert file.lying("a") == 42.5


def test_a_full_disk_tells_nobody(file: LockFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others are not told makes them wait longer, and costs no call."""

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    give_back = held(file, "a")
    give_back.lies(1.0)
    give_back()
    assert file.lying("a") is None


# ---------------------------------------------------------------- in one process


def test_within_a_process_it_is_not_a_lock(file: LockFile) -> None:
    """So says POSIX; between threads it is the flights that decide."""
    one, two = held(file, "a"), held(file, "a")
    one()
    two()


def test_it_is_not_closed_while_something_is_held(file: LockFile, other: Other) -> None:
    """Closing any descriptor of the file would give all locks back."""
    give_back = held(file, "a")
    assert not file.close()
    assert other.ask("hold a") == "no"
    give_back()
    assert file.close()
    assert other.ask("hold a") == "yes"
    assert file.close(), "closed is closed"


def test_closed_it_locks_nothing(file: LockFile) -> None:
    assert file.close()
    give_back = held(file, "a")
    give_back.lies(1.0)
    give_back()
    assert file.lying("a") is None
    with file.alone(0):
        pass


def test_the_file_is_private(path: Path) -> None:
    before = os.umask(0)
    try:
        LockFile(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == 0


def test_no_link_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        LockFile(path)


def test_it_is_not_handed_to_other_programs(file: LockFile) -> None:
    assert file._file is not None
    assert not os.get_inheritable(file._file)


def test_a_filesystem_without_locks(file: LockFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(37, "No locks available")

    give_back = held(file, "b")
    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(OSError, match="No locks available"):
        file.hold("a")
    give_back()
    assert file.close(), "what could not be taken is not held, and giving back never fails"


@pytest.mark.parametrize("error", [BlockingIOError(11, "x"), PermissionError(13, "x")])
def test_either_answer_that_posix_allows(file: LockFile, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*args: object) -> None:
        raise error

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert file.hold("a") is None


# ---------------------------------------------------------------- alone


def test_alone_waits(file: LockFile, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    """Woken by nothing but its own looks: after the first one in vain the other one leaves."""
    assert other.ask("alone") == "done"
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            assert other.ask("leave") == "done"

    monkeypatch.setattr("insights.cache.locks.time.sleep", pause)
    with file.alone(30):
        assert len(looks) == 3
        assert 0 < max(looks) < 0.1
        monkeypatch.undo()
        other.say("alone")
    assert other.hear() == "done", "and leaves it to others"


def test_alone_loses_patience(file: LockFile, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    assert other.ask("alone") == "done"
    now = [100.0]

    def pause(seconds: float) -> None:
        now[0] += 3.0

    monkeypatch.setattr("insights.cache.locks.time.monotonic", lambda: now[0])
    monkeypatch.setattr("insights.cache.locks.time.sleep", pause)
    with pytest.raises(TimeoutError, match="another process has held the cache for 10 s"), file.alone(10):
        pytest.fail("two are inside")
    assert now[0] == 112.0
    monkeypatch.undo()
    other.kill()
    with file.alone(0):
        pass


def test_who_fails_inside_has_left(file: LockFile, other: Other) -> None:
    with pytest.raises(KeyError), file.alone(0):
        raise KeyError
    assert other.ask("alone") == "done"


def test_alone_stops_nobody_from_holding(file: LockFile, other: Other) -> None:
    with file.alone(0):
        for name in map(str, range(20)):
            assert other.ask(f"hold {name}") == "yes"


def test_many_threads_hold_and_give_back(file: LockFile, other: Other) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(50):
            give_back = file.hold(f"{number}-{turn}")
            if give_back is None:
                wrong.append((number, turn))
            else:
                give_back()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert other.ask("hold 3-49") == "yes"
    assert file.close()


# ---------------------------------------------------------------- a system without them


@pytest.fixture
def without_fcntl(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is on a system that has no fcntl."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("locks_without_fcntl", locks.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_fcntl_each_process_asks_for_itself(without_fcntl: ModuleType, path: Path) -> None:
    file = without_fcntl.LockFile(path)
    assert not path.exists()
    give_back = file.hold("a")
    give_back.lies(1.0)
    give_back()
    assert file.lying("a") is None
    with file.alone(0):
        file.hold("b")()
    assert file.close()
    file.disown()
