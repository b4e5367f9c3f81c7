"""`Client`, and `completion` / `acompletion` on a default one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from insights.adapters.models.factory import ROUTER, ModelFactory, Provider
from insights.adapters.models.http import AsyncPerformer, SyncPerformer
from insights.cache.store import DiskStore, Store
from insights.catalog.loader import Catalog
from insights.core import intercept
from insights.core.config import Settings
from insights.core.effects import Flow, adrive, drive
from insights.core.errors import BadRequestError
from insights.core.request import OPENAI_PARAMS, ChatRequest, build_request
from insights.explain import RouteExplanation, explain
from insights.flow import Candidate, Plan, call
from insights.routing.fallback import Fallbacks, given_chain, read_fallbacks
from insights.routing.retry import RetryPolicy
from insights.streaming import AsyncStream, Stream

if TYPE_CHECKING:
    from insights.adapters.models.routes import Route
    from insights.core.types import ModelResponse

CacheControl = bool | Literal["refresh", "only"] | Mapping[str, Any] | None

_PLAN_OPTIONS: Final = ("timeout", "num_retries", "fallbacks", "cache", "drop_params")
# Where the model of the call is; a fallback is somewhere else and says so itself.
_PLACE_OPTIONS: Final = ("api_key", "api_base")


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
        self._catalog = Catalog(self.settings)
        self._stores: dict[str, Store] = {}

    def __repr__(self) -> str:
        return f"Client({self.settings!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the cache's database; the next call opens it again."""
        for store in self._stores.values():
            if isinstance(store, DiskStore):
                store.close()
        self._stores.clear()

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
        route = self._route(model)
        known = (*_PLACE_OPTIONS, *ModelFactory.adapter_class(Provider(route.provider)).options)
        for name in options:
            if name not in known:
                raise BadRequestError(f"explain_route has no {name!r}", hint=f"for this model it takes {', '.join(known)}")
        return explain(route, self._adapter(route.model_id, route.provider, options), self.settings)

    # ------------------------------------------------------------ from arguments to a plan

    def _flow(self, model: str, messages: Any, stream: bool, params: dict[str, Any]) -> tuple[Flow[ModelResponse], bool]:
        plan = self._plan(model, messages, stream, dict(params))
        options = params.get("stream_options") or {}
        return Flow(call(plan)), bool(stream and options.get("include_usage"))

    def _plan(self, model: str, messages: Any, stream: bool, params: dict[str, Any]) -> Plan:
        options = {name: params.pop(name, None) for name in _PLAN_OPTIONS}
        place: dict[str, Any] = {name: params.pop(name) for name in _PLACE_OPTIONS if name in params}
        if not isinstance(place.get("api_base"), str | None):
            raise BadRequestError(f"api_base must be a URL, got {type(place['api_base']).__name__}")
        extra = {name: params.pop(name, None) for name in ("extra_body", "extra_headers")}
        route = self._route(model)
        adapter = ModelFactory.adapter_class(Provider(route.provider))
        where = {name: params.pop(name) for name in adapter.options if name in params}
        request = build_request(model, messages, params, stream=stream, **extra)
        first = Candidate(request.model, lambda: self._adapter(route.model_id, route.provider, place | where), request)
        config = read_fallbacks(self._catalog)

        def stand_in(name: str, change: Mapping[str, Any] = MappingProxyType({})) -> Candidate:
            return self._fallback(name, change, request, where, adapter.native_params)

        return Plan(
            candidates=[first, *(stand_in(name, change) for name, change in self._chain(options, config, request))],
            add=stand_in,
            fallbacks=config if options["fallbacks"] != [] else Fallbacks(),
            retry=RetryPolicy(num_retries=self._retries(options["num_retries"])),
            timeout=self._timeout(options["timeout"], route.provider),
            drop_params=self.settings.drop_params if options["drop_params"] is None else bool(options["drop_params"]),
            **self._cache(options["cache"]),
        )

    def _chain(self, options: dict[str, Any], config: Fallbacks, request: ChatRequest) -> list[tuple[str, dict[str, Any]]]:
        if options["fallbacks"] is not None:
            return given_chain(options["fallbacks"])
        return [(name, {}) for name in config.after(request.model, request.model.rpartition("/")[2]) if name != request.model]

    def _route(self, model: str) -> Route:
        if not isinstance(model, str) or not model.strip():  # type: ignore[redundant-expr]
            raise BadRequestError(f"model must be a name such as 'claude-haiku-4-5', got {model!r}")
        return ROUTER.route(model.strip(), self._catalog)

    def _fallback(
        self,
        name: str,
        change: Mapping[str, Any],
        request: ChatRequest,
        options: Mapping[str, Any],
        native: Sequence[str],
    ) -> Candidate:
        """A later candidate: the call's parameters with its own over them, and none of the first one's key or host.

        Parameters of the first provider's own (`native`), which mean nothing to another, are left out.
        """
        provider = ROUTER.find(name, self._catalog).provider  # a name nobody knows is told before anything is asked
        adapter = ModelFactory.adapter_class(Provider(provider))
        places = (*_PLACE_OPTIONS, *adapter.options)
        own = {key: value for key, value in change.items() if key in places}
        more = {key: value for key, value in change.items() if key not in own}
        for key in more:
            if key in _PLAN_OPTIONS:
                raise BadRequestError(f"{key} is for the whole call, not for one fallback", hint=f"pass {key}= to the call")
        foreign = set(native) - set(adapter.native_params) - OPENAI_PARAMS
        changed = replace(request, model=name, params={n: v for n, v in request.params.items() if n not in foreign})
        if more:
            changed = build_request(
                name,
                more.pop("messages", request.messages),
                {**changed.params, **more},
                stream=request.stream,
                extra_body=request.extra_body,
                extra_headers=request.extra_headers,
            )
            changed = replace(changed, parse_as=changed.parse_as if "response_format" in more else request.parse_as)

        def make() -> Any:
            route = self._route(name)
            return self._adapter(route.model_id, route.provider, {**options, **own})

        return Candidate(name, make, changed)

    def _adapter(self, model_id: str, provider: str, options: Mapping[str, Any]) -> Any:
        taken = {name: value for name, value in options.items() if name in _PLACE_OPTIONS and value is not None}
        model = ModelFactory._create_adapter(
            model_id, Provider(provider), settings=self.settings, catalog=self._catalog, **taken
        )
        model.given = {name: value for name, value in options.items() if name in model.options and value is not None}
        return model

    def _retries(self, given: Any) -> int:
        if given is None:
            return self.settings.num_retries
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise BadRequestError(f"num_retries must be a whole number from 0, got {given!r}")
        return given

    def _timeout(self, given: Any, provider: str) -> float:
        if given is not None:
            if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < float("inf"):
                raise BadRequestError(f"timeout must be a number of seconds above 0, got {given!r}")
            return float(given)
        if self.settings.timeout_given:
            return self.settings.timeout
        return self._catalog.provider(provider).timeout

    def _cache(self, given: CacheControl) -> dict[str, Any]:
        """The plan's cache: the call's wish, else Settings; inside a cassette off unless the call asks for it."""
        control: dict[str, Any] = {}
        if isinstance(given, Mapping):
            control, given = dict(given), True
            unknown = set(control) - {"namespace"}
            if unknown:
                raise BadRequestError(f"cache={{...}} has no {sorted(unknown)[0]!r}", hint="it takes 'namespace'")
        if given not in (None, True, False, "refresh", "only"):
            raise BadRequestError(f"cache must be True, False, 'refresh', 'only' or a dict, got {given!r}")
        given = bool(given) if isinstance(given, int) else given  # 0 and 1 equal False and True above
        if given is None and intercept.active():
            return {"cache_note": "off: inside a cassette"}
        if given is False or (given is None and not self.settings.cache):
            return {"cache_note": "off"}
        directory = str(self.settings.cache_dir)
        store = self._stores.get(directory) or self._stores.setdefault(directory, DiskStore(self.settings.cache_dir))
        return {
            "store": store,
            "read_cache": given != "refresh",
            "only_cache": given == "only",
            "namespace": str(control.get("namespace", "")),
            "cache_note": "refreshed" if given == "refresh" else "miss",
        }


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
            num_retries: retries per candidate (default 2).
            fallbacks: models to ask next, as names or dicts with `model` and parameters.
            cache: True, False, "refresh" (ask again), "only" (never ask), or {"namespace": ...}.
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
