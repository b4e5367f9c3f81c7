"""A loopback HTTP server that answers what one recording holds, byte for byte.

Streams are sent in chunks cut where it hurts a careless reader: inside a line, inside a UTF-8 sequence, inside the
prelude of a binary frame. The cuts are the same on every run.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from .recordings import Recording
from .wires import Wire, verb, wire_of

# RFC 9110, 7.6.1, and what only holds for the exchange that was recorded.
_NOT_SENT = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "content-length", "content-encoding", "date", "server", "set-cookie", "alt-svc"}
)
_MOST_CUTS = 48
_HEADER_WITHOUT_CODING = "gzip_header_but_plain_body"


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def verb(self) -> str:
        return verb(self.target)

    def strings(self) -> list[str]:
        """Every string of the JSON body, at any depth, as it reads after decoding."""
        try:
            return list(_strings(json.loads(self.body)))
        except ValueError:
            return [self.body.decode("utf-8", "replace")]


@dataclass
class Replay:
    """A running server: its address, and what it was asked."""

    url: str
    received: list[Received] = field(default_factory=list)


@contextlib.contextmanager
def replaying(recording: Recording) -> Iterator[Replay]:
    """Serve `recording` on a free port of 127.0.0.1 until the block ends."""
    replay = Replay("")

    class Handler(_Handler):
        served = recording
        log = replay

    server = _Server(("127.0.0.1", 0), Handler)
    replay.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        thread.join()
        server.end_connections()
        server.server_close()


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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the head of an answer in one packet; every chunk is flushed by hand
    served: Recording
    log: Replay

    def do_POST(self) -> None:
        body = self._read()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.log.received.append(Received(self.command, self.path, headers, body))
        self._answer(sent_body(self.served, self.path))

    do_GET = do_PUT = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError, OSError):  # the client is gone, or the test is over
            self.close_connection = True

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gathered = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            gathered += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return gathered

    def _answer(self, body: bytes) -> None:
        chunked = self.served.streaming and self.served.status == 200
        self.send_response(self.served.status)
        for name, value in sent_headers(self.served, body):
            self.send_header(name, value)
        self.send_header(*("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body))))
        self.send_header("Connection", "close")  # the server ends with its test: nothing is gained by keeping it open
        self.end_headers()
        if not chunked:
            self.wfile.write(body)
        else:
            for piece in pieces(body):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    """Ends connections that a test left open, so that no thread and no socket outlives it."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, *args: Any) -> None:
        self._open: list[socket.socket] = []
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.append(connection)
        return connection, address

    def end_connections(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
