"""The two performers and the deadline."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import pytest

from insights._version import __version__
from insights.adapters.models import exchange
from insights.adapters.models.deadline import DeadlineBackend, DeadlineStream, deadline
from insights.adapters.models.http import AsyncPerformer, SyncPerformer
from insights.core import intercept
from insights.core.effects import Blocking, Close, Effect, Open, Opened, Read, Recorded, Send, Sleep, WireAnswer, WireCall
from insights.core.errors import APIConnectionError, APIResponseValidationError, BadRequestError, Timeout
from tests.unit.adapters.loopback import Answer, Loopback, as_json, streamed

both_ways = pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])


class Doer:
    """Does effects one after the other, blocking or awaiting: the same test for both performers."""

    def __init__(self, awaiting: bool) -> None:
        self._runner = asyncio.Runner() if awaiting else None

    def do(self, *effects: Effect) -> Any:
        """The outcome of the last."""
        found: Any = None
        for effect in effects:
            found = self._runner.run(AsyncPerformer().perform(effect)) if self._runner else SyncPerformer().perform(effect)
        return found

    def close(self) -> None:
        if self._runner:
            self._runner.close()


@pytest.fixture
def doer(awaiting: bool) -> Iterator[Doer]:
    found = Doer(awaiting)
    yield found
    found.close()


def call(url: str, **fields: Any) -> WireCall:
    return WireCall(f"{url}/x", {"Content-Type": "application/json"}, b"{}", provider="acme", model="m", **fields)


@both_ways
def test_send(doer: Doer, loopback: Loopback) -> None:
    loopback.says(as_json({"a": 1}, 201, X_Request_Id="r-1"))
    found = doer.do(Send(call(loopback.url)))
    assert isinstance(found, WireAnswer)
    assert (found.status, json.loads(found.content), found.headers["x-request-id"]) == (201, {"a": 1}, "r-1")
    request = loopback.only
    assert (request.method, request.target, request.content) == ("POST", "/x", b"{}")
    assert request.headers["user-agent"] == f"insights/{__version__}"
    assert request.headers["accept-encoding"] == "gzip, deflate"


@both_ways
def test_open_read_close(doer: Doer, loopback: Loopback) -> None:
    loopback.says(streamed(b"one", b"two"))
    stream = doer.do(Open(call(loopback.url)))
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    found = b""
    while (piece := doer.do(Read(stream))) is not None:
        found += piece
    assert found == b"onetwo"
    assert doer.do(Close(stream)) is None
    assert doer.do(Close(stream)) is None, "closing twice is allowed"


@both_ways
def test_blocking_and_sleep(doer: Doer) -> None:
    assert doer.do(Blocking(lambda: 7)) == 7
    assert doer.do(Sleep(0.0)) is None


@both_ways
def test_news_is_no_deed(doer: Doer) -> None:
    with pytest.raises(TypeError, match="not an effect"):
        doer.do(Opened())


@both_ways
def test_an_endless_answer_is_not_read_to_its_end(doer: Doer, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_ANSWER", 1000)
    loopback.says(streamed(*[b"x" * 300] * 4))
    with pytest.raises(APIResponseValidationError, match="longer than 1000") as caught:
        doer.do(Send(call(loopback.url)))
    assert not caught.value.retryable


@both_ways
def test_a_deadline_that_has_passed_sends_nothing(doer: Doer, loopback: Loopback) -> None:
    loopback.says(as_json({}))
    with pytest.raises(Timeout, match="in the time allowed") as caught:
        doer.do(Send(call(loopback.url), time.monotonic() - 1))
    assert (caught.value.provider, caught.value.model) == ("acme", "m")


@both_ways
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Evil": "a\r\nX-Injected: b"},
        {"X-Evil": "a\nb"},
        {"X-Evil\r\nX-Injected": "b"},
        {"Bad Name": "b"},
        {"Authorization": "Bearer secret-word\n"},
        {"Authorization": "Bearer secret-wörd"},
        {"": "b"},
    ],
)
def test_headers_that_http_does_not_allow(doer: Doer, headers: dict[str, str], loopback: Loopback) -> None:
    with pytest.raises(BadRequestError, match="header") as caught:
        doer.do(Send(WireCall(f"{loopback.url}/x", headers, b"{}")))
    assert "secret-w" not in f"{caught.value!s}{caught.value!r}"
    assert not loopback.received


@both_ways
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://127.0.0.1:0/x"])
def test_no_connection(doer: Doer, url: str) -> None:
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1") as caught:
        doer.do(Send(WireCall(url, {"Authorization": "Bearer secret-word"}, b"{}", provider="acme")))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret-word" not in str(caught.value)


@both_ways
def test_no_redirects(doer: Doer, loopback: Loopback) -> None:
    loopback.says(Answer(status=307, headers={"location": f"{loopback.url}/elsewhere"}))
    assert doer.do(Send(call(loopback.url))).status == 307
    assert len(loopback.received) == 1


# ---------------------------------------------------------------- a cassette in between


class Tape:
    """The smallest cassette."""

    def __init__(self, *answers: Recorded, recording: bool = False) -> None:
        self.recording, self.answers = recording, list(answers)
        self.kept: list[Recorded] = []

    def replay(self, call: WireCall) -> Recorded | None:
        return self.answers.pop(0) if self.answers else None

    def record(self, call: WireCall, response: Recorded) -> None:
        self.kept.append(response)

    def opened(self, stream: intercept.Unfinished) -> None:
        """What comes of it is told by `record`."""


@contextmanager
def taped(tape: Any) -> Iterator[Any]:
    with intercept.installed(tape):
        yield tape


@both_ways
def test_a_recorded_answer_touches_no_network(doer: Doer) -> None:
    tape = Tape(*[Recorded(200, {"a": "b"}, [b"one", b"two"])] * 2)
    with taped(tape):
        found = doer.do(Send(call("https://api.acme.test")))
        stream = doer.do(Open(call("https://api.acme.test")))
        assert [doer.do(Read(stream)) for _ in range(3)] == [b"one", b"two", None]
        doer.do(Close(stream))
    assert (found.status, found.headers, found.content) == (200, {"a": "b"}, b"onetwo")


@both_ways
def test_a_recording_gets_every_piece_once(doer: Doer, loopback: Loopback) -> None:
    loopback.says(streamed(b"one", b"two"))
    with taped(Tape(recording=True)) as tape:
        doer.do(Send(call(loopback.url)))
    (kept,) = tape.kept
    assert (kept.status, b"".join(kept.pieces)) == (200, b"onetwo")


# ---------------------------------------------------------------- the deadline, on streams of our own


class Line:
    """An httpcore stream or backend that only notes the timeouts it is given."""

    mark = "of the stream itself"

    def __init__(self) -> None:
        self.given: list[float | None] = []

    def read(self, size: int, timeout: float | None = None) -> bytes:
        self.given.append(timeout)
        return b"x"

    def write(self, data: bytes, timeout: float | None = None) -> None:
        self.given.append(timeout)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> Line:
        self.given.append(timeout)
        return self

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> Line:
        self.given.append(timeout)
        return self


def every_step(line: Line, timeout: float | None) -> list[float | None]:
    stream = DeadlineBackend(line).connect_tcp("127.0.0.1", 443, timeout)
    stream.start_tls(None, "127.0.0.1", timeout)
    stream.write(b"x", timeout)
    stream.read(1, timeout)
    return line.given


def test_without_a_deadline_nothing_is_cut() -> None:
    assert every_step(Line(), 5.0) == [5.0] * 4
    assert every_step(Line(), None) == [None] * 4


def test_every_step_is_cut_to_the_time_left() -> None:
    with deadline(time.monotonic() + 100):
        found = every_step(Line(), None) + every_step(Line(), 1000.0)
    assert len(found) == 8
    assert all(seconds is not None and 95 < seconds <= 100 for seconds in found)


def test_a_shorter_timeout_stays() -> None:
    with deadline(time.monotonic() + 100):
        assert every_step(Line(), 2.0) == [2.0] * 4


def test_when_no_time_is_left() -> None:
    import httpcore

    line = Line()
    with deadline(time.monotonic() - 1), pytest.raises(httpcore.ReadTimeout):
        DeadlineStream(line).read(1)
    assert not line.given
    assert DeadlineStream(line).read(1) == b"x", "the deadline ends with its block"


def test_everything_else_is_the_streams_own() -> None:
    assert DeadlineStream(Line()).mark == "of the stream itself"
    assert DeadlineBackend(Line()).mark == "of the stream itself"


class Dead:
    """Nobody answers at any address; each attempt takes the time it is given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> Any:
        assert timeout is not None
        self.asked.append((host, timeout))
        raise OSError("no route")


def test_all_addresses_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(2, 1, 6, "", (f"127.0.0.{number}", 80)) for number in (1, 2, 3)]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: rows)
    dead = Dead()
    with pytest.raises(OSError, match="no route"), deadline(time.monotonic() + 5):
        DeadlineBackend(dead).connect_tcp("host.example", 80)
    assert [host for host, _ in dead.asked] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert all(0 < left <= 5 for _, left in dead.asked)
    assert dead.asked[0][1] >= dead.asked[-1][1]


def test_a_name_that_is_looked_up_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: release.wait(20) and [])
    started = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout), deadline(started + 0.05):
        DeadlineBackend(Dead()).connect_tcp("host.example", 80)
    release.set()
    assert time.monotonic() - started < 10


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(httpcore.ConnectError, match="not known"), deadline(time.monotonic() + 5):
        DeadlineBackend(Dead()).connect_tcp("host.example", 80)
