"""Reads Anthropic's messages, and its older text completions, both of which Bedrock hands through too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, answer, number, streamed, tokens

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read(document: dict[str, Any]) -> Expected:
    """A whole message."""
    if "completion" in document:
        return _completion([document])
    if not isinstance(document.get("content"), list):
        return Expected(errors=("APIResponseValidationError",))
    builder = ChoiceBuilder(finish=document.get("stop_reason"))
    for position, block in enumerate(document["content"]):
        _add(builder, position, block)
    return answer([builder], FINISH, _usage(document.get("usage") or {}))


def read_stream(stream: Stream) -> Expected:
    """Blocks by index. The usage of `message_delta` is cumulative and completes that of `message_start`."""
    if any("completion" in document for document in stream.documents):
        return _completion(stream.documents)
    builder = ChoiceBuilder()
    usage: dict[str, Any] = {}
    for document in stream.documents:
        kind, index = document.get("type"), document.get("index", 0)
        if kind == "message_start":
            usage.update(_told((document.get("message") or {}).get("usage")))
        elif kind == "content_block_start":
            _start(builder, index, document.get("content_block") or {})
        elif kind == "content_block_delta":
            _add_delta(builder, index, document.get("delta") or {})
        elif kind == "message_delta":
            builder.finish = (document.get("delta") or {}).get("stop_reason") or builder.finish
            usage.update(_told(document.get("usage")))
    return streamed([builder], FINISH, _usage(usage))


def _add(builder: ChoiceBuilder, key: object, block: Mapping[str, Any]) -> None:
    kind = block.get("type")
    if kind == "text":
        builder.say(block.get("text"))
    elif kind == "thinking":
        builder.think(block.get("thinking"))
    elif kind == "tool_use":  # server_tool_use is the provider's own affair: nothing is asked of the caller
        builder.call(key, block.get("name"), block.get("input"))


def _start(builder: ChoiceBuilder, index: object, block: Mapping[str, Any]) -> None:
    if block.get("type") == "tool_use":
        builder.call(index, block.get("name"))
        if block.get("input"):  # some hosts send the whole input at once
            builder.call(index, None, block["input"])
    else:
        _add(builder, index, block)


def _add_delta(builder: ChoiceBuilder, index: object, delta: Mapping[str, Any]) -> None:
    kind = delta.get("type")
    if kind == "text_delta":
        builder.say(delta.get("text"))
    elif kind == "thinking_delta":
        builder.think(delta.get("thinking"))
    elif kind == "input_json_delta" and builder.has_call(index):
        builder.call(index, None, delta.get("partial_json"))


def _completion(documents: tuple[dict[str, Any], ...] | list[dict[str, Any]]) -> Expected:
    builder = ChoiceBuilder()
    for document in documents:
        builder.say(document.get("completion"))
        builder.finish = document.get("stop_reason") or builder.finish
    return streamed([builder], FINISH, None)


def _told(usage: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (usage or {}).items() if value is not None}


def _usage(usage: Mapping[str, Any]) -> Tokens | None:
    if "input_tokens" not in usage:
        return None
    cached = number(usage.get("cache_read_input_tokens"))
    prompt = number(usage["input_tokens"]) + cached + number(usage.get("cache_creation_input_tokens"))
    return tokens(prompt, number(usage.get("output_tokens")), cached)
