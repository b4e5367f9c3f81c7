"""`insights doctor`, and the checks behind it."""

from __future__ import annotations

import json
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from insights.core.config import Settings
from insights.doctor import Finding, examine
from tests.simulator import Simulator

from .shell import KEY, insights


def of(area: str, found: list[Finding], level: str | None = None) -> list[Finding]:
    return [each for each in found if each.area == area and level in (None, each.level)]


def looked(**given: Any) -> list[Finding]:
    return examine(Settings(**given), offline=True)


def test_nothing_is_wrong_here() -> None:
    found = insights("doctor", "--offline")
    assert found.returncode == 0, found.stdout
    assert found.stdout.endswith("nothing is wrong\n")
    told = json.loads(insights("doctor", "--offline", "--json").stdout)
    assert told["problems"] == 0
    assert {each["area"] for each in told["findings"]} == {"versions", "settings", "configuration", "keys", "cache", "ledger"}
    assert any("litellm" in each["message"] for each in told["findings"])


def test_it_makes_nothing(own_cache_dir: Path) -> None:
    looked()
    assert not own_cache_dir.exists()


def test_every_mistake_in_the_files_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "openai.yaml").write_text(
        "openai:\n  timeot: 3\n  models:\n    a:\n      cost_input_per_1k: dear\n      context_window: -1\n"
    )
    (tmp_path / "aliases.yaml").write_text("good: openai/gpt-4o\nbad: nowhere\n")
    (tmp_path / "fallback.yaml").write_text("default: [openai/gpt-4o-minni]\nmodel: {}\n")
    (tmp_path / "opnai.yaml").write_text("x: {}\n")
    said = "\n".join(each.message for each in of("configuration", looked(config_dir=tmp_path), "problem"))
    for place in ("openai.yaml:2: ", "openai.yaml:5: ", "openai.yaml:6: ", "aliases.yaml:2: ", "fallback.yaml:2: "):
        assert place in said, said
    assert "fallback.yaml:1: " in said
    assert "opnai.yaml" in said
    assert "aliases.yaml:1" not in said
    found = insights("doctor", "--offline", INSIGHTS_CONFIG_DIR=str(tmp_path))
    assert found.returncode == 1
    assert "did you mean 'timeout'?" in found.stdout


def test_a_configuration_directory_that_is_not_there() -> None:
    found = looked(config_dir="/nowhere/at/all")
    assert any("doesn't exist" in each.message for each in of("configuration", found, "problem"))


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_TIMEOUT", "soon")
    monkeypatch.setenv("INSIGHTS_CACH", "0")
    monkeypatch.setenv("INSIGHTS_MODEL", "openai/gpt-4o")
    found = of("settings", looked(), "problem")
    assert any("timeout='soon'" in each.message for each in found)
    assert any(each.message == "nobody reads INSIGHTS_CACH" and each.hint == "did you mean INSIGHTS_CACHE?" for each in found)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f'"{KEY}"', "has quotes around it"),
        (f"{KEY}\n", "has an end of line around it"),
        (f" {KEY}", "has white space around it"),
        (f"{KEY} x", "has white space in it"),
        (KEY, ""),
    ],
)
def test_keys_are_named_and_never_told(value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)
    found = looked()
    about = [each for each in of("keys", found) if each.message.startswith("openai: OPENAI_API_KEY is set")]
    assert len(about) == 1
    assert said in about[0].message
    assert about[0].level == ("problem" if said else "ok")
    assert KEY not in str(found)


def test_one_provider() -> None:
    found = insights("doctor", "--offline", "--provider", "openai")
    assert found.returncode == 1
    assert "OPENAI_API_KEY is not set" in found.stdout
    assert insights("doctor", "--offline", "--provider", "openai", OPENAI_API_KEY=KEY).returncode == 0
    assert insights("doctor", "--offline", "--provider", "opnai").returncode == 2


def test_hosts(simulator: Simulator, online: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        port = unused.getsockname()[1]
        (Path(online["INSIGHTS_CONFIG_DIR"]) / "ollama.yaml").write_text(f'ollama:\n  api_base: "http://127.0.0.1:{port}"\n')
        found = insights("doctor", "--json", **online)
    hosts = {
        each["message"].partition(":")[0]: each for each in json.loads(found.stdout)["findings"] if each["area"] == "hosts"
    }
    assert found.returncode == 0
    assert hosts["openai"]["level"] == "ok"
    assert (hosts["ollama"]["level"], hosts["ollama"]["message"].endswith("nobody listens there")) == ("note", True)
    assert set(hosts) == {"openai", "ollama"}
    assert not simulator.received, "nothing is sent"


def test_a_damaged_cache_and_ledger(own_cache_dir: Path) -> None:
    (own_cache_dir / "answers-v1").mkdir(parents=True)
    for name in ("answers-v1/cache.db", "ledger.sqlite3"):
        (own_cache_dir / name).write_bytes(b"this is no database" * 99)
    found = looked()
    assert "is damaged" in of("cache", found, "problem")[0].message
    assert "is damaged" in of("ledger", found, "problem")[0].message
    assert (own_cache_dir / "ledger.sqlite3").read_bytes().startswith(b"this is no"), "it is only looked at"


def test_a_cache_in_use(online: dict[str, str], own_cache_dir: Path) -> None:
    insights("ask", "-m", "openai/gpt-4o-mini", "Hello", **online)
    found = looked()
    assert f"{own_cache_dir}: 1 answer in " in of("cache", found, "ok")[0].message
    assert of("ledger", found, "ok")[0].message.endswith(": 1 entry")
    with sqlite3.connect(own_cache_dir / "ledger.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    connection.close()


def test_a_cache_that_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = looked(cache_dir=tmp_path / "file" / "below")
    assert of("cache", found, "problem")
    assert of("cache", looked(cache=False), "note")
