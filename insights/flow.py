"""The way of one call, written once for sync and async, streamed and not.

    chain -> cache -> attempt -> judge -> price -> store

`call(plan)` is a generator of effects (`insights.core.effects`) that returns a `ModelResponse`; for a streamed call it yields
`Emit(chunk)` on the way. Retry, fallback, cache and price are decided here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from insights.adapters.models import transport
from insights.cache.answers import AnswerCache
from insights.cache.control import OFF, Control
from insights.cache.key import key_fields
from insights.cache.lookup import Lookup
from insights.catalog.pricing import price_of
from insights.core.effects import Blocking, Emit, FlowGenerator, Sleep
from insights.core.errors import (
    AllModelsFailedError,
    APIError,
    CacheMissError,
    ConfigError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    EmptyResponseError,
    InsightsError,
    MissingKeyError,
    Timeout,
    UnsupportedParamsError,
)
from insights.core.request import ChatRequest
from insights.routing.fallback import Fallbacks, moves_on
from insights.routing.retry import RetryPolicy

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.adapters.models.egress import Endpoint
    from insights.core.types import Attempt, ModelResponse, Trace


IMPORT_ALLOWANCE: Final = 30.0  # seconds; litellm's import takes 5 on a slow machine, and several do it at once


@dataclass(frozen=True)
class Candidate:
    """A model that may answer: its adapter is made when its turn comes, so that one broken fallback harms no call."""

    name: str
    make: Callable[[], LiteLLMChatModel]
    request: ChatRequest


@dataclass(frozen=True)
class Plan:
    """One call, decided: whom to ask in which order, until when, and with which cache."""

    candidates: Sequence[Candidate]
    add: Callable[[str], Candidate]
    """Makes a candidate of a name from `fallback.yaml`."""
    fallbacks: Fallbacks
    retry: RetryPolicy
    timeout: float
    drop_params: bool = False
    cache: AnswerCache | None = None
    control: Control = OFF
    clock: Callable[[], float] = time.monotonic


@dataclass
class _State:
    """What a call has been through so far."""

    plan: Plan
    trace: Trace
    started: float
    failures: list[InsightsError] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    committed: bool = False
    """Whether the caller has seen content of a stream: from then on nobody else may answer."""

    @property
    def left(self) -> float:
        return self.started + self.plan.timeout - self.plan.clock()


def call(plan: Plan) -> FlowGenerator[ModelResponse]:
    """The way of one call.

    Raises:
        InsightsError: the candidate's own error where there was one candidate, or an error that no other candidate mends;
            `AllModelsFailedError` where a chain failed. Each carries `trace`.
    """
    from insights.core.types import Trace

    state = _State(plan, Trace(cache=plan.control.note), plan.clock())
    queue = list(plan.candidates)
    try:
        while True:
            try:
                found = yield from _candidate(state, queue.pop(0))
                state.trace.duration = plan.clock() - state.started
                found.trace = state.trace
                return found
            except InsightsError as error:
                state.failures.append(error)
                queue = _following(state, error, queue)
                if not queue:
                    final = _final(state)
                    raise final from final.__cause__
                if state.trace.attempts and state.trace.attempts[-1].decision == "stop":
                    state.trace.attempts[-1].decision = "next"
    except InsightsError as error:
        state.trace.duration = plan.clock() - state.started
        error.trace = state.trace
        raise


def _following(state: _State, error: InsightsError, queue: list[Candidate]) -> list[Candidate]:
    """Who is asked after this error: the rest of the chain, a list of its own for the kind of error, or nobody."""
    if state.committed or state.left <= 0:
        return []
    if isinstance(error, ContextWindowExceededError | ContentPolicyViolationError):
        return [state.plan.add(name) for name in state.plan.fallbacks.because_of(error) if name not in state.tried]
    if isinstance(error, MissingKeyError | CacheMissError) or (isinstance(error, APIError) and moves_on(error)):
        return queue
    # A stand-in that can't serve the request, or isn't set up, is passed over; the model asked for is the caller's to mend.
    return queue if isinstance(error, ConfigError | UnsupportedParamsError) and len(state.failures) > 1 else []


def _final(state: _State) -> InsightsError:
    """The one error, or all of them. Words already shown are followed by what stopped them, not by older failures."""
    last = state.failures[-1]
    if len(state.failures) == 1 or state.committed:
        return last
    if all(isinstance(error, CacheMissError) for error in state.failures):
        return CacheMissError("no answer of any of these models is stored: " + ", ".join(state.tried), hint=last.hint)
    return AllModelsFailedError(f"all {len(state.failures)} models failed", state.failures)


def _candidate(state: _State, candidate: Candidate) -> FlowGenerator[ModelResponse]:
    """One candidate: its stored answer, an identical call's, or its own."""
    plan = state.plan
    state.tried.append(candidate.name)
    model = candidate.make()
    request = candidate.request
    if plan.cache is None:
        return (yield from _ask(state, model, request, _checked(state, model, request)))
    fields = cache_fields(model, request, plan.control, plan.drop_params)
    lookup = Lookup(plan.cache, plan.control, fields, request, state.trace, plan.clock)
    found = yield from lookup.find()
    if found is not None:
        return found
    if plan.control.only:
        lookup.missed()
        raise CacheMissError(
            f"no answer is stored for this request to {model.provider}/{model.upstream} ({state.trace.cache})",
            hint="call once without cache='only'",
        )
    where = _checked(state, model, request)
    try:
        found = yield from _waited(state, lookup, model)
        if found is not None:
            return found
        lookup.missed()
        asked = _ask(state, model, request, where)
        found = yield from lookup.watch(asked) if request.stream else asked
        key = None if where.key is None else where.key.get_secret_value()
        yield from lookup.keep(found, f"{model.provider}/{model.model_id}", key)
        return found
    finally:
        lookup.leave()


def cache_fields(model: LiteLLMChatModel, request: ChatRequest, control: Control, drop_params: bool) -> dict[str, Any]:
    """All that makes the cache key of a request to a model; see `insights.cache.key`."""
    return key_fields(
        request,
        provider=model.provider,
        model=model.model_id,
        base=model.base,
        options=model.place,
        namespace=control.namespace,
        sample=control.sample,
        drop_params=drop_params,
        defaults=dict(model.default_params) if model.own_host else None,
    )


def _checked(state: _State, model: LiteLLMChatModel, request: ChatRequest) -> Endpoint:
    try:
        return model.check(request)
    except MissingKeyError as error:
        _skipped(state, model, error)
        raise


def _waited(state: _State, lookup: Lookup, model: LiteLLMChatModel) -> FlowGenerator[ModelResponse | None]:
    """The answer of an identical call under way, if there is one.

    A process that waits for another's answer needs no litellm; what the import would have taken is not the provider's time
    here either.
    """
    spare = 0.0 if transport.loaded() else IMPORT_ALLOWANCE
    begun = state.plan.clock()
    try:
        return (yield from lookup.enter(state.started + state.plan.timeout + spare))
    except Timeout as error:
        error.provider, error.model = model.provider, model.upstream
        raise
    finally:
        state.started += min(state.plan.clock() - begun, spare)


def _ask(state: _State, model: LiteLLMChatModel, request: ChatRequest, where: Endpoint) -> FlowGenerator[ModelResponse]:
    """As many attempts as the policy allows."""
    plan = state.plan
    if not transport.loaded():
        # Once in a process, seconds: litellm's import is nothing that a provider should be blamed for.
        begun = plan.clock()
        yield Blocking(transport.load)
        state.started += plan.clock() - begun
    number = 0
    while True:
        number += 1
        attempt = _begin(state, model)
        begun = plan.clock()
        try:
            found = yield from _attempt(state, model, request, where, attempt)
        except InsightsError as error:
            attempt.duration = plan.clock() - begun
            attempt.error, attempt.message = type(error).__name__, error.message
            wait = None
            if isinstance(error, APIError):
                attempt.status_code = error.status_code
                wait = None if state.committed else plan.retry.wait(error, number, state.left)
            attempt.decision = "stop" if wait is None else "retry"
            if wait is None:
                raise
        else:
            attempt.duration = plan.clock() - begun
            attempt.status_code = 200
            _finish(found, model, request)
            state.trace.notes.extend(found.trace.notes)
            found.trace = state.trace
            return found
        yield Sleep(wait)
        state.trace.attempts[-1].waited = wait


def _attempt(
    state: _State, model: LiteLLMChatModel, request: ChatRequest, where: Endpoint, attempt: Attempt
) -> FlowGenerator[ModelResponse]:
    from insights.adapters.models.decoder import Progress

    plan = state.plan
    if state.left <= 0:
        raise Timeout("no time is left for another attempt", provider=model.provider, model=model.upstream)
    until = state.started + plan.timeout
    if not request.stream:
        found = yield from model.attempt(request, where, until=until, drop_params=plan.drop_params)
        judge(found)
        return found
    progress = Progress()
    begun = plan.clock()
    try:
        found = yield from model.attempt_stream(request, where, until=until, drop_params=plan.drop_params, progress=progress)
        judge(found)
    finally:
        state.committed = progress.content
    for chunk in progress.held:
        yield Emit(chunk)
    attempt.time_to_first_token = None if progress.first is None else max(progress.first - begun, 0.0)
    return found


def _begin(state: _State, model: LiteLLMChatModel) -> Attempt:
    from insights.core.types import Attempt

    attempt = Attempt(model=model.upstream, provider=model.provider, started=time.time())
    state.trace.attempts.append(attempt)
    return attempt


def _skipped(state: _State, model: LiteLLMChatModel, error: MissingKeyError) -> None:
    attempt = _begin(state, model)
    attempt.decision, attempt.error, attempt.message = "skip", type(error).__name__, error.message


def judge(found: ModelResponse) -> None:
    """Refuses an answer that says nothing although the provider calls it finished.

    Raises:
        EmptyResponseError: nothing in it, and no reason why.
    """
    for choice in found.choices:
        message = choice.message
        said = message.content or message.tool_calls or message.refusal or message.get("audio") or message.get("images")
        if said or message.get("function_call") or choice.finish_reason not in ("stop", None):
            return
    raise EmptyResponseError("the answer is empty", provider=found.provider, model=found.model, status_code=200)


def _finish(found: ModelResponse, model: LiteLLMChatModel, request: ChatRequest) -> None:
    found._parse_as = request.parse_as
    info = model.info
    if found.usage is not None and info is not None:
        tier = found.get("service_tier") or request.params.get("service_tier")
        found.cost = price_of(info, found.usage, str(tier) if tier else None)
    if found.usage is None:
        found.trace.notes.append(f"{model.provider} reported no usage, so the cost is unknown")
    elif found.cost is None:
        found.trace.notes.append(f"no price is known for {model.provider}/{model.upstream}")
