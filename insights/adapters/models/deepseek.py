"""DeepSeek."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class DeepseekAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "deepseek"
    # API reference, "Create Chat Completion".
    default_params = (("temperature", 1), ("top_p", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
    message_fields = ("reasoning_content",)
