"""OpenAI's chat completions, and how the hosts that speak them too differ.

Source: OpenAI's API reference, "Chat", and for the others their own references of the same call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulator import answers
from tests.simulator.wire import CREATED, Answer, Asked, Tool, Wire, required, seed_of, sse, text_of, whole_number

# These tell a stream's usage whether it is asked for or not.
USAGE_ALWAYS = frozenset({"mistral", "xai", "perplexity", "moonshot", "openrouter", "together", "cerebras", "zai", "fireworks"})

# These leave `finish_reason` out until there is one.
FINISH_ONCE = frozenset({"xai", "perplexity"})


def read(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to /chat/completions."""
    messages = required(body, "messages")
    model = str(body.get("model") or path.rpartition("/deployments/")[2].partition("/")[0])
    users = [message for message in messages if message.get("role") == "user"]
    last = messages[-1]
    return Asked(
        provider=provider,
        model=model,
        seed=seed_of(body),
        words=text_of(users[-1].get("content")) if users else "",
        heard="\n".join(text_of(message.get("content")) for message in messages),
        turns=len(messages),
        tools=tools_of(body),
        told=text_of(last.get("content")) if last.get("role") == "tool" else None,
        schema=schema_of(body.get("response_format")),
        stream=bool(body.get("stream")),
        limit=whole_number(body.get("max_completion_tokens") or body.get("max_tokens")),
        thinks=answers.thinks(model, body.get("reasoning_effort")),
        shows_thoughts=answers.thinks(model, body.get("reasoning_effort")) and provider not in ("openai", "azure"),
        n=whole_number(body.get("n")) or 1,
        usage=bool((body.get("stream_options") or {}).get("include_usage")) or provider in USAGE_ALWAYS,
        body=body,
    )


def tools_of(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The functions of a request; the one that `tool_choice` names comes first, and `none` leaves none."""
    choice = body.get("tool_choice")
    functions = [tool.get("function") or {} for tool in body.get("tools") or () if tool.get("type", "function") == "function"]
    found = [Tool(str(function.get("name")), function.get("parameters") or {}) for function in functions]
    wanted = (choice.get("function") or {}).get("name") if isinstance(choice, Mapping) else None
    return () if choice in ("none", "NONE") else tuple(sorted(found, key=lambda tool: tool.name != wanted))


def schema_of(wanted: Any) -> Mapping[str, Any] | None:
    """The JSON schema in a `response_format`; an empty one where any object will do."""
    kind = (wanted or {}).get("type")
    if kind == "json_schema":
        found: Mapping[str, Any] = (wanted.get("json_schema") or {}).get("schema") or {}
        return found
    return {} if kind == "json_object" else None


def usage(asked: Asked, answer: Answer) -> dict[str, Any]:
    """The count of tokens, as the provider writes it."""
    said = answer.said * asked.n
    completion = said if asked.provider == "xai" else said + answer.reasoning
    found: dict[str, Any] = {
        "prompt_tokens": answer.prompt,
        "completion_tokens": completion,
        "total_tokens": answer.prompt + said + answer.reasoning,
    }
    match asked.provider:
        case "mistral":
            return {**found, "num_cached_tokens": answer.cached}
        case "together":
            return {**found, "cached_tokens": answer.cached}
        case "huggingface" | "groq" | "cerebras":
            return found
        case "perplexity":
            costs = {"input_tokens_cost": 0, "output_tokens_cost": 0, "total_cost": 0}
            return {**found, "search_context_size": "low", "cost": costs}
        case "deepseek":
            missed = answer.prompt - answer.cached
            found |= {"prompt_cache_hit_tokens": answer.cached, "prompt_cache_miss_tokens": missed}
    found["prompt_tokens_details"] = {"cached_tokens": answer.cached}
    if asked.provider in ("openai", "azure", "xai"):
        found["prompt_tokens_details"]["audio_tokens"] = 0
    if answer.reasoning or asked.provider in ("openai", "azure", "xai"):
        found["completion_tokens_details"] = {"reasoning_tokens": answer.reasoning}
    if asked.provider in ("openai", "azure", "xai"):
        zeros = ("audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
        found["completion_tokens_details"] |= dict.fromkeys(zeros, 0)
    if asked.provider == "xai":
        found["prompt_tokens_details"] |= {"text_tokens": answer.prompt, "image_tokens": 0}
        found["num_sources_used"] = 0
    return found


def _head(asked: Asked, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"id": asked.ident("chatcmpl-"), "object": kind, "created": CREATED, "model": asked.model}
    if asked.provider in ("openai", "azure"):
        found |= {"service_tier": "default", "system_fingerprint": "fp_simulated"}
    elif asked.provider in ("groq", "deepseek", "xai"):
        found["system_fingerprint"] = "fp_simulated"
    if asked.provider == "openrouter":
        found["provider"] = "Simulated"
    if asked.provider == "perplexity":
        found |= {"citations": ["https://example.com/1"], "search_results": []}
    return found


def _call(asked: Asked, answer: Answer) -> dict[str, Any]:
    function = {"name": answer.tool, "arguments": answer.arguments_json}
    kind = {"index": 0} if asked.provider == "mistral" else {"type": "function"}
    return {"id": asked.ident("call_"), **kind, "function": function}


def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or (None if answer.tool else "")}
    if answer.tool:
        message["tool_calls"] = [_call(asked, answer)]
        if asked.provider not in ("openai", "azure", "groq"):
            message["content"] = ""
    if asked.provider in ("openai", "azure"):
        message |= {"refusal": None, "annotations": []}
    if answer.thoughts:
        message["reasoning" if asked.provider in ("groq", "openrouter", "cerebras") else "reasoning_content"] = answer.thoughts
    choice: dict[str, Any] = {"message": message, "finish_reason": answer.finish}
    if asked.provider in ("openai", "azure", "groq", "deepseek", "together"):
        choice["logprobs"] = None
    choices = [{"index": index, **choice} for index in range(asked.n)]
    return {**_head(asked, "chat.completion"), "choices": choices, "usage": usage(asked, answer)}


def events(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream: the role, the words, the finish, and the usage where it is asked for or always told."""
    last = len(deltas := list(_deltas(asked, answer)))
    apart = asked.usage and asked.provider in ("openai", "azure", "deepseek", "huggingface", "openrouter")
    # With include_usage OpenAI writes `"usage": null` into every chunk but the one that has it.
    blank: dict[str, Any] = {"usage": None} if apart and asked.provider in ("openai", "azure") else {}
    for position, delta in enumerate(deltas, 1):
        finish = answer.finish if position == last else None
        for index in range(asked.n):
            choice: dict[str, Any] = {"index": index, "delta": delta}
            if finish or asked.provider not in FINISH_ONCE:
                choice["finish_reason"] = finish
            if asked.provider in ("openai", "azure", "groq", "deepseek", "mistral"):
                choice["logprobs"] = None
            yield sse(_finished(asked, answer, choice, finish is not None and not apart) | blank)
    if apart:
        yield sse({**_head(asked, "chat.completion.chunk"), "choices": [], "usage": usage(asked, answer)})
    if asked.provider != "perplexity":
        yield sse("[DONE]")


def _finished(asked: Asked, answer: Answer, choice: dict[str, Any], last: bool) -> dict[str, Any]:
    """A chunk, with the usage in the place where the provider has it in its last one."""
    chunk = {**_head(asked, "chat.completion.chunk"), "choices": [choice]}
    if not last:
        return chunk
    if asked.provider == "groq":
        chunk["x_groq"] = {"id": asked.ident("req_"), "usage": usage(asked, answer)}
    elif asked.provider == "moonshot":
        choice["usage"] = usage(asked, answer)
    elif asked.provider == "perplexity":  # its last chunk is the whole answer
        choice["message"] = {"role": "assistant", "content": answer.text}
        chunk |= {"object": "chat.completion.done", "usage": usage(asked, answer)}
    elif asked.usage:
        chunk["usage"] = usage(asked, answer)
    return chunk


def _deltas(asked: Asked, answer: Answer) -> Iterator[dict[str, Any]]:
    first: dict[str, Any] = {"role": "assistant", "content": None if answer.tool else ""}
    if asked.provider in ("openai", "azure"):
        first["refusal"] = None
    if not answer.tool:
        yield first
        yield from ({"reasoning_content": answer.thoughts} for _ in range(bool(answer.thoughts)))
        yield from ({"content": piece} for piece in answer.pieces)
    else:
        call = _call(asked, answer)
        opened = {"index": 0, **call, "function": {"name": answer.tool, "arguments": ""}}
        yield {**first, "tool_calls": [opened]}
        middle = len(answer.arguments_json) // 2
        for piece in (answer.arguments_json[:middle], answer.arguments_json[middle:]):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
    yield {}


def failure(kind: str, message: str, wait: float | None) -> tuple[int, dict[str, Any]]:
    """OpenAI's guide "Error codes", and its API reference, "Errors"."""
    status, name, code = {
        "bad_request": (400, "invalid_request_error", None),
        "bad_key": (401, "invalid_request_error", "invalid_api_key"),
        "not_found": (404, "invalid_request_error", "model_not_found"),
        "quota": (429, "insufficient_quota", "insufficient_quota"),
        "rate_limit": (429, "requests", "rate_limit_exceeded"),
        "overloaded": (503, "server_error", None),
    }.get(kind, (500, "server_error", None))
    return status, {"error": {"message": message, "type": name, "param": None, "code": code}}


WIRE = Wire("openai", read, whole, events, failure)
