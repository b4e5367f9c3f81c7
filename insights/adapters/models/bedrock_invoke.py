"""Bedrock's InvokeModel, whose body is each model family's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from insights.adapters.models import convert, transport
from insights.adapters.models.anthropic import anthropic_usage
from insights.adapters.models.aws import AWSModel
from insights.adapters.models.body import Prepared
from insights.core.effects import WireAnswer
from insights.core.types import Usage

_LEGACY = ("anthropic.claude-v2", "anthropic.claude-instant")  # Anthropic's text completions, before Messages


class BedrockInvoke(AWSModel):
    """The other way to a Bedrock model; region, credentials and host are the model's own."""

    def __init__(self, model: AWSModel) -> None:
        self.__dict__.update(model.__dict__)

    @property
    def provider(self) -> str:
        return "bedrock"

    @property
    def litellm_model(self) -> str:
        return f"invoke/{self.upstream}"

    @property
    def _legacy(self) -> bool:
        return self.upstream.startswith(_LEGACY)

    def url(self, base: str, stream: bool) -> str:
        return f"{base}/model/{quote(self.upstream, safe='')}/" + ("invoke-with-response-stream" if stream else "invoke")

    def body(self, config: Any, arguments: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        if not self._legacy:
            try:
                return dict(config.transform_request(headers=headers, **arguments))
            except transport.resolve("llms.bedrock.common_utils:BedrockError"):
                # A family litellm doesn't know (an imported model, say): OpenAI's chat format, which Bedrock gives those.
                return {"messages": arguments["messages"], **arguments["optional_params"]}
        turns = [
            f"\n\n{'Assistant' if m['role'] == 'assistant' else 'Human'}: {_text(m.get('content'))}"
            for m in arguments["messages"]
        ]
        options = dict(arguments["optional_params"])
        limit = options.pop("max_tokens", options.pop("max_tokens_to_sample", 4096))
        return {"prompt": "".join([*turns, "\n\nAssistant:"]), "max_tokens_to_sample": limit, **options}

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        completions = data.get("completions") or [{}]
        results, outputs = data.get("results") or [{}], data.get("outputs") or [{}]
        found = (
            data.get("stop_reason")
            or (data.get("delta") or {}).get("stop_reason")
            or data.get("stopReason")
            or (data.get("messageStop") or {}).get("stopReason")
            or outputs[0].get("stop_reason")
            or (data.get("choices") or [{}])[0].get("stop_reason")
            or data.get("completionReason")
            or results[0].get("completionReason")
            or data.get("finish_reason")
            or (completions[0].get("finishReason") or {}).get("reason")
            or (data.get("generations") or [{}])[0].get("finish_reason")
        )
        if found:
            return {0: {"FINISH": "stop", "LENGTH": "length", "CONTENT_FILTERED": "content_filter"}.get(str(found), str(found))}
        return {
            convert.whole(c.get("index")): str(c["finish_reason"]) for c in data.get("choices") or () if c.get("finish_reason")
        }

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        flat = {k: v for k, v in data.items() if k in ("prompt_token_count", "generation_token_count", "inputTextTokenCount")}
        results = data.get("results") or [{}]
        written = results[0].get("tokenCount") or data.get("totalOutputTextTokenCount")
        if written:
            flat["generation_token_count"] = written
        nested = (data.get("message") or {}).get("usage") or data.get("usage") or (data.get("metadata") or {}).get("usage")
        return nested or flat or None

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        if "input_tokens" in raw:
            return anthropic_usage(raw)
        if "prompt_tokens" in raw:
            return convert.openai_usage(raw)
        if "inputTokens" in raw:
            return super().count(raw)
        prompt = raw.get("prompt_token_count") or raw.get("inputTextTokenCount")
        return convert.usage(convert.whole(prompt), convert.whole(raw.get("generation_token_count")))

    def to_litellm(self, prepared: Prepared, answer: WireAnswer, data: dict[str, Any]) -> Any:
        if "completion" in data:
            return {"choices": [{"index": 0, "message": {"role": "assistant", "content": str(data["completion"])}}]}
        if "choices" in data:  # OpenAI's shape already, or its older one
            for choice in data["choices"]:
                choice.setdefault("message", {"role": "assistant", "content": choice.get("text")})
            return data
        return super().to_litellm(prepared, answer, data)

    def event_parser(self, prepared: Prepared) -> Any:
        handlers = "llms.bedrock.chat.invoke_handler:"
        if self._legacy:
            return lambda event: {"choices": [{"index": 0, "delta": {"content": event.get("completion")}}]}
        if "claude" in self.upstream:
            decoder = transport.resolve(handlers + "AmazonAnthropicClaudeStreamDecoder")(
                model=self.upstream, sync_stream=True, json_mode=prepared.json_mode
            )
            return decoder._chunk_parser
        return transport.resolve(handlers + "AWSEventStreamDecoder")(
            model=self.upstream, json_mode=prepared.json_mode
        )._chunk_parser


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())
