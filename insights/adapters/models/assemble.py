"""Chunks to the whole answer, for every one of the `n` choices, with everything a chunk may carry."""

from __future__ import annotations

from typing import Any

from insights.adapters.models.convert import finish_reason
from insights.core.types import Chunk, ModelResponse, StreamingChoices, Usage

_TEXTS = ("content", "reasoning_content", "refusal")


class Assembler:
    """Collects chunks; `response()` is the answer so far."""

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: Usage | None = None

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        return "".join(self._choices.get(0, {}).get("content", []))

    @property
    def has_content(self) -> bool:
        """Whether anything that a reader would see has come."""
        return any(choice["seen"] for choice in self._choices.values())

    def has_tools(self, index: int) -> bool:
        """Whether a choice has called tools."""
        return bool(self._choices.get(index, {}).get("tools"))

    def add(self, chunk: Chunk) -> None:
        """Takes one chunk in."""
        for name, value in (chunk.model_extra or {}).items():
            self._head[name] = value
        for name in ("id", "created", "model"):
            self._head[name] = self._head.get(name) or getattr(chunk, name)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices:
            self._add(self._choices.setdefault(choice.index, {"tools": {}, "extra": {}, "choice": {}, "seen": False}), choice)

    def _add(self, into: dict[str, Any], choice: StreamingChoices) -> None:
        delta = choice.delta
        for name in _TEXTS:
            if (text := getattr(delta, name)) is not None:
                into.setdefault(name, []).append(text)
                into["seen"] = into["seen"] or bool(text)
        if delta.role:
            into["role"] = delta.role
        if choice.finish_reason is not None:
            into["finish_reason"] = choice.finish_reason
        for call in delta.tool_calls or ():
            self._add_tool(into["tools"], call)
            into["seen"] = True
        for name, value in (delta.model_extra or {}).items():
            merge = _thoughts if name == "thinking_blocks" else _merged
            into["extra"][name] = merge(into["extra"].get(name), value)
        for name, value in (choice.model_extra or {}).items():
            into["choice"][name] = value
        if choice.logprobs:
            into["logprobs"] = _merged(into.get("logprobs"), choice.logprobs)

    @staticmethod
    def _add_tool(tools: dict[Any, dict[str, Any]], call: dict[str, Any]) -> None:
        # An index names the call; a provider that sends none sends each call whole, under an id of its own.
        key: Any = call.get("index")
        if key is None:
            begins = (call.get("function") or {}).get("name") and tools and next(reversed(tools.values()))["name"]
            key = call.get("id") or (f"call {len(tools)}" if begins else next(reversed(tools)) if tools else 0)
        elif call.get("id") and key in tools and tools[key]["id"] not in (None, call["id"]):
            key = call["id"]  # seen in the wild: every call of an answer under index 0
        elif not call.get("id") and tools and tools.get(key, {}).get("moved"):
            key = next(reversed(tools))
        tool = tools.setdefault(key, {"id": None, "type": "function", "name": None, "arguments": [], "extra": {}})
        if isinstance(key, str) and call.get("index") in tools:
            tools[call["index"]]["moved"] = True
        function = call.get("function") or {}
        tool["id"] = tool["id"] or call.get("id")
        tool["name"] = tool["name"] or function.get("name")
        if function.get("arguments"):
            tool["arguments"].append(function["arguments"])
        tool["extra"].update({n: v for n, v in call.items() if n not in ("id", "type", "function", "index")})

    def response(self) -> ModelResponse:
        """The answer, as the provider would have given it in one piece."""
        choices = []
        for index, found in sorted(self._choices.items()):
            tools = [
                {
                    **t["extra"],
                    "id": t["id"],
                    "type": t["type"],
                    "function": {"name": t["name"], "arguments": "".join(t["arguments"]) or "{}"},
                }
                for t in _in_order(found["tools"])
            ]
            texts = {name: "".join(found[name]) for name in _TEXTS if found.get(name)}
            choices.append(
                {
                    **found["choice"],
                    "index": index,
                    "finish_reason": finish_reason(found.get("finish_reason"), bool(tools)),
                    "message": {
                        **{n: v for n, v in found["extra"].items() if n not in texts},
                        "role": found.get("role", "assistant"),
                        "content": None,
                        **{name: text or None for name, text in texts.items()},
                        "tool_calls": tools or None,
                    },
                    "logprobs": found.get("logprobs"),
                }
            )
        head = {**self._head, "model": self._head.get("model") or self._model}
        return ModelResponse.model_validate(
            {**head, "object": "chat.completion", "choices": choices, "usage": self._usage, "provider": self._provider}
        )


def _in_order(tools: dict[Any, dict[str, Any]]) -> list[dict[str, Any]]:
    """By index where all have one, else as they came."""
    numbered = all(isinstance(key, int) for key in tools)
    return [tools[key] for key in (sorted(tools) if numbered else tools)]


def _thoughts(old: Any, new: Any) -> Any:
    """Anthropic's thinking in pieces: texts up to and with the signature are one block, as the provider wants it back."""
    blocks = [dict(block) for block in old or ()]
    for piece in new if isinstance(new, list) else ():
        last = blocks[-1] if blocks else {}
        if piece.get("type") == "thinking" and last.get("type") == "thinking" and not last.get("signature"):
            last["thinking"] = (last.get("thinking") or "") + (piece.get("thinking") or "")
            if piece.get("signature"):
                last["signature"] = piece["signature"]
        else:
            blocks.append(dict(piece))
    return blocks


def _merged(old: Any, new: Any) -> Any:
    """Two pieces of the same field: lists and texts grow, mappings merge, everything else is replaced."""
    if isinstance(old, list) and isinstance(new, list):
        return [*old, *new]
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
    return old if new is None else new
