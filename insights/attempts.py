"""The attempts on one candidate: breaker, request, judgement, price, and whether there is another."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from insights.adapters.models import transport
from insights.catalog.pricing import TIERS, price_of
from insights.core.effects import Blocking, Emit, FlowGenerator, Sleep
from insights.core.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    BudgetExceededError,
    CircuitOpenError,
    ContentPolicyViolationError,
    EmptyResponseError,
    InsightsError,
    RateLimitError,
    Timeout,
    TruncatedStreamError,
)
from insights.core.request import ChatRequest
from insights.plan import Candidate, Plan, State
from insights.routing.breaker import Breaker, is_trouble
from insights.spending.spending import entry_of, settled, warn_unpriced

if TYPE_CHECKING:
    from collections.abc import Callable

    from insights.adapters.models.base import LiteLLMChatModel
    from insights.adapters.models.egress import Endpoint
    from insights.core.types import Attempt, Cost, ModelResponse, Usage
    from insights.spending.budget import Reservation


UNSAID: Final = 5.0  # seconds that a key rests whose provider didn't say how long


def ask(state: State, candidate: Candidate, model: LiteLLMChatModel, where: Endpoint) -> FlowGenerator[ModelResponse]:
    """As many attempts as the policy, the retry budget and the breaker allow.

    Raises:
        InsightsError: the last attempt's.
    """
    plan = state.plan
    if not transport.loaded():
        # Once in a process, seconds: litellm's import is nothing that a provider should be blamed for.
        begun = plan.clock()
        yield Blocking(transport.load)
        state.started += plan.clock() - begun
    elsewhere = "" if model.at_home else where.base
    breaker = plan.breakers.of(model.provider, model.upstream, elsewhere) if plan.breakers else None
    number = 0
    while True:
        number += 1
        before = state.errors[-1] if state.errors else None
        try:
            found = yield from _once(state, candidate, model, where, breaker, number)
        except BudgetExceededError as error:
            if number == 1 or before is None:
                raise
            # Something was sent before: what became of it is what the caller has to know.
            state.trace.notes.append(f"not asked again: {error.message}")
            raise before from None
        if not isinstance(found, float):
            return found
        state.trace.attempts[-1].waited = found
        yield Sleep(found)


def _once(
    state: State, candidate: Candidate, model: LiteLLMChatModel, where: Endpoint, breaker: Breaker | None, number: int
) -> FlowGenerator[ModelResponse | float]:
    """One attempt: the answer, or the seconds to wait before the next.

    Raises:
        InsightsError: it failed, and there is to be no other.
    """
    plan, who = state.plan, object()
    _enter(state, model, breaker, who)
    try:
        held = yield from _hold(state, model, candidate.request)
    except BaseException:
        if breaker is not None:
            breaker.leave(who)
        raise
    attempt = _begin(state, candidate, model, breaker)
    begun = plan.clock()
    try:
        told = partial(breaker.succeed, who) if breaker is not None else None
        found = yield from _attempt(state, model, candidate.request, where, attempt, told)
    except InsightsError as error:
        attempt.duration = plan.clock() - begun
        attempt.error, attempt.message = type(error).__name__, error.message
        state.errors.append(error)
        yield from _paid_for_nothing(state, model, candidate.request, attempt, held, error)
        may_retry = _tell(state, model, where, breaker, who, error, attempt.duration)
        may_retry = _tell_spread(plan, candidate, model, error) and may_retry
        wait = None
        if isinstance(error, APIError):
            attempt.status_code = error.status_code
            if may_retry and not state.committed:
                wait = plan.retry.wait(error, number, state.left)
        attempt.decision = "stop" if wait is None else "retry"
        if wait is None:
            raise
        return float(wait)
    except BaseException:
        if breaker is not None:
            breaker.leave(who)  # given up: that says nothing of the provider
        attempt.duration, attempt.decision = plan.clock() - begun, "cancelled"
        _left(state, model, candidate.request, attempt, held)
        raise
    attempt.duration = plan.clock() - begun
    if breaker is not None:
        breaker.succeed(who)
    plan.budgets.of(model.provider, where.base).succeed()
    _tell_spread(plan, candidate, model, None)
    yield from _answered(state, candidate, model, attempt, held, found)
    return found


def _answered(
    state: State, candidate: Candidate, model: LiteLLMChatModel, attempt: Attempt, held: Reservation, found: ModelResponse
) -> FlowGenerator[None]:
    """The price of an answer, in the ledger before anybody has it."""
    _finish(found, model, candidate.request, attempt.started)
    attempt.status_code, attempt.decision, attempt.cost = 200, "answer", found.cost
    state.trace.notes.extend(found.trace.notes)
    found.trace = state.trace
    spending = state.plan.spending
    if spending.counts and not model.replayed:
        about = attempt.started, "answer", model.provider, model.upstream
        yield from settled(held, entry_of(spending, *about, found.usage, found.cost, held.usd))
    else:
        held.settle(held.usd if found.cost is None else found.cost.total)


def _hold(state: State, model: LiteLLMChatModel, request: ChatRequest) -> FlowGenerator[Reservation]:
    """Reserves what an attempt can cost at most, where there is a limit.

    Raises:
        BudgetExceededError: it doesn't fit; nothing was sent.
    """
    spending = state.plan.spending
    most, unknown, limited = None, "", True
    if spending.limits.any:
        from insights.catalog.estimate import bounds

        found = bounds(model.info, model.provider, request)
        most, unknown = found.high, found.unknown
        limited = any(name in request.params for name in ("max_tokens", "max_completion_tokens"))
    name = f"{model.provider}/{model.upstream}"
    try:
        return (yield from spending.hold(most, max(state.left, 0.0), name, unknown, limited=limited))
    except InsightsError as error:
        state.skip(model, error)
        raise


def _paid_for_nothing(
    state: State,
    model: LiteLLMChatModel,
    request: ChatRequest,
    attempt: Attempt,
    held: Reservation,
    error: InsightsError,
) -> FlowGenerator[None]:
    """An attempt that failed is paid for all the same, where the provider has counted tokens, or was left with a request."""
    usage = error.usage if isinstance(error, APIError) else None
    if model.replayed or (usage is None and not _may_be_billed(model, attempt, error)):
        yield from settled(held, None)
        return
    if usage is None:  # it costs something, and nobody says how much
        about = attempt.started, "failed", model.provider, model.upstream
        yield from settled(held, entry_of(state.plan.spending, *about, None, None, _most(model, request, held)))
        return
    attempt.cost = _cost(model, usage, request.params.get("service_tier"), attempt.started)
    about = attempt.started, "failed", model.provider, model.upstream
    yield from settled(held, entry_of(state.plan.spending, *about, usage, attempt.cost, held.usd))


def _left(state: State, model: LiteLLMChatModel, request: ChatRequest, attempt: Attempt, held: Reservation) -> None:
    """An attempt that was given up. What had been sent costs something, and nobody will say how much."""
    if not model.sent or model.replayed:
        held.settle(Decimal(0))
        return
    about = attempt.started, "failed", model.provider, model.upstream
    most = _most(model, request, held) if attempt.time_to_first_token is not None else held.usd
    held.settle(most, entry_of(state.plan.spending, *about, None, None, most))


def _may_be_billed(model: LiteLLMChatModel, attempt: Attempt, error: InsightsError) -> bool:
    """Whether the provider had the request, and didn't refuse it: it may have answered, and nobody heard it."""
    if attempt.time_to_first_token is not None:
        return True
    cut = Timeout | APIConnectionError | APIResponseValidationError | TruncatedStreamError
    return model.sent and isinstance(error, cut) and not getattr(error, "unsent", False)


def _most(model: LiteLLMChatModel, request: ChatRequest, held: Reservation) -> Decimal:
    """What counts against budgets where nobody knows the cost: what was reserved, or what the attempt can have cost at most."""
    if held.usd or model.info is None:
        return held.usd
    from insights.catalog.estimate import bounds

    return bounds(model.info, model.provider, request).high or Decimal(0)


def _begin(state: State, candidate: Candidate, model: LiteLLMChatModel, breaker: Breaker | None) -> Attempt:
    attempt = state.begin(model)
    attempt.breaker = "closed" if breaker is None else breaker.health.state
    attempt.deployment = None if candidate.deployment is None else candidate.deployment.number
    return attempt


def _enter(state: State, model: LiteLLMChatModel, breaker: Breaker | None, who: object) -> None:
    """Asks the breaker for leave.

    Raises:
        CircuitOpenError: the provider has been failing, and isn't asked for now.
    """
    left = None if breaker is None else breaker.enter(who)
    if left is not None:
        how_long = f"for {left:.0f} more seconds" if left else "while another call sees whether it is back"
        error = CircuitOpenError(
            f"most of its last attempts failed, so it isn't asked {how_long}",
            provider=model.provider,
            model=model.upstream,
            retry_after=left,
        )
        state.skip(model, error)
        state.trace.attempts[-1].breaker = "open"
        raise error


def _tell(
    state: State,
    model: LiteLLMChatModel,
    where: Endpoint,
    breaker: Breaker | None,
    who: object,
    error: InsightsError,
    duration: float,
) -> bool:
    """Tells breaker and budget of a failure; whether they allow another attempt."""
    if not isinstance(error, APIError):
        if breaker is not None:
            breaker.leave(who)
        return False
    if breaker is not None:
        if isinstance(error, Timeout) and state.committed:
            breaker.leave(who)  # the time may have gone where the stream was read
        elif is_trouble(error, duration):
            breaker.fail(who)
        elif error.status_code is not None:
            breaker.succeed(who)
        else:
            breaker.leave(who)
        if breaker.health.state != "closed":
            return False
    if not error.retryable:
        return False
    if state.plan.budgets.of(model.provider, where.base).fail():
        return True
    state.trace.notes.append(f"the retry budget of {model.provider} is used up: too many attempts failed lately")
    return False


def _tell_spread(plan: Plan, candidate: Candidate, model: LiteLLMChatModel, error: InsightsError | None) -> bool:
    """Tells whose turn is next what this key has left; whether it is this one's again, should there be another attempt."""
    if candidate.deployment is None:
        return True
    plan.spread.learn(candidate.deployment.name, model.told)
    if isinstance(error, RateLimitError):
        plan.spread.rest(candidate.deployment.name, error.retry_after or UNSAID)
        return not candidate.spare
    return True


def _attempt(
    state: State,
    model: LiteLLMChatModel,
    request: ChatRequest,
    where: Endpoint,
    attempt: Attempt,
    on_content: Callable[[], None] | None,
) -> FlowGenerator[ModelResponse]:
    from insights.adapters.models.decoder import Progress

    plan = state.plan
    if state.left <= 0:
        raise Timeout("no time is left for another attempt", provider=model.provider, model=model.upstream)
    begun = plan.clock()
    until = state.until if plan.attempt_timeout is None else min(state.until, begun + plan.attempt_timeout)
    if not request.stream:
        found = yield from model.attempt(request, where, until=until, drop_params=plan.drop_params)
        judge(found)
        _let_others_answer(state, model, found)
        return found
    # A stream that has begun says that the provider is back; its reader may take its time.
    progress = Progress() if on_content is None else Progress(on_content=on_content)
    try:
        found = yield from model.attempt_stream(
            request,
            where,
            until=until,
            idle=plan.stream_idle_timeout,
            drop_params=plan.drop_params,
            progress=progress,
        )
        judge(found)
    finally:
        state.committed = state.committed or progress.content
        attempt.time_to_first_token = None if progress.first is None else max(progress.first - begun, 0.0)
    for chunk in progress.held:
        yield Emit(chunk)
    return found


def _let_others_answer(state: State, model: LiteLLMChatModel, found: ModelResponse) -> None:
    """Where others are named for refused content, an answer with nothing in it but the refusal is one.

    Raises:
        ContentPolicyViolationError: so that they are asked.
    """
    filtered = all(choice.finish_reason == "content_filter" and not choice.message.content for choice in found.choices)
    if filtered and state.plan.fallbacks.content_policy and len(state.tried) == 1:
        error = ContentPolicyViolationError(
            "the provider filtered the whole answer", provider=model.provider, model=model.upstream, status_code=200
        )
        error.usage = found.usage
        raise error


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
    error = EmptyResponseError("the answer is empty", provider=found.provider, model=found.model, status_code=200)
    error.usage = found.usage
    raise error


def _finish(found: ModelResponse, model: LiteLLMChatModel, request: ChatRequest, started: float) -> None:
    found._parse_as = request.parse_as
    if found.usage is not None:
        found.cost = _cost(model, found.usage, found.get("service_tier") or request.params.get("service_tier"), started)
    if found.usage is None:
        found.trace.notes.append(f"{model.provider} reported no usage, so the cost is unknown")
    elif found.cost is None:
        name = f"{model.provider}/{model.upstream}"
        tier = str(found.get("service_tier") or request.params.get("service_tier") or "")
        of_tier = tier if tier in TIERS and model.info is not None and "cost_input_per_1k" in model.info.prices else ""
        found.trace.notes.append(f"no {of_tier}{' ' * bool(of_tier)}price is known for {name}")
        warn_unpriced(name, of_tier)


def _cost(model: LiteLLMChatModel, usage: Usage, tier: object, started: float) -> Cost | None:
    """What the tokens cost on the day of the attempt; None where no price is known."""
    if model.info is None:
        return None
    day = datetime.fromtimestamp(started, UTC).date()
    return price_of(model.info, usage, str(tier) if tier else None, on=day)
