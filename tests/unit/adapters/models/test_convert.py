"""Usage by OpenAI's convention, finish reasons in OpenAI's words, and the providers' own fields kept."""

from __future__ import annotations

from typing import Any

import pytest

from insights.adapters.models import convert, transport
from insights.adapters.models.anthropic import anthropic_usage
from insights.adapters.models.bedrock import BedrockAdapter
from insights.adapters.models.cohere import CohereAdapter
from insights.adapters.models.gemini import GeminiAdapter
from insights.adapters.models.ollama import OllamaAdapter
from insights.core.types import Usage


def counted(found: Usage | None) -> dict[str, int]:
    assert found is not None
    assert found.total_tokens == found.prompt_tokens + found.completion_tokens
    counts = {
        "prompt": found.prompt_tokens,
        "completion": found.completion_tokens,
        "cached": found.prompt_tokens_details.cached_tokens,
        "write": found.prompt_tokens_details.cache_creation_tokens,
        "write_1h": found.prompt_tokens_details.cache_creation_1h_tokens,
        "audio_in": found.prompt_tokens_details.audio_tokens,
        "reasoning": found.completion_tokens_details.reasoning_tokens,
        "audio_out": found.completion_tokens_details.audio_tokens,
    }
    return {name: value for name, value in counts.items() if value}


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}, {"prompt": 10, "completion": 4}),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 9,
                "total_tokens": 19,
                "prompt_tokens_details": {"cached_tokens": 6, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 2},
            },
            {"prompt": 10, "completion": 9, "cached": 6, "audio_in": 1, "reasoning": 5, "audio_out": 2},
        ),
        # DeepSeek's context caching; Moonshot's.
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 7},
            {"prompt": 10, "completion": 1, "cached": 7},
        ),
        ({"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 7}, {"prompt": 10, "completion": 1, "cached": 7}),
        # xAI: reasoning beside the completion's tokens, and in the total.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 3,
                "total_tokens": 33,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            {"prompt": 10, "completion": 23, "reasoning": 20},
        ),
        # OpenRouter's cache writes.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3},
            },
            {"prompt": 10, "completion": 1, "cached": 2, "write": 3},
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": None, "total_tokens": 5, "prompt_tokens_details": None},
            {"prompt": 5},
        ),
        # Half of it said: the other half is the rest of the total.
        (
            {"prompt_tokens": 10, "completion_tokens": None, "total_tokens": 510},
            {"prompt": 10, "completion": 500},
        ),
        ({"completion_tokens": 4, "total_tokens": 14}, {"prompt": 10, "completion": 4}),
        ({"prompt_tokens": 5.0, "completion_tokens": float("nan"), "total_tokens": 7}, {"prompt": 5, "completion": 2}),
        ({"prompt_tokens": 5, "completion_tokens": 0}, {"prompt": 5}),
        ({"prompt_tokens": 0, "input_tokens": 5, "output_tokens": 2}, {"prompt": 5, "completion": 2}),
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 50}},
            {"prompt": 10, "completion": 1, "cached": 10},
        ),
    ],
)
def test_openai_usage(raw: dict[str, Any], wanted: dict[str, int]) -> None:
    assert counted(convert.openai_usage(raw)) == wanted


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        [],
        "x",
        7,
        {"prompt_tokens": 10},
        {"completion_tokens": 10},
        {"total_tokens": 10},
        {"prompt_tokens": 10, "completion_tokens": None},
        {"prompt_tokens": 10, "completion_tokens": None, "total_tokens": 9},
        {"prompt_tokens": -5, "completion_tokens": "7"},
        {"prompt_tokens": 5.0, "completion_tokens": float("nan")},
        {"prompt_tokens": float("inf"), "completion_tokens": 1},
    ],
)
def test_no_usage(raw: Any) -> None:
    assert convert.openai_usage(raw) is None


def test_a_providers_own_counts_are_kept() -> None:
    found = convert.openai_usage({"prompt_tokens": 1, "completion_tokens": 1, "queue_time": 0.1, "nothing": None})
    assert found is not None
    assert found["queue_time"] == 0.1
    assert "nothing" not in found


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"input_tokens": 10, "output_tokens": 4}, {"prompt": 10, "completion": 4}),
        # Anthropic, "Prompt caching": total input = cache_read + cache_creation + input_tokens.
        (
            {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50, "output_tokens": 4},
            {"prompt": 160, "completion": 4, "cached": 100, "write": 50},
        ),
        (
            {
                "input_tokens": 10,
                "cache_creation_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
                "output_tokens": 4,
                "output_tokens_details": {"thinking_tokens": 3},
            },
            {"prompt": 60, "completion": 4, "write": 50, "write_1h": 30, "reasoning": 3},
        ),
        (
            {"input_tokens": 10, "cache_read_input_tokens": None, "cache_creation": None, "output_tokens": 4},
            {"prompt": 10, "completion": 4},
        ),
    ],
)
def test_anthropic_usage(raw: dict[str, Any], wanted: dict[str, int]) -> None:
    assert counted(anthropic_usage(raw)) == wanted


def test_gemini_usage() -> None:
    """Google, UsageMetadata: thoughts and tool results are counted beside, cached content within the prompt."""
    raw = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 13,
        "toolUsePromptTokenCount": 5,
        "totalTokenCount": 125,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}, {"modality": "AUDIO", "tokenCount": 10}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
    }
    wanted = {"prompt": 105, "completion": 20, "cached": 40, "reasoning": 13, "audio_in": 10, "audio_out": 2}
    assert counted(GeminiAdapter("m").count(raw)) == wanted


def test_bedrock_usage() -> None:
    """Amazon, TokenUsage: cache reads and writes are counted beside the input."""
    raw = {"inputTokens": 10, "outputTokens": 4, "totalTokens": 14, "cacheReadInputTokens": 6, "cacheWriteInputTokens": 3}
    assert counted(BedrockAdapter("m").count(raw)) == {"prompt": 19, "completion": 4, "cached": 6, "write": 3}


def test_cohere_usage() -> None:
    """Cohere, Usage: `tokens` are all, `billed_units` what is paid; v1 has them in `meta`."""
    model = CohereAdapter("m")
    tokens = {"input_tokens": 10, "output_tokens": 4}
    assert counted(model.count({"billed_units": {"input_tokens": 3}, "tokens": tokens})) == {"prompt": 10, "completion": 4}
    assert counted(model.count({"billed_units": tokens})) == {"prompt": 10, "completion": 4}
    assert counted(model.count({"tokens": tokens, "cached_tokens": 2})) == {"prompt": 10, "completion": 4, "cached": 2}
    assert model.count({}) is None


def test_ollama_usage() -> None:
    assert counted(OllamaAdapter("m").count({"prompt_eval_count": 10, "eval_count": 4})) == {"prompt": 10, "completion": 4}


@pytest.mark.parametrize(
    ("native", "tools", "wanted"),
    [
        (None, False, None),
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
        ("function_call", False, "function_call"),
        ("end_turn", False, "stop"),
        ("max_tokens", False, "length"),
        ("tool_use", True, "tool_calls"),
        ("stop_sequence", False, "stop"),
        ("refusal", False, "content_filter"),
        ("guardrail_intervened", False, "content_filter"),
        ("STOP", True, "tool_calls"),
        ("MAX_TOKENS", False, "length"),
        ("SAFETY", False, "content_filter"),
        ("RECITATION", False, "content_filter"),
        ("COMPLETE", False, "stop"),
        ("TOOL_CALL", True, "tool_calls"),
        ("max_output_tokens", False, "length"),
        ("model_length", False, "length"),
        ("sensitive", False, "content_filter"),
        ("eos", False, "stop"),
        ("a_word_nobody_knows", False, "a_word_nobody_knows"),
    ],
)
def test_finish_reasons(native: str | None, tools: bool, wanted: str | None) -> None:
    assert convert.finish_reason(native, tools) == wanted


@pytest.mark.parametrize(("value", "wanted"), [(7, 7), (7.9, 7), (0, 0), (-1, 0), (None, 0), ("7", 0), (float("nan"), 0)])
def test_whole(value: Any, wanted: int) -> None:
    assert convert.whole(value) == wanted


def chunk_of(raw: dict[str, Any], parsed: Any = None, **given: Any) -> Any:
    about = {"model": "m", "finishes": {}, "counted": None, "openai_shaped": True, **given}
    return convert.chunk(raw if parsed is None else parsed, raw, **about)


def test_a_chunk_keeps_what_litellm_does_not_know() -> None:
    raw = {
        "id": "c",
        "created": 7,
        "model": "theirs",
        "x_groq": {"id": "r"},
        "choices": [{"index": 0, "delta": {"content": "a", "annotations": [1]}, "native": "y", "finish_reason": None}],
    }
    found = chunk_of(raw, {"choices": [{"index": 0, "delta": {"content": "a"}}]})
    assert (found.id, found.created, found.model, found.text) == ("c", 7, "theirs", "a")
    assert found["x_groq"] == {"id": "r"}
    assert found.choices[0].delta["annotations"] == [1]
    assert found.choices[0]["native"] == "y"


def test_reasoning_under_its_other_name() -> None:
    found = chunk_of({"choices": [{"index": 0, "delta": {"reasoning": "Hm"}}]})
    assert found.choices[0].delta.reasoning_content == "Hm"


def test_a_finish_without_a_choice_makes_one() -> None:
    found = chunk_of({"choices": []}, finishes={1: "length"})
    assert [(choice.index, choice.finish_reason) for choice in found.choices] == [(1, "length")]


def test_litellms_older_kind_of_chunk() -> None:
    """GenericStreamingChunk, which some of its parsers still give."""
    old = {
        "text": "Hi",
        "is_finished": True,
        "finish_reason": "stop",
        "index": 0,
        "tool_use": {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0},
        "provider_specific_fields": {"reasoning_content": "Hm"},
    }
    found = chunk_of({}, old, openai_shaped=False)
    delta = found.choices[0].delta
    assert (delta.content, delta.reasoning_content, delta.tool_calls[0]["id"]) == ("Hi", "Hm", "a")
    assert found.choices[0].finish_reason is None, "litellm's finish reason is not the provider's"


def test_a_finish_reason_is_the_providers_word_or_none() -> None:
    """litellm makes `stop` of a missing one."""
    transport.load()
    answer = transport.empty_response()
    answer.choices[0].message.content = "Hi"
    found = convert.response(answer, {"id": "x"}, provider="acme", model="m", finishes={}, counted=None, openai_shaped=False)
    assert found.choices[0].finish_reason is None
    assert found.text == "Hi"
    known = convert.response(
        answer, {"id": "x"}, provider="acme", model="m", finishes={0: "end_turn"}, counted=None, openai_shaped=False
    )
    assert (known.choices[0].finish_reason, known.choices[0]["native_finish_reason"]) == ("stop", "end_turn")
    assert (known.id, known.model, known.provider) == ("x", "m", "acme")


def test_a_provider_cannot_set_what_is_ours() -> None:
    raw = {
        "id": "x",
        "provider": "evil",
        "cost": 7,
        "cached": True,
        "trace": {},
        "choices": [{"index": 0, "message": {"content": "Hi"}}],
    }
    found = convert.response(raw, raw, provider="acme", model="m", finishes={}, counted=None, openai_shaped=True)
    assert (found.provider, found.cost, found.cached) == ("acme", None, False)
