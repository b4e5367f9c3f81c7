"""`insights prices`, as a person and as a script would run it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from insights.catalog import peers as peers_module
from insights.catalog import price_check
from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.peers import BASE, Peer, PeerModel
from insights.cli.app import app
from insights.core.config import Settings

run = CliRunner().invoke
OWN = """\
groq:
  models:
    openai/gpt-oss-120b:
      cost_input_per_1k: 0.5   # what we pay
      cost_output_per_1k: 0.6
      source: our contract
      checked: 2026-01-01
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's directory with one row of his own."""
    path = tmp_path / "groq.yaml"
    path.write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path))
    return path


def lists(monkeypatch: pytest.MonkeyPatch, **figures: str) -> None:
    """One price list that has one model, at these prices."""
    told = {f"cost_{name}_per_1k": Decimal(value) for name, value in figures.items()}

    def find(provider: str, model: str) -> PeerModel | None:
        return PeerModel({BASE: told}, "a page") if (provider, model) == ("groq", "openai/gpt-oss-120b") else None

    monkeypatch.setattr(peers_module, "peers", lambda _: [Peer("litellm", "9", find)])
    monkeypatch.setattr(price_check, "FILE", Path("not there"))


def test_help_names_every_command() -> None:
    found = run(app, ["prices", "--help"])
    assert all(name in found.output for name in ("check", "update", "show"))
    for name in ("check", "update", "show"):
        assert "Example" in run(app, ["prices", name, "--help"]).output


# ---------------------------------------------------------------- check


def test_check_of_the_shipped_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSIGHTS_CONFIG_DIR")
    reviewed = price_check.read_reviewed(price_check.FILE)
    installed = {peer.name: peer.version for peer in peers_module.peers(reviewed.day)}
    if installed != dict(reviewed.versions):
        pytest.skip(f"the explanations were written for {reviewed.versions}; installed are {installed}")
    day = reviewed.day.isoformat()
    found = run(app, ["prices", "check", "--on", day])
    assert found.exit_code == 0, found.output
    assert [line.partition(":")[0] for line in found.output.splitlines()] == ["litellm", "genai-prices"]
    assert "are explained, 0 are not" in found.output
    full = run(app, ["prices", "check", "--on", day, "--all"])
    assert full.exit_code == 0
    assert full.output.count("explained (2") > 100
    told = json.loads(run(app, ["prices", "check", "--on", day, "--json"]).output)
    assert (told["unexplained"], told["stale"], told["on"]) == ([], [], day)
    assert told["models"] == told["peers"]["litellm"]["compared"] + told["peers"]["litellm"]["lacking"]


def test_check_prints_what_nobody_has_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    lists(monkeypatch, input="0.4", output="0.6")
    found = run(app, ["prices", "check"])
    assert found.exit_code == 1
    assert found.output.splitlines()[0] == (
        "groq/openai/gpt-oss-120b: cost_input_per_1k: litellm 0.4 (a page), ours 0.5 (our contract, checked 2026-01-01)"
    )
    assert "note: genai-prices is not installed: nothing is compared with it" in found.output
    assert "note: no file of explanations: every disagreement is printed" in found.output
    assert "1 of " in found.output
    told = json.loads(run(app, ["prices", "check", "--json"]).output)
    assert told["unexplained"][0] | {"model": "x"} == {
        "provider": "groq",
        "model": "x",
        "field": "cost_input_per_1k",
        "above": None,
        "peer": "litellm",
        "theirs": "0.4",
        "their_source": "a page",
        "ours": "0.5",
        "source": "our contract",
        "checked": "2026-01-01",
    }


def test_check_prints_a_stale_explanation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lists(monkeypatch, input="0.5", output="0.6")
    file = tmp_path / "explained.yaml"
    file.write_text(
        'litellm: "8"\ngenai-prices: "1"\nreviewed: 2026-01-01\nexplained:\n'
        "  - {provider: groq, peer: litellm, models: '*', fields: '*', figures: 0.4 / 0.5, reason: so, date: 2026-01-01}\n"
    )
    found = run(app, ["prices", "check", "--explained", str(file)])
    assert found.exit_code == 1
    assert "explained.yaml:5: groq and litellm: there is no such disagreement any more" in found.output
    assert "note: the explanations were written for litellm 8; this is 9" in found.output
    assert "1 explanations of what is no longer so" in found.output
    lists(monkeypatch, input="0.4", output="0.6")
    assert run(app, ["prices", "check", "--explained", str(file)]).exit_code == 0


def test_check_without_genai_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("genai_prices", "genai_prices.data"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delenv("INSIGHTS_CONFIG_DIR")
    reviewed = price_check.read_reviewed(price_check.FILE)
    found = run(app, ["prices", "check", "--on", reviewed.day.isoformat()])
    assert "note: genai-prices is not installed: nothing is compared with it" in found.output
    assert "Traceback" not in found.output
    assert "\ngenai-prices:" not in found.output


def test_check_of_a_file_that_is_not_there() -> None:
    found = run(app, ["prices", "check", "--explained", "nowhere.yaml"])
    assert found.exit_code == 2
    assert found.stderr.startswith("error: nowhere.yaml")


def test_a_peer_that_has_not_followed_yet_is_counted(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    own.write_text(OWN + "      changes:\n        - {effective_from: 2026-02-01, cost_input_per_1k: 0.7}\n")
    lists(monkeypatch, input="0.5", output="0.6")
    found = run(app, ["prices", "check", "--on", "2026-02-02"])
    assert found.exit_code == 0
    assert "1 are still ours of before a recent change" in found.output
    assert run(app, ["prices", "check", "--on", "2026-12-02"]).exit_code == 1


# ---------------------------------------------------------------- update

ARGUMENTS = ["prices", "update", "groq", "--effective-from", "2026-02-01"]


def test_update_prints_a_diff_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    lists(monkeypatch, input="0.4", output="0.6")
    found = run(app, ARGUMENTS)
    assert found.exit_code == 0
    assert "+        - effective_from: 2026-02-01\n+          cost_input_per_1k: 0.4\n" in found.stdout
    assert not [line for line in found.stdout.splitlines()[2:] if line.startswith("-")]
    assert found.stderr == "1 models in 1 files; --write writes them\n"
    assert own.read_text() == OWN


def test_update_writes_and_is_then_content(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    lists(monkeypatch, input="0.4", output="0.6")
    found = run(app, [*ARGUMENTS, "--write"])
    assert found.exit_code == 0
    assert found.stderr == "1 models changed in 1 files\n"
    assert own.read_text().startswith(OWN)
    today = datetime.now(UTC).date()
    info = Catalog(Settings(config_dir=own.parent)).provider("groq").models["openai/gpt-oss-120b"]
    assert info.at(today).prices["cost_input_per_1k"] == Decimal("0.4")
    assert info.changes[0].source == "a page via litellm 9"
    assert list(own.parent.glob(".*")) == []  # nothing is left lying
    assert run(app, ARGUMENTS).stderr == "nothing to propose\n"
    again = run(app, [*ARGUMENTS, "--write"])
    assert (again.exit_code, again.stderr) == (0, "nothing to propose\n")


def test_update_asks_one_list_or_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    lists(monkeypatch, input="0.4", output="0.6")
    assert run(app, [*ARGUMENTS, "--model", "openai/gpt-oss-20b"]).stderr == "nothing to propose\n"
    assert "+" in run(app, [*ARGUMENTS, "--from", "litellm"]).stdout
    # All providers.
    assert "1 models in 1 files" in run(app, ["prices", "update"]).stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--from", "nobody"], "error: no price list 'nobody'"),
        (["--from", "genai-prices"], "error: genai-prices is not installed"),
        (["--model", "nobody"], "error: groq has no model 'nobody' in its file"),
        (["--effective-from", "tomorrow"], "expected a date like 2026-01-31"),
    ],
)
def test_update_of_something_wrong(monkeypatch: pytest.MonkeyPatch, more: list[str], words: str) -> None:
    lists(monkeypatch, input="0.4")
    found = run(app, [*ARGUMENTS, *more])
    assert found.exit_code == 2
    assert words in found.stderr


def test_update_of_an_unknown_provider() -> None:
    found = run(app, ["prices", "update", "nobody"])
    assert found.exit_code == 2
    assert "error: no provider 'nobody'" in found.stderr


def test_update_says_what_it_can_not_propose(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    lists(monkeypatch, input="0.4")
    own.write_text(OWN + "      effective_from: 2026-05-01\n")
    found = run(app, ARGUMENTS)
    assert (found.exit_code, found.stdout) == (0, "")
    own.write_text(OWN + "      changes:\n        - {effective_from: 2026-05-01, cost_input_per_1k: 0.7}\n")
    found = run(app, ARGUMENTS)
    assert "note: groq/openai/gpt-oss-120b: has prices from 2026-05-01 on: new ones must begin later" in found.stderr


def test_an_installed_packages_files_are_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from insights.catalog import loader

    packaged = tmp_path / "_configs" / "providers"
    packaged.mkdir(parents=True)
    for path in shipped_directory().glob("*.yaml"):
        (packaged / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(loader, "_PACKAGED", packaged)
    monkeypatch.delenv("INSIGHTS_CONFIG_DIR")
    lists(monkeypatch, input="0.4")
    found = run(app, [*ARGUMENTS, "--write"])
    assert found.exit_code == 2
    assert "belongs to the installed package" in found.stderr
    assert (packaged / "groq.yaml").read_bytes() == (shipped_directory() / "groq.yaml").read_bytes()


def test_a_file_that_changed_meanwhile_is_not_written(own: Path) -> None:
    from insights.cli.prices import _write
    from insights.core.errors import ConfigError

    with pytest.raises(ConfigError, match="has changed meanwhile"):
        _write(own, "something else", "new")
    assert own.read_text() == OWN


# ---------------------------------------------------------------- show


def test_show_today_and_on_a_day(own: Path) -> None:
    own.write_text(
        OWN
        + "      effective_from: 2026-01-01\n      note: cheap\n      tiers:\n        - {above: 9, cost_input_per_1k: 0.9}\n"
        + "      changes:\n        - {effective_from: 2099-02-01, cost_input_per_1k: 0.7, tiers: []}\n"
    )
    found = run(app, ["prices", "show", "groq/openai/gpt-oss-120b", "--on", "2026-01-31"])
    assert found.exit_code == 0
    assert found.output == (
        "groq/openai/gpt-oss-120b on 2026-01-31, in USD\n"
        "  cost_input_per_1k: 0.5\n"
        "  cost_output_per_1k: 0.6\n"
        "  above 9 prompt tokens:\n"
        "    cost_input_per_1k: 0.9\n"
        "effective_from: 2026-01-01\n"
        "source: our contract\n"
        "checked: 2026-01-01\n"
        "note: cheap\n"
        "changes on 2099-02-01: see --on 2099-02-01\n"
    )
    assert "no price is known" in run(app, ["prices", "show", "groq/openai/gpt-oss-120b", "--on", "2025-12-31"]).output
    told = json.loads(run(app, ["prices", "show", "groq/openai/gpt-oss-120b", "--on", "2099-02-01", "--json"]).output)
    assert told | {"note": None} == {
        "provider": "groq",
        "model": "openai/gpt-oss-120b",
        "on": "2099-02-01",
        "prices": {"cost_input_per_1k": "0.7", "cost_output_per_1k": "0.6"},
        "tiers": [],
        "effective_from": "2099-02-01",
        "source": "our contract",
        "checked": "2026-01-01",
        "note": None,
        "later": [],
    }


def test_show_is_of_today_by_default() -> None:
    told: dict[str, Any] = json.loads(run(app, ["prices", "show", "gpt-4.1", "--json"]).output)
    assert told["on"] == datetime.now(UTC).date().isoformat()
    assert told["prices"]["cost_input_per_1k"] == "0.002"
    assert told["source"].startswith("https://")


@pytest.mark.parametrize("model", ["openai/nobody", "nobody-knows-this"])
def test_show_of_an_unknown_model(model: str) -> None:
    found = run(app, ["prices", "show", model])
    assert found.exit_code == 2
    assert found.stderr.startswith("error: ")
