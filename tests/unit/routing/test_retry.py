"""How long to wait, and whether."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.core.errors import APIError, BadRequestError, RateLimitError
from insights.routing.retry import RetryPolicy

LONGEST = RetryPolicy(num_retries=10, jitter=lambda most: most)
SLOW = RateLimitError("slow down")


def after(seconds: float) -> RateLimitError:
    return RateLimitError("slow down", retry_after=seconds)


def test_the_longest_waits_double_up_to_the_cap() -> None:
    assert [LONGEST.wait(SLOW, attempt, 600) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]


@given(st.integers(1, 10))
def test_waits_are_drawn_from_nought(attempt: int) -> None:
    wait = RetryPolicy(num_retries=10).wait(SLOW, attempt, 600)
    assert wait is not None
    assert 0 <= wait <= min(8, 0.5 * 2 ** (attempt - 1))


def test_waits_differ() -> None:
    """Full jitter: clients that failed together must not come back together."""
    assert len({RetryPolicy().wait(SLOW, 1, 600) for _ in range(20)}) > 10


def test_retries_are_counted() -> None:
    policy = RetryPolicy(num_retries=2, jitter=lambda most: most)
    assert [policy.wait(SLOW, attempt, 600) is None for attempt in (1, 2, 3)] == [False, False, True]
    assert RetryPolicy(num_retries=0).wait(SLOW, 1, 600) is None


def test_what_does_not_help_is_not_done() -> None:
    assert LONGEST.wait(BadRequestError("x"), 1, 600) is None
    assert LONGEST.wait(APIError("x", retryable=True), 1, 600) == 0.5
    assert LONGEST.wait(RateLimitError("x", retryable=False), 1, 600) is None


@pytest.mark.parametrize(("asked", "wait"), [(0, 0), (0.25, 0.25), (60, 60), (60.5, None)])
def test_the_provider_is_obeyed_within_patience(asked: float, wait: float | None) -> None:
    assert LONGEST.wait(after(asked), 1, 600) == wait


@pytest.mark.parametrize(("left", "wait"), [(5.001, 5), (5, None), (0, None), (-1, None)])
def test_no_wait_reaches_the_deadline(left: float, wait: float | None) -> None:
    assert LONGEST.wait(after(5), 1, left) == wait
