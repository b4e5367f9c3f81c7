"""A server on 127.0.0.1 that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as it came in. Header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON that was sent."""
        return json.loads(self.content)

    def everything(self) -> str:
        """Request line, headers and body as one text: where a key must not be, it must not be in here."""
        lines = [f"{self.method} {self.target}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\n".join([*lines, self.content.decode("utf-8", "replace")])


@dataclass(frozen=True)
class Answer:
    """What the server says; `pieces` are sent as the chunks of a chunked body, one flush each."""

    content: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    pieces: tuple[bytes, ...] | None = None


def as_json(data: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; header names with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps(data).encode(), status, {"content-type": "application/json", **named})


def streamed(*pieces: bytes, content_type: str = "text/event-stream") -> Answer:
    """An answer in chunks."""
    return Answer(headers={"content-type": content_type}, pieces=pieces)


Script = Callable[[Received], Answer]


class Loopback:
    """The server: `url`, `received`, and `answers`, of which the last one is repeated."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[Received] = []
        self._answers: list[Answer | Script] = []
        self._lock = threading.Lock()

    def says(self, *answers: Answer | Script) -> None:
        """What to answer from now on, one by one; what was asked before is forgotten."""
        with self._lock:
            self._answers = list(answers)
            self.received.clear()

    def answer(self, request: Received) -> Answer:
        """The next answer."""
        with self._lock:
            self.received.append(request)
            if not self._answers:
                return as_json({"error": {"message": "the test expected no request"}}, 418)
            found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return found if isinstance(found, Answer) else found(request)

    @property
    def only(self) -> Received:
        """The one request there was."""
        assert len(self.received) == 1, f"expected one request, got {[r.target for r in self.received]}"
        return self.received[0]


@contextlib.contextmanager
def serving() -> Iterator[Loopback]:
    """A running server, until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.loopback = Loopback(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.loopback
    finally:
        server.shutdown()
        thread.join()
        server.end_connections()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    loopback: Loopback

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.loopback.answer(Received(self.command, self.path, headers, content))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.pieces is None:
            self.send_header("Content-Length", str(len(answer.content)))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if answer.pieces is None:
            self.wfile.write(answer.content)
        else:
            for piece in answer.pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError, OSError):  # the client is gone, or the test is over
            self.close_connection = True
