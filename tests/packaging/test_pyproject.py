"""pyproject.toml and what depends on it say the same."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

import insights._version
from tests.processes import REPO


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))


def test_pip_and_uv_get_the_same_tools(pyproject: dict[str, Any]) -> None:
    assert pyproject["project"]["optional-dependencies"]["dev"] == pyproject["dependency-groups"]["dev"]


def test_the_extras_are_in_the_development_environment(pyproject: dict[str, Any]) -> None:
    extras = pyproject["project"]["optional-dependencies"]
    assert {*extras["vertex"], *extras["bedrock"], *extras["pytest"]} <= set(extras["dev"])


def test_the_litellm_that_stole_credentials_is_shut_out(pyproject: dict[str, Any]) -> None:
    [requirement] = [r for r in pyproject["project"]["dependencies"] if re.match(r"litellm\b", r)]
    match = re.fullmatch(r"litellm>=(\d+)\.(\d+)\.(\d+),<(\d+)\.(\d+)", requirement)
    assert match, requirement
    numbers = [int(group) for group in match.groups()]
    assert tuple(numbers[:3]) > (1, 84, 0)  # 1.82.7 and 1.82.8 carried it; proxy holes were closed up to 1.84.0
    assert tuple(numbers[3:]) > tuple(numbers[:2])


def test_the_version_is_written_once(pyproject: dict[str, Any]) -> None:
    assert "version" not in pyproject["project"]
    assert pyproject["tool"]["hatch"]["version"]["path"] == "insights/_version.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", insights._version.__version__)
    assert insights._version.__version__ in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")


def test_only_the_folders_of_the_plan_at_the_top() -> None:
    folders = {path.name for path in REPO.iterdir() if path.is_dir() and not path.name.startswith(".")}
    built = {"build", "dist", "htmlcov"}
    assert folders - built <= {"insights", "configs", "cassettes", "tests", "docs"}


def test_what_the_readme_says_is_what_is_run() -> None:
    assert "make test" in (REPO / "README.md").read_text(encoding="utf-8")
    assert "make --no-print-directory test" in (REPO / ".ci" / "run").read_text(encoding="utf-8")
