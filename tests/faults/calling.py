"""Calls to a misbehaving server: blocking or awaiting, whole or streamed, and how long they took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.core.errors import InsightsError
from tests.unit.adapters.answers import NATIVE, Family, OpenAIChat

# OpenAI itself, two with a wire of their own, and one of the many that are OpenAI-compatible.
MODELS = {
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-haiku-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "together": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
}
every_wire = pytest.mark.parametrize("provider", MODELS)
both_ways = pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])

TIMEOUT = 0.5
MARGIN = 1.0  # for a busy machine; without a deadline these calls would last for ever


def family(provider: str) -> Family:
    return NATIVE.get(provider, OpenAIChat())


@dataclass
class Outcome:
    """What came of a call."""

    error: Any = None
    response: Any = None
    texts: list[str] = field(default_factory=list)
    seconds: float = 0.0


def call(
    provider: str, url: str, *, awaiting: bool, stream: bool = False, cache_dir: Path | None = None, **params: Any
) -> Outcome:
    """One call. Only the library's own errors are an outcome."""
    client = insights.Client(cache_dir=cache_dir) if cache_dir else insights.Client(cache=False)
    given: dict[str, Any] = {"api_base": url, "api_key": "key-0123456789", "num_retries": 0, "timeout": 20, **params}
    outcome = Outcome()
    started = time.monotonic()
    try:
        if awaiting:
            asyncio.run(_awaited(client, MODELS[provider], stream, given, outcome))
        else:
            _called(client, MODELS[provider], stream, given, outcome)
    except InsightsError as error:
        outcome.error = error
    outcome.seconds = time.monotonic() - started
    client.close()
    return outcome


def _called(client: insights.Client, model: str, stream: bool, given: dict[str, Any], outcome: Outcome) -> None:
    found: Any = client.completion(model, "Hello", stream=stream, **given)
    if stream:
        for chunk in found:
            outcome.texts.append(chunk.text)
        found = found.response
    outcome.response = found


async def _awaited(client: insights.Client, model: str, stream: bool, given: dict[str, Any], outcome: Outcome) -> None:
    found: Any = await client.acompletion(model, "Hello", stream=stream, **given)
    if stream:
        async for chunk in found:
            outcome.texts.append(chunk.text)
        found = found.response
    outcome.response = found
