"""Whose turn it is, by a clock that is moved by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from insights.core.errors import BadRequestError
from insights.core.redact import SecretStr
from insights.routing.spread import Deployment, Spread, given_keys


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def three(*weights: float) -> list[Deployment]:
    return [Deployment(name, {"api_key": name}, weight) for name, weight in zip("abc", weights or (1, 1, 1), strict=True)]


def turns(spread: Spread, deployments: list[Deployment], number: int) -> str:
    return "".join(spread.order(deployments)[0].name for _ in range(number))


def test_one_after_the_other() -> None:
    assert turns(Spread(Clock()), three(), 6) == "abcabc"


def test_by_weight_and_without_bursts() -> None:
    found = turns(Spread(Clock()), three(5, 1, 1), 14)
    assert Counter(found) == {"a": 10, "b": 2, "c": 2}
    assert "aaaaa" not in found, "nginx's rotation puts the others between"


def test_the_others_come_behind_in_case_it_fails() -> None:
    assert sorted(each.name for each in Spread(Clock()).order(three())) == ["a", "b", "c"]


def test_who_has_little_left_is_asked_less() -> None:
    spread = Spread(Clock())
    spread.learn("a", {"x-ratelimit-remaining-requests": "10", "x-ratelimit-limit-requests": "100"})
    spread.learn("b", {"anthropic-ratelimit-tokens-remaining": "80", "anthropic-ratelimit-tokens-limit": "80"})
    found = Counter(turns(spread, three(), 210))
    assert found["b"] == found["c"] == 100
    assert found["a"] == 10


def test_the_scarcer_of_two_limits_counts() -> None:
    spread = Spread(Clock())
    full = {"x-ratelimit-remaining-requests": "100", "x-ratelimit-limit-requests": "100"}
    spread.learn("a", {**full, "x-ratelimit-remaining-tokens": "0", "x-ratelimit-limit-tokens": "1000"})
    found = Counter(turns(spread, three(), 201))
    assert found["a"] == 1, "but not never: how else would one hear of it"


@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-remaining-requests": "x", "x-ratelimit-limit-requests": "0"}])
def test_headers_that_say_nothing(headers: dict[str, str]) -> None:
    spread = Spread(Clock())
    spread.learn("a", headers)
    assert turns(spread, three(), 3) == "abc"


def test_who_was_told_to_wait_comes_last_until_then() -> None:
    clock = Clock()
    spread = Spread(clock)
    spread.rest("a", 10)
    spread.rest("b", 5)
    assert [each.name for each in spread.order(three())] == ["c", "b", "a"]
    clock.now = 6
    assert {each.name for each in spread.order(three())[:2]} == {"b", "c"}
    clock.now = 11
    assert Counter(turns(spread, three(), 30)) == {"a": 10, "b": 10, "c": 10}


def test_keys_as_they_are_given() -> None:
    found = given_keys(["k1", SecretStr("k2"), {"api_key": "k3", "api_base": "https://x", "weight": 2}], "openai")
    assert [each.weight for each in found] == [1, 1, 2]
    assert [each.number for each in found] == [1, 2, 3]
    assert [each.elsewhere for each in found] == [False, False, True]
    assert len({each.name for each in found}) == 3
    assert given_keys(["k2"], "openai")[0].name == found[1].name
    assert "k1" not in found[0].name


@pytest.mark.parametrize(
    "wrong", ["k1", {"api_key": "k"}, [], [1], [{"key": "secret-1"}], [{"api_key": "k", "weight": 0}], [{"api_key": 5}], [{}]]
)
def test_what_are_no_keys(wrong: Any) -> None:
    with pytest.raises(BadRequestError) as raised:
        given_keys(wrong, "openai")
    assert "secret-1" not in str(raised.value)
