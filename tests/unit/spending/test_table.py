"""What was spent, in a table: by each word, since each time, to the last digit."""

from __future__ import annotations

import builtins
import decimal
import importlib.util
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.core.errors import BadRequestError, LedgerError
from insights.spending.entries import Entry
from insights.spending.ledger import Ledger
from insights.spending.table import COLUMNS, SpendTable, spend_table

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def line(days: int, kind: str, name: str, cost: str | None, *tags: str, saved: str = "0", calls: int = 1) -> Entry:
    provider, _, model = name.partition("/")
    amounts = {"cost": None if cost is None else Decimal(cost), "saved": Decimal(saved)}
    return Entry(
        NOON.timestamp() - days * 86_400, kind, provider, model, calls,
        prompt_tokens=1000, completion_tokens=10, tags=tags, **amounts,  # type: ignore[arg-type]
    )  # fmt: skip


ENTRIES = [
    line(2, "answer", "openai/a", "0.1", "x"),
    line(2, "answer", "openai/b", "0.3", "x", "<b>&"),
    line(1, "failed", "openai/a", "0.02"),
    line(1, "answer", "groq/c", None, "x"),
    line(0, "saved", "openai/a", "0", "x", saved="0.7", calls=7),
    line(0, "answer", "openai/a", "100.00"),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    made.add(*ENTRIES)
    yield made
    made.close()


def rows(table: SpendTable) -> list[tuple[Any, ...]]:
    return [(row.name, row.calls, row.cached, str(row.cost), str(row.saved), row.unknown) for row in table]


EXPECTED = {
    "model": [
        ("openai/a", 10, 7, "100.12", "0.7", 0),
        ("openai/b", 1, 0, "0.3", "0", 0),
        ("groq/c", 1, 0, "0", "0", 1),
    ],
    "provider": [("openai", 11, 7, "100.42", "0.7", 0), ("groq", 1, 0, "0", "0", 1)],
    "day": [
        ("2026-11-08", 2, 0, "0.4", "0", 0),
        ("2026-11-09", 2, 0, "0.02", "0", 1),
        ("2026-11-10", 8, 7, "100.00", "0.7", 0),
    ],
    "tag": [("(none)", 2, 0, "100.02", "0", 0), ("x", 10, 7, "0.4", "0.7", 1), ("<b>&", 1, 0, "0.3", "0", 0)],
}


@pytest.mark.parametrize("by", EXPECTED)
def test_by_each_word(ledger: Ledger, by: str) -> None:
    table = spend_table(ledger, by)
    assert rows(table) == EXPECTED[by]
    assert (table.by, len(table), table[0].name) == (by, len(EXPECTED[by]), EXPECTED[by][0][0])
    total = table.total
    assert (total.calls, total.cached, str(total.cost), str(total.saved), total.unknown) == (12, 7, "100.42", "0.7", 1)
    assert (total.prompt_tokens, total.completion_tokens) == (6000, 60)


@pytest.mark.parametrize(
    ("since", "left"),
    [
        (None, 6),
        (NOON, 2),
        (NOON - timedelta(days=1), 4),
        ((NOON - timedelta(days=1)).isoformat(), 4),
        (NOON.astimezone().replace(tzinfo=None), 2),
        ("2026-11-09T13:00:00+00:00", 2),
        (date(2026, 11, 1), 6),
        ("2026-11-01", 6),
        (date(2026, 11, 20), 0),
        (timedelta(days=-36_500), 0),
        (timedelta(days=365_000), 6),
        (date.min, 6),
        (datetime.min.replace(tzinfo=UTC), 6),
    ],
)
def test_since_each_kind_of_time(ledger: Ledger, since: Any, left: int) -> None:
    total = spend_table(ledger, "model", since).total
    assert total.calls - total.cached + (total.cached > 0) == left, "entries"


@pytest.mark.parametrize("since", ["yesterday", 7, object()])
def test_what_is_no_time(ledger: Ledger, since: Any) -> None:
    with pytest.raises(BadRequestError, match="since"):
        spend_table(ledger, "model", since)


def test_another_word(ledger: Ledger) -> None:
    with pytest.raises(BadRequestError, match="by='week'"):
        spend_table(ledger, "week")


def test_as_text(ledger: Ledger) -> None:
    head, first, *_, last = repr(spend_table(ledger, "model")).splitlines()
    assert head.split() == ["model", *COLUMNS]
    assert first.split() == ["openai/a", "10", "7", "4,000", "40", "$100.12", "$0.7"]
    assert last.split() == ["total", "12", "7", "6,000", "60", "$100.42", "$0.7", "1"]
    with decimal.localcontext() as context:
        context.prec = 2
        assert "$100.12" in repr(spend_table(ledger, "model"))


def test_one_row_needs_no_total(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add(ENTRIES[0])
    assert "total" not in repr(spend_table(ledger, "day"))
    ledger.close()


def test_as_html(ledger: Ledger) -> None:
    found = spend_table(ledger, "tag")._repr_html_()
    assert "<td>&lt;b&gt;&amp;</td>" in found
    assert "<b>" not in found
    assert found.count("<tr>") == 5


def test_an_empty_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    table = spend_table(ledger, "model")
    assert (len(table), table.total.calls, table.total.cost) == (0, 0, Decimal(0))
    assert "total" in repr(table)
    assert "<table>" in table._repr_html_()
    ledger.close()


def test_a_ledger_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(LedgerError, match="can't be read"):
        spend_table(Ledger(tmp_path / "file"), "model")


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_pandas(ledger: Ledger) -> None:
    frame = spend_table(ledger, "model").pandas()
    assert list(frame.columns) == ["model", *COLUMNS]
    assert list(frame["cost"]) == [100.12, 0.3, 0.0]


def test_without_pandas(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="needs pandas: pip install pandas"):
        spend_table(ledger, "model").pandas()


AMOUNTS = st.decimals(0, 10**6, places=20)


@given(st.lists(st.tuples(AMOUNTS | st.none(), AMOUNTS, st.sampled_from("ab"), st.booleans()), max_size=25))
def test_totals_are_exact(tmp_path_factory: pytest.TempPathFactory, found: list[tuple[Any, ...]]) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("money"))
    for cost, saved, model, hit in found:
        if hit:
            ledger.add(Entry(1.0, "saved", "p", model, cost=Decimal(0), saved=saved))
        else:
            ledger.add(Entry(1.0, "answer", "p", model, cost=cost))
    table = spend_table(ledger, "model")
    ledger.close()

    def true(names: str) -> tuple[Fraction, Fraction, int]:
        ours = [each for each in found if each[2] in names]
        paid = [cost for cost, _, _, hit in ours if not hit]
        return (
            sum((Fraction(cost) for cost in paid if cost is not None), Fraction(0)),
            sum((Fraction(saved) for _, saved, _, hit in ours if hit), Fraction(0)),
            paid.count(None),
        )

    for row in [*table, table.total]:
        names = "ab" if row is table.total else row.name.removeprefix("p/")
        assert (Fraction(row.cost), Fraction(row.saved), row.unknown) == true(names)
