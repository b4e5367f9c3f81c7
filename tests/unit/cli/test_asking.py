"""`insights ask`: what an answer may be, and what goes with a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import Simulator
from tests.unit.loopback import Provider

from .shell import KEY, insights
from .test_ask import stream

M = ("-m", "openai/gpt-4o-mini")


def answer(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    """A whole answer, as OpenAI's reference has it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice], "usage": usage}
    return json.dumps({**whole, **more}).encode()


def asked(tmp_path: Path, *words: str, says: list[bytes], terminal: str = "") -> tuple[int, str, str]:
    """Exit code, stdout and stderr, where the provider says this."""
    with Provider() as provider:
        (tmp_path / "openai.yaml").write_text(f'openai:\n  api_base: "{provider.url}"\n')
        provider.will(*says)
        env = {"INSIGHTS_CONFIG_DIR": str(tmp_path), "OPENAI_API_KEY": KEY, "INSIGHTS_NUM_RETRIES": "0", "NO_COLOR": "1"}
        done = insights("ask", *M, *words, "Go", terminal=terminal, **env)
    return done.returncode, done.stdout, done.stderr


def test_a_refusal(tmp_path: Path) -> None:
    refusal = answer({"refusal": "I can't do that.\x1b"})
    assert asked(tmp_path, says=[refusal]) == (1, "\n", "error: the model refuses: I can't do that.\x1b\n")
    code, out, err = asked(tmp_path, "--json", "--refresh", says=[refusal], terminal="err")
    assert code == 1
    assert json.loads(out)["refusal"] == "I can't do that.\x1b"
    assert err.endswith("error: the model refuses: I can't do that.?\n")


def test_a_call_of_a_tool_is_in_the_json(tmp_path: Path) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    code, out, _ = asked(tmp_path, "--json", says=[answer({"tool_calls": [call]}, "tool_calls")])
    found = json.loads(out)
    assert (code, found["finish_reason"], found["text"]) == (0, "tool_calls", "")
    assert [each["function"] for each in found["tool_calls"]] == [call["function"]]


def test_a_line_ends_once(tmp_path: Path) -> None:
    assert asked(tmp_path, says=[answer({"content": "One.\n"})])[1] == "One.\n"
    assert asked(tmp_path, "--stream", "--refresh", says=stream("One.", "\n"))[1] == "One.\n"
    assert asked(tmp_path, "--stream", "--refresh", says=stream("One, ", "two."))[1] == "One, two.\n"
    refusal = [piece.replace(b'"content"', b'"refusal"') for piece in stream("I can't", " do that.")]
    assert asked(tmp_path, "--stream", "--refresh", says=refusal) == (1, "\n", "error: the model refuses: I can't do that.\n")


def test_a_terminal_is_told_more(tmp_path: Path) -> None:
    cut = answer({"content": "One, two"}, "length")
    code, out, err = asked(tmp_path, says=[cut], terminal="out err")
    assert (code, out) == (0, "One, two\n")
    # 10 x 0.15 + 5 x 0.60 USD per million tokens
    assert err.startswith("openai/gpt-4o-mini · $0.0000045 · ")
    assert err.endswith(" · cut off at the longest answer\n")
    assert asked(tmp_path, "-q", says=[cut], terminal="out err")[2] == ""


def test_a_retry_is_told(simulator: Simulator, online: dict[str, str]) -> None:
    simulator.fail("overloaded", "openai")
    done = insights("ask", *M, "-v", "Hello", **{**online, "INSIGHTS_NUM_RETRIES": "1"})
    assert done.returncode == 0
    assert " · after openai/gpt-4o-mini (" in done.stderr
    assert "fallback" not in done.stderr


def test_nobody_is_asked_for_what_is_typed(simulator: Simulator, online: dict[str, str]) -> None:
    """On a terminal stdin is the keyboard, and isn't waited for where there is a prompt."""
    assert insights("ask", *M, "Hello", stdin="never read", terminal="in", **online).returncode == 0
    assert simulator.received[-1].body["messages"] == [{"role": "user", "content": "Hello"}]


def test_its_model_is_an_option_or_a_variable(simulator: Simulator, online: dict[str, str]) -> None:
    assert insights("ask", "-m", " ", "Hello", INSIGHTS_MODEL="quick", **online).returncode == 0
    assert simulator.received[-1].body["model"] == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_every_kind_of_image(content: bytes, kind: str, simulator: Simulator, online: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(content)
    assert insights("ask", *M, "--image", "image", "What?", cwd=tmp_path, **online).returncode == 0
    _, image = simulator.received[-1].body["messages"][0]["content"]
    assert image["image_url"]["url"].startswith(f"data:{kind};base64,")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("[" * 100_000, "error: --schema: not JSON"),
        ('{"type": [["string"]]}', "error: --schema: this is no JSON schema"),
        (
            '{"type": "array", "items": {"type": "strng"}}',
            "error: --schema: items.type is 'strng': it is one of array, boolean",
        ),
        ('{"type": "object", "properties": {"a": 5}}', "error: --schema: properties.a must be a schema, got 5"),
        ('{"type": "object", "$defs": {"a": {"properties": []}}}', "error: --schema: $defs.a.properties must be an object"),
        ('{"type": "json_schema", "json_schema": {"schema": {"type": "text"}}}', "error: --schema: type is 'text'"),
        ("[]", "error: --schema: a JSON schema is an object, got list"),
    ],
)
def test_a_schema_that_is_none(schema: str, said: str, simulator: Simulator, online: dict[str, str]) -> None:
    done = insights("ask", *M, "--schema", schema, "Hi", **online)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert not simulator.received


def test_a_schema_may_have_everything_that_schemas_have(simulator: Simulator, online: dict[str, str]) -> None:
    schema = {
        "type": "object",
        "title": "City",
        "properties": {"city": {"type": ["string", "null"]}, "names": {"type": "array", "items": {"$ref": "#/$defs/name"}}},
        "$defs": {"name": {"type": "string"}, "any": True},
    }
    assert insights("ask", *M, "--schema", json.dumps(schema), "Tell me of Tokyo", **online).returncode == 0
    assert simulator.received[-1].body["response_format"]["type"] == "json_schema"


def test_all_that_are_asked_fail(simulator: Simulator, online: dict[str, str]) -> None:
    simulator.fail("server_error", "openai")
    simulator.fail("server_error", "openai")
    done = insights("ask", *M, "--fallback", "openai/gpt-4o", "Hi", **online)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    for model in ("openai/gpt-4o-mini", "openai/gpt-4o"):
        assert model in done.stderr


def test_no_key_anywhere_is_bad_input() -> None:
    done = insights("ask", *M, "--fallback", "mistral/mistral-small-latest", "Hi")
    assert (done.returncode, done.stdout) == (2, "")
    for variable in ("OPENAI_API_KEY", "MISTRAL_API_KEY"):
        assert variable in done.stderr
