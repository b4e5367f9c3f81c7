"""OpenAI's two formats of request. Chat is nearly what `completion` takes; responses are told in chat's words."""

from __future__ import annotations

from typing import Any

from .asked import Asked, Json, assistant, forced, function_tool, json_schema, rest, take, text_part, tool_call

_PARAMS = frozenset(
    {"temperature", "top_p", "n", "stop", "seed", "max_tokens", "max_completion_tokens", "presence_penalty", "user"}
    | {"frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls"}
    | {"response_format", "reasoning_effort", "service_tier", "modalities", "audio", "prediction", "metadata", "store"}
    | {"functions", "function_call", "web_search_options", "verbosity"}
)
_WORDS = {name: name for name in _PARAMS}
_OWN = {"model", "messages", "stream", "stream_options", *_PARAMS}

_RESPONSES_WORDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_output_tokens": "max_tokens",
    "parallel_tool_calls": "parallel_tool_calls",
    "user": "user",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "top_logprobs": "top_logprobs",
}
_RESPONSES_OWN = {"model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice", "text"}


def chat(body: Json) -> Asked:
    """Chat completions: hosts' own parameters go as `extra_body`."""
    params = take(body, _WORDS)
    if params.get("n") == 1:  # says nothing, and some hosts' parameter lists do without it
        del params["n"]
    if "tools" not in params:
        params.pop("tool_choice", None)
        params.pop("parallel_tool_calls", None)
    messages = [_message(message) for message in body.get("messages") or ()]
    return Asked(messages, params, rest(body, _OWN))


def responses(body: Json) -> Asked:
    """The Responses API: items instead of messages, flat tools, `text.format`. Tools of its own go as they are."""
    asked = Asked(_items(body.get("input")), take(body, _RESPONSES_WORDS))
    if body.get("instructions"):
        asked.messages.insert(0, {"role": "system", "content": body["instructions"]})
    _add_tools(asked, body)
    reasoning = body.get("reasoning") or {}
    if reasoning.get("effort"):
        asked.params["reasoning_effort"] = reasoning["effort"]
    shape = (body.get("text") or {}).get("format") or {}
    if shape.get("type") == "json_schema":
        asked.params["response_format"] = json_schema(shape.get("schema"), shape.get("name") or "answer")
    elif shape.get("type") == "json_object":
        asked.params["response_format"] = {"type": "json_object"}
    asked.extra_body |= rest(body, {*_RESPONSES_OWN, *_RESPONSES_WORDS, "reasoning"})
    return asked


def _message(message: Any) -> Json:
    return dict(message) if isinstance(message, dict) else {"role": "user", "content": str(message)}


def _items(items: Any) -> list[Json]:
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    messages: list[Json] = []
    for item in items or ():
        kind = item.get("type", "message")
        if kind == "message":
            messages.append(_spoken(item))
        elif kind == "function_call":
            call = tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(call)  # parallel calls are items of their own
            else:
                messages.append(assistant([], [call]))
        elif kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": str(item.get("output"))})
    return messages


def _spoken(item: Json) -> Json:
    content = item.get("content")
    if isinstance(content, list):
        parts = [part for part in map(_part, content) if part]
        only_text = all(part["type"] == "text" for part in parts)
        content = "".join(part["text"] for part in parts) if only_text else parts
    return {"role": item.get("role", "user"), "content": content or ""}


def _part(part: Json) -> Json | None:
    kind = part.get("type")
    if kind in {"input_text", "output_text", "text"}:
        return text_part(part.get("text"))
    if kind == "input_image" and part.get("image_url"):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    if kind == "input_file" and part.get("file_data"):
        return {"type": "file", "file": {"filename": part.get("filename", "file"), "file_data": part["file_data"]}}
    return None


def _add_tools(asked: Asked, body: Json) -> None:
    tools = body.get("tools") or []
    if any(tool.get("type") != "function" for tool in tools):
        asked.extra_body["tools"] = tools
        return
    if not tools:
        return
    asked.params["tools"] = [function_tool(tool.get("name"), tool.get("description"), tool.get("parameters")) for tool in tools]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("name"):
        asked.params["tool_choice"] = forced(choice["name"])
    elif isinstance(choice, str):
        asked.params["tool_choice"] = choice
