"""Hand-written answers in the providers' own formats: Anthropic, Google, Cohere, Ollama, Bedrock."""

from __future__ import annotations

from typing import Any

from .recordings import Recording
from .samples import (
    ASKED,
    AWS,
    JSON_LINES,
    QUESTION,
    SSE,
    WEATHER,
    WEATHER_TOOL,
    Json,
    aws,
    aws_chunks,
    aws_frame,
    json_lines,
    sample,
    sse,
)

_ANTHROPIC_USAGE = {"input_tokens": 4, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 2}


def _message() -> Json:
    content = [{"type": "text", "text": "Paris "}, {"type": "text", "text": "it is."}]
    head = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None}
    return head | {"content": content, "stop_reason": "end_turn", "usage": _ANTHROPIC_USAGE | {"output_tokens": 5}}


def _message_events() -> list[Json]:
    begun = _message() | {"content": [], "stop_reason": None, "usage": _ANTHROPIC_USAGE | {"output_tokens": 1}}
    tool = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
    arguments = ("", '{"city": "Pa', 'ris"}')
    return [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Paris é🗼 [DONE]\u2028"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": tool},
        *(
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in arguments
        ),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]


def anthropic() -> list[Recording]:
    tools = [{"name": "weather", "input_schema": WEATHER}]
    still = ASKED | {"model": "claude-haiku-4-5", "max_tokens": 64, "tools": tools}
    path, asked, events = "/v1/messages", still | {"stream": True}, _message_events()
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return [
        sample("anthropic/tool", path, asked, sse(*events), kind=SSE),
        sample("anthropic/cut", path, asked, sse(*events[:5]), kind=SSE),
        sample("anthropic/fails", path, asked, sse(*events[:4], overloaded), kind=SSE),
        sample("anthropic/fails_at_once", path, asked, sse(overloaded), kind=SSE),
        sample("anthropic/refusal", path, still, _message() | {"stop_reason": "refusal"}),
        sample("anthropic/busy", path, still, overloaded, status=529),
    ]


def google() -> list[Recording]:
    def said(*parts: Json, **more: Any) -> Json:
        return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}]}

    counted = {"promptTokenCount": 8, "totalTokenCount": 8}
    total = {"candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 15, "cachedContentTokenCount": 2}
    usage = {"usageMetadata": counted | total}
    call = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}
    text = [
        said({"text": "Hm.", "thought": True}) | {"usageMetadata": counted},
        said({"text": "Par"}),
        said({"text": "is é🗼\u0085"}, finishReason="STOP") | usage,
    ]
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": counted}
    reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    key = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [reason]}
    asked: Json = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
    whole = "/v1beta/models/gemini-2.5-flash:generateContent"
    stream = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    project = "/v1/projects/p1/locations/us-central1/publishers/google/models/gemini-2.5-flash:streamGenerateContent"
    array = b"[" + b",\n".join(json_lines(document).strip() for document in text) + b"]"
    return [
        sample("gemini/text", stream, asked, sse(*text), kind=SSE),
        sample("gemini/array", stream, asked, array),
        sample("gemini/tools", stream, asked, sse(said(call, call, finishReason="STOP") | usage), kind=SSE),
        sample("gemini/filtered", stream, asked, sse(said(finishReason="SAFETY") | usage), kind=SSE),
        sample("gemini/blocked", whole, asked, blocked),
        sample("gemini/blocked_stream", stream, asked, sse(blocked), kind=SSE),
        sample("gemini/cut", stream, asked, sse(*text[:2]), kind=SSE),
        sample("gemini/key", whole, asked, {"error": key}, status=400),
        sample("vertex/text", project, asked, sse(*text), kind=SSE),
    ]


def cohere() -> list[Recording]:
    def said(kind: str, **message: Any) -> Json:
        return {"type": kind, "index": 0, "delta": {"message": message}}

    def end(reason: str) -> Json:
        usage = {"billed_units": {"input_tokens": 3}, "tokens": {"input_tokens": 70, "output_tokens": 6}}
        return {"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}}

    start = {"id": "x", "type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}}
    text = [
        said("content-start", content={"type": "text", "text": ""}),
        *(said("content-delta", content={"text": piece}) for piece in ("Par", "is é🗼")),
        {"type": "content-end", "index": 0},
    ]
    call = {"id": "w1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    tool = [
        said("tool-plan-delta", tool_plan="I will look."),
        said("tool-call-start", tool_calls=call),
        *(said("tool-call-delta", tool_calls={"function": {"arguments": piece}}) for piece in ('{"city"', ': "Paris"}')),
        {"type": "tool-call-end", "index": 0},
    ]
    path, asked = "/v2/chat", ASKED | {"model": "command-r", "stream": True}
    asking = asked | {"tools": [WEATHER_TOOL]}
    return [
        sample("cohere/text", path, asked, sse(start, *text, end("COMPLETE")), kind=SSE),
        sample("cohere/length", path, asked, sse(start, *text, end("MAX_TOKENS")), kind=SSE),
        sample("cohere/tool", path, asking, sse(start, *tool, end("TOOL_CALL")), kind=SSE),
        sample("cohere/cut", path, asked, sse(start, *text), kind=SSE),
    ]


def ollama() -> list[Recording]:
    def said(content: str, **more: Any) -> Json:
        return {"model": "llama3.2", "message": {"role": "assistant", "content": content, **more}, "done": False}

    counts = {"done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}
    end, call = said("") | counts, {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
    path, asked = "/api/chat", ASKED | {"model": "llama3.2", "stream": True}
    asking = asked | {"tools": [WEATHER_TOOL]}
    text, thought = (said("Par"), said("is é🗼\u2028")), said("", thinking="Hm.")
    short = end | {"done_reason": "length"}
    return [
        sample("ollama/text", path, asked, json_lines(*text, end), kind=JSON_LINES),
        sample("ollama/thought", path, asked, json_lines(thought, *text, end), kind=JSON_LINES),
        sample("ollama/tool", path, asking, json_lines(said("", tool_calls=[call]), end), kind=JSON_LINES),
        sample("ollama/length", path, asked, json_lines(*text, short), kind=JSON_LINES),
        sample("ollama/cut", path, asked, json_lines(*text), kind=JSON_LINES),
        sample("ollama/missing", path, asked, {"error": "model 'llama3.2' not found"}, status=404),
    ]


def converse() -> list[Recording]:
    def said(index: int, **delta: Any) -> tuple[str, Json]:
        return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abcdef"}

    def end(reason: str) -> tuple[tuple[str, Json], ...]:
        return ("messageStop", {"stopReason": reason}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})

    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 25, "cacheReadInputTokens": 7}
    usage |= {"cacheWriteInputTokens": 3}
    start, text = ("messageStart", {"role": "assistant"}), (said(0, text="Par"), said(0, text="is é🗼"))
    call = {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}
    tool: list[tuple[str, Json]] = [
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockStart", call),
        said(1, toolUse={"input": '{"city": '}),
        said(1, toolUse={"input": '"Paris"}'}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
    ]
    thought = said(0, reasoningContent={"text": "Hm."})
    failure = aws_frame({"message": "slow down"}, message_type="exception", exception_type="throttlingException")
    asked: Json = {
        "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
        "inferenceConfig": {"maxTokens": 64},
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": WEATHER}}}]},
    }
    model = "/model/anthropic.claude-3-haiku-20240307-v1%3A0"
    path = f"{model}/converse-stream"
    refused = {"output": {"message": {"role": "assistant", "content": [{"text": "No."}]}}, "usage": usage}
    return [
        sample("bedrock/text", path, asked, aws(start, *text, *end("end_turn")), kind=AWS),
        sample("bedrock/tool", path, asked, aws(start, *text, *tool, *end("tool_use")), kind=AWS),
        sample("bedrock/thought", path, asked, aws(start, thought, *text, *end("max_tokens")), kind=AWS),
        sample("bedrock/cut", path, asked, aws(start, *text), kind=AWS),
        sample("bedrock/fails", path, asked, aws(start, *text) + failure, kind=AWS),
        sample("bedrock/guardrail", f"{model}/converse", asked, refused | {"stopReason": "guardrail_intervened"}),
    ]


def invoke() -> list[Recording]:
    claude, llama = "/model/anthropic.claude-3-haiku-20240307-v1%3A0", "/model/meta.llama3-8b-instruct-v1%3A0"
    messages = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": ASKED["messages"]}
    prompt: Json = {"prompt": QUESTION, "max_gen_len": 9}
    end = {"generation": "is.", "prompt_token_count": 9, "generation_token_count": 3, "stop_reason": "stop"}
    begun = end | {"generation": "Par", "generation_token_count": 1, "stop_reason": None}
    stream = "invoke-with-response-stream"
    return [
        sample("bedrock/invoke", f"{claude}/invoke", messages, _message()),
        sample("bedrock/invoke_stream", f"{claude}/{stream}", messages, aws_chunks(*_message_events()), kind=AWS),
        sample("bedrock/invoke_llama", f"{llama}/invoke", prompt, end),
        sample("bedrock/invoke_llama_stream", f"{llama}/{stream}", prompt, aws_chunks(begun, end), kind=AWS),
    ]


NATIVE_SAMPLES = [*anthropic(), *google(), *cohere(), *ollama(), *converse(), *invoke()]
