"""The two performers: they do what a flow asks for, one blocking, one awaiting.

One pooled client per host (and event loop), from litellm's handlers. No redirects: on a 307 to another host the key and
the prompt would go along. No retries: a flow decides about those. Bodies are read raw and decompressed here, so that a
`content-encoding: gzip` over a plain body (seen in the wild) costs nothing.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import functools
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from insights.adapters.models import transport
from insights.adapters.models.deadline import DeadlineBackend, deadline
from insights.adapters.models.exchange import (
    OpenResponse,
    bounded,
    build,
    header_table,
    recorded,
    replayed_response,
    seconds_until,
    sending,
    typed,
)
from insights.adapters.models.race import arace, race
from insights.core.effects import Blocking, Close, Effect, Join, Open, Race, Read, Send, Sleep, WireAnswer, WireCall, WireStream

# ---------------------------------------------------------------- blocking


_handlers: dict[tuple[str, str], Any] = {}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _client(url: str) -> Any:
    handler = _handlers.get(_origin(url))
    if handler is None:
        handler = transport.http_client()
        client = handler.client
        client.follow_redirects = False
        for carrier in (client._transport, *client._mounts.values()):
            pool = getattr(carrier, "_pool", None)
            if pool is not None:
                pool._network_backend = DeadlineBackend(pool._network_backend)
        handler = _handlers.setdefault(_origin(url), handler)
    return handler.client


class SyncPerformer:
    """Does effects, blocking."""

    def perform(self, effect: Effect) -> Any:
        """Does one effect and returns its outcome.

        Raises:
            Timeout, APIConnectionError: see `insights.core.errors`.
        """
        match effect:
            case Send(call, until):
                stream = self._open(call, until)
                try:
                    return WireAnswer(
                        stream.status, stream.headers, b"".join(bounded(iter(lambda: self._read(stream, until), None)))
                    )
                finally:
                    self._close(stream)
            case Open(call, until):
                return self._open(call, until)
            case Read(stream, until):
                return self._read(stream, until)
            case Close(stream):
                return self._close(stream)
            case Blocking(function):
                return function()
            case Sleep(seconds):
                return time.sleep(seconds)
            case Race():
                return race(effect, self)
            case Join(future, thread, until):
                if thread == threading.get_ident() and not future.done():
                    return None
                concurrent.futures.wait([future], seconds_until(until))
                return future.done()
        raise TypeError(f"not an effect: {effect!r}")

    def _open(self, call: WireCall, until: float | None) -> OpenResponse:
        replayed = replayed_response(call)
        if replayed is not None:
            return replayed
        begun = time.monotonic()
        with typed(call), deadline(until), sending():
            client = _client(call.url)
            response = client.send(build(client, call, until), stream=True)
        opened = OpenResponse(response.status_code, header_table(response), response.iter_raw(), call, response)
        opened.let_go = response.close
        return recorded(opened, begun)

    def _read(self, stream: WireStream, until: float | None) -> bytes | None:
        assert isinstance(stream, OpenResponse)
        with typed(stream.call), deadline(until), stream.failing():
            return stream.took(next(stream.source, None))

    def _close(self, stream: WireStream) -> None:
        assert isinstance(stream, OpenResponse)
        if stream.response is not None:
            stream.closed = True
            stream.left()
            with contextlib.suppress(Exception):
                stream.source.close()  # said, not left to its finalizer, in which an interrupt by hand would be lost
                stream.response.close()


# ---------------------------------------------------------------- awaiting

_async_handlers: dict[tuple[int, tuple[str, str]], tuple[asyncio.AbstractEventLoop, Any, AsyncGenerator[None, None]]] = {}


async def _keep(key: tuple[int, tuple[str, str]], handler: Any) -> AsyncGenerator[None, None]:
    """Lives as long as the event loop: `asyncio.run` closes unfinished async generators before it closes the loop, and that
    is where the client must be closed, inside its own loop."""
    try:
        yield
    finally:
        _async_handlers.pop(key, None)
        await handler.client.aclose()


async def _async_client(url: str) -> Any:
    loop = asyncio.get_running_loop()
    key = (id(loop), _origin(url))
    entry = _async_handlers.get(key)
    if entry is not None and entry[0] is loop:
        return entry[1].client
    for stale in [k for k, (owner, _, _) in _async_handlers.items() if owner.is_closed()]:
        _async_handlers.pop(stale, None)
    handler = transport.async_http_client()
    handler.client.follow_redirects = False
    keeper = _keep(key, handler)
    _async_handlers[key] = (loop, handler, keeper)
    await anext(keeper)
    return handler.client


class AsyncPerformer:
    """Does effects, awaiting."""

    async def perform(self, effect: Effect) -> Any:
        """Does one effect and returns its outcome.

        Raises:
            Timeout, APIConnectionError: see `insights.core.errors`.
        """
        match effect:
            case Send(call, until):
                stream = await self._open(call, until)
                try:
                    pieces = [piece async for piece in self._pieces(stream, until)]
                    return WireAnswer(stream.status, stream.headers, b"".join(bounded(iter(pieces))))
                finally:
                    await self._close(stream)
            case Open(call, until):
                return await self._open(call, until)
            case Read(stream, until):
                return await self._read(stream, until)
            case Close(stream):
                return await self._close(stream)
            case Blocking(function):
                context = contextvars.copy_context()
                return await asyncio.get_running_loop().run_in_executor(_threads(), context.run, function)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case Race():
                return await arace(effect, self)
            case Join(future, _, until):
                await asyncio.wait([asyncio.wrap_future(future)], timeout=seconds_until(until))
                return future.done()
        raise TypeError(f"not an effect: {effect!r}")

    async def _pieces(self, stream: OpenResponse, until: float | None) -> AsyncIterator[bytes]:
        while (piece := await self._read(stream, until)) is not None:
            yield piece

    async def _open(self, call: WireCall, until: float | None) -> OpenResponse:
        replayed = replayed_response(call)
        if replayed is not None:
            return replayed
        begun = time.monotonic()
        with typed(call), sending():
            async with _timeout(until):
                client = await _async_client(call.url)
                response = await client.send(build(client, call, until), stream=True)
        opened = OpenResponse(response.status_code, header_table(response), response.aiter_raw(), call, response)
        opened.let_go = functools.partial(_close_in, asyncio.get_running_loop(), response)
        return recorded(opened, begun)

    async def _read(self, stream: WireStream, until: float | None) -> bytes | None:
        assert isinstance(stream, OpenResponse)
        with typed(stream.call), stream.failing():
            async with _timeout(until):
                return stream.took(await anext(stream.source, None))

    async def _close(self, stream: WireStream) -> None:
        assert isinstance(stream, OpenResponse)
        if stream.response is not None:
            stream.closed = True
            stream.left()
            with contextlib.suppress(Exception):
                await stream.response.aclose()


def _close_in(loop: asyncio.AbstractEventLoop, response: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(response.aclose()))


def _timeout(until: float | None) -> asyncio.Timeout:
    return asyncio.timeout(seconds_until(until))


@functools.cache
def _threads() -> concurrent.futures.Executor:
    """Threads of our own: the loop's may all be taken by callers who wait for what needs one here."""
    return concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="insights")


def _forget() -> None:
    """A forked child must not share its parent's sockets."""
    _handlers.clear()
    _async_handlers.clear()
    _threads.cache_clear()


def close_all() -> None:
    """Closes the blocking clients' connections; the next request opens new ones."""
    while _handlers:
        _handlers.popitem()[1].client.close()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
