"""Costs and tokens before and after a call: under litellm's names where it has them, and without importing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from insights.adapters.models.factory import ROUTER
from insights.catalog.estimate import bounds
from insights.catalog.pricing import TIERS, price_of, prices_for
from insights.client import default_client
from insights.core.errors import BadRequestError, UnknownModelError
from insights.core.request import ChatRequest, build_request
from insights.spending.ledger import open_ledger
from insights.spending.table import SpendTable, spend_table

if TYPE_CHECKING:
    from insights.catalog.schema import ModelInfo
    from insights.core.config import Settings
    from insights.core.types import Cost, ModelResponse, Usage
    from insights.streaming import AsyncStream, Stream

_THOUSAND: Final = Decimal(1000)
_ORDINARY: Final = ("auto", "default", "standard")  # service tiers without prices of their own


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
        UnknownModelError: no provider is known for the name. BadRequestError: messages that are none, or a limit that is no
            whole number from 1.

    >>> found = estimate("gpt-4o-mini", "Why is the sky blue?", max_tokens=100)
    >>> found.prompt_tokens, found.exact
    (13, True)
    >>> found.low < found.high
    True
    """
    from insights.core.types import EXACT

    for limit in ("max_tokens", "max_completion_tokens"):
        if params.get(limit) is not None:
            _whole(limit, params[limit], least=1)
    provider, info, name, request = _asked(model, messages, params)
    with localcontext(EXACT):
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
    if not found:
        raise BadRequestError("no models were given", hint="e.g. cheapest(['gpt-5-mini', 'claude-haiku-4-5'], messages)")
    priced = [each for each in found if each.high is not None]
    if not priced:
        raise BadRequestError("no price is known for any of these models", hint="see get_model_info(model)")
    return min(priced, key=lambda each: each.high or Decimal(0))


def _asked(model: str, messages: Any, params: Mapping[str, Any]) -> tuple[str, ModelInfo | None, str, ChatRequest]:
    provider, name, info = _found(model)
    return provider, info, f"{provider}/{name}", build_request(name, messages, params)


def _found(model: str, named: str | None = None) -> tuple[str, str, ModelInfo | None]:
    """Who has a model, its name there, and its row. `named` is the provider where the model's name doesn't begin with it."""
    planner = default_client()._planner
    if named is not None:
        model = _of_provider(model, named)
    route = planner.route(model)
    adapter = planner.adapter(route.model_id, route.provider, {})
    return route.provider, adapter.upstream, adapter.info


def _of_provider(model: str, named: Any) -> str:
    planner = default_client()._planner
    if not isinstance(model, str) or not model.strip():  # type: ignore[redundant-expr]
        planner.route(model)  # which says what is wrong

    def canonical(name: Any) -> str | None:
        if ROUTER.knows(name, planner.catalog):
            return str(name)
        try:  # another name of a provider, such as vertex_ai
            return planner.route(f"{name}/-").provider if isinstance(name, str) and name and "/" not in name else None
        except UnknownModelError:
            return None

    provider = canonical(named) or planner.known_provider(named)  # which says who there is
    head, slash, _ = model.strip().partition("/")
    return model if slash and canonical(head) == provider else f"{provider}/{model.strip()}"


def _whole(name: str, value: Any, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadRequestError(f"{name} must be a whole number from {least}, got {value!r}")
    return value


# ---------------------------------------------------------------- under litellm's names


def completion_cost(
    completion_response: ModelResponse | Stream | AsyncStream | Mapping[str, Any] | None = None,
    model: str | None = None,
    prompt: str = "",
    messages: Sequence[Any] | None = None,
    completion: str = "",
    *,
    custom_llm_provider: str | None = None,
    service_tier: str | None = None,
) -> float:
    """What an answer cost, or what a prompt and a completion would, in USD. A float, as litellm's; `response.cost` is exact.

    Args:
        completion_response: an answer; a stream that was read to its end; or a dict: an answer's `model_dump()`, or what an API
            like OpenAI's answered. Of that, the tokens are priced, as of the day it was made.
        model: of what has no cost of its own: its model, where it doesn't say it or says another name.
        custom_llm_provider: the provider, where the model's name doesn't begin with it.
        service_tier: the tier that served it, where the answer doesn't say.

    Raises:
        UnknownModelError: no price is known: never 0. BadRequestError: nothing that can be priced.
    """
    if completion_response is not None:
        return _cost_of(completion_response, model, custom_llm_provider, service_tier)
    if model is None:
        raise BadRequestError("completion_cost needs an answer, or a model", hint="completion_cost(response)")
    name = model if custom_llm_provider is None else _of_provider(model, custom_llm_provider)
    asked = token_counter(name, text=prompt) if prompt else token_counter(name, messages=messages) if messages else 0
    answered = token_counter(name, text=completion) if completion else 0
    return sum(cost_per_token(name, asked, answered, service_tier=service_tier))


def _cost_of(answer: Any, model: str | None, named: str | None, tier: str | None) -> float:
    from insights.core.types import Cost, ModelResponse
    from insights.streaming import AsyncStream, Stream

    if isinstance(answer, Stream | AsyncStream):
        answer = answer.response
    if isinstance(answer, ModelResponse):
        if answer.cost is not None:
            return float(answer.cost)
        raise _unpriced(f"{answer.provider}/{answer.model}")
    data = answer.model_dump() if hasattr(answer, "model_dump") else answer
    if not isinstance(data, Mapping):
        raise BadRequestError(f"completion_cost takes an answer, a finished stream or a dict, got {type(answer).__name__}")
    cost = data.get("cost")
    if isinstance(cost, Mapping) and "total" in cost:  # what an answer of ours was dumped to
        try:
            return float(Cost.model_validate(dict(cost)))
        except ValueError:
            raise BadRequestError(f"the answer's cost is no cost: {cost!r}") from None
    if "trace" in data and "cost" in data:
        raise _unpriced(f"{data.get('provider')}/{data.get('model')}")
    name = model or data.get("model")
    if not isinstance(name, str) or not name:
        raise BadRequestError("the answer doesn't say its model", hint="completion_cost(response, model='gpt-5-mini')")
    said_by = data.get("provider")
    if named is None and model is None and ROUTER.knows(said_by, default_client()._planner.catalog):
        named = said_by  # OpenRouter writes other names there
    provider, upstream, info = _found(name, named)
    said = data.get("service_tier")
    price = _priced(info, _usage_of(data), _tier(tier) or (said if isinstance(said, str) else None), _day_of(data))
    if price is None:
        raise _unpriced(f"{provider}/{upstream}")
    return float(price)


def _usage_of(data: Mapping[str, Any]) -> Usage:
    from insights.core.types import Usage

    def known(value: Any) -> Any:
        return {key: known(each) for key, each in value.items() if each is not None} if isinstance(value, Mapping) else value

    usage = known(data.get("usage"))
    if not isinstance(usage, dict) or "prompt_tokens" not in usage:
        raise BadRequestError("the answer doesn't say how many tokens it took: it has no usage with prompt_tokens")
    prompt, completion = (
        _whole("prompt_tokens", usage["prompt_tokens"]),
        _whole("completion_tokens", usage.get("completion_tokens", 0)),
    )
    details = dict(usage.get("prompt_tokens_details") or {})
    # litellm's answers have these beside the details too.
    for ours, theirs in (
        ("cached_tokens", "cache_read_input_tokens"),
        ("cache_creation_tokens", "cache_creation_input_tokens"),
    ):
        details[ours] = _whole(ours, details.get(ours) or usage.get(theirs, 0))
    _fits(prompt, details["cached_tokens"], details["cache_creation_tokens"])
    try:
        return Usage.model_validate(
            {**usage, "prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
        )
    except ValueError as error:
        raise BadRequestError(f"the answer's usage can't be read: {error}") from None


def _day_of(data: Mapping[str, Any]) -> date | None:
    created = data.get("created")
    if not isinstance(created, int | float) or created <= 0:
        return None
    try:
        return datetime.fromtimestamp(created, UTC).date()
    except (OverflowError, ValueError, OSError):
        return None


def cost_per_token(
    model: str,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    *,
    custom_llm_provider: str | None = None,
    cache_creation_input_tokens: int | None = 0,
    cache_read_input_tokens: int | None = 0,
    service_tier: str | None = None,
    cached_tokens: int = 0,
) -> tuple[float, float]:
    """What so many tokens cost, in USD: those of the prompt, and those of the completion.

    Args:
        custom_llm_provider: the provider, where the model's name doesn't begin with it.
        cache_creation_input_tokens: those of `prompt_tokens` that were written to the provider's cache.
        cache_read_input_tokens: those of `prompt_tokens` that were read from it.
        service_tier: the tier that serves them: flex, priority or batch, if not the ordinary one.
        cached_tokens: `cache_read_input_tokens` by OpenAI's name.

    Raises:
        UnknownModelError: no price is known. BadRequestError: counts that are none, or more tokens in the cache than in the
            prompt; another tier.
    """
    from insights.core.types import Usage

    prompt, completion = _whole("prompt_tokens", prompt_tokens), _whole("completion_tokens", completion_tokens)
    read = _whole("cache_read_input_tokens", 0 if cache_read_input_tokens is None else cache_read_input_tokens)
    written = _whole("cache_creation_input_tokens", 0 if cache_creation_input_tokens is None else cache_creation_input_tokens)
    cached = _whole("cached_tokens", cached_tokens)
    if read and cached and read != cached:
        raise BadRequestError("cached_tokens and cache_read_input_tokens are the same tokens: pass one of them")
    _fits(prompt, read or cached, written)
    tier = _tier(service_tier)
    provider, name, info = _found(model, custom_llm_provider)
    details = {"cached_tokens": read or cached, "cache_creation_tokens": written}
    usage = Usage.model_validate(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": details,
        }
    )
    cost = _priced(info, usage, tier)
    if cost is None:
        raise _unpriced(f"{provider}/{name}")
    return float(cost - cost.output), float(cost.output)


def _fits(prompt: int, read: int, written: int) -> None:
    if read + written > prompt:
        raise BadRequestError(
            f"of {prompt} prompt tokens {read + written} can't be in the cache: {read} read, {written} written",
            hint="prompt_tokens counts the cached ones too",
        )


def _tier(name: Any) -> str | None:
    if name is None or name in _ORDINARY or name in TIERS:
        return None if name is None else str(name)
    raise BadRequestError(f"there is no service_tier {name!r}", hint=f"it is one of {', '.join((*TIERS, *_ORDINARY))}")


def _priced(info: ModelInfo | None, usage: Usage, tier: str | None, on: date | None = None) -> Cost | None:
    from insights.core.types import EXACT

    with localcontext(EXACT):
        return None if info is None else price_of(info, usage, tier, on=on)


def token_counter(
    model: str = "",
    *,
    text: str | Sequence[str] | None = None,
    messages: Sequence[Any] | None = None,
    tools: Sequence[Any] | None = None,
) -> int:
    """How many tokens a text, or several together, or a prompt has, offline. `estimate` says how sure that is.

    Raises:
        BadRequestError: neither text nor messages, or a text that is none.
    """
    from insights.catalog.tokens import count, text_tokens

    if text is not None:
        texts = [text] if isinstance(text, str) else list(text) if isinstance(text, list | tuple) else [text]
        for each in texts:
            if not isinstance(each, str):
                raise BadRequestError(f"text is a text or a list of texts, got {type(each).__name__}")
        return sum(text_tokens(str(each), model.rpartition("/")[2]) for each in texts)
    if messages is None:
        raise BadRequestError("token_counter needs text= or messages=")
    provider, name = _found(model)[:2] if model else ("openai", "")
    request = build_request(name or "-", messages, {"tools": list(tools)} if tools else {})
    return count(provider, name, request.messages, request.params.get("tools")).tokens


def get_model_info(model: str, custom_llm_provider: str | None = None) -> dict[str, Any]:
    """What the catalogue knows of a model, under litellm's names; prices are USD per token, as floats; None: not known.

    Args:
        custom_llm_provider: the provider, where the model's name doesn't begin with it.

    Raises:
        UnknownModelError: the catalogue doesn't have it.
    """
    provider, info = _catalogued(model, custom_llm_provider)
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


def get_max_tokens(model: str, custom_llm_provider: str | None = None) -> int | None:
    """How many tokens a model can generate; None where the catalogue has the model but not its limit.

    Raises:
        UnknownModelError: the catalogue doesn't have it.
    """
    return _catalogued(model, custom_llm_provider)[1].max_output_tokens


def _catalogued(model: str, named: str | None) -> tuple[str, ModelInfo]:
    provider, name, info = _found(model, named)
    if info is None:
        raise UnknownModelError(f"the catalogue has no {provider}/{name}", hint="see model_list")
    return provider, info


def _unpriced(name: str) -> UnknownModelError:
    return UnknownModelError(f"no price is known for {name}", hint="write one into a provider file (INSIGHTS_CONFIG_DIR)")


def all_models() -> list[str]:
    """The names of all models in the catalogue, as `provider/model`, sorted: what `insights.model_list` is.

    litellm's list has plain names beside them; here each model stands in it once, by the name that is never ambiguous.
    """
    catalog = default_client()._planner.catalog
    return sorted(f"{provider}/{name}" for provider in ROUTER.names(catalog) for name in catalog.provider(provider).models)


# ---------------------------------------------------------------- what was spent


def spend(by: str = "model", since: Any = None, *, settings: Settings | None = None) -> SpendTable:
    """What was spent, as the ledger next to the cache has it: failed attempts that were paid for, and what the cache saved.

    Args:
        by: `"model"`, `"day"` (UTC), `"tag"` (a call with several counts in each) or `"provider"`.
        since: a date, a time, an ISO text such as `"2026-11-01"`, or a `timedelta` before now; default: all.
        settings: whose `cache_dir` has the ledger; default: those of the default client.

    Returns:
        A table: print it, iterate over its rows, or `.pandas()`.

    Raises:
        BadRequestError: another word, or no time. LedgerError: the ledger can't be read.
    """
    return spend_table(open_ledger((settings or default_client().settings).cache_dir), by, since)
