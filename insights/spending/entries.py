"""The lines of the ledger, and the tables they stand in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, Final

_MOST: Final = 2**63 - 1  # SQLite's largest integer
_EXACT: Final = Context(prec=200, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])  # whatever the caller's own says

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY,
    time REAL NOT NULL,             -- Unix time, when the attempt began
    day TEXT NOT NULL,              -- of that time, UTC
    kind TEXT NOT NULL,             -- answer, failed, saved
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    calls INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost TEXT,                      -- USD, exact; NULL where it isn't known
    assumed TEXT NOT NULL,          -- USD a budget counts where the cost isn't known
    saved TEXT NOT NULL,            -- USD that answers from the cache would have cost
    tags TEXT NOT NULL              -- a JSON list
);
CREATE INDEX IF NOT EXISTS by_day ON entries (day, id);
CREATE TRIGGER IF NOT EXISTS nothing_is_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS nothing_is_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TABLE IF NOT EXISTS reservations (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    tags TEXT NOT NULL,
    usd TEXT NOT NULL,
    until REAL NOT NULL,            -- Unix time; beyond, its call is over
    process TEXT NOT NULL           -- who holds it: a process id, and when that process began where the system says so
);
"""
COLUMNS: Final = (
    "time, day, kind, provider, model, calls, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost, assumed,"
    " saved, tags"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `time` is a Unix time, amounts are USD; `kind` is `answer`, `failed` (paid all the same) or `saved` (from the
    cache, `calls` of them). `cost` is None where it isn't known, and then `assumed` is what a budget counts."""

    time: float
    kind: str
    provider: str
    model: str
    calls: int = 1
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal | None = None
    assumed: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)
    tags: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """The day of `time`, UTC."""
        return day_of(self.time)

    def row(self) -> tuple[Any, ...]:
        """As it is stored."""
        said = self.calls, self.prompt_tokens, self.cached_tokens, self.completion_tokens, self.reasoning_tokens
        counts = [min(max(count, -_MOST), _MOST) for count in said]  # a provider may say anything
        amounts = None if self.cost is None else f"{self.cost:f}", f"{self.assumed:f}", f"{self.saved:f}"
        model = self.model.encode("utf-8", "backslashreplace").decode()  # SQLite takes no halves of surrogates
        return self.time, self.day, self.kind, self.provider, model, *counts, *amounts, json.dumps(list(self.tags))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """A sum, exact whatever the caller's decimal context is.

    >>> total([Decimal("0.1"), Decimal("1e-40")])
    Decimal('0.1000000000000000000000000000000000000001')
    """
    found = Decimal(0)
    for each in amounts:
        found = _EXACT.add(found, each)
    return found


def day_of(moment: float) -> str:
    """The day of a Unix time, UTC, as 2026-01-31."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def entry_of_row(row: Sequence[Any]) -> Entry:
    """An entry as it was stored."""
    began, _, kind, provider, model, calls, prompt, cached, completion, reasoning, cost, assumed, saved, tags = row
    amounts = None if cost is None else Decimal(cost), Decimal(assumed), Decimal(saved)
    return Entry(
        began, kind, provider, model, calls, prompt, cached, completion, reasoning, *amounts, tags=tuple(json.loads(tags))
    )
