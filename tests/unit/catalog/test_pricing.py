"""What a call costs, worked out by hand."""

from __future__ import annotations

from decimal import Decimal, Inexact, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.catalog.pricing import price_of
from insights.catalog.schema import ModelInfo, Tier
from insights.core.types import CompletionTokensDetails, Cost, PromptTokensDetails, Usage

# USD per 1,000 tokens.
ALL = {
    "cost_input_per_1k": "0.003",
    "cost_output_per_1k": "0.015",
    "cost_cached_input_per_1k": "0.0003",
    "cost_cache_write_per_1k": "0.00375",
    "cost_cache_write_1h_per_1k": "0.006",
    "cost_reasoning_per_1k": "0.02",
    "cost_audio_input_per_1k": "0.1",
    "cost_audio_output_per_1k": "0.2",
    "cost_per_request": "0.005",
}
PLAIN = {"cost_input_per_1k": "0.003", "cost_output_per_1k": "0.015"}


def info(prices: dict[str, str], tiers: tuple[Tier, ...] = (), **more: Any) -> ModelInfo:
    return ModelInfo("m", prices={name: Decimal(value) for name, value in prices.items()}, tiers=tiers, **more)


def used(prompt: int, completion: int, prompt_details: dict[str, int], completion_details: dict[str, int]) -> Usage:
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetails(**prompt_details),
        completion_tokens_details=CompletionTokensDetails(**completion_details),
    )


EVERYTHING = used(
    10_000,
    5_000,
    {"cached_tokens": 4_000, "cache_creation_tokens": 3_000, "cache_creation_1h_tokens": 1_000, "audio_tokens": 500},
    {"reasoning_tokens": 2_000, "audio_tokens": 1_000},
)


def priced(model: ModelInfo, usage: Usage) -> Cost:
    found = price_of(model, usage)
    assert found is not None
    return found


def test_each_bucket_is_taken_out_of_its_whole() -> None:
    cost = priced(info(ALL), EVERYTHING)
    # prompt: 10,000 = 4,000 cached + 2,000 written for 5 min + 1,000 for 1 h + 500 audio + 2,500 plain
    assert cost.input == Decimal("0.0075")  # 2.5 x 0.003
    assert cost.cached_input == Decimal("0.0012")  # 4 x 0.0003
    assert cost.cache_write == Decimal("0.0135")  # 2 x 0.00375 + 1 x 0.006
    # completion: 5,000 = 2,000 reasoning + 1,000 audio + 2,000 plain
    assert cost.output == Decimal("0.03")  # 2 x 0.015
    assert cost.reasoning == Decimal("0.04")  # 2 x 0.02
    assert cost.audio == Decimal("0.25")  # 0.5 x 0.1 + 1 x 0.2
    assert cost.request == Decimal("0.005")
    assert cost.total == Decimal("0.3472")
    assert (cost.saved, cost.currency) == (Decimal(0), "USD")


def test_a_bucket_without_a_price_is_ordinary_input_or_output() -> None:
    cost = priced(info(PLAIN), EVERYTHING)
    # all 10,000 prompt tokens at 0.003 and all 5,000 completion tokens at 0.015
    assert cost.total == Decimal("0.03") + Decimal("0.075")
    assert cost.request == 0


def test_an_hour_costs_what_five_minutes_cost_where_it_has_no_price() -> None:
    cost = priced(info({**PLAIN, "cost_cache_write_per_1k": "0.00375"}), EVERYTHING)
    assert cost.cache_write == Decimal("0.01125")  # 3 x 0.00375


@pytest.mark.parametrize("missing", ["cost_input_per_1k", "cost_output_per_1k"])
def test_an_unknown_price_is_not_nought(missing: str) -> None:
    assert price_of(info({name: value for name, value in ALL.items() if name != missing}), EVERYTHING) is None


def test_free_is_a_price() -> None:
    assert priced(info({"cost_input_per_1k": "0", "cost_output_per_1k": "0"}), EVERYTHING).total == 0


@pytest.mark.parametrize(
    ("prompt", "price"), [(100_000, "0.001"), (100_001, "0.002"), (200_000, "0.002"), (200_001, "0.004"), (10**6, "0.004")]
)
def test_tiers_price_the_whole_request(prompt: int, price: str) -> None:
    tiers = tuple(
        Tier(above, {"cost_input_per_1k": Decimal(value), "cost_output_per_1k": Decimal(0)})
        for above, value in ((100_000, "0.002"), (200_000, "0.004"))
    )
    model = info({"cost_input_per_1k": "0.001", "cost_output_per_1k": "0"}, tiers)
    assert priced(model, used(prompt, 1, {}, {})).total == prompt * Decimal(price) / 1000


def test_details_greater_than_their_whole_cost_nothing_below_nought() -> None:
    cost = priced(info(ALL), used(10, 10, {"cached_tokens": 50}, {"reasoning_tokens": 50}))
    assert (cost.input, cost.output) == (Decimal(0), Decimal(0))


def test_where_the_prices_are_from() -> None:
    from datetime import date

    cost = priced(info(PLAIN, source="a page", checked=date(2026, 1, 31)), EVERYTHING)
    assert (cost.price_source, cost.price_date) == ("a page", "2026-01-31")
    cost = priced(info(PLAIN), EVERYTHING)
    assert (cost.price_source, cost.price_date) == (None, None)


COUNT = st.integers(0, 10**7)
PRICE = st.decimals(min_value=0, max_value=10, places=12)


@given(plain=COUNT, cached=COUNT, out=COUNT, thought=COUNT, price=PRICE, less=PRICE)
def test_the_buckets_add_up_exactly(plain: int, cached: int, out: int, thought: int, price: Decimal, less: Decimal) -> None:
    model = info(
        {"cost_input_per_1k": f"{price:f}", "cost_output_per_1k": f"{price:f}", "cost_cached_input_per_1k": f"{less:f}"}
    )
    cost = priced(model, used(plain + cached, out + thought, {"cached_tokens": cached}, {"reasoning_tokens": thought}))
    assert cost.total * 1000 == (plain + out + thought) * price + cached * less
    parts = (cost.input, cost.cached_input, cost.cache_write, cost.output, cost.reasoning, cost.audio, cost.request)
    assert sum(parts) == cost.total


# ---------------------------------------------------------------- service tiers

TIERED = {
    **PLAIN,
    "cost_cached_input_per_1k": "0.0003",
    "cost_flex_input_per_1k": "0.0015",
    "cost_flex_output_per_1k": "0.0075",
    "cost_flex_cached_input_per_1k": "0.00015",
    "cost_priority_input_per_1k": "0.006",
    "cost_priority_output_per_1k": "0.03",
    "cost_batch_input_per_1k": "0.001",
}
SOME = used(10_000, 2_000, {"cached_tokens": 4_000}, {})


@pytest.mark.parametrize(
    ("tier", "plain", "cached", "out", "total"),
    [
        (None, "0.018", "0.0012", "0.03", "0.0492"),  # 6 x 0.003 + 4 x 0.0003 + 2 x 0.015
        ("flex", "0.009", "0.0006", "0.015", "0.0246"),  # 6 x 0.0015 + 4 x 0.00015 + 2 x 0.0075
        # Without a price for cached tokens they are ordinary input of that tier, never of another.
        ("priority", "0.036", "0.024", "0.06", "0.12"),  # 6 x 0.006 + 4 x 0.006 + 2 x 0.03
    ],
)
def test_a_service_tier_has_prices_of_its_own(tier: str | None, plain: str, cached: str, out: str, total: str) -> None:
    cost = price_of(info(TIERED), SOME, tier)
    assert cost is not None
    assert (cost.input, cost.cached_input, cost.output) == (Decimal(plain), Decimal(cached), Decimal(out))
    assert cost.total == Decimal(total)


@pytest.mark.parametrize("tier", ["default", "auto", "standard", "scale", ""])
def test_other_names_of_tiers_cost_the_ordinary_prices(tier: str) -> None:
    assert price_of(info(TIERED), SOME, tier) == price_of(info(TIERED), SOME)


@pytest.mark.parametrize(("prices", "tier"), [(PLAIN, "flex"), (PLAIN, "priority"), (ALL, "priority"), (TIERED, "batch")])
def test_a_tier_without_prices_is_unknown_and_not_the_ordinary_one(prices: dict[str, str], tier: str) -> None:
    assert price_of(info(prices), SOME, tier) is None
    assert price_of(info(prices), SOME) is not None


def test_a_service_tier_of_a_long_prompt() -> None:
    long = {"cost_input_per_1k": "0.01", "cost_output_per_1k": "0.02", "cost_flex_input_per_1k": "0.005"}
    whole = {name: Decimal(value) for name, value in {**long, "cost_flex_output_per_1k": "0.008"}.items()}
    flex = price_of(info(TIERED, (Tier(9_999, whole),)), SOME, "flex")
    assert flex is not None
    assert flex.total == Decimal("0.066")  # (6 + 4) x 0.005 + 2 x 0.008
    half = {name: Decimal(value) for name, value in long.items()}
    assert price_of(info(TIERED, (Tier(9_999, half),)), SOME, "flex") is None


# ---------------------------------------------------------------- the caller's own decimals


def test_the_callers_decimals_change_no_price() -> None:
    usage = used(1_234_567, 7_654_321, {"cached_tokens": 234_567}, {"reasoning_tokens": 321})
    wanted = priced(info(ALL), usage)
    with localcontext() as context:
        context.prec = 3
        context.traps[Inexact] = True
        found = priced(info(ALL), usage)
    assert found == wanted
    assert found.total == wanted.total == Decimal("117.8917901")  # 3 + 0.0703701 + 114.81 + 0.00642 + 0.005
