"""The pytest plugin, run by pytest in pytest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.loopback import Exchange, Received, Server
from tests.processes import loaded, run_python
from tests.unit.cassettes.plugged import KEY, Project

ONE = "def test_one(insights_cassette):\n    assert ask() == 'Hello! How can I help you today?'\n"


def test_recorded_when_asked_to_and_replayed_ever_after(project: Project) -> None:
    project.tests(ONE)
    project.run("--record-mode=once").assert_outcomes(passed=1)
    assert list(project.files()) == ["cassettes/openai/test_one.yaml"]
    assert KEY not in "".join(project.files().values())
    assert project.asked == 1
    project.run().assert_outcomes(passed=1)
    project.run("--record-mode=once").assert_outcomes(passed=1)
    assert project.asked == 1
    project.run("--record-mode=rewrite").assert_outcomes(passed=1)
    assert project.asked == 2


def test_without_a_cassette_it_says_how_to_get_one(project: Project) -> None:
    project.tests(ONE)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *CassetteMissingError: cassettes/openai/test_one.yaml: there is no such cassette: POST http://127.0.0.1:*",
            "E *-> record it: python -m pytest test_it.py::test_one --record-mode=once*",
        ]
    )
    assert project.asked == 0


def test_in_ci_it_says_that_nothing_is_recorded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    project.tests(ONE)
    result = project.run("--record-mode=once")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "insights: CI is set, so cassettes are only replayed, whatever --record-mode=once says",
            "E *record it: python -m pytest test_it.py::test_one --record-mode=once*",
            "E *not here: CI is set*",
        ]
    )
    project.run("--record-mode=none").stdout.no_fnmatch_line("insights: CI is set*")
    assert (project.asked, project.files()) == (0, {})


def test_without_pytest_recording(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.tests(ONE + "\n@pytest.mark.insights_cassette\ndef test_two():\n    ask()\n")
    result = project.run(recording=False)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *record it: INSIGHTS_RECORD_MODE=record python -m pytest test_it.py::test_one*"])
    monkeypatch.setenv("INSIGHTS_RECORD_MODE", "record")
    project.run(recording=False).assert_outcomes(passed=2)
    monkeypatch.delenv("INSIGHTS_RECORD_MODE")
    project.run(recording=False).assert_outcomes(passed=2)
    assert project.asked == 2


def test_disabled(project: Project) -> None:
    project.tests("def test_one(insights_cassette):\n    assert insights_cassette is None\n    assert ask()\n")
    project.run("--disable-recording").assert_outcomes(passed=1)
    assert (project.asked, project.files()) == (1, {})


@pytest.mark.parametrize(
    ("given", "marks", "variable", "mode"),
    [
        ([], "", "", "replay"),
        ([], "", "auto", "auto"),
        ([], "@pytest.mark.insights_cassette(mode='record')", "auto", "record"),
        (["--record-mode=all"], "@pytest.mark.insights_cassette(mode='record')", "auto", "refresh"),
        (["--record-mode=none"], "@pytest.mark.insights_cassette(mode='record')", "auto", "replay"),
        ([], "@pytest.mark.vcr(record_mode='new_episodes')", "record", "auto"),
        ([], "@pytest.mark.vcr", "refresh", "record"),  # what vcr_config says
        ([], "@pytest.mark.vcr(record_mode='all')\n@pytest.mark.insights_cassette(mode='auto')", "", "auto"),
        (["--record-mode=rewrite"], "@pytest.mark.vcr(record_mode='once')", "", "refresh"),
    ],
)
def test_who_decides_on_the_mode(
    project: Project, monkeypatch: pytest.MonkeyPatch, given: list[str], marks: str, variable: str, mode: str
) -> None:
    if variable:
        monkeypatch.setenv("INSIGHTS_RECORD_MODE", variable)
    project.tests(
        "@pytest.fixture\ndef vcr_config():\n    return {'record_mode': 'once'}\n\n"
        f"{marks}\ndef test_one(insights_cassette):\n    assert insights_cassette.mode == {mode!r}\n"
    )
    project.run(*given).assert_outcomes(passed=1)


def test_options_of_all_and_of_one(project: Project) -> None:
    project.tests(
        """
@pytest.fixture
def insights_cassette_config():
    return {"mode": "record", "inject": [429]}

def test_all(insights_cassette):
    assert insights_cassette.mode == "record"
    with pytest.raises(Exception, match="injected"):
        ask()

@pytest.mark.insights_cassette(inject=[])
def test_of_its_own():
    assert ask()
"""
    )
    project.run().assert_outcomes(passed=2)


NAMES = """
TEXTS = ["a/b", "{provider}", "..", "x" * 300, "é", "<b>", "C:\\\\x", "two\\nlines"]

@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text)
def test_p(insights_cassette, text):
    ask(text)

class TestIt:
    def test_one(self, insights_cassette):
        ask()

def test_größe(insights_cassette):
    ask()

@pytest.mark.insights_cassette("../../out/of/here")
def test_out():
    ask()

@pytest.mark.insights_cassette("by_hand.yaml")
def test_hand():
    ask()

@pytest.mark.default_cassette("theirs")
def test_default(insights_cassette):
    ask()
"""


def test_names_of_files(project: Project) -> None:
    project.tests(NAMES)
    project.run("--record-mode=once").assert_outcomes(passed=13)
    names = [path.name for path in project.paths()]
    long = next(name for name in names if "xxx" in name)
    names.remove(long)
    assert len(long.encode()) < 220
    assert {str(path.parent.relative_to(project.pytester.path)) for path in project.paths()} == {"cassettes/openai"}
    assert set(names) == {
        "TestIt.test_one.yaml", "test_größe.yaml", "-..-out-of-here.yaml", "by_hand.yaml", "theirs.yaml",
        "test_p[a-b].yaml", "test_p[-provider-].yaml", "test_p[..].yaml", "test_p[-xe9].yaml", "test_p[-b-].yaml",
        "test_p[C---x].yaml", "test_p[two-nlines].yaml",
    }  # fmt: skip
    project.run().assert_outcomes(passed=13)
    assert project.asked == 13


def test_where_they_lie_can_be_said(project: Project) -> None:
    project.tests(ONE)
    project.pytester.makeini("[pytest]\ninsights_cassette_dir = recorded/cassettes\n")
    project.run("--record-mode=once").assert_outcomes(passed=1)
    assert list(project.files()) == ["recorded/cassettes/openai/test_one.yaml"]


@pytest.mark.parametrize("given", [[], ["-p", "xdist", "-n", "2"]], ids=["here", "in workers"])
def test_two_tests_for_one_file(project: Project, given: list[str]) -> None:
    project.tests(ONE, "test_a")
    project.tests(ONE, "test_b")
    result = project.run("--record-mode=once", *given)
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "two tests would have the same cassettes, test_one.yaml: test_a.py::test_one and test_b.py::test_one." in text
    assert "@pytest.mark.insights_cassette('another_name')" in text
    assert project.asked == 0


@pytest.mark.parametrize("mark", ["insights_cassette", "default_cassette"])
def test_two_tests_that_share_a_file_on_purpose(project: Project, mark: str) -> None:
    shared = f"@pytest.mark.{mark}('shared')\n{ONE}"
    project.tests(f"{shared}\n{shared.replace('test_one', 'test_two')}")
    project.run("--record-mode=new_episodes").assert_outcomes(passed=2)
    assert list(project.files()) == ["cassettes/openai/shared.yaml"]
    project.run().assert_outcomes(passed=2)


class Plain(Server):
    """Some other service."""

    verbs = frozenset({"GET"})

    def respond(self, request: Received, exchange: Exchange) -> None:
        self.received.append(request)
        exchange.send_whole(200, [("Content-Type", "text/plain")], b"something else")


OTHER = """
import httpx, urllib.request

@pytest.mark.vcr
def test_both():
    assert ask() == 'Hello! How can I help you today?'
    assert urllib.request.urlopen({url!r} + "/a").read() == b"something else"
    assert httpx.get({url!r} + "/b").text == "something else"
    assert ask("How do plants eat?") == 'They make sugar from water, air and sunlight.'
"""


def test_other_traffic_of_a_test_goes_to_vcrpys_cassette(project: Project) -> None:
    with Plain() as plain:
        project.tests(OTHER.format(url=plain.url))
        project.run("--record-mode=once").assert_outcomes(passed=1)
        asked = project.asked, len(plain.received)
    assert asked == (2, 2)
    ours, theirs = "cassettes/openai/test_both.yaml", "cassettes/test_it/test_both.yaml"
    files = project.files()
    assert sorted(files) == [ours, theirs]
    assert (files[ours].count("- request:"), files[theirs].count("- request:")) == (2, 2)
    assert "chat/completions" not in files[theirs]
    assert "something else" not in files[ours]
    assert KEY not in "".join(files.values())
    project.run().assert_outcomes(passed=1)  # though nobody is there any more
    assert project.asked == 2


def test_the_network_is_blocked_where_the_cassette_is_ours_alone(project: Project) -> None:
    text = "import socket\n\n{}\ndef test_one():\n    socket.getaddrinfo('example.invalid', 80)\n"
    project.tests(text.format("@pytest.mark.insights_cassette"))
    result = project.run(child=True)  # in this process the suite's own guard comes first
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *NetworkBlockedError: example.invalid: no network while a cassette replays*"])


def test_what_pytest_says_of_it(project: Project) -> None:
    project.tests(ONE)
    project.run("--markers").stdout.fnmatch_lines(["@pytest.mark.insights_cassette(name=None, /, [*][*]options): *"])
    project.run("--fixtures").stdout.fnmatch_lines(
        ["insights_cassette_config -- *", "    Options of *", "insights_cassette -- *", "    The test's cassette. *"]
    )


LIGHT = """
import json, sys
before = set(sys.modules)
import insights.cassettes.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_pytest_starts_no_slower_for_it() -> None:
    run = run_python("-c", "import pytest" + LIGHT)
    assert run.returncode == 0, run.stderr
    modules = json.loads(run.stdout)
    assert "insights.cassettes.plugin" in modules
    assert loaded(" ".join(modules), ("litellm", "openai", "httpx", "yaml", "pydantic", "vcr", "pytest_recording")) == []
    assert [name for name in modules if name in ("insights.cassettes.use", "insights.client")] == []


def test_a_run_without_cassettes_imports_nothing(project: Project) -> None:
    Path("test_it.py").write_text(
        "import sys\n\ndef test_one():\n    assert not {'litellm', 'httpx', 'yaml', 'pydantic', 'vcr'} & set(sys.modules)\n"
        "    assert 'insights.cassettes.use' not in sys.modules\n"
    )
    project.run(child=True).assert_outcomes(passed=1)
    assert not Path(".pytest_cache/v/insights").exists()
