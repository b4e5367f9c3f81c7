"""Z.ai (GLM)."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class ZaiAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "zai"
    message_fields = ("reasoning_content",)
    native_params = ("do_sample", "request_id", "user_id", "tool_stream")
    extra_params = ("reasoning_effort", "thinking", "response_format", "stop")
