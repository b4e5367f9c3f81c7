"""`Client`, and `completion` / `acompletion` on a default one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from insights.adapters.models.factory import ModelFactory
from insights.adapters.models.http import AsyncPerformer, SyncPerformer
from insights.caching import ClientCache
from insights.core.config import Settings
from insights.core.effects import Flow, adrive, drive
from insights.core.errors import BadRequestError
from insights.core.request import PLACE_OPTIONS
from insights.explain import RouteExplanation, explain
from insights.flow import call
from insights.plan import Plan
from insights.planning import Planner
from insights.streaming import AsyncStream, Stream

if TYPE_CHECKING:
    from insights.core.types import ModelResponse


class Client:
    """Settings, cache and configuration of its own, beside the module-level default.

    Args:
        settings: a `Settings`; or give its arguments here by name.

    >>> Client(OPENAI_API_KEY="sk-123456789", cache=False)
    Client(Settings(cache=False, OPENAI_API_KEY=SecretStr('**********')))
    """

    def __init__(self, settings: Settings | None = None, **given: Any) -> None:
        if settings is not None and given:
            raise TypeError("give either settings= or its arguments, not both")
        self.settings = settings or Settings(**given)
        self._planner = Planner(self.settings)
        self.cache = ClientCache(self._planner)

    def __repr__(self) -> str:
        return f"Client({self.settings!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the cache's database; the next call opens it again."""
        self._planner.open_cache().store.close()

    # ------------------------------------------------------------ the calls

    @overload
    def completion(self, model: str, messages: Any, *, stream: Literal[False] = False, **params: Any) -> ModelResponse: ...
    @overload
    def completion(self, model: str, messages: Any, *, stream: Literal[True], **params: Any) -> Stream: ...
    @overload
    def completion(self, model: str, messages: Any, *, stream: bool, **params: Any) -> ModelResponse | Stream: ...
    def completion(self, model: str, messages: Any, *, stream: bool = False, **params: Any) -> ModelResponse | Stream:
        """One answer. See `insights.completion`."""
        flow, include_usage = self._flow(model, messages, stream, params)
        if stream:
            return Stream(flow, include_usage).open()
        drive(flow, SyncPerformer())
        assert flow.result is not None
        return flow.result

    @overload
    async def acompletion(
        self, model: str, messages: Any, *, stream: Literal[False] = False, **params: Any
    ) -> ModelResponse: ...
    @overload
    async def acompletion(self, model: str, messages: Any, *, stream: Literal[True], **params: Any) -> AsyncStream: ...
    @overload
    async def acompletion(self, model: str, messages: Any, *, stream: bool, **params: Any) -> ModelResponse | AsyncStream: ...
    async def acompletion(
        self, model: str, messages: Any, *, stream: bool = False, **params: Any
    ) -> ModelResponse | AsyncStream:
        """One answer, awaited. See `insights.acompletion`."""
        flow, include_usage = self._flow(model, messages, stream, params)
        if stream:
            return await AsyncStream(flow, include_usage).open()
        await adrive(flow, AsyncPerformer())
        assert flow.result is not None
        return flow.result

    def explain_route(self, model: str, **options: Any) -> RouteExplanation:
        """Where a model name leads. See `insights.explain_route`."""
        route = self._planner.route(model)
        known = (*PLACE_OPTIONS, *ModelFactory.adapter_class(route.provider).options)
        for name in options:
            if name not in known:
                raise BadRequestError(f"explain_route has no {name!r}", hint=f"for this model it takes {', '.join(known)}")
        return explain(route, self._planner.adapter(route.model_id, route.provider, options), self.settings)

    def _flow(self, model: str, messages: Any, stream: bool, params: dict[str, Any]) -> tuple[Flow[ModelResponse], bool]:
        plan = self._plan(model, messages, stream, dict(params))
        options = params.get("stream_options") or {}
        return Flow(call(plan)), bool(stream and options.get("include_usage"))

    def _plan(self, model: str, messages: Any, stream: bool, params: dict[str, Any]) -> Plan:
        return self._planner.plan(model, messages, stream, params)


_default: Client | None = None


def default_client() -> Client:
    """The client behind the module-level functions: settings from the environment."""
    global _default
    if _default is None:
        _default = Client()
    return _default


@overload
def completion(model: str, messages: Any, *, stream: Literal[False] = False, **params: Any) -> ModelResponse: ...
@overload
def completion(model: str, messages: Any, *, stream: Literal[True], **params: Any) -> Stream: ...
@overload
def completion(model: str, messages: Any, *, stream: bool, **params: Any) -> ModelResponse | Stream: ...
def completion(model: str, messages: Any, *, stream: bool = False, **params: Any) -> ModelResponse | Stream:
    """One answer from any model.

    Args:
        model: `"claude-haiku-4-5"`, `"provider/model"` or an alias.
        messages: a prompt string, or OpenAI messages (dicts or pydantic models).
        stream: True gives a `Stream` of chunks instead.
        **params: OpenAI's chat completions parameters, the provider's own, and:
            api_key: a key for this call. api_base: another host that speaks the provider's format.
            timeout: seconds for everything, retries and fallbacks included (default: the provider file's, 600).
            attempt_timeout: seconds for one attempt; stream_idle_timeout: seconds without a new piece of a stream.
            hedge_after: seconds without a first token after which the first fallback is asked too; the faster one answers.
            num_retries: retries per candidate (default 2).
            fallbacks: models to ask next, as names or dicts with `model` and parameters.
            context_window_fallbacks, content_policy_fallbacks: models to ask when the messages are too long, or refused.
            tags: a name or several, for the ledger; see `insights.spend`.
            keys: several keys, or dicts of `api_key`, `api_base`, `model`, `weight`, used in turn by what each has left.
            fallback_on: errors that lead on besides: "authentication", "permission", "not_found", "bad_request".
            cache: True, False, "refresh" (ask again), "only" (never ask), or a dict of `ttl` (seconds), `namespace` and
                `mode` ("refresh" or "only"). Default: True, unless Settings or `INSIGHTS_CACHE` say otherwise.
            sample: which of several answers to the same request; `sample=1`, `sample=2`, ... are cached apart (default 0).
            drop_params: drop what the provider can't do, instead of an error.
            extra_body, extra_headers: sent as they are.

    Returns:
        `ModelResponse`; with `stream=True` a `Stream`.

    Raises:
        insights.InsightsError: see `insights.core.errors` for the tree.
    """
    return default_client().completion(model, messages, stream=stream, **params)


@overload
async def acompletion(model: str, messages: Any, *, stream: Literal[False] = False, **params: Any) -> ModelResponse: ...
@overload
async def acompletion(model: str, messages: Any, *, stream: Literal[True], **params: Any) -> AsyncStream: ...
@overload
async def acompletion(model: str, messages: Any, *, stream: bool, **params: Any) -> ModelResponse | AsyncStream: ...
async def acompletion(model: str, messages: Any, *, stream: bool = False, **params: Any) -> ModelResponse | AsyncStream:
    """`completion`, awaited: the same arguments, answers and errors; `stream=True` gives an `AsyncStream`."""
    return await default_client().acompletion(model, messages, stream=stream, **params)


def explain_route(model: str, **options: Any) -> RouteExplanation:
    """Where a model name leads, without asking anybody: rule, host, key variable (set or not) and price row.

    Raises:
        UnknownModelError: no provider is known for the name; lists the nearest known names.
    """
    return default_client().explain_route(model, **options)
