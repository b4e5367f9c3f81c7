"""The way of one call, written once for sync and async, streamed and not.

    chain -> cache -> attempt -> judge -> price -> store

`call(plan)` is a generator of effects (`insights.core.effects`) that returns a `ModelResponse`; for a streamed call it yields
`Emit(chunk)` on the way. Retry, fallback, cache and price are decided here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from insights.adapters.models import transport
from insights.adapters.models.identity import cache_fields
from insights.attempts import ask
from insights.cache.key import looks_secret
from insights.cache.lookup import Lookup
from insights.cache.store import tag_of
from insights.core.effects import Effect, Flow, FlowGenerator, Opened, Race, RaceResult
from insights.core.errors import (
    AllModelsFailedError,
    APIError,
    BudgetExceededError,
    CacheMissError,
    CassetteError,
    ConfigError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InsightsError,
    MissingKeyError,
    RateLimitError,
    Timeout,
    UnsupportedParamsError,
)
from insights.core.request import ChatRequest
from insights.plan import Candidate, Plan, State
from insights.routing.fit import unfit

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.adapters.models.egress import Endpoint
    from insights.core.types import ModelResponse


IMPORT_ALLOWANCE: Final = 30.0  # seconds; litellm's import takes 5 on a slow machine, and several do it at once


def call(plan: Plan) -> FlowGenerator[ModelResponse]:
    """The way of one call.

    Raises:
        InsightsError: the candidate's own error where there was one candidate, or an error that no other candidate mends;
            `AllModelsFailedError` where a chain failed. Each carries `trace`.
    """
    from insights.core.types import Trace

    state = State(plan, Trace(cache=plan.control.note), plan.clock())
    queue = list(plan.candidates)
    try:
        while True:
            try:
                found = yield from _next(state, queue)
                state.trace.duration = plan.clock() - state.started
                found.trace = state.trace
                return found
            except InsightsError as error:
                state.failures.append(error)
                state.note(error)
                queue = _following(state, error, queue)
                if not isinstance(error, RateLimitError):  # it isn't the key's fault
                    queue = [each for each in queue if not each.just_a_key]
                if not queue:
                    final = _final(state, len(plan.candidates))
                    raise final from final.__cause__
                if state.trace.attempts and state.trace.attempts[-1].decision == "stop":
                    state.trace.attempts[-1].decision = "next"
    except InsightsError as error:
        state.trace.duration = plan.clock() - state.started
        error.trace = state.trace
        raise


def _next(state: State, queue: list[Candidate]) -> FlowGenerator[ModelResponse]:
    """The answer of the next candidate; of the first two, side by side, where the call asks for that."""
    first = queue.pop(0)
    if state.plan.hedge_after is None or state.tried or not queue:
        return (yield from _candidate(state, first, more=bool(queue)))
    # Another key of the same host would only be late too.
    second = next((each for each in queue if not each.just_a_key), queue[0])
    flows = tuple(Flow(_candidate(state, each, more=True)) for each in (first, second))
    result: RaceResult = yield Race(flows, state.plan.hedge_after)
    if result.started > 1:
        queue.remove(second)
    ours = [error for error in result.errors if isinstance(error, InsightsError)]
    for error in ours:
        state.note(error)
    if result.winner is None:
        # What the caller has to mend counts more than what another model might.
        mend = [e for e in result.errors if not (isinstance(e, APIError) and state.plan.fallbacks.moves_on(e))]
        decisive = (mend or result.errors)[-1]
        state.failures.extend(error for error in ours if error is not decisive)
        raise decisive
    state.failures.extend(ours)
    if result.started > 1 and not result.errors:
        names = [each.name for each in (first, second)]
        winner, loser = names[result.winner], names[1 - result.winner]
        state.trace.notes.append(f"hedged: {winner} was the first, {loser} was hung up on; what that cost isn't known")
    return (yield from _gone_on(flows[result.winner], result.news))


def _gone_on(flow: Flow[ModelResponse], news: Effect | None) -> FlowGenerator[ModelResponse]:
    """The rest of a flow that has been begun elsewhere."""
    told: list[Effect] = [] if news is None else [Opened(), news]
    while (effect := told.pop(0) if told else flow.advance()) is not None:
        try:
            flow.succeed((yield effect))
        except BaseException as error:
            told.clear()
            flow.fail(error)
    assert flow.result is not None
    return flow.result


def _following(state: State, error: InsightsError, queue: list[Candidate]) -> list[Candidate]:
    """Who is asked after this error: the rest of the chain, a list of its own for the kind of error, or nobody."""
    if state.committed or state.left <= 0:
        return []
    skipped = any(error is skip for skip in state.skips)
    if isinstance(error, ContextWindowExceededError | ContentPolicyViolationError):
        fallbacks = state.plan.fallbacks
        listed = fallbacks.because_of(error)
        others = [one for one in listed if not any(one is known for known in state.listed)]
        others = [(name, own) for name, own in others if own or name not in state.tried]
        if others:
            state.listed.extend(listed)
            return [state.plan.add(name, own) for name, own in others]
        if not (listed or skipped or fallbacks.moves_on(error)):
            return []
        if listed and not skipped:
            return queue if state.listed else []  # the rest of the list, where one is being gone through
    if skipped or isinstance(error, CacheMissError) or (isinstance(error, APIError) and state.plan.fallbacks.moves_on(error)):
        return queue
    # A stand-in that can't serve the request, or isn't set up, is passed over; the model asked for is the caller's to mend.
    return queue if isinstance(error, ConfigError | UnsupportedParamsError) and len(state.failures) > 1 else []


def _final(state: State, named: int) -> InsightsError:
    """The one error, or all of them. Words already shown are followed by what stopped them, not by older failures."""
    last = state.failures[-1]
    if len(state.failures) == 1 or state.committed or isinstance(last, CassetteError):
        return last
    if all(isinstance(error, BudgetExceededError) for error in state.failures):
        return last
    if all(isinstance(error, CacheMissError) for error in state.failures):
        return CacheMissError("no answer of any of these models is stored: " + ", ".join(state.tried), hint=last.hint)
    failed = len(state.failures)
    if failed >= named:
        return AllModelsFailedError(f"all {failed} models failed", state.errors)
    why = "time was up" if state.left <= 0 else "the last error leads to no other"
    return AllModelsFailedError(f"{failed} of {named} models failed, and {why}", state.errors)


def _candidate(state: State, candidate: Candidate, *, more: bool) -> FlowGenerator[ModelResponse]:
    """One candidate: its stored answer, an identical call's, or its own.

    Args:
        more: whether there are others to ask instead.
    """
    plan = state.plan
    state.tried.append(candidate.name)
    model = candidate.make()
    request = candidate.request
    if plan.cache is None:
        return (yield from ask(state, candidate, model, _checked(state, model, request, more=more)))
    fields = cache_fields(model, request, plan.control, plan.drop_params)
    lookup = Lookup(plan.cache, plan.control, fields, request, state.trace, plan.clock)
    found = yield from lookup.find()
    if found is not None:
        plan.spending.saved(model.provider, model.upstream, found.cost)
        return found
    if plan.control.only:
        lookup.missed()
        raise CacheMissError(
            f"no answer is stored for this request to {model.provider}/{model.upstream} ({state.trace.cache})",
            hint="call once without cache='only' (or INSIGHTS_CACHE=only)",
        )
    where = _checked(state, model, request, more=more)
    try:
        found = yield from _waited(state, lookup, model)
        if found is not None:
            plan.spending.saved(model.provider, model.upstream, found.cost)
            return found
        lookup.missed()
        state.started += lookup.spent
        asked = ask(state, candidate, model, where)
        found = yield from lookup.watch(asked) if request.stream else asked
        yield from lookup.keep(found, tag_of(model.provider, model.model_id), _secrets(model, request, where))
        return found
    finally:
        lookup.leave()


def _secrets(model: LiteLLMChatModel, request: ChatRequest, where: Endpoint) -> list[str]:
    """What of a call must not be stored: its key, whichever way it was given."""
    found = [] if where.key is None else [where.key.get_secret_value()]
    given = {**request.extra_headers, **model.given}
    found += [str(value).removeprefix("Bearer ") for name, value in given.items() if looks_secret(name)]
    return found


def _checked(state: State, model: LiteLLMChatModel, request: ChatRequest, *, more: bool) -> Endpoint:
    """Where the request goes, unless it is known that it needn't.

    What the catalogue says against a model counts where there is a choice; the only one is asked all the same.
    """
    try:
        where = model.check(request)
    except MissingKeyError as error:
        state.skip(model, error)
        raise
    choice = more or len(state.tried) > 1
    refusal = unfit(model.info, request) if choice or state.plan.fallbacks.context_window else None
    if refusal is not None and (choice or isinstance(refusal, ContextWindowExceededError)):
        refusal.provider, refusal.model = model.provider, model.upstream
        state.skip(model, refusal)
        raise refusal
    return where


def _waited(state: State, lookup: Lookup, model: LiteLLMChatModel) -> FlowGenerator[ModelResponse | None]:
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
