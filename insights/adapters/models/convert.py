"""litellm's answers and chunks to ours, with what the provider itself said in place of what litellm made of it.

litellm invents a finish reason where there was none, adds up tokens by differing rules, and drops fields it doesn't
know. So its result gives the text, the tool calls and the reasoning; finish reason, usage and unknown fields come from the
provider's JSON.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from insights.core.types import Chunk, ModelResponse, Usage

# Providers' words -> OpenAI's. Sources: the providers' API references (stop_reason, finishReason, done_reason, ...).
FINISH: Final[Mapping[str, str]] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "function_call",
    "content_filter": "content_filter", "eos": "stop", "eos_token": "stop",
    "endoftext": "stop", "end": "stop", "unload": "stop", "load": "stop",
    # Anthropic, Bedrock Converse
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "model_context_window_exceeded": "length", "refusal": "content_filter", "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    # Gemini, Vertex
    "STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter", "PROHIBITED_CONTENT": "content_filter", "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "IMAGE_SAFETY": "content_filter", "MODEL_ARMOR": "content_filter", "OTHER": "content_filter",
    "BLOCKED_REASON_UNSPECIFIED": "content_filter", "FINISH_REASON_UNSPECIFIED": "stop", "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop", "IMAGE_PROHIBITED_CONTENT": "content_filter",
    # Cohere
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "tool_calls", "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length", "USER_CANCEL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop", "NO_IMAGE": "stop", "IMAGE_OTHER": "content_filter", "IMAGE_RECITATION": "content_filter",
    "MISSING_THOUGHT_SIGNATURE": "stop", "malformed_model_output": "stop", "malformed_tool_use": "stop",
    # OpenAI Responses
    "completed": "stop", "max_output_tokens": "length",
    # Mistral, Moonshot, Z.ai, DeepSeek
    "model_length": "length", "sensitive": "content_filter",

}  # fmt: skip


# The provider gave up in the middle of its answer: no end that could be called a finish.
FAILED: Final = frozenset({"error", "ERROR", "TIMEOUT", "network_error", "insufficient_system_resource"})


def finish_reason(native: str | None, has_tool_calls: bool) -> str | None:
    """OpenAI's word for a provider's finish reason; a word nobody knows is kept as it is.

    A normal end of an answer with tool calls is `tool_calls`, which some providers call a stop like any other.
    """
    if native is None:
        return None
    reason = FINISH.get(native, native)
    if has_tool_calls:
        return "tool_calls" if reason in ("stop", "function_call") else reason
    return "stop" if reason == "tool_calls" else reason  # litellm asks for JSON by a tool where there is no other way


def whole(value: Any) -> int:
    """A token count; providers send null, floats and nothing at all."""
    return int(value) if isinstance(value, int | float) and value == value and value > 0 else 0


def usage(prompt: int, completion: int, *, billed: tuple[int, int] | None = None, **details: int) -> Usage:
    """Usage by OpenAI's convention.

    Args:
        prompt: all prompt tokens, cached ones included.
        completion: all generated tokens, reasoning included.
        billed: what of both is billed, where that is something else.
        **details: `cached`, `cache_write`, `cache_write_1h`, `reasoning`, `audio_in`, `audio_out`, `image_in`, `image_out`,
            `cached_audio`, `cached_image`.
    """
    return Usage.model_validate(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            **({"billed_prompt_tokens": billed[0], "billed_completion_tokens": billed[1]} if billed is not None else {}),
            "prompt_tokens_details": {
                "cached_tokens": details.get("cached", 0),
                "cache_creation_tokens": details.get("cache_write", 0),
                "cache_creation_1h_tokens": details.get("cache_write_1h", 0),
                "audio_tokens": details.get("audio_in", 0),
                "image_tokens": details.get("image_in", 0),
                "cached_audio_tokens": details.get("cached_audio", 0),
                "cached_image_tokens": details.get("cached_image", 0),
            },
            "completion_tokens_details": {
                "reasoning_tokens": details.get("reasoning", 0),
                "audio_tokens": details.get("audio_out", 0),
                "image_tokens": details.get("image_out", 0),
            },
        }
    )


def openai_usage(data: Any) -> Usage | None:
    """OpenAI's `usage` object, whose fields differ a little from host to host; fields of its own are kept."""
    if not isinstance(data, Mapping):
        return None
    prompt = _first_count(data, "prompt_tokens", "input_tokens")
    completion = _first_count(data, "completion_tokens", "output_tokens")
    prompt, completion = (
        _rest(data, completion) if prompt is None else prompt,
        _rest(data, prompt) if completion is None else completion,
    )
    if prompt is None or completion is None:
        return None  # not said, or half of it; 0 would be a figure, and a wrong one
    prompt_details = data.get("prompt_tokens_details") or data.get("input_tokens_details") or {}
    completion_details = data.get("completion_tokens_details") or data.get("output_tokens_details") or {}
    cached = prompt_details.get("cached_tokens") or next(
        (data[name] for name in ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens") if data.get(name)),
        data.get("cache_read_input_tokens"),
    )
    reasoning = whole(completion_details.get("reasoning_tokens") or data.get("reasoning_tokens"))
    if reasoning and whole(data.get("total_tokens")) == prompt + completion + reasoning:
        completion += reasoning  # xAI, Perplexity: reported beside the completion tokens, billed like them
    found = usage(
        prompt,
        completion,
        cached=min(whole(cached), prompt),
        cache_write=whole(prompt_details.get("cache_write_tokens")),
        reasoning=reasoning,
        audio_in=whole(prompt_details.get("audio_tokens")),
        audio_out=whole(completion_details.get("audio_tokens")),
        image_in=whole(prompt_details.get("image_tokens")),
        image_out=whole(completion_details.get("image_tokens")),
    )
    return kept(found, data)


def _first_count(data: Mapping[str, Any], *names: str) -> int | None:
    """The count under the first of `names` that has one above 0; 0 if it is said to be, None where nothing is said."""
    said = [value for name in names if isinstance(value := data.get(name), int | float) and 0 <= value < math.inf]
    return next((count for value in said if (count := whole(value))), 0) if said else None


def _rest(data: Mapping[str, Any], half: int | None) -> int | None:
    """The half of the tokens that isn't said, by the total."""
    total = _first_count(data, "total_tokens")
    return total - half if total is not None and half is not None and total >= half else None


def kept(found: Usage, data: Mapping[str, Any]) -> Usage:
    """Usage with the provider's own fields beside ours."""
    if found.__pydantic_extra__ is not None:
        known = type(found).model_fields
        found.__pydantic_extra__.update({n: value for n, value in data.items() if n not in known and value is not None})
    return found


def _clean(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is there: None says nothing, and neither does the box where litellm keeps leftovers when it is empty."""
    found = {name: value for name, value in data.items() if value is not None}
    leftovers = found.get("provider_specific_fields")
    if isinstance(leftovers, Mapping) and not any(value is not None for value in leftovers.values()):
        del found["provider_specific_fields"]
    return found


def _with_unknown(ours: dict[str, Any], theirs: Mapping[str, Any], skip: tuple[str, ...] = ()) -> dict[str, Any]:
    for name, value in theirs.items():
        if value is not None and name not in skip and ours.get(name) is None:
            ours[name] = value
    return ours


def dump(answer: Any) -> Any:
    """A pydantic object of litellm's as plain data. Not by `model_dump`: its unions make pydantic warn about values that are
    right, and reading the fields is faster."""
    if isinstance(answer, BaseModel):
        fields = {**answer.__dict__, **(answer.__pydantic_extra__ or {})}
        return {name: dump(value) for name, value in fields.items() if value is not None}
    if isinstance(answer, Mapping):
        return {name: dump(value) for name, value in answer.items()}
    return [dump(item) for item in answer] if isinstance(answer, list | tuple) else answer


def _id(raw: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """The provider's own id of an answer; some are numbers."""
    found = raw.get("id") or raw.get("responseId") or data.get("id")
    return None if found is None else str(found)


def _message(data: Mapping[str, Any]) -> dict[str, Any]:
    message = _clean(data)
    message["tool_calls"] = [
        {**_clean(call), "function": {**_clean(call.get("function") or {})}} for call in message.get("tool_calls") or ()
    ] or None
    if not message.get("reasoning_content") and isinstance(message.get("reasoning"), str):
        message["reasoning_content"] = message["reasoning"]
    return message


def response(
    answer: Any,
    raw: Mapping[str, Any],
    *,
    provider: str,
    model: str,
    finishes: Mapping[int, str],
    counted: Usage | None,
    openai_shaped: bool,
) -> ModelResponse:
    """The typed answer.

    Args:
        answer: litellm's ModelResponse.
        raw: the provider's JSON.
        finishes: the provider's own finish reasons by choice.
        counted: the tokens by the provider's own count.
        openai_shaped: whether `raw` has OpenAI's shape, so that its unknown fields have a place in ours.
    """
    data = dump(answer)
    raw_choices: dict[int, Mapping[str, Any]] = {}
    if openai_shaped:
        for position, choice in enumerate(raw.get("choices") or ()):
            raw_choices[whole(choice.get("index")) or position] = choice
    choices = []
    for position, found in enumerate(data.get("choices") or ()):
        choice = _clean(found)
        index = whole(choice.get("index")) or position
        theirs = raw_choices.get(index, {})
        message = _with_unknown(_message(choice.get("message") or {}), _message(theirs.get("message") or {}), skip=("content",))
        said = (theirs.get("message") or {}).get("content")
        if isinstance(said, str) and said and message.get("content"):
            # The provider's text as it is; litellm moves <think> tags out of it, in whole answers and not in streams.
            thought = _message(theirs["message"]).get("reasoning_content")
            message.update(content=said, reasoning_content=thought)
        native = finishes.get(index)
        choices.append(
            _with_unknown(
                {
                    **choice,
                    "index": index,
                    "message": _message(message),
                    "finish_reason": finish_reason(native, bool(message.get("tool_calls"))),
                    **({"native_finish_reason": native} if native and FINISH.get(native) != native else {}),
                },
                theirs,
                skip=("finish_reason",),
            )
        )
    known = ("id", "object", "created", "model", "choices", "usage", "error")
    body: dict[str, Any] = {name: value for name, value in _clean(data).items() if name not in known}
    if openai_shaped:
        _with_unknown(body, raw, skip=known)
    return ModelResponse.model_validate(
        {
            **{name: value for name, value in body.items() if name not in ("provider", "cached", "cost", "trace")},
            "id": _id(raw, data),
            "created": whole(raw.get("created") or raw.get("created_at")) or int(time.time()),
            "model": raw.get("model") or raw.get("modelVersion") or model,
            "choices": choices,
            "usage": counted,
            "provider": provider,
        }
    )


def _unnumbered(delta: dict[str, Any], theirs: Mapping[str, Any]) -> None:
    """Takes off the index that litellm gives to calls without one: all of them 0, whichever call they belong to."""
    sent = theirs.get("tool_calls")
    for call, raw in zip(delta.get("tool_calls") or (), sent if isinstance(sent, list) else (), strict=False):
        if isinstance(raw, Mapping) and raw.get("index") is None:
            call.pop("index", None)


def chunk(
    parsed: Any,
    raw: Mapping[str, Any],
    *,
    model: str,
    finishes: Mapping[int, str],
    counted: Usage | None,
    openai_shaped: bool,
) -> Chunk:
    """The typed chunk, from litellm's (a ModelResponseStream, or its older GenericStreamingChunk dict)."""
    data = dump(parsed)
    choices: list[dict[str, Any]] = []
    if "choices" not in data:  # GenericStreamingChunk
        delta: dict[str, Any] = {"content": data.get("text") or None}
        if data.get("tool_use"):
            delta["tool_calls"] = [data["tool_use"]]
        extra = data.get("provider_specific_fields") or {}
        delta["reasoning_content"] = extra.get("reasoning_content")
        choices = [{"index": whole(data.get("index")), "delta": delta}]
    else:
        raw_deltas = {whole(c.get("index")): c for c in raw.get("choices") or ()} if openai_shaped else {}
        for found in data.get("choices") or ():
            choice = _clean(found)
            theirs = raw_deltas.get(whole(choice.get("index")), {})
            delta = _with_unknown(_clean(choice.get("delta") or {}), theirs.get("delta") or {}, skip=("content",))
            if not delta.get("reasoning_content") and isinstance(delta.get("reasoning"), str):
                delta["reasoning_content"] = delta["reasoning"]
            _unnumbered(delta, theirs.get("delta") or {})
            choices.append(_with_unknown({**choice, "delta": delta}, theirs, skip=("finish_reason", "delta")))
    present = {choice.get("index", 0) for choice in choices}
    choices += [{"index": index, "delta": {}} for index in finishes if index not in present]
    for choice in choices:
        choice["delta"]["tool_calls"] = [_clean(call) for call in choice["delta"].get("tool_calls") or ()] or None
        native = finishes.get(choice.get("index", 0))
        choice["finish_reason"] = native  # in OpenAI's word once it is known whether tools were called
    extra = {n: v for n, v in raw.items() if n not in ("choices", "usage", "object", "error")} if openai_shaped else {}
    return Chunk.model_validate(
        {
            **extra,
            "id": _id(raw, data),
            "created": whole(raw.get("created")) or whole(data.get("created")),
            "object": "chat.completion.chunk",
            "model": raw.get("model") or model,
            "choices": choices,
            "usage": counted,
        }
    )
