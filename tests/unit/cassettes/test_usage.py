"""What is written, and what is remembered, of a pytest run: by its end every test has passed, failed, or been left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from insights.cassettes.usage import CACHE_KEY, Usage, merged, read_usage
from tests.unit.cassettes.plugged import Project

FILE = "cassettes/openai/test_one.yaml"
NOT_WRITTEN = f"{FILE}: not written, because what used it failed while it was recorded"

TWO = """
def test_one(insights_cassette):
    ask("a")
    ask("b")

def test_two(insights_cassette):
    ask("c")
"""


# ---------------------------------------------------------------- what a failing test leaves

FAILING = {
    "assert": "def test_one(insights_cassette):\n    ask({0!r})\n    assert {1}\n",
    "pytest.fail": "def test_one(insights_cassette):\n    ask({0!r})\n    {1} or pytest.fail('no')\n",
    "unittest": (
        "import unittest\n\n@pytest.mark.insights_cassette('test_one')\nclass TestIt(unittest.TestCase):\n"
        "    def test_one(self):\n        ask({0!r})\n        self.assertTrue({1})\n"
    ),
    "a fixture": (
        "@pytest.fixture\ndef prepared(insights_cassette):\n    ask({0!r})\n    assert {1}\n\n"
        "def test_one(prepared):\n    pass\n"
    ),
}


@pytest.mark.parametrize("how", FAILING)
def test_a_failing_test_overwrites_nothing(project: Project, how: str) -> None:
    project.tests(FAILING[how].format("Hello", True))
    project.run("--record-mode=once").assert_outcomes(passed=1)
    before = project.files()
    project.tests(FAILING[how].format("Something else", False))
    result = project.run("--record-mode=rewrite")
    assert result.ret == 1
    assert project.asked == 2
    assert project.files() == before
    if how != "a fixture":  # pytest shows what was reported in the end with failures, not with errors
        result.stdout.fnmatch_lines(["*Captured insights teardown*", NOT_WRITTEN])


@pytest.mark.parametrize("how", FAILING)
def test_a_new_cassette_is_kept_where_only_the_test_was_wrong(project: Project, how: str) -> None:
    project.tests(FAILING[how].format("Hello", False))
    result = project.run("--record-mode=once")
    assert result.ret == 1
    assert list(project.files()) == [FILE]
    result.stdout.no_fnmatch_line("*not written*")
    project.tests(FAILING[how].format("Hello", True))
    project.run().assert_outcomes(passed=1)
    assert project.asked == 1


def test_a_call_that_failed_leaves_nothing(project: Project) -> None:
    project.simulator.fail("server_error")
    project.tests("def test_one(insights_cassette):\n    ask()\n")
    result = project.run("--record-mode=once")
    result.assert_outcomes(failed=1)
    assert project.files() == {}
    result.stdout.fnmatch_lines(["*Captured insights teardown*", NOT_WRITTEN])


@pytest.mark.parametrize("there", [True, False])
def test_an_interrupted_test_leaves_everything_as_it_was(project: Project, there: bool) -> None:
    if there:
        project.tests("def test_one(insights_cassette):\n    ask()\n")
        project.run("--record-mode=once").assert_outcomes(passed=1)
    before = project.files()
    project.tests("def test_one(insights_cassette):\n    ask('half')\n    raise KeyboardInterrupt\n")
    assert project.run("--record-mode=rewrite", child=True).ret == pytest.ExitCode.INTERRUPTED
    assert project.asked == 1 + there
    assert project.files() == before


def test_a_test_that_is_run_again_and_passes(project: Project) -> None:
    """As pytest-rerunfailures does it."""
    project.pytester.makeconftest(
        "from _pytest.runner import runtestprotocol\n\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    for _ in range(2):\n"
        "        item._initrequest()\n"
        "        reports = runtestprotocol(item, nextitem=nextitem, log=False)\n"
        "    for report in reports:\n"
        "        item.ihook.pytest_runtest_logreport(report=report)\n"
        "    return True\n"
    )
    project.tests(
        "tries = []\n\ndef test_one(insights_cassette):\n    tries.append(1)\n    ask(str(tries))\n    assert tries[1:]\n"
    )
    result = project.run("--record-mode=rewrite")
    result.assert_outcomes(passed=1)
    assert "[1, 1]" in project.files()[FILE]


# ---------------------------------------------------------------- what is remembered of it


def test_which_test_used_what(project: Project) -> None:
    project.tests(TWO)
    project.run("--record-mode=once").assert_outcomes(passed=2)
    used = {
        "test_it.py::test_one": {FILE: [[0, 1], 2]},
        "test_it.py::test_two": {"cassettes/openai/test_two.yaml": [[0], 1]},
    }
    assert project.usage()["tests"] == used
    project.run().assert_outcomes(passed=2)
    assert project.usage()["tests"] == used
    assert project.usage()["complete"].endswith("Z")


def test_runs_of_some_tests_are_added_up(project: Project) -> None:
    project.tests(TWO)
    project.run("--record-mode=once", "-k", "test_one").assert_outcomes(passed=1, deselected=1)
    project.run("--record-mode=once", "test_it.py::test_two").assert_outcomes(passed=1)
    assert sorted(project.usage()["tests"]) == ["test_it.py::test_one", "test_it.py::test_two"]
    assert project.usage()["complete"] == ""


def test_a_full_run_forgets_tests_that_are_gone(project: Project) -> None:
    project.tests(TWO)
    project.run("--record-mode=once").assert_outcomes(passed=2)
    project.tests(TWO.partition("def test_two")[0])
    project.run().assert_outcomes(passed=1)
    assert list(project.usage()["tests"]) == ["test_it.py::test_one"]


def test_workers_tell_what_they_know(project: Project) -> None:
    project.tests(TWO)
    project.run("--record-mode=once", "-p", "xdist", "-n", "2").assert_outcomes(passed=2)
    assert sorted(project.usage()["tests"]) == ["test_it.py::test_one", "test_it.py::test_two"]
    assert project.usage()["complete"] != ""


@pytest.mark.parametrize(
    ("mark", "given", "complete"),
    [
        ("@pytest.mark.slow", ["-m", "not slow"], False),
        ("@pytest.mark.slow", ["-p", "xdist", "-n", "2", "-m", "not slow"], False),
        ("@pytest.mark.skip", [], False),
        ("@pytest.mark.skip", ["-p", "xdist", "-n", "2"], False),
        ("@pytest.mark.xfail", [], True),
        ("", ["--deselect=test_it.py::test_three"], False),
        ("", ["--ignore=test_other.py"], False),
        ("", [], False),  # it fails
    ],
)
def test_a_run_that_left_something_out_is_not_complete(project: Project, mark: str, given: list[str], complete: bool) -> None:
    project.tests(TWO + f"\n{mark}\ndef test_three(insights_cassette):\n    ask('d')\n    assert False\n")
    project.tests("def test_plain():\n    pass\n", "test_other")
    project.pytester.makeini("[pytest]\nmarkers = slow\n")
    project.run("--record-mode=once", *given)
    assert bool(project.usage()["complete"]) is complete
    assert "test_it.py::test_one" in project.usage()["tests"]


def test_without_pytests_cache_nothing_is_kept(project: Project) -> None:
    project.tests(TWO)
    project.run("--record-mode=once", "-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert not Path(".pytest_cache").exists()


# ---------------------------------------------------------------- the table itself


@pytest.mark.parametrize("old", [None, 1, [], "x", {}, {"tests": None}, {"tests": [1]}, {"complete": None, "tests": "x"}])
def test_anything_may_have_been_kept_before(old: Any) -> None:
    assert merged(old, {"t": {"f": ([0], 1)}}, complete="") == {"complete": "", "tests": {"t": {"f": ([0], 1)}}}


def test_files_add_up_what_tests_used(tmp_path: Path) -> None:
    usage = Usage(tmp_path, "", {"a": {"c.yaml": ([0], 3)}, "b": {"c.yaml": ([2], 3), "x/../d.yaml": ([], 1)}})
    assert usage.files() == {tmp_path / "c.yaml": ({0, 2}, 3), tmp_path / "d.yaml": (set(), 1)}


def test_read_from_the_nearest_cache_above(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert read_usage(below) is None
    kept = tmp_path / ".pytest_cache" / "v" / CACHE_KEY
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"complete": "2026-01-31T00:00:00Z", "tests": {"t": {"f": [[1], 2]}}}))
    found = read_usage(below)
    assert found == Usage(tmp_path, "2026-01-31T00:00:00Z", {"t": {"f": ([1], 2)}})


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"tests": 1}', '{"tests": {"t": {"f": 1}}}', '{"tests": {"t": []}}'])
def test_a_damaged_table_is_none(tmp_path: Path, text: str) -> None:
    kept = tmp_path / ".pytest_cache" / "v" / CACHE_KEY
    kept.parent.mkdir(parents=True)
    kept.write_text(text)
    assert read_usage(tmp_path) is None
