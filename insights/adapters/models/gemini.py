"""Google's Gemini API (AI Studio)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from insights.adapters.models import convert, transport
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.body import Prepared
from insights.adapters.models.egress import Endpoint
from insights.core.types import Usage

_BODY = "llms.vertex_ai.gemini.transformation:"


class GeminiAdapter(LiteLLMChatModel):
    """Key in `x-goog-api-key`, never in the URL; the model and the verb in the path."""

    litellm_provider = "gemini"
    openai_shaped = False
    message_fields = ("provider_specific_fields",)
    stream_flag = False
    translated_params = ("reasoning_effort", "thinking")
    takes_media_urls = False
    extra_params: ClassVar[tuple[str, ...]] = ("top_logprobs",)
    native_params = (
        "top_k",
        "safety_settings",
        "cached_content",
        "thinking_config",
        "speech_config",
        "media_resolution",
        "response_modalities",
        "image_config",
        "labels",
        "generation_config",
    )

    def url(self, base: str, stream: bool) -> str:
        return f"{base}/models/{quote(self.upstream, safe='')}:" + (
            "streamGenerateContent?alt=sse" if stream else "generateContent"
        )

    def headers(self, config: Any, where: Endpoint, arguments: dict[str, Any]) -> dict[str, str]:
        return {"x-goog-api-key": where.key.get_secret_value()} if where.key else {}

    def body(self, config: Any, arguments: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        # The underscore went away after litellm 1.102.
        transform = transport.resolve_first(_BODY + "transform_request_body", _BODY + "_transform_request_body")
        cached = arguments["optional_params"].pop("cached_content", None)
        body = dict(transform(custom_llm_provider=self.litellm_provider, cached_content=cached, **arguments))
        native = arguments["optional_params"]
        if "top_k" in native:
            body.setdefault("generationConfig", {})["top_k"] = native["top_k"]
        if "top_logprobs" in native:
            body.setdefault("generationConfig", {})["logprobs"] = native["top_logprobs"]
        return body

    def mend(self, answer: dict[str, Any]) -> dict[str, Any]:
        answer.setdefault("usageMetadata", {})  # litellm's parser takes it for granted
        if answer.get("promptFeedback", {}).get("blockReason") and not answer.get("candidates"):
            answer["candidates"] = [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "SAFETY"}]
        for candidate in answer.get("candidates") or ():
            candidate.setdefault("content", {"role": "model", "parts": [{"text": ""}]})
        return self.mend_event(answer)

    def mend_event(self, event: dict[str, Any]) -> dict[str, Any]:
        for candidate in event.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                if "functionCall" in part and not part["functionCall"].get("args"):
                    part["functionCall"]["args"] = {}  # left out for a call without arguments
        return event

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        blocked = (data.get("promptFeedback") or {}).get("blockReason")
        found = {
            convert.whole(candidate.get("index")): str(candidate["finishReason"])
            for candidate in data.get("candidates") or ()
            if candidate.get("finishReason")
        }
        return found or ({0: "SAFETY"} if blocked else {})

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return data.get("usageMetadata")

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        """Gemini counts thoughts beside the candidates' tokens, and the results of its own tools beside the prompt's."""
        thoughts = convert.whole(raw.get("thoughtsTokenCount"))

        def of(name: str, modality: str) -> int:
            return sum(convert.whole(d.get("tokenCount")) for d in raw.get(name) or () if d.get("modality") == modality)

        return convert.usage(
            convert.whole(raw.get("promptTokenCount")) + convert.whole(raw.get("toolUsePromptTokenCount")),
            convert.whole(raw.get("candidatesTokenCount")) + thoughts,
            cached=convert.whole(raw.get("cachedContentTokenCount")),
            reasoning=thoughts,
            audio_in=of("promptTokensDetails", "AUDIO"),
            audio_out=of("candidatesTokensDetails", "AUDIO"),
            image_in=of("promptTokensDetails", "IMAGE"),
            image_out=of("candidatesTokensDetails", "IMAGE"),
            cached_audio=of("cacheTokensDetails", "AUDIO"),
            cached_image=of("cacheTokensDetails", "IMAGE"),
        )

    def searched(self, data: Mapping[str, Any]) -> bool:
        candidates = data.get("candidates") or ()
        return any((candidate.get("groundingMetadata") or {}).get("webSearchQueries") for candidate in candidates)

    def event_parser(self, prepared: Prepared) -> Any:
        iterator = transport.resolve("llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini:ModelResponseIterator")
        parse = iterator(streaming_response=iter(()), sync_stream=True, logging_obj=prepared.log).chunk_parser

        def read(event: dict[str, Any]) -> Any:
            self.note_searches(prepared, event)
            return parse(event)

        return read
