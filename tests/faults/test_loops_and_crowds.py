"""Event loops that come and go, many calls at once, forks, and vcrpy in the way."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

import insights
from insights.adapters.models import http
from tests.loopback import Received
from tests.unit.adapters.answers import OpenAIChat
from tests.unit.adapters.loopback import Answer, Loopback
from tests.unit.adapters.models.houses import ROOT

MODEL = "openai/gpt-4o"
TOGETHER_AT_ONCE = 64


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def echo(request: Received) -> Answer:
    """An answer with the words of the question, streamed if asked so."""
    words = request.body["messages"][-1]["content"]
    spoken = OpenAIChat()
    if not request.body.get("stream"):
        return spoken.whole({"content": words}, "stop")
    pieces = (*(spoken.chunk({"content": word}) for word in words), *spoken.ending("stop"))
    return Answer(headers={"content-type": "text/event-stream"}, pieces=pieces)


def given(server: Loopback) -> dict[str, Any]:
    return {"api_base": server.url, "api_key": "key-0123456789", "cache": False, "num_retries": 0, "timeout": 30}


def test_many_at_once_awaiting(server: Loopback) -> None:
    server.says(echo)

    async def crowd() -> list[str]:
        calls = [insights.acompletion(MODEL, f"question {n}", **given(server)) for n in range(TOGETHER_AT_ONCE)]
        return [found.text for found in await asyncio.gather(*calls)]

    assert asyncio.run(crowd()) == [f"question {n}" for n in range(TOGETHER_AT_ONCE)]
    assert len(server.received) == TOGETHER_AT_ONCE


def test_many_streams_at_once_awaiting(server: Loopback) -> None:
    server.says(echo)

    async def one(number: int) -> str:
        stream = await insights.acompletion(MODEL, f"question {number}", stream=True, **given(server))
        return "".join([chunk.text async for chunk in stream])

    async def crowd() -> list[str]:
        return list(await asyncio.gather(*(one(n) for n in range(TOGETHER_AT_ONCE))))

    assert asyncio.run(crowd()) == [f"question {n}" for n in range(TOGETHER_AT_ONCE)]


def test_many_threads_at_once(server: Loopback) -> None:
    server.says(echo)
    ready = threading.Barrier(16)

    def one(number: int) -> str:
        if number < 16:
            ready.wait(10)
        return str(insights.completion(MODEL, f"question {number}", **given(server)).text)

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(one, range(TOGETHER_AT_ONCE)))
    assert found == [f"question {n}" for n in range(TOGETHER_AT_ONCE)]
    assert len(server.received) == TOGETHER_AT_ONCE


def test_connections_are_kept(server: Loopback) -> None:
    """Two blocking calls, and two in one event loop, share a connection each."""
    ports: list[Any] = []
    client = http._client(server.url)
    server.says(echo)
    for _ in range(2):
        insights.completion(MODEL, "hello", **given(server))
        ports.append(len(client._transport._pool.connections))
    assert ports == [1, 1]


LOOPS = """
    import asyncio, gc, json, sys, warnings
    import tests.network_guard as guard
    guard.install()
    import insights
    url, model = sys.argv[1:]
    given = dict(api_base=url, api_key="key-0123456789", cache=False, num_retries=0, timeout=20)

    async def whole():
        return (await insights.acompletion(model, "hello", **given)).text

    async def streamed():
        stream = await insights.acompletion(model, "hello", stream=True, **given)
        return "".join([chunk.text async for chunk in stream])

    async def left():
        stream = await insights.acompletion(model, "hello", stream=True, **given)
        async with stream:
            async for chunk in stream:
                return "left"

    found = [asyncio.run(way()) for _ in range(8) for way in (whole, streamed, left)]
    found.append(insights.completion(model, "hello", **given).text)
    gc.collect()
    print(json.dumps(found))
"""


@pytest.mark.parametrize("model", ["openai/gpt-4o", "gemini/gemini-2.5-flash"])
def test_event_loops_that_come_and_go(model: str, server: Loopback) -> None:
    """A process of its own, where every unclosed socket, transport and un-awaited coroutine says so on stderr."""
    from tests.unit.adapters.answers import Gemini

    def answer(request: Received) -> Answer:
        if model.startswith("openai"):
            return echo(request)
        return Gemini().stream() if "stream" in request.target else Gemini().text()

    server.says(answer)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always::ResourceWarning", "-c", textwrap.dedent(LOOPS), server.url, model],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for word in ("Event loop is closed", "ResourceWarning", "never awaited", "Unclosed", "Task was destroyed"):
        assert word not in done.stderr, done.stderr[-3000:]
    said = "hello" if model.startswith("openai") else "Hello there"
    assert json.loads(done.stdout) == [said, said, "left"] * 8 + [said]


def test_a_loops_client_ends_with_its_loop(server: Loopback) -> None:
    server.says(echo)
    before = len(http._async_handlers)
    for _ in range(3):
        asyncio.run(insights.acompletion(MODEL, "hello", **given(server)))
        assert len(http._async_handlers) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_shares_no_connection(server: Loopback) -> None:
    """In a process without other threads, as fork wants it."""
    script = """
        import os, sys
        import insights
        from insights.adapters.models import http
        given = dict(api_base=sys.argv[1], api_key="key-0123456789", cache=False, num_retries=0, timeout=20)
        assert insights.completion("openai/gpt-4o", "parent", **given).text == "parent"
        assert http._handlers
        child = os.fork()
        if child == 0:
            fine = not http._handlers and insights.completion("openai/gpt-4o", "child", **given).text == "child"
            os._exit(0 if fine else 1)
        _, status = os.waitpid(child, 0)
        assert insights.completion("openai/gpt-4o", "again", **given).text == "again"
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    server.says(echo)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), server.url],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(server.received) == 3


# ---------------------------------------------------------------- plain vcrpy, as users have it in their tests

CASSETTE = """
version: 1
interactions:
- request:
    method: POST
    uri: https://api.openai.com/v1/chat/completions
    body: '{{}}'
    headers: {{}}
  response:
    status: {{code: 200, message: OK}}
    headers:
      content-type: [{kind}]
    body:
      string: {body}
"""


def _cassette(directory: Path, *, stream: bool) -> str:
    spoken = OpenAIChat()
    body = b"".join(spoken.events()) if stream else spoken.text().content
    path = directory / "answer.yaml"
    kind = "text/event-stream" if stream else "application/json"
    path.write_text(CASSETTE.format(kind=kind, body=json.dumps(body.decode())))
    return str(path)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])
def test_plain_vcrpy_replays(awaiting: bool, stream: bool, tmp_path: Path) -> None:
    """No request leaves: the host is OpenAI's own, and the guard of tests/conftest.py would fail the test."""
    asked: dict[str, Any] = {"api_key": "key-0123456789", "cache": False, "num_retries": 0, "timeout": 20, "stream": stream}

    async def awaited() -> str:
        found: Any = await insights.acompletion(MODEL, "Hello", **asked)
        return "".join([chunk.text async for chunk in found]) if stream else found.text

    def called() -> str:
        found: Any = insights.completion(MODEL, "Hello", **asked)
        return "".join(chunk.text for chunk in found) if stream else str(found.text)

    with vcr.use_cassette(
        _cassette(tmp_path, stream=stream), record_mode=vcr.mode.NONE, match_on=["method", "path"]
    ) as cassette:
        text = asyncio.run(awaited()) if awaiting else called()
        assert cassette.play_count == 1
    assert text == "Hello there"


@pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])
def test_what_vcrpy_has_not_is_an_error_and_no_request(awaiting: bool, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"api_key": "key-0123456789", "cache": False, "num_retries": 0, "timeout": 20}

    def ask() -> None:
        if awaiting:
            asyncio.run(insights.acompletion("anthropic/claude-haiku-4-5", "Hello", **asked))
        else:
            insights.completion("anthropic/claude-haiku-4-5", "Hello", **asked)

    with (
        vcr.use_cassette(_cassette(tmp_path, stream=False), record_mode=vcr.mode.NONE, match_on=["method", "path"]),
        pytest.raises((insights.InsightsError, CannotOverwriteExistingCassetteException), match=r"(?i)cassette"),
    ):
        ask()
