"""Anthropic's Messages API. Source: Anthropic's API reference, "Messages", "Streaming messages" and "Errors"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulator.answers import CACHE_FROM
from tests.simulator.wire import Answer, Asked, Tool, Wire, required, seed_of, sse, text_of, whole_number

_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def read(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to /v1/messages."""
    messages = required(body, "messages")
    required(body, "max_tokens")
    choice = body.get("tool_choice") or {}
    tools = [Tool(str(tool["name"]), tool.get("input_schema") or {}) for tool in body.get("tools") or ()]
    tools.sort(key=lambda tool: tool.name != choice.get("name"))
    format_ = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    users = [text for message in messages if message.get("role") == "user" and (text := _said(message))]
    thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    return Asked(
        provider=provider,
        model=str(required(body, "model")),
        seed=seed_of(body),
        words=users[-1] if users else "",
        heard="\n".join([text_of(body.get("system")), *(text_of(message.get("content")) for message in messages)]),
        turns=len(messages),
        tools=() if choice.get("type") == "none" else tuple(tools),
        told=_told(messages[-1]),
        schema=format_.get("schema") if format_.get("type") == "json_schema" else None,
        stream=bool(body.get("stream")),
        limit=whole_number(body.get("max_tokens")),
        thinks=thinks,
        shows_thoughts=thinks,
        body=body,
    )


def _said(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return text_of([part for part in content if part.get("type") == "text"] if isinstance(content, list) else content)


def _told(message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    results = [part for part in content if part.get("type") == "tool_result"] if isinstance(content, list) else []
    return text_of(results[-1].get("content")) if results else None


def usage(asked: Asked, answer: Answer) -> dict[str, Any]:
    """The count of tokens: cached ones beside the input's, and only where the request marks what to cache."""
    marked = '"cache_control"' in asked.seed and answer.prompt >= CACHE_FROM
    cached = answer.cached if marked else 0
    return {
        "input_tokens": answer.prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": answer.said + answer.reasoning,
        "service_tier": "standard",
    }


def _blocks(asked: Asked, answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if answer.thoughts:
        found.append({"type": "thinking", "thinking": answer.thoughts, "signature": "c2ltdWxhdGVk"})
    if answer.tool:
        found.append({"type": "tool_use", "id": asked.ident("toolu_"), "name": answer.tool, "input": dict(answer.arguments)})
    else:
        found.append({"type": "text", "text": answer.text})
    return found


def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece."""
    return {
        "model": asked.model,
        "id": asked.ident("msg_"),
        "type": "message",
        "role": "assistant",
        "content": _blocks(asked, answer),
        "stop_reason": _FINISH[answer.finish],
        "stop_sequence": None,
        "usage": usage(asked, answer),
    }


def events(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream: the message, its blocks with their deltas, the finish."""
    for event in _events(asked, answer):
        yield sse(event, event["type"])


def _events(asked: Asked, answer: Answer) -> Iterator[dict[str, Any]]:
    message = whole(asked, answer)
    told = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    counted = {**{name: message["usage"][name] for name in told}, "output_tokens": 1}
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": counted}}
    for index, block in enumerate(_blocks(asked, answer)):
        empty = {"thinking": "", "signature": "", "text": "", "input": {}}
        opened = {name: empty.get(name, value) for name, value in block.items()}
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(block, answer):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
        "usage": {"output_tokens": message["usage"]["output_tokens"]},
    }
    yield {"type": "message_stop"}


def _deltas(block: Mapping[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
    if block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "tool_use":
        arguments = answer.arguments_json
        middle = len(arguments) // 2
        for piece in ("", arguments[:middle], arguments[middle:]):
            yield {"type": "input_json_delta", "partial_json": piece}
    else:
        for piece in answer.pieces:
            yield {"type": "text_delta", "text": piece}


def failure(kind: str, message: str, wait: float | None) -> tuple[int, dict[str, Any]]:
    """Anthropic's API reference, "Errors"."""
    status, name = {
        "bad_request": (400, "invalid_request_error"),
        "bad_key": (401, "authentication_error"),
        "not_found": (404, "not_found_error"),
        "quota": (402, "billing_error"),
        "rate_limit": (429, "rate_limit_error"),
        "overloaded": (529, "overloaded_error"),
    }.get(kind, (500, "api_error"))
    return status, {"type": "error", "error": {"type": name, "message": message}, "request_id": "req_simulated"}


WIRE = Wire("anthropic", read, whole, events, failure, id_header="request-id")
