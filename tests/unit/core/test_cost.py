"""A cost as the number it is: against Decimals worked out by hand."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from typing import Any

import pytest

from insights.core.types import Cost, ModelResponse

tenth = Cost(total=Decimal("0.1"), input=Decimal("0.1"))
small = Cost(total=Decimal("0.0012"))


@pytest.mark.parametrize("same", [Decimal("0.1"), 0.1, Decimal("0.10"), Cost(total=Decimal("0.1"), input=Decimal("0.1"))])
def test_equal(same: Any) -> None:
    assert tenth == same
    assert same == tenth
    assert tenth <= same <= tenth
    assert tenth >= same >= tenth
    assert (tenth != same) is False
    assert not tenth < same
    assert not tenth > same
    if not isinstance(same, float):
        assert hash(tenth) == hash(same)


@pytest.mark.parametrize("more", [Decimal("0.2"), 0.2, 1, Cost(total=Decimal("0.2")), float("inf"), 0.10000000000000002])
def test_less(more: Any) -> None:
    assert tenth < more
    assert tenth <= more
    assert more > tenth
    assert more >= tenth
    assert not tenth > more
    assert not tenth >= more
    assert tenth != more


def test_a_hit_costs_nothing_and_is_known() -> None:
    hit = ModelResponse(cached=True, cost=Cost(saved=Decimal("0.5")))
    assert hit.cost == 0
    assert hit.cost == 0.0
    assert hit.cost
    assert hit.cost_saved == Decimal("0.5")
    assert hit.cost != ModelResponse(cost=Cost()).cost  # another field differs
    assert ModelResponse().cost != 0


def test_what_is_no_number() -> None:
    others: tuple[Any, ...] = ("0.1", None, [])
    for other in (*others, 1j):
        assert tenth != other
    for other in others:
        with pytest.raises(TypeError):
            tenth + other
        with pytest.raises(TypeError):
            bool(tenth < other)
    nan = float("nan")
    assert tenth != nan


@pytest.mark.parametrize("two", [2, 2.0, Decimal(2), Cost(total=Decimal(2))])
def test_sums(two: Any) -> None:
    wanted: list[tuple[Callable[[], Any], str]] = [
        (lambda: tenth + two, "2.1"),
        (lambda: two + tenth, "2.1"),
        (lambda: tenth - two, "-1.9"),
        (lambda: two - tenth, "1.9"),
        (lambda: tenth * two, "0.2"),
        (lambda: two * tenth, "0.2"),
        (lambda: tenth / two, "0.05"),
        (lambda: two / tenth, "20"),
    ]
    for work, text in wanted:
        found = work()
        assert isinstance(found, Decimal)
        assert found == Decimal(text)


def test_a_float_is_what_is_written() -> None:
    assert tenth + 0.2 == Decimal("0.3")
    assert tenth - 0.1 == 0
    assert tenth * 0.1 == Decimal("0.01")
    assert 1e-7 + tenth == Decimal("0.1000001")


def test_the_rest_of_a_number() -> None:
    assert sum([tenth, small]) == sum([tenth, small], 0.0) == sum([tenth, small], Decimal(0)) == Decimal("0.1012")
    assert round(small, 3) == Decimal("0.001")
    assert str(round(small, 6)) == "0.001200"
    assert round(Cost(total=Decimal("1.7"))) == 2
    assert abs(Cost(total=Decimal(-1))) == -Cost(total=Decimal(-1)) == 1
    assert max(tenth, small) is tenth
    assert sorted([tenth, small]) == [small, tenth]
    assert len({tenth, Cost(total=Decimal("0.1"), input=Decimal("0.1")), small}) == 2
    assert {tenth: 1}[copy.deepcopy(tenth)] == 1
    with pytest.raises(ZeroDivisionError):
        tenth / 0
    with pytest.raises((ZeroDivisionError, InvalidOperation)):
        Cost() / 0


def test_the_callers_context_changes_nothing() -> None:
    exact = Cost(total=Decimal("12345.678901234567890123456789012345"))
    with localcontext(Context(prec=3, traps=[Inexact])):
        assert str(exact) == "$12345.678901234567890123456789012345"
        assert f"{exact:.4f}" == "12345.6789"
        assert str(exact + exact) == "24691.357802469135780246913578024690"
        assert str(exact - 1) == "12344.678901234567890123456789012345"
        assert str(exact * 1000) == "12345678.901234567890123456789012345000"
        assert str(exact / 10) == "1234.5678901234567890123456789012345"
        assert str(Cost(total=Decimal(1)) / 3) == "0." + "3" * 28
        assert str(2 / Cost(total=Decimal(3))) == "0." + "6" * 27 + "7"
        assert str(round(exact, 10)) == "12345.6789012346"
        assert str(-exact) == "-" + str(abs(exact)) == "-12345.678901234567890123456789012345"
        assert str(sum([exact, exact], 0.0)) == "24691.357802469135780246913578024690"
        assert exact == exact.total
        assert exact > 12345.6789


def test_as_json_and_back() -> None:
    cost = Cost(total=Decimal("0.00120"), price_source="https://x.test", price_date="2026-11-01")
    assert Cost.model_validate_json(cost.model_dump_json()) == cost
    assert Cost.model_validate(cost.model_dump()) == cost
    assert Cost.model_validate(json.loads(json.dumps(cost.model_dump(mode="json")))) == cost
    assert cost.model_dump()["total"] == Decimal("0.0012")
    assert cost.model_dump(mode="json")["total"] == "0.00120"
    assert pickle.loads(pickle.dumps(cost)) == cost
