"""Answers in shapes that only some hosts send: whole and streamed they mean the same."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

import insights
from insights.core.errors import APIResponseValidationError, InsightsError, InternalServerError, TruncatedStreamError
from insights.core.types import ModelResponse
from tests.unit.adapters.answers import sse
from tests.unit.adapters.loopback import Answer, Loopback, as_json, streamed
from tests.unit.adapters.models.asking import KEY, SCHEMA, TOOL, response, response_stream

GPT, CLAUDE, GEMINI = "openai/gpt-4o", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
HEAD = {"id": "c", "created": 1, "model": "m"}
Json = dict[str, Any]


def whole(message: Any, finish: str = "stop", **more: Any) -> Json:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE, **more}


def chunk(delta: Any, finish: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


def events(*documents: Json) -> bytes:
    return b"".join(sse(document) for document in documents)


def typed(*documents: Json) -> bytes:
    return b"".join(sse(document, document["type"]) for document in documents)


def ask(server: Loopback, model: str, answer: Answer | Json | bytes, **params: Any) -> ModelResponse:
    """The answer, whole for JSON and streamed for bytes of an event stream."""
    streams = isinstance(answer, bytes)
    told = streamed(answer) if isinstance(answer, bytes) else as_json(answer) if isinstance(answer, dict) else answer
    server.says(told)
    given = {"api_base": server.url, "api_key": KEY, "cache": False, "num_retries": 0, "timeout": 20, "stream": streams}
    found: Any = insights.completion(model, "Hello", **{**given, **params})
    if given["stream"] or params.get("stream"):
        list(found)
        found = found.response
    assert isinstance(found, ModelResponse)
    return found


def both(server: Loopback, model: str, message: Json, finish: str = "stop", **more: Any) -> list[ModelResponse]:
    """One message of OpenAI's shape, whole and in one chunk."""
    return [
        ask(server, model, whole(message, finish, **more)),
        ask(server, model, events(chunk(message), chunk({}, finish, **{"usage": USAGE, **more}))),
    ]


def calls(found: ModelResponse) -> list[tuple[str | None, str | None, str]]:
    return [(call.id, call.function.name, call.function.arguments) for call in found.choices[0].message.tool_calls or ()]


def call(arguments: Any = "{}", **fields: Any) -> Json:
    function = {"name": "weather"} if arguments is None else {"name": "weather", "arguments": arguments}
    return {"id": "t0", "type": "function", "function": function, **fields}


# ---------------------------------------------------------------- text


@pytest.mark.parametrize("model", [GPT, "deepseek/deepseek-reasoner", "openrouter/x/y", "together/m", "groq/m"])
def test_think_tags_stay_where_the_provider_put_them(model: str, loopback: Loopback) -> None:
    text = "<think>\nHm.\n</think>\n\nParis."
    for found in both(loopback, model, {"role": "assistant", "content": text}):
        assert found.text == text


def test_think_tags_in_pieces(loopback: Loopback) -> None:
    pieces = [chunk({"content": piece}) for piece in ("<thi", "nk>Hm.</th", "ink>Paris.")]
    assert ask(loopback, GPT, events(*pieces, chunk({}, "stop"))).text == "<think>Hm.</think>Paris."


def test_content_in_blocks(loopback: Loopback) -> None:
    blocks = [{"type": "text", "text": "Par"}, {"type": "text", "text": "is."}]
    for found in both(loopback, GPT, {"role": "assistant", "content": blocks}):
        assert found.text == "Paris."


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_openrouters_thoughts(name: str, loopback: Loopback) -> None:
    for found in both(loopback, "openrouter/x/y", {"role": "assistant", "content": "Paris.", name: "Hm."}):
        message = found.choices[0].message
        assert (message.content, message.reasoning_content) == ("Paris.", "Hm.")


def test_a_delta_of_null(loopback: Loopback) -> None:
    data = events(chunk({"content": "Paris."}), chunk(None), chunk(None, "stop", usage=USAGE))
    found = ask(loopback, GPT, data)
    assert (found.text, found.choices[0].finish_reason) == ("Paris.", "stop")


def test_a_byte_order_mark_comes_first(loopback: Loopback) -> None:
    found = ask(
        loopback, GPT, b"\xef\xbb\xbf" + events(chunk({"content": "Par"}), chunk({"content": "is."}), chunk({}, "stop"))
    )
    assert found.text == "Paris."


def test_gzip_in_several_members(loopback: Loopback) -> None:
    data = json.dumps(whole({"role": "assistant", "content": "Paris."})).encode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    packed = gzip.compress(data[:40]) + gzip.compress(data[40:80]) + gzip.compress(data[80:])
    assert ask(loopback, GPT, Answer(packed, 200, headers)).text == "Paris."


def test_cohere_says_its_text_plainly(loopback: Loopback) -> None:
    answer = {"id": "c", "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "COMPLETE"}
    assert ask(loopback, "cohere/command-a-03-2025", answer).text == "Paris."


def test_bedrocks_deepseek_answers_with_text(loopback: Loopback) -> None:
    answer = {"choices": [{"text": "Paris.", "stop_reason": "length"}]}
    found = ask(loopback, "bedrock/invoke/us.deepseek.r1-v1:0", answer)
    assert (found.text, found.choices[0].finish_reason) == ("Paris.", "length")


def test_two_parts_of_a_summary_are_one_choice(loopback: Loopback) -> None:
    place = {"item_id": "rs_1", "output_index": 0}
    thoughts = [
        {"type": "response.reasoning_summary_text.delta", **place, "summary_index": part, "delta": text}
        for part, text in enumerate(("First. ", "Second."))
    ]
    begun, *rest = response_stream()
    found = ask(loopback, "openai/gpt-5.3-codex", b"".join([begun, typed(*thoughts), *rest]))
    assert [choice.index for choice in found.choices] == [0]
    assert found.choices[0].message.reasoning_content == "First. Second."
    assert found.text == "Hello there"


# ---------------------------------------------------------------- tool calls


def test_json_by_a_tool_is_a_plain_end(loopback: Loopback) -> None:
    """Where litellm asks for JSON by a tool, the answer is text, and nobody called anything."""
    used = {"type": "tool_use", "id": "toolu_1", "name": "json_tool_call", "input": {"answer": "Paris"}}
    usage = {"input_tokens": 4, "output_tokens": 5}
    answer = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [used], "usage": usage}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}
    # A model too old for structured output of its own.
    found = ask(loopback, "anthropic/claude-3-haiku-20240307", {**answer, "stop_reason": "tool_use"}, response_format=form)
    assert loopback.only.body["tools"][0]["name"] == "json_tool_call"
    assert json.loads(found.text or "") == {"answer": "Paris"}
    assert (found.choices[0].message.tool_calls, found.choices[0].finish_reason) == (None, "stop")


def test_json_by_a_tool_streamed(loopback: Loopback) -> None:
    used = {"type": "tool_use", "id": "toolu_1", "name": "json_tool_call", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"answer":', '"Paris"}')]
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}
    data = anthropic_stream(starting(used, *pieces), reason="tool_use")
    found = ask(loopback, "anthropic/claude-3-haiku-20240307", data, response_format=form)
    assert json.loads(found.text or "") == {"answer": "Paris"}
    assert (found.choices[0].message.tool_calls, found.choices[0].finish_reason) == (None, "stop")


def test_anthropics_calls_one_in_pieces_and_one_at_once(loopback: Loopback) -> None:
    first = {"type": "tool_use", "id": "a", "name": "weather", "input": {}}
    second = {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": 2}}
    pieces = starting(first, {"type": "input_json_delta", "partial_json": '{"city": 1}'})
    found = ask(loopback, CLAUDE, anthropic_stream(pieces, starting(second), reason="tool_use"), tools=[TOOL])
    assert calls(found) == [("a", "weather", '{"city": 1}'), ("b", "weather", '{"city": 2}')]


@pytest.mark.parametrize("part", [{"name": "weather"}, {"name": "weather", "args": {}}, {"name": "weather", "args": None}])
def test_gemini_leaves_out_empty_arguments(part: Json, loopback: Loopback) -> None:
    candidate = {"content": {"role": "model", "parts": [{"functionCall": part}]}, "finishReason": "STOP", "index": 0}
    answer = {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}
    for found in (ask(loopback, GEMINI, answer, tools=[TOOL]), ask(loopback, GEMINI, events(answer), tools=[TOOL])):
        assert [row[1:] for row in calls(found)] == [("weather", "{}")]
        assert found.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("arguments", [None, ""])
def test_a_streamed_call_without_arguments(arguments: str | None, loopback: Loopback) -> None:
    found = ask(loopback, GPT, events(chunk({"tool_calls": [call(arguments, index=0)]}), chunk({}, "tool_calls")))
    assert calls(found) == [("t0", "weather", "{}")]


def test_integer_ids_and_arguments_as_an_object(loopback: Loopback) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [call({"city": "Paris"}, id=7, index=0)]}
    for found in both(loopback, GPT, message, "tool_calls"):
        assert calls(found) == [("7", "weather", '{"city": "Paris"}')]


def test_one_call_that_is_no_list(loopback: Loopback) -> None:
    """Text Generation Inference streams them so."""
    found = ask(loopback, GPT, events(chunk({"tool_calls": call('{"city": 1}', index=0)}), chunk({}, "tool_calls")))
    assert calls(found) == [("t0", "weather", '{"city": 1}')]


def test_calls_come_out_by_their_index(loopback: Loopback) -> None:
    data = events(*(chunk({"tool_calls": [call("{}", index=i, id=f"t{i}")]}) for i in (1, 0, 2)), chunk({}, "tool_calls"))
    assert [row[0] for row in calls(ask(loopback, GPT, data))] == ["t0", "t1", "t2"]


def test_calls_with_neither_index_nor_id(loopback: Loopback) -> None:
    given = [call('{"city": "Paris"}', id=""), call('{"city": "Rome"}', id="")]
    data = events(chunk({"tool_calls": given}), chunk({}, "tool_calls"))
    assert [row[1:] for row in calls(ask(loopback, GPT, data))] == [
        ("weather", '{"city": "Paris"}'),
        ("weather", '{"city": "Rome"}'),
    ]


def anthropic_stream(*blocks: list[Json], reason: str) -> bytes:
    begun: Json = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None}
    inner = [
        {"index": index, **event} for index, block in enumerate(blocks) for event in [*block, {"type": "content_block_stop"}]
    ]
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}
    start = {"type": "message_start", "message": {**begun, "usage": {"input_tokens": 4, "output_tokens": 1}}}
    return typed(start, *inner, end, {"type": "message_stop"})


def starting(block: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "content_block": block},
        *({"type": "content_block_delta", "delta": delta} for delta in deltas),
    ]


@pytest.mark.parametrize(
    ("given", "deltas", "wanted"),
    [
        ({"city": "Paris"}, (), '{"city": "Paris"}'),
        ({"city": "Rome"}, ('{"city": "Paris"}',), '{"city": "Paris"}'),
        ({}, ('{"city":', '"Paris"}'), '{"city":"Paris"}'),
        ({}, (), "{}"),
    ],
)
def test_anthropics_input_at_once(given: Json, deltas: tuple[str, ...], wanted: str, loopback: Loopback) -> None:
    used = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": given}
    block = starting(used, *({"type": "input_json_delta", "partial_json": part} for part in deltas))
    text = starting({"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me see."})
    found = ask(loopback, CLAUDE, anthropic_stream(text, block, reason="tool_use"), tools=[TOOL])
    assert calls(found) == [("toolu_1", "weather", wanted)]
    assert (found.text, found.choices[0].finish_reason) == ("Let me see.", "tool_calls")


def test_anthropics_streamed_thoughts_are_one_block(loopback: Loopback) -> None:
    """The provider wants it back as it was, signature and all."""
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    pieces = [{"type": "thinking_delta", "thinking": text} for text in ("Let me", " think.")]
    first = starting(thinking, *pieces, {"type": "signature_delta", "signature": "sig1"})
    second = starting(
        thinking, {"type": "thinking_delta", "thinking": "Again."}, {"type": "signature_delta", "signature": "sig2"}
    )
    text = starting({"type": "text", "text": ""}, {"type": "text_delta", "text": "Paris."})
    found = ask(loopback, CLAUDE, anthropic_stream(first, second, text, reason="end_turn"))
    message = found.choices[0].message
    assert message.model_dump()["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Let me think.", "signature": "sig1"},
        {"type": "thinking", "thinking": "Again.", "signature": "sig2"},
    ]
    assert message.reasoning_content == "Let me think.Again."


# ---------------------------------------------------------------- failures inside an answer

REFUSED: Json = {"object": "error", "message": "This model is gone", "type": "NotFoundError", "param": None, "code": 404}


def test_an_error_object_without_the_word_error(loopback: Loopback) -> None:
    for answer in (REFUSED, events(REFUSED)):
        with pytest.raises(insights.NotFoundError, match="This model is gone") as caught:
            ask(loopback, GPT, answer)
        assert caught.value.status_code == 404


def test_a_whole_answer_to_a_streamed_request(loopback: Loopback) -> None:
    answer = whole({"role": "assistant", "content": "Paris.", "tool_calls": [call('{"city": 1}')]}, "tool_calls")
    text = json.dumps(answer, indent=1).encode()
    loopback.says(Answer(pieces=(text[:30], text[30:]), headers={"content-type": "application/json"}))
    given = {"api_base": loopback.url, "api_key": KEY, "cache": False, "num_retries": 0}
    stream = insights.completion(GPT, "Hello", stream=True, **given)
    assert "".join(one.text or "" for one in stream) == "Paris."
    assert calls(stream.response) == [("t0", "weather", '{"city": 1}')]
    assert stream.response.choices[0].finish_reason == "tool_calls"
    assert stream.response.usage is not None
    assert stream.response.usage.total_tokens == 15


CLAUDE_SAID: Json = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello there"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
GEMINI_SAID: Json = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello there"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
}


@pytest.mark.parametrize(
    ("model", "answer"),
    [(CLAUDE, CLAUDE_SAID), (GEMINI, GEMINI_SAID), ("openai/gpt-5.3-codex", response())],
)
def test_a_whole_answer_of_other_shapes(model: str, answer: Json, loopback: Loopback) -> None:
    found = ask(loopback, model, as_json(answer), stream=True)
    assert (found.text, found.choices[0].finish_reason) == ("Hello there", "stop")


@pytest.mark.parametrize("body", [REFUSED, {"error": {"message": "This model is gone", "code": 404}}])
def test_a_whole_error_to_a_streamed_request(body: Json, loopback: Loopback) -> None:
    with pytest.raises(insights.NotFoundError, match="This model is gone"):
        ask(loopback, GPT, as_json(body), stream=True)


@pytest.mark.parametrize(
    ("model", "finish"),
    [
        ("mistral/mistral-small-latest", "error"),
        ("zai/glm-4.6", "network_error"),
        ("deepseek/deepseek-chat", "insufficient_system_resource"),
        ("openrouter/x/y", "error"),
    ],
)
def test_an_answer_that_was_given_up(model: str, finish: str, loopback: Loopback) -> None:
    message = {"role": "assistant", "content": "Par"}
    with pytest.raises(InternalServerError, match=finish) as caught:
        ask(loopback, model, whole(message, finish))
    assert caught.value.retryable
    assert caught.value.provider == model.partition("/")[0]
    with pytest.raises(InternalServerError, match=finish):
        ask(loopback, model, events(chunk({"role": "assistant"}), chunk({}, finish)))
    with pytest.raises(TruncatedStreamError) as cut:
        ask(loopback, model, events(chunk(message), chunk({}, finish)))
    assert (cut.value.partial, cut.value.provider) == ("Par", model.partition("/")[0])


def test_an_answer_that_cohere_gave_up(loopback: Loopback) -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Par"}]}
    with pytest.raises(InternalServerError, match="ERROR"):
        ask(loopback, "cohere/command-a-03-2025", {"id": "c", "message": message, "finish_reason": "ERROR"})
    begun = {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant", "content": []}}}
    said = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Par"}}}}
    end = {"type": "message-end", "delta": {"finish_reason": "ERROR"}}
    with pytest.raises(InternalServerError, match="ERROR"):
        ask(loopback, "cohere/command-a-03-2025", typed(begun, end))
    with pytest.raises(TruncatedStreamError, match="ERROR") as cut:
        ask(loopback, "cohere/command-a-03-2025", typed(begun, said, end))
    assert cut.value.partial == "Par"


def test_a_choice_that_failed(loopback: Loopback) -> None:
    failed = whole({"role": "assistant", "content": ""}, "error")
    failed["choices"][0]["error"] = {"code": 429, "message": "Upstream is busy"}
    with pytest.raises(insights.RateLimitError, match="Upstream is busy"):
        ask(loopback, "openrouter/x/y", failed)
    late = chunk({}, "error")
    late["choices"][0]["error"] = {"code": 502, "message": "Upstream went away"}
    with pytest.raises(TruncatedStreamError, match="Upstream went away"):
        ask(loopback, "openrouter/x/y", events(chunk({"content": "Par"}), late))


def test_a_list_that_is_no_answer(loopback: Loopback) -> None:
    with pytest.raises(APIResponseValidationError):
        ask(loopback, GPT, Answer(b"[1]"))
    with pytest.raises(insights.RateLimitError, match="slow"):
        ask(loopback, GEMINI, Answer(b'[{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}]'))


@pytest.mark.parametrize("status", [429, 503])
def test_a_status_beside_the_error(status: int, loopback: Loopback) -> None:
    """Cerebras, in a stream."""
    event = {"error": {"message": "Busy", "type": "?"}, "status_code": status}
    with pytest.raises(InsightsError, match="Busy") as caught:
        ask(loopback, "cerebras/m", events(event))
    assert getattr(caught.value, "status_code", None) == status


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_is_neither_followed_nor_asked_again(status: int, loopback: Loopback) -> None:
    loopback.says(as_json({}, status, location=f"{loopback.url}/elsewhere"))
    given: Json = {"api_base": loopback.url, "api_key": KEY, "cache": False, "num_retries": 2}
    with pytest.raises(APIResponseValidationError, match="redirect") as caught:
        insights.completion(GPT, "Hello", **given)
    assert not caught.value.retryable
    assert len(loopback.received) == 1


def test_the_key_in_a_request_id(loopback: Loopback) -> None:
    loopback.says(as_json({"error": {"message": "no"}}, 400, x_request_id=f"req-{KEY}"))
    with pytest.raises(insights.BadRequestError) as caught:
        insights.completion(GPT, "Hello", api_base=loopback.url, api_key=KEY, cache=False, num_retries=0)
    assert caught.value.request_id
    assert KEY not in f"{caught.value.request_id} {caught.value!r}"


# ---------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"input_tokens": 9, "output_tokens": 6}, (9, 6, 15, 0)),
        ({**USAGE, "num_cached_tokens": 4}, (9, 6, 15, 4)),
        ({**USAGE, "cached_tokens": 3}, (9, 6, 15, 3)),
    ],
)
def test_counts_by_other_names(usage: Json, wanted: tuple[int, ...], loopback: Loopback) -> None:
    for found in both(loopback, "together/m", {"role": "assistant", "content": "Paris."}, usage=usage):
        assert found.usage is not None
        cached = found.usage.prompt_tokens_details.cached_tokens
        counts = (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens)
        assert (*counts, cached) == wanted


@pytest.mark.parametrize("usage", [{"total_tokens": 15}, {"prompt_tokens": None}, {}])
def test_what_counts_nothing_is_no_count(usage: Json, loopback: Loopback) -> None:
    for found in both(loopback, GPT, {"role": "assistant", "content": "Paris."}, usage=usage):
        assert (found.usage, found.cost) == (None, None)
