"""What a call has to do with money: the ledger it is written into, the limits it keeps, and its tags."""

from __future__ import annotations

import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from insights.core.effects import Blocking, FlowGenerator
from insights.core.errors import BadRequestError
from insights.spending.budget import Limits, Reservation, reserve
from insights.spending.entries import Entry
from insights.spending.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from insights.core.types import Cost, Usage

_unpriced: Final[set[tuple[str, str]]] = set()


@dataclass(frozen=True)
class Spending:
    """Of one call."""

    ledger: Ledger | None = None
    limits: Limits = field(default_factory=Limits)
    tags: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether what an attempt costs is of any interest."""
        return self.ledger is not None or self.limits.any

    def hold(
        self, usd: Decimal | None, seconds: float, what: str, unknown: str = "", *, limited: bool = True
    ) -> FlowGenerator[Reservation]:
        """Reserves what an attempt can cost at most; nothing where there are no limits. See `budget.reserve`.

        Raises:
            BudgetExceededError: it doesn't fit.
        """
        ask = partial(
            reserve, self.limits, usd, self.ledger, seconds=seconds, tags=self.tags, what=what, unknown=unknown, limited=limited
        )
        if self.limits.days:  # in a file, where one may have to wait for others
            asked = _Asked(ask)
            try:
                held: Reservation = yield Blocking(asked)
            except BaseException:
                asked.give_up()
                raise
            return held
        return ask() if self.limits.any else Reservation(self.limits, Decimal(0), 0, self.ledger)

    def saved(self, provider: str, model: str, cost: Cost | None) -> None:
        """Notes an answer from the cache."""
        if self.ledger is not None:
            self.ledger.note_saved(provider, model, cost.saved if cost is not None else Decimal(0), self.tags)


class _Asked:
    """A reservation that is asked for in another thread, by a call that may be given up meanwhile."""

    def __init__(self, ask: Callable[[], Reservation]) -> None:
        self._ask, self._lock = ask, threading.Lock()
        self._held: Reservation | None = None
        self._given_up = False

    def __call__(self) -> Reservation:
        found = self._ask()
        with self._lock:
            self._held = found
            gone = self._given_up
        if gone:
            found.settle(Decimal(0))
        return found

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._given_up = True
            held = self._held
        if held is not None:
            held.settle(Decimal(0))


def settled(held: Reservation, entry: Entry | None) -> FlowGenerator[None]:
    """Gives a reservation back, with what was spent: in the ledger before the answer is out."""
    if entry is None:
        held.settle(Decimal(0))
        return
    counted = entry.assumed if entry.cost is None else entry.cost
    if held.writes:
        try:
            yield Blocking(partial(held.settle, counted, entry))
        except BaseException:
            held.settle(counted, entry)  # given up before its turn came
            raise
    else:
        held.settle(counted)


def entry_of(
    spending: Spending, began: float, kind: str, provider: str, model: str, usage: Usage | None, cost: Cost | None, usd: Decimal
) -> Entry:
    """The line of an attempt that was paid for. `usd` is what was reserved: it counts where the cost isn't known."""
    tokens = (0, 0, 0, 0)
    if usage is not None:
        read, wrote = usage.prompt_tokens_details, usage.completion_tokens_details
        tokens = usage.prompt_tokens, read.cached_tokens, usage.completion_tokens, wrote.reasoning_tokens
    total = None if cost is None else cost.total
    return Entry(began, kind, provider, model, 1, *tokens, total, usd if total is None else Decimal(0), tags=spending.tags)


def warn_unpriced(name: str, tier: str = "") -> None:
    """Warns that no price is known for a model, or none of the service tier that answered; once each in a process."""
    if (name, tier) not in _unpriced:
        _unpriced.add((name, tier))
        with suppress(RuntimeWarning):  # where warnings are errors: a price nobody knows costs no call
            warnings.warn(
                f"no {tier}{' ' * bool(tier)}price is known for {name}, so the cost of its answers is None: "
                "write one into a provider file (INSIGHTS_CONFIG_DIR)",
                RuntimeWarning,
                stacklevel=2,
            )


def given_tags(value: Any) -> tuple[str, ...]:
    """The tags of a call.

    Raises:
        BadRequestError: no texts.
    """
    if value is None:
        return ()
    found = (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple | set | frozenset) else (None,)
    )
    if not all(isinstance(tag, str) and tag.strip() for tag in found):
        raise BadRequestError(f"tags must be texts, got {value!r}", hint="e.g. tags=['exp1']")
    return tuple(sorted(set(found))) if isinstance(value, set | frozenset) else tuple(dict.fromkeys(found))
