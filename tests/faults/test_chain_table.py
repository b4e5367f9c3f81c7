"""What a call does about each kind of failure: how often it asks, whom it asks next, what it keeps, and by when it ends.

Faults of one candidate alone are in `test_whole_answers` and `test_streams`; here there is a chain behind it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.core.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Timeout,
    TruncatedStreamError,
)
from insights.routing import breaker
from tests.faults import test_streams as streams
from tests.faults import test_whole_answers as whole
from tests.faults.calling import MODELS, Outcome, both_ways, call, every_wire, family
from tests.faults.chains import Arrivals, decisions, down, next_of, refusal, refusing, reply, stand_in, well
from tests.faults.server import Behaviour, Connection, misbehaving, nobody
from tests.stress.sizes import WHICH, tell

whole_or_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
GUARD = 4.0  # seconds; without its limit each of these calls would last for ever, or for the 20 s of `call`
LIMIT = 2.0 if WHICH == "full" else 0.5  # seconds; the `timeout=` whose overshoot is told


def stored(cache_dir: Path) -> int:
    """Answers in a cache."""
    with insights.Client(cache_dir=cache_dir) as client:
        return client.cache.stats().entries


# ---------------------------------------------------------------- a provider that is down


@every_wire
@both_ways
@whole_or_streamed
def test_three_requests_and_no_more(provider: str, awaiting: bool, stream: bool) -> None:
    with insights.no_waiting(), misbehaving(down(provider)) as server:
        found = call(provider, server.url, awaiting=awaiting, stream=stream, num_retries=None)
        assert len(server.requests) == 3
    assert type(found.error) is InternalServerError
    assert decisions(found.error.trace) == ["retry", "retry", "stop"]


# ---------------------------------------------------------------- what the caller has to mend

MENDED_BY_THE_CALLER: list[tuple[int, type[APIError]]] = [
    (400, BadRequestError),
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
]


@every_wire
@both_ways
@whole_or_streamed
@pytest.mark.parametrize(("status", "kind"), MENDED_BY_THE_CALLER, ids=lambda value: getattr(value, "__name__", str(value)))
def test_asked_once_and_nobody_else(provider: str, awaiting: bool, stream: bool, status: int, kind: type[APIError]) -> None:
    with misbehaving(refusing(status, refusal(provider, status))) as server, misbehaving(well(next_of(provider))) as other:
        found = call(
            provider,
            server.url,
            awaiting=awaiting,
            stream=stream,
            num_retries=None,
            fallbacks=stand_in(provider, other.url),
        )
        assert (len(server.requests), len(other.requests)) == (1, 0)
    assert type(found.error) is kind
    assert (found.error.status_code, found.error.retryable) == (status, False)
    assert decisions(found.error.trace) == ["stop"]
    assert "the provider says no" in str(found.error)


# ---------------------------------------------------------------- "come back later"


def limited(provider: str, header: str | None) -> Arrivals:
    """A rate limit once, then an answer. Without a header Google's own way of saying it: in the body."""
    body = refusal(provider, 429)
    if header is None:
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.15s"}
        body = json.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [info]}}).encode()

    def behave(connection: Connection) -> None:
        if len(connection.server.requests) == 1:
            reply(connection, 429, body, *([header] if header else []))
        else:
            well(provider)(connection)

    return Arrivals(behave)


@both_ways
@pytest.mark.parametrize(
    ("provider", "header"),
    [
        *((name, "Retry-After-Ms: 150") for name in MODELS),
        ("openai", "Retry-After: 0.15"),
        ("openai", "X-Should-Retry: true\r\nRetry-After: 0.15"),
        ("gemini", None),
    ],
)
def test_a_wait_that_fits_is_waited(provider: str, awaiting: bool, header: str | None) -> None:
    asked = limited(provider, header)
    with misbehaving(asked) as server:
        found = call(provider, server.url, awaiting=awaiting, num_retries=None)
        assert len(server.requests) == 2
    assert asked.times[1] - asked.times[0] >= 0.15
    first, second = found.response.trace.attempts
    assert (first.decision, first.status_code, second.decision) == ("retry", 429, "answer")
    assert first.waited == pytest.approx(0.15)


@every_wire
@both_ways
@pytest.mark.parametrize(("asked_for", "timeout"), [(30, 20), (61, 600)], ids=["beyond the time", "beyond patience"])
def test_a_wait_that_does_not_fit_is_not_begun(provider: str, awaiting: bool, asked_for: int, timeout: float) -> None:
    with (
        misbehaving(refusing(429, refusal(provider, 429), f"Retry-After: {asked_for}")) as server,
        misbehaving(well(next_of(provider))) as other,
    ):
        alone = call(provider, server.url, awaiting=awaiting, num_retries=None, timeout=timeout)
        found = call(
            provider,
            server.url,
            awaiting=awaiting,
            num_retries=None,
            timeout=timeout,
            fallbacks=stand_in(provider, other.url),
        )
        assert (len(server.requests), len(other.requests)) == (2, 1)
    assert type(alone.error) is RateLimitError
    assert alone.error.retry_after == asked_for
    assert found.response.provider == next_of(provider)
    assert decisions(found.response.trace) == ["next", "answer"]
    assert [attempt.waited for attempt in found.response.trace.attempts] == [0, 0]
    assert alone.seconds < asked_for / 2  # it was not waited for; how fast else is the machine's affair
    assert found.seconds < asked_for / 2


@every_wire
@both_ways
def test_the_providers_word_on_another_attempt(provider: str, awaiting: bool) -> None:
    """Against what the status says, both ways."""
    final = refusing(500, down_body(provider), "X-Should-Retry: false")
    passing = refusing(409, refusal(provider, 409), "X-Should-Retry: true")
    with insights.no_waiting(), misbehaving(final) as server, misbehaving(well(next_of(provider))) as other:
        found = call(provider, server.url, awaiting=awaiting, num_retries=None, fallbacks=stand_in(provider, other.url))
        assert (len(server.requests), len(other.requests)) == (1, 1)
        assert decisions(found.response.trace) == ["next", "answer"]
        server.behaviour = passing
        found = call(provider, server.url, awaiting=awaiting, num_retries=None)
        assert len(server.requests) == 1 + 3
    assert type(found.error) is BadRequestError
    assert found.error.retryable


def down_body(provider: str) -> bytes:
    return refusal(provider, 409)  # the words are no matter where the status is 500


# ---------------------------------------------------------------- no answer, or none that is one

WHOLE: list[tuple[Behaviour | None, type[APIError], str]] = [
    (None, APIConnectionError, "connection"),
    (whole.reset, APIConnectionError, "connection"),
    (whole.half, APIConnectionError, "connection"),
    (whole.html, APIResponseValidationError, "not JSON"),
    (whole.not_json, APIResponseValidationError, "not JSON"),
    (whole.no_choices, APIResponseValidationError, ""),
]


def _chained(provider: str, url: str, awaiting: bool, stream: bool, kept: Path) -> tuple[Outcome, Outcome]:
    """The call alone, and with a second candidate that answers."""
    alone = call(provider, url, awaiting=awaiting, stream=stream, cache_dir=kept)
    assert stored(kept) == 0
    with misbehaving(well(next_of(provider), ("Hello", " from", " another"))) as other:
        both = call(provider, url, awaiting=awaiting, stream=stream, cache_dir=kept, fallbacks=stand_in(provider, other.url))
        assert len(other.requests) == 1
    return alone, both


def _answered_by_another(provider: str, stream: bool, both: Outcome, alone: Outcome) -> None:
    assert both.error is None
    assert both.response.provider == next_of(provider)
    assert both.response.text == "Hello from another"
    assert not stream or "".join(both.texts) == "Hello from another"
    first, second = both.response.trace.attempts
    assert (first.provider, first.decision, first.error) == (provider, "next", type(alone.error).__name__)
    assert first.message == alone.error.message or type(alone.error) is APIConnectionError
    assert (second.provider, second.decision, second.error) == (next_of(provider), "answer", None)


@every_wire
@both_ways
@pytest.mark.parametrize(("behaviour", "kind", "said"), WHOLE, ids=lambda value: getattr(value, "__name__", None))
def test_another_answers_instead(
    provider: str, awaiting: bool, behaviour: Behaviour | None, kind: type[APIError], said: str, tmp_path: Path
) -> None:
    if behaviour is None:
        alone, both = _chained(provider, nobody(), awaiting, False, tmp_path)
    else:
        with misbehaving(behaviour) as server:
            alone, both = _chained(provider, server.url, awaiting, False, tmp_path)
    assert type(alone.error) is kind
    assert said in str(alone.error)
    assert alone.error.retryable
    _answered_by_another(provider, False, both, alone)
    assert stored(tmp_path) == 1, "the stand-in's answer and nothing else"


@every_wire
@both_ways
@pytest.mark.parametrize(("fault", "kind"), streams.BEFORE_CONTENT, ids=lambda value: value.__name__)
def test_another_streams_instead_before_the_first_word(
    provider: str, awaiting: bool, fault: streams.Fault, kind: type[APIError], tmp_path: Path
) -> None:
    with misbehaving(streams.after(provider, fault, 0)) as server:
        alone, both = _chained(provider, server.url, awaiting, True, tmp_path)
    assert type(alone.error) is kind
    _answered_by_another(provider, True, both, alone)
    assert stored(tmp_path) == 1


# ---------------------------------------------------------------- in time


@pytest.fixture(scope="module")
def overshoots() -> Iterator[list[float]]:
    """By how many seconds calls outlasted their `timeout=`; the worst is told in the end."""
    found: list[float] = []
    yield found
    if found:
        tell(
            f"{len(found)} calls with timeout={LIMIT} s: at most {max(found):.3f} s late, "
            f"half of them {statistics.median(found):.3f} s or less"
        )


def stalling(provider: str) -> Behaviour:
    return streams.after(provider, streams.stall, 2)


SLOW: list[tuple[Callable[[str], Behaviour], bool]] = [
    (lambda provider: whole.hang, False),
    (lambda provider: whole.drip_the_head, False),
    (lambda provider: whole.drip_the_body, False),
    (lambda provider: whole.hang, True),
    (stalling, True),
]


@both_ways
@pytest.mark.parametrize(("behaviour", "stream"), SLOW, ids=["hang", "head drips", "body drips", "no head", "stalls"])
def test_a_chain_ends_in_time(
    awaiting: bool, behaviour: Callable[[str], Behaviour], stream: bool, overshoots: list[float]
) -> None:
    """With retries and a second candidate there is more that could go on, and none of it does."""

    def one(provider: str) -> float:
        with misbehaving(behaviour(provider)) as server, misbehaving(well(next_of(provider))) as other:
            found = call(
                provider,
                server.url,
                awaiting=awaiting,
                stream=stream,
                timeout=LIMIT,
                num_retries=5,
                fallbacks=stand_in(provider, other.url),
            )
            assert (len(server.requests), len(other.requests)) == (1, 0)
        assert type(found.error) is Timeout
        assert found.error.partial == "".join(found.texts) == ("Hello there" if behaviour is stalling else "")
        return found.seconds

    call("openai", nobody(), awaiting=awaiting)  # litellm is there; its import is no part of what is measured
    # One by one where lateness is measured; side by side where it is only to be seen that they end.
    with ThreadPoolExecutor(1 if WHICH == "full" else len(MODELS)) as threads:
        seconds = list(threads.map(one, MODELS))
    overshoots += [each - LIMIT for each in seconds]
    assert min(seconds) >= LIMIT
    assert max(seconds) < GUARD


@both_ways
@whole_or_streamed
def test_attempts_have_their_own_time(awaiting: bool, stream: bool) -> None:
    with insights.no_waiting(), misbehaving(whole.hang) as server, misbehaving(well("anthropic")) as other:
        found = call(
            "openai",
            server.url,
            awaiting=awaiting,
            stream=stream,
            attempt_timeout=0.1,
            num_retries=2,
            fallbacks=stand_in("openai", other.url),
        )
        assert (len(server.requests), len(other.requests)) == (3, 1)
    assert decisions(found.response.trace) == ["retry", "retry", "next", "answer"]
    assert [attempt.error for attempt in found.response.trace.attempts] == ["Timeout", "Timeout", "Timeout", None]
    assert all(attempt.duration >= 0.1 for attempt in found.response.trace.attempts[:3])
    assert found.seconds < GUARD


@both_ways
def test_attempts_end_with_the_call(awaiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # a longer wait might not fit
    with misbehaving(whole.hang) as server:
        call("openai", nobody(), awaiting=awaiting)
        found = call("openai", server.url, awaiting=awaiting, timeout=0.5, attempt_timeout=0.3, num_retries=9)
        assert len(server.requests) == 2
    assert type(found.error) is Timeout
    assert decisions(found.error.trace) == ["retry", "stop"]
    assert 0.5 <= found.seconds < GUARD


@every_wire
@both_ways
def test_a_silent_stream_ends_when_its_time_is_over(provider: str, awaiting: bool, tmp_path: Path) -> None:
    with misbehaving(stalling(provider)) as server, misbehaving(well(next_of(provider))) as other:
        found = call(
            provider,
            server.url,
            awaiting=awaiting,
            stream=True,
            timeout=60,
            stream_idle_timeout=0.1,
            cache_dir=tmp_path,
            fallbacks=stand_in(provider, other.url),
        )
        assert (len(server.requests), len(other.requests)) == (1, 0)
    assert type(found.error) is Timeout
    assert found.error.partial == "".join(found.texts) == "Hello there"
    assert found.seconds < GUARD
    assert stored(tmp_path) == 0


@both_ways
def test_a_slow_stream_is_not_a_silent_one(awaiting: bool) -> None:
    """It takes longer than the silence it may keep, and is never silent for that long."""
    idle, pause, words = 1.0, 0.1, tuple(f" {number}" for number in range(8))

    def behave(connection: Connection) -> None:
        streams.opening(connection)
        for event in family("openai").events(words):
            connection.chunk(event)
            connection.server.over.wait(pause)
        connection.send(b"0\r\n\r\n")

    with misbehaving(behave) as server:
        found = call("openai", server.url, awaiting=awaiting, stream=True, stream_idle_timeout=idle)
    assert found.error is None
    assert found.response.text == "".join(words)
    assert found.seconds > idle


# ---------------------------------------------------------------- broken after the first words


@every_wire
@both_ways
@pytest.mark.parametrize(
    "fault", [streams.cut_between_chunks, streams.clean_end, streams.reset, streams.bad_json, streams.error_event]
)
def test_no_second_model_goes_on(provider: str, awaiting: bool, fault: streams.Fault, tmp_path: Path) -> None:
    said: list[str] = []

    def behave(connection: Connection) -> None:
        streams.after(provider, fault, 2)(connection)

    with misbehaving(behave) as server, misbehaving(well(next_of(provider), ("Somebody", " else"))) as other:
        found = call(
            provider,
            server.url,
            awaiting=awaiting,
            stream=True,
            num_retries=None,
            cache_dir=tmp_path,
            fallbacks=stand_in(provider, other.url),
        )
        assert (len(server.requests), len(other.requests)) == (1, 0)
    said.append("".join(found.texts))
    assert type(found.error) is TruncatedStreamError
    assert found.error.partial == said[0]
    # A reset discards what the client has not read yet (RFC 9293, 3.10.7.4).
    assert said[0] in ({"Hello there", "Hello"} if fault is streams.reset else {"Hello there"})
    assert decisions(found.error.trace) == ["stop"]
    assert stored(tmp_path) == 0


# ---------------------------------------------------------------- a provider known to be down


@both_ways
def test_a_provider_known_to_be_down_costs_little(awaiting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure is the breaker's whole use: what an outage adds to each call, once it is known."""
    monkeypatch.setattr(breaker, "COOL_DOWN", 3600.0)  # however slow the machine, nobody looks whether it is back
    rounds = 40
    with (
        insights.no_waiting(),
        misbehaving(down("openai")) as server,
        misbehaving(well("openai")) as other,
        insights.Client(cache=False) as client,
    ):
        place: dict[str, Any] = {"api_base": other.url, "api_key": "key-0123456789"}
        chain: dict[str, Any] = {
            "api_base": server.url,
            "api_key": "key-0123456789",
            "fallbacks": [{"model": MODELS["openai"], **place}],
        }

        def chained() -> Any:
            return client.completion(MODELS["together"], "Hello", **chain)

        def alone() -> Any:
            return client.completion(MODELS["openai"], "Hello", **place)

        async def achained() -> Any:
            return await client.acompletion(MODELS["together"], "Hello", **chain)

        async def aalone() -> Any:
            return await client.acompletion(MODELS["openai"], "Hello", **place)

        times: dict[str, list[float]] = {"chained": [], "alone": []}

        async def measure() -> Any:
            found: Any = None
            while not any(each.health.state == "open" for _, each in breaker.BREAKERS):
                assert (await achained() if awaiting else chained()).text
            before = len(server.requests)
            for _ in range(rounds):
                for name, way, away in (("alone", alone, aalone), ("chained", chained, achained)):
                    started = time.perf_counter()
                    found = await away() if awaiting else way()
                    times[name].append(time.perf_counter() - started)
            assert len(server.requests) == before >= breaker.VOLUME
            return found

        last = asyncio.run(measure())
    assert decisions(last.trace) == ["skip", "answer"]
    median = {name: statistics.median(values) * 1000 for name, values in times.items()}
    tell(
        f"with a provider known to be down in front a call takes {median['chained']:.2f} ms instead of {median['alone']:.2f} "
        f"({median['chained'] - median['alone']:+.2f} ms; {'awaiting' if awaiting else 'blocking'}, median of {rounds})"
    )
