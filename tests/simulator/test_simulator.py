"""The simulator answers through the library as a provider does: words, tools, streams, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

import insights
from tests.simulator import BASES, Simulator, provider_of
from tests.simulator.native import frame
from tests.simulator.shapes import ask


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def arguments(simulator: Simulator, provider: str, model: str = "a-model", **more: Any) -> dict[str, Any]:
    """A call to the simulator, with nothing remembered and nothing tried again."""
    place = {"api_base": simulator.base(provider), "api_key": "test-key", "cache": False, "num_retries": 0, "fallbacks": []}
    return {"model": f"{provider}/{model}", "messages": "Hello!", **place, **more}


DOCUMENTED: Final = [
    # OpenAI: guide "Error codes"; Anthropic: reference "Errors"; Google: guide "Troubleshooting".
    ("openai", "rate_limit", 429, insights.RateLimitError),
    ("openai", "quota", 429, insights.QuotaExceededError),
    ("openai", "server_error", 500, insights.InternalServerError),
    ("openai", "overloaded", 503, insights.ServiceUnavailableError),
    ("openai", "bad_key", 401, insights.AuthenticationError),
    ("anthropic", "rate_limit", 429, insights.RateLimitError),
    ("anthropic", "quota", 402, insights.QuotaExceededError),
    ("anthropic", "server_error", 500, insights.InternalServerError),
    ("anthropic", "overloaded", 529, insights.ServiceUnavailableError),
    ("anthropic", "bad_key", 401, insights.AuthenticationError),
    ("gemini", "rate_limit", 429, insights.RateLimitError),
    ("gemini", "server_error", 500, insights.InternalServerError),
    ("gemini", "overloaded", 503, insights.ServiceUnavailableError),
    ("gemini", "bad_key", 400, insights.AuthenticationError),
    ("cohere", "rate_limit", 429, insights.RateLimitError),
    ("cohere", "bad_key", 401, insights.AuthenticationError),
    ("ollama", "server_error", 500, insights.InternalServerError),
    ("bedrock", "rate_limit", 429, insights.RateLimitError),
    ("mistral", "rate_limit", 429, insights.RateLimitError),
]


@pytest.mark.parametrize(("provider", "kind", "status", "error"), DOCUMENTED)
def test_a_queued_error_comes_once_as_documented(
    provider: str, kind: str, status: int, error: type[insights.APIError], simulator: Simulator
) -> None:
    simulator.fail(kind, provider, retry_after=7)
    given = (
        arguments(simulator, provider, aws_region_name="us-east-1") if provider == "bedrock" else arguments(simulator, provider)
    )
    with pytest.raises(error) as caught:
        insights.completion(**given)
    assert type(caught.value) is error
    assert caught.value.status_code == status
    if kind == "rate_limit":
        assert caught.value.retry_after == 7
    assert insights.completion(**given).text == "Hello! How can I help you today?"


TOOL: Final = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.mark.parametrize("provider", BASES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("tools", [[], [TOOL]], ids=["text", "tool"])
def test_the_library_understands_it(provider: str, stream: bool, tools: list[Any], simulator: Simulator) -> None:
    if provider == "perplexity" and tools:
        pytest.skip("perplexity has no tools")
    models = {
        "anthropic": "claude-haiku-4-5", "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0", "gemini": "gemini-2.5-flash",
        "vertex": "gemini-2.5-flash", "openai": "gpt-4o-mini", "fireworks": "accounts/fireworks/models/deepseek-v3p1",
        "together": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "groq": "openai/gpt-oss-20b", "moonshot": "kimi-k2.5",
        "zai": "glm-4.6", "cerebras": "gpt-oss-120b", "huggingface": "Qwen/Qwen3-32B", "xai": "grok-4.3",
    }  # fmt: skip
    given = arguments(simulator, provider, models.get(provider, "a-model"), stream=stream, messages="The weather in Paris?")
    given |= {"tools": tools} if tools else {}
    given |= {"aws_region_name": "us-east-1"} if provider == "bedrock" else {}
    answer: Any = insights.completion(**given)
    if stream:
        chunks = list(answer)
        answer = answer.response
        assert len(chunks) >= (2 if tools else 3)
        assert "".join(chunk.text for chunk in chunks) == answer.text
    if tools:
        [call] = answer.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"city": "Paris"})
        assert answer.choices[0].finish_reason == "tool_calls"
    else:
        assert answer.text == "You said: The weather in Paris?"
        assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 0
    [received] = simulator.received
    assert provider_of(received) == provider


def test_a_conversation_with_a_tool_ends_in_words(simulator: Simulator) -> None:
    for provider in ("openai", "anthropic", "gemini", "cohere", "ollama", "openai/responses"):
        name, _, prefix = provider.partition("/")
        model = {"anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}.get(name, "gpt-4o-mini")
        given = arguments(simulator, name, f"{prefix}/{model}" if prefix else model, tools=[TOOL])
        asked: list[Any] = [{"role": "user", "content": "The weather in Paris?"}]
        first = insights.completion(**{**given, "messages": asked})
        message = first.choices[0].message
        assert message.tool_calls
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}
        second = insights.completion(**{**given, "messages": [*asked, message, result]})
        assert "rain" in second.text, provider
        assert not second.choices[0].message.tool_calls


def test_equal_requests_get_equal_answers(simulator: Simulator) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}
    url = f"{simulator.base('openai')}/chat/completions"
    first, second = ask(url, body), ask(url, dict(reversed(body.items())))
    assert first == second
    other = ask(url, {**body, "temperature": 0.5})
    assert json.loads(other.body)["id"] != json.loads(first.body)["id"]


def test_a_limit_cuts_and_a_long_prompt_is_cached(simulator: Simulator) -> None:
    short = insights.completion(**arguments(simulator, "openai", "gpt-4o-mini", max_tokens=2))
    assert (short.text, short.choices[0].finish_reason) == ("Hello! H", "length")
    long = insights.completion(**arguments(simulator, "openai", "gpt-5-mini", messages="word " * 1000))
    assert long.usage is not None
    assert long.usage.prompt_tokens_details.cached_tokens == 1152
    assert long.usage.completion_tokens_details.reasoning_tokens == 64


def test_what_a_provider_would_refuse_is_refused(simulator: Simulator) -> None:
    chat = f"{simulator.base('openai')}/chat/completions"
    assert ask(chat, b"not json").status == 400
    assert ask(chat, {"model": "m"}).status == 400
    assert ask(chat, {"model": "m", "messages": "Hello!"}).status == 400
    assert ask(chat, {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}, authorization="").status == 401
    assert ask(f"{simulator.url}/openai/v1/embeddings", {}).status == 404
    assert ask(f"{simulator.url}/nobody/chat/completions", {}).status == 404
    messages = f"{simulator.base('anthropic')}/v1/messages"
    sound = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 9}
    assert ask(messages, sound).status == 200
    assert ask(messages, {**sound, "max_tokens": None}).status == 400
    assert ask(messages, sound, **{"anthropic-version": ""}).status == 400
    with pytest.raises(ValueError, match="kind is one of"):
        simulator.fail("earthquake")


def test_a_binary_frame_is_one_that_botocore_reads() -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(frame("messageStop", {"stopReason": "end_turn"}))
    [message] = buffer
    assert message.headers[":event-type"] == "messageStop"
    assert json.loads(message.payload) == {"stopReason": "end_turn"}
