"""From a model name to its provider and adapter: a static table, no I/O.

Beside the table there may be providers of the user's own files and of installed packages; see `insights.catalog.others`.
"""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from insights.adapters.models.routes import Router

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.catalog.loader import Catalog


class Provider(StrEnum):
    """Every shipped provider. The value names its module, its file in `configs/providers/` and `provider/` in model names."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    VERTEX = "vertex"
    AZURE = "azure"
    BEDROCK = "bedrock"
    MISTRAL = "mistral"
    GROQ = "groq"
    COHERE = "cohere"
    DEEPSEEK = "deepseek"
    TOGETHER = "together"
    OPENROUTER = "openrouter"
    XAI = "xai"
    OLLAMA = "ollama"
    PERPLEXITY = "perplexity"
    CEREBRAS = "cerebras"
    FIREWORKS = "fireworks"
    HUGGINGFACE = "huggingface"
    MOONSHOT = "moonshot"
    ZAI = "zai"


# How a name begins -> who serves it; the longest match wins. With a slash at its end it is another spelling of
# `provider/` (litellm's, where it differs) and is taken off. Without, it is part of the model's own name, and is tried on
# names without a slash only: `deepseek-ai/DeepSeek-R1` is a repository that many hosts serve, not DeepSeek's API.
PROVIDER_PREFIXES: Final[dict[str, Provider]] = {
    "gpt-": Provider.OPENAI,
    "chatgpt": Provider.OPENAI,
    "codex-": Provider.OPENAI,
    "o1": Provider.OPENAI,
    "o3": Provider.OPENAI,
    "o4": Provider.OPENAI,
    "claude": Provider.ANTHROPIC,
    "gemini": Provider.GEMINI,
    "gemma-": Provider.GEMINI,
    "vertex_ai/": Provider.VERTEX,
    "azure_ai/": Provider.AZURE,
    "amazon.": Provider.BEDROCK,
    "anthropic.": Provider.BEDROCK,
    "us.anthropic.": Provider.BEDROCK,
    "eu.anthropic.": Provider.BEDROCK,
    "global.anthropic.": Provider.BEDROCK,
    "meta.": Provider.BEDROCK,
    "bedrock_converse/": Provider.BEDROCK,
    "mistral": Provider.MISTRAL,
    "ministral": Provider.MISTRAL,
    "codestral": Provider.MISTRAL,
    "magistral": Provider.MISTRAL,
    "devstral": Provider.MISTRAL,
    "pixtral": Provider.MISTRAL,
    "open-mistral": Provider.MISTRAL,
    "open-mixtral": Provider.MISTRAL,
    "command": Provider.COHERE,
    "c4ai-aya": Provider.COHERE,
    "cohere_chat/": Provider.COHERE,
    "deepseek": Provider.DEEPSEEK,
    "together_ai/": Provider.TOGETHER,
    "grok": Provider.XAI,
    "ollama_chat/": Provider.OLLAMA,
    "sonar": Provider.PERPLEXITY,
    "fireworks_ai/": Provider.FIREWORKS,
    "kimi": Provider.MOONSHOT,
    "moonshot-": Provider.MOONSHOT,
    "glm": Provider.ZAI,
}

ROUTER: Final = Router(tuple(Provider), PROVIDER_PREFIXES)
_SHIPPED: Final = frozenset(provider.value for provider in Provider)


def class_name(provider: str) -> str:
    """The adapter's class, by convention: `together` -> `TogetherAdapter`.

    >>> class_name("together")
    'TogetherAdapter'
    """
    return f"{provider.capitalize()}Adapter"


def provider_names(catalog: Catalog) -> list[str]:
    """The names of all providers: the shipped ones, then those of the user's own files and of installed packages."""
    return ROUTER.names(catalog)


class ModelFactory:
    """Makes adapters. Only the routed provider's module is imported."""

    @classmethod
    def create(cls, model: str, **options: Any) -> LiteLLMChatModel:
        """The adapter for a model name.

        Args:
            model: `"claude-haiku-4-5"`, `"together/meta-llama/Llama-3.3-70B-Instruct-Turbo"`, an alias.
            **options: `api_key`, `api_base`, `settings` and what the provider's adapter takes besides.

        Raises:
            UnknownModelError: no provider is known for the name.

        >>> ModelFactory.create("claude-haiku-4-5").provider
        'anthropic'
        """
        from insights.catalog.loader import Catalog

        found = ROUTER.route(model, Catalog(options.get("settings")))
        return cls._create_adapter(found.model_id, found.provider, **options)

    @classmethod
    def _create_adapter(cls, model_id: str, provider: str, **options: Any) -> LiteLLMChatModel:
        return cls.adapter_class(provider)(model_id=model_id, **options)

    @classmethod
    def adapter_class(cls, provider: str) -> type[LiteLLMChatModel]:
        """A provider's adapter, found by naming convention, so that a new provider needs no branch here.

        Of one that isn't shipped it is what its package names, or else the adapter for hosts with OpenAI's API.

        Raises:
            ConfigError: a package's adapter that can't be used.
        """
        if provider not in _SHIPPED:
            from insights.adapters.models.compatible import other_adapter

            return other_adapter(provider)
        module = import_module(f"insights.adapters.models.{provider}")
        found: type[LiteLLMChatModel] = getattr(module, class_name(provider))
        return found
