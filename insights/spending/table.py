"""What was spent, by model, day, tag or provider: a small table, for reading and for working on."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from insights.core.display import short
from insights.core.errors import BadRequestError
from insights.spending.entries import Entry, total
from insights.spending.ledger import Ledger

BY: Final = ("model", "day", "tag", "provider")
COLUMNS: Final = ("calls", "cached", "prompt_tokens", "completion_tokens", "cost", "saved", "unknown")


@dataclass(frozen=True)
class Row:
    """One line. Amounts are USD, exact. `unknown` are paid attempts whose cost nobody knows; `cached` are answers from the
    cache, which cost nothing, and would have cost `saved`."""

    name: str
    calls: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    saved: Decimal
    unknown: int

    def cells(self) -> list[str]:
        """As texts, in the order of `COLUMNS`, the name first."""
        counts = [f"{value:,}" for value in (self.calls, self.cached, self.prompt_tokens, self.completion_tokens)]
        amounts = [f"${short(value)}" for value in (self.cost, self.saved)]
        return [self.name, *counts, *amounts, str(self.unknown) if self.unknown else ""]


class SpendTable(Sequence[Row]):
    """Rows in the order of what was spent, days in their own order. `total` is all of it; `pandas()` is a DataFrame."""

    def __init__(self, by: str, rows: Sequence[Row], total: Row) -> None:
        self.by, self._rows, self.total = by, list(rows), total

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def pandas(self) -> Any:
        """A `pandas.DataFrame`, amounts as floats.

        Raises:
            ImportError: pandas isn't installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("SpendTable.pandas() needs pandas: pip install pandas") from error

        rows = [{**asdict(row), "cost": float(row.cost), "saved": float(row.saved)} for row in self._rows]
        return pandas.DataFrame(rows, columns=["name", *COLUMNS]).rename(columns={"name": self.by})

    def _table(self) -> list[list[str]]:
        head = [self.by, *COLUMNS]
        rows = [row.cells() for row in self._rows]
        return [head, *rows, self.total.cells()] if len(rows) != 1 else [head, *rows]

    def __repr__(self) -> str:
        table = self._table()
        widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        )

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def spend_table(ledger: Ledger, by: str, since: Any = None) -> SpendTable:
    """What the ledger has.

    Args:
        by: `"model"`, `"day"` (UTC), `"tag"` (a call with several counts in each) or `"provider"`.
        since: a date (UTC), a time, an ISO text of one, or a `timedelta` before now; None for all.

    Raises:
        BadRequestError: another word, or no time. LedgerError: the ledger can't be read.
    """
    if by not in BY:
        raise BadRequestError(f"spend has no by={by!r}", hint=f"it is one of {', '.join(BY)}")
    groups: dict[str, list[Entry]] = {}
    entries = ledger.entries(_moment(since))
    for entry in entries:
        for name in _names(entry, by):
            groups.setdefault(name, []).append(entry)
    rows = [_row(name, group) for name, group in groups.items()]
    rows.sort(key=(lambda row: row.name) if by == "day" else (lambda row: (-row.cost, -row.saved, row.name)))
    return SpendTable(by, rows, _row("total", entries))


def _names(entry: Entry, by: str) -> Sequence[str]:
    if by == "tag":
        return entry.tags or ("(none)",)
    return ({"model": f"{entry.provider}/{entry.model}", "day": entry.day, "provider": entry.provider}[by],)


def _row(name: str, entries: Sequence[Entry]) -> Row:
    paid = [entry for entry in entries if entry.kind != "saved"]
    return Row(
        name,
        sum(entry.calls for entry in entries),
        sum(entry.calls for entry in entries if entry.kind == "saved"),
        sum(entry.prompt_tokens for entry in entries),
        sum(entry.completion_tokens for entry in entries),
        total(entry.cost for entry in paid if entry.cost is not None),
        total(entry.saved for entry in entries),
        sum(entry.cost is None for entry in paid),
    )


def _moment(since: Any) -> float:
    """A Unix time."""
    if since is None:
        return 0.0
    if isinstance(since, str):
        try:
            since = date.fromisoformat(since) if len(since) == len("2026-11-01") else datetime.fromisoformat(since)
        except ValueError:
            raise BadRequestError(f"since={since!r} is no time", hint="e.g. since='2026-11-01'") from None
    try:
        if isinstance(since, timedelta):
            since = datetime.now().astimezone() - since
        if isinstance(since, datetime):
            return since.timestamp()  # without a zone: this machine's
        if isinstance(since, date):
            return datetime(since.year, since.month, since.day, tzinfo=UTC).timestamp()  # as the ledger's days
    except (OverflowError, ValueError, OSError):  # the year 1, or before it
        return 0.0
    raise BadRequestError(f"since is a date, a time or a timedelta, got {type(since).__name__}", hint="e.g. '2026-11-01'")
