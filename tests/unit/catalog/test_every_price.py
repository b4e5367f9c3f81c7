"""Every model in configs/providers, for twelve kinds of usage: our cost is that of a second calculation, to 1e-12 USD.

The second one shares no code with the library's: it reads the YAML with PyYAML's BaseLoader, which leaves every figure the
text it is, and counts in fractions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
import yaml

from insights.adapters.models.assemble import Assembler
from insights.catalog.loader import Catalog
from insights.catalog.pricing import price_of
from insights.core.types import Chunk, Usage
from tests.processes import REPO

CLOSE = Fraction(1, 10**12)  # USD
TODAY = date(2026, 11, 23)
Row = dict[str, Any]
FILES = {
    path.stem: yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)[path.stem]["models"]  # noqa: S506  # texts only
    for path in sorted((REPO / "configs" / "providers").glob("*.yaml"))
    if path.stem not in ("aliases", "fallback")
}
MODELS = [(provider, name, row) for provider, models in FILES.items() for name, row in models.items()]


# ---------------------------------------------------------------- the second calculation


def published(row: Row, day: date, prompt: int) -> dict[str, Fraction]:
    """The row's prices of a day for a prompt of so many tokens, in USD per token, request or search."""
    found = {key: value for key, value in row.items() if key.startswith("cost_")}
    tiers = row.get("tiers", [])
    begins = row.get("effective_from")
    for change in row.get("changes", []):
        if change["effective_from"] <= day.isoformat():  # such texts are in the order of their days
            begins = change["effective_from"]
            found.update({key: value for key, value in change.items() if key.startswith("cost_")})
            tiers = change.get("tiers", tiers)
    if begins is not None and day.isoformat() < begins:
        return {}
    fitting = [tier for tier in tiers if prompt > int(tier["above"])]
    if fitting:
        found.update({k: v for k, v in max(fitting, key=lambda tier: int(tier["above"])).items() if k != "above"})
    return {key: Fraction(value) / (1000 if key.endswith("_per_1k") else 1) for key, value in found.items()}


def expected(row: Row, day: date, usage: Row, tier: str | None) -> Fraction | None:
    """What a usage costs by the row; None where its price for input or output isn't known."""
    price = published(row, day, usage["prompt_tokens"])
    word = f"{tier}_" if tier else ""
    paid, said = price.get(f"cost_{word}input_per_1k"), price.get(f"cost_{word}output_per_1k")
    if paid is None or said is None:
        return None
    given, made = usage.get("prompt_tokens_details", {}), usage.get("completion_tokens_details", {})
    cached = given.get("cached_tokens", 0)
    hour = given.get("cache_creation_1h_tokens", 0)
    minutes = given.get("cache_creation_tokens", 0) - hour
    # What is cached and of a picture or a sound is billed as cached.
    sound = given.get("audio_tokens", 0) - given.get("cached_audio_tokens", 0)
    picture = given.get("image_tokens", 0) - given.get("cached_image_tokens", 0)
    thought, voice, drawn = (made.get(f"{kind}_tokens", 0) for kind in ("reasoning", "audio", "image"))
    write = price.get("cost_cache_write_per_1k", paid)
    total: Fraction = (usage["prompt_tokens"] - cached - hour - minutes - sound - picture) * paid
    total += cached * price.get(f"cost_{word}cached_input_per_1k", paid)
    total += minutes * write + hour * price.get("cost_cache_write_1h_per_1k", write)
    total += sound * price.get("cost_audio_input_per_1k", paid) + picture * price.get("cost_image_input_per_1k", paid)
    total += (usage["completion_tokens"] - thought - voice - drawn) * said
    total += thought * price.get("cost_reasoning_per_1k", said)
    total += voice * price.get("cost_audio_output_per_1k", said) + drawn * price.get("cost_image_output_per_1k", said)
    total += price.get("cost_per_request", 0)
    total += price.get(f"cost_per_request_{usage.get('search_context_size', 'low')}", 0)
    searches: int = usage.get("server_tool_use", {}).get("web_search_requests", 0)
    return total + searches * price.get("cost_per_web_search", Fraction(0))


# ---------------------------------------------------------------- the twelve shapes


def used(prompt: int, completion: int, given: Row | None = None, made: Row | None = None, **more: Any) -> Row:
    found: Row = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}
    if given:
        found["prompt_tokens_details"] = given
    if made:
        found["completion_tokens_details"] = made
    return found


CACHED = {"cached_tokens": 777}
EVERYTHING_IN = {
    "cached_tokens": 900,
    "cache_creation_tokens": 500,
    "cache_creation_1h_tokens": 200,
    "audio_tokens": 300,
    "cached_audio_tokens": 100,
    "image_tokens": 400,
    "cached_image_tokens": 50,
}
EVERYTHING_OUT = {"reasoning_tokens": 111, "audio_tokens": 222, "image_tokens": 333}
SEARCHES = {"search_context_size": "high", "server_tool_use": {"web_search_requests": 3}}


def above(row: Row) -> Iterator[Row]:
    """At each limit and one token beyond it."""
    lists = [row.get("tiers", []), *(change.get("tiers", []) for change in row.get("changes", []))]
    for limit in sorted({int(tier["above"]) for tiers in lists for tier in tiers}):
        yield from (used(limit + more, 321, CACHED, {"reasoning_tokens": 21}) for more in (0, 1))


def everything(row: Row) -> Iterator[Row]:
    yield used(4_321, 987, EVERYTHING_IN, EVERYTHING_OUT, **SEARCHES)
    for usage in above(row):
        yield used(usage["prompt_tokens"], 987, EVERYTHING_IN, EVERYTHING_OUT, **{**SEARCHES, "search_context_size": "medium"})


def only(usage: Row) -> Callable[[Row], Iterator[Row]]:
    return lambda _: iter((usage,))


# Name -> the usages of a row, the service tier, and which of a row's own prices the shape is there for.
SHAPES: dict[str, tuple[Callable[[Row], Iterator[Row]], str | None, tuple[str, ...]]] = {
    "plain": (only(used(1_234, 567)), None, ("cost_input_per_1k", "cost_output_per_1k")),
    "cached": (only(used(1_234, 567, CACHED)), None, ("cost_cached_input_per_1k",)),
    "cache write 5m/1h": (
        only(used(4_321, 5, {"cache_creation_tokens": 3_000, "cache_creation_1h_tokens": 1_999})),
        None,
        ("cost_cache_write_per_1k", "cost_cache_write_1h_per_1k"),
    ),
    "reasoning": (only(used(10, 5_000, None, {"reasoning_tokens": 4_999})), None, ("cost_reasoning_per_1k",)),
    "audio": (
        only(used(900, 800, {"audio_tokens": 600}, {"audio_tokens": 700})),
        None,
        ("cost_audio_input_per_1k", "cost_audio_output_per_1k"),
    ),
    "image": (
        only(used(900, 1_800, {"image_tokens": 258}, {"image_tokens": 1_290})),
        None,
        ("cost_image_input_per_1k", "cost_image_output_per_1k"),
    ),
    "above each tier": (above, None, ("tiers",)),
    "batch": (only(used(1_234, 567, CACHED)), "batch", ("cost_batch_input_per_1k", "cost_batch_output_per_1k")),
    "flex": (only(used(1_234, 567, CACHED)), "flex", ("cost_flex_input_per_1k", "cost_flex_output_per_1k")),
    "priority": (only(used(1_234, 567, CACHED)), "priority", ("cost_priority_input_per_1k", "cost_priority_output_per_1k")),
    "streamed usage": (only(used(1_234, 567, CACHED, {"reasoning_tokens": 99}, **SEARCHES)), None, ("cost_input_per_1k",)),
    "all at once": (everything, None, ("cost_input_per_1k",)),
}
# Prices that no model in the files has: the shape is counted for all models, at the price of text.
NOBODY_HAS = {"cost_image_input_per_1k", "cost_image_output_per_1k"}


def streamed(usage: Row) -> Usage:
    """The usage as it comes out of a stream: in its last chunk, behind the words."""
    whole = Assembler("x", "m")
    words = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    for chunk in (words, {"choices": [], "usage": usage}):
        whole.add(Chunk.model_validate(chunk))
    found = whole.response().usage
    assert found is not None
    return found


def days(row: Row) -> list[date]:
    """Today, and the first day of each price and the day before."""
    first = [date.fromisoformat(r["effective_from"]) for r in (row, *row.get("changes", [])) if "effective_from" in r]
    return sorted({TODAY, *first, *(date.fromordinal(day.toordinal() - 1) for day in first)})


@pytest.mark.parametrize("shape", SHAPES)
def test_every_model(shape: str) -> None:
    usages, tier, _ = SHAPES[shape]
    catalog = Catalog()
    compared, unknown, models = 0, 0, 0
    for provider, name, row in MODELS:
        info = catalog.provider(provider).models[name]
        before = compared
        for usage in usages(row):
            ours = streamed(usage) if shape == "streamed usage" else Usage.model_validate(usage)
            for day in days(row):
                cost, right = price_of(info, ours, tier, on=day), expected(row, day, usage, tier)
                assert (cost is None) == (right is None), f"{provider}/{name} on {day}: {cost}, expected {right}"
                if cost is None or right is None:
                    unknown += 1
                    continue
                parts = (cost.input, cost.cached_input, cost.cache_write, cost.output, cost.reasoning, cost.audio)
                assert abs(Fraction(cost.total) - right) <= CLOSE, f"{provider}/{name} on {day}: {cost.total}, expected {right}"
                assert sum(map(Fraction, (*parts, cost.image, cost.request))) == Fraction(cost.total)
                compared += 1
        models += compared > before
    assert compared, "the shape occurs nowhere"
    print(f"{shape}: {len(MODELS)} models x this shape: {compared} costs of {models} models equal, {unknown} without a price")


def test_every_shape_is_there_for_models_that_have_its_price() -> None:
    having: Counter[str] = Counter()
    for _, _, row in MODELS:
        keys = {*row, *(key for change in row.get("changes", []) for key in change)}
        having.update(key for key in keys if key.startswith("cost_") or key == "tiers")
    for shape, (_, _, names) in SHAPES.items():
        counts = {name: having[name] for name in names}
        print(f"{shape}: models with a price of its own: {counts}")
        assert all(counts[name] > 0 for name in names if name not in NOBODY_HAS), shape
    assert not any(having[name] for name in NOBODY_HAS), "these have a price now: take them out of NOBODY_HAS"
    # What a request costs besides its tokens is in two of the shapes.
    assert all(having[name] for name in ("cost_per_request_low", "cost_per_request_high", "cost_per_web_search"))
    assert len(SHAPES) == 12


def test_the_files_are_all_there() -> None:
    catalog = Catalog()
    assert len(MODELS) == sum(len(catalog.provider(provider).models) for provider in FILES) >= 600
    assert {provider: sorted(models) for provider, models in FILES.items()} == {
        provider: sorted(catalog.provider(provider).models) for provider in FILES
    }


def test_the_second_calculation_by_hand() -> None:
    """It would be worth little if it were wrong in the same way."""
    row = {
        "cost_input_per_1k": "0.003",
        "cost_output_per_1k": "0.015",
        "cost_cached_input_per_1k": "0.0003",
        "cost_batch_input_per_1k": "0.001",
        "cost_batch_output_per_1k": "0.002",
        "tiers": [{"above": "200000", "cost_input_per_1k": "0.006"}],
        "changes": [{"effective_from": "2026-12-01", "cost_input_per_1k": "0.002", "tiers": []}],
    }
    usage = used(10_000, 1_000, {"cached_tokens": 4_000})
    # 6 x 0.003 + 4 x 0.0003 + 1 x 0.015
    assert expected(row, TODAY, usage, None) == Fraction("0.0342")
    assert expected(row, date(2026, 12, 1), usage, None) == Fraction("0.0282")
    assert expected(row, TODAY, usage, "batch") == Fraction("0.012")
    assert expected(row, TODAY, usage, "flex") is None
    assert expected(row, TODAY, used(200_001, 0), None) == Fraction("1.200006")
