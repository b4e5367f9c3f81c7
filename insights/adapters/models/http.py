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
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from insights._version import __version__
from insights.adapters.models import transport
from insights.adapters.models.deadline import DeadlineBackend, deadline
from insights.adapters.models.frames import Inflater
from insights.adapters.models.race import arace, race
from insights.core import intercept
from insights.core.effects import Blocking, Close, Effect, Join, Open, Race, Read, Send, Sleep, WireAnswer, WireCall, WireStream
from insights.core.errors import APIConnectionError, APIError, APIResponseValidationError, BadRequestError, Timeout
from insights.core.redact import redact

NO_DEADLINE: Final = 600.0  # seconds for a single read or write where the caller set no deadline
MAX_ANSWER: Final = 256 * 1024 * 1024  # bytes; no chat answer comes near, an endless one must not eat the memory


def _headers(response: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


# RFC 9110, 5.1 and 5.5, in ASCII.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"(?:[!-~]+(?:[ \t]+[!-~]+)*)?")


def _check_headers(call: WireCall) -> None:
    """Refuses what no header can carry. HTTP clients would too, and quote the header: the key, in most cases."""
    for name, value in call.headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise BadRequestError(
                f"header {redact(name)!r} has a line break or another character that HTTP doesn't allow there",
                hint="check the key and extra_headers: was a value pasted with a line break or a space?",
            )


def _request(client: Any, call: WireCall, until: float | None) -> Any:
    _check_headers(call)
    left = NO_DEADLINE if until is None else max(until - time.monotonic(), 0.001)
    headers = {"user-agent": f"insights/{__version__}", "accept-encoding": "gzip, deflate", **call.headers}
    return client.build_request(call.method, call.url, headers=headers, content=call.content, timeout=left)


@contextlib.contextmanager
def _typed(call: WireCall) -> Iterator[None]:
    """Turns what HTTP clients raise into our errors; the cause is cut off, because it holds the request and its key."""
    import httpx

    host = urlsplit(call.url).hostname
    try:
        yield
    except APIError as error:
        error.provider, error.model = error.provider or call.provider, error.model or call.model
        raise
    except (httpx.TimeoutException, TimeoutError):
        raise Timeout(
            f"no answer from {host} in the time allowed",
            provider=call.provider,
            model=call.model,
            hint="raise timeout= (seconds)",
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        text = redact(str(error)) or type(error).__name__
        raise APIConnectionError(f"the connection to {host} failed: {text}", provider=call.provider, model=call.model) from None


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


class _Stream:
    """An open response: `source` gives raw pieces, `close` gives the connection back."""

    def __init__(self, status: int, headers: dict[str, str], source: Any, call: WireCall, response: Any = None) -> None:
        self.status, self.headers, self.source, self.call, self.response = status, headers, source, call, response
        self.inflater = Inflater(headers.get("content-encoding", ""))
        self.pieces: list[bytes] | None = None

    def took(self, data: bytes | None) -> bytes | None:
        """Decompresses a piece, and keeps it where a recording wants it."""
        plain = None if data is None else self.inflater.feed(data)
        if self.pieces is not None and plain is not None:
            self.pieces.append(plain)
        if plain is None and self.pieces is not None:
            intercept.record(self.call, self.status, self.headers, self.pieces)
            self.pieces = None
        return plain


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
                        stream.status, stream.headers, b"".join(_all(iter(lambda: self._read(stream, until), None)))
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
                concurrent.futures.wait([future], _seconds(until))
                return future.done()
        raise TypeError(f"not an effect: {effect!r}")

    def _open(self, call: WireCall, until: float | None) -> _Stream:
        replayed = _replay(call)
        if replayed is not None:
            return replayed
        with _typed(call), deadline(until):
            client = _client(call.url)
            response = client.send(_request(client, call, until), stream=True)
        return _recorded(_Stream(response.status_code, _headers(response), response.iter_raw(), call, response))

    def _read(self, stream: WireStream, until: float | None) -> bytes | None:
        assert isinstance(stream, _Stream)
        with _typed(stream.call), deadline(until):
            return stream.took(next(stream.source, None))

    def _close(self, stream: WireStream) -> None:
        assert isinstance(stream, _Stream)
        if stream.response is not None:
            with contextlib.suppress(Exception):
                stream.response.close()


def _all(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_ANSWER:
            raise APIResponseValidationError(f"the answer is longer than {MAX_ANSWER} bytes", retryable=False)
        yield piece


def _replay(call: WireCall) -> _Stream | None:
    """The recorded response where a cassette has it; nothing touches the network then."""
    found = intercept.replay(call)
    return None if found is None else _Stream(found.status, found.headers, _Pieces(found.pieces), call)


def _recorded(stream: _Stream) -> _Stream:
    if intercept.recording():
        stream.pieces = []
    return stream


class _Pieces:
    """Recorded pieces, for both kinds of iteration."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._left = iter(pieces)

    def __next__(self) -> bytes:
        return next(self._left)

    async def __anext__(self) -> bytes:
        try:
            return next(self._left)
        except StopIteration:
            raise StopAsyncIteration from None


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
                    return WireAnswer(stream.status, stream.headers, b"".join(_all(iter(pieces))))
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
                await asyncio.wait([asyncio.wrap_future(future)], timeout=_seconds(until))
                return future.done()
        raise TypeError(f"not an effect: {effect!r}")

    async def _pieces(self, stream: _Stream, until: float | None) -> AsyncIterator[bytes]:
        while (piece := await self._read(stream, until)) is not None:
            yield piece

    async def _open(self, call: WireCall, until: float | None) -> _Stream:
        replayed = _replay(call)
        if replayed is not None:
            return replayed
        with _typed(call):
            async with _timeout(until):
                client = await _async_client(call.url)
                response = await client.send(_request(client, call, until), stream=True)
        return _recorded(_Stream(response.status_code, _headers(response), response.aiter_raw(), call, response))

    async def _read(self, stream: WireStream, until: float | None) -> bytes | None:
        assert isinstance(stream, _Stream)
        with _typed(stream.call):
            async with _timeout(until):
                return stream.took(await anext(stream.source, None))

    async def _close(self, stream: WireStream) -> None:
        assert isinstance(stream, _Stream)
        if stream.response is not None:
            with contextlib.suppress(Exception):
                await stream.response.aclose()


def _timeout(until: float | None) -> asyncio.Timeout:
    return asyncio.timeout(_seconds(until))


def _seconds(until: float | None) -> float | None:
    """Seconds from now to a `time.monotonic()` moment."""
    return None if until is None else max(until - time.monotonic(), 0)


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
