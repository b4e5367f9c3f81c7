"""What is said where a recording is missing."""

from __future__ import annotations

import builtins
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.cassettes import modes
from insights.cassettes.missing import how_to_record, missing
from insights.cassettes.shown import shown
from insights.client import Client
from insights.core.errors import CassetteMissingError
from tests.unit.both import ask, both
from tests.unit.cassettes.tools import CHAT, MODEL, call, handmade, interaction, prompt
from tests.unit.openai_wire import answer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are said as seen from the working directory, and pytest has no option of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(modes, "has_option", False)


@pytest.fixture
def test_id(request: pytest.FixtureRequest) -> str:
    """The running test, as a shell takes it."""
    return shlex.quote(request.node.nodeid)


def started(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """As if this process had been started so: `python` and these words."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python3", *words])
    monkeypatch.setattr(sys, "argv", list(words[:1]) or [""])


# ---------------------------------------------------------------- the command


@both
def test_all_of_it(keyless: Client, tmp_path: Path, awaiting: bool, test_id: str) -> None:
    path = handmade(
        tmp_path / "deep" / "c.yaml",
        interaction(prompt("Something else altogether", temperature=1, n=2)),
        interaction(prompt("Name the largest city of France.", temperature=0.5)),
    )
    with use_cassette(path), pytest.raises(CassetteMissingError) as raised:
        ask(keyless, awaiting, MODEL, "Name the smallest city of France.", temperature=0.5)
    assert str(raised.value).splitlines() == [
        f"deep/c.yaml: this request isn't in it: POST {CHAT} (openai/test-model)",
        "  nearest is recording 2 of 2, which differs in",
        "    messages[0].content",
        '      - recorded: "Name the largest city of France."',
        '      + asked:    "Name the smallest city of France."',
        f"  -> record it: INSIGHTS_RECORD_MODE=refresh python -m pytest {test_id}   (with OPENAI_API_KEY set)",
    ]
    assert raised.value.trace is not None
    assert [(a.decision, a.error) for a in raised.value.trace.attempts] == [("stop", "CassetteMissingError")]


def test_there_is_no_file(tmp_path: Path, test_id: str) -> None:
    with pytest.raises(CassetteMissingError) as raised, use_cassette(tmp_path / "c.yaml"):
        pytest.fail("the block was entered")
    assert str(raised.value).splitlines() == [
        "c.yaml: there is no such cassette",
        f"  -> record it: INSIGHTS_RECORD_MODE=record python -m pytest {test_id}",
    ]


def test_the_file_of_a_provider_is_missing(keyless: Client, tmp_path: Path) -> None:
    with use_cassette(tmp_path / "{provider}" / "c.yaml"), pytest.raises(CassetteMissingError) as raised:
        keyless.completion(MODEL, "Hi")
    assert raised.value.message.splitlines() == [f"openai/c.yaml: there is no such cassette: POST {CHAT} (openai/test-model)"]
    assert "INSIGHTS_RECORD_MODE=record python -m pytest" in str(raised.value.hint)


@pytest.mark.parametrize(("exists", "mode"), [(True, "refresh"), (False, "record")])
def test_where_the_mode_stands_in_the_code(tmp_path: Path, exists: bool, mode: str) -> None:
    said = how_to_record(tmp_path / "c.yaml", exists=exists, given=True)
    assert said == f"record it: use_cassette('c.yaml', mode='{mode}')"


@pytest.mark.parametrize(("exists", "mode"), [(True, "rewrite"), (False, "once")])
def test_in_a_test_where_pytest_has_the_option(monkeypatch: pytest.MonkeyPatch, exists: bool, mode: str, test_id: str) -> None:
    monkeypatch.setattr(modes, "has_option", True)
    assert how_to_record(Path("c.yaml"), exists=exists) == f"record it: python -m pytest {test_id} --record-mode={mode}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["my script.py"], "'my script.py'"),
        (["my.py", "--city", "New York"], "my.py --city 'New York'"),
        (["-m", "package.module", "-x"], "-m package.module -x"),
        (["-X", "dev", "my.py"], "-X dev my.py"),
    ],
)
def test_in_a_script(monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    started(monkeypatch, *words)
    assert how_to_record(Path("c.yaml"), exists=False) == f"record it: INSIGHTS_RECORD_MODE=record python {said}"


def test_a_program_in_this_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program").touch()
    started(monkeypatch, str(tmp_path / "program"))
    assert how_to_record(Path("c.yaml"), exists=False).endswith(" python program")


@pytest.mark.parametrize("words", [[], ["-"], ["-c"], ["-m", "ipykernel_launcher"], ["/usr/bin/ipython"]])
def test_where_nobody_knows_how_it_was_started(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    started(monkeypatch, *words, *(["pass"] if words == ["-c"] else []))
    if "-m" in words:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    if words and "/" in words[0]:
        monkeypatch.setattr(builtins, "get_ipython", object, raising=False)
    assert how_to_record(Path("c.yaml"), exists=True) == "record it: use_cassette('c.yaml', mode='refresh')"


def test_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    first, second = how_to_record(Path("c.yaml"), exists=True).splitlines()
    assert first.startswith("record it: INSIGHTS_RECORD_MODE=refresh python -m pytest")
    assert second == "  -> not here: CI is set, where cassettes are only replayed"


@pytest.mark.parametrize(("provider", "named"), [("openai", True), ("ollama", False), ("nobody", False), ("", False)])
def test_whose_key_is_needed(provider: str, named: bool) -> None:
    said = how_to_record(Path("c.yaml"), exists=True, call=call(provider=provider, model="m"))
    assert said.endswith("   (with OPENAI_API_KEY set)") == named
    assert ("_API_KEY" in said) == named


def test_a_key_that_is_set_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from insights.core import config

    monkeypatch.setattr(config, "settings", config.Settings(OPENAI_API_KEY="a-key-of-nobody"))
    assert "_API_KEY" not in how_to_record(Path("c.yaml"), exists=True, call=call(provider="openai", model="m"))


def test_paths(tmp_path: Path) -> None:
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent / "b") == str(tmp_path.parent / "b")


# ---------------------------------------------------------------- the nearest request


def lines(asked: bytes, *recorded: bytes, url: str = CHAT) -> list[str]:
    """What is said of the nearest request, without its first lines."""
    items = [interaction(body) for body in recorded]
    return missing(Path("c.yaml"), call(asked, url), "why", items).message.splitlines()[1:]


def test_without_recordings_nothing_is_near() -> None:
    assert lines(prompt()) == []
    assert lines(prompt(), prompt()) == []  # the very same: played already


def test_another_url() -> None:
    assert lines(prompt(), prompt(), url="https://other.example/?key=abc") == [
        "  nearest is recording 1 of 1, which differs in",
        "    url",
        f'      - recorded: "{CHAT}"',
        '      + asked:    "https://other.example/"',
    ]


def test_what_one_of_them_has_not() -> None:
    found = lines(prompt(temperature=1, tools=[{"a": "ä"}]), prompt(seed=1, tools=[]))
    assert found[1:] == [
        "    seed",
        "      - recorded: 1",
        "      + asked:    (absent)",
        "    tools[0]",
        "      - recorded: (absent)",
        '      + asked:    {"a": "ä"}',
        "    temperature",
        "      - recorded: (absent)",
        "      + asked:    1",
    ]


def test_a_long_text_is_cut_to_where_it_differs() -> None:
    text = "a" * 500 + "X" + "b" * 500
    _, path, old, new = lines(prompt(text.replace("X", "Y")), prompt(text))
    assert path == "    messages[0].content"
    assert old == f'      - recorded: ..."{"a" * 30}X{"b" * 89}"...'
    assert new == f'      + asked:    ..."{"a" * 30}Y{"b" * 89}"...'


def test_what_a_terminal_might_obey_is_not_shown() -> None:
    assert not any(
        ord(letter) < 32 or letter == "\x9b" for line in lines(prompt("\x1b[31m\x9b"), b"\x1b\xff") for letter in line
    )


def test_a_request_with_many_differences() -> None:
    many: dict[str, Any] = {f"p{number}": number for number in range(15)}
    found = lines(prompt(**many), prompt())
    assert found[-1].strip() == "... and 3 more"
    assert len(found) == 1 + 12 * 3 + 1


def test_the_likest_of_several_that_differ_in_as_much() -> None:
    found = lines(prompt("one two three"), prompt("xyz"), prompt("one two four"), prompt("zyx"))
    assert found[0] == "  nearest is recording 2 of 3, which differs in"


def test_an_answer_that_was_played_has_no_nearest(keyless: Client, tmp_path: Path) -> None:
    twice = [interaction(pieces=[answer()])] * 2
    with use_cassette(handmade(tmp_path / "c.yaml", *twice)):
        for _ in range(2):
            keyless.completion(MODEL, "Hi")
        with pytest.raises(CassetteMissingError, match="all 2 recordings of this request are played already") as raised:
            keyless.completion(MODEL, "Hi")
    assert "nearest" not in raised.value.message
    with use_cassette(handmade(tmp_path / "c.yaml")):
        keyless.completion(MODEL, "Hi")
        with pytest.raises(CassetteMissingError, match="it is played already"):
            keyless.completion(MODEL, "Hi")
