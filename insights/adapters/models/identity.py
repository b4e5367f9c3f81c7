"""What a request is, whoever carries it: what the cache names an answer by, and what a cassette knows a request by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from insights.adapters.models.egress import check_url
from insights.adapters.models.history import outgoing
from insights.cache.control import Control
from insights.cache.key import key_fields
from insights.core.request import ChatRequest

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel


def cache_fields(model: LiteLLMChatModel, request: ChatRequest, control: Control, drop_params: bool) -> dict[str, Any]:
    """All that makes the cache key of a request to a model; see `insights.cache.key`.

    Raises:
        BadRequestError: a URL that no request may go to, so that it has no stored answers either.
    """
    return key_fields(
        _as_sent(model, request),
        provider=model.provider,
        model=model.model_id,
        base=check_url(model.base, model.provider),
        options=model.place,
        namespace=control.namespace,
        sample=control.sample,
        drop_params=drop_params,
        defaults=dict(model.default_params) if model.at_home else None,
    )


def meaning(model: LiteLLMChatModel, request: ChatRequest, *, streams: bool) -> dict[str, Any]:
    """What is asked, without who asks and where: the same whichever litellm writes the body.

    The URL is looked at beside it, and names the place; so a stand-in's is the same as the provider's.
    """
    found = key_fields(
        _as_sent(model, request),
        provider=model.provider,
        model=model.model_id,
        base="",
        defaults=dict(model.default_params),
    )
    kept = ("provider", "model", "messages", "params", "extra_body")
    return {"stream": streams, **{name: found[name] for name in kept}}


def _as_sent(model: LiteLLMChatModel, request: ChatRequest) -> ChatRequest:
    return replace(request, messages=outgoing(model.lane(request), request.messages))
