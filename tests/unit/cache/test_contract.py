"""What every store does, said once: the memory, the disk, and the one in front of the other."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from insights.cache.disk import FLUSH, DiskStore
from insights.cache.memory import VALUE_LIMIT, MemoryStore, TieredStore
from insights.cache.store import CacheStats, Store

from .tools import Clock, hold_once, stress, value


def _memory(directory: Path) -> Store:
    return MemoryStore()


def _disk(directory: Path) -> Store:
    return DiskStore(directory)


def _tiered(directory: Path) -> Store:
    return TieredStore(MemoryStore(), DiskStore(directory))


STORES: dict[str, Callable[[Path], Store]] = {"memory": _memory, "disk": _disk, "tiered": _tiered}
LASTING = ("disk", "tiered")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture(params=LASTING)
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().install(monkeypatch)


# ---------------------------------------------------------------- values


def test_what_is_kept_is_found(store: Store) -> None:
    assert store.get("a") is None
    assert store.set("a", b"one")
    assert store.get("a") == (b"one", None)
    assert store.get("b") is None


def test_the_last_value_is_the_value(store: Store) -> None:
    for written in (b"one", b"two", b"", b"three"):
        assert store.set("a", written)
        assert value(store, "a") == written
        assert value(store, "a") == written, "a second look says something else"
    assert store.stats().entries == 1


@pytest.mark.parametrize("written", [b"", b"\0", bytes(range(256)), b"\x80\x04.", b"\n" * 1000], ids=repr)
def test_any_bytes(store: Store, written: bytes) -> None:
    assert store.set("a", written)
    assert value(store, "a") == written
    assert type(value(store, "a")) is bytes


def test_five_megabytes(store: Store) -> None:
    """Where it is refused there must be nothing, and not what was there before."""
    large = bytes(range(256)) * 20_000
    store.set("a", b"small")
    kept = store.set("a", large)
    assert kept is not isinstance(store, MemoryStore)
    assert value(store, "a") == (large if kept else None)


ODD_KEYS = ["", " ", "a\0b", "a\0c", "a", "A", "ä", "a\u0308", "'; drop table Cache; --", "%", "_", "\n", "😀", "x" * 5000, "1"]


def test_odd_keys(store: Store) -> None:
    for index, key in enumerate(ODD_KEYS):
        assert store.set(key, str(index).encode())
    assert [value(store, key) for key in ODD_KEYS] == [str(index).encode() for index in range(len(ODD_KEYS))]
    assert store.stats().entries == len(ODD_KEYS)


# ---------------------------------------------------------------- time


def test_the_time_is_over(store: Store, clock: Clock) -> None:
    store.set("a", b"one", ttl=10)
    store.set("b", b"two")
    assert store.get("a") == (b"one", clock.now + 10)
    assert not store.expired("a")
    clock.now += 9.5
    assert value(store, "a") == b"one"
    clock.now += 0.5  # the moment itself is no more
    assert store.get("a") is None
    assert store.expired("a")
    assert store.get("a") is None
    clock.now += 1e9
    assert value(store, "b") == b"two"
    assert not store.expired("b")
    assert not store.expired("c")


def test_a_new_value_has_a_time_of_its_own(store: Store, clock: Clock) -> None:
    store.set("a", b"one", ttl=10)
    store.set("a", b"two", ttl=20)
    clock.now += 15
    assert value(store, "a") == b"two"
    store.set("a", b"three")
    clock.now += 1e9
    assert store.get("a") == (b"three", None)
    store.set("a", b"four", ttl=1)
    clock.now += 2
    assert store.get("a") is None
    store.set("a", b"five", ttl=1)
    assert value(store, "a") == b"five"
    assert not store.expired("a")


# ---------------------------------------------------------------- forgetting

TAGS = ["openai", "openai/x", "openai/x/y", "openai/x0", "openai2/x", "openai-eu", "mistral/x", "Openai/x", ""]


@pytest.mark.parametrize(
    ("tag", "gone"),
    [
        ("openai", ["openai", "openai/x", "openai/x/y", "openai/x0"]),
        ("openai/x", ["openai/x", "openai/x/y"]),
        ("openai/x/y", ["openai/x/y"]),
        ("open", []),
        ("openai%", []),
        ("openai_", []),
        ("x", []),
        ("openai2", ["openai2/x"]),
    ],
)
def test_a_tag_and_those_below_it(store: Store, tag: str, gone: list[str]) -> None:
    for name in TAGS:
        store.set(f"key of {name}", b"value", tag=name)
        assert value(store, f"key of {name}") == b"value"
    assert store.evict(tag) == len(gone)
    assert [name for name in TAGS if store.get(f"key of {name}") is None] == gone
    assert store.evict(tag) == 0


def test_a_value_written_again_has_its_new_tag(store: Store) -> None:
    store.set("a", b"one", tag="openai/x")
    store.set("a", b"two", tag="mistral/y")
    assert store.evict("openai") == 0
    assert value(store, "a") == b"two"
    assert store.evict("mistral/y") == 1
    assert store.get("a") is None


def test_many_are_evicted_at_once(store: Store) -> None:
    """More than diskcache forgets in one step."""
    for index in range(250):
        store.set(str(index), b"x", tag=f"openai/{index % 3}")
    assert store.evict("openai") == 250
    assert store.stats().entries == 0


def test_clear(store: Store) -> None:
    assert store.clear() == 0
    for index in range(250):
        store.set(str(index), b"x", tag="openai/x")
    assert value(store, "7") == b"x"
    assert store.clear() == 250
    assert store.get("7") is None
    assert store.stats().entries == 0
    assert store.clear() == 0
    store.set("7", b"again")
    assert value(store, "7") == b"again"


def test_forgetting_keeps_the_counts(store: Store) -> None:
    store.set("a", b"x", tag="openai/x")
    store.count(hits=3, misses=2, saved=Decimal("0.5"))
    store.clear()
    store.evict("openai")
    found = store.stats()
    assert (found.hits, found.misses, found.saved) == (3, 2, Decimal("0.5"))


# ---------------------------------------------------------------- counting


def test_counts_add_up(store: Store) -> None:
    store.set("a", b"x")
    assert (store.stats().hits, store.stats().misses, store.stats().saved) == (0, 0, Decimal(0))
    store.count(misses=1)
    store.count(hits=1, saved=Decimal("0.000001234567"))
    store.count(hits=2, saved=Decimal("0.1"))
    store.count(hits=1, saved=Decimal(12))
    store.count()
    for _ in range(2):
        found = store.stats()
        assert (found.hits, found.misses, found.saved) == (4, 1, Decimal("12.100001234567"))
        assert isinstance(found.saved, Decimal)


def test_what_is_held(store: Store) -> None:
    empty = store.stats()
    assert empty.entries == 0
    assert empty.size_limit > 0
    store.set("a", b"x" * 100_000)
    store.set("b", b"x" * 100_000)
    found = store.stats()
    assert found.entries == 2
    assert 200_000 <= found.size <= 400_000, "an honest size"
    assert found.size_limit == empty.size_limit


def test_stats_can_be_read() -> None:
    found = CacheStats(hits=3, misses=1, saved=Decimal("1.50"), entries=2, size=2_500_000, size_limit=10**9, directory="/d")
    assert str(found) == "3 hits of 4 calls (75 %), $1.5 saved, 2 answers in 2.5 of 1000 MB at /d"
    assert str(CacheStats()).startswith("0 hits of 0 calls, $0 saved")


# ---------------------------------------------------------------- holding, closing


def test_held_given_back_and_held_again(store: Store) -> None:
    for _ in range(3):
        give_back = store.hold("a")
        assert give_back is not None
        give_back()
        give_back()  # who is twice in doubt gives back twice
    one, two = store.hold("a"), store.hold("b")
    assert one is not None
    assert two is not None
    one()
    two()


def test_nothing_of_ones_own_lies_unread(store: Store) -> None:
    assert store.lying("a") is None
    give_back = store.hold("a")
    assert give_back is not None
    give_back.lies(None)
    assert store.lying("a") is None
    give_back()


def test_closed_and_used_again(store: Store) -> None:
    store.close()
    store.set("a", b"one")
    assert value(store, "a") == b"one"
    store.close()
    store.close()
    assert value(store, "a") == b"one"
    store.count(hits=1)
    store.close()
    assert store.stats().hits == 1
    assert store.clear() == 1


def test_what_is_held_survives_a_close(store: Store) -> None:
    """A client that is closed must not take from another one, which is asking, what it holds."""
    store.set("a", b"one")
    give_back = store.hold("a")
    store.close()
    assert give_back is not None
    give_back()
    hold_once(store, "a")


def test_it_lasts(lasting: Store, tmp_path: Path) -> None:
    lasting.set("a", b"one", tag="openai/x")
    lasting.count(hits=1, saved=Decimal("0.25"))
    lasting.close()
    for make in (_disk, _tiered):
        other = make(tmp_path / "cache")
        assert value(other, "a") == b"one"
        assert (other.stats().hits, other.stats().saved) == (1, Decimal("0.25"))
        other.close()


def test_only_bytes(lasting: Store) -> None:
    with pytest.raises(TypeError, match="values are bytes, got str"):
        lasting.set("a", "text")  # type: ignore[arg-type]  # what this is about


# ---------------------------------------------------------------- many hands


def test_many_threads(store: Store) -> None:
    """Every thread finds its own values whole, and of a shared one no piece of another's."""
    wrong: list[object] = []
    start = threading.Barrier(6)

    def work(number: int) -> None:
        try:
            start.wait()
            for turn in range(15):
                own = f"{number}-{turn}"
                store.set(own, own.encode() * 1000, tag=f"thread/{number}")
                store.set("shared", bytes([number]) * 5000)
                if value(store, own) != own.encode() * 1000:
                    wrong.append(own)
                if len(shared := value(store, "shared") or b"") != 5000 or len(set(shared)) != 1:
                    wrong.append(shared)
                store.count(hits=1)
            if store.evict(f"thread/{number}") != 15:
                wrong.append(f"evict {number}")
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (store.stats().entries, store.stats().hits) == (1, 90)


def test_the_front_is_never_older_than_the_disk(tmp_path: Path) -> None:
    """One hand writes 1, 2, 3, ... behind the tier's back: no thread reads less than what was written when it began to."""
    hand, tier = DiskStore(tmp_path), TieredStore(MemoryStore(), DiskStore(tmp_path))
    written, done = [0], threading.Event()
    wrong: list[object] = []
    hand.set("a", b"0")

    def read() -> None:
        try:
            while not done.is_set():
                least = written[0]
                found = int(value(tier, "a") or -1)
                if found < least:
                    wrong.append((found, least))
        except BaseException as error:
            wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 150):
        assert hand.set("a", str(number).encode())
        written[0] = number
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert value(tier, "a") == b"149"
    hand.close()
    tier.close()


def test_counts_are_written_without_being_asked_for(tmp_path: Path) -> None:
    """A process that only reads, and is killed, has lost a few counts and not all."""
    store, other = DiskStore(tmp_path), DiskStore(tmp_path)
    store.set("a", b"x")
    for _ in range(FLUSH - 1):
        store.count(hits=1)
    assert other.stats().hits == 0
    store.count(hits=1)
    assert other.stats().hits == FLUSH
    store.close()
    other.close()


# ---------------------------------------------------------------- against a dict

KEYS = st.sampled_from(["a", "b", "c", "д", "a\0"])
VALUES = st.one_of(st.binary(max_size=24), st.sampled_from([b"", b"x" * 40]))
TTLS = st.one_of(st.none(), st.sampled_from([0.5, 5.0, 50.0]))
MODEL_TAGS = st.sampled_from(["openai", "openai/x", "openai/x/y", "openai2/x", "mistral/x", ""])
HITS = st.integers(0, 70)  # more than what makes the store write them


class Against(RuleBasedStateMachine):
    """A store and a dict, told the same. `make` gives the store; `value_limit` is above what it keeps."""

    value_limit = VALUE_LIMIT

    def make(self) -> Store:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock().install(self.patch)
        self.directory = Path(tempfile.mkdtemp(prefix="insights-contract-"))
        self.model: dict[str, tuple[bytes, float | None, str]] = {}
        self.hits, self.saved = 0, Decimal(0)
        self.store = self.make()
        hold_once(self.store, "a")  # makes the database: what was counted before is told after

    def teardown(self) -> None:
        self.patch.undo()
        self.store.close()
        shutil.rmtree(self.directory)

    def live(self, key: str) -> tuple[bytes, float | None] | None:
        found = self.model.get(key)
        if found is None or (found[1] is not None and found[1] <= self.clock.now):
            return None
        return found[:2]

    def between(self, said: int, keys: list[str]) -> None:
        """A value whose time is over may be gone already, or be counted still."""
        assert sum(self.live(key) is not None for key in keys) <= said <= len(keys)

    def write(self, store: Store, key: str, data: bytes, ttl: float | None, tag: str) -> None:
        kept = len(data) <= self.value_limit
        assert store.set(key, data, ttl=ttl, tag=tag) is kept
        if kept:
            self.model[key] = data, None if ttl is None else self.clock.now + ttl, tag
        else:
            self.model.pop(key, None)

    def forget(self, store: Store, tag: str | None) -> None:
        gone = [key for key, (_, _, own) in self.model.items() if tag is None or f"{own}/".startswith(f"{tag}/")]
        self.between(store.clear() if tag is None else store.evict(tag), gone)
        for key in gone:
            del self.model[key]

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.store.get(key) == self.live(key)

    @rule(key=KEYS, data=VALUES, ttl=TTLS, tag=MODEL_TAGS)
    def set(self, key: str, data: bytes, ttl: float | None, tag: str) -> None:
        self.write(self.store, key, data, ttl, tag)
        assert self.store.get(key) == self.live(key)

    @rule(seconds=st.sampled_from([0.25, 0.5, 5.0, 45.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(key=KEYS)
    def expired(self, key: str) -> None:
        if self.store.expired(key):
            assert key in self.model
            assert self.live(key) is None

    @rule(tag=MODEL_TAGS.filter(bool))
    def evict(self, tag: str) -> None:
        self.forget(self.store, tag)

    @rule()
    def clear(self) -> None:
        self.forget(self.store, None)

    @rule()
    def close(self) -> None:
        self.store.close()

    @rule(hits=HITS, cents=st.integers(0, 10**6))
    def count(self, hits: int, cents: int) -> None:
        saved = Decimal(cents) / 10**8
        self.store.count(hits=hits, saved=saved)
        self.hits, self.saved = self.hits + hits, self.saved + saved

    @rule()
    def stats(self) -> None:
        found = self.store.stats()
        assert (found.hits, found.misses, found.saved) == (self.hits, 0, self.saved)
        self.between(found.entries, list(self.model))

    @rule(key=KEYS)
    def hold(self, key: str) -> None:
        hold_once(self.store, key)


class AgainstMemory(Against):
    value_limit = 32

    def make(self) -> Store:
        return MemoryStore(size_limit=10**6, value_limit=self.value_limit)


class AgainstDisk(Against):
    def make(self) -> Store:
        return DiskStore(self.directory)


class AgainstTiered(Against):
    """With a front so small that it keeps two values, and not the large ones."""

    def make(self) -> Store:
        return TieredStore(MemoryStore(size_limit=48, value_limit=32), DiskStore(self.directory))


class AgainstTieredBehind(AgainstTiered):
    """And a second hand on the same directory, of which the tier hears nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.other = DiskStore(self.directory)

    def teardown(self) -> None:
        self.other.close()
        super().teardown()

    @rule(key=KEYS, data=VALUES, ttl=TTLS, tag=MODEL_TAGS)
    def other_sets(self, key: str, data: bytes, ttl: float | None, tag: str) -> None:
        assume(self.store.get(key) == self.live(key))  # so that it does lie in front
        self.write(self.other, key, data, ttl, tag)
        assert self.store.get(key) == self.live(key)

    @rule(tag=MODEL_TAGS.filter(bool))
    def other_evicts(self, tag: str) -> None:
        self.forget(self.other, tag)

    @rule()
    def other_clears(self) -> None:
        self.forget(self.other, None)

    @rule(key=KEYS)
    def other_gets(self, key: str) -> None:
        assert self.other.get(key) == self.live(key)

    @rule()
    def other_closes(self) -> None:
        self.other.close()


@pytest.mark.parametrize("machine", [AgainstMemory, AgainstDisk, AgainstTiered, AgainstTieredBehind])
def test_against_a_dict(machine: type[Against]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=stress("RUNS", 30),
            stateful_step_count=stress("STEPS", 30),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_clock_of_these_tests_is_the_stores_own(store: Store, clock: Clock) -> None:
    """Else the ones above would show nothing."""
    assert time.time() == clock.now
    store.set("a", b"x", ttl=3600)
    clock.now += 3601
    assert store.get("a") is None
