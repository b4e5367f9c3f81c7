"""How the command starts and ends, in this process."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import pytest

import insights as package
from insights.cli import main, options

from .shell import REPO, insights, spawned

VERSION = f"insights {package.__version__}\n"


def ended(words: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of the command with these words."""
    monkeypatch.setattr(sys, "argv", ["insights", *words])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("insights.cli.terminal.settle", lambda: None)  # the streams are pytest's
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["insights", "--version"])
    monkeypatch.setattr("insights.cli.terminal.settle", lambda: None)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPO / "insights" / "__main__.py"), run_name="__main__")
    assert not end.value.code
    assert capsys.readouterr().out == VERSION
    assert runpy.run_path(str(REPO / "insights" / "__main__.py"))["main"] is main  # which runs nothing
    assert capsys.readouterr().out == ""


def test_both_ways_are_the_same() -> None:
    for words in (["--version"], ["route", "gpt-4o-mini"], ["nonsense"]):
        here, there = insights(*words), spawned(*words)
        assert (here.returncode, here.stdout) == (there.returncode, there.stdout)
        assert here.stderr == there.stderr.replace("python -m insights", "insights")


def test_what_is_run_here_leaves_nothing(online: dict[str, str], own_cache_dir: Path, tmp_path: Path) -> None:
    from insights import client

    before = dict(os.environ), os.getcwd(), sys.argv, sys.stdout, sys.stdin, client._default
    assert insights("route", "quick", cwd=tmp_path, **online).returncode == 0
    assert not own_cache_dir.exists()
    assert insights("ask", "-m", "quick", "Hello", cwd=tmp_path, **online).returncode == 0
    assert before == (dict(os.environ), os.getcwd(), sys.argv, sys.stdout, sys.stdin, client._default)


def test_without_its_extra_it_says_which(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    assert ended(["--version"], monkeypatch) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "The insights command needs its extra: pip install 'insights-llm[cli]'\n"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 1)])
def test_interrupted_while_it_starts(
    error: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks_off() -> None:
        raise error

    monkeypatch.setattr("insights.cli.app.app", breaks_off)
    assert ended(["--version"], monkeypatch) == code
    assert capsys.readouterr() == ("", "")


def test_nobody_reads_what_is_written_last(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", None)  # as where there is no console
        assert ended(["--version"], monkeypatch) == 1
        stream.write("and this goes nowhere, without an error")
        stream.flush()
        assert os.path.samestat(os.fstat(writing), os.stat(os.devnull))


def test_completion_is_of_aliases_models_and_providers(online: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in online.items():
        monkeypatch.setenv(name, value)
    assert options.model_names("qui") == ["quick"]
    assert "openai/gpt-4o-mini" in options.model_names("openai/gpt-4o-m")
    assert {name.partition("/")[0] for name in options.model_names("xai/")} == {"xai"}
    assert options.provider_names("mist") == ["mistral"]
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", "/nowhere/at/all")
    assert options.model_names("qui") == []
    monkeypatch.setattr("insights.doctor.providers", None)
    assert options.provider_names("mist") == []
