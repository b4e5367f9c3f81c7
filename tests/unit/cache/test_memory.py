"""The memory: who goes first, and what is too large. The tier: what was read before a write isn't put in front after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from insights.cache.memory import SIZE_LIMIT, VALUE_LIMIT, MemoryStore, TieredStore
from insights.cache.store import Entry, Store

from .tools import Clock


def kept(store: Store, keys: str) -> str:
    """Those of `keys` that are there; looks from the last to the first, so that their order stays as given."""
    return "".join(reversed([key for key in reversed(keys) if store.get(key) is not None]))


# ---------------------------------------------------------------- the memory


def test_the_least_recently_used_goes_first() -> None:
    store = MemoryStore(size_limit=30, value_limit=10)
    for key in "abc":
        store.set(key, b"x" * 10)
    store.get("a")  # b is the oldest now
    store.set("d", b"x" * 10)
    assert kept(store, "abcd") == "acd"


def test_a_value_written_again_is_a_new_one() -> None:
    store = MemoryStore(size_limit=30, value_limit=10)
    for key in "abca":
        store.set(key, b"x" * 10)
    store.set("d", b"x" * 10)
    assert kept(store, "abcd") == "acd"


def test_a_look_at_what_is_not_there_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock().install(monkeypatch)
    store = MemoryStore(size_limit=20, value_limit=10)
    store.set("a", b"x" * 10, ttl=1)
    store.set("b", b"x" * 10)
    clock.now += 2
    assert store.get("a") is None
    assert store.get("z") is None
    assert store.expired("a")
    store.set("c", b"x" * 10)
    assert kept(store, "bc") == "bc"
    assert not store.expired("a"), "it made room"


def test_as_many_go_as_there_must() -> None:
    store = MemoryStore(size_limit=30, value_limit=30)
    for key in "abcdef":
        store.set(key, b"x" * 5)
    assert store.stats().size == 30
    store.set("g", b"x" * 12)
    assert kept(store, "abcdefg") == "defg"
    assert (store.stats().size, store.stats().entries) == (27, 4)


def test_the_size_is_that_of_what_is_held() -> None:
    store = MemoryStore(size_limit=100, value_limit=50)
    store.set("a", b"x" * 40, tag="t/a")
    store.set("b", b"x" * 30, tag="t/b")
    assert store.stats().size == 70
    store.set("a", b"x" * 10, tag="t/a")
    assert store.stats().size == 40
    store.drop("b")
    store.drop("b")
    assert store.stats().size == 10
    store.set("b", b"x" * 5, tag="t/b")
    assert store.evict("t/a") == 1
    assert store.stats().size == 5
    store.clear()
    assert (store.stats().size, store.stats().size_limit) == (0, 100)
    for key in "abcd":
        store.set(key, b"x" * 25)
    assert store.stats().entries == 4, "the place of what is gone is free again"


def test_a_value_too_large() -> None:
    store = MemoryStore(size_limit=100, value_limit=10)
    store.set("b", b"small")
    assert store.set("a", b"x" * 10)
    assert not store.set("a", b"x" * 11)
    assert store.get("a") is None, "neither the new one, nor the one that is no longer right"
    assert store.get("b") == (b"small", None)
    assert store.stats().size == 5


def test_one_value_does_not_push_out_the_others() -> None:
    assert VALUE_LIMIT * 8 <= SIZE_LIMIT


def test_an_entry_is_put_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that comes from the disk keeps the moment at which its time is over."""
    clock = Clock().install(monkeypatch)
    store = MemoryStore()
    entry = Entry(b"x", clock.now + 5)
    assert store.put("a", entry)
    clock.now += 4
    assert store.get("a") == entry
    clock.now += 1
    assert store.get("a") is None


def test_nobody_else_writes_into_memory() -> None:
    assert not MemoryStore().changed()


# ---------------------------------------------------------------- the tier


class Back(MemoryStore):
    """A store behind, which counts how it is asked and can be told what happens in the middle of a `get`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.written_elsewhere = False
        self.meanwhile: Callable[[], object] | None = None

    def get(self, key: str) -> Entry | None:
        self.asked += 1
        found = super().get(key)
        if self.meanwhile is not None:
            self.meanwhile()
        return found

    def changed(self) -> bool:
        said, self.written_elsewhere = self.written_elsewhere, False
        return said


def test_a_second_look_does_not_go_to_the_back() -> None:
    back = Back()
    tier = TieredStore(MemoryStore(), back)
    tier.set("a", b"one", ttl=60)
    first = tier.get("a")
    assert back.asked == 1
    assert tier.get("a") == first
    assert back.asked == 1
    assert tier.get("z") is tier.get("z") is None
    assert back.asked == 3, "what isn't there may be there the next time"


def test_what_is_written_is_not_put_in_front() -> None:
    """Of two writers at once, only the back knows who was the last."""
    back = Back()
    front = MemoryStore()
    tier = TieredStore(front, back)
    tier.set("a", b"one")
    assert front.get("a") is None
    assert tier.get("a") == (b"one", None)
    assert front.get("a") == (b"one", None)
    tier.set("a", b"two")
    assert front.get("a") is None


def test_somebody_else_wrote() -> None:
    back = Back()
    tier = TieredStore(MemoryStore(), back)
    tier.set("a", b"one")
    tier.get("a")
    back.set("a", b"two")
    assert tier.get("a") == (b"one", None), "else this shows nothing"
    back.written_elsewhere = True
    assert tier.get("a") == (b"two", None)
    back.asked = 0
    assert tier.get("a") == (b"two", None)
    assert back.asked == 0


@pytest.mark.parametrize(
    "forget",
    [
        lambda tier: tier.set("a", b"two"),
        lambda tier: tier.evict("t"),
        lambda tier: tier.clear(),
        lambda tier: tier.close(),
    ],
    ids=["set", "evict", "clear", "close"],
)
@pytest.mark.parametrize("fails", [False, True])
def test_a_change_empties_the_front(forget: Callable[[TieredStore], Any], fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the back fails in the middle of it, too: nobody knows how far it came."""
    back, front = Back(), MemoryStore()
    tier = TieredStore(front, back)
    tier.set("a", b"one", tag="t")
    tier.get("a")
    assert front.get("a") is not None

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("full")

    if fails:
        for name in ("set", "evict", "clear", "close"):
            monkeypatch.setattr(back, name, fail)
        with pytest.raises(OSError, match="full"):
            forget(tier)
    else:
        forget(tier)
    assert front.get("a") is None


@pytest.mark.parametrize("change", ["set", "evict", "clear", "elsewhere"])
def test_a_value_read_before_a_change_is_not_put_in_front_after_it(change: str) -> None:
    """The reader has the old value in its hands when another thread changes it, and would put it in front of the new one."""
    back, front = Back(), MemoryStore()
    tier = TieredStore(front, back)
    tier.set("a", b"old", tag="t")
    has_read, changed = threading.Event(), threading.Event()
    seen: list[Entry | None] = []

    def wait() -> None:
        back.meanwhile = None
        has_read.set()
        assert changed.wait(30)

    back.meanwhile = wait
    reader = threading.Thread(target=lambda: seen.append(tier.get("a")))
    reader.start()
    assert has_read.wait(30)
    if change == "elsewhere":
        back.set("a", b"new")
        back.written_elsewhere = True
        assert tier.get("b") is None  # this thread learns of it, and the reader won't: it has asked already
    elif change == "set":
        tier.set("a", b"new")
    elif change == "evict":
        tier.evict("t")
    else:
        tier.clear()
    changed.set()
    reader.join()
    assert seen == [(b"old", None)], "it was right when it was read"
    assert front.get("a") is None
    assert tier.get("a") == ((b"new", None) if change in ("set", "elsewhere") else None)


def test_a_value_too_large_for_the_front_is_kept_behind() -> None:
    back = Back()
    tier = TieredStore(MemoryStore(value_limit=10), back)
    assert tier.set("a", b"x" * 11)
    assert tier.get("a") == tier.get("a") == (b"x" * 11, None)
    assert back.asked == 2


def test_what_the_back_refuses_is_not_kept() -> None:
    tier = TieredStore(MemoryStore(), MemoryStore(value_limit=10))
    assert not tier.set("a", b"x" * 11)
    assert tier.get("a") is None


def test_the_back_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock().install(monkeypatch)
    back, front = Back(), MemoryStore()
    tier = TieredStore(front, back)
    front.set("a", b"x", ttl=1)
    clock.now += 2
    assert not tier.expired("a")
    tier.count(hits=2, misses=1, saved=Decimal(3))
    assert tier.stats() == back.stats()
    assert (tier.stats().hits, front.stats().hits) == (2, 0)
    monkeypatch.setattr(back, "hold", lambda key: None)
    assert tier.hold("a") is None
    back.written_elsewhere = True
    assert tier.changed()
    assert not tier.changed()


def test_nothing_read_during_a_write_is_put_in_front() -> None:
    """Of two readers during a write one may have the old value, and come in last: it would be shown after the new one was."""
    back = Back()
    tier = TieredStore(MemoryStore(), back)
    back.set("a", b"old")
    seen: list[bytes] = []

    def a_reader_in_the_middle(*args: object, **kwargs: object) -> bool:
        back.meanwhile = commit  # the first reader has the old value when this is called
        seen.append(value(tier, "a"))
        back.meanwhile = None
        seen.append(value(tier, "a"))
        return True

    def commit() -> None:
        back.meanwhile = None
        MemoryStore.set(back, "a", b"new")
        seen.append(value(tier, "a"))  # the second one has the new value, before the first comes in

    back.set = a_reader_in_the_middle  # type: ignore[method-assign]  # a write that can be looked into
    tier.set("a", b"new")
    assert seen == [b"new", b"old", b"new"]


def value(store: TieredStore, key: str) -> bytes:
    found = store.get(key)
    assert found is not None
    return found.value
