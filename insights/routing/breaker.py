"""When not to ask at all: a breaker per provider and model, so that an outage costs its victims no time.

    closed      asked as always; the outcomes of the last attempts are kept
    open        not asked until the cool-down is over: too many of them failed
    half-open   one call goes through to see; the others wait for its outcome no longer than it takes to say so

The pattern is M. Nygard's ("Release It!", Stability Patterns, Circuit Breaker).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from insights.core import errors
from insights.core.errors import APIError

WINDOW: Final = 60.0  # seconds that an outcome counts
VOLUME: Final = 10  # outcomes below which nothing can be said of a rate
RATE: Final = 0.5  # of failures, from which on it opens
COOL_DOWN: Final = 10.0  # seconds; doubled by each probe that fails
LONGEST: Final = 120.0  # seconds
SLOW: Final = 1.0  # seconds; an attempt that timed out sooner says more of its caller than of the provider

# These say that the provider is in trouble. A refusal (4xx) says that it is well; so does a rate limit, which says when to
# come back.
TROUBLE: Final = (
    errors.InternalServerError,
    errors.APIConnectionError,
    errors.APIResponseValidationError,
    errors.TruncatedStreamError,
)


@dataclass(frozen=True, slots=True)
class Health:
    """How a model does.

    `state` is `closed` (it is asked), `open` (it isn't, for `retry_in` more seconds) or `half-open` (one call is seeing
    whether it is back). `failures` of `attempts` in the last minute failed.
    """

    state: str
    attempts: int
    failures: int
    retry_in: float = 0.0


class Breaker:
    """The breaker of one model at one host."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=4 * VOLUME)
        self._opened: float | None = None
        self._cool_down = COOL_DOWN
        self._probing = False
        self._prober: object = None

    def enter(self, who: object = None) -> float | None:
        """Asks for leave. None: granted, and `leave` or `succeed` or `fail` must follow; else seconds until it may be.

        Args:
            who: the attempt that asks; the same for what follows. Only the one that sees whether the provider is back decides.
        """
        with self._mutex:
            if self._opened is None:
                return None
            left = self._opened + self._cool_down - self._clock()
            if left > 0 or self._probing:
                return max(left, 0.0)
            self._probing, self._prober = True, who
            return None

    def _is_probe(self, who: object) -> bool:
        return self._probing and self._prober is who

    def succeed(self, who: object = None) -> None:
        """The provider answered, be it with a refusal."""
        with self._mutex:
            self._outcomes.append((self._clock(), True))
            if self._is_probe(who):
                self._outcomes.clear()
                self._opened, self._probing, self._cool_down = None, False, COOL_DOWN

    def fail(self, who: object = None) -> None:
        """The provider is in trouble."""
        with self._mutex:
            now = self._clock()
            self._outcomes.append((now, False))
            if self._is_probe(who):
                self._probing, self._opened = False, now
                self._cool_down = min(2 * self._cool_down, LONGEST)
            elif self._opened is None:
                attempts, failures = self._counted(now)
                if attempts >= VOLUME and failures >= RATE * attempts:
                    self._opened = now

    def leave(self, who: object = None) -> None:
        """The attempt came to nothing that would say anything of the provider: it was given up, or not sent."""
        with self._mutex:
            if self._is_probe(who):
                self._probing = False

    def _counted(self, now: float) -> tuple[int, int]:
        recent = [good for moment, good in self._outcomes if now - moment <= WINDOW]
        return len(recent), recent.count(False)

    @property
    def health(self) -> Health:
        """How the model does, now."""
        with self._mutex:
            now = self._clock()
            attempts, failures = self._counted(now)
            if self._opened is None:
                return Health("closed", attempts, failures)
            left = max(self._opened + self._cool_down - now, 0.0)
            return Health("open" if left > 0 else "half-open", attempts, failures, left)


class Breakers:
    """All breakers of a process, by provider, model and host."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: dict[tuple[str, str, str], Breaker] = {}

    def of(self, provider: str, model: str, base: str) -> Breaker:
        """The breaker of a model at a host; an empty `base` is the provider's own."""
        name = provider, model, base
        return self._all.get(name) or self._all.setdefault(name, Breaker(self._clock))

    def __iter__(self) -> Iterator[tuple[tuple[str, str, str], Breaker]]:
        return iter(list(self._all.items()))

    def reset(self) -> None:
        """Forgets everything."""
        self._all.clear()


def is_trouble(error: APIError, duration: float) -> bool:
    """Whether an attempt's error says that the provider is in trouble.

    Args:
        duration: seconds the attempt took.
    """
    return isinstance(error, TROUBLE) or (isinstance(error, errors.Timeout) and duration >= SLOW)


BREAKERS: Final = Breakers()
"""Those of this process."""


def health() -> dict[str, Health]:
    """How the models do that were asked in this process, by `provider/model`; another host than the provider's own is named
    behind an `@`.

    Models that have had no trouble in the last minute are `closed`.
    """
    return {
        f"{provider}/{model} @ {base}" if base else f"{provider}/{model}": breaker.health
        for (provider, model, base), breaker in BREAKERS
    }
