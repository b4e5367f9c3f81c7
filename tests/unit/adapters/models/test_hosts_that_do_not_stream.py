"""A stream is asked for, and something else comes: one JSON document, a list of events, arguments all at once."""

from __future__ import annotations

import json

import pytest

from insights.core.errors import APIResponseValidationError
from tests.unit.adapters.loopback import Loopback, as_json, streamed
from tests.unit.adapters.models.asking import SCHEMA
from tests.unit.adapters.models.test_shapes_of_answers import CLAUDE, GEMINI, GPT, ask, typed, whole

GEMINI_EVENTS = [
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "Par"}]}}]},
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "is."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2},
    },
]


@pytest.mark.parametrize("before", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["nothing", "blank", "byte order mark"])
def test_one_document(before: bytes, loopback: Loopback) -> None:
    body = json.dumps(whole({"role": "assistant", "content": "Paris."})).encode()
    pieces = [piece for piece in (before, body[:20], body[20:]) if piece]  # an empty chunk would end the body
    found = ask(loopback, GPT, streamed(*pieces, content_type="application/json"), stream=True)
    assert (found.text, found.choices[0].finish_reason) == ("Paris.", "stop")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (9, 6)


def test_a_list_of_events(loopback: Loopback) -> None:
    found = ask(loopback, GEMINI, streamed(json.dumps(GEMINI_EVENTS).encode(), content_type="application/json"), stream=True)
    assert (found.text, found.choices[0].finish_reason) == ("Paris.", "stop")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (4, 2)


def test_a_list_is_no_whole_answer(loopback: Loopback) -> None:
    loopback.says(as_json(GEMINI_EVENTS))
    with pytest.raises(APIResponseValidationError):  # and not its first piece, as if that were all
        ask(loopback, GEMINI, as_json(GEMINI_EVENTS))


def test_json_by_a_tool_with_its_arguments_at_once(loopback: Loopback) -> None:
    tool = {"type": "tool_use", "id": "t", "name": "json_tool_call", "input": {"city": "Paris"}}
    stream = typed(
        {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 4}}},
        {"type": "content_block_start", "index": 0, "content_block": tool},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    model = CLAUDE.replace("claude-haiku-4-5", "claude-3-5-haiku-20241022")  # one that has no structured outputs of its own
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    found = ask(loopback, model, stream, response_format=form)
    assert json.loads(found.text) == {"city": "Paris"}
    assert (found.choices[0].message.tool_calls, found.choices[0].finish_reason) == (None, "stop")
