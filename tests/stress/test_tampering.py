"""Whoever could write the cache directory: nothing runs, nothing outside is read, written or deleted, and no call fails."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import pickle
import re
import shutil
import sqlite3
import stat
import struct
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

import insights
from tests.stress.sizes import WHICH, tell
from tests.stress.upstream import PATIENCE, Upstream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")

SECRET: Final = b"nobody else's"
ALL_AT_ONCE: Final = 6  # kinds of warnings one attack may bring about; each of them once


# ---------------------------------------------------------------- what is watched


@dataclass
class Watch:
    """Everything the process does to a directory, as far as Python says so (https://docs.python.org/3/library/audit_events.html)."""

    outside: Path | None = None
    seen: list[str] = field(default_factory=list)
    unpickled: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.outside is None:
            return
        if event == "pickle.find_class":
            self.unpickled.append(str(arguments))
        elif event.partition(".")[0] in ("open", "os", "shutil", "sqlite3", "subprocess"):
            with contextlib.suppress(Exception):
                for one in arguments:
                    if not isinstance(one, str | bytes | Path):
                        continue
                    folder, name = os.path.split(os.fsdecode(one))
                    # What is removed or renamed is the name, not what a link of that name leads to.
                    real = os.path.join(os.path.realpath(folder), name) if event in ("os.remove", "os.rename") else None
                    if str(self.outside) in (real or os.path.realpath(os.fsdecode(one))):
                        self.seen.append(f"{event} {one!r}")


WATCH: Final = Watch()
sys.addaudithook(WATCH)  # for the rest of the process; it does nothing outside of these tests


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._mark),)


@dataclass(frozen=True)
class Place:
    """The directory that is attacked, and one next to it with what must not be touched."""

    answers: Path
    outside: Path

    @property
    def database(self) -> Path:
        return self.answers / "cache.db"

    @property
    def canary(self) -> Path:
        return self.outside / "canary"

    @property
    def mark(self) -> Path:
        return self.outside / "mark"

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as database:
            database.execute(statement, values)

    def script(self, *statements: str) -> None:
        for statement in statements:
            self.sql(statement)

    def setting(self, name: str, value: object) -> None:
        self.sql("INSERT OR REPLACE INTO Settings VALUES (?, ?)", name, value)

    def forge(self, change: Callable[[bytes, bytes], bytes]) -> None:
        """Puts another value in the place of each, made of its key and itself."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as database:
            for key, value in database.execute("SELECT key, value FROM Cache").fetchall():
                database.execute("UPDATE Cache SET value = ? WHERE key = ?", (change(key.encode(), value), key))


def listing(outside: Path) -> dict[str, tuple[bytes, int]]:
    """Names, contents and times of all that lies there."""
    return {str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns) for path in outside.rglob("*")}


# ---------------------------------------------------------------- attacks


def update(column: str, value: object) -> Callable[[Place], None]:
    return lambda place: place.sql(f"UPDATE Cache SET {column} = ?", value)


def setting(name: str, value: object) -> Callable[[Place], None]:
    return lambda place: place.setting(name, value)


def sql(*statements: str) -> Callable[[Place], None]:
    return lambda place: place.script(*statements)


def pickled_value(place: Place) -> None:
    place.sql("UPDATE Cache SET mode = 4, value = ?", sqlite3.Binary(pickle.dumps(Payload(place.mark))))


def pickled_file(place: Place) -> None:
    (place.answers / "value").write_bytes(pickle.dumps(Payload(place.mark)))
    place.sql("UPDATE Cache SET mode = 4, value = NULL, filename = 'value'")


def pickled_key(place: Place) -> None:
    place.sql("UPDATE Cache SET raw = 0, key = ?", sqlite3.Binary(pickle.dumps(Payload(place.mark))))


def named_file(mode: int, *, absolute: bool, value: str = "NULL") -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        name = str(place.canary) if absolute else os.path.relpath(place.canary, place.answers)
        # Old and expired, so that culling comes by here as well.
        place.sql(f"UPDATE Cache SET mode = ?, filename = ?, value = {value}, size = 1000", mode, name)

    return attack


def named_files_to_cull(place: Place) -> None:
    name = os.path.relpath(place.canary, place.answers)
    for number in range(50):
        place.sql(
            "INSERT INTO Cache (key, raw, store_time, expire_time, access_time, tag, size, mode, filename) "
            "VALUES (?, 1, 0, 1, 0, 'openai/gpt-4o', 10000000000, 2, ?)",
            f"old {number}",
            name,
        )


def whole_directory_setting(place: Place) -> None:
    """diskcache makes an attribute of every setting, and the place of the database is one."""
    place.setting("_directory", str(place.outside))


def replaced(name: str, by: str) -> Callable[[Place], None]:
    """One of the files is something else."""

    def attack(place: Place) -> None:
        path = place.answers / name
        path.unlink(missing_ok=True)
        if by == "directory":
            path.mkdir()
        elif by == "symlink":
            path.symlink_to(place.canary)
        elif by == "symlink to a database":
            path.symlink_to(place.outside / "other.db")
        elif by == "symlink to nothing":
            path.symlink_to(place.outside / "new")
        elif by == "hard link":
            path.hardlink_to(place.canary)
        elif by == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        elif by == "garbage":
            path.write_bytes(bytes(range(256)) * 64)
        elif by == "nothing":
            path.write_bytes(b"")
        else:
            os.mkfifo(path)

    return attack


def cut(place: Place) -> None:
    os.truncate(place.database, place.database.stat().st_size // 2)


def overwritten_middle(place: Place) -> None:
    with place.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (place.database.stat().st_size - 4096))


def directory_is_a_link(place: Place) -> None:
    shutil.rmtree(place.answers)
    place.answers.symlink_to(place.outside)


def directory_is_a_file(place: Place) -> None:
    shutil.rmtree(place.answers)
    place.answers.write_bytes(b"")


def directory_is_gone(place: Place) -> None:
    shutil.rmtree(place.answers)


def journal_naming_a_file(place: Place) -> None:
    """A journal left by a crash names a second one, which SQLite deletes when it has rolled back: any file it is told.

    The form is that of https://sqlite.org/fileformat2.html#the_rollback_journal, with the name of the super-journal and its
    checksum at the end, as in SQLite's pager.c.
    """
    magic = bytes.fromhex("d9d505f920a163d7")
    pages = place.database.stat().st_size // 4096
    head = magic + struct.pack(">IIIII", 0, 1, pages, 512, 4096)
    name = str(place.canary).encode()
    tail = struct.pack(">I", (2**30 // 4096) + 1) + name + struct.pack(">II", len(name), sum(name)) + magic
    (place.answers / "cache.db-journal").write_bytes(head.ljust(512, b"\0") + tail)


def forged(change: Callable[[Any], Any], at: object = 1.0, version: object = 2) -> Callable[[Place], None]:
    """An answer whose checksum is right: who can write the directory can compute that too."""

    def attack(place: Place) -> None:
        def made(key: bytes, value: bytes) -> bytes:
            answer = change(json.loads(value.split(b"\n")[1]))
            text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            data = text + b"\n[]"
            digest = hashlib.sha256(f"{key.decode()}\n{at!r}\n".encode() + data).hexdigest()
            return json.dumps({"v": version, "at": at, "sha256": digest}).encode() + b"\n" + data

        place.forge(made)

    return attack


def dear(answer: Any) -> Any:
    answer["cost"]["total"] = "1e999999"
    return answer


def dear_for_sqlite(answer: Any) -> Any:
    answer["cost"]["total"] = "1e30"
    return answer


def head(text: bytes) -> Callable[[Place], None]:
    return lambda place: place.forge(lambda key, value: text + b"\n" + value.partition(b"\n")[2])


RECURSION: Final = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000) SELECT"

ATTACKS: Final[dict[str, Callable[[Place], None]]] = {
    "pickled value": pickled_value,
    "pickled file": pickled_file,
    "pickled key": pickled_key,
    **{
        f"mode {mode}, {'absolute' if absolute else 'relative'} name{', and a value' if value != 'NULL' else ''}": named_file(
            mode, absolute=absolute, value=value
        )
        for mode in (1, 2, 3, 4)
        for absolute in (False, True)
        for value in ("NULL", "value")
    },
    "names of files to cull": named_files_to_cull,
    **{
        f"{column} is {type(value).__name__} {str(value)[:12]}": update(column, value)
        for column in ("value", "expire_time", "store_time", "access_time", "access_count", "tag", "size", "mode")
        for value in ("text", 7, 2**62, -1, 1.5, b"\xff\x00", None, float("inf"))
    },
    "key is a blob": update("key", b"\xff"),
    "counts of text": sql("INSERT OR REPLACE INTO Counts VALUES ('hits', 'many')", "INSERT OR REPLACE INTO Counts VALUES ('saved', 'x')"),  # noqa: E501
    "counts without end": sql("INSERT OR REPLACE INTO Counts VALUES ('hits', 9223372036854775807)"),
    "counts of blobs": sql("INSERT OR REPLACE INTO Counts VALUES ('hits', x'ff')"),
    "other counts": sql("DROP TABLE Counts", "CREATE TABLE Counts (a, b, c)"),
    **{
        f"setting {name[:24]} = {str(value)[:16]}": setting(name, value)
        for name, value in [
            ("eviction_policy", "nonsense"),
            ("eviction_policy", "least-recently-used"),
            ("eviction_policy", "none"),
            ("size_limit", "text"),
            ("size_limit", 0),
            ("cull_limit", "text"),
            ("cull_limit", -1),
            ("cull_limit", 2**62),
            ("cull_limit", 0),
            ("statistics", 1),
            ("tag_index", 1),
            ("count", "text"),
            ("size", "text"),
            ("count", None),
            ("hits", "text"),
            ("disk_min_file_size", 0),
            ("disk_min_file_size", "text"),
            ("disk_pickle_protocol", 99),
            ("disk_foreign", 1),
            ("sqlite_x; DROP TABLE Cache; --", 1),
            ("sqlite_user_version = 7; --", 1),
            ("sqlite_journal_mode", "delete"),
            ("sqlite_journal_mode", "off"),
            ("sqlite_locking_mode", "exclusive"),
            ("sqlite_query_only", 1),
            ("sqlite_writable_schema", 1),
            ("sqlite_temp_store_directory", "'/'"),
            ("sqlite_synchronous", "nonsense"),
            ("sqlite_max_page_count", 1),
            ("get", "text"),
            ("_sql", "text"),
            ("_disk", "text"),
            ("_local", "text"),
            ("_timeout", "text"),
            ("_txn_id", 1),
            ("_con", 1),
            ("__class__", 1),
            ("directory", "/"),
        ]
    },
    "setting _directory": whole_directory_setting,
    "trigger that deletes": sql("CREATE TRIGGER t AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END"),
    "trigger that refuses": sql("CREATE TRIGGER t BEFORE INSERT ON Cache BEGIN SELECT RAISE(ABORT, 'no'); END"),
    "trigger that rolls back": sql("CREATE TRIGGER t AFTER INSERT ON Cache BEGIN SELECT RAISE(ROLLBACK, 'no'); END"),
    "trigger that loads": sql("CREATE TRIGGER t AFTER INSERT ON Cache BEGIN SELECT load_extension('/tmp/x'); END"),
    "trigger that changes settings": sql(
        "CREATE TRIGGER t AFTER INSERT ON Cache BEGIN UPDATE Settings SET value = 'x' WHERE key = 'cull_limit'; END"
    ),
    "trigger that names files": sql(
        "CREATE TRIGGER t AFTER INSERT ON Cache BEGIN UPDATE Cache SET mode = 2, filename = '../../outside/canary'; END"
    ),
    "trigger on counts": sql("CREATE TRIGGER t BEFORE INSERT ON Counts BEGIN SELECT RAISE(ABORT, 'no'); END"),
    **{f"no {table}": sql(f"DROP TABLE {table}") for table in ("Cache", "Settings", "Counts")},
    **{
        f"{table} is a view": sql(f"ALTER TABLE {table} RENAME TO Hidden", f"CREATE VIEW {table} AS SELECT * FROM Hidden")
        for table in ("Cache", "Settings", "Counts")
    },
    **{
        f"{table} is an empty view": sql(f"DROP TABLE {table}", f"CREATE VIEW {table} AS {RECURSION} x AS key, x AS value FROM n")  # noqa: E501
        for table in ("Cache", "Settings", "Counts")
    },
    "columns missing": sql("DROP TABLE Cache", "CREATE TABLE Cache (key, raw, value)"),
    "cut in half": cut,
    "overwritten": overwritten_middle,
    **{
        f"{name} is a {by}": replaced(name, by)
        for name in ("cache.db", "cache.db-wal", "cache.db-shm", "cache.db-journal", "locks")
        for by in (
            "directory", "symlink", "symlink to a database", "symlink to nothing", "hard link", "socket", "garbage", "nothing",
            "FIFO",
        )
    },
    "journal that names a file": journal_naming_a_file,
    "the directory is a link": directory_is_a_link,
    "the directory is a file": directory_is_a_file,
    "the directory is gone": directory_is_gone,
    "a head of 20 MB": head(b'{"v": 2, "at": "' + b"x" * 20_000_000 + b'"}'),
    "a head of brackets": head(b"[" * 200_000),
    "a head of objects": head(b'{"v":' * 100_000),
    "a head of no UTF-8": head(b"\xff\xfe{}"),
    "a head with a long number": head(b'{"v": ' + b"9" * 5000 + b"}"),
    "a head with a large version": head(b'{"v": 1e400}'),
    "no lines": lambda place: place.forge(lambda key, value: b""),
    "only lines": lambda place: place.forge(lambda key, value: b"\n" * 1000),
    "a time too large": forged(lambda answer: answer, at=10**400),
    "a time of NaN": forged(lambda answer: answer, at=float("nan")),
    "an answer of brackets": forged(lambda answer: b"[" * 200_000),
    "an answer of nested objects": forged(lambda answer: {**answer, "deep": json.loads('{"a":' * 150 + "1" + "}" * 150)}),
    "an answer that is none": forged(lambda answer: {"choices": 7}),
    "an answer that cost too much": forged(dear),
    "an answer that cost too much for SQLite": forged(dear_for_sqlite),
}  # fmt: skip

# What is known not to hold yet. Where it hangs it isn't even tried.
_SLOW: Final = "SQLite finds it locked, and diskcache tries for 60 s at every opening"
KNOWN: Final[dict[tuple[str, str], str]] = {}


def cases() -> Iterator[Any]:
    for number, ((name, attack), when) in enumerate(itertools.product(ATTACKS.items(), ("closed", "open"))):
        if WHICH == "small" and number % 4 in (1, 2):
            continue  # one attack while it is closed, the next while it is open
        known = KNOWN.get((name, when))
        marks = [] if known is None else [pytest.mark.xfail(reason=known, run=not known.startswith("hangs"))]
        yield pytest.param(attack, when, id=f"{name}-{when}", marks=marks)


# ---------------------------------------------------------------- one attack


@pytest.fixture
def place(own_cache_dir: Path) -> Iterator[Place]:
    made = Place(own_cache_dir / "answers-v1", own_cache_dir.parent / "outside")
    made.outside.mkdir()
    made.canary.write_bytes(SECRET)
    with closing(sqlite3.connect(made.outside / "other.db")) as database:
        database.execute("CREATE TABLE Secrets (a)")
    yield made
    WATCH.outside = None


def everything(upstream: Upstream, directory: Path, failures: list[str]) -> None:
    """All that a caller can do; nothing of it may raise."""
    with insights.Client(cache_dir=directory) as client:

        def stored_or_asked() -> None:
            text = client.completion(messages="The question", **upstream.given()).text
            assert re.fullmatch(r"answer \d+", text), text

        def with_an_age() -> None:
            client.completion(messages="The question", **upstream.given(cache={"ttl": 60}))

        def another() -> None:
            client.completion(messages=f"Another question {upstream.count}", **upstream.given())

        def stream() -> None:
            list(client.completion(messages="The question", stream=True, **upstream.given()))

        def numbers() -> None:
            stats = client.cache.stats()
            assert str(stats)
            assert all(isinstance(number, int) for number in (stats.hits, stats.misses, stats.entries, stats.size)), stats

        def in_a_thread() -> None:
            thread = threading.Thread(target=another)  # with a connection of its own
            thread.start()
            thread.join()

        steps: list[Callable[[], object]] = [
            stored_or_asked, with_an_age, another, in_a_thread, stream, numbers,
            lambda: client.completion(messages="The question", **upstream.given(cache="refresh")),
            lambda: client.cache.evict(model="openai/gpt-4o"),
            another, numbers, client.cache.clear, another, stored_or_asked, client.close, stored_or_asked,
        ]  # fmt: skip
        for number, step in enumerate(steps):
            try:
                step()
            except insights.CacheError:
                pass  # who asks for answers to be forgotten by name is told that they can't be
            except Exception as error:
                name = getattr(step, "__name__", "")
                failures.append(f"step {number} {name}: {type(error).__name__}: {str(error)[:200]}")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.mark.parametrize(("attack", "when"), list(cases()))
def test_attack(attack: Callable[[Place], None], when: str, upstream: Upstream, place: Place, own_cache_dir: Path) -> None:
    client = insights.Client(cache_dir=own_cache_dir)
    client.completion(messages="The question", **upstream.given())
    assert client.completion(messages="The question", **upstream.given()).cached, "there is nothing to attack"
    if when == "closed":
        client.close()
    attack(place)
    before = listing(place.outside)
    failures: list[str] = []
    WATCH.outside, WATCH.seen, WATCH.unpickled = place.outside, [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # In a thread, which a FIFO can hold for ever without holding the tests.
        at_work = threading.Thread(target=everything, args=(upstream, own_cache_dir, failures), daemon=True)
        at_work.start()
        at_work.join(PATIENCE / 2)
        hung = at_work.is_alive()
    seen, WATCH.outside = list(WATCH.seen), None
    assert not hung, "it hangs"
    assert failures == []
    assert WATCH.unpickled == []
    assert seen == []
    assert listing(place.outside) == before
    kinds = Counter(re.sub(r"\d+", "#", str(one.message)) for one in caught)
    assert all(count == 1 for count in kinds.values()), kinds
    assert len(kinds) <= ALL_AT_ONCE


def test_how_many() -> None:
    tell(
        f"{len(ATTACKS)} attacks on the directory, each while it is open and while it is closed, {len(KNOWN)} known to succeed"
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["answers", "database", "locks", "outer"])
def test_somebody_elses(what: str, upstream: Upstream, place: Place, own_cache_dir: Path) -> None:
    """Not even read: what lies there may have been put there to be read."""
    with insights.Client(cache_dir=own_cache_dir) as client:
        client.completion(messages="The question", **upstream.given())
    path = {"answers": place.answers, "database": place.database, "locks": place.answers / "locks", "outer": own_cache_dir}[
        what
    ]
    os.chown(path, 65534, 65534)
    failures: list[str] = []
    asked = upstream.count
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        everything(upstream, own_cache_dir, failures)
    assert failures == []
    assert upstream.count - asked == 10, "an answer was served that somebody else may have put there"
    assert [str(one.message).partition(":")[0] for one in caught] == ["insights answers without its cache"]


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_directory_that_everybody_can_write(mode: int, upstream: Upstream, own_cache_dir: Path) -> None:
    """With the sticky bit, as in /tmp, nobody else can rename what is in it."""
    own_cache_dir.mkdir()
    own_cache_dir.chmod(mode)
    failures: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        everything(upstream, own_cache_dir, failures)
    assert failures == []
    assert len(caught) == (mode == 0o777)
