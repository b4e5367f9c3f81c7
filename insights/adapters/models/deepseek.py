"""DeepSeek."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class DeepseekAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "deepseek"
    message_fields = ("reasoning_content",)
