"""What the library should make of a recording: picks the reader of its wire format and the framing of its stream.

Nothing under here knows litellm or insights. The readers follow the providers' published formats, so that a mistake of
the library cannot be agreed to by the test that looks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import (
    framing,
    read_anthropic,
    read_bedrock,
    read_cohere,
    read_errors,
    read_gemini,
    read_ollama,
    read_openai,
    read_responses,
)
from .framing import Stream
from .recordings import HTTP_ERROR, Recording
from .shapes import Expected
from .wires import Wire, wire_of

Framing = Callable[[bytes], Stream]
WholeReader = Callable[[dict[str, Any]], Expected]
StreamReader = Callable[[Stream], Expected]

_FRAMINGS: dict[Wire, Framing] = {
    Wire.CONVERSE: framing.aws,
    Wire.INVOKE: framing.aws,
    Wire.OLLAMA: framing.json_lines,
    Wire.GEMINI: framing.gemini_stream,
}


def expected(recording: Recording) -> Expected:
    """Read the recorded answer.

    Raises:
        ValueError: the recorded path is no chat.
    """
    wire = wire_of(recording.path)
    if wire is None:
        raise ValueError(f"not a chat: {recording.path}")
    if recording.status >= HTTP_ERROR:
        return read_errors.refused(recording.status, recording.plain)
    whole, streamed = _readers(wire, recording.provider)
    if recording.streaming:
        return _stream(recording.plain, _framing(wire, recording.plain), streamed)
    document = _object(recording.plain)
    if document is None:
        return Expected(errors=("APIResponseValidationError",))
    return read_errors.inside(document) or whole(document)


def _stream(body: bytes, cut: Framing, read: StreamReader) -> Expected:
    try:
        stream = cut(body)
    except ValueError:  # half a document at the end, or one that is none
        return Expected(errors=("TruncatedStreamError", "APIResponseValidationError"))
    failed = read_errors.inside_stream(stream)
    if failed is None:
        return read(stream)
    failure, before = failed
    if read(before).errors == ("TruncatedStreamError",):  # text was given out: what it broke off with is told too
        return Expected(errors=(*failure.errors, "TruncatedStreamError"), statuses=failure.statuses)
    return failure


def _readers(wire: Wire, provider: str) -> tuple[WholeReader, StreamReader]:
    table: dict[Wire, tuple[WholeReader, StreamReader]] = {
        Wire.OPENAI_CHAT: (
            lambda document: read_openai.read(document, provider=provider),
            lambda stream: read_openai.read_stream(stream, provider=provider),
        ),
        Wire.RESPONSES: (read_responses.read, read_responses.read_stream),
        Wire.ANTHROPIC: (read_anthropic.read, read_anthropic.read_stream),
        Wire.GEMINI: (read_gemini.read, read_gemini.read_stream),
        Wire.CONVERSE: (read_bedrock.read_converse, read_bedrock.read_converse_stream),
        Wire.INVOKE: (read_bedrock.read_invoke, read_bedrock.read_invoke_stream),
        Wire.COHERE: (read_cohere.read, read_cohere.read_stream),
        Wire.OLLAMA: (read_ollama.read, read_ollama.read_stream),
    }
    return table[wire]


def _framing(wire: Wire, body: bytes) -> Framing:
    """Cohere streams JSON lines in version 1 and SSE in version 2."""
    if wire is Wire.COHERE and body.lstrip()[:1] == b"{":
        return framing.json_lines
    return _FRAMINGS.get(wire, framing.sse)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
