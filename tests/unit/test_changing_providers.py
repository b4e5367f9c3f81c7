"""One conversation over several providers: an answer's message goes back as it is, to whoever is asked next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from insights import ModelResponse, completion
from tests.simulator import Simulator

FIRST = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash")
NEXT = (*FIRST, "mistral/mistral-large-latest", "cohere/command-a-03-2025", "ollama/llama3.1", "openai/responses/gpt-5")
QUESTION = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "What is the weather in Paris?"}]


def weather(city: str) -> str:
    """The weather in a city."""
    return "sunny"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def ask(simulator: Simulator, model: str, messages: list[Any], *, stream: bool = False) -> ModelResponse:
    provider = model.partition("/")[0]
    arguments: dict[str, Any] = {"api_base": simulator.base(provider), "api_key": "test-key-1", "cache": False}
    if not stream:
        answer: ModelResponse = completion(model, messages, tools=[weather], **arguments)
        return answer
    with completion(model, messages, tools=[weather], stream=True, **arguments) as chunks:
        list(chunks)
        return chunks.response


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("then", NEXT)
def test_a_tool_call_of_one_is_answered_at_another(simulator: Simulator, first: str, then: str, stream: bool) -> None:
    asked = ask(simulator, first, QUESTION, stream=stream)
    message = asked.choices[0].message
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments)["city"] == "Paris"

    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    answered = ask(simulator, then, [*QUESTION, message, result])
    assert "sunny" in answered.text

    body = simulator.received[-1].content.decode()
    assert "provider_specific_fields" not in body
    if then.partition("/")[0] != first.partition("/")[0]:
        for foreign in ("reasoning_content", "thinking_blocks", "__thought__"):
            assert foreign not in body
    assert '"developer"' not in body  # a word that only OpenAI's own host is sure to know
