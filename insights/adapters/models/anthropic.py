"""Anthropic's Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from insights.adapters.models import convert, transport
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.body import Prepared
from insights.core.types import Usage


def anthropic_usage(raw: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached tokens beside `input_tokens`; by OpenAI's convention they are part of the prompt."""
    read = convert.whole(raw.get("cache_read_input_tokens"))
    wrote = convert.whole(raw.get("cache_creation_input_tokens"))
    hour = convert.whole((raw.get("cache_creation") or {}).get("ephemeral_1h_input_tokens"))
    thinking = convert.whole((raw.get("output_tokens_details") or {}).get("thinking_tokens"))
    prompt = convert.whole(raw.get("input_tokens")) + read + wrote
    found = convert.usage(
        prompt,
        convert.whole(raw.get("output_tokens")),
        cached=read,
        cache_write=wrote,
        cache_write_1h=hour,
        reasoning=thinking,
    )
    return convert.kept(found, raw)  # `server_tool_use` is paid for as well


class AnthropicAdapter(LiteLLMChatModel):
    """Key in `x-api-key`; a stream says its finish in `message_delta`."""

    litellm_provider = "anthropic"
    # API reference, "Create a Message": "Defaults to 1.0".
    default_params = (("temperature", 1),)
    path = "/v1/messages"
    parser = "llms.anthropic.chat.handler:ModelResponseIterator"
    openai_shaped = False
    message_fields = ("thinking_blocks",)
    translated_params = ("reasoning_effort", "thinking")
    native_params = (
        "top_k",
        "stop_sequences",
        "system",
        "mcp_servers",
        "container",
        "context_management",
        "cache_control",
        "output_config",
        "output_format",
        "inference_geo",
        "speed",
    )

    def adjust_params(self, params: dict[str, Any]) -> dict[str, Any]:
        # Anthropic's own metadata knows one field; OpenAI's `user` and `safety_identifier` mean the same.
        if "safety_identifier" in params:
            params.setdefault("user", params.pop("safety_identifier"))
        if params.get("reasoning_effort") == "none":
            del params["reasoning_effort"]  # no thinking is the default
        choice = params.get("tool_choice")
        if choice == "any":  # Anthropic's own words for it
            params["tool_choice"] = "required"
        elif isinstance(choice, Mapping) and choice.get("type") == "tool":
            params["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
        if set(params.get("metadata") or ()) == {"user_id"}:
            params.setdefault("user", params.pop("metadata")["user_id"])
        return params

    def url(self, base: str, stream: bool) -> str:
        return base.removesuffix("/v1") + self.path

    def takes_url(self, field: str, url: str) -> bool:
        return url.startswith("https://") and field != "file_data"  # what else litellm would fetch

    def mend(self, answer: dict[str, Any]) -> dict[str, Any]:
        blocks = answer.get("content")
        if isinstance(blocks, list):
            answer["content"] = [block for block in blocks if block.get("type") != "server_tool_use"]
        return answer

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        found = data.get("stop_reason") or (data.get("delta") or {}).get("stop_reason")
        return {0: str(found)} if found else {}

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return (data.get("message") or {}).get("usage") or data.get("usage")

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        return anthropic_usage(raw)

    def error_in(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return data if data.get("type") == "error" or data.get("error") else None

    def event_parser(self, prepared: Prepared) -> Any:
        iterator = transport.resolve(str(self.parser))(
            streaming_response=iter(()), sync_stream=True, json_mode=prepared.json_mode
        )
        # Tool names Anthropic would refuse were renamed in the request; the parser names them back.
        names: dict[str, str] = next(
            (v for k, v in prepared.arguments["litellm_params"].items() if "tool_name_reverse" in k), {}
        )
        iterator.tool_name_reverse_map = names
        own: set[Any] = set()
        given: dict[Any, tuple[int, Any]] = {}
        calls = 0

        def read(event: dict[str, Any]) -> Any:
            nonlocal calls
            kind, index, block = event.get("type"), event.get("index"), event.get("content_block") or {}
            # Tools that Anthropic runs itself (web search) are no calls for the caller to answer; litellm gives them as such.
            if block.get("type") == "server_tool_use":
                own.add(index)
            if index in own:
                return None
            if block.get("type") == "tool_use":
                calls += 1
                if block.get("input"):  # arguments at once; proxies do so, and litellm waits for deltas
                    given[index] = (calls - 1, block["input"])
            elif kind == "content_block_delta":
                given.pop(index, None)
            elif kind == "content_block_stop" and index in given:
                number, arguments = given.pop(index)
                if prepared.json_mode:  # the tool is litellm's way to ask for JSON, and its arguments are the answer
                    return {"choices": [{"index": 0, "delta": {"content": json.dumps(arguments)}}]}
                call = {"index": number, "type": "function", "function": {"arguments": json.dumps(arguments)}}
                return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
            return iterator.chunk_parser(event)

        return read
