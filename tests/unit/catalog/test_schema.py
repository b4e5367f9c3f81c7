"""The readers of single values, at their edges. Whole files are in test_loader."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.catalog import schema


@given(st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False))
def test_a_price_written_out_is_read_exactly(value: Decimal) -> None:
    assert schema.price(f"{value:f}") == value


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("128000", 128_000), ("1_000_000", 1_000_000)])
def test_whole(text: str, number: int) -> None:
    assert schema.whole(text) == number


@pytest.mark.parametrize("value", ["", "_", "-1", "1.0", "1e3", " 1", "0x10", "\u0966", None, 1, ["1"]])
def test_not_whole(value: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        schema.whole(value)


@pytest.mark.parametrize("value", [None, [], {}, 1.5])
def test_no_text(value: Any) -> None:
    for reader in (schema.text, schema.maybe_text):
        with pytest.raises(ValueError, match="expected a text"):
            reader(value)


def test_an_empty_text_is_one_only_where_it_may_be() -> None:
    assert schema.maybe_text("") == ""
    with pytest.raises(ValueError, match="expected a text"):
        schema.text(" ")


@pytest.mark.parametrize(("value", "read"), [("true", True), ("false", False)])
def test_flags(value: str, read: bool) -> None:
    assert schema.flag(value) is read


@pytest.mark.parametrize("value", ["True", "yes", "no", "on", "1", "", None, True])
def test_no_flags(value: Any) -> None:
    with pytest.raises(ValueError, match="true or false"):
        schema.flag(value)


def test_every_key_has_a_reader() -> None:
    readers = [*schema.PROVIDER_KEYS.values(), *schema.MODEL_KEYS.values(), *schema.TIER_KEYS.values()]
    for reader in readers:
        with pytest.raises(ValueError, match=r"expected|price"):
            reader({"a": "mapping"})
    assert set(schema.PRICES) <= set(schema.MODEL_KEYS)
    assert set(schema.TIER_KEYS) == {"above", *schema.PRICES}
