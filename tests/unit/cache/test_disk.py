"""Answers on disk: nothing unpickled, nothing outside the database, and no fault that costs a call."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diskcache
import pytest

from insights.cache import disk as disk_module
from insights.cache import faults
from insights.cache.disk import DATABASE, FILES, LOCKS, DiskStore
from insights.cache.rows import ForeignRow, bytes_disk
from insights.core.errors import CacheError

from .tools import DIRECTORY, hold_once, one_warning, silence, value

NOBODY = 65534


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def inner(outer: Path) -> Path:
    return outer / DIRECTORY


@pytest.fixture
def store(outer: Path) -> Iterator[DiskStore]:
    made = DiskStore(outer)
    yield made
    made.close()


def execute(directory: Path, statement: str, *values: object) -> None:
    """Writes into the database past the store."""
    with contextlib.closing(sqlite3.connect(directory / DATABASE)) as database, database:
        database.execute(statement, values)


def damaged(directory: Path) -> list[bytes]:
    """The contents of the databases that were set aside."""
    return [path.read_bytes() for path in sorted(directory.glob(f"{DATABASE}.damaged-*"))]


def works(store: DiskStore) -> bool:
    return store.set("works", b"yes") and value(store, "works") == b"yes"


# ---------------------------------------------------------------- where it lies


def test_looking_makes_nothing(store: DiskStore, outer: Path, inner: Path) -> None:
    assert store.get("a") is None
    assert not store.expired("a")
    assert (store.evict("openai"), store.clear()) == (0, 0)
    assert (store.stats().entries, store.stats().directory) == (0, str(inner))
    assert store.changed()
    assert store.lying("a") is None
    store.count(hits=100)
    store.close()
    assert not outer.exists()


def test_everything_is_in_the_database(store: DiskStore, inner: Path) -> None:
    """diskcache would put larger values into files of their own."""
    store.set("a", b"x" * 5_000_000)
    assert {path.name for path in inner.rglob("*")} == set(FILES)
    assert sum(path.stat().st_size for path in inner.iterdir()) > 5_000_000


def test_what_was_stored_first_goes_first(outer: Path) -> None:
    store = DiskStore(outer, size_limit=2_000_000)
    for number in range(60):
        store.set(str(number), b"x" * 100_000)
    there = [number for number in range(60) if store.get(str(number)) is not None]
    assert there == list(range(60 - len(there), 60))
    assert 5 <= len(there) <= 20
    assert store.stats().size <= 2_500_000
    assert store.stats().size_limit == 2_000_000
    store.close()


def test_a_key_that_is_no_text(store: DiskStore) -> None:
    with one_warning("TypeError: keys are text"):
        assert not store.set(1, b"x")  # type: ignore[arg-type]  # what this is about
    assert works(store)


def test_half_a_character_as_key(store: DiskStore) -> None:
    store.set("a", b"x")
    with one_warning("UnicodeEncodeError"):
        assert not store.set("\ud83d", b"x")
        assert store.get("\ud83d") is None
        hold_once(store, "\ud83d")
    assert value(store, "a") == b"x"
    assert works(store)


# ---------------------------------------------------------------- rows of other hands


class Canary:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("column", "foreign"),
    [
        ("mode", 4),
        ("mode", 3),
        ("mode", 2),
        ("mode", 0),
        ("mode", None),
        ("value", "text"),
        ("value", 7),
        ("value", None),
        ("filename", "../../secret"),
        ("expire_time", "tomorrow"),
        ("expire_time", b"\xff"),
    ],
)
def test_a_foreign_row_is_a_miss(store: DiskStore, inner: Path, tmp_path: Path, column: str, foreign: object) -> None:
    (tmp_path / "secret").write_text("canary")
    store.set("a", b"one")
    store.set("b", b"two")
    execute(inner, f"update Cache set {column} = ? where key = 'a'", foreign)
    with one_warning("has a row that was not written by insights; it is not read"):
        assert store.get("a") is None
        assert store.get("a") is None
        assert value(store, "b") == b"two"
    with silence():
        assert store.set("a", b"again")
        assert value(store, "a") == b"again"
    assert (tmp_path / "secret").read_text() == "canary"
    assert damaged(inner) == []


def test_nothing_is_unpickled(store: DiskStore, inner: Path, tmp_path: Path) -> None:
    harmful = pickle.dumps(Canary(tmp_path / "unpickled"))
    store.set("a", b"one")
    execute(inner, "update Cache set mode = 4, value = ?", harmful)
    execute(inner, "insert into Cache (key, raw, mode, value) values (?, 0, 4, ?)", harmful, harmful)
    with one_warning("not written by insights"):
        assert store.get("a") is None
    store.expired("a")
    store.stats()
    store.evict("openai")
    store.close()
    assert store.clear() == 2
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("forget", ["set", "evict", "clear", "cull"])
def test_a_file_that_a_row_names_is_not_deleted(outer: Path, inner: Path, tmp_path: Path, forget: str) -> None:
    (tmp_path / "secret").write_text("canary")
    store = DiskStore(outer)
    store.set("a", b"one", tag="t", ttl=1e-9)
    execute(inner, "update Cache set filename = ?", "../../secret")
    if forget == "set":
        store.set("a", b"two")
        assert value(store, "a") == b"two"
    elif forget == "evict":
        assert store.evict("t") == 1
    elif forget == "clear":
        assert store.clear() == 1
    else:
        store.set("b", b"two")  # clears away what is over
        assert store.stats().entries == 1
    assert (tmp_path / "secret").read_text() == "canary"
    store.close()


def test_keys_of_other_hands_are_refused(store: DiskStore, inner: Path) -> None:
    """diskcache unpickles keys too, when it goes through them."""
    store.set("a", b"one")
    store.close()
    with diskcache.Cache(str(inner), disk=bytes_disk()) as cache:
        assert list(cache) == ["a"]
        for change in ("raw = 0", "raw = 1, key = 7", "key = x'00'"):
            execute(inner, f"update Cache set {change}")
            with pytest.raises(ForeignRow):
                list(cache)


def test_only_bytes_from_memory_are_stored() -> None:
    made = bytes_disk()("/nowhere")
    with pytest.raises(TypeError, match="values are bytes"):
        made.store("text", False)
    with pytest.raises(TypeError, match="values are bytes"):
        made.store(b"of a file", True)
    with pytest.raises(ForeignRow):
        made.fetch(1, None, b"x", True)
    assert made.store(b"x", False)[:3] == (0, 1, None)


# ---------------------------------------------------------------- a database that is none


def a_foreign_table(name: str) -> Callable[[Path], None]:
    return lambda directory: execute(directory, f"create table {name} (x)")


def bytes_there(data: bytes) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / DATABASE).write_bytes(data)

    return write


NO_DATABASES: dict[str, Callable[[Path], None]] = {
    "text": bytes_there(b"this is no database, but as long as the head of one would be, and longer " * 20),
    "zeros": bytes_there(bytes(8192)),
    "another Cache": a_foreign_table("Cache"),
    "another Settings": a_foreign_table("Settings"),
}


@pytest.mark.parametrize("what", NO_DATABASES)
def test_what_is_no_database_is_set_aside(store: DiskStore, inner: Path, what: str) -> None:
    inner.mkdir(parents=True, mode=0o700)
    NO_DATABASES[what](inner)
    before = (inner / DATABASE).read_bytes()
    with one_warning("the cache's database was damaged .* it is set aside as .*, and a new one begins"):
        assert works(store)
    assert len(damaged(inner)) == 1
    if what in ("text", "zeros"):
        assert damaged(inner) == [before]
    with silence():
        assert works(store)
        store.close()
        assert works(store)


def test_an_empty_file_becomes_one(store: DiskStore, inner: Path) -> None:
    """So it lies there when a process was killed while it made it."""
    inner.mkdir(parents=True, mode=0o700)
    (inner / DATABASE).write_bytes(b"")
    with silence():
        assert works(store)


def spoil_pages(directory: Path) -> None:
    """Writes over all pages but the first, as a failing disk might."""
    with contextlib.closing(sqlite3.connect(directory / DATABASE)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    with (directory / DATABASE).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_pages_damaged_while_nobody_looked(store: DiskStore, outer: Path, inner: Path) -> None:
    for number in range(50):
        store.set(str(number), b"x" * 1000)
    store.close()
    spoil_pages(inner)
    with one_warning("set aside"):
        assert store.get("1") is None
        assert works(store)
    assert len(damaged(inner)) == 1
    assert value(store, "1") is None
    other = DiskStore(outer)
    with silence():
        assert value(other, "works") == b"yes"
    other.close()


def test_damage_that_shows_while_it_is_open(store: DiskStore, inner: Path) -> None:
    """A table that is gone: the store is open, and finds out by a statement that fails."""
    store.set("a", b"x")
    execute(inner, "drop table Cache")
    with one_warning("damaged .*no such table"):
        assert store.get("a") is None
        assert works(store)
    assert len(damaged(inner)) == 1


def test_damaged_a_second_time_it_is_given_up(store: DiskStore, inner: Path) -> None:
    """Something is wrong there that a new database doesn't mend."""
    store.set("a", b"x")
    execute(inner, "drop table Cache")
    with one_warning("set aside"):
        assert store.get("a") is None
        assert works(store)
    execute(inner, "drop table Cache")
    with one_warning("insights answers without its cache: .*no such table"):
        assert store.get("a") is None
        store.set("a", b"x")
    assert len(damaged(inner)) == 1


def test_another_process_has_set_it_aside_already(store: DiskStore, inner: Path) -> None:
    """Then what lies there is a new one, and is kept."""
    store.set("a", b"x")
    cache = store._cache
    for name in FILES[:3]:
        (inner / name).rename(inner / f"{name}.elsewhere")
    fresh = DiskStore(inner.parent)
    assert fresh.set("b", b"new")
    with silence():
        store._failed(sqlite_error(sqlite3.SQLITE_CORRUPT), cache)
        assert value(store, "b") == b"new"
    assert damaged(inner) == []
    fresh.close()


def test_another_thread_has_set_it_aside_already(store: DiskStore, inner: Path) -> None:
    store.set("a", b"x")
    before = store._cache
    store.close()
    assert works(store)
    with silence():
        store._failed(sqlite_error(sqlite3.SQLITE_CORRUPT), before)
        assert value(store, "a") == b"x"
    assert damaged(inner) == []


def sqlite_error(code: int, text: str = "database disk image is malformed") -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "text", "damage"),
    [
        (sqlite3.SQLITE_CORRUPT, "", True),
        (sqlite3.SQLITE_CORRUPT | 1 << 8, "", True),
        (sqlite3.SQLITE_NOTADB, "", True),
        (sqlite3.SQLITE_ERROR, "no such table: Cache", True),
        (sqlite3.SQLITE_ERROR, "no such column: key", True),
        (sqlite3.SQLITE_ERROR, "unsupported file format", True),
        (sqlite3.SQLITE_ERROR, "cannot start a transaction within a transaction", False),
        (sqlite3.SQLITE_BUSY, "database is locked", False),
        (sqlite3.SQLITE_FULL, "database or disk is full", False),
        (sqlite3.SQLITE_IOERR, "disk I/O error", False),
        (sqlite3.SQLITE_READONLY, "attempt to write a readonly database", False),
    ],
)
def test_what_is_damage(code: int, text: str, damage: bool) -> None:
    """A database that is good must never be set aside because the disk is full, or another process is slow."""
    assert faults.is_damage(sqlite_error(code, text)) is damage
    assert not faults.is_damage(OSError("no such table"))


# ---------------------------------------------------------------- other faults


def test_a_full_disk_is_one_warning(store: DiskStore, inner: Path) -> None:
    """SQLite's own limit stands in for the disk's: the error is the same."""
    store.set("a", b"before")
    connection = store._cache._con
    pages = connection.execute("pragma page_count").fetchone()[0]
    connection.execute(f"pragma max_page_count = {pages}")
    with one_warning("could not use its cache: .*database or disk is full"):
        assert not store.set("b", b"x" * 1_000_000)
    with silence():
        assert value(store, "a") == b"before"
        assert store.get("b") is None
        assert works(store), "there is room again"
    connection = store._cache._con
    connection.execute(f"pragma max_page_count = {pages}")
    with silence():
        assert not store.set("b", b"x" * 1_000_000)
    assert damaged(inner) == []


def test_a_transaction_that_was_left_open(store: DiskStore) -> None:
    """A commit that failed leaves its connection inside it; the next write gets a connection of its own."""
    store.set("a", b"x")
    store._cache._con.execute("begin")
    with one_warning("could not use its cache"):
        assert not store.set("b", b"x")
        assert works(store)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The same, from the system's side."""
    script = """
import resource, sys, warnings
from pathlib import Path
from insights.cache.disk import DiskStore
store = DiskStore(Path(sys.argv[1]))
assert store.set("a", b"before")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert not store.set("b", b"x" * 3_000_000)
    assert not store.set("c", b"x" * 3_000_000)
assert len(caught) == 1, [str(one.message) for one in caught]
assert store.get("a").value == b"before"
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert store.set("b", b"x" * 3_000_000)
assert store.get("b").value == b"x" * 3_000_000
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_another_process_writes_for_too_long(store: DiskStore, inner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_module, "BUSY", 0.01)
    clock = [time.monotonic()]
    monkeypatch.setattr("time.monotonic", lambda: clock[0] + time.perf_counter())
    store.set("a", b"x")
    with contextlib.closing(sqlite3.connect(inner / DATABASE, isolation_level=None)) as other:
        other.execute("begin immediate")
        with one_warning("could not use its cache: .*it was locked for more than"):
            assert not store.set("b", b"x")
            assert not store.set("b", b"x")
            with pytest.raises(CacheError, match=r"could not be forgotten: .*it was locked for more than"):
                store.evict("t")
            assert value(store, "a") == b"x", "reading waits for nobody"
        other.execute("rollback")
    with silence():
        assert not store.set("b", b"x"), "the next ones don't wait again"
        clock[0] += disk_module.REST
        assert works(store)


def test_what_could_not_be_counted_is_counted_later(store: DiskStore, inner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_module, "BUSY", 0.01)
    store.set("a", b"x")
    store.count(hits=3, misses=1)
    with contextlib.closing(sqlite3.connect(inner / DATABASE, isolation_level=None)) as other:
        other.execute("begin immediate")
        with one_warning("could not use its cache: .*locked"):
            assert store.stats().hits == 0
        other.execute("rollback")
    assert (store.stats().hits, store.stats().misses) == (3, 1)


@contextlib.contextmanager
def somebody() -> Iterator[Path]:
    """A directory, and a user whom the system's permissions bind; root is bound by none."""
    directory = Path(tempfile.mkdtemp(prefix="insights-cache-"))
    root = os.geteuid() == 0
    if root:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        for path in (directory, *directory.rglob("*")):
            path.chmod(0o700)
        shutil.rmtree(directory)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX permissions")
def test_a_directory_that_cannot_be_written_to() -> None:
    with somebody() as directory:
        directory.chmod(0o500)
        store = DiskStore(directory)
        with one_warning("insights answers without its cache: .*PermissionError.*\n.*INSIGHTS_CACHE_DIR names another"):
            assert not store.set("a", b"x")
            assert store.get("a") is None
            assert not store.set("a", b"x")
            hold_once(store, "a")
            store.close()
        directory.chmod(0o700)
        with silence():
            assert not store.set("a", b"x"), "a process says once what it does, and stays with it"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX permissions")
def test_a_database_that_cannot_be_written_to() -> None:
    with somebody() as directory:
        store = DiskStore(directory)
        store.set("a", b"x")
        store.close()
        for path in (directory / DIRECTORY).iterdir():
            path.chmod(0o400)
        (directory / DIRECTORY).chmod(0o500)
        with one_warning("insights answers without its cache: .*(PermissionError|readonly)"):
            assert store.get("a") is None
            assert not store.set("a", b"y")
        assert damaged(directory / DIRECTORY) == []


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    store = DiskStore(tmp_path / "file")
    with one_warning("insights answers without its cache"):
        assert not store.set("a", b"x")
        assert store.get("a") is None
    assert (tmp_path / "file").read_text() == "mine"


def test_no_locks_is_one_warning(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.set("a", b"x")

    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with one_warning("could not use its cache: .*No locks available"):
        for _ in range(3):
            hold_once(store, "a")  # each process asks for itself
    assert value(store, "a") == b"x"


def test_a_warning_that_is_an_error_costs_no_call(store: DiskStore, inner: Path) -> None:
    store.set("a", b"x")
    execute(inner, "update Cache set mode = 4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.get("a") is None
        assert works(store)


def test_two_threads_one_warning(store: DiskStore) -> None:
    store.set("a", b"x")
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(30)
        store._warn("disk", "full")

    with one_warning("full"):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_nothing_can_be_set_aside_without_a_lock(store: DiskStore) -> None:
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        store._put_aside(sqlite_error(sqlite3.SQLITE_CORRUPT))


# ---------------------------------------------------------------- a directory that comes and goes


def test_a_deleted_directory_begins_anew(store: DiskStore, outer: Path, inner: Path) -> None:
    store.set("a", b"x")
    shutil.rmtree(outer)
    with silence():
        assert store.get("a") is None
        assert store.stats().entries == 0
        assert not outer.exists()
        assert works(store)
        assert store.get("a") is None
    assert inner.is_dir()


def test_another_directory_in_its_place(store: DiskStore, outer: Path, tmp_path: Path) -> None:
    store.set("a", b"old")
    store.close()
    outer.rename(tmp_path / "before")
    other = DiskStore(outer)
    other.set("a", b"new")
    other.close()
    assert value(store, "a") == b"new"
    shutil.rmtree(outer)
    (tmp_path / "before").rename(outer)
    with silence():
        assert value(store, "a") == b"old"


def test_the_locks_of_a_deleted_directory_are_left(store: DiskStore, inner: Path) -> None:
    """A file that nobody else can open keeps nobody out."""
    store.set("a", b"x")
    shutil.rmtree(inner)
    assert works(store)
    assert store._locks is not None
    assert store._locks._file is not None
    assert os.fstat(store._locks._file).st_ino == (inner / LOCKS).stat().st_ino


def test_each_thread_hears_of_a_change_itself(store: DiskStore, outer: Path) -> None:
    other = DiskStore(outer)
    store.set("a", b"x")
    assert store.changed(), "who has never asked knows nothing"
    assert not store.changed()
    store.set("a", b"y")
    assert not store.changed(), "its own write is no news"
    other.set("a", b"z")
    assert store.changed()
    assert not store.changed()
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.extend([store.changed(), store.changed()]))
    thread.start()
    thread.join()
    assert told == [True, False]
    store.close()
    assert store.changed(), "another connection counts otherwise"
    other.close()


# ---------------------------------------------------------------- fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_its_own(store: DiskStore) -> None:
    store.set("a", b"parent")
    give_back = store.hold("a")
    assert give_back is not None
    child = os.fork()
    if child == 0:
        code = 1
        try:
            right = value(store, "a") == b"parent" and store.set("b", b"child") and value(store, "b") == b"child"
            held = store.hold("a")  # the parent's
            store.close()
            code = 0 if right and held is None else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert value(store, "b") == b"child"
    assert works(store)
    give_back()


def test_what_a_child_does_with_what_it_inherits(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, seen from inside: the parent's connections are neither used nor closed."""
    store.set("a", b"parent")
    assert store.hold("a") is not None
    parent, file = store._cache, store._locks
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert value(store, "a") == b"parent"
    assert store._cache is not parent
    assert store._left_alone == [parent]
    assert store._locks is file, "a second descriptor of it, once closed, would give all locks back"
    assert file is not None
    assert file._held == set()
