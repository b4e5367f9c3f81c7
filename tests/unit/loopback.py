"""A provider on 127.0.0.1: real HTTP, one scripted reply for each request."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Exchange, Received, Server

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


class Provider(Server):
    """Gives one reply to each request, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[Reply] = []

    def will(self, *pieces: bytes, status: int = 200, **more: Any) -> Reply:
        """Adds a reply; a stream is several pieces, and `content_type` or any other header goes by name."""
        known = {name: more.pop(name) for name in ("wait", "cut", "linger") if name in more}
        headers = {name.replace("_", "-"): str(value) for name, value in more.items()}
        reply = Reply(list(pieces), status, headers, **known)
        self.replies.append(reply)
        return reply

    def respond(self, request: Received, exchange: Exchange) -> None:
        with self.lock:
            self.received.append(request)
            reply = self.replies.pop(0) if self.replies else Reply([b"no reply is left"], 500)
        try:
            _send(reply, exchange)
        except OSError:  # a client that leaves with unread bytes resets the connection
            reply.left.set()
            exchange.close_connection = True


def _send(reply: Reply, exchange: Exchange) -> None:
    headers = list(reply.headers.items())
    if "content-type" not in {name.lower() for name in reply.headers}:
        headers.insert(0, ("Content-Type", "text/event-stream" if len(reply.pieces) > 1 else "application/json"))
    exchange.begin_chunked(reply.status, headers)
    exchange.wfile.flush()  # the head does not wait for a piece that waits
    for index, piece in enumerate(reply.pieces):
        if reply.wait is not None and index == len(reply.pieces) - 1:
            reply.wait.wait(PATIENCE)
        exchange.send_piece(piece)
    if reply.linger:
        if exchange.connection.recv(1) == b"":
            reply.left.set()
        exchange.close_connection = True
    elif reply.cut:
        exchange.close_connection = True
    else:
        exchange.end_chunked()
