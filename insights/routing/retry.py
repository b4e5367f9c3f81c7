"""When to ask the same candidate again, and how long to wait before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from insights.core.errors import APIError


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        num_retries: retries after the first attempt.
        base: seconds; the first wait is drawn from 0 to this.
        cap: seconds; no drawn wait is longer.
        patience: seconds; a provider that asks to wait longer isn't waited for.
        jitter: draws from 0 to its argument.
    """

    num_retries: int = 2
    base: float = 0.5
    cap: float = 8.0
    patience: float = 60.0
    jitter: Callable[[float], float] = field(default=lambda most: random.uniform(0, most))

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
        return seconds if seconds < left else None
