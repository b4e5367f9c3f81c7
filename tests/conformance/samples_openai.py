"""Hand-written answers in OpenAI's two formats, as OpenAI and its imitators send them."""

from __future__ import annotations

from typing import Any

from .recordings import Recording
from .samples import ASKED, QUESTION, SSE, Json, sample, sse

_USAGE: Json = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
_PATH = "/v1/chat/completions"
_DEPLOYMENT = "/openai/deployments/my-deployment/chat/completions"
_STILL = {**ASKED, "model": "gpt-4o-mini"}
_STREAM = {**_STILL, "stream": True, "stream_options": {"include_usage": True}}


def _chunk(*choices: Json, **more: Any) -> Json:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": list(choices), **more}


def _delta(index: int = 0, finish: str | None = None, **fields: Any) -> Json:
    return _chunk({"index": index, "delta": fields, "finish_reason": finish})


_ROLE = _delta(role="assistant", content="")
_TEXT = [_ROLE, _delta(content="Par"), _delta(content="is é🗼 [DONE]\u2028")]
_STOP = _delta(0, "stop")
_END = _chunk(usage=_USAGE)


def _streamed(name: str, *documents: Json, path: str = _PATH, done: bool = True, **asked: Any) -> Recording:
    return sample(name, path, _STREAM | asked, sse(*documents, done=done), kind=SSE)


def _tool(index: int, **fields: Any) -> Json:
    return _delta(tool_calls=[{"index": index, **fields}])


def chat_streams() -> list[Recording]:
    """Streams of OpenAI's own."""
    tools = [
        _tool(0, id="t0", type="function", function={"name": "weather", "arguments": ""}),
        _tool(1, id="t1", type="function", function={"name": "news", "arguments": ""}),
        _tool(0, function={"arguments": '{"city":'}),
        _tool(1, function={"arguments": "{}"}),
        _tool(0, function={"arguments": '"Paris"}'}),
    ]
    two = [_delta(index, content=text) for index, text in ((0, "a"), (1, "x"), (0, "b"), (1, "y"))]
    refusal = [_ROLE, _delta(refusal="I can"), _delta(refusal="not.")]
    return [
        _streamed("openai/text", *_TEXT, _STOP, _END),
        _streamed("openai/tools", _ROLE, *tools, _delta(0, "tool_calls"), _END),
        _streamed("openai/refusal", *refusal, _STOP, _END),
        _streamed("openai/n2", *two, _STOP, _delta(1, "length"), _END, n=2),
        _streamed("openai/length", *_TEXT, _delta(0, "length"), _END),
        _streamed("openai/filtered", *_TEXT, _delta(0, "content_filter"), _END),
        _streamed("openai/no_usage", *_TEXT, _STOP),
        _streamed("openai/cut", *_TEXT, done=False),
        sample("openai/cut_in_a_line", _PATH, _STREAM, sse(*_TEXT)[:-30], kind=SSE),
    ]


def other_hosts() -> list[Recording]:
    """What other hosts do differently: usage in other places, fields of their own, other addresses."""
    filters = _chunk(prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}])
    in_choice = _chunk({"index": 0, "delta": {}, "finish_reason": "stop", "usage": _USAGE})
    thought = _delta(reasoning_content="Hm.", content=None)
    hit = _USAGE | {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}
    return [
        _streamed("azure/text", filters, *_TEXT, _STOP, _END, path=_DEPLOYMENT),
        _streamed("moonshot/text", *_TEXT, in_choice, model="moonshot-v1-8k"),
        _streamed("groq/text", *_TEXT, _STOP | {"x_groq": {"id": "r", "usage": _USAGE}}, path="/openai/v1/chat/completions"),
        _streamed("fireworks/text", *_TEXT, _STOP | {"usage": _USAGE}, path="/inference/v1/chat/completions"),
        _streamed("deepseek/thought", thought, *_TEXT, _STOP | {"usage": hit}, path="/chat/completions"),
        _streamed("unheard_of_gateway/text", *_TEXT, _STOP, _END, path="/gateway/v3/chat/completions"),
    ]


def failures() -> list[Recording]:
    """Refusals and answers that are none."""
    policy = {
        "message": "The response was filtered: Azure OpenAI's content management policy.",
        "code": "content_filter",
    }
    money = {"message": "You exceeded your current quota, please check your plan.", "code": "insufficient_quota"}
    long = {"message": "maximum context length is 8192 tokens", "code": "context_length_exceeded"}
    return [
        sample("azure/policy", _DEPLOYMENT, _STILL, {"error": policy}, status=400),
        sample("openai/money", _PATH, _STILL, {"error": money | {"type": "insufficient_quota"}}, status=429),
        sample("openai/too_fast", _PATH, _STILL, {"error": {"message": "Rate limit reached"}}, status=429),
        sample("openai/too_long", _PATH, _STREAM, {"error": long}, status=400),
        sample("openai/busy", _PATH, _STILL, {"error": {"message": "Overloaded"}}, status=503),
        sample("openai/broken", _PATH, _STREAM, {"error": {"message": "internal"}}, status=500),
        sample("openai/html", _PATH, _STILL, b"<html><body>Sign in</body></html>"),
        sample("openai/no_choices", _PATH, _STILL, {"id": "x", "object": "chat.completion", "choices": []}),
        sample("openrouter/failed_200", "/api/v1/chat/completions", _STILL, {"error": {"code": 429, "message": "slow"}}),
    ]


def responses() -> list[Recording]:
    """The Responses API."""
    content = [{"type": "output_text", "text": "Paris é🗼", "annotations": []}]
    message = {"id": "i1", "type": "message", "status": "completed", "role": "assistant", "content": content}
    call = {"id": "i2", "type": "function_call", "status": "completed", "call_id": "c1", "name": "weather"}
    called = call | {"arguments": '{"city":"Paris"}'}
    begun = _event("created", response=_response("in_progress") | {"usage": None})
    text = [
        _event("output_item.added", output_index=0, item=message | {"content": [], "status": "in_progress"}),
        *(_event("output_text.delta", item_id="i1", output_index=0, content_index=0, delta=d) for d in ("Paris ", "é🗼")),
        _event("output_text.done", item_id="i1", output_index=0, content_index=0, text="Paris é🗼"),
        _event("output_item.done", output_index=0, item=message),
    ]
    tool = [
        _event("output_item.added", output_index=0, item=call | {"arguments": "", "status": "in_progress"}),
        *(_event("function_call_arguments.delta", item_id="i2", output_index=0, delta=d) for d in ('{"city":', '"Paris"}')),
        _event("function_call_arguments.done", item_id="i2", output_index=0, arguments=called["arguments"]),
        _event("output_item.done", output_index=0, item=called),
    ]
    short = _response("incomplete", message) | {"incomplete_details": {"reason": "max_output_tokens"}}
    failed = _event("failed", response=_response("failed") | {"error": {"code": "server_error", "message": "x"}})
    refused = message | {"content": [{"type": "refusal", "refusal": "I cannot."}]}
    still: Json = {"model": "gpt-5-codex", "input": QUESTION}
    path, asked = "/v1/responses", still | {"stream": True}
    full, ended = (_event("completed", response=_response("completed", item)) for item in (message, called))
    return [
        sample("openai/responses_text", path, asked, sse(begun, *text, full), kind=SSE),
        sample("openai/responses_tool", path, asked, sse(begun, *tool, ended), kind=SSE),
        sample("openai/responses_cut", path, asked, sse(begun, *text), kind=SSE),
        sample("openai/responses_fails", path, asked, sse(begun, *text, failed), kind=SSE),
        sample("openai/responses_length", path, still, short),
        sample("openai/responses_refusal", path, still, _response("completed", refused)),
    ]


def _event(kind: str, **fields: Any) -> Json:
    return {"type": f"response.{kind}", **fields}


def _response(status: str, *output: Json) -> Json:
    usage = {"input_tokens": 9, "output_tokens": 8, "total_tokens": 17}
    usage_details = {
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    asked = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "model": "gpt-5-codex"}
    told = {"id": "r", "object": "response", "created_at": 1, "status": status, "error": None}
    return told | asked | {"incomplete_details": None, "output": list(output), "usage": usage | usage_details}


OPENAI_SAMPLES = [*chat_streams(), *other_hosts(), *failures(), *responses()]
