"""The simulator's server: HTTP/1.1 on loopback, one thread a connection."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from tests.simulator import anthropic, gemini, native, openai_chat, openai_responses
from tests.simulator.answers import answer
from tests.simulator.wire import Asked, BadRequest, Wire, compact, seed_of

# What `api_base=` is for each provider, behind the simulator's address: as much of a path as the provider's own base has.
BASES: Final[Mapping[str, str]] = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini/v1beta",
    "vertex": "/vertex",
    "azure": "/azure",
    "bedrock": "/bedrock",
    "mistral": "/mistral/v1",
    "groq": "/groq/openai/v1",
    "cohere": "/cohere/v2",
    "deepseek": "/deepseek",
    "together": "/together/v1",
    "openrouter": "/openrouter/api/v1",
    "xai": "/xai/v1",
    "ollama": "/ollama",
    "perplexity": "/perplexity",
    "cerebras": "/cerebras/v1",
    "fireworks": "/fireworks/inference/v1",
    "huggingface": "/huggingface/v1",
    "moonshot": "/moonshot/v1",
    "zai": "/zai/api/paas/v4",
}

# The end of the path -> the wire spoken there; the first that fits.
WIRES: Final[tuple[tuple[str, Wire], ...]] = (
    ("/chat/completions", openai_chat.WIRE),
    ("/responses", openai_responses.WIRE),
    ("/v1/messages", anthropic.WIRE),
    (":generateContent", gemini.WIRE),
    (":streamGenerateContent", gemini.WIRE),
    ("/api/chat", native.OLLAMA),
    ("/converse", native.BEDROCK),
    ("/converse-stream", native.BEDROCK),
    ("/v2/chat", native.COHERE),
)
_KEY_HEADERS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key")

# The words of the providers' own messages, as far as the library looks at them.
_MESSAGES: Final[Mapping[str, str]] = {
    "rate_limit": "Rate limit reached for requests. Please try again later.",
    "quota": "You exceeded your current quota, please check your plan and billing details.",
    "overloaded": "Overloaded",
    "server_error": "The server had an error while processing your request.",
    "bad_key": "API key not valid. Please pass a valid API key.",
}


@dataclass(frozen=True)
class Failure:
    """An error that the next request to `provider` (None: to any) gets. `wait` is in seconds, for `Retry-After`."""

    kind: str
    provider: str | None = None
    wait: float | None = None
    message: str | None = None


@dataclass(frozen=True)
class Received:
    """A request as it came in; header names are lower case."""

    provider: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: dict[str, Any]


class Simulator:
    """A running simulator; a context manager. `url` is its address, `received` what it was asked."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._failures: deque[Failure] = deque()
        self._lock = threading.Lock()
        simulator = self

        class Handler(_Handler):
            owner = simulator

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Simulator:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    def base(self, provider: str) -> str:
        """The base URL of a provider, for `api_base=`."""
        return self.url + BASES[provider]

    def fail(
        self,
        kind: str,
        provider: str | None = None,
        *,
        retry_after: float | None = None,
        message: str | None = None,
        times: int = 1,
    ) -> None:
        """Queues an error for the next request to `provider`, or to anybody.

        Args:
            kind: "rate_limit" (429), "quota", "server_error" (500), "overloaded" (529, or the provider's 503),
                "bad_key" (401, or what the provider has instead).
            retry_after: seconds, as `Retry-After` (Google: in the body).
            times: how many requests get it.
        """
        if kind not in _MESSAGES:
            raise ValueError(f"kind is one of {', '.join(_MESSAGES)}, got {kind!r}")
        with self._lock:
            self._failures.extend([Failure(kind, provider, retry_after, message)] * times)

    def take(self, received: Received) -> Failure | None:
        """Notes a request, and gives the error queued for it."""
        with self._lock:
            self.received.append(received)
            for failure in self._failures:
                if failure.provider in (None, received.provider):
                    self._failures.remove(failure)
                    return failure
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet; what is streamed is flushed by hand
    owner: Simulator

    def do_POST(self) -> None:
        """Answers one request."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        provider = path.split("/")[1]
        wire = next((wire for end, wire in WIRES if path.endswith(end)), openai_chat.WIRE)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        sound = body if isinstance(body, dict) else {}
        failure = self.owner.take(Received(provider, self.path, headers, sound)) or _refusal(provider, path, headers, body)
        if failure is None:
            try:
                self._answer(wire, wire.read(provider, path, sound))
                return
            except (BadRequest, AttributeError, KeyError, TypeError) as error:  # something else than the field's type
                failure = Failure("bad_request", message=f"invalid request: {error}")
        self._fail(wire, failure, seed_of(sound))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError, OSError):  # the client is gone, or the test is over
            self.close_connection = True

    def _answer(self, wire: Wire, asked: Asked) -> None:
        found = answer(asked)
        head = {wire.id_header: asked.ident("req_")} if wire.id_header else {}
        if not asked.stream:
            self._send(200, head, wire.whole(asked, found))
            return
        pieces = list(wire.events(asked, found))
        self.send_response_only(200)
        for name, value in {"Content-Type": wire.stream_type, **head, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _fail(self, wire: Wire, failure: Failure, seed: str) -> None:
        message = failure.message or _MESSAGES[failure.kind]
        status, body = wire.failure(failure.kind, message, failure.wait)
        asked = Asked("", "", seed, "", "", 0)
        head = {wire.id_header: asked.ident("req_")} if wire.id_header else {}
        if failure.wait is not None and wire is not gemini.WIRE:
            head["Retry-After"] = f"{failure.wait:g}"
        self._send(status, head, body)

    def _send(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        content = compact(body).encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def _refusal(provider: str, path: str, headers: Mapping[str, str], body: Any) -> Failure | None:
    """Why a provider would not even look at a request."""
    if provider not in BASES or not any(path.endswith(end) for end, _ in WIRES):
        return Failure("not_found", message=f"Unknown request URL: POST {path}")
    if provider != "ollama" and not any(headers.get(name) for name in _KEY_HEADERS):
        return Failure("bad_key")
    if provider == "anthropic" and not headers.get("anthropic-version"):
        return Failure("bad_request", message="anthropic-version: header is required")
    if not isinstance(body, dict):
        return Failure("bad_request", message="We could not parse the JSON body of your request.")
    return None


class _Server(ThreadingHTTPServer):
    """Ends kept-alive connections with itself, so that no thread and no socket outlives it."""

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
        """Closes what clients kept open."""
        for connection in self._open:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
