"""Cohere's Chat API v2 (and the answers of v1, which older hosts still give)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from insights.adapters.models import convert
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.body import Prepared
from insights.adapters.models.frames import Event, LineFrames, SSEFrames
from insights.core.effects import WireAnswer
from insights.core.request import ChatRequest
from insights.core.types import Usage


class CohereFrames:
    """Server-sent events as v2 sends them, or v1's lines of JSON: the first byte tells."""

    def __init__(self) -> None:
        self._frames: SSEFrames | LineFrames | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events completed by this piece."""
        if self._frames is None and data.strip():
            self._frames = LineFrames() if data.lstrip()[:1] == b"{" else SSEFrames()
        return self._frames.feed(data) if self._frames else iter(())

    def end(self) -> Iterator[Event]:
        """What was left without its terminator."""
        return self._frames.end() if self._frames else iter(())


class CohereAdapter(LiteLLMChatModel):
    """litellm's parser of v2 answers loses thoughts and its stream parser can't read v2's events; both are here."""

    litellm_provider = "cohere_chat"
    path = "/chat"
    frames = CohereFrames
    openai_shaped = False
    extra_params = ("response_format", "tool_choice", "logprobs", "reasoning_effort")
    native_params = (
        "k",
        "p",
        "top_k",
        "safety_mode",
        "documents",
        "citation_options",
        "strict_tools",
        "stop_sequences",
        "priority",
    )

    def adjust_params(self, params: dict[str, Any]) -> dict[str, Any]:
        if "top_k" in params:
            params["k"] = params.pop("top_k")
        return params

    def body(self, config: Any, arguments: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        body = super().body(config, arguments, headers)
        body.pop("num_generations", None)  # litellm's word for `n`, which v2 doesn't have
        return body

    def adjust_body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        wanted = body.get("response_format") or {}
        if wanted.get("type") == "json_schema":
            schema = (wanted.get("json_schema") or {}).get("schema") or {}
            body["response_format"] = {"type": "json_object", "json_schema": schema}
        choice = body.pop("tool_choice", None)
        if choice in ("required", "any") or isinstance(choice, Mapping):
            body["tool_choice"] = "REQUIRED"
            if isinstance(choice, Mapping):  # Cohere can force a call, not which: leave it only the one
                name = (choice.get("function") or {}).get("name")
                body["tools"] = [t for t in body.get("tools") or () if (t.get("function") or {}).get("name") == name]
        elif choice == "none":
            body["tool_choice"] = "NONE"
        effort = body.pop("reasoning_effort", None)
        if effort is not None:
            body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
        return body

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        found = data.get("finish_reason") or (
            data.get("type") == "message-end" and (data.get("delta") or {}).get("finish_reason")
        )
        return {0: str(found)} if found else {}

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        ended = data.get("response") if data.get("event_type") == "stream-end" else None
        return data.get("usage") or (data.get("delta") or {}).get("usage") or (ended or data).get("meta")

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        tokens = raw.get("tokens") or raw.get("billed_units") or raw
        if not isinstance(tokens, Mapping) or "input_tokens" not in tokens:
            return None
        paid = raw.get("billed_units")
        billed = None
        if isinstance(paid, Mapping) and paid is not tokens and "input_tokens" in paid:
            # Without the instructions that Cohere puts before the prompt by itself.
            billed = convert.whole(paid.get("input_tokens")), convert.whole(paid.get("output_tokens"))
        return convert.usage(
            convert.whole(tokens.get("input_tokens")),
            convert.whole(tokens.get("output_tokens")),
            billed=billed,
            cached=convert.whole(raw.get("cached_tokens")),
        )

    def error_in(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return data if data.get("error") or (set(data) <= {"message", "id"} and isinstance(data.get("message"), str)) else None

    def to_litellm(self, prepared: Prepared, answer: WireAnswer, data: dict[str, Any]) -> Any:
        if "message" not in data and "text" in data:  # v1
            return {"choices": [{"index": 0, "message": {"role": "assistant", "content": data["text"], **_v1_calls(data)}}]}
        message = data["message"]
        said = message.get("content")
        parts = [{"text": said}] if isinstance(said, str) else [part for part in said or () if part]
        thoughts = [part["thinking"] for part in parts if part.get("thinking")]
        plan = [message["tool_plan"]] if message.get("tool_plan") else []
        return {
            "choices": [
                {
                    "index": 0,
                    "logprobs": {"content": data["logprobs"]} if data.get("logprobs") else None,
                    "message": {
                        "role": "assistant",
                        "content": "".join(part.get("text") or "" for part in parts) or None,
                        "reasoning_content": "\n".join(thoughts + plan) or None,
                        "tool_calls": message.get("tool_calls"),
                        "citations": message.get("citations"),
                    },
                }
            ]
        }

    def event_parser(self, prepared: Prepared) -> Any:
        return read_event


def _v1_calls(data: Mapping[str, Any]) -> dict[str, Any]:
    """Tool calls in v1's form, `{"name", "parameters"}` and no id."""
    calls = [
        {
            "index": i,
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": c["name"], "arguments": json.dumps(c["parameters"])},
        }
        for i, c in enumerate(data.get("tool_calls") or ())
    ]
    return {"tool_calls": calls} if calls else {}


def read_event(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """One event of Cohere's stream as a chunk; None for events that say nothing."""
    if event.get("event_type") == "text-generation":  # v1
        return {"choices": [{"index": 0, "delta": {"content": event.get("text")}}]}
    if event.get("event_type") == "tool-calls-generation":
        return {"choices": [{"index": 0, "delta": _v1_calls(event)}]}
    kind = event.get("type")
    message = (event.get("delta") or {}).get("message") or {}
    delta: dict[str, Any] = {}
    if kind == "message-start":
        delta = {"role": message.get("role", "assistant")}
    elif kind == "content-delta":
        content = message.get("content") or {}
        delta = {"content": content.get("text"), "reasoning_content": content.get("thinking")}
    elif kind == "tool-plan-delta":
        delta = {"reasoning_content": message.get("tool_plan")}
    elif kind in ("tool-call-start", "tool-call-delta"):
        delta = {"tool_calls": [{"index": event.get("index", 0), **(message.get("tool_calls") or {})}]}
    elif kind == "citation-start" and message.get("citations"):
        delta = {"citations": [message["citations"]]}
    else:
        return None
    return {"choices": [{"index": 0, "delta": delta}]}
