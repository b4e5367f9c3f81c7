"""Messages of an earlier answer on their way back, to the same provider or to another.

An answer carries more than a request may: thoughts with a provider's signature, leftovers of litellm's, Gemini's signatures
inside the ids of tool calls. What the target takes back stays; the rest is taken off, so that a conversation can change
providers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from insights.adapters.models.wire import Wire

# Fields that answers have and OpenAI's requests don't. A provider's file names those it takes back in `message_fields`.
ANSWER_FIELDS: Final = (
    "annotations",
    "citations",
    "images",
    "provider_specific_fields",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "reasoning_items",
    "thinking_blocks",
)

THOUGHT: Final = "__thought__"  # litellm's mark between the id of a Gemini tool call and Gemini's signature of it


def outgoing(model: Wire, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages as the target may have them; the request's own stay as they are."""
    return [_message(model, message) for message in messages]


def _message(model: Wire, message: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(message)
    if found.get("role") == "developer" and not model.knows_developer:
        found["role"] = "system"  # the older word for it, which all others know
    if found.get("role") == "assistant":
        for name in ANSWER_FIELDS:
            if name not in model.message_fields:
                found.pop(name, None)
        if found.get("tool_calls"):
            found["tool_calls"] = [_call(model, call) for call in found["tool_calls"]]
    if "tool_call_id" in found:
        found["tool_call_id"] = _id(model, found["tool_call_id"])
    return found


def _call(model: Wire, call: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in call.items() if name != "index"}
    if "provider_specific_fields" not in model.message_fields:
        kept.pop("provider_specific_fields", None)
    function = kept.get("function")
    if isinstance(function, Mapping):
        kept["function"] = {n: v for n, v in function.items() if n != "provider_specific_fields" or n in model.message_fields}
        if not function.get("arguments"):
            kept["function"]["arguments"] = "{}"
    if "id" in kept:
        kept["id"] = _id(model, kept["id"])
    return kept


def _id(model: Wire, value: Any) -> Any:
    foreign = isinstance(value, str) and "provider_specific_fields" not in model.message_fields
    return value.partition(THOUGHT)[0] if foreign else value
