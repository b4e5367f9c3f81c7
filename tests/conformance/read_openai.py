"""Reads OpenAI's chat completions, as OpenAI and the many hosts that speak them write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, answer, first_number, number, streamed, tokens

FINISH = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "function_call",  # what tool calls were called before
    "content_filter": "content_filter",
    "sensitive": "content_filter",  # z.ai
}


def read(document: dict[str, Any], *, provider: str = "") -> Expected:
    """A whole `chat.completion`."""
    if not document.get("choices"):
        return Expected(errors=("APIResponseValidationError",))
    builders: dict[int, ChoiceBuilder] = {}
    for position, choice in enumerate(document["choices"]):
        builder = builders.setdefault(choice.get("index") or position, ChoiceBuilder())
        _add(builder, choice.get("message") or {})
        builder.finish = choice.get("finish_reason")
        if "text" in choice and "message" not in choice:
            builder.say(choice["text"])
    return answer(_ordered(builders), FINISH, _usage(document.get("usage"), provider))


def read_stream(stream: Stream, *, provider: str = "") -> Expected:
    """The `chat.completion.chunk`s of a stream. The last usage counts: several hosts send a running one."""
    builders: dict[int, ChoiceBuilder] = {}
    usage: Mapping[str, Any] | None = None
    for document in stream.documents:
        usage = _chunk_usage(document) or usage
        for choice in document.get("choices") or ():
            builder = builders.setdefault(choice.get("index") or 0, ChoiceBuilder())
            _add(builder, choice.get("delta") or {})
            builder.finish = choice.get("finish_reason") or builder.finish
    return streamed(_ordered(builders), FINISH, _usage(usage, provider), closed=stream.closed)


def content_parts(builder: ChoiceBuilder, content: object) -> None:
    """Text, or a list of parts as Mistral and others answer with."""
    if isinstance(content, str):
        builder.say(content)
        return
    for part in content if isinstance(content, list) else ():
        if part.get("type") == "thinking":
            thinking = part.get("thinking")
            for piece in thinking if isinstance(thinking, list) else [{"text": thinking}]:
                builder.think(piece.get("text"))
        elif part.get("type") in {"text", None}:
            builder.say(part.get("text"))


def _add(builder: ChoiceBuilder, message: Mapping[str, Any]) -> None:
    content_parts(builder, message.get("content"))
    builder.refuse(message.get("refusal"))
    builder.think(message.get("reasoning_content") or message.get("reasoning"))
    if message.get("function_call"):
        call = message["function_call"]
        builder.call("function_call", call.get("name"), call.get("arguments"))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        builder.call(_key(builder, call), function.get("name"), function.get("arguments"))


def _key(builder: ChoiceBuilder, call: Mapping[str, Any]) -> object:
    """Which call a piece belongs to: by index, but some hosts give every call index 0, or none an index."""
    index, identity = call.get("index"), call.get("id")
    known = builder.keys.get(index)
    if known is not None and (call.get("function") or {}).get("name"):
        starts_another = index is None or (bool(identity) and known != (index, identity))
    else:
        starts_another = False
    if known is None or starts_another:
        builder.keys[index] = (index, identity or len(builder.calls))
    return builder.keys[index]


def _chunk_usage(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Usage stands beside the choices; Groq also has it under `x_groq`, Moonshot inside the last choice."""
    if document.get("usage"):
        return _mapping(document["usage"])
    if (document.get("x_groq") or {}).get("usage"):
        return _mapping(document["x_groq"]["usage"])
    for choice in document.get("choices") or ():
        if choice.get("usage"):
            return _mapping(choice["usage"])
    return None


def _usage(usage: Mapping[str, Any] | None, provider: str) -> Tokens | None:
    if not usage or "prompt_tokens" not in usage:
        return None
    prompt, completion, total = (number(usage.get(f"{kind}_tokens")) for kind in ("prompt", "completion", "total"))
    reasoning = first_number(usage, "completion_tokens_details.reasoning_tokens", "reasoning_tokens")
    outputs = {completion}
    if total > prompt + completion:  # reasoning left out of the completion, which by OpenAI's convention holds it
        outputs = {total - prompt} if provider == "xai" else {completion, total - prompt}
    cached = first_number(
        usage, "prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens"
    )
    return tokens(prompt, outputs, cached, reasoning or None)


def _ordered(builders: dict[int, ChoiceBuilder]) -> list[ChoiceBuilder]:
    return [builders[index] for index in sorted(builders)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
