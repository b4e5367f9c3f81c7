"""Bytes of a streaming response to its JSON events; no I/O.

litellm's iterators read with `iter_lines()`, which also splits on U+2028, U+0085 and other characters that may stand
inside JSON strings. Here lines end at a newline and nowhere else, and an answer may contain `[DONE]`.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from insights.core.errors import APIResponseValidationError

Event = dict[str, Any]


class Frames(Protocol):
    """Feeds on pieces of a body, in whatever sizes they come, and gives the events that are complete."""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events completed by this piece."""

    def end(self) -> Iterator[Event]:
        """What was left without its terminator when the body ended; half an event gives nothing."""


def _event(text: bytes) -> Event:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        # Not quoted: a proxy's page may repeat the request with its key, and here nobody knows the key.
        raise APIResponseValidationError(f"a stream event of {len(text)} bytes is not JSON") from None
    if not isinstance(data, dict):
        raise APIResponseValidationError(f"a stream event of {len(text)} bytes is not a JSON object")
    return data


class Lines:
    """Splits pieces of bytes into lines at newlines only."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines completed by this piece, without their newline."""
        if b"\n" not in data:
            self._pieces.append(data)
            return []
        first, *rest = data.split(b"\n")
        self._pieces.append(first)
        lines = [b"".join(self._pieces), *rest[:-1]]
        self._pieces = [rest[-1]]
        return lines

    def end(self) -> bytes:
        """What came after the last newline."""
        return b"".join(self._pieces)


class SSEFrames:
    """Server-sent events (WHATWG HTML, section 9.2): the `data:` lines up to a blank line are one event."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[Event]:
        for line in self._lines.feed(data):
            yield from self._line(line)

    def end(self) -> Iterator[Event]:
        yield from self._line(self._lines.end())
        try:
            yield from self._line(b"")
        except APIResponseValidationError:
            return  # half an event; that the stream was cut shows in the missing finish

    def _line(self, line: bytes) -> Iterator[Event]:
        line = line.rstrip(b"\r").removeprefix(b"\xef\xbb\xbf")  # a byte order mark may come first
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            text, self._data = b"\n".join(self._data).strip(), []
            if text and text != b"[DONE]":
                yield _event(text)


def events_of_list(body: bytes) -> bytes:
    """A JSON list of events as the event stream it stands for (Gemini without `alt=sse`); nothing when it isn't one."""
    try:
        events = json.loads(body)
    except (ValueError, RecursionError):
        return b""
    if not isinstance(events, list) or not events or (isinstance(events[0], dict) and "error" in events[0]):
        return b""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


class LineFrames:
    """One JSON object a line (Ollama)."""

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, data: bytes) -> Iterator[Event]:
        for line in self._lines.feed(data):
            if line.strip():
                yield _event(line)

    def end(self) -> Iterator[Event]:
        line = self._lines.end()
        if line.strip():
            try:
                yield _event(line)
            except APIResponseValidationError:
                return


class AWSFrames:
    """Amazon's binary event stream. An exception frame becomes `{"error": {"type": ..., "message": ...}}`."""

    def __init__(self) -> None:
        from botocore.eventstream import EventStreamBuffer

        self._buffer = EventStreamBuffer()

    def feed(self, data: bytes) -> Iterator[Event]:
        from botocore.eventstream import ParserError

        self._buffer.add_data(data)
        try:
            for message in self._buffer:
                yield self._message(message)
        except ParserError as error:
            raise APIResponseValidationError(f"a stream frame is damaged: {error}") from None

    def end(self) -> Iterator[Event]:
        return iter(())

    @staticmethod
    def _message(message: Any) -> Event:
        headers, payload = message.headers, _event(message.payload or b"{}")
        if headers.get(":message-type") in ("exception", "error"):
            kind = headers.get(":exception-type") or headers.get(":error-code")
            text = payload.get("message") or headers.get(":error-message")
            return {"error": {"type": kind, "message": text}}
        if isinstance(payload.get("bytes"), str):
            return _event(base64.b64decode(payload["bytes"]))
        return payload


class Inflater:
    """Decompresses gzip and deflate piece by piece; a body that isn't what its header says is passed on as it is."""

    def __init__(self, encoding: str) -> None:
        self._wanted = encoding.strip().lower() in ("gzip", "x-gzip", "deflate")
        self._inflate: Any = None

    def feed(self, data: bytes) -> bytes:
        """The plain bytes of this piece."""
        if not self._wanted or not data:
            return data
        if self._inflate is None:
            if data[:1] not in (b"\x1f", b"\x78"):
                self._wanted = False
                return data
            self._inflate = zlib.decompressobj(47)  # 32 + 15: gzip or zlib by its header, largest window
        try:
            plain = bytes(self._inflate.decompress(data))
            while self._inflate.eof and self._inflate.unused_data:  # gzip allows several members in a row
                rest = self._inflate.unused_data
                self._inflate = zlib.decompressobj(47)
                plain += self._inflate.decompress(rest)
            return plain
        except zlib.error as error:
            raise APIResponseValidationError(f"the answer's compression is damaged: {error}") from None
