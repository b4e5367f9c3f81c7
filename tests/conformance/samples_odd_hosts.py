"""Hand-written oddities of the hosts that speak OpenAI's chat: what only one of them does, or only some models."""

from __future__ import annotations

from typing import Any

from .recordings import Recording
from .samples import (
    ASKED,
    SSE,
    WEATHER_TOOL,
    Json,
    sample,
    sse,
)

_CHAT = "/v1/chat/completions"
_USAGE: Json = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
_CALL: Json = {"id": "t0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}


def _chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}


def _whole(message: Json, finish: str = "stop", **more: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return answer | {"usage": _USAGE} | more


def _asked(model: str, **more: Any) -> Json:
    return ASKED | {"model": model} | more


def _streamed(name: str, *documents: Json, model: str = "m", path: str = _CHAT, **more: Any) -> Recording:
    return sample(name, path, _asked(model, stream=True, **more), sse(*documents, done=True), kind=SSE)


def openai_wholes() -> list[Recording]:
    """Whole answers with fields, types and reasons that only some hosts send."""
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Paris."}]
    blocks = [{"type": "text", "text": "Paris"}, {"type": "text", "text": " it is."}]
    uncounted = _USAGE | {"num_sources_used": 0, "completion_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 19}
    details = [{"type": "reasoning.text", "text": "Hm.", "index": 0, "format": "unknown"}]
    search = {"search_context_size": "low", "citation_tokens": 0, "num_search_queries": 1}
    note = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 3}}
    cites: Json = {"citations": ["https://a"], "search_results": [{"title": "A", "url": "https://a"}]}
    unknown = {"error": {"code": "1211", "message": "Unknown Model, please check the model code."}}
    return [
        sample("mistral/thinking", _CHAT, _asked("magistral-medium-latest"), _whole({"content": thinking})),
        sample("mistral/blocks", _CHAT, _asked("mistral-large-latest"), _whole({"content": blocks, "tool_calls": None})),
        sample("mistral/model_length", _CHAT, _asked("mistral-small"), _whole({"content": "Par"}, "model_length")),
        sample("together/eos", _CHAT, _asked("meta/llama"), _whole({"content": "Paris.", "tool_calls": []}, "eos")),
        sample(
            "openai/forced", _CHAT, _asked("gpt-4o", tools=[WEATHER_TOOL]), _whole({"content": None, "tool_calls": [_CALL]})
        ),
        sample("openai/noted", _CHAT, _asked("gpt-4o-search-preview"), _whole({"content": "Paris.", "annotations": [note]})),
        sample(
            "perplexity/cites",
            "/chat/completions",
            _asked("sonar"),
            _whole({"content": "Paris[1]."}, usage=_USAGE | search, **cites),
        ),
        sample(
            "perplexity/thinks",
            "/chat/completions",
            _asked("sonar-reasoning"),
            _whole({"content": "<think>\nHm.\n</think>\n\nParis."}),
        ),
        sample(
            "openrouter/reasons",
            "/api/v1/chat/completions",
            _asked("x/y"),
            _whole({"content": "Paris.", "reasoning": "Hm.", "reasoning_details": details}),
        ),
        sample(
            "xai/reasons",
            _CHAT,
            _asked("grok-3-mini"),
            _whole({"content": "Paris.", "reasoning_content": "Hm."}, usage=uncounted),
        ),
        sample(
            "deepseek/reasons",
            "/chat/completions",
            _asked("deepseek-reasoner"),
            _whole({"content": "Paris.", "reasoning_content": "Hm."}),
        ),
        sample(
            "moonshot/reasons",
            _CHAT,
            _asked("kimi-k2-thinking"),
            _whole({"content": "Paris.", "reasoning_content": "Hm."}, usage=_USAGE | {"cached_tokens": 3}),
        ),
        sample("zai/sensitive", "/api/paas/v4/chat/completions", _asked("glm-4.6"), _whole({"content": ""}, "sensitive")),
        sample("zai/unknown", "/api/paas/v4/chat/completions", _asked("glm-0"), unknown, status=400),
        sample("huggingface/plain_error", _CHAT, _asked("a/b"), {"error": "Model not supported by provider x"}, status=400),
        sample(
            "groq/tool_failed",
            "/openai/v1/chat/completions",
            _asked("llama"),
            {
                "error": {
                    "message": "Failed to call a function.",
                    "type": "invalid_request_error",
                    "code": "tool_use_failed",
                    "failed_generation": "<x>",
                }
            },
            status=400,
        ),
        sample(
            "mistral/unprocessable",
            _CHAT,
            _asked("mistral-small"),
            {
                "object": "error",
                "message": {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]},
                "type": "invalid_request_error",
            },
            status=422,
        ),
        sample(
            "openrouter/no_credit",
            "/api/v1/chat/completions",
            _asked("x/y"),
            {"error": {"message": "Insufficient credits.", "code": 402}},
            status=402,
        ),
        sample("azure/in_models", "/models/chat/completions", _asked("Phi-4"), _whole({"content": "Paris."})),
    ]


def openai_streams() -> list[Recording]:
    """Streams with comments, other line ends, other orders and other places of things."""
    text = [_chunk({"role": "assistant", "content": "Par"}), _chunk({"content": "is."})]
    end = _chunk({}, "stop", usage=_USAGE)
    comments = b": OPENROUTER PROCESSING\n\n" + sse(*text) + b": OPENROUTER PROCESSING\n\n" + sse(end, done=True)
    failed = {"error": {"message": "The server had an error", "type": "server_error", "code": None, "param": None}}
    thought = [_chunk({"content": "", "reasoning": "Hm", "reasoning_details": []}), _chunk({"content": "", "reasoning": "."})]
    legacy = [
        _chunk({"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": ""}}),
        *(_chunk({"function_call": {"arguments": piece}}) for piece in ('{"city":', '"Paris"}')),
    ]
    thinking = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}
    together = _chunk({"role": "assistant", "tool_calls": [{"index": 0, **_CALL}]}, "tool_calls", usage=_USAGE)
    unindexed = [_chunk({"tool_calls": [_CALL | {"id": f"t{i}"}]}) for i in range(2)]
    content_filter = {"index": 0, "content_filter_results": {}, "content_filter_offsets": {"start_offset": 0}}
    azure = _chunk() | {"choices": [{**content_filter, "finish_reason": None}]}
    windows = sse(*text, end, done=True).replace(b"\n", b"\r\n")
    tight = sse(*text, end, done=True).replace(b"data: ", b"data:")
    apart = _USAGE | {"total_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 5}}
    router, fine = "/api/v1/chat/completions", _asked("m", stream=True)
    deployment, zai = "/openai/deployments/d/chat/completions", "/api/paas/v4/chat/completions"
    said = _chunk({"reasoning_content": "Hm."})
    return [
        sample("openrouter/comments", router, fine, comments, kind=SSE),
        sample("openai/windows_lines", _CHAT, fine, windows, kind=SSE),
        sample("openai/tight_lines", _CHAT, fine, tight, kind=SSE),
        sample("openai/no_done", _CHAT, fine, sse(*text, end), kind=SSE),
        sample("openai/fails", _CHAT, fine, sse(*text, failed), kind=SSE),
        sample("openai/no_last_blank", _CHAT, fine, sse(*text, end).rstrip(), kind=SSE),
        _streamed("openai/usage_alone", *text, _chunk({}, "stop"), _chunk(usage=_USAGE)),
        _streamed("openai/empty", _chunk({"role": "assistant", "content": ""}), _chunk({}, "length", usage=_USAGE)),
        _streamed("openai/function_call", *legacy, _chunk({}, "function_call", usage=_USAGE)),
        _streamed("openrouter/reasons_stream", *thought, *text, end, path=router),
        _streamed("mistral/thinking_stream", _chunk(thinking), _chunk({"content": [{"type": "text", "text": "So."}]}), end),
        _streamed("mistral/tool", _chunk({"role": "assistant", "content": ""}), together),
        _streamed("together/tool", together, tools=[WEATHER_TOOL]),
        _streamed(
            "gemini/compat_tools",
            *unindexed,
            _chunk({}, "stop", usage=_USAGE),
            path="/v1beta/openai/chat/completions",
        ),
        _streamed("azure/filters", azure, *text, azure, end, path=deployment),
        _streamed("zai/reasons", said, *text, end, path=zai),
        _streamed("xai/reasons_stream", said, *text, _chunk({}, "stop", usage=apart)),
        _streamed("cerebras/text", *text, end),
        _streamed("huggingface/text", *text, end, path="/novita/v3/openai/chat/completions"),
    ]


HOST_ODDITIES = [*openai_wholes(), *openai_streams()]
