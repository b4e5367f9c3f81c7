"""What the checks say about the cache and the ledger on this machine."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from insights.doctor import places

from .looking import looked, of


def database(path: Path, statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def test_what_is_off_is_noted(own_cache_dir: Path) -> None:
    found = looked(cache=False, ledger=False)
    assert [each.message for each in of("cache", found, "note")] == ["off: every call is paid for"]
    assert [each.message for each in of("ledger", found, "note")] == ["off: what is spent isn't written down"]
    assert of("ledger", found, "ok") == []
    assert [each.message for each in of("cache", found, "ok")] == [f"{own_cache_dir}: nothing is stored yet"]


def test_entries_are_counted(own_cache_dir: Path) -> None:
    ledger = own_cache_dir / "ledger.sqlite3"
    database(ledger, "CREATE TABLE entries (x); INSERT INTO entries VALUES (1), (2);")
    answers = own_cache_dir / "answers-v1" / "cache.db"
    database(answers, "CREATE TABLE Cache (x); INSERT INTO Cache VALUES (1), (2), (3);")
    found = looked(cache_size_limit=10**7)
    assert [each.message for each in of("ledger", found)] == [f"{ledger}: 2 entries"]
    (answer,) = of("cache", found)
    assert answer.message.startswith(f"{own_cache_dir}: 3 answers in 0.0 of at most 10 MB")


def test_what_another_program_holds(own_cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **{**more, "timeout": 0}))
    held = [own_cache_dir / "ledger.sqlite3", own_cache_dir / "answers-v1" / "cache.db"]
    for path in held:
        database(path, "CREATE TABLE entries (x); CREATE TABLE Cache (x);")
    with closing(connect(held[0])) as one, closing(connect(held[1])) as two:
        one.execute("BEGIN EXCLUSIVE")
        two.execute("BEGIN EXCLUSIVE")
        found = looked()
    assert [each.message for each in of("ledger", found)] == [f"{held[0]} can't be read: database is locked"]
    assert [each.message for each in of("cache", found)] == [f"{held[1]} can't be read: database is locked"]
    assert {each.hint for each in found if "locked" in each.message} == {"see whether another program holds it"}


def test_settings_that_cannot_be_read_are_told_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE_SIZE_LIMIT", "much")
    monkeypatch.setenv("INSIGHTS_LEDGER", "perhaps")
    found = looked()
    assert of("cache", found) == of("ledger", found) == []
    assert len(of("settings", found, "problem")) == 2


def test_a_directory_that_is_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.unusable(tmp_path) is None
    assert places.unusable(tmp_path / "not" / "yet") is None
    (tmp_path / "file").write_text("")
    assert places.unusable(tmp_path / "file") == f"{tmp_path / 'file'} is not a directory"
    everybodys = tmp_path / "everybodys"
    everybodys.mkdir()
    everybodys.chmod(0o777)
    assert places.unusable(everybodys) == f"{everybodys} can be written to by everybody"
    everybodys.chmod(0o1777)  # as /tmp is
    assert places.unusable(everybodys) is None
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert places.unusable(tmp_path) == f"{tmp_path} can't be written to"
    monkeypatch.setattr(places, "filesystem", lambda path: "nfs4")
    assert places.unusable(tmp_path) == f"{tmp_path} is on a network filesystem (nfs4), where SQLite's locks don't hold"


def test_somebody_elses_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    if owner == 0:  # what is the superuser's may be used
        os.chown(tmp_path, 4711, -1)
        owner = 4711
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert places.unusable(tmp_path) == f"{tmp_path} belongs to user {owner}"


def test_a_directory_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hidden(type(tmp_path)):  # type: ignore[misc]
        def exists(self) -> bool:
            return True

        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            raise PermissionError(13, "Permission denied")

    assert places.unusable(Hidden(tmp_path)) == f"{tmp_path} can't be looked at: Permission denied"
