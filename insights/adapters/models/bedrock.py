"""Amazon Bedrock: the Converse API; `bedrock/invoke/<model>` for models that have only InvokeModel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from insights.adapters.models import transport
from insights.adapters.models.aws import AWSModel
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.bedrock_invoke import BedrockInvoke
from insights.adapters.models.body import Prepared
from insights.core.request import ChatRequest


class BedrockAdapter(AWSModel):
    """Converse: one format for all model families."""

    @property
    def litellm_model(self) -> str:
        return f"converse/{self.upstream}"

    def lane(self, request: ChatRequest) -> LiteLLMChatModel:
        return BedrockInvoke(self) if self._model_id.startswith("invoke/") else self

    def url(self, base: str, stream: bool) -> str:
        return f"{base}/model/{quote(self.upstream, safe='')}/" + ("converse-stream" if stream else "converse")

    def mend(self, answer: dict[str, Any]) -> dict[str, Any]:
        message = (answer.get("output") or {}).get("message") or {}
        for block in message.get("content") or ():
            cited = block.pop("citationsContent", None)
            if cited:  # litellm loses the text under its citations
                block["text"] = "".join(str(part.get("text") or "") for part in cited.get("content") or ())
        return answer

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        return {0: str(data["stopReason"])} if data.get("stopReason") else {}

    def event_parser(self, prepared: Prepared) -> Any:
        decoder = transport.resolve("llms.bedrock.chat.invoke_handler:AWSEventStreamDecoder")(
            model=self.upstream, json_mode=prepared.json_mode
        )
        return decoder.converse_chunk_parser
