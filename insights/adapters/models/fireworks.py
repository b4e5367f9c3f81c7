"""Fireworks AI."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class FireworksAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "fireworks_ai"
    message_fields = ("reasoning_content",)
    native_params = (
        "top_k",
        "min_p",
        "repetition_penalty",
        "mirostat_lr",
        "mirostat_target",
        "prompt_truncate_length",
        "context_length_exceeded_behavior",
        "prompt_cache_max_len",
        "typical_p",
        "ignore_eos",
        "raw_output",
        "perf_metrics_in_response",
        "reasoning_history",
        "top_a",
    )
    extra_params = (
        "tools",
        "tool_choice",
        "stream_options",
        "seed",
        "user",
        "parallel_tool_calls",
        "reasoning_effort",
        "prediction",
        "metadata",
    )
