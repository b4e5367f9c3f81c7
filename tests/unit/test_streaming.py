"""`Stream` and `AsyncStream`: their states, leaving early, and the answer at the end."""

from __future__ import annotations

import asyncio

import pytest

from insights.client import Client
from insights.core.errors import InsightsError, TruncatedStreamError
from insights.streaming import AsyncStream, Stream

from .both import both
from .loopback import PATIENCE, Provider
from .openai_wire import ROLE, answer, chunk, events

MODEL = "openai/test-model"
HEL = chunk({"content": "Hel"})


def opened(client: Client, provider: Provider) -> Stream:
    return client.completion(MODEL, "Hi", stream=True, api_base=provider.url)


async def aopened(client: Client, provider: Provider) -> AsyncStream:
    return await client.acompletion(MODEL, "Hi", stream=True, api_base=provider.url)


@both
def test_leaving_the_block_closes_the_connection(client: Client, provider: Provider, awaiting: bool) -> None:
    reply = provider.will(ROLE, HEL, linger=True)

    async def leave() -> str:
        async with await aopened(client, provider) as stream:
            async for piece in stream:
                if piece.text:
                    break
            assert repr(stream) == "AsyncStream(open)"
        assert repr(stream) == "AsyncStream(closed)"
        assert [c async for c in stream] == []
        await stream.aclose()
        # Waited for inside the loop: its end closes all connections anyhow.
        assert await asyncio.to_thread(reply.left.wait, PATIENCE), "the server still sees an open connection"
        return piece.text

    if awaiting:
        text = asyncio.run(leave())
    else:
        with opened(client, provider) as stream:
            text = next(piece.text for piece in stream if piece.text)
            assert repr(stream) == "Stream(open)"
        assert repr(stream) == "Stream(closed)"
        assert list(stream) == []
        stream.close()
        assert reply.left.wait(PATIENCE), "the server still sees an open connection"
    assert text == "Hel"


@both
def test_closing_before_reading(client: Client, provider: Provider, awaiting: bool) -> None:
    reply = provider.will(ROLE, HEL, linger=True)

    async def leave() -> None:
        stream = await aopened(client, provider)
        await stream.aclose()
        assert await asyncio.to_thread(reply.left.wait, PATIENCE)

    if awaiting:
        asyncio.run(leave())
    else:
        opened(client, provider).close()
        assert reply.left.wait(PATIENCE)


@both
def test_an_error_inside_the_block_closes_the_connection(client: Client, provider: Provider, awaiting: bool) -> None:
    reply = provider.will(ROLE, HEL, linger=True)

    async def leave() -> None:
        try:
            async with await aopened(client, provider):
                raise LookupError
        finally:
            assert await asyncio.to_thread(reply.left.wait, PATIENCE)

    def leave_now() -> None:
        with opened(client, provider):
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(leave()) if awaiting else leave_now()
    assert reply.left.wait(PATIENCE)


def test_a_cancelled_task_closes_the_connection(client: Client, provider: Provider) -> None:
    reply = provider.will(ROLE, HEL, linger=True)

    async def run() -> None:
        first = asyncio.Event()

        async def read() -> None:
            async for piece in await aopened(client, provider):
                if piece.text:
                    first.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(first.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(reply.left.wait, PATIENCE)

    asyncio.run(run())


@both
def test_the_answer_is_there_at_the_end_only(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(*events())

    async def read() -> None:
        stream = await aopened(client, provider)
        with pytest.raises(InsightsError, match="isn't finished"):
            _ = stream.response
        pieces = [piece async for piece in stream]
        assert "".join(piece.text for piece in pieces) == stream.response.text == "Hello!"
        assert repr(stream) == "AsyncStream(finished)"
        await stream.aclose()
        assert stream.response.text == "Hello!"

    if awaiting:
        asyncio.run(read())
        return
    stream = opened(client, provider)
    with pytest.raises(InsightsError, match="isn't finished"):
        _ = stream.response
    assert "".join(piece.text for piece in stream) == stream.response.text == "Hello!"
    assert repr(stream) == "Stream(finished)"
    stream.close()
    assert stream.response.text == "Hello!"


@both
def test_a_broken_stream_has_no_answer(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(ROLE, HEL, cut=True)

    async def read() -> AsyncStream:
        stream = await aopened(client, provider)
        with pytest.raises(TruncatedStreamError):
            _ = [piece async for piece in stream]
        assert [piece async for piece in stream] == []
        return stream

    if awaiting:
        stream: Stream | AsyncStream = asyncio.run(read())
    else:
        stream = opened(client, provider)
        with pytest.raises(TruncatedStreamError):
            list(stream)
        assert list(stream) == []
    with pytest.raises(InsightsError, match="isn't finished"):
        _ = stream.response


@both
def test_a_stored_answer_is_one_chunk(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(answer("Hello!"))
    client.completion(MODEL, "Hi", api_base=provider.url)

    async def read() -> list[str]:
        return [piece.text async for piece in await aopened(client, provider)]

    texts = asyncio.run(read()) if awaiting else [piece.text for piece in opened(client, provider)]
    assert texts == ["Hello!"]
