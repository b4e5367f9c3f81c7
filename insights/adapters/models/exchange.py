"""One request and its answer, whoever carries them: what both performers share."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from insights._version import __version__
from insights.adapters.models.frames import Inflater
from insights.core import intercept
from insights.core.effects import WireCall
from insights.core.errors import APIConnectionError, APIError, APIResponseValidationError, BadRequestError, Timeout
from insights.core.redact import redact

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
def typed(call: WireCall) -> Iterator[None]:
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
        text = redact(str(error), call.secret) or type(error).__name__
        raise APIConnectionError(f"the connection to {host} failed: {text}", provider=call.provider, model=call.model) from None


class OpenResponse:
    """An open response: `source` gives raw pieces, `close` gives the connection back."""

    def __init__(self, status: int, headers: dict[str, str], source: Any, call: WireCall, response: Any = None) -> None:
        self.status, self.headers, self.source, self.call, self.response = status, headers, source, call, response
        self.inflater = Inflater(headers.get("content-encoding", ""))
        self.pieces: list[bytes] | None = None
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
        if self.pieces is not None and plain is not None:
            self.pieces.append(plain)
        if plain is None and self.pieces is not None:
            intercept.record(self.call, self.status, self.headers, self.pieces)
            self.pieces = None
        return plain


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
    found = intercept.replay(call)
    return None if found is None else OpenResponse(found.status, found.headers, _Pieces(found.pieces), call)


def recorded(stream: OpenResponse) -> OpenResponse:
    """The response, kept piece by piece where a cassette wants it."""
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


def seconds_until(until: float | None) -> float | None:
    """Seconds from now to a `time.monotonic()` moment."""
    return None if until is None else max(until - time.monotonic(), 0)
