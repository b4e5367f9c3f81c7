"""Google's generateContent in OpenAI's words."""

from __future__ import annotations

from typing import Any

from .asked import (
    Asked,
    Json,
    assistant,
    forced,
    function_tool,
    json_schema,
    lower_types,
    media_part,
    named_part,
    take,
    text_part,
    tool_call,
    tool_result,
    user_content,
)

_WORDS = {
    "temperature": "temperature",
    "topP": "top_p",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}


def generate_content(body: Json) -> Asked:
    """Contents and generationConfig. Google's own tools go as they are; what only it can say is left out."""
    config = body.get("generationConfig") or body.get("generation_config") or {}
    asked = Asked(params=take(config, _WORDS))
    if int(config.get("candidateCount") or 1) > 1:
        asked.params["n"] = config["candidateCount"]
    system = body.get("systemInstruction") or body.get("system_instruction")
    if system:
        asked.messages.append({"role": "system", "content": _system(system)})
    for content in body.get("contents") or ():
        asked.messages += _messages(content)
    _add_format(asked, config)
    _add_thinking(asked, config.get("thinkingConfig") or {})
    _add_tools(asked, body)
    for name in ("safetySettings", "labels", "cachedContent"):
        if body.get(name):
            asked.extra_body[name] = body[name]
    return asked


def _system(instruction: Any) -> str:
    parts = instruction.get("parts") if isinstance(instruction, dict) else [{"text": instruction}]
    parts = [parts] if isinstance(parts, dict) else parts or []
    return "\n".join(str(part.get("text", "")) for part in parts)


def _messages(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    parts = content.get("parts") or []
    parts = [parts] if isinstance(parts, dict) else parts
    if content.get("role") == "model":
        texts = [part["text"] for part in parts if "text" in part and not part.get("thought")]
        used = [part["functionCall"] for part in parts if "functionCall" in part]
        return [assistant(texts, [tool_call(_identity(u), u.get("name"), u.get("args")) for u in used])]
    answered = [part["functionResponse"] for part in parts if "functionResponse" in part]
    results = [tool_result(_identity(a), a.get("response"), a.get("name")) for a in answered]
    spoken = [part for part in map(_part, parts) if part]
    if results and not spoken:
        return results
    return [*results, {"role": "user", "content": user_content(spoken)}]


def _identity(call: Json) -> str:
    """Google names calls by function only; OpenAI wants an id that call and result share."""
    return str(call.get("id") or f"call_{call.get('name')}")


def _part(part: Json) -> Json | None:
    inline = part.get("inlineData") or part.get("inline_data")
    named = part.get("fileData") or part.get("file_data")
    if "text" in part:
        return text_part(part["text"])
    if inline:
        return media_part(inline["data"], str(inline.get("mimeType") or inline.get("mime_type")))
    if named:
        return named_part(named.get("fileUri") or named.get("file_uri"))
    return None


def _add_format(asked: Asked, config: Json) -> None:
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    if schema:
        asked.params["response_format"] = json_schema(lower_types(schema))
    elif config.get("responseMimeType") == "application/json":
        asked.params["response_format"] = {"type": "json_object"}


def _add_thinking(asked: Asked, thinking: Json) -> None:
    """A budget is litellm's and Anthropic's `thinking`; a mere wish to see the thoughts has no word and is left out."""
    budget = thinking.get("thinkingBudget", thinking.get("thinking_budget"))
    if isinstance(budget, int) and budget > 0:
        asked.params["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _add_tools(asked: Asked, body: Json) -> None:
    tools = body.get("tools") or []
    tools = [tools] if isinstance(tools, dict) else tools
    declared = [f for t in tools for f in t.get("functionDeclarations") or t.get("function_declarations") or ()]
    native = [t for t in tools if not (t.get("functionDeclarations") or t.get("function_declarations"))]
    if native:
        asked.extra_body["tools"] = tools
        return
    if not declared:
        return
    asked.params["tools"] = [
        function_tool(f.get("name"), f.get("description"), lower_types(f.get("parameters")) or f.get("parametersJsonSchema"))
        for f in declared
    ]
    choice = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = choice.get("allowedFunctionNames") or []
    if choice.get("mode") == "ANY" and len(allowed) == 1:
        asked.params["tool_choice"] = forced(allowed[0])
    elif choice.get("mode") in _MODES:
        asked.params["tool_choice"] = _MODES[choice["mode"]]
