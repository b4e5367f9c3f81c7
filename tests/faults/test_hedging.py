"""`hedge_after=`: two providers at once when the first is late, over real sockets; the slower one is hung up on."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from insights.core.errors import AllModelsFailedError, InternalServerError
from tests.faults.calling import both_ways, call, family
from tests.faults.server import Connection, misbehaving

whole_or_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
SOON = 0.05


def good(connection: Connection) -> None:
    """OpenAI's answer, whole or streamed as it is asked for."""
    streams = b'"stream": true' in connection.server.requests[-1] or b'"stream":true' in connection.server.requests[-1]
    kind = "text/event-stream" if streams else "application/json"
    body = b"".join(family("openai").events()) if streams else family("openai").text().content
    connection.head(f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close")
    connection.send(body)


def down(connection: Connection) -> None:
    body = b'{"error": {"message": "down", "type": "server_error"}}'
    connection.head("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close", status="500 No")
    connection.send(body)


def hang(connection: Connection) -> None:
    connection.hang()


def first_words_then_silence(connection: Connection) -> None:
    connection.head("Content-Type: text/event-stream")
    connection.send(b'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n')
    connection.hang()


def other(url: str) -> list[dict[str, Any]]:
    return [{"model": "openai/gpt-4o-mini", "api_base": url, "api_key": "key-of-the-other"}]


@both_ways
@whole_or_streamed
@pytest.mark.parametrize("slow", [hang, first_words_then_silence])
def test_the_second_answers_when_the_first_is_late(awaiting: bool, stream: bool, slow: Any) -> None:
    with misbehaving(slow) as first, misbehaving(good) as second:
        found = call(
            "openai", first.url, awaiting=awaiting, stream=stream, hedge_after=SOON, fallbacks=other(second.url), timeout=20
        )
        assert found.error is None
        assert found.response.text
        assert not stream or "".join(found.texts) == found.response.text
        assert first.left.wait(5), "the slow one was not hung up on"
        assert len(second.requests) == 1
    trace = found.response.trace
    assert sorted((attempt.model, attempt.decision) for attempt in trace.attempts) == [
        ("gpt-4o", "cancelled"),
        ("gpt-4o-mini", "answer"),
    ]
    assert any("hedged" in note for note in trace.notes)


@both_ways
@whole_or_streamed
def test_nobody_else_is_asked_when_the_first_is_in_time(awaiting: bool, stream: bool) -> None:
    with misbehaving(good) as first, misbehaving(good) as second:
        found = call(
            "openai", first.url, awaiting=awaiting, stream=stream, hedge_after=30, fallbacks=other(second.url), timeout=60
        )
        assert found.response.text
        assert second.requests == []
    assert found.response.trace.notes == []
    assert [attempt.decision for attempt in found.response.trace.attempts] == ["answer"]


@both_ways
def test_the_first_may_still_win(awaiting: bool) -> None:
    begun = threading.Event()

    def when_the_other_was_asked(connection: Connection) -> None:
        begun.wait(10)
        good(connection)

    def slower(connection: Connection) -> None:
        begun.set()
        connection.hang()

    with misbehaving(when_the_other_was_asked) as first, misbehaving(slower) as second:
        found = call("openai", first.url, awaiting=awaiting, hedge_after=SOON, fallbacks=other(second.url))
        assert found.response.trace.notes == [
            "hedged: openai/gpt-4o was the first, openai/gpt-4o-mini was hung up on; what that cost isn't known"
        ]
        assert second.left.wait(5)


@both_ways
def test_a_failure_before_the_time_is_a_failure_as_ever(awaiting: bool) -> None:
    with misbehaving(down) as first, misbehaving(good) as second:
        found = call("openai", first.url, awaiting=awaiting, hedge_after=30, fallbacks=other(second.url), timeout=60)
        assert [attempt.decision for attempt in found.response.trace.attempts] == ["next", "answer"]


@both_ways
def test_both_may_fail(awaiting: bool) -> None:
    asked = threading.Event()

    def late(connection: Connection) -> None:
        asked.wait(10)
        down(connection)

    def fails(connection: Connection) -> None:
        asked.set()
        down(connection)

    with misbehaving(late) as first, misbehaving(fails) as second:
        found = call("openai", first.url, awaiting=awaiting, hedge_after=SOON, fallbacks=other(second.url))
    assert isinstance(found.error, AllModelsFailedError)
    assert [type(error) for error in found.error.exceptions] == [InternalServerError] * 2


@both_ways
def test_the_deadline_holds(awaiting: bool) -> None:
    with misbehaving(hang) as first, misbehaving(hang) as second:
        started = time.monotonic()
        found = call("openai", first.url, awaiting=awaiting, hedge_after=SOON, fallbacks=other(second.url), timeout=0.5)
        assert time.monotonic() - started < 5
        assert first.left.wait(5)
        assert second.left.wait(5)
    assert "no answer" in str(found.error)


def test_no_thread_is_left() -> None:
    with misbehaving(hang) as first, misbehaving(good) as second:
        call("openai", first.url, awaiting=False, hedge_after=SOON, fallbacks=other(second.url))
        assert first.left.wait(5)
        for thread in threading.enumerate():
            if thread.name == "insights-hedge":
                thread.join(5)
                assert not thread.is_alive()
