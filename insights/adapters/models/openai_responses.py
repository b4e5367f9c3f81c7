"""OpenAI's Responses API behind `completion`: codex and pro models speak nothing else, and others want it for tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from insights.adapters.models import convert, transport
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.body import Prepared
from insights.core.effects import WireAnswer
from insights.core.request import ChatRequest
from insights.core.types import Usage

_BRIDGE = "completion_extras.litellm_responses_transformation.transformation:LiteLLMResponsesTransformationHandler"


# Families that speak only the Responses API (OpenAI's model pages), for names the catalogue doesn't have.
_ONLY_RESPONSES = re.compile(r"codex|^(?:gpt-5[\d.]*|o\d+)-pro|deep-research|computer-use")


def wants_responses(model: LiteLLMChatModel, request: ChatRequest) -> bool:
    """Whether a request must go to /responses: by name, by the catalogue's `mode`, or by its function tools."""
    if model.model_id.startswith("responses/"):
        return True
    info = model.info
    mode = info.mode if info else "responses" if model.own_host and _ONLY_RESPONSES.search(model.upstream) else "chat"
    tools = any(tool.get("type") == "function" for tool in request.params.get("tools") or ())
    return mode == "responses" or (
        mode == "responses_for_tools" and tools and request.params.get("reasoning_effort") != "none" and model.own_host
    )


class OpenAIResponses(LiteLLMChatModel):
    """The other wire format of an OpenAI or Azure model; everything else is the model's own."""

    path = "/responses"
    openai_shaped = False
    stream_flag = True
    extra_params = ("metadata",)

    def __init__(self, model: LiteLLMChatModel) -> None:
        self.__dict__.update(model.__dict__)
        self._model = model
        self.litellm_provider = model.litellm_provider  # type: ignore[misc]
        self.native_params = model.native_params  # type: ignore[misc]

    @property
    def provider(self) -> str:
        return self._model.provider

    @property
    def knows_developer(self) -> bool:
        return self._model.knows_developer

    @property
    def upstream(self) -> str:
        return self._model.upstream

    def url(self, base: str, stream: bool) -> str:
        return self._model.responses_url(base) if hasattr(self._model, "responses_url") else base + self.path

    def headers(self, config: Any, where: Any, arguments: dict[str, Any]) -> dict[str, str]:
        return self._model.headers(config, where, arguments)

    def body(self, config: Any, arguments: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        options = arguments["optional_params"]
        asked = transport.resolve(_BRIDGE)().transform_request(
            headers=headers, litellm_logging_obj=transport.QuietLog(options), **{**arguments, "litellm_params": {}}
        )
        names = transport.resolve("types.llms.openai:ResponsesAPIOptionalRequestParams").__annotations__
        body = transport.resolve(":OpenAIResponsesAPIConfig")().transform_responses_api_request(
            model=self.upstream,
            input=asked["input"],
            response_api_optional_request_params={n: v for n, v in asked.items() if n in names and v is not None},
            litellm_params=transport.resolve("types.router:GenericLiteLLMParams")(),
            headers={},
        )
        # Chat completions aren't kept by OpenAI unless asked; the Responses API keeps them unless told not to.
        body = {**body, "metadata": options.get("metadata"), "store": options.get("store", False)}
        return {name: value for name, value in body.items() if value is not None}

    def adjust_body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        # Usage always comes with the last event here; the API knows no `include_usage`.
        options = {n: v for n, v in (body.pop("stream_options", None) or {}).items() if n != "include_usage"}
        return {**body, "stream_options": options} if options else body

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        found = data.get("response") if str(data.get("type", "")).startswith("response.") else data
        if not isinstance(found, Mapping) or found.get("status") not in ("completed", "incomplete"):
            return {}
        return {0: str((found.get("incomplete_details") or {}).get("reason") or found["status"])}

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        found = data.get("response") if isinstance(data.get("response"), Mapping) else data
        return (found or {}).get("usage")

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        read, wrote = raw.get("input_tokens_details") or {}, raw.get("output_tokens_details") or {}
        return convert.usage(
            convert.whole(raw.get("input_tokens")),
            convert.whole(raw.get("output_tokens")),
            cached=convert.whole(read.get("cached_tokens")),
            reasoning=convert.whole(wrote.get("reasoning_tokens")),
        )

    def error_in(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if data.get("type") == "error" or data.get("error"):
            return data
        response = data.get("response")
        failed = isinstance(response, Mapping) and response.get("status") == "failed"
        return (
            {"error": response.get("error") or {"message": "the response failed"}}
            if failed and isinstance(response, Mapping)
            else None
        )

    def to_litellm(self, prepared: Prepared, answer: WireAnswer, data: dict[str, Any]) -> Any:
        found = transport.resolve(":OpenAIResponsesAPIConfig")().transform_response_api_response(
            model=self.upstream,
            raw_response=transport.RawAnswer(answer.status, answer.headers, data),
            logging_obj=prepared.log,
        )
        whole = transport.resolve(_BRIDGE)().transform_response(
            raw_response=found,
            model=self.upstream,
            logging_obj=prepared.log,
            model_response=transport.empty_response(),
            request_data=prepared.body,
            encoding=None,
            api_key="",
            json_mode=False,
            **{name: prepared.arguments[name] for name in ("messages", "optional_params", "litellm_params")},
        )
        said = convert.dump(whole)
        refusal = _refusal(data)
        if refusal and said.get("choices"):  # litellm loses it
            said["choices"][0].setdefault("message", {}).update(refusal=refusal, content=None)
        return said

    def searched(self, data: Mapping[str, Any]) -> bool:
        items = (data.get("response") or data).get("output") or (data.get("item"),)
        return any(item and item.get("type") == "web_search_call" for item in items)

    def event_parser(self, prepared: Prepared) -> Any:
        parse = (
            transport.resolve(_BRIDGE)().get_model_response_iterator(streaming_response=iter(()), sync_stream=True).chunk_parser
        )

        def read(event: dict[str, Any]) -> Any:
            self.note_searches(prepared, event)
            kind = str(event.get("type"))
            if kind == "response.refusal.delta":
                return {"choices": [{"index": 0, "delta": {"refusal": event.get("delta")}}]}
            if kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
                # litellm makes a choice of each part of the summary
                return {"choices": [{"index": 0, "delta": {"reasoning_content": event.get("delta")}}]}
            return parse(event)

        return read


def _refusal(data: Mapping[str, Any]) -> str:
    parts = [part for item in data.get("output") or () for part in item.get("content") or () if isinstance(part, Mapping)]
    return "".join(str(part["refusal"]) for part in parts if part.get("type") == "refusal")
