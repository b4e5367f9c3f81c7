"""Mistral AI."""

from __future__ import annotations

from typing import Any

from insights.adapters.models.base import LiteLLMChatModel


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

    def mend(self, answer: dict[str, Any]) -> dict[str, Any]:
        for choice in super().mend(answer).get("choices") or ():
            message = choice["message"]
            if isinstance(message["content"], list):
                message["content"] = _joined(message["content"])
        return answer

    def mend_event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        found = super().mend_event(event)
        for choice in (found or {}).get("choices") or ():
            if isinstance(choice["delta"].get("content"), list):
                choice["delta"]["content"] = _joined(choice["delta"]["content"])
        return found


def _joined(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """litellm's parser keeps only the last text block: one is left to it, with the text of all."""
    text = "".join(block["text"] for block in blocks if block.get("type") == "text")
    rest = [block for block in blocks if block.get("type") != "text"]
    return [*rest, {"type": "text", "text": text}] if text or not rest else rest
