"""A breaker by a clock that is moved by hand."""

from __future__ import annotations

import pytest

from insights.core import errors
from insights.routing.breaker import (
    BREAKERS,
    COOL_DOWN,
    LONGEST,
    VOLUME,
    WINDOW,
    Breaker,
    Breakers,
    Health,
    health,
    is_trouble,
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def open_it(breaker: Breaker) -> None:
    for _ in range(VOLUME):
        assert breaker.enter() is None
        breaker.fail()


def test_it_opens_when_too_many_fail(breaker: Breaker) -> None:
    for _ in range(VOLUME - 1):
        breaker.fail()
    assert breaker.enter() is None
    breaker.fail()
    assert breaker.enter() == COOL_DOWN
    assert breaker.health == Health("open", VOLUME, VOLUME, COOL_DOWN)


def test_it_stays_closed_while_most_are_well(breaker: Breaker) -> None:
    for _ in range(10 * VOLUME):
        breaker.fail()
        breaker.succeed()
        breaker.succeed()
    assert breaker.enter() is None
    assert breaker.health.state == "closed"


def test_old_failures_do_not_count(breaker: Breaker, clock: Clock) -> None:
    for _ in range(VOLUME - 1):
        breaker.fail()
    clock.now += WINDOW + 1
    breaker.fail()
    assert breaker.enter() is None
    assert breaker.health == Health("closed", 1, 1)


def test_one_probe_after_the_cool_down(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += COOL_DOWN - 1
    assert breaker.enter() == pytest.approx(1)
    clock.now += 1
    assert breaker.health.state == "half-open"
    assert breaker.enter() is None
    assert breaker.enter() == 0, "one is enough"
    breaker.succeed()
    assert breaker.enter() is None
    assert breaker.health == Health("closed", 0, 0)


def test_a_probe_that_fails_makes_the_next_one_later(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    waits = []
    for _ in range(6):
        left = breaker.enter()
        assert left is not None
        waits.append(left)
        clock.now += left
        assert breaker.enter() is None
        breaker.fail()
    assert waits == [COOL_DOWN, 2 * COOL_DOWN, 4 * COOL_DOWN, 8 * COOL_DOWN, LONGEST, LONGEST]


def test_a_probe_that_is_given_up_is_another_ones(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += COOL_DOWN
    assert breaker.enter() is None
    breaker.leave()
    assert breaker.enter() is None


def test_failures_of_calls_made_before_do_not_lengthen_it(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += COOL_DOWN / 2
    breaker.fail()
    assert breaker.enter() == COOL_DOWN / 2


@pytest.mark.parametrize(
    ("error", "duration", "trouble"),
    [
        (errors.InternalServerError("x"), 0.0, True),
        (errors.ServiceUnavailableError("x"), 0.0, True),
        (errors.APIConnectionError("x"), 0.0, True),
        (errors.EmptyResponseError("x"), 0.0, True),
        (errors.TruncatedStreamError("x"), 0.0, True),
        (errors.Timeout("x"), 5.0, True),
        (errors.Timeout("x"), 0.1, False),
        (errors.RateLimitError("x"), 0.0, False),
        (errors.AuthenticationError("x"), 0.0, False),
        (errors.BadRequestError("x"), 0.0, False),
    ],
)
def test_what_is_trouble(error: errors.APIError, duration: float, trouble: bool) -> None:
    assert is_trouble(error, duration) is trouble


def test_one_for_each_model_and_host(clock: Clock) -> None:
    all_of_them = Breakers(clock)
    one = all_of_them.of("openai", "m", "https://a")
    assert all_of_them.of("openai", "m", "https://a") is one
    assert len({id(one), id(all_of_them.of("openai", "n", "https://a")), id(all_of_them.of("openai", "m", "https://b"))}) == 3


def test_health_names_them() -> None:
    BREAKERS.of("openai", "m", "").fail()
    BREAKERS.of("openai", "m", "http://127.0.0.1:1").succeed()
    open_it(BREAKERS.of("mistral", "n", ""))
    found = health()
    assert found["openai/m"] == Health("closed", 1, 1)
    assert found["openai/m @ http://127.0.0.1:1"] == Health("closed", 1, 0)
    assert found["mistral/n"].state == "open"
    assert 0 < found["mistral/n"].retry_in <= COOL_DOWN
