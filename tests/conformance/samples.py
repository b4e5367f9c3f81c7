"""Answers written by hand after the providers' documentation, for what few or no recordings show.

Streams of Bedrock, Cohere and Ollama, refusals, failures in the middle of a stream, several choices, cuts. They are no
recordings and prove less; a recording of the same kind, where there is one, is run by the same code.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

from .recordings import Recording

Json = dict[str, Any]

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"
JSON_LINES = "application/x-ndjson"
AWS = "application/vnd.amazon.eventstream"

# Longer than ASCII in UTF-8, so that a stream can be cut inside a character.
QUESTION = "Wie heißt die Hauptstadt von Frankreich? 🗼"
ASKED: Json = {"model": "any-model", "messages": [{"role": "user", "content": QUESTION}]}
WEATHER: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The city"}},
    "required": ["city"],
}
WEATHER_TOOL: Json = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def sample(name: str, path: str, request: Json, body: bytes | Json, *, status: int = 200, kind: str = JSON) -> Recording:
    """A recording that nobody made. `name` is provider/scenario; a body of JSON is written as such."""
    provider, _, scenario = name.partition("/")
    streaming = kind != JSON or "stream" in path.lower() or bool(request.get("stream"))
    row = {
        "file": name,
        "provider": provider,
        "request": f"POST {path}",
        "scenario": scenario,
        "streaming": "y" if streaming else "n",
        "status": str(status),
        "model": str(request.get("model", "")),
    }
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Recording(row, f"https://host.invalid{path}", request, status, (("Content-Type", kind),), data)


def sse(*documents: Json, done: bool = False) -> bytes:
    """Server-sent events, with the `event:` line that typed documents have."""
    lines = []
    for document in documents:
        head = f"event: {document['type']}\n" if "type" in document else ""
        lines.append(f"{head}data: {json.dumps(document, ensure_ascii=False)}\n\n")
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def json_lines(*documents: Json) -> bytes:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents).encode()


def aws_frame(payload: Json, **headers: str) -> bytes:
    """One frame of an AWS event stream; the header `:event-type` is written `event_type=`."""
    packed = b""
    for name, value in ({"message_type": "event"} | headers).items():
        key, text = f":{name.replace('_', '-')}".encode(), value.encode()
        packed += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(text)) + text
    data = json.dumps(payload, ensure_ascii=False).encode()
    prelude = struct.pack(">II", 16 + len(packed) + len(data), len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + data
    return message + struct.pack(">I", zlib.crc32(message))


def aws(*events: tuple[str, Json]) -> bytes:
    """An AWS event stream of (event type, payload)."""
    return b"".join(aws_frame(payload, event_type=name, content_type=JSON) for name, payload in events)


def aws_chunks(*documents: Json) -> bytes:
    """What invoke-with-response-stream wraps: each of the vendor's documents in base64 in a chunk."""
    return aws(*(("chunk", {"bytes": base64.b64encode(json.dumps(d).encode()).decode()}) for d in documents))
