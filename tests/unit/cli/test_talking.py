"""`insights chat`, typed line by line in this process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import Simulator
from tests.unit.loopback import Provider

from .shell import KEY, insights
from .test_ask import stream

M = ("-m", "openai/gpt-4o-mini")
HELLO = "Hello! How can I help you today?\n"


def talked(
    online: dict[str, str], *lines: str, words: tuple[str, ...] = (), terminal: str = "", cwd: Path | str = "."
) -> subprocess.CompletedProcess[str]:
    script = "".join(f"{line}\n" for line in lines)
    return insights("chat", *M, *words, stdin=script, terminal=terminal, cwd=cwd, NO_COLOR="1", **online)


def said(simulator: Simulator) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in simulator.received[-1].body["messages"]]


def test_what_is_typed_is_a_message(simulator: Simulator, online: dict[str, str]) -> None:
    done = talked(online, "", "   ", "Hello", "And\\", "of\\", "Peru?", '  """one', "", 'two"""', '"""three"""', " /help me")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == HELLO + "".join(
        f"You said: {text}\n" for text in ("And\nof\nPeru?", "one\n\ntwo", "three", "/help me")
    )
    asked = [text for role, text in said(simulator) if role == "user"]
    assert asked == ["Hello", "And\nof\nPeru?", "one\n\ntwo", "three", "/help me"]


def test_a_block_that_never_ends_is_not_sent(simulator: Simulator, online: dict[str, str]) -> None:
    assert talked(online, '"""one', "two").stdout == ""
    assert talked(online, "one\\").stdout == ""
    assert not simulator.received


def test_its_options_arrive(simulator: Simulator, online: dict[str, str]) -> None:
    options = (
        "-s",
        "Be brief.",
        "--max-tokens",
        "50",
        "--temperature",
        "0.5",
        "--timeout",
        "30",
        "--tag",
        "mine",
        "--no-cache",
    )
    for _ in range(2):
        assert talked(online, "Hello", words=options).stdout == HELLO
    assert len(simulator.received) == 2, "the cache was left alone"
    body = simulator.received[-1].body
    assert (body["max_tokens"], body["temperature"]) == (50, 0.5)
    assert said(simulator) == [("system", "Be brief."), ("user", "Hello")]
    rows = json.loads(insights("spend", "--by", "tag", "--json", **online).stdout)["rows"]
    assert [(row["name"], row["calls"]) for row in rows] == [("mine", 2)]


def test_commands_about_the_model_and_what_it_is_told(simulator: Simulator, online: dict[str, str]) -> None:
    lines = ("/model", "/model openai/gpt-4o", "/model mistral/mistral-small-latest", "/model openai/gpt-4o")
    done = talked(online, *lines, "/system", "/system Be brief.", "/system", "Hello", "/system -", "Hello again")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith("the model")] == [
        "the model is openai/gpt-4o-mini",
        "the model is openai/gpt-4o",
        "the model is mistral/mistral-small-latest",
        "the model is openai/gpt-4o",
        "the model is told nothing first",
        "the model is told first: Be brief.",
        "the model is told first: Be brief.",
        "the model is told nothing first",
    ]
    assert "mistral/mistral-small-latest: " in done.stderr
    assert "MISTRAL_API_KEY" in done.stderr
    assert [each.body["model"] for each in simulator.received] == ["gpt-4o", "gpt-4o"]
    assert simulator.received[0].body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert said(simulator) == [("user", "Hello"), ("assistant", HELLO.strip()), ("user", "Hello again")]


def test_commands_about_what_was_said(simulator: Simulator, online: dict[str, str]) -> None:
    done = talked(
        online, "/undo", "/cost", "One", "Two", "/undo", "Three", "/cost", "/clear", "/clear", "Four", "/quit", "Five"
    )
    assert done.returncode == 0
    assert done.stdout == "".join(f"You said: {word}\n" for word in ("One", "Two", "Three", "Four"))
    undo, cost, dropped, more, cleared, nothing = done.stderr.splitlines()
    assert (undo, dropped) == ("there is nothing to undo", "dropped: Two")
    assert cost == "$0 for 0 answers"
    assert more.endswith(" for 3 answers")
    assert cleared == "2 questions dropped; what the model is told first stays"
    assert nothing == "0 questions dropped; what the model is told first stays"
    assert said(simulator) == [("user", "Four")]


def test_what_it_cost(simulator: Simulator, online: dict[str, str]) -> None:
    """0.15 and 0.60 USD per million tokens; the second time the cache has the answer, and a host of one's own has no price."""
    words = ("What is the capital of France?", "/cost", "/undo", "What is the capital of France?", "/cost")
    done = talked(online, *words, "/model openai/mine-alone", "Hello", "/cost", words=("-v",))
    assert done.returncode == 0
    costs = [line for line in done.stderr.splitlines() if line.startswith("$")]
    assert costs == [
        "$0.00000645 for 1 answer",
        "$0.00000645 for 2 answers, $0.00000645 saved by the cache",
        "$0.00000645 for 3 answers, $0.00000645 saved by the cache, 1 of unknown cost",
    ]
    told = [line for line in done.stderr.splitlines() if " · conversation $" in line]
    assert len(told) == 3
    assert told[0].startswith("openai/gpt-4o-mini · $0.00000645 · ")


def test_it_is_saved(online: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    done = talked(
        online, "Hello", "/save", "/save there.json", "/save no/such/place.json", "/save talk.json",
        words=("-s", "Be brief."), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "written to talk.json" in done.stderr
    assert json.loads((tmp_path / "talk.json").read_text()) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": HELLO.strip()},
    ]
    assert (tmp_path / "there.json").read_text() == "mine"
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        "error: /save needs a file",
        "error: there.json: the file is there already",
        "error: no/such/place.json: can't be written: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("/nonsense", "there is no /nonsense"),
        ("/model nonsense-nobody-has", "no provider is known for model 'nonsense-nobody-has'"),
    ],
)
def test_a_command_that_cannot_be(line: str, error: str, online: dict[str, str]) -> None:
    done = talked(online, line, "Hello")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {error}")
    assert done.stdout == HELLO, "it goes on"
    assert talked(online, line, terminal="in").returncode == 0, "somebody saw it"


def test_help_names_every_command(online: dict[str, str]) -> None:
    text = talked(online, "/help").stderr
    assert all(f"/{name} " in text for name in ("model", "system", "undo", "clear", "cost", "save", "exit"))


def test_in_a_terminal(online: dict[str, str]) -> None:
    done = talked(online, "Hello", "\x03", "And\\", "now?", terminal="in out err")
    assert done.returncode == 0
    assert done.stdout == f"> {HELLO}> > ... You said: And\nnow?\n> "
    first, _, *rest = done.stderr.splitlines()
    assert first == "openai/gpt-4o-mini; /help lists the commands, Ctrl-D ends"
    assert "Ctrl-D or /exit ends" in rest
    assert done.stderr.endswith("\n\n"), "the shell's prompt begins on a line of its own"


def test_prompts_stay_out_of_a_file(online: dict[str, str]) -> None:
    done = talked(online, "Hello", "/exit", terminal="in", words=("-q",))
    assert (done.returncode, done.stdout, done.stderr) == (0, HELLO, "> > ")


def _stops(*given: Any, **more: Any) -> Any:
    raise KeyboardInterrupt


def test_an_answer_is_stopped(simulator: Simulator, online: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights.client.completion", _stops)
    done = talked(online, "Hello", "/cost", terminal="in")
    assert done.returncode == 0
    assert "stopped: this question and what came of its answer are not part of the conversation" in done.stderr
    assert "$0 for 0 answers" in done.stderr
    done = talked(online, "Hello", "Never asked")
    assert (done.returncode, done.stdout) == (130, "")


def test_a_refusal_is_shown(tmp_path: Path) -> None:
    (tmp_path / "openai.yaml").write_text("")
    with Provider() as provider:
        (tmp_path / "openai.yaml").write_text(f'openai:\n  api_base: "{provider.url}"\n')
        pieces = [piece.replace(b'"content"', b'"refusal"') for piece in stream("I can't", " do that.")]
        provider.will(*pieces)
        env = {"INSIGHTS_CONFIG_DIR": str(tmp_path), "OPENAI_API_KEY": KEY, "INSIGHTS_NUM_RETRIES": "0"}
        done = talked(env, "Do it")
    assert (done.returncode, done.stdout) == (0, "I can't do that.\n")


def test_bad_input_is_told_before_anything_is_read(online: dict[str, str]) -> None:
    done = insights("chat", stdin="Hello\n", **online)
    assert done.returncode == 2
    assert "no model is named" in done.stderr
    done = insights("chat", *M, "--record-mode", "replay", stdin="Hello\n", **online)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--record-mode is of a cassette" in done.stderr


def test_from_a_recording() -> None:
    """A recording of a stream of the same question."""
    done = insights("chat", *M, "--cassette", "cassettes/openai/plain.yaml", stdin="Something else\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cassettes/openai/plain.yaml" in done.stderr
