"""Proposed prices: appended, never over what is there, and read again as they were meant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from insights.catalog.loader import Catalog
from insights.catalog.peers import BASE, Peer, PeerModel
from insights.catalog.price_check import FILE, Reviewed, read_reviewed
from insights.catalog.price_update import NewPrices, Proposal, append_change, propose
from insights.core.config import Settings
from insights.core.errors import ConfigError
from tests.processes import REPO

DAY, CHECKED = date(2026, 12, 1), date(2026, 11, 23)
FILE_TEXT = """\
# A file of one's own.
openai:
  api_base: "https://x.example/v1"   # where it is
  env_key: X_API_KEY
  models:
    # the first
    one:
      cost_input_per_1k: 0.001   # cheap
      cost_output_per_1k: 0.002
      capabilities: [streaming,
        tools]   # in two lines

    two:
      cost_input_per_1k: 0.003
      cost_output_per_1k: 0.004
      tiers:
        - {above: 1000, cost_input_per_1k: 0.006}
      changes:
        - {effective_from: 2026-02-01, source: seen}
        # the last one
        - effective_from: 2026-03-01
          cost_output_per_1k: 0.005
          tiers: [{above: 1000, cost_input_per_1k: 0.006}]
      # behind it

    "three:8b": {cost_input_per_1k: 1, cost_output_per_1k: 1}
# the end
"""
Write = Callable[[str], Catalog]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "openai.yaml"
    path.write_text(FILE_TEXT)
    return path


def prices(**figures: str) -> dict[str, Decimal]:
    return {f"cost_{name}_per_1k": Decimal(value) for name, value in figures.items()}


def peer(rows: dict[str, dict[int, dict[str, Decimal]]], name: str = "litellm") -> Peer:
    return Peer(name, "9", lambda _, model: PeerModel(rows[model], "a page") if model in rows else None)


def proposed(file: Path, *asked: Peer, **more: Any) -> Proposal:
    catalog = Catalog(Settings(config_dir=file.parent))
    [found] = propose(catalog, "openai", asked, **{"effective_from": DAY, "checked": CHECKED, **more})
    return found


def added(proposal: Proposal) -> str:
    lines = proposal.diff.splitlines()[2:]
    assert not any(line.startswith("-") for line in lines), "something was taken away"
    return "\n".join(line[1:] for line in lines if line.startswith("+"))


def test_a_price_is_appended_and_nothing_else_touched(file: Path) -> None:
    found = proposed(file, peer({"one": {BASE: prices(input="0.0005", output="0.002", cached_input="0.00005")}}))
    assert found.models == ["one"]
    assert added(found) == (
        "      changes:\n"
        "        - effective_from: 2026-12-01\n"
        "          cost_input_per_1k: 0.0005\n"
        "          cost_cached_input_per_1k: 0.00005\n"
        '          source: "a page via litellm 9"\n'
        "          checked: 2026-11-23"
    )
    # Behind the model's last line, in front of the empty one.
    assert "        tools]   # in two lines\n      changes:\n" in found.new
    assert file.read_text() == FILE_TEXT
    file.write_text(found.new)
    info = Catalog(Settings(config_dir=file.parent)).provider("openai").models["one"]
    assert info.at(DAY).prices == prices(input="0.0005", output="0.002", cached_input="0.00005")
    assert info.at(CHECKED).prices == prices(input="0.001", output="0.002")


def test_after_earlier_changes_and_with_its_tiers(file: Path) -> None:
    found = proposed(file, peer({"two": {BASE: prices(input="0.002")}}))
    assert added(found) == (
        "        - effective_from: 2026-12-01\n"
        "          cost_input_per_1k: 0.002\n"
        "          tiers:\n"
        "            - {above: 1000}\n"
        '          source: "a page via litellm 9"\n'
        "          checked: 2026-11-23"
    )
    assert "tiers: [{above: 1000, cost_input_per_1k: 0.006}]\n        - effective_from: 2026-12-01\n" in found.new


def test_new_tiers(file: Path) -> None:
    rows = {"two": {BASE: prices(input="0.003"), 1000: prices(input="0.007"), 5000: prices(output="0.009")}}
    lines = added(proposed(file, peer(rows))).splitlines()
    assert lines[:4] == [
        "        - effective_from: 2026-12-01",
        "          tiers:",
        "            - {above: 1000, cost_input_per_1k: 0.007}",
        "            - {above: 5000, cost_input_per_1k: 0.007, cost_output_per_1k: 0.009}",
    ]


def test_lists_that_contradict_each_other_propose_nothing(file: Path) -> None:
    one = peer({"one": {BASE: prices(input="0.0005", output="0.003")}})
    other = peer({"one": {BASE: prices(input="0.0007", output="0.003")}}, "genai-prices")
    found = proposed(file, one, other)
    assert found.notes == ["openai/one: cost_input_per_1k: litellm 0.0005, genai-prices 0.0007; ours 0.001: not proposed"]
    assert "cost_output_per_1k: 0.003" in added(found)
    assert "cost_input_per_1k" not in added(found)
    # Who agrees with us speaks too.
    agrees = peer({"one": {BASE: prices(input="0.001")}}, "genai-prices")
    found = proposed(file, peer({"one": {BASE: prices(input="0.0005")}}), agrees)
    assert (found.models, found.diff) == ([], "")


def test_what_is_explained_is_left_alone(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(
        'litellm: "9"\ngenai-prices: "9"\nreviewed: 2026-11-23\nexplained:\n'
        "  - {provider: openai, peer: litellm, models: one, fields: '*', ratio: '1/2', reason: known, date: 2026-11-23}\n"
    )
    reviewed: Reviewed = read_reviewed(path)
    catalog = Catalog(Settings(config_dir=file.parent))
    asked = [peer({"one": {BASE: prices(input="0.0005")}})]
    assert propose(catalog, "openai", asked, effective_from=DAY, checked=CHECKED, reviewed=reviewed) == []


def test_a_later_price_is_there_already(file: Path) -> None:
    found = proposed(file, peer({"two": {BASE: prices(input="0.002")}}), effective_from=date(2026, 3, 1))
    assert (found.models, found.notes) == ([], ["openai/two: has prices from 2026-03-01 on: new ones must begin later"])


def test_prices_of_tiers_that_nobody_names_are_said(file: Path) -> None:
    file.write_text(FILE_TEXT.replace("0.001   # cheap", "0.001\n      cost_batch_input_per_1k: 0.0005"))
    found = proposed(file, peer({"one": {BASE: prices(input="0.0008")}}))
    assert found.notes == ["openai/one: no peer has a new figure for cost_batch_input_per_1k: they stay as they are"]


def test_a_model_in_one_line_is_not_edited(file: Path) -> None:
    with pytest.raises(ConfigError, match="isn't written line by line") as raised:
        proposed(file, peer({"three:8b": {BASE: prices(input="0.5")}}))
    assert raised.value.line == 26


@pytest.mark.parametrize("changes", ["changes: [{effective_from: 2026-02-01}]", "changes: []", "changes:\n      - {}"])
def test_changes_in_one_line_are_not_edited(changes: str) -> None:
    text = f"openai:\n  models:\n    m:\n      {changes}\n"
    new = NewPrices("m", DAY, {BASE: prices(input="1")}, ("cost_input_per_1k",), "s", CHECKED)
    if changes.endswith("{}"):  # a list in the column of its key is one
        assert append_change(text, "f", "openai", new).splitlines()[5] == "      - effective_from: 2026-12-01"
        return
    with pytest.raises(ConfigError, match="isn't a list with a line for each"):
        append_change(text, "f", "openai", new)


@pytest.mark.parametrize("only", ["nobody", "one "])
def test_a_model_that_is_not_there(file: Path, only: str) -> None:
    with pytest.raises(ConfigError, match="has no model"):
        proposed(file, only=[only])
    new = NewPrices(only, DAY, {BASE: prices(input="1")}, ("cost_input_per_1k",), "s", CHECKED)
    with pytest.raises(ConfigError, match="has no model"):
        append_change(FILE_TEXT, "f", "openai", new)
    with pytest.raises(ConfigError, match="not YAML"):
        append_change("a: [", "f", "openai", new)


def test_line_ends_and_a_missing_last_one(file: Path) -> None:
    text = FILE_TEXT[: FILE_TEXT.index("\n    two:")].rstrip().removesuffix("   # in two lines")
    file.write_bytes(text.replace("\n", "\r\n").encode())
    found = proposed(file, peer({"one": {BASE: prices(input="0.0005")}}), only=["one"])
    assert found.new.count("\r\n") == found.new.count("\n")
    assert found.new.startswith(found.old)
    assert "\\ No newline at end of file" in found.diff


def test_a_text_in_many_lines_is_left_whole(file: Path) -> None:
    text = FILE_TEXT.replace("    two:\n", "      note: |\n        of two\n        lines\n    two:\n").replace(
        "        tools]   # in two lines\n\n", "        tools]\n"
    )
    file.write_text(text)
    found = proposed(file, peer({"one": {BASE: prices(input="0.0005")}}), only=["one"])
    assert "        of two\n        lines\n      changes:\n" in found.new


def test_a_model_is_edited_where_its_row_is(tmp_path: Path) -> None:
    """The user's file has some of the provider's models; for the others it is the shipped one."""
    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "openai.yaml").write_text(
        "openai:\n  models:\n    gpt-4.1:\n      cost_input_per_1k: 5\n      cost_output_per_1k: 8\n"
    )
    catalog = Catalog(Settings(config_dir=tmp_path))
    rows = {name: {BASE: prices(input="0.0001")} for name in ("gpt-4.1", "gpt-4.1-mini")}
    found = propose(catalog, "openai", [peer(rows)], effective_from=DAY, checked=CHECKED)
    assert {p.file: p.models for p in found} == {
        folder / "openai.yaml": ["gpt-4.1"],
        REPO / "configs" / "providers" / "openai.yaml": ["gpt-4.1-mini"],
    }


def test_shipped_models_can_be_edited() -> None:
    """A new price for some of each provider and all with dated prices, with their tiers: appended, and read as it was meant."""
    catalog = Catalog()
    count = 0
    for path in sorted((REPO / "configs" / "providers").glob("*.yaml")):
        if path.stem in ("aliases", "fallback"):
            continue
        listed = list(catalog.provider(path.stem).models.values())
        models = [info.name for number, info in enumerate(listed) if number % 9 == 0 or info is listed[-1] or info.changes]
        bands = {name: {BASE: {"cost_input_per_1k": Decimal("0.123456789")}} for name in models}
        [found] = propose(catalog, path.stem, [peer(bands)], effective_from=date(2990, 1, 1), checked=CHECKED)
        assert found.models == models
        assert added(found).count("effective_from: 2990-01-01") == len(models)
        count += len(models)
    assert count > 80
    assert FILE.is_file()


def test_a_block_that_ends_in_an_empty_list() -> None:
    text = "openai:\n  models:\n    m:\n      cost_input_per_1k: 1\n      aliases: []\n    n: {}\n"
    new = NewPrices("m", DAY, {BASE: prices(input="2")}, ("cost_input_per_1k",), 'a "page"', CHECKED)
    lines = append_change(text, "f", "openai", new).splitlines()
    assert lines[4:7] == ["      aliases: []", "      changes:", "        - effective_from: 2026-12-01"]
    assert lines[8] == '          source: "a \\"page\\""'
    assert lines[-1] == "    n: {}"


def test_what_would_be_read_otherwise_is_not_proposed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NewPrices, "lines", lambda self, indent: [" " * indent + f"- effective_from: {self.effective_from}"])
    with pytest.raises(ConfigError, match="isn't read as it was meant"):
        proposed(file, peer({"one": {BASE: prices(input="0.0005")}}))
