"""A provider of every kind that repeats what it was sent, and more that nobody should keep, in all the ways it can be said."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.loopback import Exchange, Received, Server
from tests.simulator.answers import answer
from tests.simulator.openai_chat import WIRE as OPENAI
from tests.simulator.server import BASES, WIRES, provider_of
from tests.simulator.wire import Answer, Wire, compact

# How it is said: as it is; compressed; cut up over the events of a stream; behind JSON's escapes; in base64, by itself and
# behind a user name, as in HTTP's Basic scheme; and in the text of an error.
WAYS = ("plain", "gzip", "split", "escaped", "base64", "basic", "error")
BEFORE, AFTER = "Before it all.", "After it all."


class Echoed(Answer):
    """An answer whose stream cuts everything up."""

    @property
    def pieces(self) -> list[str]:
        return [self.text[at : at + 5] for at in range(0, len(self.text), 5)]


class Echo(Server):
    """Repeats each request in its answer, in one of the `WAYS`, and besides

    - `secrets`, everywhere: in the text, in every header;
    - `accounts`, ids with a shape of their own, also everywhere, but that no model says them letter by letter;
    - `names` of accounts, in fields and headers that are for them;
    - `persons`, in errors only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.way = WAYS[0]
        self.secrets: Mapping[str, str] = {}
        self.accounts: Mapping[str, str] = {}
        self.names: Mapping[str, str] = {}
        self.persons: Mapping[str, str] = {}

    @property
    def told(self) -> list[str]:
        """What is said in the text of an answer and in the id of a request."""
        return [*self.secrets.values(), *(() if self.way == "split" else self.accounts.values())]

    def base(self, provider: str) -> str:
        """The base URL of a provider, for `api_base=`."""
        return self.url + BASES[provider]

    def respond(self, request: Received, exchange: Exchange) -> None:
        self.received.append(request)
        provider, path = provider_of(request), urlsplit(request.target).path
        wire = next((wire for end, wire in WIRES if path.endswith(end)), OPENAI)
        asked = wire.read(provider, path, request.body)
        told = self._told(request)
        if self.way == "error":
            status, body = wire.failure("bad_key", told, None)
            exchange.send_whole(status, self._head("application/json"), compact({**body, **self._fields()}).encode())
            return
        kind = Echoed if self.way == "split" else Answer
        found = kind(**{**vars(answer(asked)), "text": f"{BEFORE} {told} {AFTER}"})
        if asked.stream:
            self._send(exchange, wire.stream_type, b"".join(self._events(wire, asked, found)))
        else:
            body = {**wire.whole(asked, found), **self._fields()}
            self._send(exchange, "application/json", self._said(compact(body)).encode())

    def _events(self, wire: Wire, asked: Any, found: Answer) -> Iterator[bytes]:
        for event in wire.events(asked, found):
            try:
                yield self._said(event.decode()).encode()
            except UnicodeDecodeError:  # binary frames have checksums: they stay as they are
                yield event

    def _told(self, request: Received) -> str:
        persons = self.persons.values() if self.way == "error" else ()
        return f"You sent {request.everything()} and you are {' '.join([*self.told, *persons])} ."

    def _fields(self) -> Mapping[str, str]:
        """What providers say of the account beside the answer, in JSON."""
        return self.names

    def _head(self, content_type: str) -> list[tuple[str, str]]:
        everything = " ".join([*self.secrets.values(), *self.accounts.values()])
        head = [("Content-Type", content_type), ("x-request-id", everything), ("request-id", everything)]
        for name, value in {**self.secrets, **self.accounts, **self.names}.items():
            head += [("Set-Cookie", f"session={value}; Path=/"), (f"openai-{name}", value), ("x-account", value)]
        return head

    def _said(self, text: str) -> str:
        """`text` with the canaries in it said in another way."""
        for value in self.told:
            if self.way == "escaped":
                text = text.replace(value, "".join(f"\\u{ord(letter):04x}" for letter in value))
        for value in self.secrets.values():
            if self.way == "base64":
                text = text.replace(value, base64.b64encode(value.encode()).decode())
            elif self.way == "basic":
                text = text.replace(value, base64.b64encode(f"user:{value}".encode()).decode())
        return text

    def _send(self, exchange: Exchange, content_type: str, body: bytes) -> None:
        head = self._head(content_type)
        if self.way == "gzip":
            body = gzip.compress(body)
            head.append(("Content-Encoding", "gzip"))
        step = 11 if self.way == "split" else 997
        exchange.send_chunked(200, head, [body[at : at + step] for at in range(0, len(body), step)])
