"""`insights cassettes`, as a person and as a script would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import insights.cli
from insights.cassettes.refresh import plan_refresh
from insights.cli.app import app
from insights.core.errors import CassetteError
from tests.unit.cassettes.hygiene import at, recording, written

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_command() -> None:
    found = run(app, ["cassettes", "--help"])
    assert found.exit_code == 0
    assert all(name in found.output for name in ("check", "show", "refresh"))
    assert "Example" in run(app, ["cassettes", "check", "--help"]).output
    assert run(app, []).exit_code == 2


def test_its_version() -> None:
    assert run(app, ["--version"]).output == f"insights {insights.__version__}\n"


def test_check_is_silent_about_what_is_well(here: Path) -> None:
    written(here / "cassettes" / "c.yaml", at(recording(), "2999-01-01T00:00:00Z"))
    found = run(app, ["cassettes", "check"])
    assert found.exit_code == 0
    assert found.output.endswith("1 cassette with 1 recording: nothing wrong\n")


def test_check_says_what_is_wrong_and_fails(here: Path) -> None:
    written(here / "some" / "c.yaml", at(recording(), "2020-01-01T00:00:00Z"))
    (here / "some" / "d.yaml").write_text("no cassette")
    found = run(app, ["cassettes", "check", "some", "--older-than", "9"])
    assert found.exit_code == 1
    assert "some/c.yaml: old: recorded " in found.output
    assert "some/d.yaml: unreadable: " in found.output
    assert "2 problems" in found.output
    told = run(app, ["cassettes", "check", "some", "--json"])
    assert told.exit_code == 1
    assert {problem["kind"] for problem in json.loads(told.output)["problems"]} == {"old", "unreadable"}


def test_a_path_that_is_not_there() -> None:
    found = run(app, ["cassettes", "check", "nowhere"])
    assert found.exit_code == 2
    assert found.output.startswith("error: nowhere: there is no such file or directory\n  -> ")


def test_show(here: Path) -> None:
    path = written(here / "c.yaml", recording("Why [bold]?", "\x1b[31mBecause."), recording("And?", "So."))
    found = run(app, ["cassettes", "show", str(path)], env={"COLUMNS": "200"})
    assert found.exit_code == 0
    assert "user: Why [bold]?" in found.output
    assert "?[31mBecause." in found.output
    assert "\x1b" not in found.output
    assert "1000 + 100" in found.output
    assert "2 recordings, $0.00042" in found.output
    rows = json.loads(run(app, ["cassettes", "show", str(path), "--json"]).output)
    assert [row["answer"] for row in rows] == ["\x1b[31mBecause.", "So."]
    assert run(app, ["cassettes", "show", "none.yaml"]).exit_code == 2


def test_show_cuts_what_is_long_unless_told_not_to(here: Path) -> None:
    written(here / "c.yaml", recording("word " * 100))
    assert "..." in run(app, ["cassettes", "show", "c.yaml"]).output
    assert "..." not in run(app, ["cassettes", "show", "c.yaml", "--full"]).output


# ---------------------------------------------------------------- refresh


def test_refresh_names_the_tests_that_record(here: Path) -> None:
    one, two = "tests/test_a.py::test_a[x y]", "tests/test_b.py::test_b"
    written(here / "cassettes" / "a.yaml", tests=[one])
    written(here / "cassettes" / "b.yaml", tests=[two, one])
    written(here / "cassettes" / "c.yaml", tests=[one])
    found = run(app, ["cassettes", "refresh", "--dry-run"])
    assert found.exit_code == 0
    assert found.output == f"INSIGHTS_RECORD_MODE=refresh python -m pytest --record-mode=rewrite '{one}' {two}\n"
    assert plan_refresh([here / "cassettes"]).command == [sys.executable, "-m", "pytest", "--record-mode=rewrite", one, two]


def test_files_without_a_test_are_left_alone_and_named(here: Path) -> None:
    written(here / "cassettes" / "a.yaml")
    written(here / "cassettes" / "b.yaml", origin={"what": "x", "command": "make cassettes"})
    (here / "cassettes" / "c.yaml").write_text("no cassette")
    found = run(app, ["cassettes", "refresh"])
    assert found.exit_code == 1
    assert "a.yaml: no test is named in it; run what recorded it, with INSIGHTS_RECORD_MODE=refresh" in found.output
    assert "b.yaml: no test is named in it; run make cassettes" in found.output
    assert "c.yaml: not a cassette" in found.output
    assert found.output.endswith("nothing to refresh\n")


def test_nothing_is_recorded_in_ci(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(here / "cassettes" / "a.yaml", tests=["tests/test_a.py::test_a"])
    monkeypatch.setenv("CI", "true")
    with pytest.raises(CassetteError, match="CI is set"):
        plan_refresh([here / "cassettes"])
    assert run(app, ["cassettes", "refresh"]).exit_code == 2


def test_refresh_runs_them_with_the_mode_set(here: Path) -> None:
    test = here / "test_mode.py"
    test.write_text("import os\ndef test_mode():\n    assert os.environ['INSIGHTS_RECORD_MODE'] == 'refresh'\n")
    written(here / "cassettes" / "a.yaml", tests=["test_mode.py::test_mode"])
    found = run(app, ["cassettes", "refresh"])
    assert found.exit_code == 1  # the test passes, and records nothing
    assert "cassettes/a.yaml: not recorded anew: its test failed, or its code names the mode itself\n" in found.output
    test.write_text("import os\ndef test_mode():\n    os.utime('cassettes/a.yaml', (1, 1))\n")
    assert run(app, ["cassettes", "refresh"]).exit_code == 0
    test.write_text("def test_mode():\n    assert False\n")
    assert run(app, ["cassettes", "refresh"]).exit_code == 1


def test_from_another_directory(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pytest's cache says where the project begins."""
    written(here / "cassettes" / "a.yaml", at(recording(), "2999-01-01T00:00:00Z"))
    used = here / ".pytest_cache" / "v" / "insights" / "cassettes"
    used.parent.mkdir(parents=True)
    used.write_text(json.dumps({"tests": {"test_a.py::test_a": {"cassettes/a.yaml": [[0], 1]}}, "complete": ""}))
    (here / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(here / "deep" / "er")
    found = run(app, ["cassettes", "check"])
    assert "1 cassette with 1 recording: nothing wrong\n" in found.output
    assert found.exit_code == 0


# ---------------------------------------------------------------- starting


def test_as_a_command_and_as_a_module(here: Path) -> None:
    for command in (["-m", "insights"], ["-c", "from insights.cli import main; main()"]):
        done = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True, check=True, cwd=here)
        assert done.stdout == f"insights {insights.__version__}\n"


def test_without_its_extra_it_says_which(here: Path) -> None:
    """typer stands aside: a package of its name that can't be imported comes before it."""
    (here / "typer.py").write_text("raise ImportError('not here')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *filter(None, [os.environ.get("PYTHONPATH")])])}
    code = "from insights.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=here, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The insights command needs its extra: pip install 'insights-llm[cli]'\n"


def test_starting_imports_nothing_slow(here: Path) -> None:
    code = (
        "import sys; from insights.cli.app import app\n"
        "print(sorted({'litellm', 'pydantic', 'httpx', 'yaml', 'rich', 'pytest'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout == "[]\n"
