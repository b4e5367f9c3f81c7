"""Bedrock's converse, and what invoke takes of each vendor's own format, in OpenAI's words."""

from __future__ import annotations

import re

from . import ask_anthropic, ask_cohere, ask_openai
from .asked import (
    Asked,
    Json,
    assistant,
    forced,
    function_tool,
    media_part,
    named_part,
    rest,
    take,
    text_part,
    tool_call,
    tool_result,
    user_content,
)

_WORDS = {
    "maxTokens": "max_tokens",
    "max_new_tokens": "max_tokens",  # Nova's name for it in invoke
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "stopSequences": "stop",
}
_OWN = {"messages", "system", "inferenceConfig", "toolConfig", "schemaVersion", "modelId"}
_PROMPT_WORDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "topP": "top_p",
    "max_gen_len": "max_tokens",
    "max_tokens": "max_tokens",
    "max_tokens_to_sample": "max_tokens",
    "maxTokens": "max_tokens",
    "maxTokenCount": "max_tokens",
    "stop": "stop",
    "stop_sequences": "stop",
    "stopSequences": "stop",
}
_TURN = re.compile(r"\n\n(Human|Assistant):")
_FORMATS = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
}


def converse(body: Json) -> Asked:
    """Messages with typed blocks; fields of its own (guardrails, model fields, ...) go as `extra_body`."""
    asked = Asked(params=take(body.get("inferenceConfig") or {}, _WORDS), extra_body=rest(body, _OWN))
    asked.extra_body = {name: value for name, value in asked.extra_body.items() if value}
    system = "\n".join(block["text"] for block in body.get("system") or () if "text" in block)
    if system:
        asked.messages.append({"role": "system", "content": system})
    for message in body.get("messages") or ():
        asked.messages += _messages(message)
    _add_tools(asked, body.get("toolConfig") or {})
    return asked


def invoke(body: Json) -> Asked:
    """The vendor's own body, told by its fields: messages of four kinds, or a prompt."""
    messages = body.get("messages")
    if isinstance(messages, list) and messages:
        if "anthropic_version" in body:
            asked = ask_anthropic.messages(body)
            for name in ("anthropic_version", "anthropic_beta"):
                asked.extra_body.pop(name, None)
            return asked
        content = messages[0].get("content")
        nova = isinstance(content, list) and content and "type" not in content[0]
        return converse(body) if nova else ask_openai.chat(body)
    if "message" in body:
        return ask_cohere.chat(body)
    prompt = str(body.get("prompt") or body.get("inputText") or "hello")
    return Asked(_turns(prompt), take({**body, **(body.get("textGenerationConfig") or {})}, _PROMPT_WORDS))


def _turns(prompt: str) -> list[Json]:
    """Anthropic's old prompts carry the roles in their text; any other prompt is one message."""
    pieces = _TURN.split(prompt)
    if len(pieces) == 1:
        return [{"role": "user", "content": prompt}]
    roles = {"Human": "user", "Assistant": "assistant"}
    spoken = [(roles[role], text.strip()) for role, text in zip(pieces[1::2], pieces[2::2], strict=True)]
    return [{"role": role, "content": text} for role, text in spoken if text]


def _messages(message: Json) -> list[Json]:
    content = message.get("content")
    blocks: list[Json] = [{"text": content}] if isinstance(content, str) else list(content or ())
    if message.get("role") == "assistant":
        used = [block["toolUse"] for block in blocks if "toolUse" in block]
        calls = [tool_call(u.get("toolUseId"), u.get("name"), u.get("input")) for u in used]
        return [assistant([block["text"] for block in blocks if "text" in block], calls)]
    answered = [block["toolResult"] for block in blocks if "toolResult" in block]
    results = [tool_result(a.get("toolUseId"), _result(a.get("content") or [])) for a in answered]
    parts = [part for part in map(_part, blocks) if part]
    if results and not parts:
        return results
    return [*results, {"role": "user", "content": user_content(parts)}]


def _result(content: list[Json]) -> object:
    if all("text" in block for block in content):
        return "".join(block["text"] for block in content)
    return [block.get("json", block.get("text", "")) for block in content]


def _part(block: Json) -> Json | None:
    if "text" in block:
        return text_part(block["text"])
    for kind in ("image", "document", "video"):
        media = block.get(kind)
        if not media:
            continue
        data = (media.get("source") or {}).get("bytes")
        name = str(media.get("format", "png"))
        if isinstance(data, str):
            return media_part(data, _FORMATS.get(name, f"{'image' if kind == 'image' else 'application'}/{name}"))
        return named_part(media.get("source"))
    return None


def _add_tools(asked: Asked, config: Json) -> None:
    tools = config.get("tools") or []
    if any("toolSpec" not in tool and "cachePoint" not in tool for tool in tools):
        asked.extra_body["toolConfig"] = config
        return
    specs = [tool["toolSpec"] for tool in tools if "toolSpec" in tool]
    if not specs:
        return
    asked.params["tools"] = [
        function_tool(s.get("name"), s.get("description"), (s.get("inputSchema") or {}).get("json")) for s in specs
    ]
    choice = config.get("toolChoice") or {}
    if "tool" in choice:
        asked.params["tool_choice"] = forced(choice["tool"].get("name"))
    elif "any" in choice:
        asked.params["tool_choice"] = "required"
