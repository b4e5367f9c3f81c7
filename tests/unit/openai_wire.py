"""Bodies in the form of OpenAI's API reference ("Create chat completion", "Streaming", "Error codes"), for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.unit.adapters.answers import sse

PROMPT_TOKENS = 1000
COMPLETION_TOKENS = 500


def encoded(data: Any) -> bytes:
    """JSON bytes."""
    return json.dumps(data).encode()


def usage(prompt: int = PROMPT_TOKENS, completion: int = COMPLETION_TOKENS, **details: int) -> dict[str, Any]:
    """A `usage` object; details are `cached` and `reasoning`."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": details.get("cached", 0), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": details.get("reasoning", 0), "audio_tokens": 0},
    }


def answer(text: str | None = "Hello!", *, model: str = "test-model", finish: str | None = "stop", **message: Any) -> bytes:
    """A chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None, **message},
        "logprobs": None,
        "finish_reason": finish,
    }
    return encoded(
        {
            "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
            "object": "chat.completion",
            "created": 1741569952,
            "model": model,
            "choices": [choice],
            "usage": usage(),
            "service_tier": "default",
        }
    )


def refusal(message: str, *, kind: str = "invalid_request_error", code: str | None = None) -> bytes:
    """An error's body."""
    return encoded(_error(message, kind, code))


def chunk(delta: dict[str, Any] | None, finish: str | None = None, counted: dict[str, Any] | None = None) -> bytes:
    """One server-sent event; without a delta it is the one that carries usage and no choice."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    data = {
        "id": "chatcmpl-123",
        "object": "chat.completion.chunk",
        "created": 1694268190,
        "model": "test-model",
        "choices": choices,
        "usage": counted,
    }
    return sse(data)


DONE = b"data: [DONE]\n\n"
ROLE = chunk({"role": "assistant", "content": ""})
USAGE = chunk(None, counted=usage())


def events(texts: Iterable[str] = ("Hel", "lo!"), *, finish: str | None = "stop") -> list[bytes]:
    """A whole stream, as OpenAI sends it with `include_usage`: role, texts, finish, usage, the end."""
    return [ROLE, *(chunk({"content": text}) for text in texts), chunk({}, finish), USAGE, DONE]


def error_event(message: str, kind: str = "server_error") -> bytes:
    """An error in the middle of a stream."""
    return sse(_error(message, kind))


def _error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
