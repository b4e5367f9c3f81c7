"""Cohere's chat, version 2 and version 1, in OpenAI's words."""

from __future__ import annotations

from typing import Any

from .asked import Asked, Json, assistant, function_tool, json_schema, rest, take, tool_call, tool_result

_WORDS = {
    "temperature": "temperature",
    "p": "top_p",
    "max_tokens": "max_tokens",
    "stop_sequences": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_OWN = {"model", "messages", "stream", "tools", "tool_choice", "response_format", *_WORDS}
_CHOICES = {"REQUIRED": "required", "NONE": "none"}
_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system"}
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def chat(body: Json) -> Asked:
    """Either version, told by its fields."""
    return _version_1(body) if "message" in body else _version_2(body)


def _version_2(body: Json) -> Asked:
    asked = Asked(params=take(body, _WORDS), extra_body=rest(body, _OWN))
    asked.messages = [_message(message) for message in body.get("messages") or ()]
    if body.get("tools"):
        asked.params["tools"] = body["tools"]
    if body.get("tool_choice") in _CHOICES:
        asked.params["tool_choice"] = _CHOICES[body["tool_choice"]]
    _add_format(asked, body)
    return asked


def _message(message: Json) -> Json:
    role, content = message.get("role", "user"), message.get("content")
    if role == "tool":
        return tool_result(message.get("tool_call_id"), _text(content))
    if role == "assistant":
        text = _text(content)
        called = [(call.get("id"), call.get("function") or {}) for call in message.get("tool_calls") or ()]
        calls = [tool_call(identity, f.get("name"), f.get("arguments")) for identity, f in called]
        return assistant([text] if text else [], calls)
    if isinstance(content, list) and any(part.get("type") == "image_url" for part in content):
        return {"role": role, "content": [_image(part) for part in content]}
    return {"role": role, "content": _text(content)}


def _image(part: Json) -> Json:
    if part.get("type") == "image_url" and isinstance(part["image_url"], str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    return part


def _text(content: Any) -> str:
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return str(content or "")
    parts = [part if isinstance(part, dict) else {"text": part} for part in content]
    return "\n".join(str(part.get("text") or (part.get("document") or {}).get("data") or "") for part in parts)


def _version_1(body: Json) -> Asked:
    """A message and the history before it. Connectors, documents and search are of version 1 only and left out."""
    asked = Asked(params=take(body, _WORDS))
    if body.get("preamble"):
        asked.messages.append({"role": "system", "content": body["preamble"]})
    for turn in body.get("chat_history") or ():
        if turn.get("message"):
            asked.messages.append({"role": _ROLES.get(str(turn.get("role")).upper(), "user"), "content": turn["message"]})
    asked.messages.append({"role": "user", "content": body.get("message") or "hello"})
    if body.get("tools"):
        asked.params["tools"] = [_tool(tool) for tool in body["tools"]]
    _add_format(asked, body)
    return asked


def _tool(tool: Json) -> Json:
    defined = tool.get("parameter_definitions") or {}
    properties = {
        name: {
            "type": _TYPES.get(str(given.get("type")).lower(), "string"),
            "description": given.get("description") or "",
        }
        for name, given in defined.items()
    }
    required = [name for name, given in defined.items() if given.get("required")]
    schema = {"type": "object", "properties": properties, "required": required}
    return function_tool(tool.get("name"), tool.get("description"), schema)


def _add_format(asked: Asked, body: Json) -> None:
    shape = body.get("response_format") or {}
    schema = shape.get("json_schema") or shape.get("schema")
    if schema:
        asked.params["response_format"] = json_schema(schema)
    elif shape.get("type") == "json_object":
        asked.params["response_format"] = {"type": "json_object"}
