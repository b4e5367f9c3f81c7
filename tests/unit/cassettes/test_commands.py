"""What is printed for recording can be typed word for word where it was printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from insights.cli.app import app
from tests.unit.cassettes.plugged import Project
from tests.unit.cassettes.tools import raw

PLUGINS = "addopts = -p insights.cassettes.plugin -p pytest_recording.plugin"
COMMAND = re.compile(r"-> record it: (.*?)(?: {3}\(with .*)?$", re.MULTILINE)
CALL = "from asking import ask\nfrom insights import use_cassette\n"


@pytest.fixture
def project(project: Project) -> Project:
    """An empty project, whose settings name the plugins."""
    project.pytester.makeini(f"[pytest]\n{PLUGINS}\npythonpath = .\n")
    return project


def typed(command: str, folder: Path) -> tuple[int, str]:
    """A command as a shell takes it, with this Python."""
    found = dict(os.environ)
    found.pop("PYTEST_CURRENT_TEST", None)
    found["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), found.get("PATH", "")])
    done = subprocess.run(command, shell=True, cwd=folder, env=found, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


def recorded_as_printed(project: Project, first: str, folder: Path) -> str:
    """Runs a command that fails, and the one it prints; that one, and the first again, pass then."""
    code, text = typed(first, folder)
    assert code != 0, text
    command = COMMAND.findall(text)[0]
    assert isinstance(command, str)
    code, text = typed(command, folder)
    assert code == 0, text
    assert project.asked == 1
    code, text = typed(first, folder)
    assert code == 0, text
    assert project.asked == 1
    return command


@pytest.mark.parametrize("folder", [".", "tests/deep", "elsewhere"])
def test_from_where_pytest_was_started(project: Project, folder: str) -> None:
    tests = project.pytester.path / "tests" / "deep"
    tests.mkdir(parents=True)
    (project.pytester.path / "elsewhere").mkdir()
    (tests / "test_it.py").write_text(
        f"import pytest\n{CALL}\n@pytest.mark.parametrize('text', ['Hello there'])\n"
        "def test_one(insights_cassette, text):\n    assert ask(text)\n"
    )
    here = project.pytester.path / folder
    path = os.path.relpath(tests / "test_it.py", here)
    command = recorded_as_printed(project, f"python -m pytest {path}", here)
    assert command == f"python -m pytest '{path}::test_one[Hello there]' --record-mode=once"


@pytest.mark.parametrize("words", ["-m package.module", "-m package.module --city 'New York'", "'a script.py' -x 1"])
def test_as_a_program_was_started(project: Project, words: str) -> None:
    package = project.pytester.path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    text = f"import sys\n{CALL}\nwith use_cassette('c.yaml'):\n    print(ask(' '.join(['Hello', *sys.argv[1:]])))\n"
    for path in (package / "module.py", project.pytester.path / "a script.py"):
        path.write_text(text)
    command = recorded_as_printed(project, f"python {words}", project.pytester.path)
    assert command == f"INSIGHTS_RECORD_MODE=record python {words}"


# ---------------------------------------------------------------- insights cassettes refresh


def test_refresh_where_the_settings_say_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.tests(
        "@pytest.mark.parametrize('text', ['Hi', 'Hello'])\n@pytest.mark.insights_cassette('common')\n"
        "def test_one(text):\n    assert ask(text)\n"
    )
    project.pytester.makeini(f"[pytest]\n{PLUGINS} --record-mode=none\n")
    code, text = typed("python -m pytest --record-mode=once", project.pytester.path)
    assert code == 0, text
    before = project.asked
    monkeypatch.chdir(project.pytester.path)
    found = CliRunner().invoke(app, ["cassettes", "refresh"])
    assert found.exit_code == 0, found.output
    assert project.asked - before == before == 2
    assert len(raw(project.paths()[0])["interactions"]) == 2


def test_refresh_of_what_names_its_own_mode(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    test = project.pytester.path / "test_own.py"
    text = f"{CALL}\ndef test_own():\n    with use_cassette('cassettes/own.yaml', mode='record'):\n        assert ask()\n"
    test.write_text(text)
    monkeypatch.chdir(project.pytester.path)
    assert typed("python -m pytest", project.pytester.path)[0] == 0
    found = CliRunner().invoke(app, ["cassettes", "refresh"])
    assert found.exit_code == 1
    assert "cassettes/own.yaml: not recorded anew: its test failed, or its code names the mode itself\n" in found.output
    assert project.asked == 1
