"""The smaller wires: Cohere's chat v2, Ollama's /api/chat and Bedrock's Converse, from their API references."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from tests.simulator import openai_chat
from tests.simulator.wire import Answer, Asked, Tool, Wire, compact, cut, required, seed_of, sse, text_of, whole_number

# ---------------------------------------------------------------- Cohere


def read_cohere(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to /v2/chat: OpenAI's, but for the schema and the limit."""
    wanted = body.get("response_format") or {}
    schema = (wanted.get("json_schema") or wanted.get("schema") or {}) if wanted.get("type") == "json_object" else None
    asked = openai_chat.read(provider, path, {**body, "response_format": None})
    return Asked(**{**vars(asked), "schema": schema, "seed": seed_of(body), "shows_thoughts": False, "thinks": False})


def _cohere_usage(asked: Asked, answer: Answer) -> dict[str, Any]:
    counts = {"input_tokens": answer.prompt, "output_tokens": answer.said}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": answer.cached}


_COHERE_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}


def _cohere_call(asked: Asked, answer: Answer) -> dict[str, Any]:
    function = {"name": answer.tool, "arguments": answer.arguments_json}
    return {"id": asked.ident(f"{answer.tool}_", 12), "type": "function", "function": function}


def whole_cohere(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece."""
    message: dict[str, Any] = {"role": "assistant"}
    if answer.tool:
        message |= {"tool_plan": f"I will use {answer.tool}.", "tool_calls": [_cohere_call(asked, answer)]}
    else:
        message["content"] = [{"type": "text", "text": answer.text}]
    finish = _COHERE_FINISH[answer.finish]
    return {"id": asked.uuid, "message": message, "finish_reason": finish, "usage": _cohere_usage(asked, answer)}


def events_cohere(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream."""
    for event in _cohere_events(asked, answer):
        yield sse(event, event["type"])


def _cohere_events(asked: Asked, answer: Answer) -> Iterator[dict[str, Any]]:
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": asked.uuid, "type": "message-start", "delta": {"message": start}}
    if answer.tool:
        call = _cohere_call(asked, answer)
        opened = {**call, "function": {"name": answer.tool, "arguments": ""}}
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": f"I will use {answer.tool}."}}}
        yield {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": opened}}}
        more = {"function": {"arguments": answer.arguments_json}}
        yield {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": more}}}
        yield {"type": "tool-call-end", "index": 0}
    else:
        opened = {"content": {"type": "text", "text": ""}}
        yield {"type": "content-start", "index": 0, "delta": {"message": opened}}
        for piece in answer.pieces:
            yield {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}}
        yield {"type": "content-end", "index": 0}
    ended = {"finish_reason": _COHERE_FINISH[answer.finish], "usage": _cohere_usage(asked, answer)}
    yield {"type": "message-end", "delta": ended}


def failure_cohere(kind: str, message: str, wait: float | None) -> tuple[int, dict[str, Any]]:
    """Cohere's reference, "Errors"."""
    status, _ = openai_chat.failure(kind, message, wait)
    return status, {"id": "00000000-0000-0000-0000-000000000000", "message": message}


# ---------------------------------------------------------------- Ollama


_OLLAMA_THINKERS = re.compile(r"qwen3|gpt-oss|-r1")


def read_ollama(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to /api/chat; it streams unless told not to."""
    format_ = body.get("format")
    asked = openai_chat.read(provider, path, body)
    changes = {
        "schema": format_ if isinstance(format_, Mapping) else {} if format_ == "json" else None,
        "limit": whole_number((body.get("options") or {}).get("num_predict")),
        "stream": body.get("stream", True) is not False,
        "thinks": False,
        "shows_thoughts": bool(body.get("think", _OLLAMA_THINKERS.search(asked.model))),
    }
    return Asked(**{**vars(asked), **changes})


def _line(asked: Asked, message: dict[str, Any]) -> dict[str, Any]:
    return {"model": asked.model, "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", **message}}


def whole_ollama(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece; durations are nanoseconds."""
    message: dict[str, Any] = {"content": answer.text}
    if answer.thoughts:
        message["thinking"] = answer.thoughts
    if answer.tool:
        call = {"index": 0, "name": answer.tool, "arguments": dict(answer.arguments)}
        message["tool_calls"] = [{"id": asked.ident("call_", 8), "function": call}]
    return {
        **_line(asked, message),
        "done": True,
        "done_reason": "length" if answer.finish == "length" else "stop",
        "total_duration": 3_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": answer.prompt,
        "prompt_eval_duration": 1_000_000,
        "eval_count": answer.said,
        "eval_duration": 1_000_000,
    }


def events_ollama(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream of lines; the last one has the counts."""
    last = whole_ollama(asked, answer)
    if answer.tool:
        yield _lined({**_line(asked, {k: v for k, v in last["message"].items() if k != "role"}), "done": False})
    else:
        for piece in cut(answer.text):
            yield _lined({**_line(asked, {"content": piece}), "done": False})
    yield _lined({**last, "message": {"role": "assistant", "content": ""}})


def _lined(data: dict[str, Any]) -> bytes:
    return f"{compact(data)}\n".encode()


def failure_ollama(kind: str, message: str, wait: float | None) -> tuple[int, dict[str, Any]]:
    """Ollama's API reference: `{"error": "..."}`."""
    return openai_chat.failure(kind, message, wait)[0], {"error": message}


# ---------------------------------------------------------------- Bedrock


def read_bedrock(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to /model/{id}/converse or /converse-stream."""
    messages = required(body, "messages")
    model, _, verb = unquote(path).rpartition("/model/")[2].rpartition("/")
    specs = [tool["toolSpec"] for tool in (body.get("toolConfig") or {}).get("tools") or () if "toolSpec" in tool]
    users = [text for m in messages if m.get("role") == "user" and (text := text_of(m.get("content")))]
    results = [part["toolResult"] for part in messages[-1].get("content") or () if "toolResult" in part]
    return Asked(
        provider=provider,
        model=model,
        seed=seed_of(body),
        words=users[-1] if users else "",
        heard="\n".join([text_of(body.get("system")), *(text_of(m.get("content")) for m in messages)]),
        turns=len(messages),
        tools=tuple(Tool(spec["name"], (spec.get("inputSchema") or {}).get("json") or {}) for spec in specs),
        told=text_of(results[-1].get("content")) if results else None,
        stream=verb == "converse-stream",
        limit=whole_number((body.get("inferenceConfig") or {}).get("maxTokens")),
        body=body,
    )


_BEDROCK_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def _bedrock_usage(answer: Answer) -> dict[str, Any]:
    total = answer.prompt + answer.said
    return {"inputTokens": answer.prompt, "outputTokens": answer.said, "serverToolUsage": {}, "totalTokens": total}


def whole_bedrock(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece."""
    use = {"input": dict(answer.arguments), "name": answer.tool, "toolUseId": asked.ident("tooluse_", 22)}
    content: list[dict[str, Any]] = [{"toolUse": use}] if answer.tool else [{"text": answer.text}]
    return {
        "metrics": {"latencyMs": 1},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": _BEDROCK_FINISH[answer.finish],
        "usage": _bedrock_usage(answer),
    }


def events_bedrock(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream of Amazon's binary frames."""
    yield frame("messageStart", {"role": "assistant"})
    if answer.tool:
        start = {"toolUse": {"name": answer.tool, "toolUseId": asked.ident("tooluse_", 22)}}
        yield frame("contentBlockStart", {"contentBlockIndex": 0, "start": start})
    deltas: list[dict[str, Any]] = (
        [{"toolUse": {"input": answer.arguments_json}}] if answer.tool else [{"text": piece} for piece in answer.pieces]
    )
    for delta in deltas:
        yield frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})
    yield frame("contentBlockStop", {"contentBlockIndex": 0})
    yield frame("messageStop", {"stopReason": _BEDROCK_FINISH[answer.finish]})
    yield frame("metadata", {"metrics": {"latencyMs": 1}, "usage": _bedrock_usage(answer)})


def frame(kind: str, payload: Mapping[str, Any]) -> bytes:
    """One message of Amazon's event stream encoding (Smithy, "Amazon Event Stream specification")."""
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    body = compact(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


def failure_bedrock(kind: str, message: str, wait: float | None) -> tuple[int, dict[str, Any]]:
    """Amazon Bedrock's API reference, "Converse", errors."""
    status, _ = openai_chat.failure(kind, message, wait)
    return 403 if kind == "bad_key" else status, {"message": message}


COHERE = Wire("cohere", read_cohere, whole_cohere, events_cohere, failure_cohere, "text/event-stream", None)
OLLAMA = Wire("ollama", read_ollama, whole_ollama, events_ollama, failure_ollama, "application/x-ndjson", None)
BEDROCK = Wire(
    "bedrock",
    read_bedrock,
    whole_bedrock,
    events_bedrock,
    failure_bedrock,
    "application/vnd.amazon.eventstream",
    "x-amzn-requestid",
)
