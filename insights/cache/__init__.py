"""The response cache of the default client: `insights.cache.stats()`, `clear()`, `evict()` and `explain()`.

The rooms behind are plain modules; this page is a door that whoever uses the library stands before, like `insights` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from insights.cache.store import CacheStats
    from insights.caching import ClientCache

__all__ = ["clear", "evict", "explain", "stats"]


def stats() -> CacheStats:
    """What the cache has done and holds: `hits`, `misses`, `saved` (USD), `entries`, `size` (bytes), `directory`.

    The counts are those of all processes since the directory was made.

    >>> stats().hits >= 0
    True
    """
    return _of_default_client().stats()


def clear() -> int:
    """Forgets every answer, of every model and namespace; how many there were.

    Raises:
        insights.CacheError: they could not be forgotten.
    """
    return _of_default_client().clear()


def evict(*, provider: str | None = None, model: str | None = None) -> int:
    """Forgets the answers of a provider (`provider="openai"`) or of one model (`model="gpt-5-mini"`); how many there were.

    Raises:
        insights.BadRequestError: not exactly one of the two, or a provider that doesn't exist.
        insights.UnknownModelError: no provider is known for the model.
        insights.CacheError: they could not be forgotten.
    """
    return _of_default_client().evict(provider=provider, model=model)


def explain(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The names of the fields in which two requests differ for the cache; empty where one's answer serves the other.

    Args:
        a, b: the arguments of two calls of `completion`, as dicts.

    Raises:
        insights.BadRequestError, insights.UnknownModelError: a request that could not be sent either.

    >>> one = {"model": "gpt-4o-mini", "messages": "Hi", "temperature": 1.0}
    >>> explain(one, {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]})
    []
    >>> explain(one, {"model": "gpt-4o", "messages": "Ho", "seed": 7})
    ['model', 'messages[0].content', 'seed']
    """
    return _of_default_client().explain(a, b)


def _of_default_client() -> ClientCache:
    from insights.client import default_client

    return default_client().cache
