"""OpenAI: chat completions, and the Responses API for the models that speak only that."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.openai_responses import OpenAIResponses, wants_responses
from insights.core.request import ChatRequest


class OpenaiAdapter(LiteLLMChatModel):
    """`openai/responses/<model>` asks for the Responses API by name, as in litellm."""

    litellm_provider = "openai"
    # API reference, "Create chat completion".
    default_params = (
        ("temperature", 1),
        ("top_p", 1),
        ("frequency_penalty", 0),
        ("presence_penalty", 0),
        ("service_tier", "auto"),
    )
    extra_params = (
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "store",
        "verbosity",
        "user",
    )

    @property
    def knows_developer(self) -> bool:
        return self.own_host

    @property
    def upstream(self) -> str:
        return self._model_id.removeprefix("responses/")

    def lane(self, request: ChatRequest) -> LiteLLMChatModel:
        return OpenAIResponses(self) if wants_responses(self, request) else self
