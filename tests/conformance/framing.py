"""How streams are cut into events on the wire: SSE, JSON lines, and AWS event streams.

Written from the published formats and kept apart from any client library, because the library under test is judged by
what these functions read.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# WHATWG "server-sent events": lines end at CR LF, LF or CR, and at nothing else (str.splitlines knows many more)
_LINE = re.compile(r"\r\n|\n|\r")
_PRELUDE = struct.Struct(">III")  # total length, headers length, CRC of the two
_CRC = struct.Struct(">I")
_STRING_HEADER = 7
_HEADER_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


@dataclass(frozen=True)
class Stream:
    """The JSON documents of a stream in order; `closed` when the provider itself marked the end (`[DONE]`)."""

    documents: tuple[dict[str, Any], ...]
    closed: bool = False


def sse(body: bytes) -> Stream:
    documents: list[dict[str, Any]] = []
    closed = False
    for data in _sse_data(body.decode("utf-8-sig", "replace")):
        if data.strip() == "[DONE]":
            closed = True
        elif data.strip():
            documents.append(_object(data))
    return Stream(tuple(documents), closed)


def json_lines(body: bytes) -> Stream:
    return Stream(tuple(_object(line) for line in body.decode("utf-8", "replace").split("\n") if line.strip()))


def gemini_stream(body: bytes) -> Stream:
    """Without `alt=sse` Google answers one JSON array whose elements are the same documents."""
    if body.lstrip()[:1] == b"[":
        return Stream(tuple(json.loads(body)))
    return sse(body)


def aws(body: bytes) -> Stream:
    """Each frame as `{event name: payload}`; exceptions as `{"exception": {"type":, "message":}}`."""
    return Stream(tuple(_aws_document(headers, payload) for headers, payload in frames(body)))


def frames(body: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """The frames of `application/vnd.amazon.eventstream`, checksums verified."""
    position = 0
    while position < len(body):
        if len(body) - position < _PRELUDE.size:
            raise ValueError("event stream: cut in a prelude")
        total, header_length, checksum = _PRELUDE.unpack_from(body, position)
        if zlib.crc32(body[position : position + 8]) != checksum:
            raise ValueError("event stream: wrong prelude checksum")
        frame = body[position : position + total]
        if len(frame) < total or zlib.crc32(frame[:-4]) != _CRC.unpack(frame[-4:])[0]:
            raise ValueError("event stream: cut or wrong message checksum")
        start = _PRELUDE.size
        yield _aws_headers(frame[start : start + header_length]), frame[start + header_length : -4]
        position += total


def is_event_stream(body: bytes) -> bool:
    if len(body) < _PRELUDE.size:
        return False
    try:
        next(frames(body))
    except (ValueError, struct.error, KeyError):
        return False
    return True


def _sse_data(text: str) -> Iterator[str]:
    gathered: list[str] = []
    for line in _LINE.split(text):
        if not line and gathered:
            yield "\n".join(gathered)
            gathered = []
        field, _, value = line.partition(":")
        if field == "data":
            gathered.append(value.removeprefix(" "))
    if gathered:  # the specification drops an unfinished event; providers do leave out the last blank line
        yield "\n".join(gathered)


def _object(text: str) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, found {text[:80]!r}")
    return document


def _aws_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    position = 0
    while position < len(block):
        length = block[position]
        name = block[position + 1 : position + 1 + length].decode()
        kind = block[position + 1 + length]
        position += 2 + length
        if kind in _HEADER_SIZES:
            position += _HEADER_SIZES[kind]
            continue
        (size,) = struct.unpack_from(">H", block, position)
        if kind == _STRING_HEADER:
            headers[name] = block[position + 2 : position + 2 + size].decode()
        position += 2 + size
    return headers


def _aws_document(headers: dict[str, str], payload: bytes) -> dict[str, Any]:
    document = json.loads(payload) if payload.strip() else {}
    if headers.get(":message-type") in {"exception", "error"}:
        kind = headers.get(":exception-type") or headers.get(":error-code") or ""
        message = document.get("message", "") or headers.get(":error-message", "")
        return {"exception": {"type": kind, "message": message}}
    return {headers.get(":event-type", ""): document}
