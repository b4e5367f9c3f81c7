"""Compares what the library made of a recording with what the recording says; a difference is a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from insights.core import errors

from .shapes import Choice, Expected, Tokens, ToolCall

if TYPE_CHECKING:
    from insights.core.types import Chunk, Message, ModelResponse, Usage

_THINK = re.compile(r"\s*<think>(.*?)</think>\s*(.*)", re.S)

# Classes that say more than their parents. One of them is wrong where only the parent is expected.
_TELLING = (
    "MissingKeyError",
    "UnknownModelError",
    "UnsupportedParamsError",
    "ContextWindowExceededError",
    "ContentPolicyViolationError",
    "QuotaExceededError",
)


def answer_differences(response: ModelResponse, expected: Expected) -> list[str]:
    """How `response` differs from what the recording says; empty when it does not."""
    if expected.errors and not expected.choices:
        return [f"expected {' or '.join(expected.errors)}, got an answer: {response.text[:80]!r}"]
    got = choices_of(response)
    if len(got) != len(expected.choices):
        return [f"expected {len(expected.choices)} choices, got {len(got)}"]
    found: list[str] = []
    for index, (mine, theirs) in enumerate(zip(got, expected.choices, strict=True)):
        found += [f"choice {index}: {difference}" for difference in _choice_differences(mine, theirs)]
    return [*found, *_usage_differences(response.usage, expected.usage)]


def chunk_differences(chunks: list[Chunk], response: ModelResponse) -> list[str]:
    """The text that the chunks gave, piece by piece, against the text of the whole."""
    texts: dict[int, list[str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts.setdefault(choice.index, []).append(choice.delta.content or "")
    return [
        f"chunks of choice {choice.index} add up to {''.join(texts.get(choice.index, []))!r}, not to {choice.message.content!r}"
        for choice in response.choices
        if "".join(texts.get(choice.index, [])) != (choice.message.content or "")
    ]


def error_differences(error: Exception, expected: Expected) -> list[str]:
    """How an error differs from the one that the recording stands for."""
    name = type(error).__name__
    if not expected.errors:
        return [f"expected an answer, got {name}: {str(error)[:300]}"]
    found = []
    right = tuple(getattr(errors, wanted) for wanted in expected.errors)
    telling = [wanted for wanted in _TELLING if isinstance(error, getattr(errors, wanted))]
    if not isinstance(error, right) or not set(telling) <= set(expected.errors):
        found.append(f"expected {' or '.join(expected.errors)}, got {name}: {str(error)[:300]}")
    status = getattr(error, "status_code", None)
    if expected.statuses and status not in expected.statuses:
        found.append(f"expected status {sorted(expected.statuses)}, got {status}")
    return found


def choices_of(response: ModelResponse) -> list[Choice]:
    """The library's choices in the shape that the readers give."""
    return [
        Choice(
            text=choice.message.content or "",
            tool_calls=_calls_of(choice.message),
            finish=frozenset({choice.finish_reason or ""}),
            reasoning=choice.message.reasoning_content or None,
            refusal=choice.message.refusal or None,
        )
        for choice in sorted(response.choices, key=lambda choice: choice.index)
    ]


def _calls_of(message: Message) -> tuple[ToolCall, ...]:
    calls = tuple(ToolCall.of(call.function.name, call.function.arguments) for call in message.tool_calls or ())
    called = message.get("function_call")  # OpenAI's older word, which may be kept
    return (*calls, ToolCall.of(called["name"], called["arguments"])) if called else calls


def _choice_differences(got: Choice, expected: Choice) -> Iterator[str]:
    if got.text != expected.text and not _thought_apart(got, expected):
        yield f"text: expected {expected.text[:200]!r}, got {got.text[:200]!r}"
    if got.tool_calls != expected.tool_calls:
        yield f"tool calls: expected {expected.tool_calls}, got {got.tool_calls}"
    if expected.finish and not got.finish & expected.finish:
        yield f"finish reason: expected {sorted(expected.finish)}, got {sorted(got.finish)}"
    if expected.reasoning and _spaceless(got.reasoning) != _spaceless(expected.reasoning):
        yield f"reasoning: expected {expected.reasoning[:120]!r}, got {(got.reasoning or '')[:120]!r}"
    if expected.refusal and got.refusal != expected.refusal:
        yield f"refusal: expected {expected.refusal!r}, got {got.refusal!r}"


def _usage_differences(got: Usage | None, expected: Tokens | None) -> Iterator[str]:
    if expected is None:
        return
    if got is None:
        yield f"usage: expected {expected}, got none"
        return
    if got.prompt_tokens not in expected.input:
        yield f"prompt tokens: expected {sorted(expected.input)}, got {got.prompt_tokens}"
    if got.completion_tokens not in expected.output:
        yield f"completion tokens: expected {sorted(expected.output)}, got {got.completion_tokens}"
    if got.total_tokens != got.prompt_tokens + got.completion_tokens:
        yield f"total tokens: {got.total_tokens} is not {got.prompt_tokens} + {got.completion_tokens}"
    if got.prompt_tokens_details.cached_tokens != expected.cached:
        yield f"cached tokens: expected {expected.cached}, got {got.prompt_tokens_details.cached_tokens}"
    reasoning = got.completion_tokens_details.reasoning_tokens
    if expected.reasoning is not None and reasoning != expected.reasoning:
        yield f"reasoning tokens: expected {expected.reasoning}, got {reasoning}"


def _thought_apart(got: Choice, expected: Choice) -> bool:
    """Some open models write their thoughts into the text; taking them out of it is right too, if nothing is lost."""
    found = _THINK.fullmatch(expected.text)
    if not found:
        return False
    thought, text = found.groups()
    return _spaceless(got.reasoning) == _spaceless(thought) and got.text.strip() == text.strip()


def _spaceless(text: str | None) -> str:
    """Reasoning comes in several blocks, and how they are joined is nobody's promise."""
    return re.sub(r"\s+", "", text or "")
