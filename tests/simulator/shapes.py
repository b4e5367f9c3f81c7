"""Asking the simulator over HTTP, and what an answer's shape is: the names and types of its fields."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

# What is JSON of the caller's making, and has no shape of the provider's.
FREE: Final = frozenset({"input", "args", "arguments", "tools", "tool_choice", "format"})

# Recorded fields that are left out on purpose.
LEFT_OUT: Final = frozenset(
    {
        "obfuscation",  # OpenAI's padding against timing attacks
        "billing", "moderation", "phase",  # in some accounts' answers only
        "stop_details", "inference_geo",  # Anthropic's newest models
        "createTime", "avgLogprobs",  # Vertex
    }
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """An answer: status, lower-case headers and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def documents(self) -> list[tuple[str, Any]]:
        """Its JSON documents, each with the kind of event it is."""
        return list(documents(self.body, self.headers.get("content-type", "")))


def ask(url: str, body: Any, **headers: str) -> Told:
    """POSTs JSON with the headers every provider wants."""
    given = {"content-type": "application/json", "authorization": "Bearer test-key", "anthropic-version": "2023-06-01"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {**given, **headers}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Told(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Told(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def documents(body: bytes, content_type: str) -> Iterator[tuple[str, Any]]:
    if "event-stream" not in content_type:
        lines = body.splitlines() if "ndjson" in content_type else [body]
        yield from (("", json.loads(line)) for line in lines if line.strip())
        return
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"\n".join(line[5:].strip() for line in block.splitlines() if line.startswith(b"data:"))
        if data and data != b"[DONE]":
            document = json.loads(data)
            yield str(document.get("type", "")), document


Paths = dict[tuple[str, ...], set[str]]


def paths(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every path of a document with the type found there."""
    if isinstance(value, dict):
        yield at, "object"
        for name, item in value.items():
            if name not in LEFT_OUT:
                yield from [((*at, name), kind_of(item))] if name in FREE else paths(item, (*at, name))
    elif isinstance(value, list):
        yield at, "array"
        for item in value:
            yield from paths(item, (*at, "[]"))
    else:
        yield at, kind_of(value)


def kind_of(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def shapes(told: list[tuple[str, Any]]) -> dict[str, tuple[Paths, set[tuple[str, ...]]]]:
    """By kind of event: all paths with their types, and the paths that every event of the kind has."""
    found: dict[str, tuple[Paths, set[tuple[str, ...]]]] = {}
    for kind, document in told:
        seen: Paths = {}
        for path, type_ in paths(document):
            seen.setdefault(path, set()).add(type_)
        every, always = found.setdefault(kind, ({}, set(seen)))
        always &= set(seen)
        for path, types in seen.items():
            every.setdefault(path, set()).update(types)
    return found
