"""Usage to cost, exactly: `Decimal` throughout, no bucket counted twice.

By the convention of `Usage`, cached, cache-write, audio and image tokens are contained in `prompt_tokens`, and reasoning, audio
and image tokens in `completion_tokens`; so each bucket is taken out of its whole before the rest is priced.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import TYPE_CHECKING, Final

from insights.catalog.schema import ModelInfo

if TYPE_CHECKING:
    from insights.core.types import Cost, Usage

_THOUSAND: Final = Decimal(1000)
# Wide enough for every price times every count, whatever the caller's own context is.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])

# OpenAI's and Google's service tiers with prices of their own; "auto", "default" and "standard" are the ordinary ones.
TIERS: Final = ("flex", "priority", "batch")
_SIZES: Final = ("low", "medium", "high")


def prices_for(info: ModelInfo, prompt_tokens: int, service_tier: str | None = None) -> Mapping[str, Decimal]:
    """The prices of a request of so many prompt tokens, in USD; without those of input or output where they aren't known.

    Args:
        info: the model, with the prices of the day (`ModelInfo.at`).
        service_tier: the tier that serves the request.
    """
    prices = info.prices
    for tier in info.tiers:
        if prompt_tokens > tier.above:
            prices = tier.prices
    return _of_tier(prices, service_tier) if service_tier in TIERS else prices


def price_of(info: ModelInfo, usage: Usage, service_tier: str | None = None, *, on: date | None = None) -> Cost | None:
    """What `usage` costs at the prices of `info`, in USD.

    Args:
        info: the catalogue's row.
        usage: the tokens, by OpenAI's convention.
        service_tier: the tier that served the request, as the answer says.
        on: the day of the call, UTC; default: today.

    Returns:
        The cost, or None where a price that is needed isn't known: an unknown price is never counted as 0.
    """
    with localcontext(_EXACT):
        return _price_of(info, usage, service_tier, on)


def _price_of(info: ModelInfo, usage: Usage, service_tier: str | None, on: date | None) -> Cost | None:
    from insights.core.types import Cost

    info = info.at(on or datetime.now(UTC).date())
    prices = prices_for(info, usage.prompt_tokens, service_tier)
    if "cost_input_per_1k" not in prices or "cost_output_per_1k" not in prices:
        return None

    def cost(tokens: int, name: str, otherwise: str) -> Decimal:
        return tokens * prices.get(name, prices[otherwise]) / _THOUSAND

    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = prompt.cached_tokens
    audio_in = max(prompt.audio_tokens - prompt.cached_audio_tokens, 0)
    image_in = max(prompt.image_tokens - prompt.cached_image_tokens, 0)
    write_1h = prompt.cache_creation_1h_tokens
    write_5m = max(prompt.cache_creation_tokens - write_1h, 0)
    asked = usage.prompt_tokens if usage.billed_prompt_tokens is None else usage.billed_prompt_tokens
    answered = usage.completion_tokens if usage.billed_completion_tokens is None else usage.billed_completion_tokens
    plain_in = max(asked - cached - write_1h - write_5m - audio_in - image_in, 0)
    reasoning, audio_out, image_out = completion.reasoning_tokens, completion.audio_tokens, completion.image_tokens
    plain_out = max(answered - reasoning - audio_out - image_out, 0)

    # A model without a price for a bucket of its own bills that bucket as ordinary input or output.
    write_name = "cost_cache_write_per_1k" if "cost_cache_write_per_1k" in prices else "cost_input_per_1k"
    buckets = {
        "input": cost(plain_in, "cost_input_per_1k", "cost_input_per_1k"),
        "cached_input": cost(cached, "cost_cached_input_per_1k", "cost_input_per_1k"),
        "cache_write": cost(write_5m, write_name, write_name) + cost(write_1h, "cost_cache_write_1h_per_1k", write_name),
        "output": cost(plain_out, "cost_output_per_1k", "cost_output_per_1k"),
        "reasoning": cost(reasoning, "cost_reasoning_per_1k", "cost_output_per_1k"),
        "audio": cost(audio_in, "cost_audio_input_per_1k", "cost_input_per_1k")
        + cost(audio_out, "cost_audio_output_per_1k", "cost_output_per_1k"),
        "image": cost(image_in, "cost_image_input_per_1k", "cost_input_per_1k")
        + cost(image_out, "cost_image_output_per_1k", "cost_output_per_1k"),
        "request": _fees(prices, usage),
    }
    checked = info.checked.isoformat() if info.checked else None
    about = {"total": sum(buckets.values(), Decimal(0)), "price_source": info.source, "price_date": checked}
    return Cost.model_validate({**buckets, **about})


def _fees(prices: Mapping[str, Decimal], usage: Usage) -> Decimal:
    """What a request costs besides its tokens: itself, by how much of the web it searched, and each search."""
    found = prices.get("cost_per_request", Decimal(0))
    # Perplexity's `usage.search_context_size`; without one it is "low", by its reference.
    size = usage.get("search_context_size")
    found += prices.get(f"cost_per_request_{size if size in _SIZES else 'low'}", Decimal(0))
    if "cost_per_web_search" in prices:
        # Anthropic's `usage.server_tool_use.web_search_requests`.
        tools = usage.get("server_tool_use")
        searches = tools.get("web_search_requests") if isinstance(tools, Mapping) else None
        found += (searches if isinstance(searches, int) and searches > 0 else 0) * prices["cost_per_web_search"]
    return found


def _of_tier(prices: Mapping[str, Decimal], tier: str | None) -> Mapping[str, Decimal]:
    """The prices of a service tier. Where it has none for input or output, they are unknown: not the ordinary ones."""
    own = {
        f"cost_{part}_per_1k": prices[name]
        for part in ("input", "output", "cached_input")
        if (name := f"cost_{tier}_{part}_per_1k") in prices
    }
    ordinary = ("cost_input_per_1k", "cost_output_per_1k", "cost_cached_input_per_1k")
    return {**{name: value for name, value in prices.items() if name not in ordinary}, **own}
