"""What a recorded request asked for, in OpenAI's words, and the helpers by which the translators get there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Asked:
    """Arguments of `completion`. `extra_body` holds the provider's own fields, for which OpenAI's chat has no word."""

    messages: list[Json] = field(default_factory=list)
    params: Json = field(default_factory=dict)
    extra_body: Json = field(default_factory=dict)

    def arguments(self) -> Json:
        extra = {"extra_body": self.extra_body} if self.extra_body else {}
        return {"messages": self.messages or [{"role": "user", "content": "hello"}], **self.params, **extra}

    def last_words(self) -> str:
        """Text of the last user message, which has to be somewhere in what the provider is sent."""
        users = [message for message in self.arguments()["messages"] if message["role"] == "user"]
        content = users[-1]["content"] if users else ""
        if isinstance(content, str):
            return content
        return next((str(part["text"]) for part in reversed(content) if part.get("type") == "text"), "")


def take(source: Mapping[str, Any], words: Mapping[str, str]) -> Json:
    """The fields of `source` that `words` (native name -> OpenAI name) knows, without those that say nothing."""
    return {words[name]: value for name, value in source.items() if name in words and value not in (None, [], {}, "")}


def rest(source: Mapping[str, Any], known: Iterable[str]) -> Json:
    """The fields of `source` that are not in `known`."""
    known = set(known)
    return {name: value for name, value in source.items() if name not in known and value is not None}


def function_tool(name: object, description: object, schema: object) -> Json:
    function: Json = {"name": name, "parameters": schema or {"type": "object", "properties": {}}}
    if description:
        function["description"] = description
    return {"type": "function", "function": function}


def forced(name: object) -> Json:
    """The `tool_choice` that asks for one function."""
    return {"type": "function", "function": {"name": name}}


def json_schema(schema: object, name: str = "answer") -> Json:
    """The `response_format` that asks for JSON of this schema."""
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


def tool_call(identity: object, name: object, arguments: object) -> Json:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {"id": identity or "call_0", "type": "function", "function": {"name": name, "arguments": text}}


def text_part(text: object) -> Json:
    return {"type": "text", "text": text or ""}


def image_part(data: str, mime: str = "image/png") -> Json:
    """An inline image, from base64 of either alphabet."""
    return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{standard(data)}"}}


def media_part(data: str, mime: str) -> Json:
    """Inline media: an image where it is one, else a file."""
    if mime.startswith("image/"):
        return image_part(data, mime)
    kind = mime.rpartition("/")[2]
    return {
        "type": "file",
        "file": {"filename": f"file.{kind}", "file_data": f"data:{mime};base64,{standard(data)}"},
    }


def named_part(url: object) -> Json:
    """Media that only an address names: told as text, because fetching it is not the matter of these tests."""
    return text_part(f"[{url}]")


def standard(data: str) -> str:
    """Base64 in the standard alphabet, padded, whatever alphabet the recorded client used."""
    data = data.replace("-", "+").replace("_", "/").rstrip("=")
    data += "=" * (-len(data) % 4)
    base64.b64decode(data)
    return data


def user_content(parts: list[Json]) -> Any:
    """A single text as a string, anything else as parts."""
    if len(parts) == 1 and parts[0].get("type") == "text":
        return parts[0]["text"]
    return parts or "hello"


def assistant(texts: list[str], calls: list[Json]) -> Json:
    message: Json = {"role": "assistant", "content": "".join(texts) or None}
    if calls:
        message["tool_calls"] = calls
    elif not texts:
        message["content"] = ""
    return message


def tool_result(identity: object, content: object, name: object = None) -> Json:
    text = content if isinstance(content, str) else json.dumps(content)
    message: Json = {"role": "tool", "tool_call_id": identity or "call_0", "content": text}
    if name:
        message["name"] = name
    return message


def lower_types(schema: Any) -> Any:
    """Google writes `"type": "STRING"` where JSON Schema has `"string"`."""
    if isinstance(schema, dict):
        return {
            key: value.lower() if key == "type" and isinstance(value, str) else lower_types(value)
            for key, value in schema.items()
        }
    return [lower_types(item) for item in schema] if isinstance(schema, list) else schema
