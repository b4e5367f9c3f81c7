"""What both ways to a Bedrock model share: region, credentials, signature, and how AWS frames a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from insights.adapters.models import convert
from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.egress import Endpoint, owns
from insights.adapters.models.frames import AWSFrames
from insights.core import intercept
from insights.core.effects import Blocking, FlowGenerator, WireCall
from insights.core.errors import ConfigError, MissingKeyError
from insights.core.types import Usage

_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)


class AWSModel(LiteLLMChatModel):
    """Signed by botocore, or with a Bedrock API key as bearer; `aws_region_name` and its kin as in litellm."""

    litellm_provider = "bedrock"
    frames = AWSFrames
    openai_shaped = False
    message_fields = ("thinking_blocks", "reasoning_content")
    stream_flag = False
    takes_media_urls = False
    translated_params = ("tools", "tool_choice", "reasoning_effort", "thinking")
    options = ("aws_region_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile_name")
    native_params = (
        "guardrailConfig",
        "performanceConfig",
        "requestMetadata",
        "topK",
        "top_k",
        "additionalModelRequestFields",
    )

    @property
    def upstream(self) -> str:
        return self._model_id.removeprefix("converse/").removeprefix("invoke/")

    @property
    def place(self) -> Mapping[str, Any]:
        return {"aws_region_name": self._named_region}

    @property
    def _named_region(self) -> str | None:
        return (
            self.given.get("aws_region_name")
            or self._settings.variable("AWS_REGION")
            or self._settings.variable("AWS_DEFAULT_REGION")
        )

    @property
    def _region(self) -> str:
        if not self._named_region and intercept.replaying():
            return "us-east-1"  # where no region is set none counts: see `public_url` of the cassettes
        if not self._named_region:
            raise ConfigError("no AWS region is set", hint="set AWS_REGION, or pass aws_region_name=")
        return str(self._named_region)

    def default_base(self) -> str:
        return super().default_base() or f"https://bedrock-runtime.{self._region}.amazonaws.com"

    @property
    def key_required(self) -> bool:
        given = self.given.get("aws_access_key_id") or self.given.get("aws_profile_name")
        shared = Path.home() / ".aws" / "credentials"
        return not (given or any(self._settings.variable(name) for name in _VARIABLES) or shared.exists())

    def headers(self, config: Any, where: Endpoint, arguments: dict[str, Any]) -> dict[str, str]:
        return where.bearer

    def authorize(self, call: WireCall, where: Endpoint) -> FlowGenerator[WireCall]:
        if where.key is not None or self.key_required:
            return call
        if not owns(self.config, where.host) and not self.given.get("aws_access_key_id"):
            raise MissingKeyError(
                f"AWS credentials are not used for {where.host}", provider=self.provider, hint="pass api_key="
            )
        signed = yield Blocking(lambda: self._sign(call))
        return replace(call, headers=signed)

    def _sign(self, call: WireCall) -> dict[str, str]:
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
            from botocore.session import Session
        except ImportError:
            raise ConfigError(
                "Bedrock with AWS credentials needs botocore", hint="pip install 'insights-llm[bedrock]'"
            ) from None
        if self.given.get("aws_access_key_id"):
            credentials = Credentials(
                self.given["aws_access_key_id"],
                self.given.get("aws_secret_access_key"),
                self.given.get("aws_session_token"),
            )
        else:
            credentials = Session(profile=self.given.get("aws_profile_name")).get_credentials()
        if credentials is None:
            raise MissingKeyError(
                "no AWS credentials were found", provider=self.provider, hint="set AWS_ACCESS_KEY_ID or BEDROCK_API_KEY"
            )
        request = AWSRequest(method=call.method, url=call.url, data=call.content, headers=dict(call.headers))
        parts = (urlsplit(call.url).hostname or "").split(".")
        region = parts[1] if len(parts) > 3 and parts[0].startswith("bedrock") else self._region
        SigV4Auth(credentials, "bedrock", region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return data.get("usage")

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        """Bedrock counts cached tokens beside `inputTokens`."""
        read, wrote = convert.whole(raw.get("cacheReadInputTokens")), convert.whole(raw.get("cacheWriteInputTokens"))
        prompt = convert.whole(raw.get("inputTokens")) + read + wrote
        return convert.usage(prompt, convert.whole(raw.get("outputTokens")), cached=read, cache_write=wrote)
