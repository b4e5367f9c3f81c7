"""Where the recordings are and what one of them holds.

A recording is one HTTP exchange with a live provider, kept as a vcrpy cassette. This module only finds and opens them:
it knows YAML, compression and `INDEX.csv`, and nothing of any provider. The bytes of the answer are kept as they were
stored, so that the replaying server sends what the provider sent.
"""

from __future__ import annotations

import base64
import csv
import functools
import gzip
import importlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from .framing import is_event_stream

REPOSITORY = Path(__file__).resolve().parents[2]
HTTP_ERROR = 400


class UnreadableRecording(Exception):
    """The bytes cannot be brought back on this machine: a missing decompressor, or a body that was stored lossily."""


@dataclass(frozen=True)
class Recording:
    """One exchange. `body` is as stored, perhaps compressed; `plain` is what a client sees after decompression."""

    row: dict[str, str]
    uri: str
    request: dict[str, Any] | None
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def provider(self) -> str:
        return self.row.get("provider", "")

    @property
    def path(self) -> str:
        return urlsplit(self.uri).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.uri).query).items()}

    @property
    def streaming(self) -> bool:
        return is_streaming(self.row)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @functools.cached_property
    def plain(self) -> bytes:
        return decompressed(self.body, self.header("content-encoding"))

    @property
    def compressed(self) -> bool:
        return self.plain != self.body


def is_streaming(row: dict[str, str]) -> bool:
    return row.get("streaming", "").strip().lower() in {"y", "yes", "true", "1"}


def folder() -> Path | None:
    """The recordings folder, or None when this checkout has none beside it."""
    named = os.environ.get("INSIGHTS_RECORDINGS")
    path = Path(named) if named else REPOSITORY.parent / "shared" / "recordings"
    return path if (path / "INDEX.csv").is_file() else None


def rows(root: Path) -> list[dict[str, str]]:
    with (root / "INDEX.csv").open(newline="", encoding="utf-8") as handle:
        return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(handle)]


def load(root: Path, row: dict[str, str]) -> Recording:
    with (root / row["file"]).open(encoding="utf-8") as handle:
        cassette = yaml.load(handle, Loader=yaml.CSafeLoader)  # the safe loader, in C
    interaction = _described(cassette["interactions"], row)
    response = interaction["response"]
    return Recording(
        row=row,
        uri=str(interaction["request"].get("uri", "")),
        request=_request_json(interaction["request"].get("body")),
        status=_status(interaction),
        headers=tuple(_headers(response.get("headers") or {})),
        body=_response_bytes(response),
    )


def decompressed(body: bytes, encoding: str) -> bytes:
    """Undo `encoding` where `body` really is so encoded: many cassettes keep the header beside a plain body."""
    if body[:2] == b"\x1f\x8b":
        # not gzip.decompress: recorded bodies may lack the trailer, as a flushed stream does
        return zlib.decompressobj(wbits=31).decompress(body)
    encoding = encoding.strip().lower()
    if encoding in {"", "identity", "gzip"} or _is_text(body):
        return body
    if encoding == "deflate":
        try:
            return zlib.decompress(body)
        except zlib.error:
            return zlib.decompress(body, wbits=-15)
    for module in {"br": ("brotli", "brotlicffi"), "zstd": ("zstandard",)}.get(encoding, ()):
        try:
            found: Any = importlib.import_module(module)
        except ImportError:
            continue
        return bytes(found.decompress(body))
    raise UnreadableRecording(f"no decompressor here for content-encoding {encoding!r}")


def _described(interactions: list[dict[str, Any]], row: dict[str, str]) -> dict[str, Any]:
    """The exchange that the row tells of: recordings of retries or of whole agents hold several."""
    target = row.get("request", "").rpartition(" ")[2].partition("?")[0]

    def score(interaction: dict[str, Any]) -> int:
        request = interaction["request"]
        path = urlsplit(str(request.get("uri", ""))).path
        body = _request_json(request.get("body")) or {}
        streams = bool(body.get("stream")) or "stream" in path.rpartition("/")[2].lower()
        same_status = str(_status(interaction)) == row.get("status", "")
        return 4 * same_status + 2 * (not target or path == target) + (streams == is_streaming(row))

    return max(interactions, key=score)  # the first of equals


def _status(interaction: dict[str, Any]) -> int:
    response = interaction["response"]
    status = response.get("status")
    return int(status["code"] if isinstance(status, dict) else status or response["status_code"])


def _headers(headers: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            pairs.append((str(name), value.decode("latin-1") if isinstance(value, bytes) else str(value)))
    return pairs


def _request_json(body: Any) -> dict[str, Any] | None:
    if isinstance(body, dict) and "string" in body:
        body = body["string"]
    if isinstance(body, dict):
        return body
    if isinstance(body, bytes) and body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    try:
        document = json.loads(body) if body else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _response_bytes(response: dict[str, Any]) -> bytes:
    body = response.get("body", response.get("content"))
    if isinstance(body, dict):
        body = body.get("string", body.get("base64_string"))
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return _event_stream_bytes(str(body)) or str(body).encode("utf-8", "surrogateescape")


def _event_stream_bytes(text: str) -> bytes | None:
    """AWS event streams are binary; recorders that keep only text write them as base64 or one character a byte."""
    attempts: tuple[Callable[[str], bytes], ...] = (
        lambda text: text.encode("utf-8", "surrogateescape"),
        lambda text: text.encode("latin-1"),
        lambda text: base64.b64decode("".join(text.split()), validate=True),
    )
    for attempt in attempts:
        try:
            body = attempt(text)
        except ValueError:
            continue
        if is_event_stream(body):
            return body
    return None


def _is_text(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
