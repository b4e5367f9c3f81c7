"""Anthropic's messages in OpenAI's words."""

from __future__ import annotations

from typing import Any

from .asked import (
    Asked,
    Json,
    assistant,
    forced,
    function_tool,
    json_schema,
    media_part,
    named_part,
    rest,
    take,
    text_part,
    tool_call,
    tool_result,
    user_content,
)

_WORDS = {"max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "stop_sequences": "stop"}
_OWN = {"model", "messages", "system", "stream", "tools", "tool_choice", "output_config", "output_format", *_WORDS}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def messages(body: Json) -> Asked:
    """Messages with blocks; parameters of its own (thinking, top_k, ...) go as `extra_body`."""
    asked = Asked(params=take(body, _WORDS), extra_body=rest(body, _OWN))
    if body.get("system"):
        asked.messages.append({"role": "system", "content": _text(body["system"])})
    for message in body.get("messages") or ():
        asked.messages += _messages(message)
    _add_tools(asked, body)
    shape = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    if shape.get("schema"):
        asked.params["response_format"] = json_schema(shape["schema"])
    return asked


def _messages(message: Any) -> list[Json]:
    """One message, or several: OpenAI gives each result of a tool a message of its own, before the user's words."""
    if not isinstance(message, dict):
        return [{"role": "user", "content": str(message)}]
    content = message.get("content")
    blocks = [text_part(content)] if isinstance(content, str) else list(content or ())
    if message.get("role") == "assistant":
        calls = [tool_call(b.get("id"), b.get("name"), b.get("input")) for b in blocks if b.get("type") == "tool_use"]
        return [assistant([b["text"] for b in blocks if b.get("type") == "text"], calls)]
    results = [tool_result(b.get("tool_use_id"), _text(b.get("content"))) for b in blocks if b.get("type") == "tool_result"]
    parts = [part for part in map(_part, blocks) if part]
    if not parts and results:
        return results
    return [*results, {"role": "user", "content": user_content(parts)}]


def _part(block: Json) -> Json | None:
    source = block.get("source") or {}
    if block.get("type") == "text":
        return text_part(block.get("text"))
    if source.get("type") == "base64":
        return media_part(source["data"], str(source.get("media_type")))
    if source.get("type") in {"url", "file"}:
        return named_part(source.get("url") or source.get("file_id"))
    if source.get("type") in {"text", "content"}:
        return text_part(str(source.get("data") or source.get("content")))
    return None


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return str(content or "")


def _add_tools(asked: Asked, body: Json) -> None:
    """Functions in OpenAI's words. Where a tool of Anthropic's own is among them, all go as they are."""
    tools = body.get("tools") or []
    choice = body.get("tool_choice") or {}
    if any(tool.get("type", "custom") != "custom" for tool in tools):
        asked.extra_body |= {"tools": tools} | ({"tool_choice": choice} if choice else {})
        return
    if not tools:
        return
    asked.params["tools"] = [function_tool(t.get("name"), t.get("description"), t.get("input_schema")) for t in tools]
    if choice.get("type") == "tool":
        asked.params["tool_choice"] = forced(choice.get("name"))
    elif choice.get("type") in _CHOICES:
        asked.params["tool_choice"] = _CHOICES[choice["type"]]
    if choice.get("disable_parallel_tool_use"):
        asked.params["parallel_tool_calls"] = False
