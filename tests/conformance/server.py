"""A loopback HTTP server that answers what one recording holds, byte for byte.

Streams are sent in chunks cut where it hurts a careless reader: inside a line, inside a UTF-8 sequence, inside the
prelude of a binary frame. The cuts are the same on every run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.loopback import Exchange, Received, Server

from .recordings import Recording
from .wires import Wire, wire_of

# RFC 9110, 7.6.1, and what only holds for the exchange that was recorded.
_NOT_SENT = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "content-length", "content-encoding", "date", "server", "set-cookie", "alt-svc"}
)
_MOST_CUTS = 48
_HEADER_WITHOUT_CODING = "gzip_header_but_plain_body"


class Replay(Server):
    """Serves one recording, whatever it is asked."""

    verbs = frozenset({"GET", "POST", "PUT"})

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording

    def respond(self, request: Received, exchange: Exchange) -> None:
        self.received.append(request)
        recording = self._recording
        body = sent_body(recording, request.target)
        # The server ends with its test: nothing is gained by keeping a connection open.
        headers = [*sent_headers(recording, body), ("Connection", "close")]
        if recording.streaming and recording.status == 200:
            exchange.send_chunked(recording.status, headers, pieces(body))
        else:
            exchange.send_whole(recording.status, headers, body)


def strings(request: Received) -> list[str]:
    """Every string of a request's JSON, at any depth, as it reads after decoding."""
    try:
        return list(_strings(request.body))
    except ValueError:
        return [request.content.decode("utf-8", "replace")]


def pieces(body: bytes) -> list[bytes]:
    """`body` cut at awkward places: into every UTF-8 sequence, and where a thirteenth or so of it begins."""
    cuts = [position + 1 for position, byte in enumerate(body) if byte >= 0xC0]
    cuts = cuts[:: max(1, len(cuts) // (_MOST_CUTS // 2))]
    step = max(5, len(body) // (_MOST_CUTS // 2))
    cuts += [position + position % 7 for position in range(3, len(body), step)]
    # right inside the blank line that ends an event
    blank = body.find(b"\n\n")
    cuts += [blank + 1] if blank >= 0 else []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(body)}), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges) if end > start]


def sent_body(recording: Recording, target: str) -> bytes:
    """The stored bytes, except that Google's array becomes the SSE that `alt=sse` asks for: its framing, same data."""
    body = recording.body
    if wire_of(recording.path) is not Wire.GEMINI or "alt=sse" not in urlsplit(target).query or not recording.streaming:
        return body
    if recording.plain.lstrip()[:1] != b"[":
        return body
    documents = json.loads(recording.plain)
    return b"".join(b"data: " + json.dumps(document).encode() + b"\r\n\r\n" for document in documents)


def sent_headers(recording: Recording, body: bytes) -> list[tuple[str, str]]:
    """The recorded headers that belong to the answer; a coding is named where the bytes really have it.

    Recordings of the scenario that is about a header without its coding are sent with it: clients have to cope.
    """
    headers = [(name, value) for name, value in recording.headers if name.lower() not in _NOT_SENT]
    coding = recording.header("content-encoding")
    coded = body is recording.body and recording.compressed
    if coding and (coded or _HEADER_WITHOUT_CODING in recording.row.get("scenario", "")):
        headers.append(("Content-Encoding", coding))
    if body is not recording.body:
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
        headers.append(("Content-Type", "text/event-stream"))
    return headers


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
