"""Reads Cohere's chat, version 2 and version 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, answer, first_number, streamed, tokens

FINISH = {
    "complete": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_call": "tool_calls",
    "error_toxic": "content_filter",
    "error_limit": "length",
}


def read(document: dict[str, Any]) -> Expected:
    """A whole answer of either version."""
    builder = ChoiceBuilder()
    if "message" in document and isinstance(document["message"], Mapping):
        _add_message(builder, document["message"])
    elif "text" in document:
        _add_v1(builder, document)
    else:
        return Expected(errors=("APIResponseValidationError",))
    builder.finish = document.get("finish_reason")
    return answer([builder], FINISH, _usage(document.get("usage") or document.get("meta")))


def read_stream(stream: Stream) -> Expected:
    """Version 2 sends typed events over SSE, version 1 JSON lines whose last holds the whole answer."""
    ends = [d for d in stream.documents if d.get("event_type") == "stream-end"]
    if ends:
        return read({**ends[-1]["response"], "finish_reason": ends[-1].get("finish_reason")})
    builder = ChoiceBuilder()
    usage: Mapping[str, Any] | None = None
    for document in stream.documents:
        delta = document.get("delta") or {}
        if document.get("type") == "message-end":
            builder.finish = delta.get("finish_reason")
            usage = delta.get("usage")
        else:
            _add_event(builder, document)
    return streamed([builder], FINISH, _usage(usage))


def _add_message(builder: ChoiceBuilder, message: Mapping[str, Any]) -> None:
    for block in message.get("content") or ():
        builder.say(block.get("text"))
        builder.think(block.get("thinking"))
    for position, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        builder.call(position, function.get("name"), function.get("arguments"))


def _add_event(builder: ChoiceBuilder, document: Mapping[str, Any]) -> None:
    """Version 2's deltas. The plan that goes before tool calls is neither text nor counted as reasoning here."""
    kind, index = document.get("type"), document.get("index", 0)
    message = (document.get("delta") or {}).get("message") or {}
    if kind in {"content-start", "content-delta"}:
        content = message.get("content") or {}
        builder.say(content.get("text"))
        builder.think(content.get("thinking"))
    elif kind in {"tool-call-start", "tool-call-delta"}:
        call = message.get("tool_calls") or {}
        function = (call[0] if isinstance(call, list) else call).get("function") or {}
        builder.call(index, function.get("name"), function.get("arguments"))


def _add_v1(builder: ChoiceBuilder, document: Mapping[str, Any]) -> None:
    builder.say(document.get("text"))
    for position, call in enumerate(document.get("tool_calls") or ()):
        builder.call(position, call.get("name"), call.get("parameters") or {})


def _usage(usage: Mapping[str, Any] | None) -> Tokens | None:
    """`tokens` is what the model saw; `billed_units` leaves out the provider's own prompt."""
    if not usage or not (usage.get("tokens") or usage.get("billed_units")):
        return None
    return tokens(
        first_number(usage, "tokens.input_tokens", "billed_units.input_tokens"),
        first_number(usage, "tokens.output_tokens", "billed_units.output_tokens"),
        first_number(usage, "cached_tokens", "tokens.cached_tokens"),
    )
