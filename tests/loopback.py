"""An HTTP server on 127.0.0.1, for tests: what is received and how answers are sent. What it answers is its subclass's own."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

Headers = Iterable[tuple[str, str]]


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


class Server:
    """Bound to a free port from the start, answers inside its `with` block: its `url`, and what it `received`.

    A subclass says what: `respond` is called for every request, in the thread of its connection. It appends to `received`
    itself, under `lock` if the order matters for what it answers.
    """

    verbs: ClassVar[frozenset[str]] = frozenset({"POST"})  # any other is refused
    stamped: ClassVar[bool] = True  # answers carry `Server` and `Date`

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.lock = threading.Lock()
        self._listener = _Listener(self)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.end_connections()
        self._listener.server_close()

    def respond(self, request: Received, exchange: Exchange) -> None:
        """Answers a request, by means of `exchange`."""
        raise NotImplementedError


class Exchange(BaseHTTPRequestHandler):
    """One connection: reads its requests, gives them to the server, and sends what that says."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet; every piece is flushed
    server: _Listener

    def send_whole(self, status: int, headers: Headers, content: bytes) -> None:
        """An answer with its length."""
        self._begin(status, headers, ("Content-Length", str(len(content))))
        self.wfile.write(content)
        self.wfile.flush()

    def send_chunked(self, status: int, headers: Headers, pieces: Iterable[bytes]) -> None:
        """An answer as the chunks of a chunked body."""
        self.begin_chunked(status, headers)
        for piece in pieces:
            self.send_piece(piece)
        self.end_chunked()

    def begin_chunked(self, status: int, headers: Headers) -> None:
        """The head of a chunked answer, sent with its first piece."""
        self._begin(status, headers, ("Transfer-Encoding", "chunked"))

    def send_piece(self, piece: bytes) -> None:
        """One chunk."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def end_chunked(self) -> None:
        """The end of a chunked answer."""
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def do_POST(self) -> None:
        """Has one request answered."""
        owner = self.server.owner
        if self.command not in owner.verbs:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, f"Unsupported method ({self.command!r})")
            return
        content = self._read()
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.respond(Received(self.command, self.path, headers, content), self)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):  # the client is gone, or the test is over
            self.close_connection = True

    def finish(self) -> None:
        with contextlib.suppress(OSError):  # what a client that left did not take
            super().finish()

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gathered = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            gathered += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return gathered

    def _begin(self, status: int, headers: Headers, framing: tuple[str, str]) -> None:
        if self.server.owner.stamped:
            self.send_response(status)
        else:
            self.send_response_only(status)
        for name, value in (*headers, framing):
            self.send_header(name, value)
        self.end_headers()


class _Listener(ThreadingHTTPServer):
    """Ends connections that were left open, so that no thread and no socket outlives it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        self._open: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), Exchange)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.append(connection)
        return connection, address

    def end_connections(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
