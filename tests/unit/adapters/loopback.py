"""A server on 127.0.0.1 that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Exchange, Received, Server


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


class Loopback(Server):
    """Gives the answers it was told to, one by one, of which the last one is repeated."""

    verbs = frozenset({"DELETE", "GET", "HEAD", "POST", "PUT"})

    def __init__(self) -> None:
        super().__init__()
        self._answers: list[Answer | Script] = []

    def says(self, *answers: Answer | Script) -> None:
        """What to answer from now on, one by one; what was asked before is forgotten."""
        with self.lock:
            self._answers = list(answers)
            self.received.clear()

    @property
    def only(self) -> Received:
        """The one request there was."""
        assert len(self.received) == 1, f"expected one request, got {[r.target for r in self.received]}"
        return self.received[0]

    def respond(self, request: Received, exchange: Exchange) -> None:
        answer = self._next(request)
        if answer.pieces is None:
            exchange.send_whole(answer.status, answer.headers.items(), answer.content)
        else:
            exchange.send_chunked(answer.status, answer.headers.items(), answer.pieces)

    def _next(self, request: Received) -> Answer:
        with self.lock:
            self.received.append(request)
            if not self._answers:
                return as_json({"error": {"message": "the test expected no request"}}, 418)
            found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return found if isinstance(found, Answer) else found(request)
