"""What goes wrong on the way of an answer in one piece: the typed error, soon, after one request, and nothing cached."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from insights.core.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    EmptyResponseError,
    Timeout,
)
from tests.faults.calling import MARGIN, TIMEOUT, both_ways, call, every_wire, family
from tests.faults.server import Connection, misbehaving, nobody

HTML = b"<!doctype html><html><head><title>502</title></head><body>Bad gateway</body></html>"


def answer(connection: Connection, body: bytes, *headers: str) -> None:
    connection.head("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close", *headers)
    connection.send(body)


def reset(connection: Connection) -> None:
    connection.reset()


def end(connection: Connection) -> None:
    """FIN instead of an answer."""


def reset_in_the_body(connection: Connection) -> None:
    connection.head("Content-Type: application/json", "Content-Length: 1000")
    connection.send(b'{"choices": [')
    connection.reset()


def half(connection: Connection) -> None:
    body = family("openai").text().content
    connection.head("Content-Type: application/json", f"Content-Length: {len(body)}")
    connection.send(body[: len(body) // 2])


def garbage(connection: Connection) -> None:
    connection.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")


def html(connection: Connection) -> None:
    connection.head("Content-Type: text/html", f"Content-Length: {len(HTML)}", "Connection: close")
    connection.send(HTML)


def not_json(connection: Connection) -> None:
    answer(connection, b'{"choices": [{"message": {"content": "Hel')


def nothing(connection: Connection) -> None:
    answer(connection, b"")


def a_list(connection: Connection) -> None:
    answer(connection, b"[]")


def a_word(connection: Connection) -> None:
    answer(connection, b'"hello"')


def null(connection: Connection) -> None:
    answer(connection, b"null")


def deep(connection: Connection) -> None:
    answer(connection, b"[" * 100_000)


def no_choices(connection: Connection) -> None:
    answer(connection, b'{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": {}}')


def wrong_types(connection: Connection) -> None:
    wrong = {"choices": "none", "content": 7, "candidates": {"a": 1}, "type": "message", "usage": [], "usageMetadata": 3}
    answer(connection, json.dumps(wrong).encode())


def damaged_gzip(connection: Connection) -> None:
    answer(connection, b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not deflate at all", "Content-Encoding: gzip")


FAULTS: list[tuple[Callable[[Connection], None], type[APIError], int | None]] = [
    (reset, APIConnectionError, None),
    (end, APIConnectionError, None),
    (reset_in_the_body, APIConnectionError, None),
    (half, APIConnectionError, None),
    (garbage, APIConnectionError, None),
    (html, APIResponseValidationError, 200),
    (not_json, APIResponseValidationError, 200),
    (nothing, APIResponseValidationError, 200),
    (a_list, APIResponseValidationError, 200),
    (a_word, APIResponseValidationError, 200),
    (null, APIResponseValidationError, 200),
    (deep, APIResponseValidationError, 200),
    (no_choices, APIResponseValidationError, 200),
    (wrong_types, APIResponseValidationError, 200),
    (damaged_gzip, APIResponseValidationError, None),
]


@every_wire
@both_ways
@pytest.mark.parametrize(("behaviour", "kind", "status"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_typed_error(
    provider: str,
    awaiting: bool,
    behaviour: Callable[[Connection], None],
    kind: type[APIError],
    status: int | None,
) -> None:
    with misbehaving(behaviour) as server:
        outcome = call(provider, server.url, awaiting=awaiting)
        assert len(server.requests) == 1
    assert isinstance(outcome.error, kind), repr(outcome.error)
    assert outcome.error.retryable
    assert outcome.error.trace is not None
    assert outcome.error.status_code == status
    assert outcome.error.provider == provider
    assert "key-0123456789" not in f"{outcome.error!s}{outcome.error!r}"
    assert [attempt.error for attempt in outcome.error.trace.attempts] == [type(outcome.error).__name__]


@every_wire
@both_ways
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_nobody_listens(provider: str, awaiting: bool, stream: bool) -> None:
    outcome = call(provider, nobody(), awaiting=awaiting, stream=stream)
    assert type(outcome.error) is APIConnectionError
    assert outcome.error.retryable
    assert "127.0.0.1" in str(outcome.error)
    assert outcome.error.__cause__ is None  # it would hold the request, and the key with it


@every_wire
@both_ways
def test_retried_as_often_as_asked_and_no_more(provider: str, awaiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # no waiting between attempts
    with misbehaving(reset) as server:
        outcome = call(provider, server.url, awaiting=awaiting, num_retries=2)
        assert len(server.requests) == 3
    assert [attempt.decision for attempt in outcome.error.trace.attempts] == ["retry", "retry", "stop"]


# ---------------------------------------------------------------- deadlines


def hang(connection: Connection) -> None:
    connection.hang()


def hang_after_the_head(connection: Connection) -> None:
    connection.head("Content-Type: application/json", "Content-Length: 1000")
    connection.hang()


def drip_the_head(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 10_000)


def drip_the_body(connection: Connection) -> None:
    connection.head("Content-Type: application/json", "Content-Length: 10000")
    connection.drip(b"{" + b" " * 9_999)


@every_wire
@both_ways
@pytest.mark.parametrize("behaviour", [hang, hang_after_the_head, drip_the_head, drip_the_body])
def test_a_deadline_bounds_the_whole_call(
    provider: str, awaiting: bool, behaviour: Callable[[Connection], None], record_property: Callable[[str, object], None]
) -> None:
    """A drip keeps every single read short, so that a timeout for each read would never come."""
    with misbehaving(behaviour) as server:
        call(provider, nobody(), awaiting=awaiting)  # litellm is there; its import is no part of what is measured
        outcome = call(provider, server.url, awaiting=awaiting, timeout=TIMEOUT, num_retries=5)
        assert len(server.requests) == 1
    print(f"timeout={TIMEOUT} s took {outcome.seconds:.3f} s")
    record_property("seconds", outcome.seconds)
    assert type(outcome.error) is Timeout
    assert TIMEOUT * 0.9 <= outcome.seconds < TIMEOUT + MARGIN
    assert outcome.error.status_code is None


@both_ways
def test_a_deadline_in_the_middle_of_retries(awaiting: bool) -> None:
    """A wait that would outlast the deadline is not begun."""
    outcome = call("openai", nobody(), awaiting=awaiting, timeout=0.2, num_retries=1000)
    assert isinstance(outcome.error, APIConnectionError | Timeout)
    assert outcome.seconds < 0.2 + MARGIN


# ---------------------------------------------------------------- nothing is kept


@every_wire
@both_ways
@pytest.mark.parametrize("behaviour", [half, html, not_json, no_choices])
def test_nothing_is_cached(provider: str, awaiting: bool, behaviour: Callable[[Connection], None], tmp_path: Path) -> None:
    def well(connection: Connection) -> None:
        answer(connection, family(provider).text().content)

    with misbehaving(behaviour) as server:
        failed = call(provider, server.url, awaiting=awaiting, cache_dir=tmp_path)
        server.behaviour = well
        first = call(provider, server.url, awaiting=awaiting, cache_dir=tmp_path)
        second = call(provider, server.url, awaiting=awaiting, cache_dir=tmp_path)
        assert len(server.requests) == 2
    assert failed.error is not None
    assert (first.response.text, first.response.cached) == ("Hello there", False)
    assert (second.response.text, second.response.cached) == ("Hello there", True)


@both_ways
def test_an_empty_answer_is_an_error_and_not_cached(awaiting: bool, tmp_path: Path) -> None:
    body = json.loads(family("openai").text().content)
    body["choices"][0]["message"]["content"] = ""
    with misbehaving(lambda connection: answer(connection, json.dumps(body).encode())) as server:
        for _ in range(2):
            outcome = call("openai", server.url, awaiting=awaiting, cache_dir=tmp_path)
            assert type(outcome.error) is EmptyResponseError
            assert outcome.error.retryable
        assert len(server.requests) == 2
