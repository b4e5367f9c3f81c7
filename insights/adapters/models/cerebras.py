"""Cerebras."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class CerebrasAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "cerebras"
    native_params = ("disable_reasoning", "clear_thinking", "reasoning_format", "min_completion_tokens")
    extra_params = ("logprobs", "top_logprobs", "reasoning_effort", "parallel_tool_calls", "service_tier", "prediction")
