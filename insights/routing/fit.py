"""Whether a model can serve a request at all, by what the catalogue says of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from insights.catalog.schema import ModelInfo
from insights.catalog.tokens import longer_than
from insights.core.errors import APIError, ContextWindowExceededError, UnsupportedParamsError
from insights.core.request import ChatRequest


def unfit(info: ModelInfo | None, request: ChatRequest) -> APIError | None:
    """Why not, as the error the provider would give; None where it can, or where nobody knows."""
    if info is None:
        return None
    if info.capabilities:
        for capability, wanted in _wants(request):
            if capability not in info.capabilities:
                return UnsupportedParamsError(f"by the catalogue it can't do {wanted}, so it isn't asked")
    if info.context_window is not None and longer_than(request, info.context_window):
        return ContextWindowExceededError(
            f"the messages are longer than its context window of {info.context_window} tokens, so it isn't asked"
        )
    return None


def _wants(request: ChatRequest) -> Iterator[tuple[str, str]]:
    if request.params.get("tools"):
        yield "tools", "tools"
    parts: list[Any] = [part for message in request.messages for part in _parts(message.get("content"))]
    if any(part.get("type") == "image_url" for part in parts):
        yield "vision", "images"


def _parts(content: Any) -> list[Any]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
