"""One request and its answer, whoever carries them: what both performers share."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from insights._version import __version__
from insights.adapters.models.deadline import pause
from insights.adapters.models.frames import Inflater
from insights.core import intercept
from insights.core.effects import Recorded, WireCall
from insights.core.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    BadRequestError,
    CassetteError,
    Timeout,
)
from insights.core.redact import redact
from insights.core.urls import is_loopback

NO_DEADLINE: Final = 600.0  # seconds for a single read or write where the caller set no deadline
MAX_ANSWER: Final = 256 * 1024 * 1024  # bytes; no chat answer comes near, an endless one must not eat the memory


def header_table(response: Any) -> dict[str, str]:
    """Header names in lower case."""
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


def build(client: Any, call: WireCall, until: float | None) -> Any:
    """The request as the client's own library sends it; nothing goes out yet."""
    _check_headers(call)
    left = NO_DEADLINE if until is None else max(until - time.monotonic(), 0.001)
    headers = {"user-agent": f"insights/{__version__}", "accept-encoding": "gzip, deflate", **call.headers}
    return client.build_request(call.method, call.url, headers=headers, content=call.content, timeout=left)


@contextlib.contextmanager
def sending() -> Iterator[None]:
    """Tells other recorders in the way (vcrpy's patches, say) that this request is none of theirs, while ours records."""
    token = intercept.SENDING.set(intercept.recording())
    try:
        yield
    finally:
        intercept.SENDING.reset(token)


@contextlib.contextmanager
def typed(call: WireCall) -> Iterator[None]:
    """Turns what HTTP clients raise into our errors; the cause is cut off, because it holds the request and its key."""
    import httpx

    host = urlsplit(call.url).hostname
    try:
        yield
    except APIError as error:
        error.provider, error.model = error.provider or call.provider, error.model or call.model
        raise
    except (httpx.TimeoutException, TimeoutError) as error:
        late = Timeout(
            f"no answer from {host} in the time allowed",
            provider=call.provider,
            model=call.model,
            hint="raise timeout= (seconds)",
        )
        late.unsent = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        raise late from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        text = redact(str(error), call.secret) or type(error).__name__
        refused = is_loopback(host or "") and _refused(error)
        failed = APIConnectionError(
            f"nothing listens at {_address(call.url)}: the connection was refused"
            if refused
            else f"the connection to {host} failed: {text}",
            provider=call.provider,
            model=call.model,
            hint=_how_to_serve(call.url) if refused else None,
        )
        failed.unsent = isinstance(error, httpx.ConnectError | httpx.InvalidURL | httpx.UnsupportedProtocol)
        raise failed from None


# Servers of one's own by the port they listen on unless told otherwise, and what starts them: their own documentation.
_SERVERS: Final = {
    11434: ("Ollama", "ollama serve"),
    8000: ("vLLM", "vllm serve MODEL"),
    8080: ("llama.cpp", "llama-server -m MODEL.gguf"),
    1234: ("LM Studio", "lms server start"),
}


def _refused(error: BaseException | None) -> bool:
    """Whether a connection was refused, which httpx says in the causes of its error only."""
    if error is None or isinstance(error, ConnectionRefusedError):
        return error is not None
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return any(map(_refused, inner)) or _refused(error.__cause__ or error.__context__)


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _how_to_serve(url: str) -> str:
    name, command = _SERVERS.get(urlsplit(url).port or 0, ("", ""))
    if not name:
        return "start the server, or correct api_base"
    return f"start {name} ({command}), or correct api_base"


class OpenResponse:
    """An open response: `source` gives raw pieces, `close` gives the connection back."""

    def __init__(self, status: int, headers: dict[str, str], source: Any, call: WireCall, response: Any = None) -> None:
        self.status, self.headers, self.source, self.call, self.response = status, headers, source, call, response
        self.inflater = Inflater(headers.get("content-encoding", ""))
        self.pieces: list[bytes] | None = None
        """The pieces so far, where a cassette wants them."""
        self.tape: intercept.Interceptor | None = None
        """That cassette; another may be in use when the last piece comes."""
        self.seconds: list[float] = []
        self.begun = time.monotonic()
        self.closed = False
        self.let_go: Callable[[], object] = lambda: None
        """Closes it from anywhere; for one that was forgotten."""

    def __del__(self) -> None:
        """A stream that nobody reads any more, and nobody closed, must not keep its connection from others."""
        if self.response is not None and not self.closed:
            with contextlib.suppress(Exception):
                self.let_go()

    def took(self, data: bytes | None) -> bytes | None:
        """Decompresses a piece, and keeps it where a recording wants it."""
        plain = None if data is None else self.inflater.feed(data)
        if self.pieces is not None:
            if plain is None:
                self.keep()
            else:
                self.pieces.append(plain)
                self.seconds.append(round(time.monotonic() - self.begun, 3))
        return plain

    def keep(self, fault: Exception | None = None) -> None:
        """Gives what came to the cassette that wants it, if it hasn't been given."""
        pieces, self.pieces = self.pieces, None
        if pieces is not None and self.tape is not None:
            self.tape.record(self.call, Recorded(self.status, self.headers, pieces, tuple(self.seconds), fault))

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """A body that fails, or is given up in the middle of a read, is nothing to keep."""
        try:
            yield
        except BaseException:
            self.pieces = None
            raise

    def left(self) -> None:
        """The reader wants no more of it. What came is worth keeping, if something did and nothing failed."""
        if self.pieces:
            self.keep(CassetteError("the recording ends here: this stream was left early when it was recorded"))


def bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces of a body, up to `MAX_ANSWER` bytes in all."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_ANSWER:
            raise APIResponseValidationError(f"the answer is longer than {MAX_ANSWER} bytes", retryable=False)
        yield piece


def replayed_response(call: WireCall) -> OpenResponse | None:
    """The recorded response where a cassette has it; nothing touches the network then."""
    found = call.recorded if call.cleared else intercept.replay(call)
    return None if found is None else OpenResponse(found.status, found.headers, _Pieces(found), call)


def recorded(stream: OpenResponse, begun: float) -> OpenResponse:
    """The response to a request sent at `begun`, kept piece by piece where a cassette wants it."""
    if intercept.recording():
        stream.pieces, stream.begun = [], begun
        stream.tape = intercept.opened(stream)
    return stream


class _Pieces:
    """Recorded pieces, for both kinds of iteration, in their own time where they are to take it."""

    def __init__(self, response: Recorded) -> None:
        self._pieces = iter(response.pieces)
        self._due = iter(response.seconds)
        self._fault = response.fault
        self._begun = time.monotonic()

    def _wait(self) -> float:
        return max(self._begun + next(self._due, 0.0) - time.monotonic(), 0.0)

    def _next(self) -> bytes | None:
        piece = next(self._pieces, None)
        if piece is None and self._fault is not None:
            raise self._fault
        return piece

    def __next__(self) -> bytes:
        pause(self._wait())
        piece = self._next()
        if piece is None:
            raise StopIteration
        return piece

    async def __anext__(self) -> bytes:
        wait = self._wait()
        if wait:
            await asyncio.sleep(wait)
        piece = self._next()
        if piece is None:
            raise StopAsyncIteration
        return piece


def seconds_until(until: float | None) -> float | None:
    """Seconds from now to a `time.monotonic()` moment."""
    return None if until is None else max(until - time.monotonic(), 0)
