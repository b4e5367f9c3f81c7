"""Budgets: what a call may cost is reserved before it is made, so that calls made at once can't overshoot together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Final, Literal

from insights.core.display import short
from insights.core.errors import BadRequestError, BudgetExceededError, LedgerError
from insights.spending.entries import Entry, total
from insights.spending.ledger import Ledger

PERIODS: Final = ("run", "day")

_mutex = threading.Lock()
_here: ContextVar[tuple[budget, ...] | None] = ContextVar("insights_budgets", default=None)
_everywhere: list[budget] = []


def amount(value: Any, name: str = "usd") -> Decimal:
    """An amount of USD, exact.

    Raises:
        BadRequestError: no amount, or a negative one.

    >>> amount(0.1)
    Decimal('0.1')
    """
    try:
        found = Decimal(str(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or found < 0:
        raise BadRequestError(f"{name} must be an amount of USD from 0, got {value!r}", hint=f"e.g. {name}=2.00")
    return found


@dataclass(eq=False)
class Account:
    """What is spent and reserved in this process. USD."""

    spent: Decimal = field(default_factory=Decimal)
    reserved: Decimal = field(default_factory=Decimal)


RUN: Final = Account()
"""What the calls of this process have spent that are under a limit of the settings."""


class budget:
    """No more than so much money for the calls inside the block, sync and async, in all its threads and tasks.

    Before each attempt the most it can cost is reserved; where that doesn't fit, `BudgetExceededError` is raised and nothing
    is sent. Afterwards the reservation gives way to what it did cost. Blocks inside of blocks all hold.

    Args:
        usd: the limit, in USD.
        per: `"run"`: this block. `"day"`: what all processes with the same cache directory spend in a day (UTC) counts, as
            their ledger has it.
        tag: a name. The calls inside have it in the ledger; a day's budget with a tag counts only calls with that tag.

    Attributes:
        spent, reserved, left: USD; of a block per day those of this block only.

    Raises:
        BadRequestError: no amount, or a period there isn't.

    >>> with budget(usd=2.00, tag="exp1") as money:
    ...     money.left
    Decimal('2.0')
    """

    def __init__(self, usd: float | str | Decimal, *, per: Literal["run", "day"] = "run", tag: str | None = None) -> None:
        if per not in PERIODS:
            raise BadRequestError(f"per is one of {', '.join(PERIODS)}, got {per!r}")
        if tag is not None and (not isinstance(tag, str) or not tag.strip()):  # type: ignore[redundant-expr]
            raise BadRequestError(f"tag must be a text, got {tag!r}")
        self.usd, self.account = amount(usd), Account()
        self.per, self.tag = per, tag

    def __repr__(self) -> str:
        named = f", tag={self.tag!r}" if self.tag else ""
        return f"budget(usd={self.usd}, per={self.per!r}{named}, spent={short(self.spent)}, reserved={short(self.reserved)})"

    @property
    def spent(self) -> Decimal:
        """What the calls of this block have cost."""
        return self.account.spent

    @property
    def reserved(self) -> Decimal:
        """What its calls under way may cost."""
        return self.account.reserved

    @property
    def left(self) -> Decimal:
        """What may still be reserved."""
        return total((self.usd, self.spent.copy_negate(), self.reserved.copy_negate()))

    def __enter__(self) -> budget:
        _here.set((*(_here.get() or ()), self))
        _everywhere.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _everywhere.remove(self)
        # No token: blocks of generators need not be left in the order, nor in the context, in which they were entered.
        known = list(_here.get() or ())
        if self in known:
            del known[-1 - known[::-1].index(self)]
            _here.set(tuple(known) or None)

    async def __aenter__(self) -> budget:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def in_force() -> tuple[budget, ...]:
    """The budgets that a call made here has to keep.

    Those of the blocks around it. A thread begins without knowing in which block it was begun: one other than the main
    thread that is in no block of its own keeps all that are open in the process.
    """
    known = _here.get()
    if known is None and _everywhere and threading.current_thread() is not threading.main_thread():
        return tuple(dict.fromkeys(_everywhere))
    # Once each, however often it was entered; and not those that were left in another context.
    return tuple(each for each in dict.fromkeys(known or ()) if each in _everywhere)


@dataclass(frozen=True)
class Limits:
    """What one call has to keep: the blocks it is in, and the limits of the settings. USD; None for none."""

    blocks: tuple[budget, ...] = ()
    per_run: Decimal | None = None
    per_day: Decimal | None = None
    alone: bool = False
    """Whether no other process counts (in a cassette nothing is paid): a day is kept like a run then."""

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.blocks) or self.per_run is not None or self.per_day is not None

    @property
    def tags(self) -> tuple[str, ...]:
        """The names of the blocks."""
        return tuple(block.tag for block in self.blocks if block.tag)

    @property
    def days(self) -> list[tuple[Decimal, str | None]]:
        """The limits of a day, each with the tag whose calls count."""
        if self.alone:
            return []
        found = [(block.usd, block.tag) for block in self.blocks if block.per == "day"]
        return found if self.per_day is None else [*found, (self.per_day, None)]

    @property
    def accounts(self) -> list[tuple[Account, Decimal | None, str | None]]:
        """Those kept in this process, each with its limit (None: it is kept elsewhere) and its name."""
        found = [(block.account, block.usd if block.per == "run" or self.alone else None, block.tag) for block in self.blocks]
        return found if self.per_run is None else [*found, (RUN, self.per_run, None)]


class Reservation:
    """Money set aside for one attempt. `settle` must be called, whatever becomes of it."""

    def __init__(self, limits: Limits, usd: Decimal, number: int, ledger: Ledger | None) -> None:
        self._limits, self.usd, self._number, self._ledger = limits, usd, number, ledger
        self._open = True

    @property
    def writes(self) -> bool:
        """Whether settling it writes a file."""
        return self._ledger is not None

    def settle(self, spent: Decimal, *entries: Entry) -> None:
        """Gives it back, and counts what was spent in its place. A second time does nothing."""
        with _mutex:
            if not self._open:
                return
            self._open = False
            for account, _, _ in self._limits.accounts:
                account.reserved = total((account.reserved, self.usd.copy_negate()))
                account.spent = total((account.spent, spent))
        if self._ledger is None:
            return
        if self._number:
            self._ledger.settle(self._number, *entries)
        elif entries:
            self._ledger.add(*entries)


def reserve(
    limits: Limits,
    usd: Decimal | None,
    ledger: Ledger | None,
    *,
    seconds: float,
    tags: Sequence[str] = (),
    what: str = "",
    unknown: str = "",
    limited: bool = True,
) -> Reservation:
    """Reserves what an attempt can cost at most.

    Args:
        limits: what it has to keep.
        usd: the most it can cost; None where no price is known.
        ledger: where days are kept; None where there is none.
        seconds: after which the attempt is over, whatever happens.
        tags: of the call.
        what: the model, for the error.
        unknown: why nobody knows what it can cost.
        limited: whether the call itself says how long its answer may get.

    Raises:
        BudgetExceededError: it doesn't fit, or nobody knows whether it does.
        LedgerError: a day's budget without a ledger.
    """
    if usd is None:
        raise BudgetExceededError(
            f"what a call of {what} may cost isn't known, so no budget can be kept with it: {unknown or 'no price is known'}",
            hint="write what is missing into a provider file of your own (INSIGHTS_CONFIG_DIR), or make the call outside",
        )
    if limits.days and ledger is None:
        raise LedgerError("a day's budget needs the ledger", hint="don't set INSIGHTS_LEDGER=0")
    kept: list[Account] = []
    with _mutex:
        for account, limit, tag in limits.accounts:
            if limit is not None and total((account.spent, account.reserved, usd)) > limit:
                _give_back(kept, usd)
                raise _exceeded(_Full(limit, account.spent, account.reserved, tag, "run", account is RUN), usd, what, limited)
            account.reserved = total((account.reserved, usd))
            kept.append(account)
    number = 0
    try:
        if limits.days:
            assert ledger is not None
            number, found = ledger.reserve(limits.days, usd, time.time() + seconds, tuple(tags))
            if not number:
                for (limit, tag), (spent, reserved) in zip(limits.days, found, strict=True):
                    if total((spent, reserved, usd)) > limit:
                        ours = tag is None and limit == limits.per_day
                        raise _exceeded(_Full(limit, spent, reserved, tag, "day", ours), usd, what, limited)
    except BaseException:
        with _mutex:
            _give_back(kept, usd)
        raise
    return Reservation(limits, usd, number, ledger)


def _give_back(accounts: Sequence[Account], usd: Decimal) -> None:
    for account in accounts:
        account.reserved = total((account.reserved, usd.copy_negate()))


@dataclass(frozen=True)
class _Full:
    """A limit that something doesn't fit in. `settings`: whether it is one of the settings."""

    limit: Decimal
    spent: Decimal
    reserved: Decimal
    tag: str | None
    per: str
    settings: bool


def _exceeded(full: _Full, asked: Decimal, what: str, limited: bool) -> BudgetExceededError:
    named = f" {full.tag!r}" if full.tag else ""
    where = f" (budget_per_{full.per}, INSIGHTS_BUDGET_PER_{full.per.upper()})" if full.settings else ""
    day = " a day" if full.per == "day" else ""
    left = total((full.limit, full.spent.copy_negate(), full.reserved.copy_negate()))
    rest = f"${short(left)} left" if left > 0 else "nothing left"
    advice = ["raise the budget"]
    if full.reserved:
        advice.append("wait for the calls under way, which have reserved a part of it")
    if limited:
        advice.append("pass a smaller max_tokens=: what it allows is reserved")
    else:
        advice.append("pass max_tokens=: without it all that the model can say is reserved")
    return BudgetExceededError(
        f"the budget{named} of ${short(full.limit)}{day}{where} has {rest}, and a call of {what} may cost ${short(asked)} "
        f"(spent ${short(full.spent)}, reserved for calls under way ${short(full.reserved)})",
        limit=full.limit,
        spent=full.spent,
        reserved=full.reserved,
        asked=asked,
        tag=full.tag,
        per=full.per,
        hint=", or ".join(advice),
    )


def _begin_again() -> None:
    """In a forked child: what is under way is its parent's; nobody here will give it back, or the lock."""
    global _mutex
    _mutex = threading.Lock()
    for account in (RUN, *(block.account for block in _everywhere)):
        account.reserved = Decimal(0)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_again)
