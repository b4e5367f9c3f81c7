"""Reads Bedrock: converse, and what invoke hands through of each vendor's own format."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from . import read_anthropic, read_cohere, read_openai
from .framing import Stream
from .shapes import ChoiceBuilder, Expected, Tokens, answer, first_number, number, streamed, tokens

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "stop": "stop",
    "finish": "stop",
    "finished": "stop",
    "endoftext": "stop",
    "complete": "stop",
    "tool_use": "tool_calls",
    "tool_calls": "tool_calls",
    "max_tokens": "length",
    "length": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_METRICS = "amazon-bedrock-invocationMetrics"


def read_converse(document: dict[str, Any]) -> Expected:
    """A whole answer of converse (Nova answers invoke in the same form)."""
    blocks = ((document.get("output") or {}).get("message") or {}).get("content")
    if not isinstance(blocks, list):
        return Expected(errors=("APIResponseValidationError",))
    builder = ChoiceBuilder(finish=document.get("stopReason"))
    for position, block in enumerate(blocks):
        builder.say(block.get("text"))
        builder.think(((block.get("reasoningContent") or {}).get("reasoningText") or {}).get("text"))
        for cited in (block.get("citationsContent") or {}).get("content") or ():
            builder.say(cited.get("text"))
        if _callers(block.get("toolUse")):
            builder.call(position, block["toolUse"].get("name"), block["toolUse"].get("input"))
    return answer([builder], FINISH, _converse_usage(document.get("usage")))


def read_converse_stream(stream: Stream) -> Expected:
    """Typed events; the usage comes after the finish reason."""
    builder = ChoiceBuilder()
    usage: Tokens | None = None
    calls: set[object] = set()
    for document in stream.documents:
        start, delta = document.get("contentBlockStart") or {}, document.get("contentBlockDelta") or {}
        used = (start.get("start") or {}).get("toolUse") or {}
        if _callers(used):
            calls.add(start.get("contentBlockIndex", 0))
            builder.call(start.get("contentBlockIndex", 0), used.get("name"))
        _add_delta(builder, delta, calls)
        builder.finish = (document.get("messageStop") or {}).get("stopReason") or builder.finish
        usage = _converse_usage((document.get("metadata") or {}).get("usage")) or usage
    return streamed([builder], FINISH, usage)


def read_invoke(document: dict[str, Any], *, provider: str = "bedrock") -> Expected:
    """The vendor's own answer, told by its fields."""
    if "output" in document:
        return read_converse(document)
    if "choices" in document:
        return read_openai.read(document, provider=provider)
    if "completion" in document or isinstance(document.get("content"), list):
        return read_anthropic.read(document)
    if "text" in document or isinstance(document.get("message"), Mapping):
        return read_cohere.read(document)
    if not _texts(document):
        return Expected(errors=("APIResponseValidationError",))
    return answer(_texts(document), FINISH, _invoke_usage(document))


def read_invoke_stream(stream: Stream, *, provider: str = "bedrock") -> Expected:
    """Each chunk carries one of the vendor's own stream documents in base64."""
    inner = Stream(tuple(_chunk(document) for document in stream.documents if "chunk" in document), closed=True)
    documents = inner.documents
    if any(document.get("type") == "message_start" or "completion" in document for document in documents):
        return read_anthropic.read_stream(inner)
    if any("choices" in document for document in documents):
        return read_openai.read_stream(inner, provider=provider)
    if any("messageStart" in document or "contentBlockDelta" in document for document in documents):
        return read_converse_stream(inner)
    builder = ChoiceBuilder()
    usage: dict[str, Any] = {}
    for document in documents:
        for text in _texts(document):
            builder.text += text.text
            builder.finish = text.finish or builder.finish
        usage.update({name: value for name, value in document.items() if value is not None})
    return streamed([builder], FINISH, _invoke_usage(usage))


def _chunk(document: Mapping[str, Any]) -> dict[str, Any]:
    decoded = json.loads(base64.b64decode(document["chunk"]["bytes"]))
    return decoded if isinstance(decoded, dict) else {}


def _callers(used: Mapping[str, Any] | None) -> bool:
    """Calls of the provider's own tools (`server_tool_use`) ask nothing of the caller."""
    return used is not None and bool(used) and used.get("type") != "server_tool_use"


def _add_delta(builder: ChoiceBuilder, event: Mapping[str, Any], calls: set[object]) -> None:
    delta = event.get("delta") or {}
    builder.say(delta.get("text"))
    builder.think((delta.get("reasoningContent") or {}).get("text"))
    if "toolUse" in delta and event.get("contentBlockIndex", 0) in calls:
        builder.call(event.get("contentBlockIndex", 0), None, delta["toolUse"].get("input"))


def _converse_usage(usage: Mapping[str, Any] | None) -> Tokens | None:
    if not usage:
        return None
    cached = number(usage.get("cacheReadInputTokens"))
    prompt = number(usage.get("inputTokens")) + cached + number(usage.get("cacheWriteInputTokens"))
    return tokens(prompt, number(usage.get("outputTokens")), cached)


def _texts(document: Mapping[str, Any]) -> list[ChoiceBuilder]:
    """Llama, Titan, Mistral, Cohere's generate and AI21 each name their text differently."""
    if "generation" in document:
        found = [(document["generation"], document.get("stop_reason"))]
    elif "outputText" in document:
        found = [(document["outputText"], document.get("completionReason"))]
    elif "results" in document:
        found = [(result.get("outputText"), result.get("completionReason")) for result in document["results"]]
    elif "outputs" in document:
        found = [(output.get("text"), output.get("stop_reason")) for output in document["outputs"]]
    elif "generations" in document:
        found = [(item.get("text"), item.get("finish_reason")) for item in document["generations"]]
    elif "completions" in document:
        found = [
            ((item.get("data") or {}).get("text"), (item.get("finishReason") or {}).get("reason"))
            for item in document["completions"]
        ]
    elif "text" in document:
        found = [(document["text"], document.get("finish_reason"))]
    else:
        found = []
    return [ChoiceBuilder(text=[text or ""], finish=finish) for text, finish in found]


def _invoke_usage(document: Mapping[str, Any]) -> Tokens | None:
    prompt = first_number(document, "prompt_token_count", "inputTextTokenCount", f"{_METRICS}.inputTokenCount")
    output = first_number(
        document, "generation_token_count", "totalOutputTextTokenCount", f"{_METRICS}.outputTokenCount"
    ) or sum(number(result.get("tokenCount")) for result in document.get("results") or ())
    return tokens(prompt, output) if prompt or output else None
