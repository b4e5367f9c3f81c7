"""Hand-written oddities of Anthropic, Google, Cohere and Ollama: rarer blocks, older versions, late counts."""

from __future__ import annotations

from typing import Any

from .recordings import Recording
from .samples import (
    ASKED,
    JSON_LINES,
    QUESTION,
    SSE,
    WEATHER,
    WEATHER_TOOL,
    Json,
    json_lines,
    sample,
    sse,
)


def _asked(model: str, **more: Any) -> Json:
    return ASKED | {"model": model} | more


_CALL: Json = {"id": "t0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}


def anthropic_oddities() -> list[Recording]:
    """Blocks that are neither text nor a call of the caller's tools, and counts that come late."""
    usage = {"input_tokens": 4, "output_tokens": 5}
    head = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None, "usage": usage}
    cited = {
        "type": "text",
        "text": "Paris.",
        "citations": [
            {
                "type": "char_location",
                "cited_text": "P",
                "document_index": 0,
                "document_title": None,
                "start_char_index": 0,
                "end_char_index": 1,
            }
        ],
    }
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    hidden, thought = {"type": "redacted_thinking", "data": "xx"}, {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    begun: Json = head | {"content": [], "stop_reason": None, "usage": {"input_tokens": 4, "output_tokens": 1}}

    def block(index: int, start: Json, *deltas: Json) -> list[Json]:
        return [
            {"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    def stream(*blocks: list[Json], usage: Json, reason: str) -> bytes:
        end = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
        inner = [document for documents in blocks for document in documents]
        return sse({"type": "message_start", "message": begun}, *inner, end, {"type": "message_stop"})

    def said(text: str) -> Json:
        return {"type": "text_delta", "text": text}

    thinking = block(
        0,
        thought | {"thinking": ""},
        {"type": "thinking_delta", "thinking": "Hm."},
        {"type": "signature_delta", "signature": "s"},
    )
    searching = block(1, search | {"input": {}}, {"type": "input_json_delta", "partial_json": '{"query": "x"}'})
    citing = block(
        3,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": cited["citations"][0]},
        said("Par"),
        said("is."),
    )
    no_arguments = block(1, {"type": "tool_use", "id": "t", "name": "now", "input": {}})
    path, asked = "/v1/messages", _asked("claude-sonnet-4-5", max_tokens=64)
    tools = [{"name": "now", "input_schema": {"type": "object", "properties": {}}}]
    searched = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    late = usage | {"input_tokens": 400, "output_tokens": 9, "cache_read_input_tokens": 0}
    return [
        sample("anthropic/cited", path, asked, head | {"content": [cited], "stop_reason": "end_turn"}),
        sample("anthropic/thought", path, asked, head | {"content": [hidden, thought, cited], "stop_reason": "end_turn"}),
        sample("anthropic/stopped", path, asked, head | {"content": [cited], "stop_reason": "stop_sequence"}),
        sample(
            "anthropic/searched", path, asked | searched, head | {"content": [search, result, cited], "stop_reason": "end_turn"}
        ),
        sample(
            "anthropic/searched_stream",
            path,
            asked | searched | {"stream": True},
            stream(thinking, searching, block(2, result), citing, usage=late, reason="end_turn"),
            kind=SSE,
        ),
        sample(
            "anthropic/no_arguments",
            path,
            asked | {"stream": True, "tools": tools},
            stream(thinking, no_arguments, usage={"output_tokens": 9}, reason="tool_use"),
            kind=SSE,
        ),
        sample(
            "anthropic/too_large",
            path,
            asked,
            {"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}},
            status=413,
        ),
        sample(
            "anthropic/too_fast",
            path,
            asked,
            {
                "type": "error",
                "error": {"type": "rate_limit_error", "message": "This request would exceed your organization's rate limit"},
            },
            status=429,
        ),
        sample(
            "anthropic/poor",
            path,
            asked,
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "Your credit balance is too low to access the Anthropic API.",
                },
            },
            status=400,
        ),
    ]


def google_oddities() -> list[Recording]:
    def candidate(*parts: Json, finish: str = "STOP", index: int = 0) -> Json:
        return {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": index}

    usage = {"promptTokenCount": 8, "candidatesTokenCount": 3, "totalTokenCount": 11}
    asked: Json = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
    tools = asked | {"tools": [{"functionDeclarations": [{"name": "weather", "parameters": WEATHER}]}]}
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    code: list[Json] = [
        {"text": "See:"},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"text": "Paris"},
    ]
    call = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"}
    long = {
        "error": {
            "code": 400,
            "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            "status": "INVALID_ARGUMENT",
        }
    }
    busy = {"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}
    none = {
        "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}],
        "usageMetadata": {"promptTokenCount": 8, "thoughtsTokenCount": 20, "totalTokenCount": 28},
    }
    malformed = {"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}], "usageMetadata": usage}
    two = {"candidates": [candidate({"text": "a"}), candidate({"text": "b"}, index=1)], "usageMetadata": usage}
    return [
        sample("gemini/parts", path, asked, {"candidates": [candidate(*code)], "usageMetadata": usage}),
        sample("gemini/two", path, asked | {"generationConfig": {"candidateCount": 2}}, two),
        sample(
            "gemini/text_and_call", path, tools, {"candidates": [candidate({"text": "I look."}, call)], "usageMetadata": usage}
        ),
        sample("gemini/uncounted", path, asked, {"candidates": [candidate({"text": "Paris"})]}),
        sample("gemini/only_thought", path, asked, none),
        sample("gemini/malformed", path, asked, malformed),
        sample(
            "gemini/recited", path, asked, {"candidates": [{"finishReason": "RECITATION", "index": 0}], "usageMetadata": usage}
        ),
        sample("gemini/long", path, asked, long, status=400),
        sample("gemini/busy", path, asked, busy, status=503),
        sample(
            "vertex/express",
            "/v1/publishers/google/models/gemini-2.5-flash:streamGenerateContent",
            asked,
            sse({"candidates": [candidate({"text": "Paris"})], "usageMetadata": usage}),
            kind=SSE,
        ),
    ]


def cohere_oddities() -> list[Recording]:
    meta = {"tokens": {"input_tokens": 70, "output_tokens": 6}, "billed_units": {"input_tokens": 3, "output_tokens": 4}}
    call = {"name": "weather", "parameters": {"city": "Paris"}}
    v1: Json = {"model": "command-r", "message": QUESTION}
    tooled = v1 | {
        "tools": [{"name": "weather", "description": "", "parameter_definitions": {"city": {"type": "str", "required": True}}}]
    }
    done = {
        "response_id": "r",
        "text": "Paris.",
        "generation_id": "g",
        "chat_history": [],
        "finish_reason": "COMPLETE",
        "meta": meta,
    }
    events = [
        {"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
        {"is_finished": False, "event_type": "text-generation", "text": "Par"},
        {"is_finished": False, "event_type": "text-generation", "text": "is."},
        {"is_finished": True, "event_type": "stream-end", "response": done, "finish_reason": "COMPLETE"},
    ]
    end = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": meta}}

    def said(kind: str, index: int, **message: Any) -> Json:
        return {"type": kind, "index": index, "delta": {"message": message}}

    thought = [
        said("content-start", 0, content={"type": "thinking", "thinking": ""}),
        said("content-delta", 0, content={"thinking": "Hm."}),
        {"type": "content-end", "index": 0},
        said("content-start", 1, content={"type": "text", "text": ""}),
        said("content-delta", 1, content={"text": "Paris."}),
        said("citation-start", 0, citations={"start": 0, "end": 5, "text": "Paris", "sources": [], "type": "TEXT_CONTENT"}),
        {"type": "citation-end", "index": 0},
        {"type": "content-end", "index": 1},
    ]
    begun = {"id": "x", "type": "message-start", "delta": {"message": {"role": "assistant"}}}
    v2 = _asked("command-a-reasoning-08-2025", stream=True)
    both = {"role": "assistant", "tool_plan": "I look.", "tool_calls": [_CALL], "content": [{"type": "text", "text": "So:"}]}
    return [
        sample("cohere/v1_stream", "/v1/chat", v1 | {"stream": True}, json_lines(*events), kind="application/stream+json"),
        sample("cohere/v1_tool", "/v1/chat", tooled, done | {"text": "", "tool_calls": [call]}),
        sample("cohere/thought", "/v2/chat", v2, sse(begun, *thought, end), kind=SSE),
        sample(
            "cohere/text_and_call",
            "/v2/chat",
            _asked("command-a-03-2025", tools=[WEATHER_TOOL]),
            {"id": "x", "message": both, "finish_reason": "TOOL_CALL", "usage": meta},
        ),
        sample(
            "cohere/toxic",
            "/v2/chat",
            _asked("command-r"),
            {"id": "x", "message": {"role": "assistant", "content": []}, "finish_reason": "ERROR_TOXIC", "usage": meta},
        ),
    ]


def ollama_oddities() -> list[Recording]:
    def said(content: str, **more: Any) -> Json:
        return {"model": "m", "message": {"role": "assistant", "content": content, **more}, "done": False}

    calls = [{"function": {"name": "weather", "arguments": {"city": city}}} for city in ("Paris", "Rome")]
    counts = {"prompt_eval_count": 11, "eval_count": 7}
    path, asked, still = "/api/chat", _asked("llama3.2", stream=True), _asked("llama3.2", stream=False)
    shaped = still | {"format": WEATHER, "options": {"temperature": 0}}
    return [
        sample(
            "ollama/old", path, asked, json_lines(said("Par"), said("is."), said("") | counts | {"done": True}), kind=JSON_LINES
        ),
        sample(
            "ollama/calls",
            path,
            asked | {"tools": [WEATHER_TOOL]},
            json_lines(
                *(said("", tool_calls=[call]) for call in calls), said("") | counts | {"done": True, "done_reason": "stop"}
            ),
            kind=JSON_LINES,
        ),
        sample("ollama/fails", path, asked, json_lines(said("Par"), {"error": "an error was encountered"}), kind=JSON_LINES),
        sample("ollama/shaped", path, shaped, said('{"city": "Paris"}') | counts | {"done": True, "done_reason": "stop"}),
        sample("ollama/whole", path, still, said("Paris.", thinking="Hm.") | counts | {"done": True, "done_reason": "stop"}),
        sample("ollama/too_little", path, still, {"error": "model requires more system memory"}, status=500),
    ]


NATIVE_ODDITIES = [*anthropic_oddities(), *google_oddities(), *cohere_oddities(), *ollama_oddities()]
