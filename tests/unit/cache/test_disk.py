"""Answers on disk: bytes in, bytes out, nothing unpickled, and no fault that costs a call."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.cache import store as store_module
from insights.cache.store import DiskStore, pack, unpack


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    made = DiskStore(tmp_path / "cache")
    yield made
    made.close()


def row(directory: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(directory / "cache" / "answers-v1" / "cache.db") as database:
        database.execute(statement, values)
    database.close()


def test_what_is_kept_is_found(store: DiskStore, tmp_path: Path) -> None:
    assert store.get("a") is None
    assert not (tmp_path / "cache").exists(), "looking made a directory"
    for value in (b"one", b"", bytes(range(256)) * 5000):
        store.set("a", value)
        assert store.get("a") == value
    assert store.get("b") is None


def test_it_lasts(store: DiskStore, tmp_path: Path) -> None:
    store.set("a", b"one")
    store.close()
    assert store.get("a") == b"one"
    other = DiskStore(tmp_path / "cache")
    assert other.get("a") == b"one"
    other.close()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_nobody_else_can_look_into_it(store: DiskStore, tmp_path: Path) -> None:
    store.set("a", b"one")
    assert stat.S_IMODE((tmp_path / "cache" / "answers-v1").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_everything_is_in_the_database(store: DiskStore, tmp_path: Path) -> None:
    store.set("a", b"x" * 1_000_000)
    names = {path.name for path in (tmp_path / "cache" / "answers-v1").rglob("*")}
    assert names <= {"cache.db", "cache.db-wal", "cache.db-shm"}


def test_only_text_and_bytes(store: DiskStore) -> None:
    with pytest.warns(RuntimeWarning, match="values are bytes"):
        store.set("a", "text")  # type: ignore[arg-type]  # what this is about
    assert store.get("a") is None


def test_only_text_as_key(store: DiskStore) -> None:
    with pytest.warns(RuntimeWarning, match="keys are text"):
        store.set(1, b"x")  # type: ignore[arg-type]  # what this is about


@pytest.mark.parametrize(
    ("column", "value"), [("mode", 4), ("mode", 2), ("value", "text"), ("value", 7), ("filename", "../../secret")]
)
def test_a_foreign_row_is_refused(store: DiskStore, tmp_path: Path, column: str, value: object) -> None:
    (tmp_path / "secret").write_text("canary")
    store.set("a", b"one")
    row(tmp_path, f"update Cache set {column} = ?", value)
    with pytest.warns(RuntimeWarning, match="a row that was not written here"):
        assert store.get("a") is None
    assert (tmp_path / "secret").read_text() == "canary"


def test_a_named_file_is_not_deleted(store: DiskStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    store.set("a", b"one")
    row(tmp_path, "update Cache set filename = ?", "../../secret")
    store.set("a", b"two")
    assert (tmp_path / "secret").read_text() == "canary"
    assert store.get("a") == b"two"


def test_one_warning_and_then_silence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = DiskStore(tmp_path / "file")
    with pytest.warns(RuntimeWarning, match="answers without its cache") as caught:
        broken.set("a", b"one")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        broken.set("a", b"one")
        assert broken.get("a") is None
    broken.close()


def test_many_threads(store: DiskStore) -> None:
    def work(number: int) -> None:
        for turn in range(5):
            store.set(f"{number}-{turn}", f"{number}".encode())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.get(f"{n}-{t}") == f"{n}".encode() for n in range(8) for t in range(5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_its_own(store: DiskStore) -> None:
    store.set("a", b"parent")
    child = os.fork()
    if child == 0:
        ok = store.get("a") == b"parent"
        store.set("b", b"child")
        os._exit(0 if ok and store.get("b") == b"child" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get("b") == b"child"


def test_keys_of_other_hands_are_refused(store: DiskStore, tmp_path: Path) -> None:
    """diskcache unpickles keys too, when it goes through them."""
    import diskcache

    store.set("a", b"one")
    store.close()
    disk = store_module._bytes_disk()
    with diskcache.Cache(str(tmp_path / "cache" / "answers-v1"), disk=disk) as cache:
        assert list(cache) == ["a"]
    row(tmp_path, "update Cache set raw = 0")
    with (
        diskcache.Cache(str(tmp_path / "cache" / "answers-v1"), disk=disk) as cache,
        pytest.raises(ValueError, match="foreign key"),
    ):
        list(cache)


def test_two_faults_at_once_are_one_warning(store: DiskStore) -> None:
    with pytest.warns(RuntimeWarning, match="OSError: full"):
        store._give_up(OSError("full"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store._give_up(OSError("full"))


# ---------------------------------------------------------------- the form of a value


@given(st.text())
def test_packed_and_unpacked(text: str) -> None:
    assert unpack(pack(text)) == text.encode()


def test_the_form_is_readable() -> None:
    head, data = pack('{"a": 1}').split(b"\n")
    assert json.loads(head) == {"v": 1, "sha256": hashlib.sha256(b'{"a": 1}').hexdigest()}
    assert data == b'{"a": 1}'


@given(st.text(min_size=1), st.data())
def test_a_flipped_bit_is_seen(text: str, data: st.DataObject) -> None:
    value = bytearray(pack(text))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= 1 << data.draw(st.integers(0, 7))
    assert unpack(bytes(value)) in (None, text.encode())


@pytest.mark.parametrize("value", [b"", b"\n", b"{}\n{}", b"[]\n", b"null\n", b'{"v": 1}\nx', b"\xff\n", b"\x80\x04."])
def test_what_is_none_of_ours(value: bytes) -> None:
    assert unpack(value) is None
