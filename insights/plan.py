"""One call, decided, and what it has been through so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from insights.cache.answers import AnswerCache
from insights.cache.control import OFF, Control
from insights.core.errors import InsightsError
from insights.core.request import ChatRequest
from insights.routing.breaker import BREAKERS, Breakers
from insights.routing.fallback import Fallbacks, Other
from insights.routing.retry import BUDGETS, RetryBudgets, RetryPolicy
from insights.routing.spread import SPREAD, Deployment, Spread
from insights.spending.spending import Spending

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.core.types import Attempt, Trace


@dataclass(frozen=True)
class Candidate:
    """A model that may answer: its adapter is made when its turn comes, so that one broken fallback harms no call."""

    name: str
    make: Callable[[], LiteLLMChatModel]
    request: ChatRequest
    deployment: Deployment | None = None
    """Which of several keys or deployments, where there are several."""
    spare: bool = False
    """Whether the next candidate is the same model under another key or deployment."""

    @property
    def just_a_key(self) -> bool:
        """Whether it is only another key for the same model at the same host."""
        return self.deployment is not None and not self.deployment.elsewhere


@dataclass(frozen=True)
class Plan:
    """One call, decided: whom to ask in which order, until when, and with which cache. All times are seconds."""

    candidates: Sequence[Candidate]
    add: Callable[[str, Mapping[str, Any]], Candidate]
    """Makes a candidate of a model in a list for a kind of failure, and of what it changes of the call."""
    fallbacks: Fallbacks
    retry: RetryPolicy
    timeout: float
    attempt_timeout: float | None = None
    stream_idle_timeout: float | None = None
    hedge_after: float | None = None
    drop_params: bool = False
    cache: AnswerCache | None = None
    control: Control = OFF
    clock: Callable[[], float] = time.monotonic
    breakers: Breakers | None = BREAKERS
    budgets: RetryBudgets = BUDGETS
    spread: Spread = SPREAD
    spending: Spending = field(default_factory=Spending)


@dataclass
class State:
    """What a call has been through so far."""

    plan: Plan
    trace: Trace
    started: float
    failures: list[InsightsError] = field(default_factory=list)
    """The last error of each candidate."""
    errors: list[InsightsError] = field(default_factory=list)
    """Every attempt's own error."""
    tried: list[str] = field(default_factory=list)
    listed: list[Other] = field(default_factory=list)
    """What the lists for kinds of failure have put into the queue; nobody is put there twice."""
    skips: list[InsightsError] = field(default_factory=list)
    """The errors of candidates that weren't asked at all."""
    committed: bool = False
    """Whether the caller has seen content of a stream: from then on nobody else may answer."""

    @property
    def until(self) -> float:
        """The deadline."""
        return self.started + self.plan.timeout

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.until - self.plan.clock()

    def begin(self, model: LiteLLMChatModel) -> Attempt:
        """A new attempt in the trace."""
        from insights.core.types import Attempt

        attempt = Attempt(model=model.upstream, provider=model.provider, started=time.time(), decision="pending")
        self.trace.attempts.append(attempt)
        return attempt

    def note(self, error: InsightsError) -> None:
        """Keeps an error, unless an attempt has done so already."""
        if not any(error is known for known in self.errors):
            self.errors.append(error)

    def skip(self, model: LiteLLMChatModel, error: InsightsError) -> None:
        """A candidate that isn't asked, and why."""
        attempt = self.begin(model)
        attempt.decision, attempt.error, attempt.message = "skip", type(error).__name__, error.message
        self.errors.append(error)
        self.skips.append(error)
