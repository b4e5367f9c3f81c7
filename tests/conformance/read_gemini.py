"""Reads Google's generateContent, of the Gemini API and of Vertex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, answer, number, streamed, tokens

_FILTERED = (
    "safety recitation blocklist prohibited_content spii image_safety image_prohibited_content image_recitation "
    "language model_armor jailbreak block_reason_unspecified"
)
FINISH = {"stop": "stop", "max_tokens": "length", "tool_calls": "tool_calls"} | dict.fromkeys(
    _FILTERED.split(), "content_filter"
)
_BLOCKED = "SAFETY"


def read(document: dict[str, Any]) -> Expected:
    """A whole answer; one whose prompt was blocked has no candidate and still is an answer."""
    builders: dict[int, ChoiceBuilder] = {}
    _add(builders, document)
    if not builders:
        return Expected(errors=("APIResponseValidationError",))
    _note_tool_calls(builders)
    return answer(_ordered(builders), FINISH, _usage(document.get("usageMetadata") or {}))


def read_stream(stream: Stream) -> Expected:
    """Each document adds its parts; counts are running totals, so that the last told is the right one."""
    builders: dict[int, ChoiceBuilder] = {}
    usage: dict[str, Any] = {}
    for document in stream.documents:
        _add(builders, document)
        usage.update(document.get("usageMetadata") or {})
    _note_tool_calls(builders)
    return streamed(_ordered(builders), FINISH, _usage(usage))


def _add(builders: dict[int, ChoiceBuilder], document: Mapping[str, Any]) -> None:
    if (document.get("promptFeedback") or {}).get("blockReason") and not document.get("candidates"):
        builders.setdefault(0, ChoiceBuilder()).finish = _BLOCKED
    for position, candidate in enumerate(document.get("candidates") or ()):
        builder = builders.setdefault(candidate.get("index", position), ChoiceBuilder())
        for part in (candidate.get("content") or {}).get("parts") or ():
            if "functionCall" in part:
                call = part["functionCall"]
                builder.call(len(builder.calls), call.get("name"), call.get("args") or {})
            elif part.get("thought"):
                builder.think(part.get("text"))
            else:
                builder.say(part.get("text"))
        builder.finish = candidate.get("finishReason") or builder.finish


def _note_tool_calls(builders: dict[int, ChoiceBuilder]) -> None:
    """Google has no word for it: calls of functions finish as STOP."""
    for builder in builders.values():
        if builder.calls and builder.finish == "STOP":
            builder.finish = "tool_calls"


def _usage(usage: Mapping[str, Any]) -> Tokens | None:
    if "promptTokenCount" not in usage:
        return None
    prompt, thoughts = number(usage["promptTokenCount"]), number(usage.get("thoughtsTokenCount"))
    return tokens(
        {prompt, prompt + number(usage.get("toolUsePromptTokenCount"))},  # whether the one holds the other differs
        number(usage.get("candidatesTokenCount")) + thoughts,
        number(usage.get("cachedContentTokenCount")),
        thoughts or None,
    )


def _ordered(builders: dict[int, ChoiceBuilder]) -> list[ChoiceBuilder]:
    return [builders[index] for index in sorted(builders)]
