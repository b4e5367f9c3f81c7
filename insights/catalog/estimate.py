"""What a request can cost, before it is made: at least, and at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from insights.catalog.pricing import TIERS, prices_for
from insights.catalog.schema import ModelInfo

if TYPE_CHECKING:
    from insights.catalog.tokens import Count
    from insights.core.request import ChatRequest

_THOUSAND: Final = Decimal(1000)
_SEARCHES: Final = 5  # of the web, where a request may search and doesn't say how often


@dataclass(frozen=True, slots=True)
class Bounds:
    """USD and tokens; None where nobody knows. The true cost lies between the two, as far as the count of tokens holds."""

    low: Decimal | None
    high: Decimal | None
    prompt: Count
    completion_tokens: int | None
    """The most that can be generated."""
    unknown: str = ""
    """Why there is no upper bound."""


def bounds(info: ModelInfo | None, provider: str, request: ChatRequest, *, on: date | None = None) -> Bounds:
    """What a request can cost.

    At least: the prompt, at its cheapest (read from the provider's cache), and not a word of answer. At most: the prompt at
    its dearest, and as much answer as `max_tokens` allows, or the model can give.

    Args:
        info: the catalogue's row; None for a model it doesn't know.
        provider: the provider's name.
        request: what is asked.
        on: the day whose prices count, UTC; default: today.
    """
    from insights.catalog.tokens import count

    said = {**request.params, **request.extra_body}
    name = request.model.rpartition("/")[2] if info is None else info.name
    prompt = count(provider, name, request.messages, params=request.params)
    if info is None:
        return Bounds(None, None, prompt, None, "the catalogue doesn't have the model")
    info = info.at(on or datetime.now(UTC).date())
    most = _most(info, said, prompt)
    tier = said.get("service_tier")
    # What a tier was asked for may be served, and billed, as an ordinary request.
    tiers = (str(tier), None) if tier in TIERS else (None,)
    cheap = [prices for each in tiers if _priced(prices := prices_for(info, prompt.low, each))]
    dear = [prices for each in tiers if _priced(prices := prices_for(info, prompt.high, each))]
    if len(cheap) < len(tiers) or len(dear) < len(tiers):
        kind = f"{tier} price" if len(tiers) > 1 else "price"
        return Bounds(None, None, prompt, most, f"its {kind} isn't in the catalogue")
    low = min(
        prompt.low * min(_all(prices, "cost_input_per_1k", "cost_cached_input_per_1k")) / _THOUSAND
        + prices.get("cost_per_request", Decimal(0))
        for prices in cheap
    )
    if most is None:
        return Bounds(low, None, prompt, None, "how long its answer may get isn't known: pass max_tokens=")
    high = max(_at_most(prices, provider, request, prompt, most) for prices in dear)
    return Bounds(low, high, prompt, most)


def _priced(prices: Mapping[str, Decimal]) -> bool:
    return "cost_input_per_1k" in prices and "cost_output_per_1k" in prices


def _at_most(dear: Mapping[str, Decimal], provider: str, request: ChatRequest, prompt: Count, most: int) -> Decimal:
    said = request.canonical
    possible = {name for name in (*_DEAR_INPUT, *_DEAR_OUTPUT) if any(word in said for word in _ONLY_WITH.get(name, ("",)))}
    # DeepSeek, OpenAI and others write their cache unasked: where that has a price of its own, it is in the catalogue as such.
    if provider not in ("anthropic", "bedrock", "vertex", "openrouter"):
        possible.add("cost_cache_write_per_1k")
    writing = _all(dear, "cost_input_per_1k", *(name for name in _DEAR_INPUT if name in possible))
    saying = _all(dear, "cost_output_per_1k", *(name for name in _DEAR_OUTPUT if name in possible))
    return (prompt.high * max(writing) + most * max(saying)) / _THOUSAND + _fees(dear, request)


_DEAR_INPUT: Final = (
    "cost_cache_write_per_1k",
    "cost_cache_write_1h_per_1k",
    "cost_audio_input_per_1k",
    "cost_image_input_per_1k",
)
_DEAR_OUTPUT: Final = ("cost_reasoning_per_1k", "cost_audio_output_per_1k", "cost_image_output_per_1k")
# Dear buckets that only what the request says can fill: their price -> the words in its JSON without which they stay empty.
_ONLY_WITH: Final = {
    "cost_cache_write_per_1k": ("cache_control",),
    "cost_cache_write_1h_per_1k": ("cache_control",),
    "cost_audio_input_per_1k": ("input_audio", "audio"),
    "cost_audio_output_per_1k": ("audio",),
    "cost_image_output_per_1k": ("image",),
}


def _all(prices: Mapping[str, Decimal], *names: str) -> list[Decimal]:
    return [prices[name] for name in names if name in prices]


def _most(info: ModelInfo, said: Mapping[str, Any], prompt: Count) -> int | None:
    """Tokens of all the answers, at most."""
    own = said.get("generationConfig")  # Gemini's own words, as `extra_body`
    given = [said.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens")]
    given.append(own.get("maxOutputTokens") if isinstance(own, Mapping) else None)
    named = [whole for each in given if (whole := _whole(each)) is not None]
    limits = [max(named)] if named else []  # of two that are sent nobody knows which one counts
    if info.max_output_tokens is not None:
        limits.append(info.max_output_tokens)
    if not limits and info.context_window is not None:
        limits.append(max(info.context_window - prompt.low, 0))
    return min(limits) * max(_whole(said.get("n")) or 1, 1) if limits else None


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**12 else None


def _fees(prices: Mapping[str, Decimal], request: ChatRequest) -> Decimal:
    found = prices.get("cost_per_request", Decimal(0))
    found += max(_all(prices, *(f"cost_per_request_{size}" for size in ("low", "medium", "high"))), default=Decimal(0))
    if "cost_per_web_search" in prices:
        found += sum(_searches(request)) * prices["cost_per_web_search"]
    return found


def _searches(request: ChatRequest) -> Iterator[int]:
    """How often each of the request's tools may search the web."""
    if request.params.get("web_search_options") is not None:
        yield _SEARCHES
    tools: Any = request.params.get("tools") or ()
    for tool in tools:
        if isinstance(tool, Mapping) and str(tool.get("type", "")).startswith("web_search"):
            uses = tool.get("max_uses")
            yield uses if isinstance(uses, int) and uses >= 0 else _SEARCHES
