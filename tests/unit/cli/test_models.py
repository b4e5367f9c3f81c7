"""`insights models`, `route`, `cost`, `spend` and `cache`."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from .shell import KEY, Terminal, insights


def listed(*arguments: str) -> list[dict[str, Any]]:
    found = insights("models", "--json", *arguments)
    assert found.returncode == 0, found.stderr
    return list(json.loads(found.stdout))


def test_models_as_json() -> None:
    row = next(row for row in listed() if row["model"] == "openai/gpt-4o-mini")
    assert (row["provider"], row["name"], row["context_window"]) == ("openai", "gpt-4o-mini", 128000)
    assert row["usd_per_million_tokens"]["input"] == "0.15"
    assert row["usd_per_million_tokens"]["output"] == "0.6"
    assert "vision" in row["capabilities"]


def test_filters() -> None:
    assert {row["provider"] for row in listed("--provider", "openai", "--provider", "xai")} == {"openai", "xai"}
    assert all({"vision", "pdf"} <= set(row["capabilities"]) for row in listed("-c", "vision", "-c", "pdf"))
    assert all(Decimal(row["usd_per_million_tokens"]["input"]) <= Decimal("0.1") for row in listed("--max-input-price", "0.1"))
    assert all(Decimal(row["usd_per_million_tokens"]["output"]) <= 1 for row in listed("--max-output-price", "1"))
    assert all(row["context_window"] >= 10**6 for row in listed("--min-context", "1000000"))
    assert all("claude" in row["model"].lower() and "haiku" in row["model"].lower() for row in listed("HAIKU", "claude"))
    prices = [Decimal(row["usd_per_million_tokens"]["input"]) for row in listed("--provider", "openai", "--sort", "price")]
    assert prices == sorted(prices)
    widths = [row["context_window"] or 0 for row in listed("--provider", "openai", "--sort", "context")]
    assert widths == sorted(widths, reverse=True)


def test_deprecated_models_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "openai.yaml").write_text("openai:\n  models:\n    gpt-of-old:\n      deprecated_on: 2020-01-01\n")
    env = {"INSIGHTS_CONFIG_DIR": str(tmp_path)}
    assert insights("models", "gpt-of-old", **env).returncode == 1
    assert "until 2020-01-01" in insights("models", "gpt-of-old", "--deprecated", **env).stdout


def test_the_table_is_whole_in_a_pipe() -> None:
    found = insights("models", "gpt-4o-mini", COLUMNS="40")
    head, *rows = found.stdout.splitlines()
    assert head.split()[:3] == ["model", "context", "max"]
    assert any(row.startswith("openai/gpt-4o-mini ") and "0.15" in row and row.endswith("vision") for row in rows)
    assert "USD per million tokens" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("claude-haikku-4-5",), 1, "nearest names: anthropic/claude-haiku-4-5"),
        (("-c", "visoin"), 2, "did you mean vision?"),
        (("--provider", "opnai"), 2, "did you mean openai?"),
        (("--sort", "beauty"), 2, "it is one of name, price, context"),
        (("--max-input-price", "cheap"), 2, "expected an amount of USD"),
    ],
)
def test_what_is_wrong(arguments: tuple[str, ...], code: int, said: str) -> None:
    found = insights("models", *arguments)
    assert found.returncode == code
    assert said in found.stderr


def test_route() -> None:
    found = json.loads(insights("route", "gpt-5-mini", "--json", OPENAI_API_KEY=KEY).stdout)
    assert (found["provider"], found["key_set"], found["key_variable"]) == ("openai", True, "OPENAI_API_KEY")
    assert "prefix 'gpt-'" in insights("route", "gpt-5-mini").stdout
    assert insights("route", "nobody-knows").returncode == 2


def test_cost_is_cheapest_first_and_says_what_is_not_known() -> None:
    models = ("gpt-4o", "ollama/unheard-of", "gpt-4o-mini")
    found = json.loads(insights("cost", *models, "--json", "--max-tokens", "100", stdin=b"Why is the sky blue?").stdout)
    assert [row["model"] for row in found] == ["openai/gpt-4o-mini", "openai/gpt-4o", "ollama/unheard-of"]
    assert found[0]["prompt_tokens"] == 13
    assert Decimal(found[0]["high"]) == 13 * Decimal("0.15e-6") + 100 * Decimal("0.6e-6")
    assert found[2]["low"] is None
    assert "no price is known" in insights("cost", *models, "--prompt", "Hi").stdout
    many = json.loads(insights("cost", "gpt-4o-mini", "--tokens", "1000", "--max-tokens", "10", "--json").stdout)[0]
    assert Decimal(many["low"]) == 1000 * Decimal("0.075e-6")
    assert Decimal(many["high"]) == 1000 * Decimal("0.15e-6") + 10 * Decimal("0.6e-6")
    assert insights("cost", "gpt-4o").returncode == 2
    assert insights("cost", "gpt-4o", "--tokens", "1", "--prompt", "Hi").returncode == 2


def test_spend_and_cache(online: dict[str, str]) -> None:
    assert insights("spend").stdout == "nothing is spent\n"
    for _ in range(2):
        insights("ask", "-m", "openai/gpt-4o-mini", "Hello", **online)
    found = json.loads(insights("spend", "--since", "1d", "--json").stdout)
    assert [(row["name"], row["calls"], row["cached"]) for row in found["rows"]] == [("openai/gpt-4o-mini", 2, 1)]
    assert Decimal(found["total"]["cost"]) > 0
    assert insights("spend", "--by", "provider").stdout.splitlines()[1].startswith("openai ")
    assert insights("spend", "--by", "weather").returncode == 2
    assert insights("spend", "--since", "yesteryear").returncode == 2
    stats = json.loads(insights("cache", "stats", "--json").stdout)
    assert (stats["hits"], stats["misses"], stats["entries"]) == (1, 1, 1)
    assert "hits: 1 of 2 calls (50 %)" in insights("cache", "stats").stdout
    assert insights("cache", "evict", "--provider", "xai").stdout == "0 answers forgotten\n"
    assert insights("cache", "evict").returncode == 2
    assert insights("cache", "evict", "--model", "gpt-4o-mini", **online).stdout == "1 answer forgotten\n"


def test_clearing_the_cache_asks(online: dict[str, str], own_cache_dir: Path) -> None:
    assert insights("cache", "path").stdout == f"{own_cache_dir}\n"
    insights("ask", "-m", "openai/gpt-4o-mini", "Hello", **online)
    refused = insights("cache", "clear")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    for answer, code, said in (("n\n", 1, "nothing was forgotten"), ("y\n", 0, "1 answer forgotten")):
        with Terminal("cache", "clear") as terminal:
            terminal.expect("Forget 1 answer? [y/N]")
            terminal.type(answer)
            assert terminal.end() == code
        assert said in terminal.seen
    assert insights("cache", "clear", "--yes").stdout == "0 answers forgotten\n"
