"""A whole answer as a stream's chunk."""

from __future__ import annotations

from collections.abc import Iterator

from insights.core.types import Chunk, ModelResponse


def chunks_of(whole: ModelResponse) -> Iterator[Chunk]:
    """A whole answer as the one chunk of a stream."""
    choices = [
        {
            "index": choice.index,
            "delta": {
                **choice.message.model_dump(exclude_none=True, exclude={"tool_calls"}),
                "tool_calls": [
                    {"index": i, **call.model_dump()} for i, call in enumerate(choice.message.tool_calls or ())
                ] or None,
            },
            "finish_reason": choice.finish_reason,
            "logprobs": choice.logprobs,
        }
        for choice in whole.choices
    ]  # fmt: skip
    yield Chunk.model_validate(
        {"id": whole.id, "created": whole.created, "model": whole.model, "choices": choices, "usage": whole.usage}
    )
