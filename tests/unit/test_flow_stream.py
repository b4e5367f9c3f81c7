"""A streamed call, played by a script: what is held back, when another may answer, and what a broken stream becomes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from insights.client import Client
from insights.core.effects import Emit, StreamClosed, drive
from insights.core.errors import (
    AllModelsFailedError,
    APIConnectionError,
    APIError,
    BadRequestError,
    EmptyResponseError,
    InternalServerError,
    RateLimitError,
    Timeout,
    TruncatedStreamError,
)

from .openai_wire import DONE, ROLE, USAGE, chunk, error_event, events, refusal
from .scripted import Played, Script, failing, refused, streamed

MISTRAL_MODEL = "mistral/mistral-small-latest"
SERVER_ERROR = refusal("The server had an error", kind="server_error")
HEL, LO = chunk({"content": "Hel"}), chunk({"content": "lo!"})
STOP = chunk({}, "stop")


def test_a_stream(client: Client) -> None:
    script = Script(streamed(events()))
    played = Played(client, script, cache=False)
    whole = played.run()
    assert played.text == whole.text == "Hello!"
    assert played.opened == 1
    assert whole.choices[0].finish_reason == "stop"
    assert whole.object == "chat.completion"
    assert (whole.id, whole.provider, whole.model, whole.cached) == ("chatcmpl-123", "openai", "test-model", False)
    # 1000 tokens at 0.002 per 1k and 500 at 0.008 per 1k
    assert whole.cost is not None
    assert whole.cost.total == Decimal("0.006")
    assert script.sent()["stream"] is True
    assert script.sent()["stream_options"] == {"include_usage": True}
    assert script.streams[0].closed == 1
    attempt = whole.trace.attempts[0]
    assert (attempt.decision, attempt.status_code) == ("answer", 200)
    assert attempt.time_to_first_token is not None
    assert attempt.time_to_first_token >= 0


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_pieces_may_be_cut_anywhere(client: Client, size: int) -> None:
    body = b"".join(events(["Grüße ", "🙂"]))
    played = Played(client, Script(streamed(body[i : i + size] for i in range(0, len(body), size))), cache=False)
    assert played.run().text == "Grüße 🙂"
    assert played.text == "Grüße 🙂"


def test_a_refusal_is_tried_again_before_anything_is_shown(client: Client) -> None:
    script = Script(refused(429, refusal("slow down"), retry_after="3"), streamed(events()))
    played = Played(client, script, cache=False)
    assert played.run().text == "Hello!"
    assert script.slept == [3.0]
    assert played.opened == 1
    assert [s.closed for s in script.streams] == [1, 1]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (streamed([ROLE]), "TruncatedStreamError"),
        (streamed([]), "TruncatedStreamError"),
        (streamed([ROLE], then=APIConnectionError("reset")), "APIConnectionError"),
        (streamed([ROLE, error_event("overloaded")]), "InternalServerError"),
        (streamed([ROLE, b"data: not json\n\n"]), "APIResponseValidationError"),
        (streamed([ROLE, STOP, DONE]), "EmptyResponseError"),
        (refused(500, SERVER_ERROR), "InternalServerError"),
        (failing(APIConnectionError("refused")), "APIConnectionError"),
    ],
    ids=["role only", "nothing", "reset", "error event", "not JSON", "empty", "500", "no connection"],
)
def test_before_the_first_content_another_may_answer(client: Client, step: Any, kind: str) -> None:
    script = Script(step, streamed(events()))
    played = Played(client, script, cache=False, num_retries=0, fallbacks=[MISTRAL_MODEL])
    whole = played.run()
    assert (whole.text, whole.provider) == ("Hello!", "mistral")
    assert played.text == "Hello!"
    first, second = whole.trace.attempts
    assert (first.error, first.decision, second.decision) == (kind, "next", "answer")
    assert all(stream.closed for stream in script.streams)


def test_nothing_of_a_failed_attempt_is_shown(client: Client) -> None:
    script = Script(streamed([ROLE, ROLE], then=APIConnectionError("reset")), streamed(events(["yes"])))
    played = Played(client, script, cache=False)
    played.run()
    assert sum(1 for c in played.chunks for choice in c.choices if choice.delta.role) == 1
    assert played.text == "yes"


@pytest.mark.parametrize(
    "step",
    [
        streamed([ROLE, HEL]),
        streamed([ROLE, HEL], then=APIConnectionError("reset")),
        streamed([ROLE, HEL, error_event("overloaded")]),
        streamed([ROLE, HEL, error_event("slow down", "rate_limit_exceeded")]),
        streamed([ROLE, HEL, b"data: not json\n\n"]),
        streamed([ROLE, HEL, b'data: {"choices": [{"index": 0, "del']),
        streamed([ROLE, HEL, error_event("filtered", "invalid_request_error")]),
    ],
    ids=["end", "reset", "error event", "rate limit", "not JSON", "half an event", "bad request"],
)
def test_after_the_first_content_it_is_truncated(client: Client, step: Any) -> None:
    script = Script(step)
    played = Played(client, script, num_retries=5, fallbacks=[MISTRAL_MODEL])
    with pytest.raises(TruncatedStreamError) as raised:
        played.run()
    assert raised.value.partial == "Hel"
    assert played.text == "Hel"
    assert len(script.calls) == 1
    assert script.slept == []
    assert script.streams[0].closed == 1
    assert raised.value.trace is not None
    assert [a.decision for a in raised.value.trace.attempts] == ["stop"]


@pytest.mark.parametrize("before", [[], [refused(500, SERVER_ERROR)]], ids=["alone", "after another model"])
def test_what_cut_a_stream_off_is_the_cause(client: Client, before: list[Any]) -> None:
    cause = APIConnectionError("reset by peer")
    chain = [MISTRAL_MODEL] if before else []
    played = Played(client, Script(*before, streamed([ROLE, HEL], then=cause)), num_retries=0, fallbacks=chain)
    with pytest.raises(TruncatedStreamError) as raised:
        played.run()
    assert raised.value.__cause__ is cause


def test_a_timeout_after_the_first_content_stays_one(client: Client) -> None:
    script = Script(streamed([ROLE, HEL, LO], then=Timeout("no time left")))
    played = Played(client, script, fallbacks=[MISTRAL_MODEL])
    with pytest.raises(Timeout) as raised:
        played.run()
    assert raised.value.partial == "Hello!"
    assert len(script.calls) == 1


def test_an_older_failure_does_not_hide_what_stopped_the_stream(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), streamed([ROLE, HEL]))
    played = Played(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL])
    with pytest.raises(TruncatedStreamError) as raised:
        played.run()
    assert raised.value.provider == "mistral"
    assert raised.value.trace is not None
    assert [a.error for a in raised.value.trace.attempts] == ["InternalServerError", "TruncatedStreamError"]


def test_a_stream_whose_whole_chain_failed(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), refused(429, refusal("slow down")))
    with pytest.raises(AllModelsFailedError) as raised:
        Played(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL]).run()
    assert [type(e) for e in raised.value.exceptions] == [InternalServerError, RateLimitError]


def test_a_bad_request_is_not_streamed_again(client: Client) -> None:
    script = Script(refused(400, refusal("Invalid value")))
    with pytest.raises(BadRequestError, match="Invalid value"):
        Played(client, script, fallbacks=[MISTRAL_MODEL]).run()
    assert len(script.calls) == 1


def test_an_empty_stream_is_an_error(client: Client) -> None:
    script = Script(streamed([ROLE, STOP, USAGE, DONE]))
    played = Played(client, script, num_retries=0)
    with pytest.raises(EmptyResponseError):
        played.run()
    assert played.chunks == []


def test_a_stream_of_nothing_but_a_reason_is_shown(client: Client) -> None:
    script = Script(streamed([ROLE, chunk({}, "content_filter"), USAGE, DONE]))
    played = Played(client, script, cache=False)
    whole = played.run()
    assert whole.choices[0].finish_reason == "content_filter"
    assert [c.choices[0].finish_reason for c in played.chunks if c.choices][-1] == "content_filter"
    assert whole.trace.attempts[0].time_to_first_token is None


def test_tool_calls_in_pieces(client: Client) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": text}} for text in ('{"ci', 'ty": "Paris"}')]
    script = Script(
        streamed(
            [chunk({"role": "assistant", "content": None, "tool_calls": [call]})]
            + [chunk({"tool_calls": [piece]}) for piece in pieces]
            + [chunk({}, "tool_calls"), USAGE, DONE]
        )
    )
    whole = Played(client, script, cache=False).run()
    calls = whole.choices[0].message.tool_calls
    assert calls is not None
    assert [(c.id, c.function.name, c.function.arguments) for c in calls] == [("call_1", "f", '{"city": "Paris"}')]
    assert whole.choices[0].finish_reason == "tool_calls"


def test_leaving_early_closes_the_stream(client: Client) -> None:
    script = Script(streamed([ROLE, HEL, LO, STOP, DONE]))
    played = Played(client, script, fallbacks=[MISTRAL_MODEL])
    news = drive(played.flow, script)
    while not isinstance(news, Emit):
        news = drive(played.flow, script)
    played.flow.fail(StreamClosed())
    with pytest.raises(StreamClosed):
        drive(played.flow, script)
    assert script.streams[0].closed == 1
    assert len(script.calls) == 1
    assert played.flow.done
    assert played.flow.result is None


def test_a_refused_stream_is_closed(client: Client) -> None:
    script = Script(refused(401, refusal("Incorrect API key provided")))
    with pytest.raises(APIError):
        Played(client, script).run()
    assert script.streams[0].closed == 1
