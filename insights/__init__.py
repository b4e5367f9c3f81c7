"""One function in front of every LLM provider.

    from insights import completion
    r = completion(model="claude-haiku-4-5", messages="Why is the sky blue?")
    r.text, r.cost, r.cached

Names are loaded when they are used (PEP 562): importing insights imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from insights._version import __version__ as __version__

if TYPE_CHECKING:
    from insights import cache as cache
    from insights.cache.store import CacheStats
    from insights.cassettes.inject import Fault
    from insights.cassettes.use import use_cassette
    from insights.client import Client, acompletion, completion, explain_route
    from insights.core.config import Settings
    from insights.core.errors import (
        AllModelsFailedError,
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        AuthenticationError,
        BadRequestError,
        BudgetExceededError,
        CacheError,
        CacheMissError,
        CassetteError,
        CassetteMissingError,
        CircuitOpenError,
        ConfigError,
        ContentPolicyViolationError,
        ContextWindowExceededError,
        EmptyResponseError,
        InsightsError,
        InternalServerError,
        LedgerError,
        MissingKeyError,
        NetworkBlockedError,
        NotFoundError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitError,
        ServiceUnavailableError,
        Timeout,
        TruncatedStreamError,
        UnknownModelError,
        UnsupportedParamsError,
    )
    from insights.core.types import (
        Attempt,
        Choices,
        Chunk,
        Cost,
        Function,
        Message,
        ModelResponse,
        ToolCall,
        Trace,
        Usage,
    )
    from insights.costs import (
        Estimate,
        cheapest,
        completion_cost,
        cost_per_token,
        estimate,
        get_max_tokens,
        get_model_info,
        spend,
        token_counter,
    )
    from insights.explain import RouteExplanation
    from insights.routing.breaker import Health, health
    from insights.routing.retry import no_waiting
    from insights.spending.budget import budget
    from insights.spending.table import SpendTable
    from insights.streaming import AsyncStream, Stream

    model_list: list[str]

_HOMES = {
    "cassettes.inject": "Fault",
    "cassettes.use": "use_cassette",
    "cache.store": "CacheStats",
    "client": "Client acompletion completion explain_route",
    "core.config": "Settings",
    "core.errors": """AllModelsFailedError APIConnectionError APIError APIResponseValidationError AuthenticationError
        BadRequestError BudgetExceededError CacheError CacheMissError CassetteError CassetteMissingError CircuitOpenError
        ConfigError ContentPolicyViolationError
        ContextWindowExceededError EmptyResponseError InsightsError InternalServerError LedgerError MissingKeyError
        NetworkBlockedError
        NotFoundError
        PermissionDeniedError QuotaExceededError RateLimitError ServiceUnavailableError Timeout TruncatedStreamError
        UnknownModelError UnsupportedParamsError""",
    "core.types": "Attempt Choices Chunk Cost Function Message ModelResponse ToolCall Trace Usage",
    "costs": """Estimate cheapest completion_cost cost_per_token estimate get_max_tokens get_model_info spend
        token_counter""",
    "explain": "RouteExplanation",
    "routing.breaker": "Health health",
    "routing.retry": "no_waiting",
    "spending.budget": "budget",
    "spending.table": "SpendTable",
    "streaming": "AsyncStream Stream",
}
_ROOMS = ("cache",)
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "APIConnectionError", "APIError", "APIResponseValidationError", "AllModelsFailedError", "AsyncStream", "Attempt",
    "AuthenticationError", "BadRequestError", "BudgetExceededError", "CacheError", "CacheMissError", "CacheStats",
    "CassetteError", "CassetteMissingError", "Choices", "Chunk", "CircuitOpenError", "Client", "ConfigError",
    "ContentPolicyViolationError", "ContextWindowExceededError", "Cost", "EmptyResponseError", "Estimate", "Fault",
    "Function", "Health", "InsightsError", "InternalServerError", "LedgerError", "Message", "MissingKeyError",
    "ModelResponse", "NetworkBlockedError", "NotFoundError", "PermissionDeniedError", "QuotaExceededError", "RateLimitError",
    "RouteExplanation", "ServiceUnavailableError", "Settings", "SpendTable", "Stream", "Timeout", "ToolCall", "Trace",
    "TruncatedStreamError", "UnknownModelError", "UnsupportedParamsError", "Usage",
    "acompletion", "budget", "cache", "cheapest", "completion", "completion_cost", "cost_per_token", "estimate",
    "explain_route", "get_max_tokens", "get_model_info", "health", "model_list", "no_waiting", "spend", "token_counter",
    "use_cassette",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if name == "model_list":
        from insights.costs import all_models

        return all_models()  # each time: provider files may have changed
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"insights.{name}")  # which puts it among the globals
    if home is None:
        raise AttributeError(f"module 'insights' has no attribute {name!r}")
    value = getattr(import_module(f"insights.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
