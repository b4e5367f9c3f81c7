"""What an answer is paid for besides its tokens, and the tokens of an answer that can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

import insights
from insights.core.errors import APIResponseValidationError
from insights.core.types import ModelResponse
from tests.unit.adapters.answers import Anthropic, Gemini, OpenAIChat, sse
from tests.unit.adapters.loopback import Answer, Loopback, as_json, streamed
from tests.unit.adapters.models.asking import KEY, response, response_stream

NOTE = "searches of the web are billed on top; their price isn't known here"
CLAUDE, GPT, CODEX, GEMINI = (
    "anthropic/claude-sonnet-4-5",
    "openai/gpt-4o",
    "openai/gpt-5.3-codex",
    "gemini/gemini-2.5-flash",
)


def asked(loopback: Loopback, model: str, answer: Answer, **params: Any) -> ModelResponse:
    loopback.says(answer)
    given = {"api_base": loopback.url, "api_key": KEY, "cache": False, "num_retries": 0, "timeout": 20, **params}
    found: Any = insights.completion(model, "Hi", **given)
    if params.get("stream"):
        list(found)
        found = found.response
    assert isinstance(found, ModelResponse)
    return found


def searching(searches: int) -> dict[str, Any]:
    return {"input_tokens": 2000, "output_tokens": 500, "server_tool_use": {"web_search_requests": searches}}


def claude(stream: bool, searches: int) -> Answer:
    spoken = Anthropic()
    if not stream:
        return as_json({**spoken.message([{"type": "text", "text": "Hello"}], "end_turn"), "usage": searching(searches)})
    text = {"type": "text_delta", "text": "Hello"}
    return streamed(
        spoken.event("message_start", message={**spoken.message([], None), "usage": searching(0)}),
        spoken.event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        spoken.event("content_block_delta", index=0, delta=text),
        spoken.event("content_block_stop", index=0),
        spoken.event("message_delta", delta={"stop_reason": "end_turn"}, usage=searching(searches)),
        spoken.event("message_stop"),
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("searches", [0, 3])
def test_anthropics_searches_are_paid_for(loopback: Loopback, stream: bool, searches: int) -> None:
    found = asked(loopback, CLAUDE, claude(stream, searches), stream=stream)
    assert found.cost is not None
    assert found.cost.request == searches * Decimal("0.01")
    assert found.cost.total == found.cost.input + found.cost.output + found.cost.request
    assert found.usage is not None
    assert found.usage["server_tool_use"] == {"web_search_requests": searches}
    assert NOTE not in found.trace.notes


CITED = {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "x"}}]}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}


def chat(stream: bool, more: Mapping[str, Any]) -> Answer:
    spoken = OpenAIChat()
    if not stream:
        return spoken.whole({"content": "Hello", **more}, "stop")
    return streamed(spoken.chunk({"role": "assistant", "content": "Hello"}), spoken.chunk({**more}), *spoken.ending("stop"))


def codex(stream: bool, searched: bool) -> Answer:
    if not stream:
        said = response()
        return as_json({**said, "output": [*([SEARCH] if searched else []), *said["output"]]})
    first, *rest = response_stream()
    item = {"type": "response.output_item.done", "sequence_number": 0, "output_index": 0, "item": SEARCH}
    return streamed(first, *([sse(item, str(item["type"]))] if searched else []), *rest)


def gemini(stream: bool, searched: bool) -> Answer:
    spoken = Gemini()
    data = spoken.data([{"text": "Hello"}], "STOP")
    if searched:
        data["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["x"]}
    return streamed(sse(spoken.data([{"text": "Oh. "}], counted=False)), sse(data)) if stream else as_json(data)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize("model", [GPT, CODEX, GEMINI])
def test_searches_without_a_price_are_told(loopback: Loopback, model: str, searched: bool, stream: bool) -> None:
    answers = {GPT: chat(stream, CITED if searched else {}), CODEX: codex(stream, searched), GEMINI: gemini(stream, searched)}
    found = asked(loopback, model, answers[model], stream=stream)
    assert found.cost is not None
    assert found.trace.notes.count(NOTE) == int(searched)


# ---------------------------------------------------------------- answers that can't be read

COUNTED = {"prompt_tokens": 2000, "completion_tokens": 500, "total_tokens": 2500}
SAID = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("odd", "prompt"),
    [
        ({"choices": []}, 2000),
        ({"choices": None}, 2000),
        ({"choices": 5}, 2000),
        ({"choices": ["x"]}, 2000),
        ({"choices": [{**SAID, "message": "x"}]}, 2000),
        ({"choices": [{**SAID, "message": {"role": "assistant", "content": 7.5}}]}, 2000),
        ({"choices": [], "usage": {**COUNTED, "completion_tokens": 2.5}}, 2000),
        ({"choices": [], "usage": "x"}, None),
        ({"choices": [], "usage": {"prompt_tokens": 10}}, None),
        ({"choices": [], "usage": {**COUNTED, "prompt_tokens_details": "x"}}, None),
    ],
)
def test_the_tokens_of_an_answer_that_cannot_be_read(loopback: Loopback, odd: dict[str, Any], prompt: int | None) -> None:
    answer = as_json({**OpenAIChat.head, "object": "chat.completion", "choices": [SAID], "usage": COUNTED, **odd})
    with pytest.raises(APIResponseValidationError) as caught:
        asked(loopback, GPT, answer)
    assert (caught.value.usage and caught.value.usage.prompt_tokens) == prompt
