"""The cache's part in the way of one call: look, wait for an identical call, record, keep.

find    a stored answer                                             -> done
enter   somebody is asking the same: wait for the answer            -> done; else it is this call's turn
watch   the chunks of a stream go by and are recorded
keep    a complete answer is stored, and given to who waits
leave   whatever happened, nobody waits any longer
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from insights.cache.answers import AnswerCache
from insights.cache.control import Control
from insights.cache.key import digest
from insights.cache.value import Unreadable, not_storable, pack, thaw, thaw_chunks, unpack
from insights.core.effects import NEWS, Blocking, Emit, FlowGenerator, Join, Opened, Sleep
from insights.core.errors import Timeout
from insights.core.request import canonical_json

if TYPE_CHECKING:
    from insights.cache.flight import Flight
    from insights.cache.locks import Hold
    from insights.core.request import ChatRequest
    from insights.core.types import ModelResponse, Trace

T = TypeVar("T")

POLL: Final = (0.001, 0.05)  # seconds between two looks at another process's lock, growing; at most what its end adds
TURNS: Final = 2  # calls that came to nothing and were waited for; a third is not
SECRET: Final = 8  # characters; a shorter key ("x", "ollama") is a stand-in for none, and in every other answer
RECORDED: Final = 2**24  # characters of chunks kept with an answer; a longer stream is replayed in one piece


class Lookup:
    """One candidate's request and its place in the cache.

    Args:
        cache: where answers lie.
        control: what the call says about it.
        fields: all that makes the key; see `key_fields`.
        request: what is asked.
        trace: where it is told what the cache did.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cache: AnswerCache,
        control: Control,
        fields: dict[str, Any],
        request: ChatRequest,
        trace: Trace,
        clock: Callable[[], float],
    ) -> None:
        self._cache, self._control, self._fields = cache, control, fields
        self._request, self._trace, self._clock = request, trace, clock
        canonical = canonical_json(fields)
        self._key, self._length = digest(canonical), len(canonical)
        self._value: bytes | None = None
        self._flight: Flight | None = None
        self._held: Hold | None = None
        self._chunks: list[str] = []
        self._recorded = 0
        self._newer = False
        self.spent = 0.0
        """Seconds that the store has taken."""
        trace.cache = control.note

    # ------------------------------------------------------------ a stored answer

    def find(self) -> FlowGenerator[ModelResponse | None]:
        """The stored answer; for a stream its chunks are given out too."""
        if not self._control.read:
            return None
        entry = self._timed(lambda: self._cache.store.get(self._key))
        found = None if entry is None else self._thawed(entry.value)
        if found is None:
            return None
        self._trace.cache = "hit"
        return (yield from self._serve(found))

    def _timed(self, work: Callable[[], T]) -> T:
        """What the disk takes is nothing of the provider's time."""
        begun = self._clock()
        try:
            return work()
        finally:
            self.spent += self._clock() - begun

    def _thawed(self, value: bytes) -> tuple[ModelResponse, list[Any] | None] | None:
        try:
            stored = unpack(self._key, value)
            if self._control.ttl is not None and time.time() - stored.at > self._control.ttl:
                self._trace.cache = f"miss: the stored answer is older than {self._control.ttl:g} s"
                return None
            found = thaw(stored, self._request.parse_as)
            chunks = thaw_chunks(stored) if self._request.stream else None
        except Unreadable as error:
            self._trace.cache = f"miss: {error.reason}"
            self._newer = error.newer
            if not error.older:
                self._cache.warn_once(error.reason)
            return None
        self._value = value
        return found, chunks

    def _serve(self, served: tuple[ModelResponse, list[Any] | None]) -> FlowGenerator[ModelResponse]:
        found, chunks = served
        self._cache.store.count(hits=1, saved=found.cost_saved)
        self._cache.remember(self._fields, self._length)
        if chunks is not None:
            from insights.core.chunks import chunks_of

            yield Opened()
            for chunk in chunks or chunks_of(found):
                yield Emit(chunk)
        return found

    def missed(self) -> None:
        """Says in the trace why there was no answer, and counts it."""
        if not self._control.read:
            return
        self._cache.store.count(misses=1)
        if self._trace.cache != "miss":
            return  # said already
        fault = self._cache.store.fault()
        if fault is not None:
            self._trace.cache = f"off: the cache can't be used: {fault}"
            return
        if self._cache.store.expired(self._key):
            self._trace.cache = "miss: the stored answer's time is over"
            return
        self._trace.cache = "miss: no answer is stored for this request"
        near = self._cache.nearest(self._fields)
        if near:
            self._trace.cache += f"; the nearest one before differs in {', '.join(near)}"

    # ------------------------------------------------------------ an identical call under way

    def enter(self, until: float) -> FlowGenerator[ModelResponse | None]:
        """The answer of an identical call, or None when it is this call's turn to ask.

        Args:
            until: how long to wait, a moment of the clock.

        Raises:
            Timeout: the other call took longer.
        """
        if not self._control.read:
            return None  # who refreshes wants an answer younger than the one that is coming
        for _ in range(TURNS):
            flight, ours = self._cache.flights.enter(self._key, streaming=self._request.stream)
            if ours:
                self._flight = flight
                return (yield from self._hold(until))
            if not (yield from self._landed(flight, until)):
                return None
            value = flight.landed.result()
            found = None if value is None else self._thawed(value)
            if found is not None:
                self._trace.cache = "hit: shared with an identical call"
                reason = not_storable(found[0])
                if reason is not None:
                    self._trace.notes.append(f"not cached: {reason}")
                return (yield from self._serve(found))
        return None

    def _landed(self, flight: Flight, until: float) -> FlowGenerator[bool]:
        """Waits for a flight's end; False where that is not to be waited for."""
        from insights.cache.flight import HUNG, IDLE

        while True:
            step = IDLE if flight.streaming else HUNG if flight.by_a_task else until
            pause = min(until, self._clock() + step)
            landed = yield Join(flight.landed, flight.thread, pause)
            if landed or landed is None:
                return bool(landed)
            now = self._clock()
            if now >= until:
                raise Timeout("an identical call is still under way", hint="raise timeout= (seconds)")
            if flight.stuck(now) or flight.stranded(now):
                return False

    def _hold(self, until: float) -> FlowGenerator[ModelResponse | None]:
        """Waits for other processes that ask the same; the answer that one of them stored meanwhile, or before."""
        from insights.cache.flight import is_stuck

        pause, most = POLL
        while (held := self._timed(lambda: self._cache.store.hold(self._key))) is None:
            now = self._clock()
            if now >= until:
                raise Timeout("another process is still making an identical call", hint="raise timeout= (seconds)")
            if is_stuck(self._cache.store.lying(self._key), now) or self._cache.store.stopped(self._key):
                return None
            yield Sleep(pause)
            pause = min(2 * pause, most)
        self._held = held
        return (yield from self.find())

    def leave(self) -> None:
        """Gives the turn back; who waits gets the answer, or the next turn."""
        if self._held is not None:
            self._held()
        if self._flight is not None:
            self._cache.flights.leave(self._key, self._flight, self._value)
        self._flight = self._held = None

    # ------------------------------------------------------------ a new answer

    def watch(self, flow: FlowGenerator[ModelResponse]) -> FlowGenerator[ModelResponse]:
        """The same flow; what it gives out on the way is recorded, and others see who has the word."""
        outcome: Any = None
        error: BaseException | None = None
        while True:
            try:
                effect = flow.send(outcome) if error is None else flow.throw(error)
            except StopIteration as stop:
                whole: ModelResponse = stop.value
                return whole
            outcome = error = None
            if isinstance(effect, Emit):
                self._record(effect.chunk)
            if isinstance(effect, NEWS):
                self._hand(self._clock())
            try:
                outcome = yield effect
            except BaseException as thrown:
                error = thrown
            if isinstance(effect, NEWS):
                self._hand(None)

    def _hand(self, since: float | None) -> None:
        """Tells who waits since when the caller has had the word; None: the provider has it."""
        if self._flight is not None:
            self._flight.handed = since
        if self._held is not None:
            self._held.lies(since)

    def _record(self, chunk: Any) -> None:
        # As text and at once: what the caller does to a chunk changes nothing that is stored.
        if self._recorded > RECORDED:
            return
        try:
            text = chunk.model_dump_json(exclude_unset=True)
        except ValueError:  # half a character, which the next chunk may complete
            self._recorded = RECORDED
            text = ""
        self._recorded += len(text) + 1
        self._chunks.append(text)

    def keep(self, found: ModelResponse, tag: str, secrets: Sequence[str]) -> FlowGenerator[None]:
        """Stores an answer, if it may serve again.

        Args:
            tag: what it can be evicted by.
            secrets: the key of the call, and what else may be one; an answer that repeats it is neither stored nor shared.
        """
        chunks = self._chunks if self._recorded <= RECORDED else []
        try:
            value = pack(self._key, found.model_dump_json(exclude={"trace"}), chunks, at=time.time())
        except ValueError:
            found.trace.notes.append("not cached: the answer holds characters that can't be stored")
            return
        if any(len(secret) >= SECRET and secret.encode() in value for secret in secrets):
            found.trace.notes.append("not cached: the answer repeats the API key")
            return
        self._value = value
        if self._flight is not None:
            self._flight.land(value)  # who waits needn't wait for the disk
        reason = not_storable(found)
        if reason is not None:
            found.trace.notes.append(f"not cached: {reason}")
        elif not self._newer:
            store, key, ttl = self._cache.store, self._key, self._control.ttl
            if (yield Blocking(lambda: store.set(key, value, ttl=ttl, tag=tag))):
                self._cache.remember(self._fields, self._length)
            else:
                found.trace.notes.append("not cached: it could not be stored")
