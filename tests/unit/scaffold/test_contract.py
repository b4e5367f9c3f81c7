"""`insights provider check` finds what a provider does wrong: packages that each break one part of the contract."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from insights.catalog.others import installed
from insights.cli.app import app

HEAD = """\
from insights.adapters.models.compatible import OpenAICompatible


class InitechAdapter(OpenAICompatible):
    provider_name = "initech"

"""
SOUND = "    pass\n"
FILE = """\
initech:
  api_base: "https://api.initech.example/v1"
  models:
    model-1:
      context_window: 8000
      cost_input_per_1k: 0.0123
      cost_output_per_1k: 0.0456
      capabilities: [streaming, tools]
"""
# What the adapter says -> the part of the contract that is broken, and why.
BROKEN = {
    "the key in the URL": (
        "    def url(self, base, stream):\n        return super().url(base, stream) + '?key=insights-check-0123456789'\n",
        "the key in its header and nowhere else",
        "the URL",
    ),
    "the key in the body": (
        "    def adjust_body(self, body, request):\n        return {**body, 'key': 'insights-check-0123456789'}\n",
        "the key in its header and nowhere else",
        "the body",
    ),
    "no key": (
        "    def headers(self, config, where, arguments):\n"
        "        found = super().headers(config, where, arguments)\n"
        "        return {name: value for name, value in found.items() if name.lower() != 'authorization'}\n",
        "the key in its header and nowhere else",
        "no header",
    ),
    "no tools": (
        "    def adjust_body(self, body, request):\n        body.pop('tools', None)\n        return body\n",
        "tools",
        "the tool calls: [] instead of",
    ),
    "another model": (
        "    def adjust_body(self, body, request):\n        return {**body, 'model': 'other'}\n",
        "an answer",
        "the model that was asked for: 'other' instead of 'model-1'",
    ),
    "no prompt": (
        "    def adjust_body(self, body, request):\n        return {**body, 'messages': [{'role': 'user', 'content': '?'}]}\n",
        "an answer",
        "the prompt didn't arrive",
    ),
    "another provider": (
        "    provider = 'somebody'\n",
        "an answer",
        "no configuration for provider 'somebody'",
    ),
    "it raises": (
        "    def adjust_body(self, body, request):\n        raise KeyError('the anvil fell')\n",
        "an answer",
        "KeyError: 'the anvil fell'",
    ),
    "refusals untyped": (
        "    def refused(self, status, headers, body, where):\n        return super().refused(500, headers, body, where)\n",
        "refusals are typed",
        "status 401 became",
    ),
    "tokens counted wrong": (
        "    def raw_usage(self, data):\n"
        "        found = super().raw_usage(data)\n"
        "        return found and {**found, 'prompt_tokens': 1, 'total_tokens': 101}\n",
        "a price to the digit",
        "the cost: ",
    ),
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None) -> Path:
    """A directory of packages, with one that brings Initech; its module isn't written yet."""
    folder = tmp_path / "site"
    info = folder / "insights_initech-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: insights-initech\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[insights.providers]\ninitech = insights_initech_here:InitechAdapter\n")
    (folder / "initech.yaml").write_text(FILE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "insights_initech_here", raising=False)
    monkeypatch.chdir(tmp_path)
    installed.cache_clear()
    return folder


def checked(site: Path, body: str, *more: str) -> tuple[int, dict[str, str], str]:
    """The exit code, the problem of each part ("" where there is none), and stderr."""
    (site / "insights_initech_here.py").write_text(HEAD + body)
    sys.modules.pop("insights_initech_here", None)
    done = CliRunner().invoke(app, ["provider", "check", "initech", *more])
    sys.modules.pop("insights_initech_here", None)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    found = {}
    for line in done.stdout.splitlines():
        word, what = line.split(maxsplit=1)
        assert word in ("ok", "problem")
        name, _, why = what.partition(": ") if word == "problem" else (what, "", "")
        found[name] = why
    return done.exit_code, found, done.stderr


def test_nothing_is_wrong_with_a_sound_one(site: Path) -> None:
    code, found, said = checked(site, SOUND, "--offline")
    assert (code, said) == (0, "")
    assert list(found.values()) == [""] * 10


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_part_is_found(site: Path, what: str) -> None:
    body, part, why = BROKEN[what]
    code, found, _ = checked(site, body, "--offline")
    assert code == 1
    assert why in found[part]


def test_only_that_part_is_found(site: Path) -> None:
    _, found, _ = checked(site, BROKEN["refusals untyped"][0], "--offline")
    assert [part for part, why in found.items() if why] == ["refusals are typed"]


def test_a_package_that_cannot_be_used(site: Path) -> None:
    code, found, said = checked(site, "    raise RuntimeError('the anvil fell')\n", "--offline")
    assert (code, found) == (2, {})
    assert said.startswith(
        "error: the package insights-initech brings the provider 'initech', which can't be used: RuntimeError"
    )


def test_without_a_key_there_are_no_real_calls(site: Path) -> None:
    code, found, said = checked(site, SOUND)
    assert (code, len(found)) == (0, 10)
    assert said == "no real calls: INITECH_API_KEY is not set\n"


def test_without_prices(site: Path) -> None:
    (site / "initech.yaml").write_text("initech:\n  api_base: https://api.initech.example/v1\n")
    code, found, _ = checked(site, SOUND, "--offline")
    assert code == 0
    assert "an unknown price, said so" in found
    assert "tools" not in found


def test_in_ci_nothing_is_recorded_and_it_is_said(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    code, found, said = checked(site, SOUND, "--offline")
    assert (code, len(found)) == (0, 9)
    assert "recorded and replayed without a key" not in found
    assert "CI" in said
