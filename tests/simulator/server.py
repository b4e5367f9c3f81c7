"""The simulator's server: HTTP/1.1 on loopback, one thread a connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from insights.adapters.models.factory import Provider
from tests.loopback import Exchange, Received, Server
from tests.simulator import anthropic, gemini, native, openai_chat, openai_responses
from tests.simulator.answers import answer
from tests.simulator.wire import Asked, BadRequest, Wire, compact, seed_of

# What `api_base=` is for each provider, behind the simulator's address: as much of a path as the provider's own base has. A
# provider that isn't here is taken for one more host with OpenAI's API.
BASES: Final[Mapping[str, str]] = {
    **{provider.value: f"/{provider}/v1" for provider in Provider},
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


class Simulator(Server):
    """A running simulator; a context manager. `url` is its address, `received` what it was asked."""

    stamped = False  # a recording of an answer is the same at any time, under any Python

    def __init__(self) -> None:
        super().__init__()
        self._failures: deque[Failure] = deque()

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
        with self.lock:
            self._failures.extend([Failure(kind, provider, retry_after, message)] * times)

    def respond(self, request: Received, exchange: Exchange) -> None:
        path = urlsplit(request.target).path
        provider = provider_of(request)
        wire = next((wire for end, wire in WIRES if path.endswith(end)), openai_chat.WIRE)
        try:
            body = request.body
        except ValueError:
            body = None
        sound = body if isinstance(body, dict) else {}
        failure = self._take(request, provider) or _refusal(provider, path, request.headers, body)
        if failure is None:
            try:
                _answer(exchange, wire, wire.read(provider, path, sound))
                return
            except (BadRequest, AttributeError, KeyError, TypeError) as error:  # something else than the field's type
                failure = Failure("bad_request", message=f"invalid request: {error}")
        _fail(exchange, wire, failure, seed_of(sound))

    def _take(self, request: Received, provider: str) -> Failure | None:
        """Notes a request, and gives the error queued for it."""
        with self.lock:
            self.received.append(request)
            for failure in self._failures:
                if failure.provider in (None, provider):
                    self._failures.remove(failure)
                    return failure
        return None


def provider_of(request: Received) -> str:
    """Whom a request was meant for: the first word of its path."""
    return urlsplit(request.target).path.split("/")[1]


def _answer(exchange: Exchange, wire: Wire, asked: Asked) -> None:
    found = answer(asked)
    head = {wire.id_header: asked.ident("req_")} if wire.id_header else {}
    if not asked.stream:
        _send(exchange, 200, head, wire.whole(asked, found))
        return
    pieces = list(wire.events(asked, found))
    exchange.send_chunked(200, {"Content-Type": wire.stream_type, **head}.items(), pieces)


def _fail(exchange: Exchange, wire: Wire, failure: Failure, seed: str) -> None:
    message = failure.message or _MESSAGES[failure.kind]
    status, body = wire.failure(failure.kind, message, failure.wait)
    asked = Asked("", "", seed, "", "", 0)
    head = {wire.id_header: asked.ident("req_")} if wire.id_header else {}
    if failure.wait is not None and wire is not gemini.WIRE:
        head["Retry-After"] = f"{failure.wait:g}"
    _send(exchange, status, head, body)


def _send(exchange: Exchange, status: int, headers: Mapping[str, str], body: Any) -> None:
    exchange.send_whole(status, {"Content-Type": "application/json", **headers}.items(), compact(body).encode())


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
