"""The ledger: what was paid is in it, once, whatever happens to its file, and no call fails because of it."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from insights.core.errors import LedgerError
from insights.spending import ledger as module
from insights.spending.entries import Entry, day_of, total
from insights.spending.ledger import FILE, Ledger, open_ledger
from insights.spending.processes import this_process
from tests.processes import run_python

NOON = 1_700_000_000.0  # 2023-11-14, 22:13:20 UTC
TODAY = "2023-11-14"


def paid(usd: str | None = "0.01", at: float = NOON, **more: object) -> Entry:
    cost = None if usd is None else Decimal(usd)
    return Entry(at, "answer", "openai", "test-model", cost=cost, **more)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "money")
    yield made
    made.close()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still, as a list of the time."""
    now = [NOON]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def costs(ledger: Ledger) -> list[str]:
    return [str(entry.cost) for entry in ledger.entries()]


def test_an_entry_comes_back_as_it_was(ledger: Ledger) -> None:
    entries = [
        paid("0.0000000000000000000000000000000123", tags=("a", "ü"), prompt_tokens=3, cached_tokens=2),
        paid(None, assumed=Decimal("0.5"), completion_tokens=7, reasoning_tokens=1),
    ]
    ledger.add(*entries)
    assert ledger.entries() == entries
    assert [entry.day for entry in entries] == [TODAY, TODAY]
    assert ledger.entries(since=NOON + 1) == []


@pytest.mark.parametrize("change", ["UPDATE entries SET cost = '0'", "DELETE FROM entries"])
def test_the_file_itself_refuses_changes(ledger: Ledger, change: str) -> None:
    ledger.add(paid())
    with closing(sqlite3.connect(ledger.path)) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(change)
    assert costs(ledger) == ["0.01"]


def test_only_its_user_can_read_it(ledger: Ledger) -> None:
    before = os.umask(0)
    try:
        ledger.add(paid())
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ledger.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert found == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_can_read_is_closed_to_them(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    ledger.path.touch(0o644)
    ledger.add(paid())
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


# ---------------------------------------------------------------- what hits saved


def test_hits_are_summed_up(ledger: Ledger, still: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        ledger.note_saved("openai", "test-model", Decimal("0.1"), ("a",))
    ledger.note_saved("openai", "other", Decimal("0.2"))
    found = {(e.model, e.calls, str(e.saved), str(e.cost), e.kind, e.tags) for e in ledger.entries()}
    assert found == {("test-model", 3, "0.3", "0", "saved", ("a",)), ("other", 1, "0.2", "0", "saved", ())}
    ledger.note_saved("openai", "test-model", Decimal(1))
    with closing(sqlite3.connect(ledger.path)) as other:
        count = "SELECT COUNT(*) FROM entries"
        assert other.execute(count).fetchone() == (2,)
        ledger.flush()
        monkeypatch.setattr(module, "SAVED_EVERY", 0.01)
        ledger.note_saved("openai", "test-model", Decimal(1))
        until = time.monotonic() + 30
        while other.execute(count).fetchone() != (4,):  # without anybody asking
            assert time.monotonic() < until


def test_what_waits_is_written_at_the_end_of_the_process(tmp_path: Path) -> None:
    code = """
import sys
from decimal import Decimal
from pathlib import Path
from insights.spending.ledger import open_ledger
open_ledger(Path(sys.argv[1])).note_saved("openai", "m", Decimal("0.5"))
"""
    assert run_python("-c", code, str(tmp_path)).returncode == 0
    assert [entry.saved for entry in open_ledger(tmp_path).entries()] == [Decimal("0.5")]


# ---------------------------------------------------------------- reservations


def reserve(ledger: Ledger, usd: str, limit: str = "1", tag: str | None = None, tags: tuple[str, ...] = ()) -> int:
    return ledger.reserve([(Decimal(limit), tag)], Decimal(usd), time.time() + 60, tags)[0]


def held(ledger: Ledger) -> list[str]:
    with closing(sqlite3.connect(ledger.path)) as other:
        return [usd for (usd,) in other.execute("SELECT usd FROM reservations ORDER BY id")]


@pytest.mark.usefixtures("still")
def test_a_day_is_kept(ledger: Ledger) -> None:
    ledger.add(paid("0.3"), paid(None, assumed=Decimal("0.2")), paid("9", at=NOON - 86_400))
    first = reserve(ledger, "0.4")
    assert first
    number, found = ledger.reserve([(Decimal(1), None)], Decimal("0.2"), NOON + 60, ())
    assert (number, found) == (0, [(Decimal("0.5"), Decimal("0.4"))])
    ledger.settle(first, paid("0.1"))
    assert held(ledger) == []
    assert reserve(ledger, "0.4"), "exactly all of it may be spent"
    assert not reserve(ledger, "0.0000000001")


@pytest.mark.usefixtures("still")
def test_a_tag_counts_its_own_calls_only(ledger: Ledger) -> None:
    ledger.add(paid("0.9"), paid("0.5", tags=("a", "b")))
    assert not reserve(ledger, "0.1"), "without a tag all count"
    assert reserve(ledger, "0.4", tag="a", tags=("a",))
    assert not reserve(ledger, "0.4", tag="a", tags=("a",))
    assert reserve(ledger, "0.5", tag="b", tags=("b",))
    assert reserve(ledger, "1", tag="c", tags=("c",))


def test_midnight_between_reserve_and_settle(ledger: Ledger, still: list[float]) -> None:
    midnight = 1_700_006_400.0
    assert (day_of(midnight - 1), day_of(midnight)) == (TODAY, "2023-11-15")
    still[0] = midnight - 1
    number = reserve(ledger, "0.9")
    still[0] = midnight + 1
    assert reserve(ledger, "0.9"), "the new day has its own money"
    ledger.settle(number, paid("0.8", at=midnight - 1))
    assert held(ledger) == ["0.9"]
    assert not reserve(ledger, "0.9"), "and yesterday's entry doesn't count in it"
    still[0] = midnight - 1
    assert not reserve(ledger, "0.3"), "a clock that goes back finds the old day as it was left"
    assert reserve(ledger, "0.2")


def test_a_reservation_ends_with_its_time_or_with_its_process(
    ledger: Ledger, still: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reserve(ledger, "1")
    still[0] += 61
    assert reserve(ledger, "1"), "its call is over"
    assert not reserve(ledger, "1")
    own = this_process()
    for process in (own, str(os.getpid())):
        monkeypatch.setattr(module, "this_process", lambda process=process: process)
        still[0] += 61
        assert reserve(ledger, "1")
        assert not reserve(ledger, "1"), "it lives"
    for process in (f"{os.getpid()} 1", "4194304 1", "4194304"):
        monkeypatch.setattr(module, "this_process", lambda process=process: process)
        still[0] += 61
        assert reserve(ledger, "1")
        assert reserve(ledger, "1"), "it is gone, or its number is another's"


# ---------------------------------------------------------------- faults


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock."""
    monkeypatch.setattr(module, "PATIENCE", 0.01)


@pytest.mark.usefixtures("hasty")
def test_a_locked_file(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.add(paid("1"))
    number = reserve(ledger, "1", limit="1e6")
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.warns(RuntimeWarning, match="can't write its ledger.*locked"):
            ledger.add(paid("2"))
        ledger.add(paid("3"))  # a second warning would be an error here
        ledger.settle(number, paid("4"))
        with pytest.raises(LedgerError, match="can't be read: database is locked"):
            reserve(ledger, "1", limit="1e6")
        monkeypatch.setattr(ledger, "_open", lambda: pytest.fail("it was tried again at once"))
        ledger.add(paid("5"))
        monkeypatch.undo()
    assert costs(ledger) == ["1", "2", "3", "4", "5"]
    assert held(ledger) == []


def test_what_waits_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "money").write_text("no directory")
    monkeypatch.setattr(module, "_WAITING", 3)
    monkeypatch.setattr(module, "_PAUSE", 0)
    ledger = Ledger(tmp_path / "money")
    with pytest.warns(RuntimeWarning, match="not a directory"):
        ledger.add(paid("0"))
    for number in range(1, 9):
        ledger.add(paid(str(number)))
    (tmp_path / "money").unlink()
    ledger.add(paid("9"))
    assert costs(ledger) == ["6", "7", "8", "9"]
    ledger.close()


def test_a_write_that_fails_halfway(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = ledger._insert

    def halfway(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        insert(connection, entries)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(ledger, "_insert", halfway)
    with pytest.warns(RuntimeWarning, match="disk I/O error"):
        ledger.add(paid("1"))
    monkeypatch.undo()
    ledger.add(paid("2"))
    assert costs(ledger) == ["1", "2"]


def test_a_damaged_file_is_set_aside(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    ledger.path.write_bytes(b"this is no database" * 100)
    ledger.path.with_name(f"{FILE}-wal").write_bytes(b"nor is this")
    with pytest.warns(RuntimeWarning, match="it was damaged, and is kept as") as caught:
        ledger.add(paid())
    assert len(caught) == 1
    assert costs(ledger) == ["0.01"]
    (aside,) = ledger.path.parent.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")


def test_a_file_that_was_deleted(ledger: Ledger) -> None:
    ledger.add(paid("0.9", at=time.time()))
    assert not reserve(ledger, "0.2")
    for path in ledger.path.parent.iterdir():
        path.unlink()
    ledger.add(paid("0.5", at=time.time()))
    assert costs(ledger) == ["0.5"], "a new one is begun"
    assert reserve(ledger, "0.5")
    assert not reserve(ledger, "0.1")


@pytest.mark.parametrize("kind", ["symlink", "hard link", "directory", "file for a directory", "link for a directory"])
def test_places_that_are_not_used(tmp_path: Path, kind: str) -> None:
    place, elsewhere = tmp_path / "money", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    if kind == "file for a directory":
        place.write_bytes(b"")
    elif kind == "link for a directory":
        place.symlink_to(tmp_path, target_is_directory=True)
    else:
        place.mkdir()
        {"symlink": (place / FILE).symlink_to, "hard link": (place / FILE).hardlink_to}.get(
            kind, lambda _: (place / FILE).mkdir()
        )(elsewhere)
    ledger = Ledger(place)
    with pytest.warns(RuntimeWarning, match="can't write its ledger"):
        ledger.add(paid("1"))
    ledger.add(paid("2"))
    assert elsewhere.read_bytes() == b""
    with pytest.raises(LedgerError, match="can't be read"):
        ledger.entries()


def test_no_warning_becomes_an_error(tmp_path: Path) -> None:
    (tmp_path / "money").write_text("no directory")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Ledger(tmp_path / "money").add(paid())


def test_whatever_a_provider_says(ledger: Ledger) -> None:
    ledger.add(Entry(NOON, "answer", "openai", "half \ud800", prompt_tokens=10**30, cost=Decimal(1), tags=("\ud800",)))
    ledger.add(paid("2"))
    first, second = ledger.entries()
    assert (first.model, first.prompt_tokens, first.tags) == ("half \\ud800", 2**63 - 1, ("\ud800",))
    assert second.cost == 2


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    code = """
import resource, signal, sys, warnings
from decimal import Decimal
from pathlib import Path
from insights.spending.entries import Entry
from insights.spending.ledger import Ledger
import insights.spending.ledger as module
module._PAUSE = 0
ledger = Ledger(Path(sys.argv[1]))
ledger.add(Entry(1.0, "answer", "p", "m", cost=Decimal(0)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for number in range(1, 200):
        ledger.add(Entry(1.0, "answer", "p", "m" * 5000, cost=Decimal(number)))
assert ledger._unwritten, "it was never full"
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(len(caught), [int(e.cost) for e in ledger.entries()] == list(range(200)), len(ledger._unwritten))
"""
    done = run_python("-c", code, str(tmp_path / "money"))
    assert done.stdout.split() == ["1", "True", "0"], done.stdout + done.stderr


# ---------------------------------------------------------------- forks


def _child(directory: Path) -> None:
    found = open_ledger(directory)
    found.add(paid("2"))
    found.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("way", ["os.fork", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_writes_its_own_only(own_cache_dir: Path, way: str) -> None:
    ledger = open_ledger(own_cache_dir)
    ledger.add(paid("1"))
    ledger.note_saved("openai", "waits in the parent", Decimal(5))
    if way == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=_child, args=(own_cache_dir,))
        process.start()
        process.join()
        assert process.exitcode == 0
    else:
        with ledger._mutex:  # as where another thread is writing just now
            number = os.fork()
            if not number:
                ok = open_ledger(own_cache_dir) is not ledger and ledger._connection is None
                ledger.add(paid("7"))  # what the parent has under way is the parent's to write
                ledger.settle(1, paid("8"))
                worker = threading.Thread(target=_child, args=(own_cache_dir,))
                worker.start()
                worker.join()
                os._exit(0 if ok else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0
    ledger.add(paid("3"))
    assert sorted(costs(ledger)) == ["0", "1", "2", "3"]
    assert [entry.saved for entry in ledger.entries() if entry.kind == "saved"] == [5]


def test_one_ledger_for_one_directory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert open_ledger(tmp_path / "a") is open_ledger(tmp_path / "b")


def test_a_sum_is_exact() -> None:
    assert total([Decimal(10) ** 60, Decimal(10) ** -60]) == Decimal("1" + "0" * 60 + "." + "0" * 59 + "1")
