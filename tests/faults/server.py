"""A server on a bare socket that misbehaves as told: what HTTP libraries for servers take care never to do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Behaviour = Callable[["Connection"], None]


@dataclass
class Faults:
    """A running server: its address, the requests it got whole, and what it saw of the clients' going."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    behaviour: Behaviour | None = None


class Connection:
    """One client, its request read."""

    def __init__(self, sock: socket.socket, server: Faults) -> None:
        self.sock, self.server = sock, server

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.sock.sendall(data)

    def head(self, *lines: str, status: str = "200 OK") -> None:
        """Sends the head of an answer."""
        self.send("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """Sends one chunk of a chunked body."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def drip(self, data: bytes, pause: float = 0.03) -> None:
        """Sends it byte by byte, until the test is over."""
        for byte in data:
            self.send(bytes([byte]))
            if self.server.over.wait(pause):
                return

    def hang(self) -> None:
        """Says nothing until the test is over or the client goes."""
        self.sock.settimeout(None)
        with contextlib.suppress(OSError):
            while self.sock.recv(4096):
                pass
        self.server.left.set()

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN (socket(7), SO_LINGER with a time of 0)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def _read_request(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def _serve(sock: socket.socket, server: Faults) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock, contextlib.suppress(OSError):
        request = _read_request(sock)
        if request:
            server.requests.append(request)
            assert server.behaviour is not None
            try:
                server.behaviour(Connection(sock, server))
            except OSError:  # gone in the middle of a word
                server.left.set()


@contextlib.contextmanager
def misbehaving(behaviour: Behaviour | None = None) -> Iterator[Faults]:
    """A server of this behaviour, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    server = Faults(f"http://127.0.0.1:{listener.getsockname()[1]}", behaviour=behaviour)
    clients: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            clients.append(sock)
            threading.Thread(target=_serve, args=(sock, server), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in clients:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        thread.join()


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"
