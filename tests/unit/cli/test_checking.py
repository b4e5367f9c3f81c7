"""`insights provider check` of what is shipped, and what `list` and `show` print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .shell import REPO, insights


@pytest.mark.parametrize(("code", "words"), [(0, ("--offline",)), (1, ("--offline",)), (0, ()), (1, ())])
def test_a_shipped_one_is_checked_by_the_checkouts_tests(
    code: int, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[list[str], Any]] = []

    def run(command: list[str], *, cwd: Path, check: bool) -> subprocess.CompletedProcess[str]:
        ran.append((command, cwd))
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(subprocess, "run", run)
    done = insights("provider", "check", "zai", *words)
    assert done.returncode == code
    assert done.stderr == ("" if words else "no real calls: ZAI_API_KEY is not set\n")
    ((command, where),) = ran
    assert (command[:3], where) == ([sys.executable, "-m", "pytest"], REPO)
    assert command[command.index("-k") + 1] == "zai"
    suites = [word for word in command if word.startswith("tests/")]
    assert len(suites) == 3
    assert all((REPO / suite).is_file() for suite in suites)


def test_those_tests_pass(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the suites that it names the one that is done at once."""
    run = subprocess.run

    def only_files(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        left = [
            word for word in command if word not in ("tests/unit/adapters/models/test_contract.py", "tests/test_cassettes.py")
        ]
        return run([*left, "-p", "no:xdist", "-p", "no:cov"], **more)

    monkeypatch.setattr(subprocess, "run", only_files)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    done = insights("provider", "check", "zai", "--offline")
    assert done.returncode == 0
    printed = capfd.readouterr().out
    assert " passed" in printed
    assert "failed" not in printed


def test_another_wire_is_for_real_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package may speak another wire, which the server on this machine doesn't."""
    from insights.adapters.models.factory import ModelFactory

    folder = tmp_path / "providers"
    folder.mkdir()
    (folder / "initech.yaml").write_text("initech:\n  api_base: https://api.initech.example/v1\n")

    class Adapter:
        openai_shaped = False

    monkeypatch.setattr(ModelFactory, "adapter_class", lambda name: Adapter)
    done = insights("provider", "check", "initech", "--offline", INSIGHTS_CONFIG_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "its wire isn't OpenAI's: only real calls can tell whether it keeps the contract\n"


def test_the_table_and_one_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    host = "initech:\n  api_base: https://api.initech.example/v1\n"
    own = host + "  prefixes: [ini-, tech-]\n  models: {model-1: {}, model-2: {}}\n"
    (folder / "initech.yaml").write_text(own)
    env = {"INSIGHTS_CONFIG_DIR": str(tmp_path), "INITECH_API_KEY": "one"}
    head, *rows = insights("provider", "list", **env).stdout.splitlines()
    assert head.split() == ["provider", "from", "key", "base", "URL", "models"]
    (row,) = [row for row in rows if row.startswith("initech ")]
    assert row.split() == ["initech", "file", "INITECH_API_KEY", "(set)", "https://api.initech.example/v1", "2"]
    shown = insights("provider", "show", "initech", **env).stdout.splitlines()
    for line in (
        " provider: initech",
        "     from: file",
        "      key: INITECH_API_KEY (set)",
        " prefixes: ini-, tech-",
        "   models: model-1, model-2",
    ):
        assert line in shown
