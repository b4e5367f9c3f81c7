"""Google's generateContent, as the Gemini API and Vertex AI speak it.

Source: the Gemini API reference, "Generating content", and its guide "Troubleshooting" for the errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from tests.simulator import answers
from tests.simulator.wire import Answer, Asked, Tool, Wire, required, seed_of, sse, text_of, whole_number


def read(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to models/{model}:generateContent or :streamGenerateContent."""
    contents = required(body, "contents")
    model, _, verb = unquote(path).rpartition("/models/")[2].rpartition(":")
    settings: Mapping[str, Any] = body.get("generationConfig") or body.get("generation_config") or {}
    thinking: Mapping[str, Any] = settings.get("thinkingConfig") or {}
    budget = thinking.get("thinkingBudget", thinking.get("thinking_budget"))
    thinks = answers.thinks(model) and budget != 0
    users = [item for item in contents if item.get("role") in (None, "user") and text_of(item.get("parts"))]
    json_wanted = _either(settings, "responseMimeType", "response_mime_type") == "application/json"
    schema: Mapping[str, Any] | None = next((settings[n] for n in _SCHEMAS if settings.get(n)), {}) if json_wanted else None
    system = body.get("systemInstruction") or body.get("system_instruction")
    return Asked(
        provider=provider,
        model=model,
        seed=seed_of(body),
        words=text_of(users[-1].get("parts")) if users else "",
        heard="\n".join([text_of(system), *(text_of(item.get("parts")) for item in contents)]),
        turns=len(contents),
        tools=_tools(body),
        told=_told(contents[-1]),
        schema=schema,
        stream=verb == "streamGenerateContent",
        limit=whole_number(_either(settings, "maxOutputTokens", "max_output_tokens")),
        thinks=thinks,
        shows_thoughts=thinks and bool(_either(thinking, "includeThoughts", "include_thoughts")),
        body=body,
    )


_SCHEMAS = ("responseSchema", "response_schema", "responseJsonSchema", "response_json_schema")


def _either(mapping: Mapping[str, Any], *names: str) -> Any:
    """Google takes both spellings of every field."""
    return next((mapping[name] for name in names if name in mapping), None)


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    mode = _either(_either(body, "toolConfig", "tool_config") or {}, "functionCallingConfig", "function_calling_config") or {}
    if mode.get("mode") == "NONE":
        return ()
    tools = body.get("tools") or ()
    declared = [d for tool in tools for d in _either(tool, "functionDeclarations", "function_declarations") or ()]
    return tuple(Tool(d["name"], _either(d, "parameters", "parametersJsonSchema") or {}) for d in declared)


def _told(content: Mapping[str, Any]) -> str | None:
    parts = [_either(part, "functionResponse", "function_response") for part in content.get("parts") or ()]
    results = [part for part in parts if part]
    return str(next(iter((results[-1].get("response") or {"": ""}).values()))) if results else None


def _counted(asked: Asked, answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "promptTokenCount": answer.prompt,
        "candidatesTokenCount": answer.said,
        "totalTokenCount": answer.prompt + answer.said + answer.reasoning,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.prompt}],
    }
    if answer.cached:
        found["cachedContentTokenCount"] = answer.cached
        found["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": answer.cached}]
    if answer.reasoning:
        found["thoughtsTokenCount"] = answer.reasoning
    if asked.provider == "vertex":
        found["trafficType"] = "ON_DEMAND"
        found["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": answer.said}]
    return found


def _answer(asked: Asked, answer: Answer, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if finish:
        candidate["finishReason"] = finish
    if asked.provider != "vertex":
        candidate["index"] = 0
    return {
        "candidates": [candidate],
        "usageMetadata": _counted(asked, answer),
        "modelVersion": asked.model,
        "responseId": asked.ident("", 20),
    }


def _finish(answer: Answer) -> str:
    return "MAX_TOKENS" if answer.finish == "length" else "STOP"


def _parts(answer: Answer) -> Iterator[dict[str, Any]]:
    if answer.thoughts:
        yield {"text": answer.thoughts, "thought": True}
    if answer.tool:
        yield {"functionCall": {"name": answer.tool, "args": dict(answer.arguments)}}
    else:
        yield {"text": answer.text}


def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece."""
    return _answer(asked, answer, list(_parts(answer)), _finish(answer))


def events(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream of answers; the last one tells the finish."""
    parts = [part for part in _parts(answer) if part.get("thought") or answer.tool]
    parts += [{"text": piece} for piece in answer.pieces]
    for position, part in enumerate(parts, 1):
        finish = _finish(answer) if position == len(parts) else None
        yield sse(_answer(asked, answer, [part], finish)).replace(b"\n", b"\r\n")


def failure(kind: str, message: str, wait: float | None) -> tuple[int, dict[str, Any]]:
    """Google's error model (google.rpc.Status as JSON). A wrong key is a 400 there, an overload a 503."""
    status, name = {
        "bad_request": (400, "INVALID_ARGUMENT"),
        "bad_key": (400, "INVALID_ARGUMENT"),
        "not_found": (404, "NOT_FOUND"),
        "quota": (429, "RESOURCE_EXHAUSTED"),
        "rate_limit": (429, "RESOURCE_EXHAUSTED"),
        "overloaded": (503, "UNAVAILABLE"),
    }.get(kind, (500, "INTERNAL"))
    details: list[dict[str, Any]] = []
    if kind == "bad_key":
        reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": {"service": _SERVICE}}
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", **reason})
    if kind == "rate_limit" and wait is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait:g}s"})
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    return status, {"error": {**error, "details": details} if details else error}


_SERVICE = "generativelanguage.googleapis.com"

WIRE = Wire("gemini", read, whole, events, failure, stream_type="text/event-stream", id_header=None)
