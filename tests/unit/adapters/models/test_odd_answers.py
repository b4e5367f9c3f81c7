"""Corners of the way of one attempt: requests that can't be streamed, half a surrogate, events that nobody promised."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import insights
from insights.adapters.models import body as bodies
from insights.adapters.models import http, transport
from insights.adapters.models.factory import ModelFactory
from insights.core.errors import APIResponseValidationError, BadRequestError, InsightsError, TruncatedStreamError
from tests.unit.adapters.answers import OpenAIChat, sse
from tests.unit.adapters.loopback import Loopback, as_json, streamed
from tests.unit.adapters.models.asking import KEY, TOOL, ask, response, response_stream

GPT, CODEX = "openai/gpt-4o", "openai/gpt-5.3-codex"


def given(loopback: Loopback) -> dict[str, Any]:
    return {"api_base": loopback.url, "api_key": KEY, "cache": False, "num_retries": 0, "timeout": 20}


def test_half_a_surrogate_pair_goes_as_an_escape(loopback: Loopback) -> None:
    """JSON can say it where UTF-8 can't (RFC 8259, 8.2)."""
    request, _ = ask(loopback, GPT, "broken \ud83d emoji, whole 🎉")
    assert request.body["messages"][0]["content"] == "broken \ud83d emoji, whole 🎉"


def test_text_goes_as_it_is(loopback: Loopback) -> None:
    request, _ = ask(loopback, GPT, "Grüße \u2028 你好")
    assert "Grüße \u2028 你好".encode() in request.content


def test_merging_reaches_into_mappings_and_nothing_else() -> None:
    body = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert bodies.merged(body, {"a": {"c": [2], "e": 3}, "d": {"f": 4}}) == {"a": {"b": 1, "c": [2], "e": 3}, "d": {"f": 4}}


def test_what_has_arrived_is_not_remembered_for_ever(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_arrived", set())
    monkeypatch.setattr(bodies, "_MOST_ARRIVED", 3)
    for effort in ("minimal", "low", "medium", "high"):
        ask(loopback, "openai/gpt-5-mini", reasoning_effort=effort)
        assert len(bodies._arrived) <= 3
    assert bodies._arrived


def test_messages_litellm_cannot_translate(loopback: Loopback) -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:nonsense"}}]}]
    with pytest.raises(BadRequestError, match="gemini") as caught:
        ask(loopback, "gemini/gemini-2.5-flash", messages)
    assert not caught.value.retryable
    assert not loopback.received


def test_a_request_that_cannot_be_streamed_comes_in_one_chunk(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of litellm's configs say `fake_stream`: the answer then comes whole, and the caller notices nothing."""
    build = bodies._Draft.body

    def unstreamable(self: Any, other: Any = None) -> Any:
        found = build(self, other)
        if other is None:
            self.flags["fake_stream"] = True
        return found

    monkeypatch.setattr(bodies._Draft, "body", unstreamable)
    loopback.says(OpenAIChat().tool())
    stream = insights.completion(GPT, "Hello", stream=True, tools=[TOOL], **given(loopback))
    (chunk,) = list(stream)
    assert "stream" not in loopback.only.body
    assert chunk.choices[0].delta.tool_calls
    assert chunk.choices[0].delta.tool_calls[0]["function"]["name"] == "weather"
    assert chunk.choices[0].finish_reason == stream.response.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "event",
    [
        {"choices": "none"},
        {"choices": [7]},
        {"choices": [{"index": 0, "delta": "x"}]},
        {"choices": [{"index": 0, "delta": {"content": {"a": 1}}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": "x"}}]},
    ],
)
def test_an_event_that_is_not_what_was_promised(event: dict[str, Any], loopback: Loopback) -> None:
    spoken = OpenAIChat()
    loopback.says(streamed(sse(event), *spoken.events()))
    with pytest.raises(APIResponseValidationError):
        list(insights.completion(GPT, "Hello", stream=True, **given(loopback)))
    loopback.says(streamed(*spoken.events()[:2], sse(event), *spoken.events()[2:]))
    with pytest.raises(TruncatedStreamError) as caught:
        list(insights.completion(GPT, "Hello", stream=True, **given(loopback)))
    assert caught.value.partial == "Hello"


# ---------------------------------------------------------------- the Responses API


def test_a_failed_response(loopback: Loopback) -> None:
    failed = {"code": "server_error", "message": "The model failed"}
    loopback.says(as_json({**response(), "status": "failed", "error": failed, "output": []}))
    with pytest.raises(InsightsError, match="The model failed"):
        insights.completion(CODEX, "Hello", **given(loopback))


@pytest.mark.parametrize("error", [{"code": "server_error", "message": "The model failed"}, None])
def test_a_stream_of_a_failed_response(error: Any, loopback: Loopback) -> None:
    failed = {"type": "response.failed", "response": {**response(), "status": "failed", "error": error, "output": []}}
    loopback.says(streamed(*response_stream()[:3], sse(failed)))
    with pytest.raises(InsightsError, match="The model failed" if error else "failed"):
        list(insights.completion(CODEX, "Hello", stream=True, **given(loopback)))


def test_a_response_that_ran_out_of_tokens(loopback: Loopback) -> None:
    cut = {**response(), "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    loopback.says(as_json(cut))
    assert insights.completion(CODEX, "Hello", **given(loopback)).choices[0].finish_reason == "length"


def test_a_refusal_in_a_response(loopback: Loopback) -> None:
    refused = response()
    refused["output"][0]["content"] = [{"type": "refusal", "refusal": "I can't help with that."}]
    loopback.says(as_json(refused))
    message = insights.completion(CODEX, "Hello", **given(loopback)).choices[0].message
    assert (message.refusal, message.content) == ("I can't help with that.", None)


def test_a_refusal_in_a_stream_of_a_response(loopback: Loopback) -> None:
    events = response_stream(())
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    said = [sse({"type": "response.refusal.delta", **place, "delta": part}) for part in ("I can't", " help.")]
    loopback.says(streamed(*events[:2], *said, events[-1]))
    stream = insights.completion(CODEX, "Hello", stream=True, **given(loopback))
    assert [chunk.choices[0].delta.refusal for chunk in stream if chunk.choices[0].delta.refusal] == ["I can't", " help."]
    assert stream.response.choices[0].message.refusal == "I can't help."


# ---------------------------------------------------------------- the door to litellm, and pools


def test_a_piece_of_litellm_by_its_first_name_that_exists() -> None:
    found = transport.resolve_first("no.such.module:thing", "utils:no_such_thing", ":LlmProviders")
    assert found is transport.resolve(":LlmProviders")
    with pytest.raises(AttributeError):
        transport.resolve("utils:no_such_thing")


def test_clients_of_loops_that_are_gone_are_forgotten(loopback: Loopback) -> None:
    """A loop closed without `asyncio.run` leaves its client behind; the next one takes it out."""
    loopback.says(OpenAIChat().text())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(insights.acompletion(GPT, "Hello", **given(loopback)))
    ours = [key for key, entry in http._async_handlers.items() if entry[0] is loop]
    assert len(ours) == 1
    client = http._async_handlers[ours[0]][1].client
    loop.run_until_complete(client.aclose())
    loop.close()
    asyncio.run(insights.acompletion(GPT, "Hello", **given(loopback)))
    assert ours[0] not in http._async_handlers


def test_blocking_clients_can_be_closed(loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    insights.completion(GPT, "Hello", **given(loopback))
    assert http._handlers
    http.close_all()
    assert not http._handlers
    assert insights.completion(GPT, "Hello", **given(loopback)).text == "Hello there"


def test_a_models_settings_are_to_be_seen() -> None:
    model = ModelFactory.create(GPT)
    assert model.settings.timeout > 0
    assert json.dumps([model.model_id, model.upstream, model.litellm_model]) == '["gpt-4o", "gpt-4o", "gpt-4o"]'
