"""Globex: a provider that isn't shipped."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import insights
from insights.client import Client
from tests.loopback import Received
from tests.unit.adapters.answers import OpenAIChat
from tests.unit.adapters.loopback import Answer
from tests.unit.both import Read, ask

KEY = "key-of-globex-0123456789"
GLOBEX = """\
globex:
  api_base: "{url}/v1"
  prefixes: [anvil-]
  timeout: 33
  source: "the price page of Globex"
  checked: 2026-01-31
  models:
    anvil-1:
      context_window: 8000
      max_output_tokens: 1000
      capabilities: [streaming, tools, json_schema]
      aliases: [anvil-latest]
      cost_input_per_1k: 0.0021
      cost_output_per_1k: 0.0083
"""
# 2000 x 0.0021 / 1000 + 500 x 0.0083 / 1000
COST = Decimal("0.00835")
ANVIL, CHAT = "globex/anvil-1", OpenAIChat()

whole_or_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def answer_of(client: Client, awaiting: bool, stream: bool, model: str, **params: Any) -> insights.ModelResponse:
    if not stream:
        return ask(client, awaiting, model, **params)
    read = Read().run(client, awaiting, model, **params)
    assert read.response is not None
    assert read.text == read.response.text
    return read.response


def fails_for(model: str) -> Callable[[Received], Answer]:
    """Fails for one model, answers for others."""

    def answer(request: Received) -> Answer:
        said: Any = request.body
        return CHAT.error(500) if said["model"] == model else CHAT.stream() if said.get("stream") else CHAT.text()

    return answer
