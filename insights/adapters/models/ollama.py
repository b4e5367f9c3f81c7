"""Ollama's own API on this machine (or another, by api_base); no key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from insights.adapters.models import convert
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.body import Prepared
from insights.adapters.models.egress import Endpoint
from insights.adapters.models.frames import LineFrames
from insights.core.effects import WireAnswer
from insights.core.types import Usage


class OllamaAdapter(LiteLLMChatModel):
    """One JSON object a line; an answer in one piece has the form of a stream's only line."""

    litellm_provider = "ollama_chat"
    path = "/api/chat"
    frames = LineFrames
    openai_shaped = False
    takes_media_urls = False
    extra_params = ("frequency_penalty", "presence_penalty")
    native_params = (
        "think",
        "keep_alive",
        "format",
        "options",
        "num_ctx",
        "num_predict",
        "num_gpu",
        "num_thread",
        "num_keep",
        "top_k",
        "min_p",
        "repeat_penalty",
        "repeat_last_n",
        "tfs_z",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
    )

    def adjust_params(self, params: dict[str, Any]) -> dict[str, Any]:
        if "functions" in params:  # litellm would send them without the frame that makes them tools
            params.setdefault("tools", [{"type": "function", "function": f} for f in params.pop("functions")])
        return params

    def body(self, config: Any, arguments: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        arguments["optional_params"].setdefault("stream", False)
        return super().body(config, arguments, headers)

    def headers(self, config: Any, where: Endpoint, arguments: dict[str, Any]) -> dict[str, str]:
        return where.bearer

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        return {0: str(data.get("done_reason") or "stop")} if data.get("done") else {}

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return data if data.get("done") and ("eval_count" in data or "prompt_eval_count" in data) else None

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        return convert.usage(convert.whole(raw.get("prompt_eval_count")), convert.whole(raw.get("eval_count")))

    def to_litellm(self, prepared: Prepared, answer: WireAnswer, data: dict[str, Any]) -> Any:
        found = read_line(data)
        return {"choices": [{"index": 0, "message": found["choices"][0]["delta"]}]}

    def event_parser(self, prepared: Prepared) -> Any:
        return LineReader().read


class LineReader:
    """Lines to chunks. litellm's own reader of whole answers runs a tokenizer, and its chunk reader forgets indices.

    Tool calls are numbered over the whole stream: Ollama may send one a line, each without a number.
    """

    def __init__(self) -> None:
        self._calls = 0

    def read(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """One line as a chunk."""
        calls = (line.get("message") or {}).get("tool_calls") or ()
        first, self._calls = self._calls, self._calls + len(calls)
        return read_line(line, first)


def read_line(line: Mapping[str, Any], first_call: int = 0) -> dict[str, Any]:
    """One line as a chunk; its tool calls are numbered from `first_call`."""
    message = line.get("message") or {}
    calls = [
        {
            "index": position,
            "id": call.get("id") or f"call_{position}",
            "type": "function",
            "function": {
                "name": (call.get("function") or {}).get("name"),
                "arguments": json.dumps((call.get("function") or {}).get("arguments") or {}),
            },
        }
        for position, call in enumerate(message.get("tool_calls") or (), first_call)
    ]
    delta = {
        "role": message.get("role"),
        "content": message.get("content"),
        "reasoning_content": message.get("thinking") or None,
        "tool_calls": calls or None,
    }
    return {"choices": [{"index": 0, "delta": delta}]}
