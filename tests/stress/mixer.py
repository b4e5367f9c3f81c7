"""A child whose threads do everything to one cache directory at random, and check all they get."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import threading
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Final

from insights.cache.answers import open_cache
from insights.cache.value import Unreadable, pack, unpack

LIMIT: Final = 2**33
KEYS: Final = [hashlib.sha256(bytes([number])).hexdigest() for number in range(40)]
TAGS: Final = {key: f"provider{index % 3}/model{index % 7}" for index, key in enumerate(KEYS)}
WORK: Final = {"get": 58, "set": 30, "evict": 3, "clear": 1, "stats": 5, "close": 3}


class Worker:
    """One thread's part, and what it knows about what it may still find.

    `_least[key, writer]` is the least number of that writer that may still be found under the key. It grows with what the
    thread wrote, saw and forgot itself, for each of these is over before its next look.
    """

    def __init__(self, store: Any, name: str, operations: int, closing: bool) -> None:
        self._store, self._name, self._operations = store, name, operations
        self._work = {kind: share for kind, share in WORK.items() if closing or kind != "close"}
        self._dice = random.Random(name)
        self._number = 0
        self._least: dict[tuple[str, str], int] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self.found: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.errors: list[str] = []

    def run(self) -> None:
        """All operations."""
        for kind in self._dice.choices(list(self._work), list(self._work.values()), k=self._operations):
            try:
                getattr(self, f"_{kind}")()
                self.found["operations"] += 1
            except Exception as error:
                self.errors.append(f"{kind}: {type(error).__name__}: {error}")

    def _set(self) -> None:
        key = self._dice.choice(KEYS)
        self._number += 1
        filler = "x" * self._dice.randint(0, 9000)
        text = json.dumps({"key": key, "writer": self._name, "number": self._number, "filler": filler})
        if self._store.set(key, pack(key, text, at=1.0), tag=TAGS[key]):
            self._least[key, self._name] = self._seen[key, self._name] = self._number
            self.found["kept"] += 1
        else:
            self.errors.append("a value was not kept")

    def _get(self) -> None:
        key = self._dice.choice(KEYS)
        entry = self._store.get(key)
        if entry is None:
            return
        self.found["hits"] += 1
        try:
            said = json.loads(unpack(key, entry.value).answer)
        except Unreadable as error:
            self.wrong.append(f"{key}: {error}")
            return
        writer, number = said["writer"], said["number"]
        least = self._least.get((key, writer), 0)
        if said["key"] != key or number < least:
            self.wrong.append(f"{self._name} found number {number} of {writer} under {key}, and knew of {least}")
        self._least[key, writer] = self._seen[key, writer] = max(least, number)

    def _evict(self) -> None:
        tag = self._dice.choice(["provider0", "provider1", *TAGS.values()])
        self._store.evict(tag)
        self._forgotten([key for key, own in TAGS.items() if own == tag or own.startswith(f"{tag}/")])

    def _clear(self) -> None:
        self._store.clear()
        self._forgotten(KEYS)

    def _forgotten(self, keys: list[str]) -> None:
        """What was known before it was forgotten must not come again."""
        known = set(keys)
        self.found["forgotten"] += sum(key in known for key, _ in self._least)
        for place, number in self._seen.items():
            if place[0] in known:
                self._least[place] = number + 1  # once: what was forgotten twice was seen once

    def _stats(self) -> None:
        stats = self._store.stats()
        if not 0 <= stats.entries <= len(KEYS):
            self.wrong.append(f"{stats.entries} entries of {len(KEYS)} keys")

    def _close(self) -> None:
        self._store.close()


def main() -> None:
    """Arguments: this process's number, the directory, threads, operations of each, and whether they close the store too."""
    number, directory, threads, operations, closing = sys.argv[1:]
    store = open_cache(Path(directory), LIMIT).store
    print(json.dumps("ready"))
    sys.stdin.readline()
    workers = [Worker(store, f"{number}.{thread}", int(operations), closing == "closing") for thread in range(int(threads))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        running = [threading.Thread(target=worker.run) for worker in workers]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        store.close()
    counts: Counter[str] = Counter()
    for worker in workers:
        counts.update(worker.found)
    said = {
        "counts": counts,
        "errors": [error for worker in workers for error in worker.errors],
        "wrong": [wrong for worker in workers for wrong in worker.wrong],
        "warnings": [str(one.message) for one in caught],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
