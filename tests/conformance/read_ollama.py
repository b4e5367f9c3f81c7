"""Reads Ollama's own /api/chat, whole or as JSON lines."""

from __future__ import annotations

from typing import Any

from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, number, streamed, tokens

FINISH = {"stop": "stop", "length": "length"}


def read(document: dict[str, Any]) -> Expected:
    """A whole answer is a stream of one document."""
    return read_stream(Stream((document,)))


def read_stream(stream: Stream) -> Expected:
    """Text and calls are spread over the documents, counts stand in the last."""
    builder = ChoiceBuilder()
    usage: Tokens | None = None
    for document in stream.documents:
        message = document.get("message") or {}
        builder.say(message.get("content"))
        builder.think(message.get("thinking"))
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            builder.call(len(builder.calls), function.get("name"), function.get("arguments"))
        if document.get("done"):
            builder.finish = document.get("done_reason") or "stop"
        if "eval_count" in document:  # a prompt that was cached whole has no prompt_eval_count
            usage = tokens(number(document.get("prompt_eval_count")), number(document["eval_count"]))
    return streamed([builder], FINISH, usage)
