"""The only door to litellm. Importing it costs seconds, so it happens at the first real request (`load`).

What is used of litellm: its provider configs (parameters, request bodies, answers, stream chunks) and its HTTP clients.
What is not: `litellm.completion`, and with it litellm's retries, callbacks, logging threads, cost tables, cache and its
search for keys in other providers' variables.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loaded = False

# Read by litellm while it is imported. Without the first two it downloads tables; without the third a tokenizer.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
}


def loaded() -> bool:
    """Whether litellm is there already."""
    return _loaded


def load() -> None:
    """Imports litellm, once; safe in any thread."""
    global _loaded
    with _lock:
        if _loaded:
            return
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with warnings.catch_warnings():
            # pydantic warns about litellm's own types, some only when they are first used: that is now.
            warnings.simplefilter("ignore")
            import litellm
            from litellm.types import utils

            for model in (utils.Message, utils.Delta, utils.ModelResponse, utils.ModelResponseStream):
                model.model_rebuild()
        warnings.filterwarnings("ignore", r"(?s).*using the `ReadOnly` qualifier", UserWarning)
        litellm.suppress_debug_info = True
        litellm.disable_hf_tokenizer_download = True
        litellm.drop_params = False
        litellm.modify_params = False
        litellm.telemetry = False
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # they would write prompts and answers
        _loaded = True


def calmly(function: Callable[[], T]) -> T:
    """`function()`, which uses litellm's types; once more where warnings are errors and one of those types gave one.

    pydantic warns of some of litellm's types when they are first used, which may be at any request. Such a warning says
    nothing about the caller's code, so it must not fail the caller's call.
    """
    try:
        return function()
    except UserWarning:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return function()


def resolve(name: str) -> Any:
    """A piece of litellm by the name adapters give it, `"package.module:attribute"`, relative to `litellm`.

    Raises:
        AttributeError, ModuleNotFoundError: this version of litellm has no such piece.
    """
    module, _, attribute = name.partition(":")
    load()
    return calmly(lambda: getattr(import_module(f"litellm.{module}" if module else "litellm"), attribute))


def resolve_first(*names: str) -> Any:
    """The first of several names that this version of litellm has."""
    for name in names[:-1]:
        try:
            return resolve(name)
        except (AttributeError, ModuleNotFoundError):
            continue
    return resolve(names[-1])


@lru_cache(maxsize=512)
def chat_config(provider: str, model: str) -> Any:
    """litellm's config object for a provider's model. They keep no state of a request, so one serves all."""
    load()
    from litellm import LlmProviders
    from litellm.utils import ProviderConfigManager

    return calmly(lambda: ProviderConfigManager.get_provider_chat_config(model=model, provider=LlmProviders(provider)))


@lru_cache(maxsize=512)
def supported_params(provider: str, model: str, name: str) -> frozenset[str]:
    """OpenAI's parameters that litellm can translate for a model; `name` is the model's own, without a route's prefix."""
    return frozenset(chat_config(provider, model).get_supported_openai_params(model=name) or ())


def provider_list() -> list[str]:
    """The names of the providers that litellm knows."""
    return sorted(provider.value for provider in resolve("types.utils:LlmProviders"))


def speaks_openai(provider: str) -> bool:
    """Whether litellm's config of a provider is a kind of OpenAI's."""
    try:
        found = chat_config(provider, "a-model")
    except Exception:  # some can't be made without a key, or not at all
        return False
    return isinstance(found, resolve("llms.openai.chat.gpt_transformation:OpenAIGPTConfig"))


def empty_response() -> Any:
    """A fresh litellm ModelResponse for `transform_response` to fill."""
    return resolve("types.utils:ModelResponse")()


def is_unsupported(error: Exception) -> bool:
    """Whether litellm refused a parameter."""
    return isinstance(error, resolve("exceptions:UnsupportedParamsError"))


def http_client() -> Any:
    """A blocking httpx.Client from litellm's handler; `handler` must be kept, because it closes its client when collected."""
    return resolve("llms.custom_httpx.http_handler:HTTPHandler")()


def async_http_client() -> Any:
    """The same, awaiting: an httpx face over aiohttp, which keeps its pace with hundreds of requests in flight."""
    return resolve("llms.custom_httpx.http_handler:AsyncHTTPHandler")()


class QuietLog:
    """What litellm's configs ask of its logging object: everything, and nothing happens."""

    def __init__(self, params: dict[str, Any], stream: bool = False) -> None:
        self.optional_params = params
        self.litellm_params: dict[str, Any] = {}
        self.model_call_details: dict[str, Any] = {}
        self.stream = stream

    def pre_call(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    post_call = debug = pre_call


class RawAnswer:
    """What `transform_response` reads of an httpx.Response: the JSON, parsed once and mended by the adapter."""

    def __init__(self, status: int, headers: dict[str, str], data: Any) -> None:
        self.status_code = status
        self.headers = headers
        self.text = ""
        self._data = data

    def json(self) -> Any:
        """The parsed body."""
        return self._data
