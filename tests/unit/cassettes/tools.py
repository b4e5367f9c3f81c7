"""Recordings made for tests: over real HTTP on 127.0.0.1, or written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from insights import use_cassette
from insights.cassettes.file import CassetteFile, Interaction, write_cassette
from insights.client import Client
from insights.core.effects import Recorded, WireCall
from tests.unit.both import ask
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer

MODEL = "openai/test-model"
HOME = "https://api.openai.com/v1"
CHAT = f"{HOME}/chat/completions"
KEY = "sk-" + "AbCdEf0123456789"
"""Of a shape that is known."""
ODD_KEY = "0123456789-of-no-known-shape"


def prompt(text: str = "Hi", **params: Any) -> bytes:
    """The body of a plain request, as OpenAI gets it."""
    return json.dumps({"model": "test-model", "messages": [{"role": "user", "content": text}], **params}).encode()


def streamed(text: str = "Hi") -> bytes:
    """The body of a request for a stream."""
    return prompt(text, stream=True, stream_options={"include_usage": True})


def interaction(body: bytes = b"", pieces: Sequence[bytes] = (b"answer",), url: str = CHAT, **response: Any) -> Interaction:
    """One recording; what belongs to the response goes by name."""
    headers = {"content-type": "text/event-stream" if len(pieces) > 1 else "application/json"}
    given = {"status": 200, "headers": headers, **response}
    return Interaction("POST", url, body or prompt(), Recorded(pieces=list(pieces), **given))


def handmade(path: Path, *items: Interaction) -> Path:
    """A cassette written by hand; without items it holds one plain answer."""
    write_cassette(path, CassetteFile(list(items) or [interaction(pieces=[answer("Hello!")])]))
    return path


def record(path: Path, client: Client, provider: Provider, awaiting: bool = False, mode: str = "record", **params: Any) -> None:
    """Records one call; the stand-in's address is written as OpenAI's."""
    with use_cassette(path, mode, hosts={provider.url: HOME}, recorded_from={"what": "a stand-in"}):
        ask(client, awaiting, MODEL, api_base=provider.url, **params)


def call(body: bytes = b"", url: str = CHAT, **more: Any) -> WireCall:
    """A request on its way."""
    return WireCall(url, more.pop("headers", {}), body or prompt(), **more)


def raw(path: Path) -> Any:
    """What stands in a file, to whoever can read YAML."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def texts(path: Path) -> list[str]:
    """The answers in a cassette."""
    return [
        json.loads(item["response"]["body"]["string"])["choices"][0]["message"]["content"] for item in raw(path)["interactions"]
    ]
