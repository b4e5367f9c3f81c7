"""What goes wrong in the middle of a stream: never taken for its end, the text so far is not lost, nothing is cached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.adapters.models.factory import ModelFactory
from insights.core.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    InternalServerError,
    Timeout,
    TruncatedStreamError,
)
from tests.faults.calling import MARGIN, MODELS, TIMEOUT, both_ways, call, every_wire, family
from tests.faults.server import Behaviour, Connection, misbehaving
from tests.unit.adapters.answers import ERROR_TEXT, sse

Fault = Callable[[Connection, str], None]


def clean_end(connection: Connection, provider: str) -> None:
    connection.send(b"0\r\n\r\n")


def cut_between_chunks(connection: Connection, provider: str) -> None:
    """FIN without the chunk that ends a chunked body."""


def cut_in_an_event(connection: Connection, provider: str) -> None:
    connection.chunk(b'data: {"choices": [{"del')
    connection.send(b"0\r\n\r\n")


def cut_in_a_chunk(connection: Connection, provider: str) -> None:
    connection.send(b"400\r\ndata: {")


def reset(connection: Connection, provider: str) -> None:
    connection.reset()


def bad_json(connection: Connection, provider: str) -> None:
    connection.chunk(b"data: {this is no JSON}\n\n")
    connection.hang()


def no_object(connection: Connection, provider: str) -> None:
    connection.chunk(b"data: [1, 2]\n\n")
    connection.hang()


def error_event(connection: Connection, provider: str) -> None:
    connection.chunk(family(provider).error_event())
    connection.hang()


ENDINGS: list[Fault] = [
    clean_end,
    cut_between_chunks,
    cut_in_an_event,
    cut_in_a_chunk,
    reset,
    bad_json,
    no_object,
    error_event,
]
BEFORE_CONTENT: list[tuple[Fault, type[APIError]]] = [
    (clean_end, TruncatedStreamError),
    (cut_in_an_event, TruncatedStreamError),
    (cut_between_chunks, APIConnectionError),
    (reset, APIConnectionError),
    (bad_json, APIResponseValidationError),
    (error_event, InternalServerError),
]


def opening(connection: Connection) -> None:
    # This server ends each connection: a client that kept one would race with that.
    connection.head("Content-Type: text/event-stream", "Transfer-Encoding: chunked", "Connection: close")


def after(provider: str, fault: Fault, words: int) -> Behaviour:
    """Streams some words as it should, then the fault."""

    def behave(connection: Connection) -> None:
        opening(connection)
        events = family(provider).events(("Hello", " there", " you"))
        first_word = next(i for i, event in enumerate(events) if b"Hello" in event)
        for event in events[: first_word + words]:
            connection.chunk(event)
        fault(connection, provider)

    return behave


def well(provider: str) -> Behaviour:
    def behave(connection: Connection) -> None:
        opening(connection)
        for event in family(provider).events():
            connection.chunk(event)
        connection.send(b"0\r\n\r\n")

    return behave


@every_wire
@both_ways
@pytest.mark.parametrize("fault", ENDINGS)
def test_broken_after_its_first_words(provider: str, awaiting: bool, fault: Fault, tmp_path: Path) -> None:
    with misbehaving(after(provider, fault, 2)) as server:
        outcome = call(provider, server.url, awaiting=awaiting, stream=True, cache_dir=tmp_path, num_retries=3)
        assert len(server.requests) == 1, "words already shown must not be followed by another attempt's"
        assert type(outcome.error) is TruncatedStreamError
        assert outcome.error.partial == "".join(outcome.texts)
        # A reset discards what the client has not read yet (RFC 9293, 3.10.7.4); all else has come whole.
        assert outcome.error.partial in ({"Hello there", "Hello"} if fault is reset else {"Hello there"})
        assert outcome.error.retryable
        assert outcome.error.provider == provider
        if fault is error_event:
            assert ERROR_TEXT in str(outcome.error)
        assert outcome.response is None
        server.behaviour = well(provider)
        again = call(provider, server.url, awaiting=awaiting, stream=True, cache_dir=tmp_path)
        assert len(server.requests) == 2, "the broken answer was cached"
    assert again.response.text == "Hello there"


@every_wire
@both_ways
@pytest.mark.parametrize(("fault", "kind"), BEFORE_CONTENT, ids=lambda value: value.__name__)
def test_broken_before_its_first_word(provider: str, awaiting: bool, fault: Fault, kind: type[APIError]) -> None:
    with misbehaving(after(provider, fault, 0)) as server:
        outcome = call(provider, server.url, awaiting=awaiting, stream=True)
        assert len(server.requests) == 1
    assert type(outcome.error) is kind
    assert outcome.error.retryable
    assert not outcome.texts


@every_wire
@both_ways
def test_another_attempt_as_long_as_nothing_was_shown(provider: str, awaiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    with misbehaving(after(provider, clean_end, 0)) as server:

        def behave(connection: Connection) -> None:
            (well(provider) if len(server.requests) == 2 else after(provider, clean_end, 0))(connection)

        server.behaviour = behave
        outcome = call(provider, server.url, awaiting=awaiting, stream=True, num_retries=1)
        assert len(server.requests) == 2
    assert outcome.error is None
    assert "".join(outcome.texts) == outcome.response.text == "Hello there"


# ---------------------------------------------------------------- deadlines


def stall(connection: Connection, provider: str) -> None:
    connection.hang()


def drip(connection: Connection, provider: str) -> None:
    connection.send(b"1000\r\n")
    connection.drip(b": a comment keeps the line warm" * 100)


def keep_alive(connection: Connection, provider: str) -> None:
    """Comments, as OpenRouter and Anthropic's pings keep a stream alive."""
    while not connection.server.over.wait(0.02):
        connection.chunk(b": keep-alive\n\n")


@every_wire
@both_ways
@pytest.mark.parametrize("fault", [stall, drip, keep_alive])
@pytest.mark.parametrize("words", [0, 2])
def test_a_deadline_bounds_the_whole_stream(
    provider: str, awaiting: bool, fault: Fault, words: int, record_property: Callable[[str, object], None]
) -> None:
    with misbehaving(after(provider, fault, words)) as server:
        outcome = call(provider, server.url, awaiting=awaiting, stream=True, timeout=TIMEOUT)
        assert len(server.requests) == 1
    print(f"timeout={TIMEOUT} s took {outcome.seconds:.3f} s")
    record_property("seconds", outcome.seconds)
    assert type(outcome.error) is Timeout
    assert TIMEOUT * 0.9 <= outcome.seconds < TIMEOUT + MARGIN + 5 * (words == 0)  # the first may load litellm
    assert outcome.error.partial == ("Hello there" if words else "")


@both_ways
def test_a_refusal_that_never_ends(awaiting: bool) -> None:
    """The body of an error status is read under the same deadline."""

    def behave(connection: Connection) -> None:
        connection.head("Content-Type: application/json", "Transfer-Encoding: chunked", status="500 Internal Server Error")
        connection.chunk(b'{"error": ')
        connection.hang()

    with misbehaving(behave) as server:
        call("openai", server.url, awaiting=awaiting, stream=True, timeout=TIMEOUT)
        outcome = call("openai", server.url, awaiting=awaiting, stream=True, timeout=TIMEOUT)
    assert type(outcome.error) is Timeout
    assert outcome.seconds < TIMEOUT + MARGIN


@both_ways
def test_chunks_that_are_none(awaiting: bool) -> None:
    """aiohttp's parser gives no error for a chunk size that is no number, and no end either: the deadline is what is left."""

    def behave(connection: Connection) -> None:
        opening(connection)
        connection.send(b"zz\r\nnonsense\r\n")

    with misbehaving(behave) as server:
        outcome = call("openai", server.url, awaiting=awaiting, stream=True, timeout=TIMEOUT)
    assert isinstance(outcome.error, APIConnectionError | Timeout)
    assert outcome.error.retryable
    assert outcome.seconds < TIMEOUT + MARGIN


# ---------------------------------------------------------------- leaving early


def talk_then_wait(provider: str) -> Behaviour:
    return after(provider, stall, 1)


def _given(url: str) -> dict[str, Any]:
    return {"api_base": url, "api_key": "key-0123456789", "cache": False, "num_retries": 0, "timeout": 20}


@every_wire
@pytest.mark.parametrize("way", ["close", "with", "break in with"])
def test_leaving_early_closes_the_connection(provider: str, way: str) -> None:
    with misbehaving(talk_then_wait(provider)) as server:
        stream = insights.completion(MODELS[provider], "Hello", stream=True, **_given(server.url))
        if way == "close":
            assert next(stream).text is not None
            stream.close()
        elif way == "with":
            with stream:
                pass
        else:
            with stream:
                for _ in stream:
                    break
        assert server.left.wait(5), "the server never saw the client go"
        assert list(stream) == []
        with pytest.raises(insights.InsightsError, match="finished"):
            _ = stream.response


@every_wire
@pytest.mark.parametrize("way", ["aclose", "async with"])
def test_leaving_early_closes_the_connection_awaiting(provider: str, way: str) -> None:
    async def leave(url: str, gone: Callable[[float], bool]) -> bool:
        stream = await insights.acompletion(MODELS[provider], "Hello", stream=True, **_given(url))
        if way == "aclose":
            await anext(stream)
            await stream.aclose()
        else:
            async with stream:
                async for _ in stream:
                    break
        return await asyncio.to_thread(gone, 5)

    with misbehaving(talk_then_wait(provider)) as server:
        assert asyncio.run(leave(server.url, server.left.wait)), "the server never saw the client go"


@every_wire
def test_leaving_the_stream_of_a_model_early(provider: str) -> None:
    async def leave(url: str, gone: Callable[[float], bool]) -> bool:
        model = ModelFactory.create(MODELS[provider], api_base=url, api_key="key-0123456789")
        pieces: Any = model.stream("Hello")
        assert await anext(pieces) == "Hello"
        await pieces.aclose()
        return await asyncio.to_thread(gone, 5)

    with misbehaving(talk_then_wait(provider)) as server:
        assert asyncio.run(leave(server.url, server.left.wait))


@both_ways
def test_cancelled_in_the_middle(awaiting: bool) -> None:
    """An exception in the caller's loop leaves the connection closed, not half read in the pool."""
    with misbehaving(talk_then_wait("openai")) as server:

        async def cancelled() -> None:
            async with asyncio.timeout(TIMEOUT):
                stream = await insights.acompletion(MODELS["openai"], "Hello", stream=True, **_given(server.url))
                async for _ in stream:
                    pass

        if awaiting:
            with pytest.raises(TimeoutError):
                asyncio.run(cancelled())
        else:
            stream = insights.completion(MODELS["openai"], "Hello", stream=True, **_given(server.url))

            def stumble() -> None:
                with stream:
                    for _ in stream:
                        raise LookupError

            with pytest.raises(LookupError):
                stumble()
        assert server.left.wait(5)


# ---------------------------------------------------------------- odd, but well


@every_wire
@both_ways
def test_a_stream_in_single_bytes(provider: str, awaiting: bool) -> None:
    def behave(connection: Connection) -> None:
        opening(connection)
        for byte in b"".join([*family(provider).events(("Grüße", " 你好 \u2028", " 🎉"))]):
            connection.chunk(bytes([byte]))
        connection.send(b"0\r\n\r\n")

    with misbehaving(behave) as server:
        outcome = call(provider, server.url, awaiting=awaiting, stream=True)
    assert outcome.response.text == "Grüße 你好 \u2028 🎉"
    assert "".join(outcome.texts) == outcome.response.text


@both_ways
def test_comments_between_events(awaiting: bool) -> None:
    def behave(connection: Connection) -> None:
        opening(connection)
        for event in family("openai").events():
            connection.chunk(b": OPENROUTER PROCESSING\n\n" + event)
        connection.send(b"0\r\n\r\n")

    with misbehaving(behave) as server:
        outcome = call("openai", server.url, awaiting=awaiting, stream=True)
    assert outcome.response.text == "Hello there"


@both_ways
def test_html_instead_of_a_stream(awaiting: bool) -> None:
    def behave(connection: Connection) -> None:
        connection.head("Content-Type: text/html", "Content-Length: 26")
        connection.send(b"<html>Bad gateway</html>\r\n")

    with misbehaving(behave) as server:
        outcome = call("openai", server.url, awaiting=awaiting, stream=True)
    assert isinstance(outcome.error, APIResponseValidationError | TruncatedStreamError)
    assert outcome.error.retryable


def test_an_error_event_of_each_wire_has_its_class() -> None:
    """An event that names its kind (Anthropic, "Errors": overloaded_error is 529)."""

    def behave(connection: Connection) -> None:
        opening(connection)
        connection.chunk(sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error"))
        connection.hang()

    with misbehaving(behave) as server:
        outcome = call("anthropic", server.url, awaiting=False, stream=True)
    assert (type(outcome.error).__name__, outcome.error.status_code) == ("ServiceUnavailableError", 529)
