"""OpenRouter, itself a front for many."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class OpenrouterAdapter(LiteLLMChatModel):
    """OpenAI-shaped; an error may come inside an answer with status 200."""

    litellm_provider = "openrouter"
    message_fields = ("reasoning", "reasoning_details")
    native_params = (
        "provider",
        "models",
        "route",
        "transforms",
        "plugins",
        "reasoning",
        "include_reasoning",
        "usage",
        "top_k",
        "min_p",
        "top_a",
        "repetition_penalty",
        "preset",
        "structured_outputs",
        "session_id",
        "trace",
    )
    extra_params = ("user", "reasoning_effort", "verbosity", "prompt_cache_key")
