"""Moonshot AI (Kimi)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from insights.adapters.models.base import LiteLLMChatModel
from insights.core.request import ChatRequest


class MoonshotAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "moonshot"
    message_fields = ("reasoning_content",)
    native_params = ("partial", "use_search")
    extra_params = ("thinking", "prompt_cache_key", "safety_identifier", "reasoning_effort")

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        choices = data.get("choices") or [{}]
        found: Mapping[str, Any] | None = data.get("usage") or choices[0].get("usage")  # a stream's is in its last choice
        return found

    def adjust_body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        # litellm takes `tool_choice="required"` out and adds a message of its own instead.
        if request.params.get("tool_choice") == "required":
            body["tool_choice"] = "required"
            body["messages"] = body["messages"][: len(request.messages)]
        return body
