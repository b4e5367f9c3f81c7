"""Reads OpenAI's Responses API: an `output` of items instead of choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, answer, first_number, streamed, tokens

FINISH = {
    "completed": "stop",
    "tool_calls": "tool_calls",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
_ENDS = {"response.completed", "response.incomplete"}


def read(document: dict[str, Any]) -> Expected:
    """A whole response."""
    if not isinstance(document.get("output"), list):
        return Expected(errors=("APIResponseValidationError",))
    builder = ChoiceBuilder()
    for position, item in enumerate(document["output"]):
        _add(builder, position, item)
    finished = str(document.get("status") or "")
    if builder.calls and finished == "completed":
        finished = "tool_calls"
    builder.finish = str((document.get("incomplete_details") or {}).get("reason") or finished)
    return answer([builder], FINISH, _usage(document.get("usage")))


def read_stream(stream: Stream) -> Expected:
    """The last event holds the whole response; without one the stream was cut."""
    ends = [document for document in stream.documents if document.get("type") in _ENDS]
    if ends:
        return read(ends[-1]["response"])
    builder = ChoiceBuilder()
    for document in stream.documents:
        if str(document.get("type")).endswith("output_text.delta"):
            builder.say(document.get("delta"))
    return streamed([builder], FINISH, None)


def _add(builder: ChoiceBuilder, position: int, item: Mapping[str, Any]) -> None:
    if item.get("type") == "message":
        for part in item.get("content") or ():
            builder.say(part.get("text") if part.get("type") == "output_text" else None)
            builder.refuse(part.get("refusal"))
    elif item.get("type") == "function_call":
        builder.call(position, item.get("name"), item.get("arguments"))
    elif item.get("type") == "reasoning":
        for part in item.get("summary") or ():
            builder.think(part.get("text"))


def _usage(usage: Mapping[str, Any] | None) -> Tokens | None:
    if not usage:
        return None
    return tokens(
        first_number(usage, "input_tokens"),
        first_number(usage, "output_tokens"),
        first_number(usage, "input_tokens_details.cached_tokens"),
        first_number(usage, "output_tokens_details.reasoning_tokens") or None,
    )
