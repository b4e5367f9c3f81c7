"""Dated prices: a call costs what the model cost on its day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.pricing import price_of
from insights.catalog.schema import ModelInfo
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.core.types import Usage

HEAD = "openai:\n  api_base: 'https://x.example/v1'\n  env_key: X_API_KEY\n  models:\n    test-model:\n"  # five lines
ONE_DAY = timedelta(days=1)
THREE_PRICES = """\
      cost_input_per_1k: 0.001
      cost_output_per_1k: 0.004
      cost_cached_input_per_1k: 0.0001
      effective_from: 2026-01-10
      source: first page
      checked: 2026-01-11
      changes:
        - {effective_from: 2026-03-01, cost_input_per_1k: 0.002}
        - effective_from: 2026-06-15
          cost_output_per_1k: 0.008
          source: second page
          checked: 2026-06-14
"""
Read = Callable[[str], ModelInfo]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes one model's rows and reads them."""

    def written(rows: str) -> ModelInfo:
        (tmp_path / "openai.yaml").write_text(HEAD + rows)
        return Catalog(Settings(config_dir=tmp_path)).provider("openai").models["test-model"]

    return written


def cost(info: ModelInfo, day: date, prompt: int = 1_000) -> Decimal | None:
    found = price_of(info, Usage(prompt_tokens=prompt, completion_tokens=1_000), on=day)
    return None if found is None else found.total


@pytest.mark.parametrize(
    ("day", "usd"),
    [
        ("2026-01-09", None),  # before the first day nothing is known
        ("2026-01-10", "0.005"),  # on the day itself
        ("2026-02-28", "0.005"),
        ("2026-03-01", "0.006"),
        ("2026-06-14", "0.006"),
        ("2026-06-15", "0.010"),
        ("2999-12-31", "0.010"),
    ],
)
def test_the_price_of_the_day(read: Read, day: str, usd: str | None) -> None:
    assert cost(read(THREE_PRICES), date.fromisoformat(day)) == (None if usd is None else Decimal(usd))


def test_a_change_keeps_what_it_does_not_change(read: Read) -> None:
    last = read(THREE_PRICES).at(date(2026, 7, 1))
    assert last.prices == {
        "cost_input_per_1k": Decimal("0.002"),
        "cost_output_per_1k": Decimal("0.008"),
        "cost_cached_input_per_1k": Decimal("0.0001"),
    }


def test_a_cost_names_the_source_of_its_price(read: Read) -> None:
    info = read(THREE_PRICES)
    told = {}
    for day in (date(2026, 2, 1), date(2026, 4, 1), date(2026, 7, 1)):
        found = price_of(info, Usage(prompt_tokens=1, completion_tokens=1), on=day)
        assert found is not None
        told[day.month] = (found.price_source, found.price_date)
    assert told == {2: ("first page", "2026-01-11"), 4: ("first page", "2026-01-11"), 7: ("second page", "2026-06-14")}


def test_without_a_first_day_the_first_prices_hold_for_ever_back(read: Read) -> None:
    info = read(THREE_PRICES.replace("      effective_from: 2026-01-10\n", ""))
    assert cost(info, date(1970, 1, 1)) == Decimal("0.005")


def test_the_row_itself_has_its_first_prices(read: Read) -> None:
    info = read(THREE_PRICES)
    assert info.prices["cost_input_per_1k"] == Decimal("0.001")
    assert [change.effective_from.month for change in info.changes] == [3, 6]
    assert info.at(date(2026, 2, 1)).changes == info.changes


def test_today_by_default(read: Read) -> None:
    yesterday, tomorrow = date.today() - ONE_DAY * 2, date.today() + ONE_DAY * 2  # noqa: DTZ011  # wide enough for every zone
    info = read(
        f"      cost_input_per_1k: 0\n      cost_output_per_1k: 0\n      changes:\n"
        f"        - {{effective_from: {yesterday}, cost_input_per_1k: 0.5}}\n"
        f"        - {{effective_from: {tomorrow}, cost_input_per_1k: 0.7}}\n"
    )
    found = price_of(info, Usage(prompt_tokens=1_000))
    assert found is not None
    assert found.total == Decimal("0.5")


# ---------------------------------------------------------------- mistakes

BASE = "      cost_input_per_1k: 1\n      cost_output_per_1k: 1\n"  # lines 6 and 7
MISTAKES = {
    "the same day twice": (
        "      changes:\n        - effective_from: 2026-03-01\n        - effective_from: 2026-03-01\n",
        10,
        "2026-03-01 comes after 2026-03-01",
    ),
    "backwards": (
        "      changes:\n        - effective_from: 2026-03-01\n        - effective_from: 2026-02-01\n",
        10,
        "changes must be in the order of their days",
    ),
    "before the model's own day": (
        "      effective_from: 2026-05-01\n      changes:\n        - effective_from: 2026-03-01\n",
        10,
        "2026-03-01 comes after 2026-05-01",
    ),
    "no day": ("      changes:\n        - cost_input_per_1k: 2\n", 9, "a change needs 'effective_from'"),
    "no list": ("      changes: {effective_from: 2026-03-01}\n", 8, "changes must be a list"),
    "no such key": (
        "      changes:\n        - effective_from: 2026-03-01\n          mode: chat\n",
        10,
        "a change has no key 'mode'",
    ),
    "no such day": ("      changes:\n        - effective_from: 2026-02-30\n", 9, "expected a date"),
    "prices without the tiers'": (
        "      tiers:\n        - {above: 100, cost_input_per_1k: 2}\n      changes:\n"
        "        - {effective_from: 2026-03-01, cost_input_per_1k: 3}\n",
        11,
        "this model has tiers",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_says_where_it_stands(read: Read, name: str, tmp_path: Path) -> None:
    rows, line, words = MISTAKES[name]
    with pytest.raises(ConfigError) as raised:
        read(BASE + rows)
    assert (raised.value.file, raised.value.line) == (str(tmp_path / "openai.yaml"), line)
    assert words in raised.value.message


# ---------------------------------------------------------------- tiers

TIERED = """\
      cost_input_per_1k: 0.001
      cost_output_per_1k: 0
      tiers:
        - {above: 100, cost_input_per_1k: 0.002}
      changes:
        - effective_from: 2026-03-01
          cost_input_per_1k: 0.010
          tiers:
            - {above: 200, cost_input_per_1k: 0.020}
        - {effective_from: 2026-04-01, tiers: []}
        - {effective_from: 2026-05-01, cost_input_per_1k: 0.030}
"""


@pytest.mark.parametrize(
    ("day", "prompt", "per_1k"),
    [
        ("2026-02-01", 100, "0.001"),
        ("2026-02-01", 101, "0.002"),
        ("2026-03-01", 101, "0.010"),  # a list of tiers is a new list, not more of the old one
        ("2026-03-01", 200, "0.010"),
        ("2026-03-01", 201, "0.020"),
        ("2026-04-01", 201, "0.010"),  # an empty list: no tiers any more
        ("2026-05-01", 201, "0.030"),  # and a model without tiers needs none
    ],
)
def test_tiers_of_the_day(read: Read, day: str, prompt: int, per_1k: str) -> None:
    assert cost(read(TIERED), date.fromisoformat(day), prompt) == prompt * Decimal(per_1k) / 1000


def test_a_change_of_source_only_keeps_the_tiers(read: Read) -> None:
    info = read(
        TIERED[: TIERED.index("      changes")] + "      changes:\n        - {effective_from: 2026-03-01, source: seen again}\n"
    )
    now = info.at(date(2026, 3, 1))
    assert (now.tiers, now.source) == (info.tiers, "seen again")


# ---------------------------------------------------------------- the user's directory


def test_a_users_model_has_its_own_changes_only(tmp_path: Path) -> None:
    """A row of the user's replaces the shipped one whole: no change that we ship is laid over a price that he wrote."""
    shipped = [
        (path.stem, name)
        for path in sorted(shipped_directory().glob("*.yaml"))
        if path.stem not in ("aliases", "fallback")
        for name, info in Catalog().provider(path.stem).models.items()
        if info.changes
    ]
    assert shipped, "no shipped model has dated prices: choose another way to test this"
    provider, name = shipped[0]
    ours = Catalog().provider(provider).models[name].changes[-1].effective_from
    (tmp_path / f"{provider}.yaml").write_text(
        f"{provider}:\n  models:\n    {name}:\n      cost_input_per_1k: 0.5\n      cost_output_per_1k: 0\n"
        f"      changes:\n        - {{effective_from: {ours - ONE_DAY}, cost_input_per_1k: 0.25}}\n"
    )
    info = Catalog(Settings(config_dir=tmp_path)).provider(provider).models[name]
    assert [cost(info, ours + ONE_DAY * more) for more in (-2, -1, 0, 1)] == [Decimal("0.5"), *[Decimal("0.25")] * 3]
    # The others are those that are shipped.
    assert [m.changes for m in Catalog(Settings(config_dir=tmp_path)).provider(provider).models.values() if m.name != name] == [
        m.changes for m in Catalog().provider(provider).models.values() if m.name != name
    ]


def test_the_shipped_changes_make_sense() -> None:
    for path in sorted(shipped_directory().glob("*.yaml")):
        if path.stem in ("aliases", "fallback"):
            continue
        for info in Catalog().provider(path.stem).models.values():
            for change in info.changes:
                assert change.source, f"{path.stem}/{info.name}: a price without a source"
                assert change.checked, f"{path.stem}/{info.name}: a price without the day it was checked"
                assert change.prices != info.prices
                for prices in (change.prices, *(tier.prices for tier in change.tiers)):
                    assert {"cost_input_per_1k", "cost_output_per_1k"} <= prices.keys()
                    assert all(0 <= value <= 1 for value in prices.values())


# ---------------------------------------------------------------- any list of changes

FIRST = date(2026, 1, 1)
NAMES = ("cost_input_per_1k", "cost_output_per_1k", "cost_cached_input_per_1k")
FIGURES = st.dictionaries(st.sampled_from(NAMES), st.decimals(min_value=0, max_value=1, places=9).map(lambda v: f"{v:f}"))
TIER_LISTS = st.lists(
    st.tuples(st.integers(1, 50), FIGURES), max_size=3, unique_by=lambda tier: tier[0]
)  # limit and its own prices
CHANGES = st.lists(st.tuples(st.integers(1, 60), FIGURES, TIER_LISTS), max_size=6, unique_by=lambda change: change[0]).map(
    sorted
)


def as_yaml(changes: list[Any], tiers: list[Any]) -> dict[str, Any]:
    """A model's row: prices, tiers and changes, each with a list of tiers."""

    def rows(listed: list[Any]) -> list[dict[str, str]]:
        return [{"above": str(above), **own} for above, own in listed]

    row: dict[str, Any] = dict.fromkeys(NAMES[:2], "0.5")
    row["tiers"] = rows(tiers)
    row["changes"] = [
        {"effective_from": (FIRST + ONE_DAY * day).isoformat(), **own, "tiers": rows(listed)} for day, own, listed in changes
    ]
    return row


def walked(row: dict[str, Any], day: date, prompt: int) -> dict[str, str]:
    """The prices of a day and a prompt, by a plain walk through the row."""
    prices, tiers = {k: v for k, v in row.items() if k.startswith("cost_")}, row["tiers"]
    for change in row["changes"]:
        if date.fromisoformat(change["effective_from"]) > day:
            break
        prices |= {k: v for k, v in change.items() if k.startswith("cost_")}
        tiers = change["tiers"]
    for tier in sorted(tiers, key=lambda t: int(t["above"]), reverse=True):
        if prompt > int(tier["above"]):
            return prices | {k: v for k, v in tier.items() if k != "above"}
    return prices


@given(changes=CHANGES, tiers=TIER_LISTS, on=st.integers(-1, 62), prompt=st.integers(0, 60))
def test_any_list_of_changes(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Any], tiers: list[Any], on: int, prompt: int
) -> None:
    from insights.catalog.pricing import prices_for

    row = as_yaml(changes, tiers)
    folder = tmp_path_factory.mktemp("c")
    (folder / "openai.yaml").write_text(yaml.safe_dump({"openai": {"models": {"test-model": row}}}, sort_keys=False))
    info = Catalog(Settings(config_dir=folder)).provider("openai").models["test-model"]
    day = FIRST + ONE_DAY * on
    right = walked(row, day, prompt)
    assert prices_for(info.at(day), prompt) == {name: Decimal(value) for name, value in right.items()}
    assert cost(info, day, prompt) == (prompt * Decimal(right[NAMES[0]]) + 1_000 * Decimal(right[NAMES[1]])) / 1_000
