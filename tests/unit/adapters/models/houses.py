"""What the provider files say, read without the library's own loader, and a client whose provider is the loopback server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import insights
from insights.adapters.models.factory import Provider
from insights.core.config import Settings
from tests.unit.adapters.loopback import Loopback

ROOT = Path(__file__).resolve().parents[4]
CONFIGS = ROOT / "configs" / "providers"
PROVIDERS = [provider.value for provider in Provider]

# Variables in which litellm, or a provider's own SDK, would look for a key or a token; none of them is ours to send.
FOREIGN = (
    "AI21_API_KEY ANTHROPIC_AUTH_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AZURE_AD_TOKEN"
    " AZURE_AI_API_KEY AZURE_CLIENT_SECRET CODESTRAL_API_KEY DATABRICKS_API_KEY FIREWORKSAI_API_KEY FIREWORKS_AI_TOKEN"
    " HUGGINGFACE_TOKEN LITELLM_API_KEY LITELLM_PROXY_API_KEY NVIDIA_NIM_API_KEY OPENAI_ORGANIZATION OPENAI_PROJECT OR_API_KEY"
    " PALM_API_KEY REPLICATE_API_KEY SAMBANOVA_API_KEY TOGETHER_AI_API_KEY TOGETHER_AI_TOKEN VERTEXAI_CREDENTIALS"
    " WATSONX_APIKEY"
).split()


@lru_cache(maxsize=64)
def file_of(provider: str) -> dict[str, Any]:
    """A shipped provider file; every scalar is the text it is written as."""
    text = (CONFIGS / f"{provider}.yaml").read_text(encoding="utf-8")
    texts_only: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    found: dict[str, Any] = yaml.load(text, Loader=texts_only)[provider]  # noqa: S506
    return found


def chat_models(provider: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The models that are asked by chat completions, those with prices first."""
    rows = [(name, row) for name, row in (file_of(provider).get("models") or {}).items() if row.get("mode", "chat") == "chat"]
    return iter(sorted(rows, key=lambda item: "cost_input_per_1k" not in item[1]))


def model_of(provider: str) -> str:
    """A model of the provider's file."""
    return next(name for name, _ in chat_models(provider))


def tool_model_of(provider: str) -> str | None:
    """One whose row says that it has tools; None when no row does."""
    return next((name for name, row in chat_models(provider) if "tools" in row.get("capabilities", ())), None)


BILLED = {"cohere": (7, 3)}  # where the sample answers say that it is other than what is counted


def price(provider: str, model: str, prompt: int, completion: int) -> Decimal | None:
    """Tokens times price per thousand, by hand; None where the file has no price. Of dated prices those of today."""
    row = dict(file_of(provider)["models"][model])
    for change in row.get("changes", ()):
        if str(change["effective_from"]) <= datetime.now(UTC).date().isoformat():
            row.update(change)
    if "cost_input_per_1k" not in row:
        return None
    prompt, completion = BILLED.get(provider, (prompt, completion))
    each = (Decimal(row["cost_input_per_1k"]) * prompt, Decimal(row["cost_output_per_1k"]) * completion)
    return sum(each, Decimal(0)) / 1000 + Decimal(row.get("cost_per_request_low", 0))


@lru_cache(maxsize=1)
def variables() -> list[str]:
    """Every variable any provider's key is read from, and the foreign ones."""
    files = [file_of(provider) for provider in PROVIDERS]
    own = [name for data in files for name in (data["env_key"], *data.get("env_key_aliases", ()))]
    return [*own, *FOREIGN]


@dataclass
class House:
    """One provider, living on the loopback server: the key in its variable, canaries in everybody else's."""

    provider: str
    server: Loopback
    directory: Path
    key: str
    client: insights.Client
    canaries: list[str] = field(default_factory=list)

    def settings(self) -> Settings:
        """Settings that lead to the server."""
        return Settings(config_dir=self.directory, cache=False)

    def call(self, model: str, *, awaiting: bool, **params: Any) -> Any:
        """A call of `completion` or `acompletion`, without retries unless asked for; a stream is read to its end."""
        given = {"num_retries": 0, "timeout": 30, **params}
        if awaiting:
            return asyncio.run(self._awaited(model, given))
        found = self.client.completion(f"{self.provider}/{model}", QUESTION, **given)
        if given.get("stream"):
            chunks = list(found)
            return chunks, found.response
        return found

    async def _awaited(self, model: str, given: dict[str, Any]) -> Any:
        found = await self.client.acompletion(f"{self.provider}/{model}", QUESTION, **given)
        if given.get("stream"):
            chunks = [chunk async for chunk in found]
            return chunks, found.response
        return found


QUESTION = "How is the weather, and who are you?"


def house(provider: str, server: Loopback, directory: Path, patch: pytest.MonkeyPatch) -> House:
    """Moves a provider to the loopback server, by a file in the user's own configuration directory."""
    canaries = []
    for index, name in enumerate(variables()):
        canaries.append(f"canary-{index:03d}-not-yours")
        patch.setenv(name, canaries[-1])
    key = f"key-of-{provider}-0123456789"
    patch.setenv(file_of(provider)["env_key"], key)
    directory.mkdir(exist_ok=True)
    (directory / f"{provider}.yaml").write_text(f'{provider}:\n  api_base: "{server.url}"\n', encoding="utf-8")
    return House(provider, server, directory, key, insights.Client(config_dir=directory, cache=False), canaries)
