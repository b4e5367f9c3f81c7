"""Keys that must turn up nowhere, and a search for them that doesn't know how the library writes or scrubs anything."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import random
import re
import string
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

LETTERS, WORD = string.ascii_letters, string.ascii_letters + string.digits

# The shapes in which providers hand out keys; "" where a key is letters and digits and nothing else.
SHAPES = {
    "openai": "sk-proj-",
    "anthropic": "sk-ant-api03-",
    "gemini": "AIza",
    "vertex": "ya29.",
    "azure": "",
    "bedrock": "ABSK",
    "mistral": "",
    "groq": "gsk_",
    "cohere": "",
    "deepseek": "sk-",
    "together": "tgp_v1_",
    "openrouter": "sk-or-v1-",
    "xai": "xai-",
    "ollama": "",
    "perplexity": "pplx-",
    "cerebras": "csk-",
    "fireworks": "fw_",
    "huggingface": "hf_",
    "moonshot": "sk-",
    "zai": "",
}
_OPENING = re.compile(r"[{\[]")


class Mint:
    """Makes canaries, no two alike, and the same ones on every run."""

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)

    def shapeless(self) -> str:
        """Letters that nobody takes for a key by their look."""
        return self._some(LETTERS, 32)

    def shaped(self, provider: str) -> str:
        """A key as the provider hands them out."""
        return SHAPES.get(provider, "") + self._some(WORD, 36)

    def accounts(self) -> dict[str, str]:
        """Ids of accounts that have a shape."""
        return {
            "organisation": f"org-{self._some(WORD, 24)}",
            "project": f"proj_{self._some(WORD, 24)}",
            "user": f"user-{self._some(WORD, 24)}",
            "aws": self._some("123456789", 12),
        }

    def persons(self) -> dict[str, str]:
        """What says who somebody is in an error; in an answer a model may have made it up."""
        uuid = "-".join(self._some("0123456789abcdef", size) for size in (8, 4, 4, 4, 12))
        return {"uuid": uuid, "address": f"{self._some(string.ascii_lowercase, 12)}@example.com"}

    def names(self) -> dict[str, str]:
        """Names of accounts that only the field or the header says they are."""
        return {name: self._some(LETTERS, 20) for name in ("organization", "account_id", "user_id")}

    def _some(self, letters: str, count: int) -> str:
        return "".join(self._dice.choices(letters, k=count))


def files_with(folder: Path, canaries: Mapping[str, str]) -> list[str]:
    """The names of those that are in a file, in any way, or in a file's name."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            everything = "\0".join({path.name, *texts_in(path.read_bytes())})
            found += [f"{path.name} has {name}" for name, value in canaries.items() if is_in(value, everything)]
    return found


def is_in(canary: str, text: str) -> bool:
    """Whether it stands there, as it is or in base64, wherever in a group of three bytes that begins."""
    return any(form in text for form in _forms(canary))


@functools.cache
def _forms(canary: str) -> tuple[str, ...]:
    found = [canary]
    for before in range(3):
        coded = base64.b64encode(b"?" * before + canary.encode()).decode()
        core = coded[4 * bool(before) : len(coded) // 4 * 4 - 4]
        found += [core, core.replace("+", "-").replace("/", "_")]
    return tuple(found)


def texts_in(data: bytes, depth: int = 4) -> Iterator[str]:
    """What a file says: as it is, unpacked, decoded, and put together again where it was cut up over a stream's events."""
    text = data.decode("utf-8", "replace")
    yield text
    if "%" in text:
        yield unquote(text)
    if depth == 0:
        return
    inside = list(_unpacked(data))
    for inner in inside:
        yield from texts_in(inner, depth - 1)
    if inside:
        return
    documents = list(_documents(text))
    for document in documents:
        for _, leaf in _leaves(document):
            yield from texts_in(leaf.encode("utf-8", "surrogatepass"), depth - 1)
    yield from _put_together(documents)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return
    if b"\ninteractions:" in data:
        for _, leaf in _leaves(yaml.load(data, Loader=yaml.CSafeLoader)):
            yield leaf.encode("utf-8", "surrogatepass")


def _documents(text: str) -> Iterator[Any]:
    """JSON objects and arrays, wherever they begin: alone, on lines, in events, in binary frames."""
    decoder, place = json.JSONDecoder(), 0
    while found := _OPENING.search(text, place):
        try:
            document, place = decoder.raw_decode(text, found.start())
            yield document
        except (ValueError, RecursionError):
            place = found.end()


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document, and where it stands."""
    if isinstance(value, bytes):
        yield at, value.decode("latin-1")
    elif isinstance(value, str):
        yield at, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(name, f"{at}.name")
            yield from _leaves(item, f"{at}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{at}[]")


def _put_together(documents: list[Any]) -> Iterator[str]:
    """The texts that stand at the same place of a stream's events, one after another."""
    places: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        for at, leaf in _leaves(document):
            places[at].append(leaf)
    for parts in places.values():
        yield "".join(parts)
