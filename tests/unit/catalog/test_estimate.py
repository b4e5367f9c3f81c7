"""What a request can cost, worked out by hand: at least, and at most."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.catalog.estimate import Bounds, bounds
from insights.catalog.pricing import price_of
from insights.catalog.schema import Change, ModelInfo, Tier
from insights.core.request import build_request
from insights.core.types import Usage

# USD per 1,000 tokens.
PLAIN = {"cost_input_per_1k": "1", "cost_output_per_1k": "10"}
HELLO = 8  # tokens of the prompt "Hi" to OpenAI's models, by their rules


def prices(*more: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(value) for each in (PLAIN, *more) for name, value in each.items()}


def info(*more: dict[str, str], **fields: Any) -> ModelInfo:
    return ModelInfo("gpt-4o-mini", prices=prices(*more), **{"context_window": 1000, "max_output_tokens": 100, **fields})


def found(row: ModelInfo | None, provider: str = "openai", messages: Any = "Hi", **params: Any) -> Bounds:
    return bounds(row, provider, build_request("gpt-4o-mini", messages, params))


def span(bound: Bounds) -> tuple[float, float | None]:
    assert bound.low is not None
    return float(bound.low * 1000), None if bound.high is None else float(bound.high * 1000)  # tokens, by input's price


@pytest.mark.parametrize(
    ("params", "most"),
    [
        ({}, 100),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": 7, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 9, "max_completion_tokens": 8}, 9),  # both are sent, and one of them counts
        ({"max_tokens": 5000}, 100),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": 7, "n": 3}, 21),
        ({"max_tokens": 7, "n": 1}, 7),
    ],
    ids=str,
)
def test_how_much_may_be_answered(params: dict[str, Any], most: int) -> None:
    bound = found(info(), **params)
    assert bound.prompt.exact
    assert (bound.prompt.tokens, bound.completion_tokens) == (HELLO, most)
    assert span(bound) == (HELLO, HELLO + 10 * most)


def test_models_without_limits() -> None:
    assert found(info(max_output_tokens=None)).completion_tokens == 1000 - HELLO
    unlimited = found(info(max_output_tokens=None, context_window=None))
    assert (unlimited.completion_tokens, span(unlimited)) == (None, (HELLO, None))


def test_unknown_prices() -> None:
    nobody = found(None, max_tokens=5)
    assert (nobody.low, nobody.high, nobody.completion_tokens, nobody.prompt.tokens) == (None, None, None, HELLO)
    half = ModelInfo("gpt-4o-mini", prices={"cost_input_per_1k": Decimal(1)}, max_output_tokens=100)
    assert (found(half).low, found(half).high, found(half).completion_tokens) == (None, None, 100)


def test_prices_of_the_day() -> None:
    row = info(changes=(Change(date(2026, 2, 1), prices({"cost_input_per_1k": "2"}), ()),))
    request = build_request("gpt-4o-mini", "Hi", {"max_tokens": 1})
    costs = [bounds(row, "openai", request, on=day).low for day in (date(2026, 1, 31), date(2026, 2, 1))]
    assert costs == [Decimal("0.008"), Decimal("0.016")]


def test_the_provider_may_read_its_cache() -> None:
    assert span(found(info({"cost_cached_input_per_1k": "0.5"}), max_tokens=1)) == (HELLO / 2, HELLO + 10)
    assert span(found(info({"cost_cached_input_per_1k": "2"}), max_tokens=1))[0] == HELLO


def test_the_provider_may_write_its_cache() -> None:
    row = info({"cost_cache_write_per_1k": "2", "cost_cache_write_1h_per_1k": "3"})
    assert span(found(row, "openai", max_tokens=1))[1] == 2 * HELLO + 10, "unasked"
    plain = found(row, "anthropic", max_tokens=1)
    assert span(plain)[1] == plain.prompt.high + 10, "only where it is asked for"
    content = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    marked = found(row, "anthropic", [{"role": "user", "content": content}], max_tokens=1)
    assert span(marked)[1] == 3 * marked.prompt.high + 10


@pytest.mark.parametrize(
    ("price", "params", "most"),
    [
        ("cost_reasoning_per_1k", {}, 50),
        ("cost_audio_output_per_1k", {}, 10),
        ("cost_audio_output_per_1k", {"modalities": ["text", "audio"]}, 50),
        ("cost_image_output_per_1k", {"modalities": ["text", "image"]}, 50),
    ],
)
def test_dear_answers(price: str, params: dict[str, Any], most: int) -> None:
    bound = found(info({price: "50"}), max_tokens=1, **params)
    assert span(bound)[1] == bound.prompt.high + most


def test_tiers_of_length() -> None:
    dear = Tier(above=10, prices=prices({"cost_input_per_1k": "2", "cost_output_per_1k": "20"}))
    assert span(found(info(tiers=(dear,)), max_tokens=1)) == (HELLO, HELLO + 10)
    long = found(info(tiers=(dear,)), messages="many " * 50, max_tokens=1)
    assert span(long) == (2 * long.prompt.low, 2 * long.prompt.high + 20)


def test_service_tiers() -> None:
    row = info({"cost_flex_input_per_1k": "0.5", "cost_flex_output_per_1k": "5"})
    # Asked for at half the price, and perhaps served as an ordinary request.
    assert span(found(row, max_tokens=1, service_tier="flex")) == (HELLO / 2, HELLO + 10)
    assert span(found(row, max_tokens=1, service_tier="auto")) == (HELLO, HELLO + 10)
    assert found(row, max_tokens=1, service_tier="priority").high is None


def test_fees() -> None:
    row = info(
        {"cost_per_request": "0.25", "cost_per_request_low": "0.5", "cost_per_request_high": "1", "cost_per_web_search": "2"}
    )
    plain = Decimal("0.01") + Decimal(HELLO) / 1000

    def fees(**params: Any) -> Decimal:
        bound = found(row, max_tokens=1, **params)
        assert bound.high is not None
        return bound.high - Decimal(bound.prompt.high) / 1000 - Decimal("0.01")

    low = found(row, max_tokens=1).low
    assert low == plain - Decimal("0.01") + Decimal("0.25")
    assert fees() == Decimal("1.25")
    assert fees(web_search_options={}) == Decimal("11.25")
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert fees(tools=[search]) == Decimal("11.25")
    assert fees(tools=[{**search, "max_uses": 2}, {"type": "function", "function": {"name": "f"}}]) == Decimal("5.25")


COUNTS = st.integers(0, 100)


@given(COUNTS, COUNTS, COUNTS, st.booleans())
def test_what_it_costs_lies_between(completion: int, cached: int, reasoning: int, flex: bool) -> None:
    row = info(
        {"cost_cached_input_per_1k": "0.1", "cost_reasoning_per_1k": "12"},
        {"cost_flex_input_per_1k": "0.5", "cost_flex_output_per_1k": "5", "cost_flex_cached_input_per_1k": "0.05"},
    )
    bound = found(row, max_tokens=100, **({"service_tier": "flex"} if flex else {}))
    usage = Usage.model_validate(
        {
            "prompt_tokens": HELLO,
            "completion_tokens": completion,
            "prompt_tokens_details": {"cached_tokens": min(cached, HELLO)},
            "completion_tokens_details": {"reasoning_tokens": min(reasoning, completion)},
        }
    )
    cost = price_of(row, usage, "flex" if flex else None)
    assert cost is not None
    assert bound.low is not None
    assert bound.high is not None
    assert bound.low <= cost.total <= bound.high


@pytest.mark.parametrize(
    ("extra", "most"),
    [({"max_tokens": 50}, 50), ({"n": 3}, 300), ({"n": 2.0}, 200), ({"generationConfig": {"maxOutputTokens": 9}}, 9)],
)
def test_what_is_said_beside_the_parameters_counts(extra: dict[str, Any], most: int) -> None:
    request = build_request("m", "hello", {}, extra_body=extra)
    assert bounds(info(), "acme", request).completion_tokens == most
