"""Single flight within a process: of identical calls at once, in threads and tasks, one asks and the others get its answer.

Between processes `Store.hold` does the same. What waits here is woken by an event; there is no lease that could hang.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Final

IDLE: Final = 0.25  # seconds that a stream may lie unread before the others no longer wait for its end
HUNG: Final = 1.0  # seconds that an event loop may stand still before they no longer wait for its task


def is_stuck(handed: float | None, now: float) -> bool:
    """Whether an answer has lain unread for so long that its end isn't to be waited for."""
    return handed is not None and now - handed >= IDLE


class Flight:
    """One call under way. `landed` is its stored value in the end, or None where it came to nothing."""

    def __init__(self, *, streaming: bool) -> None:
        self.landed: Future[bytes | None] = Future()
        self.landed.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
        self.streaming = streaming
        self.thread = threading.get_ident()
        self._loop = _running_loop()
        self._asked: float | None = None
        self.handed: float | None = None
        """Since when the caller of a stream has had the word (`time.monotonic()`); None while the provider has it."""

    def land(self, value: bytes | None) -> None:
        """Gives who waits the value; the first word counts."""
        if not self.landed.done():
            self.landed.set_result(value)

    def stuck(self, now: float) -> bool:
        """Whether it may never end, because whoever reads the stream has stopped reading."""
        return is_stuck(self.handed, now)

    @property
    def by_a_task(self) -> bool:
        """Whether an event loop has to go on for it to end."""
        return self._loop is not None

    def stranded(self, now: float) -> bool:
        """Whether its event loop has not gone on for `HUNG` seconds: whoever blocks it may be waiting for this very flight."""
        if self._loop is None:
            return False
        asked = self._asked
        if asked is None:
            self._asked = now
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:  # it is closed
                return True
            return False
        return now - asked >= HUNG

    def _answer(self) -> None:
        self._asked = None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Flights:
    """The calls under way, by key."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._under_way: dict[str, Flight] = {}

    def enter(self, key: str, *, streaming: bool) -> tuple[Flight, bool]:
        """The flight of this key, and whether the caller is the one who flies it (and must `leave` in the end)."""
        with self._mutex:
            flight = self._under_way.get(key)
            if flight is not None:
                return flight, False
            flight = self._under_way[key] = Flight(streaming=streaming)
            return flight, True

    def leave(self, key: str, flight: Flight, value: bytes | None) -> None:
        """Ends a flight and wakes who waits for it."""
        with self._mutex:
            if self._under_way.get(key) is flight:
                del self._under_way[key]
        flight.land(value)
