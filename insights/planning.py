"""From the arguments of a call to its `Plan`: who is asked in which order, until when, and with which cache."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from insights.adapters.models.factory import ROUTER, ModelFactory, provider_names
from insights.adapters.models.routes import canonical_name
from insights.cache.answers import AnswerCache, open_cache
from insights.cache.control import control
from insights.cache.key import is_credential, looks_secret
from insights.cache.memory import MemoryStore
from insights.catalog.loader import Catalog
from insights.core import intercept
from insights.core.config import Settings
from insights.core.errors import BadRequestError, UnknownModelError
from insights.core.request import OPENAI_PARAMS, PLACE_OPTIONS, PLAN_OPTIONS, ChatRequest, build_request, check_names
from insights.plan import Candidate, Plan
from insights.routing.breaker import BREAKERS, Breakers
from insights.routing.fallback import Fallbacks, given_chain, given_words, read_fallbacks
from insights.routing.retry import BUDGETS, RetryBudgets, RetryPolicy
from insights.routing.spread import SPREAD, Deployment, Spread, given_keys
from insights.spending.budget import Limits, in_force
from insights.spending.ledger import open_ledger
from insights.spending.spending import Spending, given_tags

if TYPE_CHECKING:
    from insights.adapters.models.routes import Route


LONGEST: Final = 10.0**9  # seconds; beyond, the system's clocks give up, and nobody waits


@dataclass
class _Apart:
    """What a cassette has for itself, as long as it is used: what it answers says nothing of the providers of today."""

    cache: AnswerCache = field(default_factory=lambda: AnswerCache(MemoryStore()))
    breakers: Breakers = field(default_factory=Breakers)
    budgets: RetryBudgets = field(default_factory=RetryBudgets)
    spread: Spread = field(default_factory=Spread)


_OF_CASSETTES: Final[WeakKeyDictionary[Any, _Apart]] = WeakKeyDictionary()


def _apart() -> _Apart | None:
    cassette = intercept.innermost()
    return None if cassette is None else _OF_CASSETTES.setdefault(cassette, _Apart())


class Planner:
    """Settings and catalogue, and what follows from them for a call."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog = Catalog(settings)

    def plan(self, model: str, messages: Any, stream: bool, params: dict[str, Any]) -> Plan:
        """The plan of a call as `insights.completion` takes it.

        Raises:
            BadRequestError: an argument that can't be.
            UnknownModelError: no provider is known for the name.
        """
        options = {name: params.pop(name, None) for name in PLAN_OPTIONS}
        place: dict[str, Any] = {name: params.pop(name) for name in PLACE_OPTIONS if name in params}
        if not isinstance(place.get("api_base"), str | None):
            raise BadRequestError(f"api_base must be a URL, got {type(place['api_base']).__name__}")
        extra = {name: params.pop(name, None) for name in ("extra_body", "extra_headers")}
        route = self.route(model)
        adapter = ModelFactory.adapter_class(route.provider)
        where = {name: params.pop(name) for name in adapter.options if name in params}
        request = build_request(model, messages, params, stream=stream, **extra)
        first = Candidate(request.model, lambda: self.adapter(route.model_id, route.provider, place | where), request)
        fallbacks = self._lists(options)
        name = f"{route.provider}/{route.model_id}"
        turns = self._deployments(options["keys"], fallbacks.keys.get(name, ()), place, route.provider)
        after = self._after(name, fallbacks)
        chain: list[tuple[str, dict[str, Any]]] = [(other, {}) for other in after if other != name]
        if options["fallbacks"] is not None:
            chain = given_chain(options["fallbacks"])

        def stand_in(name: str, change: Mapping[str, Any]) -> Candidate:
            return self._fallback(name, change, request, where, route.provider)

        apart = _apart()
        wish = control(options["cache"], options["sample"], self.settings, inside_cassette=intercept.active())
        return Plan(
            candidates=[*self._spread(first, turns, stand_in), *(stand_in(name, change) for name, change in chain)],
            add=stand_in,
            fallbacks=fallbacks,
            retry=RetryPolicy(num_retries=self._retries(options["num_retries"]), at_once=_answers_wait_for_nobody()),
            timeout=self._timeout(options, route.provider),
            attempt_timeout=_seconds("attempt_timeout", options, self.settings.attempt_timeout),
            stream_idle_timeout=_seconds("stream_idle_timeout", options, self.settings.stream_idle_timeout),
            hedge_after=_seconds("hedge_after", options, None),
            breakers=(apart.breakers if apart else BREAKERS) if self.settings.breaker else None,
            budgets=apart.budgets if apart else BUDGETS,
            spread=self._turns(),
            drop_params=self.settings.drop_params if options["drop_params"] is None else bool(options["drop_params"]),
            control=wish,
            cache=self.open_cache() if wish.on else None,
            spending=self._spending(options["tags"]),
        )

    def _spending(self, tags: Any) -> Spending:
        """What the call has to do with money. What a cassette answers is no money of today's: the ledger stays as it is."""
        replaying = intercept.replaying()
        limits = Limits(in_force(), self.settings.budget_per_run, self.settings.budget_per_day, alone=replaying)
        kept = self.settings.ledger and not replaying
        ledger = open_ledger(self.settings.cache_dir) if kept else None
        return Spending(ledger, limits, tuple(dict.fromkeys((*given_tags(tags), *limits.tags))))

    def open_cache(self) -> AnswerCache:
        """The cache of the settings' directory; inside a cassette one of its own, for as long as it is used.

        What a cassette answers must not be found outside, and what is recorded must not depend on what was found there.
        """
        apart = _apart()
        if apart is not None:
            return apart.cache
        return open_cache(self.settings.cache_dir, self.settings.cache_size_limit)

    def _turns(self) -> Spread:
        apart = _apart()
        return apart.spread if apart else SPREAD

    def _lists(self, options: Mapping[str, Any]) -> Fallbacks:
        """The lists of `fallback.yaml` with the call's over them."""
        found = Fallbacks() if options["fallbacks"] == [] else read_fallbacks(self.catalog, self.check_name)
        for kind in ("context_window", "content_policy"):
            given = options[f"{kind}_fallbacks"]
            if given is not None:
                others = tuple(given_chain(given, f"{kind}_fallbacks"))
                for name, _ in others:
                    ROUTER.find(name, self.catalog)  # a name nobody knows is told before anything is asked
                window = kind == "context_window"
                found = replace(found, context_window=others) if window else replace(found, content_policy=others)
        if options["fallback_on"] is not None:
            found = replace(found, fallback_on=given_words(options["fallback_on"]))
        return found

    def _after(self, name: str, fallbacks: Fallbacks) -> Sequence[str]:
        """The models to ask after this one. Of a chain that nobody wrote, those whose provider's key is set."""
        found = fallbacks.after(name)
        if not fallbacks.default_is_shipped or name in fallbacks.models:
            return found
        owners = {other: self.catalog.provider(ROUTER.find(other, self.catalog).provider) for other in found}
        return [other for other, owner in owners.items() if self.settings.key(*owner.key_names) is not None]

    def _deployments(
        self, keys: Any, rows: Sequence[Mapping[str, Any]], place: Mapping[str, Any], provider: str
    ) -> list[Deployment]:
        """The keys or deployments of the call, else those of `fallback.yaml` for this model, the one whose turn it is first."""
        given = any(value is not None for value in place.values())
        if keys is not None:
            if given:
                raise BadRequestError("keys= says where a call goes and with which key", hint="leave out api_key=, api_base=")
            return self._turns().order(given_keys(keys, provider))
        if given or not rows:
            return []
        found = []
        for row in rows:
            change = {name: value for name, value in row.items() if name != "env_key"}
            key = self.settings.key(row["env_key"]) if "env_key" in row else None
            if key is not None or "env_key" not in row:
                found.append({**change, **({"api_key": key} if key else {})})
        return self._turns().order(given_keys(found, provider)) if found else []

    def _spread(
        self,
        first: Candidate,
        turns: Sequence[Deployment],
        stand_in: Callable[[str, Mapping[str, Any]], Candidate],
    ) -> list[Candidate]:
        """The first candidate, once for each of its keys or deployments."""
        if not turns:
            return [first]
        found = []
        for index, turn in enumerate(turns):
            change = dict(turn.change)
            made = stand_in(change.pop("model", first.name), change)
            found.append(replace(made, deployment=turn, spare=index + 1 < len(turns)))
        return found

    def check_name(self, name: str) -> str:
        """Sees that a name in a file leads to a model, and gives its `provider/model`.

        A name the catalogue lacks may be right (a deployment, a model of yesterday), unless it is nearly one that it has.

        Raises:
            UnknownModelError: it doesn't, or is nearly one that does.
        """
        found = ROUTER.find(name, self.catalog)
        config = self.catalog.provider(found.provider)
        if config.model(found.model_id) is None:
            near = difflib.get_close_matches(found.model_id, config.models, n=1, cutoff=0.85)
            if near:
                raise UnknownModelError(
                    f"{found.provider} has no model {found.model_id!r}", hint=f"did you mean {found.provider}/{near[0]}?"
                )
        return f"{found.provider}/{canonical_name(found.model_id, found.provider, self.catalog)}"

    def route(self, model: str) -> Route:
        """The route of a model name.

        Raises:
            BadRequestError: no name. UnknownModelError: no provider is known for it.
        """
        if not isinstance(model, str) or not model.strip():  # type: ignore[redundant-expr]
            raise BadRequestError(f"model must be a name such as 'claude-haiku-4-5', got {model!r}")
        return ROUTER.route(model.strip(), self.catalog)

    def known_provider(self, name: Any) -> str:
        """The name, if there is a provider of this name.

        Raises:
            BadRequestError: there is none.
        """
        if not ROUTER.knows(name, self.catalog):
            names = ", ".join(provider_names(self.catalog))
            raise BadRequestError(f"there is no provider {name!r}", hint=f"providers are {names}")
        return str(name)

    def _fallback(
        self,
        name: str,
        change: Mapping[str, Any],
        request: ChatRequest,
        options: Mapping[str, Any],
        first: str,
    ) -> Candidate:
        """A later candidate: the call's parameters with its own over them, and none of the first one's key or host.

        Parameters of the provider `first`, which mean nothing to another, are left out; so are credentials, whichever way they
        were given, and to another provider all that went beside the parameters.
        """
        provider = ROUTER.find(name, self.catalog).provider  # a name nobody knows is told before anything is asked
        adapter = ModelFactory.adapter_class(provider)
        places = (*PLACE_OPTIONS, *adapter.options)
        own = {key: value for key, value in change.items() if key in places}
        same = provider == first
        extra: dict[str, Any] = {
            "extra_body": request.extra_body if same else {},
            "extra_headers": {n: v for n, v in request.extra_headers.items() if same and not is_credential(n)},
        }
        extra.update({key: change[key] for key in extra if key in change})
        inherited = {key: value for key, value in options.items() if same and not looks_secret(key)}
        more = {key: value for key, value in change.items() if key not in own and key not in extra}
        for key in more:
            if key in PLAN_OPTIONS:
                raise BadRequestError(f"{key} is for the whole call, not for one fallback", hint=f"pass {key}= to the call")
        check_names(more.keys() - {"messages"}, adapter.native_params, provider, (*PLACE_OPTIONS, *adapter.options))
        native = ModelFactory.adapter_class(first).native_params
        foreign = set(native) - set(adapter.native_params) - OPENAI_PARAMS
        changed = replace(request, model=name, params={n: v for n, v in request.params.items() if n not in foreign}, **extra)
        if more or any(key in change for key in extra):
            changed = build_request(
                name,
                more.pop("messages", request.messages),
                {**changed.params, **more},
                stream=request.stream,
                **extra,
            )
            changed = replace(changed, parse_as=changed.parse_as if "response_format" in more else request.parse_as)

        def make() -> Any:
            route = self.route(name)
            return self.adapter(route.model_id, route.provider, {**inherited, **own})

        return Candidate(name, make, changed)

    def adapter(self, model_id: str, provider: str, options: Mapping[str, Any]) -> Any:
        """The model object of a provider's model."""
        taken = {name: value for name, value in options.items() if name in PLACE_OPTIONS and value is not None}
        model = ModelFactory._create_adapter(model_id, provider, settings=self.settings, catalog=self.catalog, **taken)
        model.given = {name: value for name, value in options.items() if name in model.options and value is not None}
        return model

    def _retries(self, given: Any) -> int:
        if given is None:
            return self.settings.num_retries
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise BadRequestError(f"num_retries must be a whole number from 0, got {given!r}")
        return given

    def _timeout(self, options: Mapping[str, Any], provider: str) -> float:
        given = _seconds("timeout", options, None)
        if given is not None:
            return given
        if self.settings.timeout_given:
            return self.settings.timeout
        return self.catalog.provider(provider).timeout


def _answers_wait_for_nobody() -> bool:
    cassette = intercept.innermost()
    return cassette is not None and cassette.replaying and not cassette.realtime


def _seconds(name: str, options: Mapping[str, Any], default: float | None) -> float | None:
    given = options[name]
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < float("inf"):
        raise BadRequestError(f"{name} must be a number of seconds above 0, got {given!r}")
    return float(min(given, LONGEST))
