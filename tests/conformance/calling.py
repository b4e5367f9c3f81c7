"""Asks the library for a recording, blocking or awaiting, whole or streamed, and says what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import insights
from insights.core.errors import InsightsError
from tests.loopback import Received

from .compare import answer_differences, chunk_differences, error_differences
from .expected import expected
from .recordings import Recording
from .requests import asked
from .server import Replay, strings
from .wires import Wire, target_of, verb

if TYPE_CHECKING:
    from insights.core.types import Chunk, ModelResponse

TEST_KEY = "test-key-0f4b1d6a"


@dataclass
class Outcome:
    """One call: an answer (and the chunks it came in), or the error raised instead."""

    response: ModelResponse | None = None
    chunks: list[Chunk] = field(default_factory=list)
    error: Exception | None = None


def arguments(recording: Recording, wire: Wire, url: str) -> dict[str, Any]:
    """Every argument of `completion`: one request, of this server, with nothing remembered."""
    target = target_of(recording, wire)
    return {
        "model": target.model,
        "api_base": url + target.base,
        "api_key": TEST_KEY,
        "cache": False,
        "num_retries": 0,
        "fallbacks": [],
        "timeout": 30,
        "stream": recording.streaming,
        **target.arguments,
        **asked(recording, wire).arguments(),
    }


def call(given: dict[str, Any], *, awaiting: bool) -> Outcome:
    """Call and consume. Only the library's own errors are an outcome; anything else is a failure of the test."""
    outcome = Outcome()
    try:
        if awaiting:
            asyncio.run(_awaited(given, outcome))
        else:
            _called(given, outcome)
    except InsightsError as error:
        outcome.error = error
    return outcome


def differences(recording: Recording, wire: Wire, *, awaiting: bool) -> list[str]:
    """Replay `recording` through the library and name every difference, in the answer and in what was sent for it."""
    wanted = expected(recording)
    with Replay(recording) as replay:
        outcome = call(arguments(recording, wire, replay.url), awaiting=awaiting)
    if outcome.error is not None:
        found = error_differences(outcome.error, wanted)
    elif outcome.response is None:
        found = ["the stream ended without stream.response"]
    else:
        found = answer_differences(outcome.response, wanted)
        if recording.streaming:
            found += chunk_differences(outcome.chunks, outcome.response)
    return found + request_differences(replay.received, recording, wire)


def request_differences(received: list[Received], recording: Recording, wire: Wire) -> list[str]:
    """What is wrong with what was sent: one request, the right verb, the key in a header, the user's words in it."""
    if len(received) != 1:
        return [f"expected one request, got {[request.target for request in received]}"]
    request = received[0]
    found = []
    if request.method != "POST":
        found.append(f"method: expected POST, got {request.method}")
    if verb(request.target) != verb(recording.path):
        found.append(f"verb: expected {verb(recording.path)!r}, got {verb(request.target)!r} ({request.target})")
    if not any(TEST_KEY in value for value in request.headers.values()):
        found.append("the key is in no header")
    if TEST_KEY in request.target or TEST_KEY.encode() in request.content:
        found.append("the key is in the address or in the body")
    words = asked(recording, wire).last_words().strip()
    if words and not any(words in text for text in strings(request)):
        found.append(f"the last user message is not in the body: {words[:120]!r}")
    return found


def _called(given: dict[str, Any], outcome: Outcome) -> None:
    answer: Any = insights.completion(**given)
    if given["stream"]:
        outcome.chunks.extend(answer)
        answer = answer.response
    outcome.response = answer


async def _awaited(given: dict[str, Any], outcome: Outcome) -> None:
    answer: Any = await insights.acompletion(**given)
    if given["stream"]:
        async for chunk in answer:
            outcome.chunks.append(chunk)
        answer = answer.response
    outcome.response = answer
