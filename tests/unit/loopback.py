"""A provider on 127.0.0.1: real HTTP, one scripted reply for each request."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 20  # seconds until a test that waits for an event is called broken


@dataclass
class Reply:
    """One reply: its pieces go out one by one.

    `wait` is waited for before the last piece. `cut` breaks the connection where the body should end. `linger` keeps the
    connection after the last piece until the client closes it, and sets `left` then.
    """

    pieces: list[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None
    cut: bool = False
    linger: bool = False
    left: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Provider:
    """A running server: give it replies, ask it what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.lock = threading.Lock()

    def will(self, *pieces: bytes, status: int = 200, **more: Any) -> Reply:
        """Adds a reply; a stream is several pieces, and `content_type` or any other header goes by name."""
        known = {name: more.pop(name) for name in ("wait", "cut", "linger") if name in more}
        headers = {name.replace("_", "-"): str(value) for name, value in more.items()}
        reply = Reply(list(pieces), status, headers, **known)
        self.replies.append(reply)
        return reply


@contextlib.contextmanager
def serving() -> Iterator[Provider]:
    """A provider on a free port until the block ends; no thread and no socket outlives it."""

    class Handler(_Handler):
        provider: Provider

    server = _Server(("127.0.0.1", 0), Handler)
    Handler.provider = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Handler.provider
    finally:
        server.shutdown()
        thread.join()
        server.end_connections()
        server.server_close()


class _Server(ThreadingHTTPServer):
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
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.provider.lock:
            self.provider.asked.append(Asked(self.path, headers, body))
            reply = self.provider.replies.pop(0) if self.provider.replies else Reply([b"no reply is left"], 500)
        try:
            self._send(reply)
        except OSError:  # a client that leaves with unread bytes resets the connection
            reply.left.set()
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        names = {name.lower() for name in reply.headers}
        if "content-type" not in names:
            self.send_header("Content-Type", "text/event-stream" if len(reply.pieces) > 1 else "application/json")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for index, piece in enumerate(reply.pieces):
            if reply.wait is not None and index == len(reply.pieces) - 1:
                reply.wait.wait(PATIENCE)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        if reply.linger:
            if self.connection.recv(1) == b"":
                reply.left.set()
            self.close_connection = True
        elif reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client is gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass
