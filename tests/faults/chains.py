"""A chain of candidates, each with a wire and a server of its own, and what the servers say."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.faults.calling import MODELS, family
from tests.faults.server import Behaviour, Connection, Faults

ORDER = list(MODELS)
STREAMS = re.compile(rb'streamGenerateContent|"stream": ?true')
OTHER_KEY = "key-of-the-stand-in"


def next_of(provider: str) -> str:
    """The provider that stands in for another, with a wire of its own where there is one."""
    return ORDER[(ORDER.index(provider) + 1) % len(ORDER)]


def stand_in(provider: str, url: str) -> list[dict[str, Any]]:
    """`fallbacks=` with the next provider at this address."""
    return [{"model": MODELS[next_of(provider)], "api_base": url, "api_key": OTHER_KEY}]


def reply(connection: Connection, status: int, body: bytes, *headers: str, kind: str = "application/json") -> None:
    """A whole answer, and the end of the connection."""
    lines = (f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    connection.head(*lines, status=f"{status} Said")
    connection.send(body)


def well(provider: str, words: tuple[str, ...] = ("Hello", " there")) -> Behaviour:
    """Answers as this provider does, whole or streamed as it is asked."""

    def behave(connection: Connection) -> None:
        if STREAMS.search(connection.server.requests[-1]):
            reply(connection, 200, b"".join(family(provider).events(words)), kind="text/event-stream")
        else:
            reply(connection, 200, family(provider).text().content.replace(b"Hello there", "".join(words).encode()))

    return behave


def refusing(status: int, body: bytes, *headers: str) -> Behaviour:
    """Refuses every request."""
    return lambda connection: reply(connection, status, body, *headers)


def down(provider: str) -> Behaviour:
    """Fails every time, in the provider's own words."""
    return refusing(500, family(provider).error(500).content)


# The kinds of a refusal, in the words of each provider's list of error codes.
_KINDS: dict[str, dict[int, str]] = {
    "openai": {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        409: "conflict_error",
        429: "rate_limit_error",
    },
    "gemini": {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        409: "ABORTED",
        429: "RESOURCE_EXHAUSTED",
    },
}


def refusal(provider: str, status: int, message: str = "the provider says no") -> bytes:
    """The body of a refusal."""
    kind = _KINDS.get(provider, _KINDS["openai"])[status]
    if provider == "anthropic":
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).encode()
    if provider == "gemini":
        return json.dumps({"error": {"code": status, "message": message, "status": kind}}).encode()
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()


@dataclass
class Arrivals:
    """When each request came in."""

    inner: Behaviour
    times: list[float] = field(default_factory=list)

    def __call__(self, connection: Connection) -> None:
        self.times.append(time.monotonic())
        self.inner(connection)


class Crowd:
    """A behaviour that counts the connections it serves, and those whose clients have gone."""

    def __init__(self, inner: Behaviour) -> None:
        self.inner = inner
        self.came = self.went = 0
        self._changed = threading.Condition()

    def __call__(self, connection: Connection) -> None:
        with self._changed:
            self.came += 1
            self._changed.notify_all()
        try:
            self.inner(connection)
        finally:
            with self._changed:
                self.went += 1
                self._changed.notify_all()

    def all_gone(self, within: float = 10.0) -> bool:
        """Whether no client is left, now or soon."""
        with self._changed:
            return self._changed.wait_for(lambda: self.came == self.went, within)

    def has_come(self, count: int, within: float = 30.0) -> bool:
        """Whether so many have come, now or soon."""
        with self._changed:
            return self._changed.wait_for(lambda: self.came >= count, within)


def port_of(server: Faults) -> int:
    """The port of a server's address."""
    return int(server.url.rsplit(":", 1)[1])


def decisions(trace: Any) -> list[str]:
    """What came of each attempt."""
    return [attempt.decision for attempt in trace.attempts]
