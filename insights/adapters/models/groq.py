"""Groq."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from insights.adapters.models.base import LiteLLMChatModel


class GroqAdapter(LiteLLMChatModel):
    """OpenAI-shaped; a stream's usage is in `x_groq`."""

    litellm_provider = "groq"
    # API reference, "Create chat completion".
    default_params = (("temperature", 1), ("top_p", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
    native_params = (
        "reasoning_format",
        "include_reasoning",
        "search_settings",
        "compound_custom",
        "documents",
        "citation_options",
    )
    extra_params = ("user", "reasoning_effort", "service_tier")

    def mend(self, answer: dict[str, Any]) -> dict[str, Any]:
        answer.setdefault("service_tier", None)  # litellm's parser takes it for granted
        return super().mend(answer)

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return data.get("usage") or (data.get("x_groq") or {}).get("usage")
