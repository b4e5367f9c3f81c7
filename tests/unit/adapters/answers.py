"""The same few answers in every wire format, written from the providers' API references.

Every family says: the text "Hello there", a call of the tool `weather` with `{"city": "Paris"}`, both also as a stream, and an
error. Each answer counts 2000 prompt tokens, none of them cached, and 500 completion tokens.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tests.unit.adapters.loopback import Answer, as_json, streamed

PROMPT, COMPLETION = 2000, 500
WORDS = ("Hello", " there")
TEXT = "Hello there"
TOOL, ARGUMENTS = "weather", {"city": "Paris"}
ERROR_TEXT = "the provider says no"


class Family(Protocol):
    """A wire format."""

    def text(self) -> Answer:
        """The text, whole."""

    def tool(self) -> Answer:
        """The tool call, whole."""

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        """The text as the pieces of a stream: a beginning, one piece a word, the finish."""

    def error_event(self) -> bytes:
        """A piece of a stream that says the provider failed."""

    def stream(self) -> Answer:
        """The text, streamed."""

    def tool_stream(self) -> Answer:
        """The tool call, streamed."""

    def error(self, status: int, **headers: str) -> Answer:
        """A refusal."""


def sse(data: Any, event: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class OpenAIChat:
    """https://platform.openai.com/docs/api-reference/chat: the object, its chunks, and the error object."""

    usage: Mapping[str, Any] = {
        "prompt_tokens": PROMPT,
        "completion_tokens": COMPLETION,
        "total_tokens": PROMPT + COMPLETION,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    head: Mapping[str, Any] = {"id": "chatcmpl-1", "created": 1700000000, "model": "the-model"}

    def whole(self, message: dict[str, Any], finish: str) -> Answer:
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, "logprobs": None}
        return as_json({**self.head, "object": "chat.completion", "choices": [choice], "usage": self.usage})

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({**self.head, "object": "chat.completion.chunk", "choices": [choice]})

    def text(self) -> Answer:
        return self.whole({"content": TEXT}, "stop")

    def call(self) -> dict[str, Any]:
        return {"id": "call_1", "type": "function", "function": {"name": TOOL, "arguments": json.dumps(ARGUMENTS)}}

    def tool(self) -> Answer:
        return self.whole({"content": None, "tool_calls": [self.call()]}, "tool_calls")

    def ending(self, finish: str) -> list[bytes]:
        counted = {**self.head, "object": "chat.completion.chunk", "choices": [], "usage": self.usage}
        return [self.chunk({}, finish), sse(counted), b"data: [DONE]\n\n"]

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        start = self.chunk({"role": "assistant", "content": ""})
        return [start, *(self.chunk({"content": word}) for word in words), *self.ending("stop")]

    def error_event(self) -> bytes:
        return sse({"error": {"message": ERROR_TEXT, "type": "server_error", "code": None, "param": None}})

    def stream(self) -> Answer:
        return streamed(*self.events())

    def tool_stream(self) -> Answer:
        text = json.dumps(ARGUMENTS)
        begun = {**self.call(), "index": 0, "function": {"name": TOOL, "arguments": ""}}
        halves = [{"index": 0, "function": {"arguments": part}} for part in (text[:6], text[6:])]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None, "tool_calls": [begun]}]
        deltas += [{"tool_calls": [half]} for half in halves]
        return streamed(*(self.chunk(delta) for delta in deltas), *self.ending("tool_calls"))

    def error(self, status: int, **headers: str) -> Answer:
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "server_error")
        return as_json({"error": {"message": ERROR_TEXT, "type": kind, "param": None, "code": None}}, status, **headers)


class Anthropic:
    """https://platform.claude.com/docs/en/api/messages and .../streaming."""

    def message(self, content: list[dict[str, Any]], stop: str | None, output: int = COMPLETION) -> dict[str, Any]:
        usage = {"input_tokens": PROMPT, "output_tokens": output}
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "the-model"}
        return {**head, "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}

    def text(self) -> Answer:
        return as_json(self.message([{"type": "text", "text": TEXT}], "end_turn"))

    def tool(self) -> Answer:
        return as_json(self.message([{"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": ARGUMENTS}], "tool_use"))

    def event(self, kind: str, **data: Any) -> bytes:
        return sse({"type": kind, **data}, event=kind)

    def block(self, block: dict[str, Any], deltas: Sequence[dict[str, Any]], stop: str) -> list[bytes]:
        return [
            self.event("message_start", message=self.message([], None, output=1))
            + self.event("content_block_start", index=0, content_block=block),
            *(self.event("content_block_delta", index=0, delta=delta) for delta in deltas),
            self.event("content_block_stop", index=0)
            + self.event(
                "message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": COMPLETION}
            )
            + self.event("message_stop"),
        ]

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        return self.block({"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in words], "end_turn")

    def error_event(self) -> bytes:
        return self.event("error", error={"type": "api_error", "message": ERROR_TEXT})

    def stream(self) -> Answer:
        return streamed(*self.events())

    def tool_stream(self) -> Answer:
        text = json.dumps(ARGUMENTS)
        parts = [{"type": "input_json_delta", "partial_json": part} for part in (text[:6], text[6:])]
        block = {"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": {}}
        return streamed(*self.block(block, parts, "tool_use"))

    def error(self, status: int, **headers: str) -> Answer:
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "api_error")
        return as_json({"type": "error", "error": {"type": kind, "message": ERROR_TEXT}}, status, **headers)


class Gemini:
    """https://ai.google.dev/api/generate-content: GenerateContentResponse, whole and as SSE."""

    usage: Mapping[str, Any] = {
        "promptTokenCount": PROMPT,
        "candidatesTokenCount": COMPLETION,
        "totalTokenCount": PROMPT + COMPLETION,
    }

    def data(self, parts: list[dict[str, Any]], finish: str | None = None, counted: bool = True) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        usage = {"usageMetadata": self.usage} if counted else {}
        return {"candidates": [candidate], "modelVersion": "the-model", "responseId": "resp-1", **usage}

    def text(self) -> Answer:
        return as_json(self.data([{"text": TEXT}], "STOP"))

    def call(self) -> dict[str, Any]:
        return {"functionCall": {"name": TOOL, "args": ARGUMENTS}}

    def tool(self) -> Answer:
        return as_json(self.data([self.call()], "STOP"))

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        return [*(sse(self.data([{"text": word}], counted=False)) for word in words), sse(self.data([{"text": ""}], "STOP"))]

    def error_event(self) -> bytes:
        return sse({"error": {"code": 500, "message": ERROR_TEXT, "status": "INTERNAL"}})

    def stream(self) -> Answer:
        return streamed(*self.events())

    def tool_stream(self) -> Answer:
        return streamed(sse(self.data([self.call()], "STOP")))

    def error(self, status: int, **headers: str) -> Answer:
        word = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}.get(status, "INTERNAL")
        return as_json({"error": {"code": status, "message": ERROR_TEXT, "status": word}}, status, **headers)


def aws_frame(payload: bytes, **headers: str) -> bytes:
    """One message of `application/vnd.amazon.eventstream` (smithy.io, "Amazon Event Stream specification")."""
    encoded = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    head = prelude + struct.pack(">I", zlib.crc32(prelude))
    message = head + encoded + payload
    return message + struct.pack(">I", zlib.crc32(message))


def aws_event(kind: str, data: Any) -> bytes:
    """An event frame with a JSON payload."""
    return aws_frame(
        json.dumps(data).encode(),
        **{":message-type": "event", ":event-type": kind, ":content-type": "application/json"},
    )


def aws_exception(kind: str, message: str) -> bytes:
    """An exception frame."""
    return aws_frame(
        json.dumps({"message": message}).encode(),
        **{":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"},
    )


class Converse:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and ..._ConverseStream.html."""

    usage: Mapping[str, Any] = {"inputTokens": PROMPT, "outputTokens": COMPLETION, "totalTokens": PROMPT + COMPLETION}

    def whole(self, content: dict[str, Any], stop: str) -> Answer:
        message = {"role": "assistant", "content": [content]}
        metrics = {"latencyMs": 12}
        return as_json({"output": {"message": message}, "stopReason": stop, "usage": self.usage, "metrics": metrics})

    def text(self) -> Answer:
        return self.whole({"text": TEXT}, "end_turn")

    def tool(self) -> Answer:
        return self.whole({"toolUse": {"toolUseId": "tooluse_1", "name": TOOL, "input": ARGUMENTS}}, "tool_use")

    def ending(self, stop: str) -> bytes:
        return (
            aws_event("contentBlockStop", {"contentBlockIndex": 0})
            + aws_event("messageStop", {"stopReason": stop})
            + aws_event("metadata", {"usage": self.usage, "metrics": {"latencyMs": 12}})
        )

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        deltas = [aws_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in words]
        return [aws_event("messageStart", {"role": "assistant"}), *deltas, self.ending("end_turn")]

    def error_event(self) -> bytes:
        return aws_exception("internalServerException", ERROR_TEXT)

    def stream(self) -> Answer:
        return streamed(*self.events(), content_type="application/vnd.amazon.eventstream")

    def tool_stream(self) -> Answer:
        text = json.dumps(ARGUMENTS)
        start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": TOOL}}}
        deltas = [
            aws_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": part}}})
            for part in (text[:6], text[6:])
        ]
        frames = [aws_event("messageStart", {"role": "assistant"}), aws_event("contentBlockStart", start), *deltas]
        return streamed(*frames, self.ending("tool_use"), content_type="application/vnd.amazon.eventstream")

    def error(self, status: int, **headers: str) -> Answer:
        kind = {401: "UnrecognizedClientException", 429: "ThrottlingException"}.get(status, "InternalServerException")
        return as_json({"message": ERROR_TEXT}, status, x_amzn_errortype=kind, **headers)


class Cohere:
    """https://docs.cohere.com/reference/chat and .../chat-stream (v2)."""

    usage: Mapping[str, Any] = {
        "billed_units": {"input_tokens": 7, "output_tokens": 3},
        "tokens": {"input_tokens": PROMPT, "output_tokens": COMPLETION},
    }

    def text(self) -> Answer:
        message = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
        return as_json({"id": "c-1", "message": message, "finish_reason": "COMPLETE", "usage": self.usage})

    def call(self) -> dict[str, Any]:
        return {"id": "call_1", "type": "function", "function": {"name": TOOL, "arguments": json.dumps(ARGUMENTS)}}

    def tool(self) -> Answer:
        message = {"role": "assistant", "tool_plan": "I will look it up.", "tool_calls": [self.call()]}
        return as_json({"id": "c-1", "message": message, "finish_reason": "TOOL_CALL", "usage": self.usage})

    def event(self, kind: str, **data: Any) -> bytes:
        return sse({"type": kind, **data}, event=kind)

    def ending(self, finish: str) -> list[bytes]:
        return [self.event("message-end", delta={"finish_reason": finish, "usage": self.usage}), b"data: [DONE]\n\n"]

    def start(self) -> bytes:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        return self.event("message-start", id="c-1", delta={"message": message})

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        block = {"message": {"content": {"type": "text", "text": ""}}}
        deltas = [self.event("content-delta", index=0, delta={"message": {"content": {"text": w}}}) for w in words]
        return [
            self.start() + self.event("content-start", index=0, delta=block),
            *deltas,
            b"".join([self.event("content-end", index=0), *self.ending("COMPLETE")]),
        ]

    def error_event(self) -> bytes:
        return self.event("message-end", error={"message": ERROR_TEXT})

    def stream(self) -> Answer:
        return streamed(*self.events())

    def tool_stream(self) -> Answer:
        text = json.dumps(ARGUMENTS)
        begun = {**self.call(), "function": {"name": TOOL, "arguments": ""}}
        parts = [{"function": {"arguments": part}} for part in (text[:6], text[6:])]
        return streamed(
            self.start(),
            self.event("tool-call-start", index=0, delta={"message": {"tool_calls": begun}}),
            *(self.event("tool-call-delta", index=0, delta={"message": {"tool_calls": part}}) for part in parts),
            self.event("tool-call-end", index=0),
            *self.ending("TOOL_CALL"),
        )

    def error(self, status: int, **headers: str) -> Answer:
        return as_json({"id": "e-1", "message": ERROR_TEXT}, status, **headers)


class Ollama:
    """https://github.com/ollama/ollama/blob/main/docs/api.md, "Generate a chat completion": JSON, one object a line."""

    def line(self, message: dict[str, Any], done: bool) -> dict[str, Any]:
        data: dict[str, Any] = {"model": "the-model", "created_at": "2026-01-01T00:00:00Z", "done": done}
        data["message"] = {"role": "assistant", "content": "", **message}
        if done:
            data.update(done_reason="stop", total_duration=5, prompt_eval_count=PROMPT, eval_count=COMPLETION)
        return data

    def call(self) -> dict[str, Any]:
        return {"tool_calls": [{"function": {"name": TOOL, "arguments": ARGUMENTS}}]}

    def text(self) -> Answer:
        return as_json(self.line({"content": TEXT}, True))

    def tool(self) -> Answer:
        return as_json(self.line(self.call(), True))

    def pieces(self, *messages: dict[str, Any]) -> list[bytes]:
        rows = [self.line(message, False) for message in messages] + [self.line({}, True)]
        return [json.dumps(row).encode() + b"\n" for row in rows]

    def events(self, words: Sequence[str] = WORDS) -> list[bytes]:
        return self.pieces(*({"content": word} for word in words))

    def error_event(self) -> bytes:
        return json.dumps({"error": ERROR_TEXT}).encode() + b"\n"

    def stream(self) -> Answer:
        return streamed(*self.events(), content_type="application/x-ndjson")

    def tool_stream(self) -> Answer:
        return streamed(*self.pieces(self.call()), content_type="application/x-ndjson")

    def error(self, status: int, **headers: str) -> Answer:
        return as_json({"error": ERROR_TEXT}, status, **headers)


# The providers that do not speak OpenAI's chat completions.
NATIVE: dict[str, Family] = {
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "vertex": Gemini(),
    "bedrock": Converse(),
    "cohere": Cohere(),
    "ollama": Ollama(),
}


def family(provider: str) -> Family:
    """The wire format of a provider; OpenAI's, if nothing else is said."""
    return NATIVE.get(provider, OpenAIChat())
