"""What every cache backend can do. One contract, one test suite over all of them: `tests/unit/cache/test_contract.py`.

MemoryStore   the least recently used in this process           cache/memory.py
DiskStore     the user's cache directory, for all processes     cache/disk.py
TieredStore   the one in front of the other                     cache/memory.py
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from insights.cache.locks import Hold

MICRO: Final = Decimal("1e-12")  # USD; savings are counted in whole millionths of a millionth


class Entry(NamedTuple):
    """A stored value, and the Unix time from which on it is no more; None for never."""

    value: bytes
    expires: float | None


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What the cache has done, and what it holds.

    `hits` and `misses` count calls, `saved` is what the hits would have cost in USD; the three count what all processes did
    since the cache was made. `entries` answers lie there in `size` bytes of at most `size_limit`, at `directory` (None: in
    memory).
    """

    hits: int = 0
    misses: int = 0
    saved: Decimal = Decimal(0)
    entries: int = 0
    size: int = 0
    size_limit: int = 0
    directory: str | None = None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # what a notebook shows

    def __str__(self) -> str:
        asked = self.hits + self.misses
        share = f" ({100 * self.hits / asked:.0f} %)" if asked else ""
        return (
            f"{self.hits} hits of {asked} calls{share}, ${self.saved.normalize():f} saved, "
            f"{self.entries} answers in {self.size / 1e6:.1f} of {self.size_limit / 1e6:.0f} MB at {self.directory}"
        )


def tag_of(provider: str, model: str) -> str:
    """The tag of a model's answers; a slash in its name is no step of its own."""
    return f"{provider}/{model.replace('%', '%25').replace('/', '%2F')}"


class Store(Protocol):
    """What a cache backend does. Keys are texts, values bytes. Its faults cost a miss and a warning, never a call."""

    def get(self, key: str) -> Entry | None:
        """The value, unless there is none or its time is over."""

    def set(self, key: str, value: bytes, *, ttl: float | None = None, tag: str = "") -> bool:
        """Keeps a value for `ttl` seconds (None: until room is needed); whether it is kept.

        Args:
            tag: what the value can be evicted by, in steps: `provider/model`.
        """

    def expired(self, key: str) -> bool:
        """Whether there is a value whose time is over."""

    def evict(self, tag: str) -> int:
        """Forgets all values of a tag and of those below it; how many.

        Raises:
            CacheError: they could not be forgotten.
        """

    def clear(self) -> int:
        """Forgets all values; how many.

        Raises:
            CacheError: they could not be forgotten.
        """

    def fault(self) -> str | None:
        """Why it can't be used now; None where it can."""

    def count(self, *, hits: int = 0, misses: int = 0, saved: Decimal = Decimal(0)) -> None:
        """Adds to what `stats` tells."""

    def stats(self) -> CacheStats:
        """What has been counted, and what is held."""

    def hold(self, key: str) -> Hold | None:
        """Says to other processes that this one is asking; to be given back. None while another process is asking.

        A holder that dies has given it back.
        """

    def lying(self, key: str) -> float | None:
        """Since when another process's answer has lain unread (`time.monotonic()`), so that waiting for it may never end."""

    def stopped(self, key: str) -> bool:
        """Whether the process that is asking has been stopped (by Ctrl-Z, a debugger), so that it won't come to an end."""

    def changed(self) -> bool:
        """Whether somebody else may have written since this thread asked last."""

    def close(self) -> None:
        """Closes what is open; the next use opens it again."""
