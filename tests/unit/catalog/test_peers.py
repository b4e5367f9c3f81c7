"""Other price lists in our terms, and the check that runs over the whole catalogue."""

from __future__ import annotations

import importlib.metadata
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from insights.adapters.models.factory import Provider
from insights.catalog.disagreements import billed, compare, number
from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.peers import (
    _GENAI,
    _LITELLM,
    BASE,
    Peer,
    PeerModel,
    genai_model,
    genai_prices,
    litellm_map,
    litellm_model,
    peers,
)
from insights.catalog.price_check import FILE, Reviewed, check, read_reviewed
from insights.catalog.schema import PRICES, ModelInfo, Tier

TODAY = date(2026, 11, 23)
NAMES = [provider.value for provider in Provider]


def prices(**figures: str) -> dict[str, Decimal]:
    return {f"cost_{name}_per_1k" if not name.startswith("per_") else f"cost_{name}": Decimal(v) for name, v in figures.items()}


# ---------------------------------------------------------------- the whole catalogue; this is what CI runs


@pytest.fixture(scope="module")
def reviewed() -> Reviewed:
    return read_reviewed(FILE)


@pytest.mark.parametrize("name", ["litellm", "genai-prices"])
def test_every_disagreement_is_explained(name: str, reviewed: Reviewed) -> None:
    installed = importlib.metadata.version(name)
    if installed != reviewed.versions[name]:
        pytest.skip(f"the explanations were written for {name} {reviewed.versions[name]}; this is {installed}")
    asked = [peer for peer in peers(reviewed.day) if peer.name == name]
    report = check(Catalog(), NAMES, asked, reviewed, reviewed.day)
    assert not report.unexplained, "\n".join(map(str, report.unexplained))
    assert not report.stale, "\n".join(report.stale)
    assert not report.behind
    assert report.models == sum(len(Catalog().provider(provider).models) for provider in NAMES)
    # A peer that is suddenly understood no more must not pass for one that agrees.
    assert report.compared[name] >= {"litellm": 480, "genai-prices": 370}[name]
    assert report.figures[name] >= {"litellm": 3000, "genai-prices": 2000}[name]
    differ = Counter(found.provider for found, _ in report.explained)
    print(f"{name} {installed}: {report.compared[name]} of {report.models} models, {report.figures[name]} figures, {differ}")


def test_the_reviewed_file_is_no_provider_and_not_shipped(reviewed: Reviewed) -> None:
    assert FILE.is_file()
    assert FILE.parent != shipped_directory()
    assert not (shipped_directory() / FILE.name).exists()
    assert {why.provider for why in reviewed.explanations} <= set(NAMES)
    assert all(len(why.reason) > 30 for why in reviewed.explanations)
    assert all(why.day <= reviewed.day for why in reviewed.explanations)


def test_every_provider_has_its_place_in_the_tables() -> None:
    assert set(_LITELLM) <= set(NAMES)
    assert set(_GENAI) <= set(_LITELLM)
    assert set(_LITELLM) - set(_GENAI) == {"huggingface", "ollama"}
    assert len(_LITELLM) >= 20


# ---------------------------------------------------------------- litellm


def test_a_row_of_litellm() -> None:
    row: dict[str, Any] = {
        "input_cost_per_token": Decimal("1.25e-06"),
        "output_cost_per_token": Decimal("1e-05"),
        "cache_read_input_token_cost": Decimal("1.25e-07"),
        "cache_creation_input_token_cost": Decimal("1.5e-06"),
        "cache_creation_input_token_cost_above_1hr": Decimal("2.5e-06"),
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": Decimal("5e-06"),
        "input_cost_per_token_above_200k_tokens": Decimal("2.5e-06"),
        "input_cost_per_token_above_200k_tokens_priority": Decimal("9e-06"),
        "input_cost_per_token_batches": Decimal("6e-07"),
        "cache_read_input_token_cost_flex": Decimal("6e-08"),
        "cache_creation_input_token_cost_batches": Decimal("1e-06"),  # no name in the catalogue
        "output_cost_per_reasoning_token": Decimal("2e-05"),
        "input_cost_per_audio_token": Decimal("1e-04"),
        "output_cost_per_image_token": Decimal("3e-05"),
        "output_cost_per_image": Decimal("0.04"),  # by picture: likewise
        "input_cost_per_request": Decimal("0.005"),
        "max_input_tokens": 1000,
        "source": "a page",
    }
    found = litellm_model("openai", row)
    assert found is not None
    assert found.source == "a page"
    assert found.bands[BASE] == {
        **prices(input="0.00125", output="0.01", cached_input="0.000125", cache_write="0.0015", cache_write_1h="0.0025"),
        **prices(batch_input="0.0006", flex_cached_input="0.00006", reasoning="0.02", audio_input="0.1", image_output="0.03"),
        **prices(per_request="0.005"),
    }
    assert found.bands[200_000] == prices(input="0.0025", cache_write_1h="0.005", priority_input="0.009")
    above = found.figures(200_000)
    assert (above["cost_input_per_1k"], above["cost_output_per_1k"]) == (Decimal("0.0025"), Decimal("0.01"))
    assert set().union(*found.bands.values()) <= set(PRICES)


def test_litellms_searches_are_requests_at_perplexity_and_searches_at_anthropic() -> None:
    sizes = {f"search_context_size_{size}": Decimal(cost) for size, cost in {"low": "0.005", "high": "0.012"}.items()}
    row = {"input_cost_per_token": Decimal(0), "search_context_cost_per_query": sizes}
    figures = {name: litellm_model(name, row) for name in ("perplexity", "anthropic", "openai")}
    told = {name: {k: v for k, v in found.bands[BASE].items() if "per_1k" not in k} for name, found in figures.items() if found}
    assert told["perplexity"] == prices(per_request_low="0.005", per_request_high="0.012")
    assert told["anthropic"] == prices(per_web_search="0.012")
    assert told["openai"] == {}


def test_litellms_other_name_for_cached_input() -> None:
    row = {"input_cost_per_token": Decimal("3e-07"), "input_cost_per_token_cache_hit": Decimal("6e-09")}
    found = litellm_model("deepseek", row)
    assert found is not None
    assert found.bands[BASE] == prices(input="0.0003", cached_input="0.000006")


def test_a_row_without_a_token_price_is_none() -> None:
    assert litellm_model("openai", {"output_cost_per_image": Decimal(1), "mode": "image_generation"}) is None


def test_the_map_is_read_without_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = "litellm" in sys.modules
    found = litellm_map()
    assert found is not None
    assert ("litellm" in sys.modules) is loaded
    assert found.find("openai", "no-such-model") is None
    assert found.find("nobody", "gpt-4.1") is None
    # A name of another provider's row is not taken for ours.
    assert found.find("anthropic", "gpt-4.1") is None
    row = found.find("openai", "gpt-4.1")
    assert row is not None
    assert row.bands[BASE]["cost_input_per_1k"] == Decimal("0.002")
    empty = ModuleSpec("litellm", None, is_package=True)
    for spec in (None, ModuleSpec("litellm", None), empty):
        monkeypatch.setattr("importlib.util.find_spec", lambda _, spec=spec: spec)
        assert litellm_map() is None


# ---------------------------------------------------------------- genai-prices


def test_a_model_of_genai_prices() -> None:
    found = genai_prices(TODAY)
    assert found is not None
    haiku = found.find("anthropic", "claude-haiku-5-5")
    assert haiku is not None
    assert haiku.bands[BASE]["cost_input_per_1k"] == Decimal("0.0001")
    assert haiku.bands[BASE]["cost_per_web_search"] == Decimal("0.01")
    assert haiku.bands[100_000]["cost_batch_cached_input_per_1k"] == Decimal("0.000025")
    assert found.find("anthropic", "no-such-model") is None
    assert found.find("ollama", "llama3.3") is None
    sonar = found.find("perplexity", "sonar")
    assert sonar is not None
    assert sonar.bands[BASE]["cost_per_request_high"] == Decimal("0.012")


def test_its_prices_are_those_of_the_day() -> None:
    days = (date(2026, 11, 30), date(2026, 12, 1))
    found = [peer.find("gemini", "gemini-4-argon") for day in days if (peer := genai_prices(day))]
    assert [row and row.bands[BASE]["cost_input_per_1k"] for row in found] == [Decimal("0.002"), Decimal("0.004")]


def test_the_dearest_hour_of_the_day() -> None:
    from datetime import time

    from genai_prices.types import ClauseEquals, ConditionalPrice, ModelPrice, TimeOfDateConstraint
    from genai_prices.types import ModelInfo as Theirs

    night, morning = time(0), time(6)
    row = Theirs(
        id="x",
        match=ClauseEquals("x"),
        prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2))),
            ConditionalPrice(TimeOfDateConstraint(night, morning), prices=ModelPrice(input_mtok=Decimal(3))),
        ],
    )
    assert genai_model("deepseek", row, TODAY) == {BASE: prices(input="0.003")}


def test_without_genai_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("genai_prices", "genai_prices.data"):
        monkeypatch.setitem(sys.modules, name, None)
    assert genai_prices(TODAY) is None
    assert [peer.name for peer in peers(TODAY)] == ["litellm"]


# ---------------------------------------------------------------- what is a disagreement

PLAIN = prices(input="0.001", output="0.002")


def differences(info: ModelInfo, bands: dict[int, dict[str, Decimal]]) -> dict[str, str]:
    peer = Peer("litellm", "1", lambda *_: None)
    return {found.name: found.figures for found in compare("openai", info, peer, PeerModel(bands, "a page"))}


def test_what_is_billed_anyway_is_no_disagreement() -> None:
    info = ModelInfo("m", prices=PLAIN)
    same = prices(cached_input="0.001", cache_write_1h="0.001", reasoning="0.002", audio_input="0.001", image_output="0.002")
    assert differences(info, {BASE: {**PLAIN, **same, **prices(per_request="0")}}) == {}
    assert differences(info, {BASE: prices(cached_input="0.0005", per_request="0.01")}) == {
        "cost_cached_input_per_1k": "0.0005 / 0.001",
        "cost_per_request": "0.01 / 0",
    }
    # A service tier without a price is unknown, never the ordinary one.
    assert differences(info, {BASE: prices(batch_input="0.001")}) == {"cost_batch_input_per_1k": "0.001 / none"}


def test_long_prompts_are_compared_above_either_limit() -> None:
    info = ModelInfo("m", prices=PLAIN, tiers=(Tier(200_000, {**PLAIN, **prices(input="0.003")}),))
    assert differences(info, {BASE: PLAIN, 200_000: prices(input="0.003")}) == {}
    assert differences(info, {BASE: PLAIN}) == {"cost_input_per_1k above 200000": "0.001 / 0.003"}
    assert differences(info, {BASE: PLAIN, 128_000: prices(input="0.003")}) == {
        "cost_input_per_1k above 128000": "0.003 / 0.001"
    }


def test_what_a_peer_lacks_is_no_disagreement() -> None:
    assert differences(ModelInfo("m", prices={**PLAIN, **prices(cached_input="0.0001")}), {BASE: PLAIN}) == {}


def test_figures_are_written_out() -> None:
    assert [number(v) for v in (None, Decimal(0), Decimal("1E+1"), Decimal("0.0010"))] == ["none", "0", "10", "0.001"]
    assert billed(PLAIN, "cost_flex_cached_input_per_1k") is None
    [found] = compare(
        "p", ModelInfo("m", prices=PLAIN), Peer("x", "1", lambda *_: None), PeerModel({0: prices(input="9")}, "s")
    )
    assert str(found) == "p/m: cost_input_per_1k: x 9 (s), ours 0.001 (None, checked None)"
