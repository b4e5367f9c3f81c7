"""One call to the loopback server, and what arrived there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import insights
from insights.core.types import ModelResponse
from tests.loopback import Received
from tests.unit.adapters.answers import family, sse
from tests.unit.adapters.loopback import Answer, Loopback, as_json, streamed

KEY = "key-0123456789"

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"], "additionalProperties": False}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "The weather in a city", "parameters": CITY}
TOOL = {"type": "function", "function": FUNCTION}
FORCED = {"type": "function", "function": {"name": "weather"}}

# What a parameter makes no sense without.
NEEDS: Mapping[str, dict[str, Any]] = {
    "function_call": {"functions": [FUNCTION]},
    "top_logprobs": {"logprobs": True},
    "tool_choice": {"tools": [TOOL]},
    "parallel_tool_calls": {"tools": [TOOL]},
}


def response(text: str = "Hello there") -> dict[str, Any]:
    """OpenAI's Response object (https://platform.openai.com/docs/api-reference/responses/object)."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    usage = {
        "input_tokens": 2000,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 500,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2500,
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1700000000, "status": "completed", "model": "the-model"}
    rest = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "error": None, "incomplete_details": None}
    return {**head, **rest, "output": [message], "usage": usage}


def response_stream(words: tuple[str, ...] = ("Hello", " there")) -> list[bytes]:
    """Its events (https://platform.openai.com/docs/api-reference/responses-streaming)."""
    begun = {**response(), "status": "in_progress", "output": [], "usage": None}
    item = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in words),
        {"type": "response.output_text.done", **place, "text": "".join(words)},
        {"type": "response.completed", "response": response("".join(words))},
    ]
    return [sse({"sequence_number": number, **event}, event["type"]) for number, event in enumerate(events)]


def answering(provider: str, request: Received) -> Answer:
    """The answer that fits a request, whole or streamed."""
    spoken = family(provider)
    body = request.body
    if request.target.partition("?")[0].endswith("/responses"):
        return streamed(*response_stream()) if body.get("stream") else as_json(response())
    streams = body.get("stream") or "stream" in request.target
    return spoken.stream() if streams else spoken.text()


def ask(server: Loopback, model: str, messages: Any = "Hello", **params: Any) -> tuple[Received, ModelResponse]:
    """The one request that a call makes, and its answer; `model` is `provider/model`."""
    provider = model.partition("/")[0]
    server.says(lambda request: answering(provider, request))
    given = {"api_base": server.url, "api_key": KEY, "cache": False, "num_retries": 0, "timeout": 20, **params}
    found: Any = insights.completion(model, messages, **given)
    if params.get("stream"):
        list(found)
        found = found.response
    return server.only, found


def camel(data: Any) -> Any:
    """Keys in lowerCamelCase. Google's JSON takes both spellings of a field (protobuf.dev, "ProtoJSON Format")."""
    if isinstance(data, list):
        return [camel(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {_camel(key): camel(value) for key, value in data.items()}


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def missing(found: Any, wanted: Any, where: str = "body") -> list[str]:
    """Where `wanted` is not contained in `found`: mappings may hold more, lists and scalars are equal."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return [f"{where}: expected an object, got {found!r}"]
        return [text for key, item in wanted.items() for text in missing(found.get(key), item, f"{where}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        return [text for i, (a, b) in enumerate(zip(found, wanted, strict=True)) for text in missing(a, b, f"{where}[{i}]")]
    same = found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
    return [] if same else [f"{where}: expected {wanted!r}, got {found!r}"]
