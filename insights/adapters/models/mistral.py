"""Mistral AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from insights.adapters.models.base import LiteLLMChatModel
from insights.core.request import ChatRequest


class MistralAdapter(LiteLLMChatModel):
    """OpenAI-shaped, but for content in blocks (`thinking`, `text`, `reference`)."""

    litellm_provider = "mistral"
    native_params = (
        "random_seed",
        "safe_prompt",
        "prompt_mode",
        "document_image_limit",
        "document_page_limit",
        "guardrails",
    )
    extra_params = ("tool_choice", "frequency_penalty", "presence_penalty", "n", "prediction", "metadata", "reasoning_effort")

    def adjust_body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        # litellm leaves out what isn't a text or an image; Mistral takes documents and sound too.
        if len(body.get("messages") or ()) == len(request.messages):
            for sent, asked in zip(body["messages"], request.messages, strict=True):
                parts = asked.get("content")
                if isinstance(parts, list) and any(part.get("type") in _MORE for part in parts):
                    sent["content"] = [_part(part) for part in parts]
        return body

    def joined(self, blocks: list[Any]) -> Any:
        # litellm's parser keeps only the last text block: one is left to it, with the text of all.
        text = super().joined([block for block in blocks if block.get("type") == "text"])
        rest = [block for block in blocks if block.get("type") != "text"]
        return [*rest, {"type": "text", "text": text}] if text or not rest else rest


_MORE = ("file", "document_url", "input_audio")


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """One part in Mistral's form: a file is a document by its data: URL."""
    if part.get("type") == "file" and (part.get("file") or {}).get("file_data"):
        return {"type": "document_url", "document_url": part["file"]["file_data"]}
    return dict(part)
