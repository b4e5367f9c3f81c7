"""Whose file it is: of one test, of several on purpose, or of two by accident; and what comes before a test."""

from __future__ import annotations

import pytest

from tests.unit.cassettes.plugged import Project
from tests.unit.cassettes.tools import raw

SHARED = """
@pytest.mark.parametrize("text", ["Why is the sky blue?", "How do plants eat?"])
@pytest.mark.insights_cassette("common")
def test_shared(text):
    assert ask(text)
"""
ONE = "@pytest.mark.vcr\ndef test_one():\n    assert ask({!r})\n"
FILE = "cassettes/openai/test_one.yaml"


# ---------------------------------------------------------------- several on purpose


@pytest.mark.parametrize("modes", [["once"], ["rewrite"], ["once", "rewrite"], ["new_episodes", "all"]], ids=" ".join)
def test_what_other_tests_of_the_run_recorded_is_kept(project: Project, modes: list[str]) -> None:
    project.tests(SHARED)
    for times, mode in enumerate(modes, 1):
        project.run(f"--record-mode={mode}").assert_outcomes(passed=2)
        assert project.asked == 2 * times
    (path,) = project.paths()
    data = raw(path)
    assert data["tests"] == [
        "test_it.py::test_shared[Why is the sky blue?]",
        "test_it.py::test_shared[How do plants eat?]",
    ]
    assert len(data["interactions"]) == 2
    project.run().assert_outcomes(passed=2)
    assert project.asked == 2 * len(modes)


def test_a_missing_one_is_to_be_added(project: Project) -> None:
    project.tests(SHARED)
    project.run("--record-mode=once", "-k", "plants").assert_outcomes(passed=1)
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *record it: python -m pytest 'test_it.py::test_shared* --record-mode=new_episodes*"])
    project.run("--record-mode=new_episodes", "-k", "sky").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=2)


def test_a_test_that_is_tried_again_begins_anew(project: Project) -> None:
    """Where the file is its own there is nobody else's to be kept."""
    project.tests(
        "tries = []\n\n@pytest.mark.parametrize('number', [1, 1])\ndef test_one(insights_cassette, number):\n    ask()\n"
    )
    project.run("--record-mode=rewrite").assert_outcomes(passed=2)
    assert [len(raw(path)["interactions"]) for path in project.paths()] == [1, 1]


# ---------------------------------------------------------------- two by accident


def test_the_file_of_another_test_is_not_taken(project: Project) -> None:
    project.tests(ONE.format("a"), "test_a")
    project.tests(ONE.format("b"), "test_b")
    for mode in ("once", "rewrite"):
        result = project.run(f"--record-mode={mode}")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            [f"E *CassetteError: {FILE} is the cassette of test_a.py::test_one, and test_b.py::test_one would have it too"]
        )
        result.stdout.fnmatch_lines(["E *rename one of them, or name its cassette: @pytest.mark.insights_cassette(*"])
        assert raw(project.paths()[0])["tests"] == ["test_a.py::test_one"]
        assert '"a"' in project.files()[FILE]
        assert '"b"' not in project.files()[FILE]


@pytest.mark.parametrize("left", [None, "", "def test_two(): ...\n"], ids=["no file", "empty", "another test"])
def test_a_test_that_has_moved(project: Project, left: str | None) -> None:
    project.tests(ONE.format("a"), "test_a")
    project.run("--record-mode=once").assert_outcomes(passed=1)
    project.tests(ONE.format("a"), "test_b")
    old = project.pytester.path / "test_a.py"
    old.unlink() if left is None else old.write_text(left)
    project.run("test_b.py").assert_outcomes(passed=1)


def test_parameters_are_no_part_of_its_function(project: Project) -> None:
    text = "@pytest.mark.vcr\n@pytest.mark.parametrize('x', ['a::b'])\ndef test_one(x):\n    assert ask(x)\n"
    project.tests(text, "test_a")
    project.tests(text, "test_b")
    result = project.run("--record-mode=once")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *CassetteError: *is the cassette of test_a.py*"])


# ---------------------------------------------------------------- around the test

BEFORE = """
@pytest.fixture
def prepared():
    return ask("How do plants eat?")

def test_it(prepared, insights_cassette):
    assert prepared
    assert ask("Why is the sky blue?")
"""


def test_fixtures_named_before_it_are_recorded_too(project: Project) -> None:
    project.tests(BEFORE)
    project.run("--record-mode=once").assert_outcomes(passed=1)
    (path,) = project.paths()
    assert len(raw(path)["interactions"]) == 2
    project.run().assert_outcomes(passed=1)
    assert project.asked == 2


CAUGHT = """
def subject():
    try:
        return ask()
    except Exception:
        return "sorry"

{}
def test_it(insights_cassette):
    assert subject() == "sorry"
"""


def test_a_missing_recording_is_not_overlooked(project: Project) -> None:
    project.tests(CAUGHT.format(""))
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*a recording was missing, and the test passed without it:",
            "*cassettes/openai/test_it.yaml: there is no such cassette: POST *",
            "*-> record it: python -m pytest test_it.py::test_it --record-mode=once*",
        ]
    )


def test_unless_that_is_what_it_tests(project: Project) -> None:
    project.tests(CAUGHT.format("@pytest.mark.insights_cassette(allow_missing=True)"))
    project.run().assert_outcomes(passed=1)


def test_a_fallback_does_not_hide_it(project: Project) -> None:
    project.tests(
        "import insights\n\ndef test_it(insights_cassette):\n"
        "    insights.completion('openai/gpt-4o-mini', 'Hi', fallbacks=['anthropic/claude-haiku-4-5'], max_tokens=9)\n"
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *CassetteMissingError: cassettes/*/test_it.yaml: there is no such cassette: *"])
    assert "AllModelsFailedError" not in result.stdout.str()


def test_an_option_there_is_not(project: Project) -> None:
    project.tests("@pytest.mark.insights_cassette(modus='once')\ndef test_it():\n    ask()\n")
    result = project.run()
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "test_it.py::test_it: insights_cassette: got an unexpected keyword argument 'modus'" in text


def test_a_stream_still_open_at_the_end(project: Project) -> None:
    project.tests(
        "import insights\nfrom asking import BASE, KEY\n\ndef test_it(insights_cassette):\n"
        "    global stream\n    stream = insights.completion(\n"
        "        'openai/gpt-4o-mini', 'Hello', stream=True, api_base=BASE, api_key=KEY, num_retries=0\n    )\n"
        "    assert next(stream)\n"
    )
    with (project.pytester.path / "asking.py").open("a") as file:
        file.write(f"\nBASE, KEY = {project.simulator.base('openai')!r}, 'test-key-of-the-project'\n")
    project.run("--record-mode=once").assert_outcomes(passed=1)
    (path,) = project.paths()
    assert len(raw(path)["interactions"]) == 1
    project.run().assert_outcomes(passed=1)
    assert project.asked == 1
