"""Together AI."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class TogetherAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "together_ai"
    native_params = (
        "top_k",
        "min_p",
        "repetition_penalty",
        "safety_model",
        "context_length_exceeded_behavior",
        "echo",
        "reasoning",
        "chat_template_kwargs",
        "compliance",
    )
    extra_params = ("tools", "tool_choice", "response_format", "reasoning_effort")
