"""Hugging Face's router to its inference providers."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class HuggingfaceAdapter(LiteLLMChatModel):
    """OpenAI-shaped. A base URL is always given to litellm, which would otherwise look one up over the network."""

    litellm_provider = "huggingface"
    extra_params = ("reasoning_effort",)
    native_params = ("top_k", "repetition_penalty")
