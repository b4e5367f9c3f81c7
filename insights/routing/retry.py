"""When to ask the same candidate again, and how long to wait before."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from insights.core.errors import APIError

ATTEMPTS: Final = 3  # per candidate, by default; the same as OpenAI's and Anthropic's own SDKs


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        num_retries: retries after the first attempt.
        base: seconds; the first wait is drawn from 0 to this.
        cap: seconds; no drawn wait is longer.
        patience: seconds; a provider that asks to wait longer isn't waited for.
        jitter: draws from 0 to its argument.
        at_once: whether no wait is waited for: what is asked again is a recording.
    """

    num_retries: int = ATTEMPTS - 1
    base: float = 0.5
    cap: float = 8.0
    patience: float = 60.0
    jitter: Callable[[float], float] = field(default=lambda most: random.uniform(0, most))
    at_once: bool = False

    def wait(self, error: APIError, attempt: int, left: float) -> float | None:
        """Seconds to wait before the next attempt; None when there should be none.

        Args:
            error: why the last attempt failed.
            attempt: how many attempts were made, from 1.
            left: seconds until the deadline.
        """
        if not error.retryable or attempt > self.num_retries:
            return None
        if error.retry_after is not None:
            seconds = error.retry_after
            if seconds > self.patience:
                return None
        else:
            seconds = self.jitter(min(self.cap, self.base * 2 ** (attempt - 1)))
        if seconds >= left:
            return None
        return 0.0 if self.at_once or _without_waiting else seconds


_without_waiting: list[object] = []


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """For tests: inside the block no retry waits, in any thread or task. What would have been waited for is retried at once.

    >>> with no_waiting():
    ...     RetryPolicy().wait(APIError(retryable=True), attempt=1, left=60)
    0.0
    """
    token = object()
    _without_waiting.append(token)
    try:
        yield
    finally:
        _without_waiting.remove(token)


class RetryBudget:
    """How many retries a provider may be asked for, so that an outage isn't amplified: a bucket of tokens.

    A failed attempt takes a token, a good one gives `RATIO` back; retries are made while the bucket is more than half full.
    The rule and the ratio are gRPC's (proposal A6, "Throttling Retry Attempts and Hedged RPCs"); a token a second comes back
    too, because a notebook makes few calls.
    """

    FULL: Final = 50.0
    RATIO: Final = 0.1
    PER_SECOND: Final = 1.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._tokens = self.FULL
        self._since = clock()

    def _add(self, tokens: float) -> None:
        now = self._clock()
        tokens += (now - self._since) * self.PER_SECOND
        self._since = now
        self._tokens = min(max(self._tokens + tokens, 0.0), self.FULL)

    def succeed(self) -> None:
        """An attempt succeeded."""
        with self._mutex:
            self._add(self.RATIO)

    def fail(self) -> bool:
        """An attempt failed; whether another may be made."""
        with self._mutex:
            self._add(-1.0)
            return self._tokens > self.FULL / 2


class RetryBudgets:
    """All budgets of a process, by provider and host."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: dict[tuple[str, str], RetryBudget] = {}

    def of(self, provider: str, base: str) -> RetryBudget:
        """The budget of a provider at a host."""
        name = provider, base
        return self._all.get(name) or self._all.setdefault(name, RetryBudget(self._clock))

    def reset(self) -> None:
        """Forgets everything."""
        self._all.clear()


BUDGETS: Final = RetryBudgets()
"""Those of this process."""
