"""The cache of a client's own, beside its calls: what it saved, what it holds, why two requests aren't the same to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from insights.adapters.models.identity import cache_fields
from insights.cache.key import differences
from insights.cache.store import CacheStats, tag_of
from insights.core.errors import BadRequestError
from insights.planning import Planner


class ClientCache:
    """What can be asked of a client's cache, and done to it. `insights.cache` has the same for the default client."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def __repr__(self) -> str:
        return f"ClientCache({str(self._planner.settings.cache_dir)!r})"

    def stats(self) -> CacheStats:
        """Hits, misses, USD saved, answers and bytes held; see `CacheStats`."""
        return self._planner.open_cache().store.stats()

    def clear(self) -> int:
        """Forgets every answer, of every model and namespace; how many there were.

        Raises:
            CacheError: they could not be forgotten.
        """
        return self._planner.open_cache().store.clear()

    def evict(self, *, provider: str | None = None, model: str | None = None) -> int:
        """Forgets the answers of a provider, or of one model; how many there were.

        Args:
            provider: e.g. "openai".
            model: a model as `completion` takes it.

        Raises:
            BadRequestError: not exactly one of the two, or a provider that doesn't exist.
            UnknownModelError: no provider is known for the model.
            CacheError: they could not be forgotten.
        """
        if (provider is None) == (model is None):
            raise BadRequestError("evict takes either provider= or model=", hint="clear() forgets everything")
        if model is not None:
            route = self._planner.route(model)
            tag = tag_of(route.provider, route.model_id)
        else:
            tag = self._planner.known_provider(provider)
        return self._planner.open_cache().store.evict(tag)

    def explain(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
        """The names of the fields in which two requests differ for the cache; empty where one's answer serves the other.

        Args:
            a, b: the arguments of two calls of `completion`, as dicts.

        Raises:
            BadRequestError, UnknownModelError: a request that could not be sent either.
        """
        return differences(self._fields(a), self._fields(b))

    def _fields(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(arguments, Mapping):
            raise BadRequestError(
                f"a request is a dict of completion's arguments, got {type(arguments).__name__}",
                hint='e.g. {"model": "gpt-5-mini", "messages": "Hi"}',
            )
        given = dict(arguments)
        for name in ("model", "messages"):
            if name not in given:
                raise BadRequestError(f"the request has no {name!r}", hint="give the arguments of completion as a dict")
        stream = bool(given.pop("stream", False))
        plan = self._planner.plan(given.pop("model"), given.pop("messages"), stream, given)
        first = plan.candidates[0]
        model = first.make()
        model.check_names(first.request)
        return cache_fields(model, first.request, plan.control, plan.drop_params)
