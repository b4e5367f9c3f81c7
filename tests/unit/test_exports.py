"""The public names: adding one is a decision, removing one breaks somebody."""

from __future__ import annotations

import importlib.metadata
import inspect

import pytest

import insights

NAMES = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "AllModelsFailedError",
    "AsyncStream",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "CacheError",
    "CacheMissError",
    "CacheStats",
    "CassetteError",
    "CassetteMissingError",
    "Choices",
    "Chunk",
    "CircuitOpenError",
    "Client",
    "ConfigError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "Cost",
    "EmptyResponseError",
    "Estimate",
    "Fault",
    "Function",
    "Health",
    "InsightsError",
    "InternalServerError",
    "LedgerError",
    "Message",
    "MissingKeyError",
    "ModelResponse",
    "NetworkBlockedError",
    "NotFoundError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "RouteExplanation",
    "ServiceUnavailableError",
    "Settings",
    "SpendTable",
    "Stream",
    "Timeout",
    "ToolCall",
    "Trace",
    "TruncatedStreamError",
    "UnknownModelError",
    "UnsupportedParamsError",
    "Usage",
    "acompletion",
    "budget",
    "cache",
    "cheapest",
    "completion",
    "completion_cost",
    "cost_per_token",
    "estimate",
    "explain_route",
    "get_max_tokens",
    "get_model_info",
    "health",
    "model_list",
    "no_waiting",
    "spend",
    "token_counter",
    "use_cassette",
]

# What an `except` clause may rely on: each error and the one above it.
PARENTS = {
    "ConfigError": "InsightsError",
    "APIError": "InsightsError",
    "AuthenticationError": "APIError",
    "MissingKeyError": "AuthenticationError",
    "PermissionDeniedError": "APIError",
    "NotFoundError": "APIError",
    "UnknownModelError": "NotFoundError",
    "BadRequestError": "APIError",
    "UnsupportedParamsError": "BadRequestError",
    "ContextWindowExceededError": "BadRequestError",
    "ContentPolicyViolationError": "BadRequestError",
    "RateLimitError": "APIError",
    "QuotaExceededError": "RateLimitError",
    "Timeout": "APIError",
    "APIConnectionError": "APIError",
    "InternalServerError": "APIError",
    "ServiceUnavailableError": "InternalServerError",
    "CircuitOpenError": "ServiceUnavailableError",
    "APIResponseValidationError": "APIError",
    "EmptyResponseError": "APIResponseValidationError",
    "TruncatedStreamError": "APIError",
    "CacheError": "InsightsError",
    "CacheMissError": "InsightsError",
    "BudgetExceededError": "InsightsError",
    "LedgerError": "InsightsError",
    "CassetteError": "InsightsError",
    "CassetteMissingError": "CassetteError",
    "NetworkBlockedError": "CassetteError",
    "AllModelsFailedError": "InsightsError",
}


def test_the_names() -> None:
    assert sorted(insights.__all__) == NAMES


def test_no_name_twice() -> None:
    assert len(insights.__all__) == len(set(insights.__all__))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(insights, name) is not None
    if name != "model_list":  # made anew each time: provider files may have changed
        assert getattr(insights, name) is getattr(insights, name)
    assert name in dir(insights)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(insights, name))


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"insights.*no_such_name"):
        getattr(insights, "no_such_name")  # noqa: B009 (mypy knows that it isn't there)
    assert not hasattr(insights, "litellm")


def test_star_import() -> None:
    namespace: dict[str, object] = {}
    exec("from insights import *", namespace)
    assert set(NAMES) <= namespace.keys()


def test_the_version_is_one() -> None:
    assert insights.__version__ == importlib.metadata.version("insights-llm")


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_the_tree_of_errors(name: str, parent: str) -> None:
    assert issubclass(getattr(insights, name), getattr(insights, parent))


def test_the_tree_of_errors_is_whole() -> None:
    errors = {
        name for name in NAMES if isinstance(getattr(insights, name), type) and issubclass(getattr(insights, name), Exception)
    }
    assert errors == {*PARENTS, "InsightsError"}
    assert issubclass(insights.AllModelsFailedError, ExceptionGroup)
