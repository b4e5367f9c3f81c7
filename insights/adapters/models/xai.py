"""xAI."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class XaiAdapter(LiteLLMChatModel):
    """OpenAI-shaped. Reasoning tokens are reported beside the completion's and billed like them: they are added."""

    litellm_provider = "xai"
    # REST API reference, "Chat completions".
    default_params = (("temperature", 1), ("top_p", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
    native_params = ("search_parameters", "deferred")
    extra_params = ("user", "reasoning_effort")
