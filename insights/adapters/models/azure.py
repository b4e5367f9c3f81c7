"""Azure OpenAI (a deployment is the model's name), and the OpenAI-shaped models of Azure AI Foundry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from insights.adapters.models import transport
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.body import Prepared
from insights.adapters.models.egress import Endpoint, owns
from insights.adapters.models.openai_responses import OpenAIResponses, wants_responses
from insights.core import intercept
from insights.core.effects import WireAnswer
from insights.core.errors import ConfigError
from insights.core.request import ChatRequest

# The newest version with everything `completion` offers; any other by api_version= or AZURE_API_VERSION.
DEFAULT_API_VERSION = "2025-04-01-preview"


class AzureAdapter(LiteLLMChatModel):
    """Key in `api-key`; AZURE_API_BASE, AZURE_API_VERSION and AZURE_AD_TOKEN as in litellm."""

    litellm_provider = "azure"
    # REST API reference, "Chat completions - Create".
    default_params = (("temperature", 1), ("top_p", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
    options = ("api_version", "azure_ad_token")
    native_params = ("data_sources",)
    extra_params = ("metadata", "store", "verbosity", "safety_identifier", "prompt_cache_key", "user", "reasoning_effort")

    @property
    def knows_developer(self) -> bool:
        return self.own_host

    @property
    def upstream(self) -> str:
        return self._model_id.removeprefix("responses/")

    @property
    def _version(self) -> str:
        return self.given.get("api_version") or self._settings.variable("AZURE_API_VERSION") or DEFAULT_API_VERSION

    @property
    def place(self) -> Mapping[str, Any]:
        return {"api_version": self._version}

    @property
    def _token(self) -> str | None:
        if self.given.get("azure_ad_token"):
            return str(self.given["azure_ad_token"])
        # Like a key, the environment's goes to Azure's own hosts and to nobody else.
        return self._settings.variable("AZURE_AD_TOKEN") if owns(self.config, urlsplit(self.base).hostname or "") else None

    def default_base(self) -> str:
        base = super().default_base()
        if not base and intercept.replaying():
            return "https://example.openai.azure.com"  # as a cassette has it, whoever's resource it was
        if not base:
            raise ConfigError(
                "AZURE_API_BASE is not set", hint="set it to https://<resource>.openai.azure.com, or pass api_base="
            )
        return base

    @property
    def key_required(self) -> bool:
        return self._token is None

    def lane(self, request: ChatRequest) -> LiteLLMChatModel:
        return OpenAIResponses(self) if wants_responses(self, request) else self

    def responses_url(self, base: str) -> str:
        """Where a deployment speaks the Responses API."""
        return f"{base.removesuffix('/models')}/openai/v1/responses"

    def url(self, base: str, stream: bool) -> str:
        version = f"?api-version={quote(self._version, safe='')}"
        if base.endswith("/openai/v1"):
            return f"{base}/chat/completions"
        if _is_foundry(base):
            return f"{base.removesuffix('/models')}/models/chat/completions{version}"
        return f"{base}/openai/deployments/{quote(self.upstream, safe='')}/chat/completions{version}"

    def headers(self, config: Any, where: Endpoint, arguments: dict[str, Any]) -> dict[str, str]:
        if where.key is not None:
            return {"api-key": where.key.get_secret_value()}
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def to_litellm(self, prepared: Prepared, answer: WireAnswer, data: dict[str, Any]) -> Any:
        # AzureOpenAIConfig leaves this to the openai SDK; the shape is OpenAI's.
        prepared.config = transport.resolve(":OpenAIGPTConfig")()
        return super().to_litellm(prepared, answer, data)

    def event_parser(self, prepared: Prepared) -> Any:
        prepared.config = transport.resolve(":OpenAIGPTConfig")()
        return super().event_parser(prepared)


def _is_foundry(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    return base.endswith("/models") or host.endswith((".services.ai.azure.com", ".models.ai.azure.com"))
