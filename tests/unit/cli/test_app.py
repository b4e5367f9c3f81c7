"""The command itself: what it is made of, how it starts, and how it ends where nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.processes import loaded, run_python

from .shell import PATIENCE, Terminal, environment, insights, spawned

COMMANDS = ("ask", "chat", "models", "route", "cost", "spend", "cache", "doctor", "cassettes", "prices")


def test_help_lists_every_command() -> None:
    found = spawned("--help")
    assert found.returncode == 0
    listed = {line.split()[0] for line in found.stdout.partition("Commands:")[2].splitlines() if line.strip()}
    assert set(COMMANDS) <= listed
    assert "\x1b" not in found.stdout


def test_every_command_has_help_with_an_example() -> None:
    for name in (*COMMANDS[:6], "doctor", "cache stats", "cache clear", "cache evict", "cache path"):
        found = insights(*name.split(), "--help")
        assert found.returncode == 0
        assert "Example" in found.stdout, name


def test_no_option_takes_a_key() -> None:
    for name in ("ask", "chat"):
        assert "api-key" not in insights(name, "--help").stdout


def test_starting_imports_nothing_heavy() -> None:
    run = run_python("-c", "import sys, insights.cli.app; print(*sys.modules)")
    assert run.returncode == 0, run.stderr
    assert loaded(run.stdout, ("litellm", "pydantic", "yaml", "httpx", "rich", "openai", "tiktoken")) == []
    assert "insights.client" not in run.stdout.split()


def test_completion_is_shown_and_knows_models() -> None:
    shown = insights("--show-completion", "bash", SHELL="/bin/bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert shown.returncode == 0
    assert "complete" in shown.stdout
    for words in ("insights ask --model openai/gpt-4o-m", "insights route openai/gpt-4o-m"):
        assert "openai/gpt-4o-mini" in completed(words).split()
    assert completed("insights models --provider anthr").split() == ["anthropic"]


def completed(words: str, **env: str) -> str:
    """What bash is told for a line that ends with these words."""
    code = "import sys; sys.argv[0] = 'insights'; from insights.cli import main; main()"
    asked = {"_INSIGHTS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    run = run_python("-c", code, env={**asked, **env})
    assert run.stderr == ""
    return run.stdout


def test_completion_says_nothing_where_a_file_is_broken(online: dict[str, str]) -> None:
    words = "insights ask --model qui"
    assert completed(words, **online).split() == ["quick"]
    with open(os.path.join(online["INSIGHTS_CONFIG_DIR"], "openai.yaml"), "w") as file:
        file.write("openai: [")
    assert completed(words, **online).split() == []


def test_a_closed_pipe_ends_it_without_a_word() -> None:
    for arguments in (["models"], ["models", "--json"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "insights", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=PATIENCE,
            check=False,
        )
        os.close(writing)
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert b"BrokenPipe" not in done.stderr


def test_no_color_in_a_terminal() -> None:
    for wanted, env in ((True, {}), (False, {"NO_COLOR": "1"})):
        with Terminal("models", "gpt-4o-mini", env={**env, "COLUMNS": "160"}) as terminal:
            terminal.expect("gpt-4o-mini")
            assert terminal.end() == 0
        assert ("\x1b[" in terminal.seen) is wanted


def test_an_unknown_option_is_bad_input() -> None:
    assert insights("models", "--nonsense").returncode == 2
    assert insights("nonsense").returncode == 2
