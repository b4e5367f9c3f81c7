"""`insights chat`, in a terminal and as a script."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

from tests.simulator import Simulator
from tests.unit.loopback import Provider

from .shell import KEY, Terminal, insights
from .test_ask import stream

M = ("-m", "openai/gpt-4o-mini")


def test_a_conversation_in_a_terminal(simulator: Simulator, online: dict[str, str], tmp_path: Path) -> None:
    with Terminal("chat", *M, "-s", "Be brief.", cwd=tmp_path, env=online) as talk:
        talk.expect("> ")
        talk.type("What is the capital of France?\n")
        talk.expect("The capital of France is Paris.")
        talk.expect("conversation $0.0000")
        talk.type("/model openai/gpt-4o\n")
        talk.expect("the model is openai/gpt-4o")
        talk.type("And\\\n")
        talk.expect("... ")
        talk.type("of Peru?\n")
        talk.expect("You said: And\nof Peru?")
        talk.expect("for 2 answers")
        asked = simulator.received[-1].body
        assert asked["model"] == "gpt-4o"
        assert [message["role"] for message in asked["messages"]] == ["system", "user", "assistant", "user"]
        talk.type("/model nonsense-nobody-has\n")
        talk.expect("error: no provider is known")
        talk.type("/undo\n")
        talk.expect("dropped: And")
        talk.type('"""two\n')
        talk.expect("... ")
        talk.type('lines"""\n')
        talk.expect("You said: two\nlines")
        assert len(simulator.received[-1].body["messages"]) == 4, "the exchange that was undone is gone"
        talk.type("/cost\n")
        talk.expect("for 3 answers")
        talk.type("/save talk.json\n")
        talk.expect("written to talk.json")
        talk.type("/save talk.json\n")
        talk.expect("the file is there already")
        talk.type("/nonsense\n")
        talk.expect("there is no /nonsense")
        talk.type("/help\n")
        talk.expect("/save FILE")
        talk.expect("> ")
        talk.type("wrong")
        talk.expect("wrong")  # echoed: the line is being read
        talk.interrupt("Ctrl-D or /exit ends")
        talk.expect("> ")
        talk.type("gone")
        talk.expect("gone")
        talk.type("\x15\x04")  # the line is cleared, and then it is the end
        assert talk.end() == 0
    saved = tmp_path / "talk.json"
    assert [message["role"] for message in json.loads(saved.read_text())] == ["system"] + ["user", "assistant"] * 2
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(tmp_path: Path) -> None:
    rest = threading.Event()
    with Provider() as provider:
        (tmp_path / "openai.yaml").write_text(f'openai:\n  api_base: "{provider.url}"\n')
        env = {"INSIGHTS_CONFIG_DIR": str(tmp_path), "OPENAI_API_KEY": KEY, "INSIGHTS_NUM_RETRIES": "0"}
        provider.will(*stream("Once upon", " a time."), wait=rest)
        provider.will(*stream("All", " is well."))
        with Terminal("chat", *M, env=env) as talk:
            talk.expect("> ")
            talk.type("A long story\n")
            talk.expect("Once upon")
            talk.interrupt("stopped: this question")
            rest.set()
            talk.expect("> ")
            talk.type("And now?\n")
            talk.expect("All is well.")
            talk.type("/exit\n")
            assert talk.end() == 0
        assert provider.received[-1].body["messages"] == [{"role": "user", "content": "And now?"}]


def test_a_call_that_fails_is_dropped(simulator: Simulator, online: dict[str, str]) -> None:
    simulator.fail("server_error", "openai", message=f"no: {KEY}")
    script = "What is this?\n/clear\nHello\n/system Be brief.\nHello again\n"
    found = insights("chat", *M, stdin=script.encode(), **online)
    assert found.returncode == 1
    assert found.stdout == "Hello! How can I help you today?\nYou said: Hello again\n"
    assert "error: openai/gpt-4o-mini (500)" in found.stderr
    assert "dropped from the conversation" in found.stderr
    said = [message["content"] for message in simulator.received[-1].body["messages"]]
    assert said == ["Be brief.", "Hello", "Hello! How can I help you today?", "Hello again"]


def test_a_script_that_goes_well(online: dict[str, str]) -> None:
    found = insights("chat", *M, stdin=b"Hello\n/exit\nNever asked\n", **online)
    assert (found.returncode, found.stdout, found.stderr) == (0, "Hello! How can I help you today?\n", "")
    assert insights("chat").returncode == 2
    assert insights("chat", "-m", "nonsense-nobody-has").returncode == 2
    assert "conversation $" in insights("chat", *M, "-v", stdin=b"Hello\n", **online).stderr
