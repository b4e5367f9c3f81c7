"""Costs and tokens before and after a call: under litellm's names where it has them, and without importing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from insights.catalog.estimate import bounds
from insights.catalog.pricing import price_of, prices_for
from insights.client import default_client
from insights.core.errors import BadRequestError, UnknownModelError
from insights.core.request import ChatRequest, build_request
from insights.spending.ledger import open_ledger
from insights.spending.table import SpendTable, spend_table

if TYPE_CHECKING:
    from insights.catalog.schema import ModelInfo
    from insights.core.types import ModelResponse

_THOUSAND: Final = Decimal(1000)


@dataclass(frozen=True)
class Estimate:
    """What a call can cost, in USD: no less than `low`, no more than `high`; None where no price is known.

    `prompt_tokens` is the count the figures are from, `prompt_tokens_low` and `prompt_tokens_high` its bounds, `exact` whether
    it is exact. `max_completion_tokens` is the most that can be generated.
    """

    model: str
    low: Decimal | None
    high: Decimal | None
    prompt_tokens: int
    prompt_tokens_low: int
    prompt_tokens_high: int
    exact: bool
    max_completion_tokens: int | None

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.model}: no price is known"
        most = "no limit is known" if self.high is None else f"${self.high.normalize():f}"
        return f"{self.model}: ${self.low.normalize():f} to {most}"


def estimate(model: str, messages: Any, **params: Any) -> Estimate:
    """What a call can cost, before it is made; nothing is sent.

    Args:
        model, messages, **params: as for `completion`. `max_tokens` bounds the answer; without it the model's own limit does.

    Raises:
        UnknownModelError: no provider is known for the name. BadRequestError: messages that are none.

    >>> found = estimate("gpt-4o-mini", "Why is the sky blue?", max_tokens=100)
    >>> found.prompt_tokens, found.exact
    (13, True)
    >>> found.low < found.high
    True
    """
    provider, info, name, request = _asked(model, messages, params)
    found = bounds(info, provider, request)
    prompt = found.prompt
    return Estimate(name, found.low, found.high, prompt.tokens, prompt.low, prompt.high, prompt.exact, found.completion_tokens)


def cheapest(models: Iterable[str], messages: Any, **params: Any) -> Estimate:
    """Of several models the one whose call costs least at most.

    Raises:
        BadRequestError: no models, or none with a known price.
    """
    if isinstance(models, str):
        raise BadRequestError(
            "cheapest takes a list of models", hint="e.g. cheapest(['gpt-5-mini', 'claude-haiku-4-5'], messages)"
        )
    found = [estimate(model, messages, **params) for model in models]
    priced = [each for each in found if each.high is not None]
    if not priced:
        raise BadRequestError("no price is known for any of these models", hint="see get_model_info(model)")
    return min(priced, key=lambda each: each.high or Decimal(0))


def _asked(model: str, messages: Any, params: Mapping[str, Any]) -> tuple[str, ModelInfo | None, str, ChatRequest]:
    provider, name, info = _found(model)
    return provider, info, f"{provider}/{name}", build_request(name, messages, params)


def _found(model: str) -> tuple[str, str, ModelInfo | None]:
    planner = default_client()._planner
    route = planner.route(model)
    adapter = planner.adapter(route.model_id, route.provider, {})
    return route.provider, adapter.upstream, adapter.info


# ---------------------------------------------------------------- under litellm's names


def completion_cost(
    completion_response: ModelResponse | None = None,
    model: str | None = None,
    prompt: str = "",
    messages: Sequence[Any] = (),
    completion: str = "",
) -> float:
    """What an answer cost, or what a prompt and a completion would, in USD. A float, as litellm's; `response.cost` is exact.

    Raises:
        UnknownModelError: no price is known: never 0.
    """
    if completion_response is not None:
        if completion_response.cost is not None:
            return float(completion_response.cost.total)
        raise _unpriced(f"{completion_response.provider}/{completion_response.model}")
    if model is None:
        raise BadRequestError("completion_cost needs an answer, or a model", hint="completion_cost(response)")
    asked = token_counter(model, text=prompt) if prompt else token_counter(model, messages=messages) if messages else 0
    return sum(cost_per_token(model, asked, token_counter(model, text=completion) if completion else 0))


def cost_per_token(
    model: str, prompt_tokens: int = 0, completion_tokens: int = 0, *, cached_tokens: int = 0, service_tier: str | None = None
) -> tuple[float, float]:
    """What so many tokens cost, in USD: those of the prompt, and those of the completion.

    Args:
        cached_tokens: those of `prompt_tokens` that were read from the provider's cache.

    Raises:
        UnknownModelError: no price is known.
    """
    from insights.core.types import Usage

    provider, name, info = _found(model)
    details = {"cached_tokens": cached_tokens}
    usage = Usage.model_validate(
        {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": details,
        }
    )
    cost = None if info is None else price_of(info, usage, service_tier)
    if cost is None:
        raise _unpriced(f"{provider}/{name}")
    return float(cost.input + cost.cached_input + cost.request), float(cost.output)


def token_counter(
    model: str = "", text: str | None = None, messages: Sequence[Any] | None = None, tools: Sequence[Any] | None = None
) -> int:
    """How many tokens a text or a prompt has, offline. `estimate` says how sure that is.

    Raises:
        BadRequestError: neither text nor messages.
    """
    from insights.catalog.tokens import count, text_tokens

    if text is not None:
        return text_tokens(text, model.rpartition("/")[2])
    if messages is None:
        raise BadRequestError("token_counter needs text= or messages=")
    provider, name = _found(model)[:2] if model else ("openai", "")
    request = build_request(name or "-", messages, {"tools": list(tools)} if tools else {})
    return count(provider, name, request.messages, request.params.get("tools")).tokens


def get_model_info(model: str) -> dict[str, Any]:
    """What the catalogue knows of a model, under litellm's names; prices are USD per token, as floats; None: not known.

    Raises:
        UnknownModelError: the catalogue doesn't have it.
    """
    from datetime import UTC, datetime

    provider, name, info = _found(model)
    if info is None:
        raise UnknownModelError(f"the catalogue has no {provider}/{name}", hint="see model_list")
    today = info.at(datetime.now(UTC).date())
    prices = prices_for(today, 0)

    def each(kind: str) -> float | None:
        found = prices.get(f"cost_{kind}_per_1k")
        return None if found is None else float(found / _THOUSAND)

    can = today.capabilities
    return {
        "key": f"{provider}/{info.name}",
        "litellm_provider": provider,
        "mode": "responses" if info.mode == "responses" else "chat",
        "max_tokens": info.max_output_tokens,
        "max_input_tokens": info.context_window,
        "max_output_tokens": info.max_output_tokens,
        "input_cost_per_token": each("input"),
        "output_cost_per_token": each("output"),
        "cache_read_input_token_cost": each("cached_input"),
        "cache_creation_input_token_cost": each("cache_write"),
        "output_cost_per_reasoning_token": each("reasoning"),
        "supports_function_calling": "tools" in can,
        "supports_parallel_function_calling": "parallel_tools" in can,
        "supports_vision": "vision" in can,
        "supports_pdf_input": "pdf" in can,
        "supports_audio_input": "audio" in can,
        "supports_prompt_caching": "prompt_caching" in can,
        "supports_response_schema": "json_schema" in can,
        "supports_reasoning": "reasoning" in can,
        "supports_web_search": "web_search" in can,
        "deprecation_date": info.deprecated_on.isoformat() if info.deprecated_on else None,
        "source": today.source,
        "checked": today.checked.isoformat() if today.checked else None,
    }


def get_max_tokens(model: str) -> int | None:
    """How many tokens a model can generate; None where nobody knows.

    Raises:
        UnknownModelError: no provider is known for the name.
    """
    info = _found(model)[2]
    return None if info is None else info.max_output_tokens


def _unpriced(name: str) -> UnknownModelError:
    return UnknownModelError(f"no price is known for {name}", hint="write one into a provider file (INSIGHTS_CONFIG_DIR)")


def all_models() -> list[str]:
    """The names of all models in the catalogue, as `provider/model`, sorted: what `insights.model_list` is."""
    from insights.adapters.models.factory import Provider

    catalog = default_client()._planner.catalog
    return sorted(f"{provider}/{name}" for provider in Provider for name in catalog.provider(provider).models)


# ---------------------------------------------------------------- what was spent


def spend(by: str = "model", since: Any = None) -> SpendTable:
    """What was spent, as the ledger next to the cache has it: failed attempts that were paid for, and what the cache saved.

    Args:
        by: `"model"`, `"day"` (UTC), `"tag"` (a call with several counts in each) or `"provider"`.
        since: a date, a time, an ISO text such as `"2026-11-01"`, or a `timedelta` before now; default: all.

    Returns:
        A table: print it, iterate over its rows, or `.pandas()`.

    Raises:
        BadRequestError: another word, or no time. LedgerError: the ledger can't be read.
    """
    return spend_table(open_ledger(default_client().settings.cache_dir), by, since)
