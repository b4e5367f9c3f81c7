"""`insights ask`, through pipes and in a terminal: against the simulator, and from a recording."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import Simulator
from tests.unit.loopback import Provider

from .shell import KEY, PATIENCE, Terminal, environment, insights, spawned

M = ("-m", "openai/gpt-4o-mini")
QUESTION = "What is the capital of France?"
PARIS = "The capital of France is Paris."
RECORDED = ("--cassette", "cassettes/openai/plain.yaml")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def sent(simulator: Simulator) -> Any:
    return simulator.received[-1].body


def test_from_a_recording() -> None:
    found = insights("ask", *M, *RECORDED, QUESTION)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{PARIS}\n", "")
    told = insights("ask", *M, *RECORDED, "-v", QUESTION)
    assert told.stdout == f"{PARIS}\n"
    assert told.stderr.startswith("openai/gpt-4o-mini · $0.00000645 · ")
    assert insights("ask", *M, *RECORDED, "-v", "-q", QUESTION).stderr == ""


def test_the_prompt_is_what_is_typed_and_what_is_piped(simulator: Simulator, online: dict[str, str]) -> None:
    assert insights("ask", *M, *QUESTION.split(), **online).stdout == f"{PARIS}\n"
    assert spawned("ask", *M, stdin=f"{QUESTION}\n".encode(), INSIGHTS_MODEL="none", **online).stdout == f"{PARIS}\n"
    assert len(simulator.received) == 1, "the same question, however it was asked"
    insights("ask", "Summarise", stdin="Ein Käse.\n".encode(), INSIGHTS_MODEL="quick", **online)
    assert sent(simulator)["messages"] == [{"role": "user", "content": "Summarise\n\nEin Käse."}]
    assert insights("ask", *M, stdin=b"\xff\xfe\x00", **online).returncode == 2


def test_its_options_arrive(simulator: Simulator, online: dict[str, str]) -> None:
    options = ("-s", "Be brief.", "--max-tokens", "50", "--temperature", "0.5", "--timeout", "30", "--tag", "mine")
    assert insights("ask", *M, *options, "Hello", **online).returncode == 0
    body = sent(simulator)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["max_tokens"], body["temperature"]) == (50, 0.5)
    rows = json.loads(insights("spend", "--by", "tag", "--json", **online).stdout)["rows"]
    assert [(row["name"], row["calls"]) for row in rows] == [("mine", 1)]


def test_the_cache_serves_is_left_and_is_refreshed(simulator: Simulator, online: dict[str, str]) -> None:
    for count, more in ((1, ()), (1, ()), (2, ("--no-cache",)), (3, ("--refresh",)), (3, ())):
        found = json.loads(insights("ask", *M, "--json", *more, "Hello", **online).stdout)
        assert len(simulator.received) == count
    assert found["cached"]
    assert found["cost"]["total"] == "0"
    assert float(found["cost"]["saved"]) > 0
    assert insights("ask", *M, "--no-cache", "--refresh", "Hello", **online).returncode == 2


def test_json(online: dict[str, str]) -> None:
    found = json.loads(insights("ask", *M, "--json", QUESTION, **online).stdout)
    assert (found["text"], found["provider"], found["model"]) == (PARIS, "openai", "gpt-4o-mini")
    assert (found["cached"], found["finish_reason"]) == (False, "stop")
    assert found["cost"]["total"] == "0.00000645"
    assert found["cost"]["buckets"]["input"] == "0.00000165"
    assert found["cost"]["price_date"]
    assert found["usage"]["prompt_tokens"] == 11
    assert [(a["model"], a["status"], a["decision"]) for a in found["attempts"]] == [("openai/gpt-4o-mini", 200, "answer")]
    assert insights("ask", *M, "--json", "--stream", QUESTION, **online).returncode == 2


def test_a_stream_through_a_pipe_comes_piece_by_piece(tmp_path: Path) -> None:
    rest = Waited()
    with Provider() as provider:
        provider.will(*stream("One, ", "two.\n"), wait=rest)
        env = environment(**_leading_to(provider.url, tmp_path))
        arguments = [sys.executable, "-m", "insights", "ask", *M, "--stream", "Count"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env) as running:
            assert running.stdout is not None
            first = os.read(running.stdout.fileno(), 5)  # while the rest hasn't been sent
            rest.set()
            assert first + running.stdout.read() == b"One, two.\n"
        assert running.returncode == 0
    assert rest.in_time, "the first piece was held back"


class Waited(threading.Event):
    """An event that remembers whether it came while it was waited for."""

    in_time = False

    def wait(self, timeout: float | None = None) -> bool:
        self.in_time = super().wait(timeout)
        return self.in_time


def stream(*words: str) -> list[bytes]:
    """The pieces of a streamed answer; the last one is its end."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    deltas = [{"role": "assistant", "content": words[0]}, *({"content": word} for word in words[1:-1])]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {**head, "choices": [{"index": 0, "delta": {"content": words[-1]}, "finish_reason": "stop"}]}
    pieces = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return [*pieces, f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode()]


def _leading_to(url: str, tmp_path: Path) -> dict[str, str]:
    directory = tmp_path / "leading"
    directory.mkdir(exist_ok=True)
    (directory / "openai.yaml").write_text(f'openai:\n  api_base: "{url}"\n')
    return {"INSIGHTS_CONFIG_DIR": str(directory), "OPENAI_API_KEY": KEY, "INSIGHTS_NUM_RETRIES": "0"}


def test_a_stream_that_breaks_off_fails_behind_what_came(tmp_path: Path) -> None:
    with Provider() as provider:
        provider.will(stream("One, ", "two.")[0], cut=True, content_type="text/event-stream")
        found = insights("ask", *M, "--stream", "Count", **_leading_to(provider.url, tmp_path))
    assert found.returncode == 1
    assert found.stdout == "One, \n"
    assert found.stderr.startswith("error: openai/gpt-4o-mini")


def test_what_a_terminal_would_obey_arrives_in_a_pipe_only(tmp_path: Path) -> None:
    nasty = "\x1b]0;title\x07a\tb\x9b31mc"
    with Provider() as provider:
        for _ in range(2):
            provider.will(*stream(nasty, "."))
        env = _leading_to(provider.url, tmp_path) | {"INSIGHTS_CACHE": "0"}
        assert insights("ask", *M, "--stream", "Go", **env).stdout == f"{nasty}.\n"
        with Terminal("ask", *M, "--stream", "-q", "Go", env=env) as terminal:
            assert terminal.end() == 0
    assert "?]0;title?a" in terminal.seen
    assert "\x1b" not in terminal.seen
    assert "\x9b" not in terminal.seen


SCHEMA = {"type": "object", "title": "City", "properties": {"city": {"type": "string"}, "population": {"type": "integer"}}}


def test_a_schema_from_a_file_and_as_it_is(simulator: Simulator, online: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "city.json"
    file.write_text(json.dumps(SCHEMA))
    found = insights("ask", *M, "--schema", str(file), "Tell me of Tokyo", **online)
    assert json.loads(found.stdout) == {"city": "Tokyo", "population": 14178000}
    asked = sent(simulator)["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True
    whole = json.loads(insights("ask", *M, "--json", "--schema", json.dumps(SCHEMA), "Tell me of Tokyo", **online).stdout)
    assert whole["parsed"] == {"city": "Tokyo", "population": 14178000}
    assert len(simulator.received) == 1


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ('{"type": "object",\n "properties": }', "schema.json:2: not JSON"),
        ("[1]", "schema.json: a JSON schema is an object"),
        ('{"type": "object", "properties": {"a": {"type": "strng"}}}', "properties.a.type is 'strng'"),
        ('{"type": "object", "properties": ["a"]}', "properties must be an object"),
        ('{"type": "whatever"}', "type is 'whatever'"),
    ],
)
def test_a_bad_schema_is_told_before_anything_is_sent(
    schema: str, said: str, simulator: Simulator, online: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text(schema)
    found = insights("ask", *M, "--schema", "schema.json", "Hi", cwd=tmp_path, **online)
    assert found.returncode == 2
    assert said in found.stderr
    assert insights("ask", *M, "--schema", "none.json", "Hi", cwd=tmp_path, **online).returncode == 2
    assert not simulator.received


def test_images(simulator: Simulator, online: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(PNG)
    url = "https://example.com/b.jpg"
    assert insights("ask", *M, "--image", "a.bin", "--image", url, "What?", cwd=tmp_path, **online).returncode == 0
    text, first, second = sent(simulator)["messages"][0]["content"]
    assert text == {"type": "text", "text": "What?"}
    assert first["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert second["image_url"]["url"] == url
    (tmp_path / "b.png").write_text("no image")
    for name, said in (
        ("none.png", "none.png: can't be read"),
        ("b.png", "b.png: this is no image"),
        (".", ".: can't be read"),
    ):
        found = insights("ask", *M, "--image", name, "What?", cwd=tmp_path, **online)
        assert found.returncode == 2
        assert said in found.stderr
    assert len(simulator.received) == 1


def test_a_fallback_is_told(simulator: Simulator, online: dict[str, str]) -> None:
    simulator.fail("server_error", "openai")
    found = insights("ask", *M, "--fallback", "openai/gpt-4o", "-v", "Hello", **online)
    assert found.returncode == 0
    assert "fallback after openai/gpt-4o-mini (InternalServerError)" in found.stderr


def test_without_a_model_nothing_is_chosen(simulator: Simulator, online: dict[str, str]) -> None:
    found = insights("ask", "Hello", **online)
    assert found.returncode == 2
    assert "no model is named" in found.stderr
    assert "keys are set for openai" in found.stderr
    assert "--model openai/" in found.stderr
    assert "no provider's key is set" in insights("ask", "Hello").stderr
    assert not simulator.received


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-m", "gpt-nonsense-which", "--api-base", "nonsense", "Hi"), 2, "api_base must be a full URL"),
        (("-m", "nobody-knows", "Hi"), 2, "no provider is known"),
        (("-m", "anthropic/claude-haiku-4-5", "Hi"), 2, "-> set ANTHROPIC_API_KEY in the environment\n"),
        ((*M, "--cassette", "none.yaml", "Hi"), 2, "there is no such cassette"),
        ((*M, *RECORDED, "Something else"), 1, "cassettes/openai/plain.yaml"),
        ((*M, "--record-mode", "replay", "Hi"), 2, "--record-mode is of a cassette"),
        ((*M, *RECORDED, "--record-mode", "loudly", "Hi"), 2, "mode is one of"),
        (M, 2, 'e.g. insights ask "Why is the sky blue?"'),
        ((*M, "--temperature", "warm", "Hi"), 2, "--temperature"),
    ],
)
def test_what_is_wrong_and_its_exit_code(arguments: tuple[str, ...], code: int, said: str) -> None:
    found = insights("ask", *arguments)
    assert found.returncode == code
    assert said in found.stderr
    assert found.stdout == ""


def test_a_call_that_fails(simulator: Simulator, online: dict[str, str]) -> None:
    simulator.fail("bad_key", "openai", message=f"Incorrect API key provided: {KEY}.")
    found = insights("ask", *M, "Hi", **online)
    assert found.returncode == 1
    assert found.stderr.startswith("error: openai/gpt-4o-mini (401): ")
    assert "`insights route MODEL`" in found.stderr


def test_a_terminal_without_a_prompt_is_told_how() -> None:
    with Terminal("ask", *M) as terminal:
        assert terminal.end() == 2
    assert "there is no prompt" in terminal.seen


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    with Provider() as provider:
        reply = provider.will(*stream("One, ", "two."), wait=threading.Event())
        arguments = [sys.executable, "-m", "insights", "ask", *M, "--stream", "Count"]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        with subprocess.Popen(arguments, env=environment(**_leading_to(provider.url, tmp_path)), **pipes) as running:
            assert running.stdout is not None
            assert os.read(running.stdout.fileno(), 5) == b"One, "
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=PATIENCE)
        assert reply.wait is not None
        reply.wait.set()
    assert running.returncode == 130
    assert err == b""
