"""A provider on 127.0.0.1 that speaks OpenAI's wire, numbers its answers, and holds those it is told to hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.loopback import Exchange, Received, Server
from tests.unit.openai_wire import answer, events

PATIENCE: Final = 60.0  # seconds until a test that waits for an event is called broken
MODEL: Final = "openai/gpt-4o"


@dataclass(frozen=True)
class Said:
    """An answer; a stream where it has `events`, each sent as a piece of its own."""

    content: bytes = b""
    status: int = 200
    events: tuple[bytes, ...] = ()


Script = Callable[[Received, int], Said]


def numbered(request: Received, number: int) -> Said:
    """An answer that says which request it is the answer to: who shares an answer has the same number."""
    if request.body.get("stream"):
        return Said(events=tuple(events(["answer", " ", str(number)])))
    return Said(answer(f"answer {number}"))


class Upstream(Server):
    """Answers request number 1, 2, ... by its script."""

    def __init__(self, script: Script = numbered) -> None:
        super().__init__()
        self.script = script
        self.moments: list[float] = []  # when each request had arrived, `time.monotonic()`
        self._arrival = threading.Condition()
        self._gates: dict[int, threading.Event] = {}

    def hold(self, *numbers: int) -> threading.Event:
        """Requests of these numbers are answered only after the event is set."""
        gate = threading.Event()
        self._gates.update(dict.fromkeys(numbers, gate))
        return gate

    def wait_for(self, count: int) -> None:
        """Until so many requests have arrived."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: len(self.moments) >= count, PATIENCE), (
                f"{len(self.moments)} requests arrived, not {count}"
            )

    @property
    def count(self) -> int:
        """How many requests have arrived."""
        with self._arrival:
            return len(self.moments)

    def given(self, **more: Any) -> dict[str, Any]:
        """The arguments of a call that comes here."""
        return {"model": MODEL, "api_base": self.url, "api_key": "key-0123456789", "num_retries": 0, "timeout": 20, **more}

    def respond(self, request: Received, exchange: Exchange) -> None:
        with self._arrival:
            self.received.append(request)
            self.moments.append(time.monotonic())
            number = len(self.moments)
            self._arrival.notify_all()
        gate = self._gates.get(number)
        if gate is not None:
            gate.wait(PATIENCE)
        said = self.script(request, number)
        if said.events:
            exchange.send_chunked(said.status, [("Content-Type", "text/event-stream")], said.events)
        else:
            exchange.send_whole(said.status, [("Content-Type", "application/json")], said.content)
