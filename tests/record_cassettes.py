"""Records the committed cassettes from the wire simulator: `python -m tests.record_cassettes`, or `make cassettes`.

`--only PROVIDER` records those of one provider, `--into FOLDER` writes them elsewhere. The scenes below are the whole list of
what is recorded. Recording again gives the same, times aside.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

import insights
from insights.adapters.models.factory import Provider
from insights.catalog.loader import Catalog
from insights.core.config import Settings
from tests.simulator import BASES, VERSION, Simulator

FOLDER: Final = Path(__file__).parents[1] / "cassettes"
RECORDED_FROM: Final = {
    "what": "the local wire simulator of this project (tests/simulator)",
    "version": VERSION,
    "command": "make cassettes",
    # Some details of the requests are litellm's; another one may write them differently.
    "litellm": importlib.metadata.version("litellm"),
}

# Providers without a host of their own in their file: the one a recording stands for.
_HOSTS: Final = {
    "azure": "https://example.openai.azure.com",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
}
# What a call to these must say besides, also when it is replayed.
_PLACES: Final[Mapping[str, Mapping[str, Any]]] = {
    "azure": {"api_base": _HOSTS["azure"], "api_version": "2025-04-01-preview"},
    "bedrock": {"aws_region_name": "us-east-1"},
}

_MODELS: Final[Mapping[str, str]] = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "vertex": "gemini-3.5-flash",
    "azure": "gpt-4o-mini",
    "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "mistral": "mistral-small-latest",
    "groq": "openai/gpt-oss-20b",
    "cohere": "command-a-03-2025",
    "deepseek": "deepseek-flash",
    "together": "openai/gpt-oss-120b",
    "openrouter": "openai/gpt-4o-mini",
    "xai": "grok-4.20-0309-non-reasoning",
    "ollama": "llama3.2",
    "perplexity": "sonar",
    "cerebras": "gpt-oss-120b",
    "fireworks": "accounts/fireworks/models/deepseek-v3p1",
    "huggingface": "meta-llama/Llama-3.1-8B-Instruct",
    "moonshot": "moonshot-v1-8k",
    "zai": "glm-4.5-flash",
}
# Of a provider that isn't listed, the first model of its file.
MODELS: Final[Mapping[str, str]] = {
    provider.value: _MODELS.get(provider) or next(iter(Catalog(Settings()).provider(provider).models)) for provider in Provider
}
THREE: Final = ("openai", "anthropic", "gemini")

CAPITAL: Final = "What is the capital of France?"
SKY: Final = "Why is the sky blue?"
SEA: Final = "Write three lines about the sea."
CITY: Final = "Describe Tokyo."
WEATHER: Final = "What is the weather like in Paris?"
PLANTS: Final = "How do plants eat?"
# Long enough for the providers that cache prompts by themselves, which begin at 1,024 tokens.
STYLE: Final = "Answer in one short sentence, in plain words, without numbers.\n" * 72

WEATHER_TOOL: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(BaseModel):
    city: str
    country: str
    population: int


@dataclass(frozen=True)
class Scene:
    """A cassette and the calls in it; `failures` are what the simulator is told to answer first: (kind, provider, wait)."""

    path: str
    calls: tuple[Mapping[str, Any], ...]
    failures: tuple[tuple[str, str, float | None], ...] = field(default=())


def call(provider: str, messages: Any, model: str | None = None, **params: Any) -> dict[str, Any]:
    """A call as a user writes it, without key; it replays as it is."""
    return {"model": f"{provider}/{model or MODELS[provider]}", "messages": messages, **_PLACES.get(provider, {}), **params}


def scenes() -> list[Scene]:
    """Every committed cassette."""
    found = [Scene(f"{provider}/plain.yaml", (call(provider, CAPITAL),)) for provider in MODELS]
    for provider in THREE:
        asked = {"stream": call(provider, SEA, stream=True), "tools": call(provider, WEATHER, tools=[WEATHER_TOOL])}
        asked["schema"] = call(provider, CITY, response_format=City)
        found += [Scene(f"{provider}/{name}.yaml", (one,)) for name, one in asked.items()]
    found.append(Scene("openai/responses.yaml", (call("openai", CAPITAL, "responses/gpt-5-mini"),)))
    # What docs/demo.py shows. A limit of its own: for Anthropic litellm fills in its own otherwise, another in each version.
    for provider in THREE:
        found.append(Scene(f"{provider}/demo_answer.yaml", (call(provider, SKY, max_tokens=200),)))
    styled = [{"role": "system", "content": STYLE}, {"role": "user", "content": PLANTS}]
    found += [
        Scene("anthropic/demo_stream.yaml", (call("anthropic", SEA, stream=True, max_tokens=200),)),
        Scene("openai/demo_schema.yaml", (call("openai", CITY, response_format=City),)),
        Scene("openai/demo_costs.yaml", (call("openai", styled, "gpt-5-mini"),)),
        Scene("openai/demo_cache.yaml", (call("openai", PLANTS),)),
        Scene("anthropic/demo_fallback.yaml", (fallback_call(),), (("rate_limit", "anthropic", 120.0),)),
    ]
    return found


def fallback_call() -> dict[str, Any]:
    """Anthropic refuses with a 429 and OpenAI answers."""
    return call("anthropic", PLANTS, max_tokens=200, fallbacks=[f"openai/{MODELS['openai']}"])


def real_base(provider: str) -> str:
    """The base URL a recording stands for: the provider's own."""
    return _HOSTS.get(provider) or Catalog(Settings()).provider(provider).api_base


def record(folder: Path = FOLDER, only: str | None = None) -> list[Path]:
    """Records every scene, or those of one provider, into `folder`; returns the files."""
    wanted = [scene for scene in scenes() if only is None or scene.path.startswith(f"{only}/")]
    if not wanted:
        raise SystemExit(f"nothing is recorded of {only!r}; providers are {', '.join(MODELS)}")
    with Simulator() as simulator, _nothing_from_outside():
        hosts = {simulator.base(provider): real_base(provider) for provider in BASES}
        return [_record(scene, folder / scene.path, simulator, hosts) for scene in wanted]


def _record(scene: Scene, path: Path, simulator: Simulator, hosts: Mapping[str, str]) -> Path:
    for kind, provider, wait in scene.failures:
        simulator.fail(kind, provider, retry_after=wait)
    with insights.use_cassette(path, mode="refresh", recorded_from=RECORDED_FROM, hosts=hosts):
        for asked in scene.calls:
            ask({**asked, "fallbacks": [], **_towards(simulator, asked), **_chain(simulator, asked)})
    return path


def ask(arguments: Mapping[str, Any]) -> insights.ModelResponse:
    """A call to its end, streamed or not."""
    answer: Any = insights.completion(**arguments)
    if arguments.get("stream"):
        for _ in answer:
            pass
        return answer.response  # type: ignore[no-any-return]
    return answer  # type: ignore[no-any-return]


def _towards(simulator: Simulator, asked: Mapping[str, Any]) -> dict[str, Any]:
    provider = str(asked["model"]).partition("/")[0]
    return {"api_base": simulator.base(provider), "api_key": "test-key"}


def _chain(simulator: Simulator, asked: Mapping[str, Any]) -> dict[str, Any]:
    names = asked.get("fallbacks") or ()
    return {"fallbacks": [{"model": name, **_towards(simulator, {"model": name})} for name in names]}


@contextlib.contextmanager
def _nothing_from_outside() -> Iterator[None]:
    """Settings of the machine, and who is recording, must not show in a cassette; in CI too it is recorded, for comparing."""
    outside = [name for name in os.environ if name.startswith("INSIGHTS_") or name in ("CI", "PYTEST_CURRENT_TEST")]
    kept = {name: os.environ.pop(name) for name in outside}
    os.environ["INSIGHTS_LEDGER"] = "0"  # no money is spent on the simulator
    try:
        yield
    finally:
        del os.environ["INSIGHTS_LEDGER"]
        os.environ.update(kept)


def main() -> None:
    """Records and says what was written."""
    parser = argparse.ArgumentParser(prog="python -m tests.record_cassettes")
    parser.add_argument("--only", metavar="PROVIDER")
    parser.add_argument("--into", metavar="FOLDER", type=Path, default=FOLDER)
    given = parser.parse_args()
    for path in record(given.into, given.only):
        print(path)


if __name__ == "__main__":
    main()
