"""Ollama's /api/chat in OpenAI's words."""

from __future__ import annotations

from .asked import Asked, Json, assistant, image_part, json_schema, rest, take, text_part, tool_call, tool_result

_WORDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "num_predict": "max_tokens",
    "stop": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_OWN = {"model", "messages", "stream", "options", "tools", "format"}


def chat(body: Json) -> Asked:
    """Options become parameters; one that OpenAI has no word for takes all of them along as they are."""
    options = body.get("options") or {}
    asked = Asked(extra_body=rest(body, _OWN))
    if rest(options, _WORDS):
        asked.extra_body["options"] = options
    else:
        asked.params |= take(options, _WORDS)
    for position, message in enumerate(body.get("messages") or ()):
        asked.messages.append(_message(message, position))
    if body.get("tools"):
        asked.params["tools"] = body["tools"]
    shape = body.get("format")
    if isinstance(shape, dict):
        asked.params["response_format"] = json_schema(shape)
    elif shape == "json":
        asked.params["response_format"] = {"type": "json_object"}
    return asked


def _message(message: Json, position: int) -> Json:
    role, content = message.get("role", "user"), message.get("content") or ""
    if role == "tool":
        name = message.get("tool_name") or message.get("name") or "tool"
        return tool_result(message.get("tool_call_id") or f"call_{name}", content, name)
    if role == "assistant":
        functions = [call.get("function") or {} for call in message.get("tool_calls") or ()]
        calls = [tool_call(f"call_{f.get('name')}", f.get("name"), f.get("arguments")) for f in functions]
        return assistant([content] if content else [], calls)
    if message.get("images"):
        return {"role": role, "content": [text_part(content), *map(image_part, message["images"])]}
    return {"role": role, "content": content}
