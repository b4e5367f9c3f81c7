"""The reviewed explanations: which disagreements they are of, when they go stale, and what is wrong with the file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from insights.catalog.loader import Catalog
from insights.catalog.peers import BASE, Peer, PeerModel
from insights.catalog.price_check import CATCH_UP, FILE, check, read_reviewed
from insights.catalog.schema import Change, ModelInfo, ProviderConfig
from insights.core.errors import ConfigError

TODAY = date(2026, 11, 23)


def prices(**figures: str) -> dict[str, Decimal]:
    return {f"cost_{name}_per_1k": Decimal(value) for name, value in figures.items()}


PLAIN = prices(input="0.001", output="0.002")

HEAD = 'litellm: "1"\ngenai-prices: "2"\nreviewed: 2026-01-31\n'
ENTRY = """\
explained:
  - provider: openai
    peer: litellm
    models: "m*"
    fields: [cost_input_per_1k, "* above 200000"]
    ratio: ["1/2", "3"]
    reason: "because"
    date: 2026-01-30
"""


class OneModel(Catalog):
    """A catalogue with one provider and one model."""

    def __init__(self, info: ModelInfo) -> None:
        super().__init__()
        self.info = info

    def provider(self, name: str) -> Any:
        return ProviderConfig(name, "", "X", models={self.info.name: self.info})


def checked(
    path: Path, text: str, bands: dict[int, dict[str, Decimal]], info: ModelInfo | None = None, on: date = TODAY
) -> Any:
    path.write_text(text)
    peer = Peer("litellm", "1", lambda *_: PeerModel(bands, "s"))
    return check(OneModel(info or ModelInfo("m1", prices=PLAIN)), ["openai"], [peer], read_reviewed(path), on)


def test_an_explanation_fits_and_goes_stale(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    both = {BASE: prices(input="0.0005"), 200_000: prices(input="0.003")}
    report = checked(file, HEAD + ENTRY, both)
    assert report.well
    assert len(report.explained) == 2
    assert report.notes == ["genai-prices is not installed: nothing is compared with it"]

    report = checked(file, HEAD + ENTRY, {BASE: prices(input="0.0005")})
    assert report.stale == ["d.yaml:5: openai and litellm: there is no such disagreement any more: * above 200000"]
    report = checked(file, HEAD + ENTRY, {BASE: prices(input="0.0004")})
    assert [found.figures for found in report.unexplained] == ["0.0004 / 0.001"]
    assert "m*, cost_input_per_1k" in report.stale[0]

    pinned = HEAD + ENTRY.replace('ratio: ["1/2", "3"]', 'figures: ["0.0005 / 0.001", "7 / none"]').replace(
        ', "* above 200000"', ""
    )
    report = checked(file, pinned, {BASE: prices(input="0.0005")})
    assert "7 / none" in report.stale[0]
    assert report.as_dict()["explained"][0]["reason"] == "because"
    assert report.as_dict()["peers"]["litellm"] == {"compared": 1, "lacking": 0, "figures": 1}


def test_another_version_is_said(tmp_path: Path) -> None:
    report = checked(tmp_path / "d.yaml", HEAD.replace('"1"', '"0"') + "explained: []\n", {BASE: PLAIN})
    assert "the explanations were written for litellm 0; this is 1" in report.notes
    peer = Peer("litellm", "1", lambda *_: None)
    without = check(OneModel(ModelInfo("m")), ["openai"], [peer], None, TODAY)
    assert "no file of explanations: every disagreement is printed" in without.notes
    assert (without.models, without.compared) == (1, {"litellm": 0})


def test_a_list_may_follow_a_change_later(tmp_path: Path) -> None:
    begins = date(2026, 11, 1)
    info = ModelInfo("m1", prices=PLAIN, changes=(Change(begins, {**PLAIN, **prices(input="0.005")}),))
    text = HEAD + "explained: []\n"
    for day, behind, open_ in ((begins, 1, 0), (begins + CATCH_UP, 0, 1)):
        report = checked(tmp_path / "d.yaml", text, {BASE: PLAIN}, info, day)
        assert (len(report.behind), len(report.unexplained)) == (behind, open_)
    assert checked(tmp_path / "d.yaml", text, {BASE: prices(input="9")}, info, begins).unexplained


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("peer: litellm", "peer: me", 6, "expected one of litellm, genai-prices"),
        ('["1/2", "3"]', '"1/0"', 9, "expected a ratio"),
        ('["1/2", "3"]', "much", 9, "expected a ratio"),
        ('ratio: ["1/2", "3"]', "figures: 0.1", 9, "expected 'theirs / ours'"),
        ('ratio: ["1/2", "3"]', "figures: 0.10 / 0.2", 9, "expected 'theirs / ours'"),
        ('ratio: ["1/2", "3"]', "figures: 0.1 / 0.20", 9, "with a price or none"),
        ('    ratio: ["1/2", "3"]\n', "", 5, "either figures"),
        ('    reason: "because"\n', "", 5, "needs reason"),
        ("    date:", "    dated:", 11, "did you mean 'date'?"),
        ("reviewed: 2026-01-31\n", "", 1, "needs the versions"),
        (ENTRY, "explained: {a: b}\n", 4, "must be a list"),
    ],
)
def test_a_mistake_in_the_file_says_where(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    file = tmp_path / "d.yaml"
    file.write_text((HEAD + ENTRY).replace(old, new))
    with pytest.raises(ConfigError) as raised:
        read_reviewed(file)
    assert (raised.value.file, raised.value.line) == (str(file), line)
    assert words in f"{raised.value.message} {raised.value.hint}"


def test_ratios_are_exact() -> None:
    assert Fraction(10, 11) in {ratio for why in read_reviewed(FILE).explanations for ratio in why.ratios}
