"""The tests' own eyes: that the readers see what is on the wire, and that a wrong answer does not pass."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from insights.core.errors import (
    BadRequestError,
    ContextWindowExceededError,
    QuotaExceededError,
    RateLimitError,
    TruncatedStreamError,
)
from insights.core.types import Choices, Function, Message, ModelResponse, Usage
from insights.core.types import ToolCall as Call

from . import framing
from .compare import answer_differences, error_differences
from .expected import expected
from .samples import AWS, SSE, aws, sample, sse
from .samples_native import NATIVE_SAMPLES
from .samples_odd_bedrock import BEDROCK_ODDITIES
from .samples_odd_hosts import HOST_ODDITIES
from .samples_odd_native import NATIVE_ODDITIES
from .samples_openai import OPENAI_SAMPLES
from .shapes import Choice, Expected, ToolCall

WRITTEN = [*OPENAI_SAMPLES, *NATIVE_SAMPLES, *HOST_ODDITIES, *NATIVE_ODDITIES, *BEDROCK_ODDITIES]
SAMPLES = {recording.row["file"]: recording for recording in WRITTEN}
ANSWERS = {name: recording for name, recording in SAMPLES.items() if not expected(recording).errors}
PATH = "/v1/chat/completions"


def faithful(wanted: Expected) -> ModelResponse:
    """The answer that a library without faults would give."""
    choices = [
        Choices(
            index=index,
            finish_reason=min(choice.finish, default="stop"),
            message=Message(
                content=choice.text or None,
                reasoning_content=choice.reasoning,
                refusal=choice.refusal,
                tool_calls=[
                    Call(function=Function(name=call.name, arguments=json.dumps(call.arguments))) for call in choice.tool_calls
                ]
                or None,
            ),
        )
        for index, choice in enumerate(wanted.choices)
    ]
    if wanted.usage is None:
        return ModelResponse(choices=choices)
    prompt, output = min(wanted.usage.input), min(wanted.usage.output)
    usage = Usage(prompt_tokens=prompt, completion_tokens=output, total_tokens=prompt + output)
    usage.prompt_tokens_details.cached_tokens = wanted.usage.cached
    usage.completion_tokens_details.reasoning_tokens = wanted.usage.reasoning or 0
    return ModelResponse(choices=choices, usage=usage)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_faithful_answer_has_no_differences(name: str) -> None:
    wanted = expected(ANSWERS[name])
    assert answer_differences(faithful(wanted), wanted) == []


@pytest.mark.parametrize("name", ANSWERS)
def test_any_alteration_is_a_difference(name: str) -> None:
    wanted = expected(ANSWERS[name])
    for part in ("text", "tool calls", "finish reason"):
        response = faithful(wanted)
        choice = response.choices[-1]
        if part == "text":
            choice.message.content = (choice.message.content or "") + "!"
        elif part == "tool calls":
            choice.message.tool_calls = [*(choice.message.tool_calls or []), Call()]
        else:
            choice.finish_reason = "something else"
        assert any(part in difference for difference in answer_differences(response, wanted)), part
    for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
        response = faithful(wanted)
        if response.usage is not None:
            response.usage[field] += 1
            assert answer_differences(response, wanted), field


@pytest.mark.parametrize("name", [name for name in ANSWERS if b"Par" in ANSWERS[name].body])
def test_an_altered_recording_is_read_differently(name: str) -> None:
    recording = ANSWERS[name]
    if recording.header("content-type") == AWS:
        with pytest.raises(ValueError, match="checksum"):
            list(framing.frames(recording.body.replace(b"Par", b"Bar")))
        return
    altered = dataclasses.replace(recording, body=recording.body.replace(b"Par", b"Bar"))
    assert answer_differences(faithful(expected(altered)), expected(recording))


def test_lost_pieces_of_an_answer_are_differences() -> None:
    wanted = expected(SAMPLES["openai/n2"])
    response = faithful(wanted)
    del response.choices[1]
    assert answer_differences(response, wanted) == ["expected 2 choices, got 1"]
    response = faithful(expected(SAMPLES["openai/refusal"]))
    response.choices[0].message.refusal = None
    assert answer_differences(response, expected(SAMPLES["openai/refusal"]))
    response = faithful(expected(SAMPLES["deepseek/thought"]))
    response.choices[0].message.reasoning_content = None
    assert answer_differences(response, expected(SAMPLES["deepseek/thought"]))
    response.usage = None
    assert any("usage" in found for found in answer_differences(response, expected(SAMPLES["deepseek/thought"])))


def test_an_answer_where_an_error_is_right_is_a_difference_and_the_other_way_round() -> None:
    text = faithful(expected(SAMPLES["openai/text"]))
    assert answer_differences(text, expected(SAMPLES["openai/cut"]))
    assert error_differences(TruncatedStreamError("cut"), expected(SAMPLES["openai/text"]))
    assert not error_differences(TruncatedStreamError("cut"), expected(SAMPLES["openai/cut"]))


def test_an_error_is_held_to_its_class_and_status() -> None:
    slow, money, long = (expected(SAMPLES[f"openai/{name}"]) for name in ("too_fast", "money", "too_long"))
    assert not error_differences(RateLimitError(status_code=429), slow)
    assert error_differences(RateLimitError(status_code=500), slow)
    assert error_differences(QuotaExceededError(status_code=429), slow)  # more than the recording says
    assert error_differences(RateLimitError(status_code=429), money)  # less than it says
    assert error_differences(BadRequestError(status_code=400), long)
    assert not error_differences(ContextWindowExceededError(status_code=400), long)


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("openai/text", Choice("Paris é🗼 [DONE]\u2028", (), frozenset({"stop"}))),
        ("openai/tools", Choice("", (ToolCall("weather", {"city": "Paris"}), ToolCall("news", {})))),
        ("openai/responses_tool", Choice("", (ToolCall("weather", {"city": "Paris"}),))),
        ("openai/responses_length", Choice("Paris é🗼", (), frozenset({"length"}))),
        ("anthropic/tool", Choice("Paris é🗼 [DONE]\u2028", (ToolCall("weather", {"city": "Paris"}),))),
        ("anthropic/refusal", Choice("Paris it is.", (), frozenset({"content_filter"}))),
        ("gemini/text", Choice("Paris é🗼\u0085", (), frozenset({"stop"}))),
        ("gemini/blocked", Choice("", (), frozenset({"content_filter"}))),
        ("cohere/tool", Choice("", (ToolCall("weather", {"city": "Paris"}),), frozenset({"tool_calls"}))),
        ("ollama/thought", Choice("Paris é🗼\u2028", (), frozenset({"stop"}))),
        ("bedrock/tool", Choice("Paris é🗼", (ToolCall("weather", {"city": "Paris"}),))),
        ("bedrock/invoke_stream", Choice("Paris é🗼 [DONE]\u2028", (ToolCall("weather", {"city": "Paris"}),))),
    ],
)
def test_readers_see_what_is_written(name: str, choice: Choice) -> None:
    read = expected(SAMPLES[name]).choices[0]
    assert (read.text, read.tool_calls) == (choice.text, choice.tool_calls)
    assert choice.finish <= read.finish


@pytest.mark.parametrize(
    ("name", "prompt", "output", "cached"),
    [
        ("anthropic/tool", 12, 9, 6),  # 4 fresh, 6 read from and 2 written to the cache
        ("bedrock/text", 20, 5, 7),
        ("gemini/text", 8, 7, 2),  # 3 of text, 4 of thoughts
        ("cohere/text", 70, 6, 0),
        ("ollama/text", 11, 7, 0),
        ("deepseek/thought", 9, 6, 4),
        ("moonshot/text", 9, 6, 0),
        ("groq/text", 9, 6, 0),
    ],
)
def test_usage_is_told_by_openais_convention(name: str, prompt: int, output: int, cached: int) -> None:
    usage = expected(SAMPLES[name]).usage
    assert usage is not None
    assert (usage.input, usage.output, usage.cached) == (frozenset({prompt}), frozenset({output}), cached)


def test_xais_completion_is_made_to_hold_the_reasoning() -> None:
    counted = {"prompt_tokens": 401, "completion_tokens": 44, "total_tokens": 630}
    answer = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "x"}}], "usage": counted}
    usage = expected(sample("xai/x", PATH, {}, answer)).usage
    assert usage is not None
    assert usage.output == {229}


@pytest.mark.parametrize("first", [{"index": 0}, {}])
def test_parallel_calls_of_hosts_that_do_not_count_them_are_told_apart(first: dict[str, Any]) -> None:
    def piece(**fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [first | fields]}}]}

    documents = [
        piece(id="a", function={"name": "one", "arguments": '{"x":1}'}),
        piece(id="b", function={"name": "two", "arguments": "{}"}),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    read = expected(sample("ollama/x", PATH, {"stream": True}, sse(*documents, done=True), kind=SSE))
    assert read.choices[0].tool_calls == (ToolCall("one", {"x": 1}), ToolCall("two", {}))


def test_only_two_files_know_the_library() -> None:
    """What judges the library must not be made of it, nor of what it is made of."""
    clients = {"insights", "litellm", "openai", "botocore", "httpx"}
    for file in Path(__file__).parent.glob("*.py"):
        if file.name.startswith("test_") or file.name in {"calling.py", "compare.py"}:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imports = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        imports += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not clients & {name.partition(".")[0] for name in imports}, file.name


def test_a_failure_inside_a_stream_is_seen() -> None:
    """After text was given out, that it broke off is as right to say as what it broke off with."""
    broken = expected(SAMPLES["bedrock/fails"])
    assert broken.errors == ("RateLimitError", "TruncatedStreamError")
    assert broken.statuses == {429}
    assert expected(SAMPLES["anthropic/fails_at_once"]).errors == ("ServiceUnavailableError",)
    assert expected(sample("bedrock/x", "/model/m/converse-stream", {}, aws()[:0], kind=AWS)).errors
