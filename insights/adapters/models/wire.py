"""What a provider's file may say: how its requests and answers look, and nothing about when they are sent.

The defaults are those of the many hosts that speak OpenAI's chat completions; a provider's file overrides what is special
about its wire.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from insights.adapters.models import convert, transport
from insights.adapters.models.body import Prepared
from insights.adapters.models.classify import classify
from insights.adapters.models.egress import Endpoint, owns
from insights.adapters.models.frames import Frames, SSEFrames
from insights.adapters.models.interface import BaseChatModel
from insights.catalog.loader import Catalog
from insights.catalog.others import variable_for
from insights.catalog.schema import ModelInfo, ProviderConfig
from insights.core.config import Settings
from insights.core.effects import FlowGenerator, WireAnswer, WireCall
from insights.core.errors import APIError, APIResponseValidationError, AuthenticationError, InternalServerError, NotFoundError
from insights.core.redact import SecretStr
from insights.core.request import ChatRequest
from insights.core.types import Usage

# Stands in for a key where none is needed or a cassette answers; headers that carry it are not sent.
NO_KEY: Final = "insights-no-key"

SEARCHED: Final = "searches of the web are billed on top; their price isn't known here"
_SEARCH_FEES: Final = ("cost_per_web_search", "cost_per_request")


class Wire(BaseChatModel):
    """What there is to say about one provider's wire, and what most providers say.

    Args:
        model_id: the provider's own name of the model.
        api_key: the key; default: the provider's `env_key` in Settings or the environment.
        api_base: where to send; default: the provider's `api_base`.
        settings: keys, directories and defaults.
    """

    provider_name: ClassVar[str] = ""
    """The provider's name in insights; empty: that of the module."""
    litellm_provider: ClassVar[str]
    """litellm's name of the provider."""
    path: ClassVar[str] = "/chat/completions"
    """What comes after the base URL."""
    native_params: ClassVar[tuple[str, ...]] = ()
    """Parameters of the provider's own, which are not misspelt ones of OpenAI's."""
    extra_params: ClassVar[tuple[str, ...]] = ()
    """OpenAI's parameters that the provider takes under OpenAI's name, although litellm doesn't know it."""
    message_fields: ClassVar[tuple[str, ...]] = ()
    """What of an earlier answer, beyond OpenAI's fields, this provider takes back; see `history.py`."""
    default_params: ClassVar[tuple[tuple[str, Any], ...]] = ()
    """What the provider takes for a parameter that isn't given, by its reference; one for all its models. Given so, it makes
    no other request to the cache."""
    translated_params: ClassVar[tuple[str, ...]] = ()
    """OpenAI's parameters that litellm can translate for every model, although it says so only of models it knows."""
    options: ClassVar[tuple[str, ...]] = ()
    """Keyword arguments that say where the model is (a region, a project), and are no parameters of the request."""
    frames: ClassVar[type[Frames]] = SSEFrames
    """How a stream is cut into events."""
    stream_flag: ClassVar[bool] = True
    """Whether `"stream": true` in the body asks for a stream."""
    parser: ClassVar[str | None] = None
    """litellm's stream parser, `"module:attribute"`, where its config doesn't name it."""
    openai_shaped: ClassVar[bool] = True
    """Whether answers have OpenAI's shape."""
    takes_media_urls: ClassVar[bool] = True
    """Whether the provider fetches remote images itself. Where it doesn't, litellm would: not under our rules."""

    def __init__(
        self,
        model_id: str,
        api_key: str | SecretStr | None = None,
        *,
        api_base: str | None = None,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        **options: Any,
    ) -> None:
        unknown = [name for name in options if name not in self.options]
        if unknown:
            raise TypeError(f"{type(self).__name__} takes no {unknown[0]!r}")
        self._model_id = model_id
        self._api_key = api_key
        self._api_base = api_base
        self._settings = settings or Settings()
        self._catalog = catalog or Catalog(self._settings)
        self.given = options
        self._config: ProviderConfig | None = None
        self.replayed = False
        """Whether the last attempt's answer came from a cassette."""
        self.sent = False
        """Whether the last attempt's request was sent, as far as one can tell."""
        self.told: Mapping[str, str] = {}
        """The headers of the last answer."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model_id={self._model_id!r})"

    @property
    def model_id(self) -> str:
        """The provider's own name of the model."""
        return self._model_id

    @property
    def provider(self) -> str:
        """The provider's name in insights."""
        return self.provider_name or self.__module__.rpartition(".")[2]

    @property
    def settings(self) -> Settings:
        """Keys, directories and defaults of this model."""
        return self._settings

    @property
    def config(self) -> ProviderConfig:
        """The provider's file, read once per model object."""
        if self._config is None:
            self._config = self._catalog.provider(self.provider)
        return self._config

    @property
    def info(self) -> ModelInfo | None:
        """The catalogue's row of this model; None when it has none."""
        return self.config.model(self.upstream)

    @property
    def base(self) -> str:
        """The base URL of this model's calls."""
        return self._api_base or self.default_base()

    @property
    def place(self) -> Mapping[str, Any]:
        """What else says where the model is, from the call or the environment: part of the cache key, so no credentials."""
        return {}

    @property
    def knows_developer(self) -> bool:
        """Whether the role `developer` is known; elsewhere it goes as `system`."""
        return False

    @property
    def own_host(self) -> bool:
        """Whether the call goes to the provider's own host, and not to somebody's that speaks the same format."""
        return self._api_base is None or owns(self.config, urlsplit(self._api_base).hostname or "")

    @property
    def at_home(self) -> bool:
        """Whether the call goes to the provider itself, by the shipped files: a host that the environment or the user's own
        files name may take other defaults."""
        return not self.config.own_base and owns(self.config, urlsplit(self.base).hostname or "")

    # ------------------------------------------------------------ what a provider's file may say otherwise

    @property
    def upstream(self) -> str:
        """The model name as it is sent, without a route's prefix."""
        return self._model_id

    @property
    def litellm_model(self) -> str:
        """The name by which litellm chooses its config."""
        return self.upstream

    def default_base(self) -> str:
        """The base URL when the call names none."""
        return self._settings.variable(variable_for(self.provider, "API_BASE")) or self.config.api_base

    def url(self, base: str, stream: bool) -> str:
        """The full URL of a call."""
        return base + self.path

    def authorize(self, call: WireCall, where: Endpoint) -> FlowGenerator[WireCall]:
        """The call with a token or a signature, where litellm's headers don't do; may yield effects to fetch one."""
        yield from ()  # a generator, like those that have something to yield
        return call

    def headers(self, config: Any, where: Endpoint, arguments: dict[str, Any]) -> dict[str, str]:
        """The headers of a call."""
        key = where.key.get_secret_value() if where.key else NO_KEY
        # Never an empty key: litellm would then look for one in variables of its own.
        found = config.validate_environment(headers={}, api_key=key, api_base=where.base, **arguments)
        return {name: str(value) for name, value in found.items() if NO_KEY not in str(value)}

    def body(self, config: Any, arguments: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """The JSON of a call, by litellm's config."""
        return dict(config.transform_request(headers=headers, **arguments))

    def takes_url(self, field: str, url: str) -> bool:
        """Whether the URL of a remote image or file, in this field of its part, goes to the provider as it is."""
        return self.takes_media_urls and field != "file_id"

    def adjust_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters before litellm translates them."""
        return params

    def adjust_body(self, body: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        """The JSON after litellm translated it."""
        return body

    def mend(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer's JSON, mended where litellm's parser would stumble."""
        if not self.openai_shaped:
            return answer
        for choice in answer.get("choices") or ():
            message = choice["message"] = self._mended(choice.get("message"))
            message.setdefault("role", "assistant")
            message.setdefault("content", None)
        return answer

    def mend_event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """A stream event's JSON, likewise; None for one that says nothing."""
        if not self.openai_shaped:
            return event
        if not event.get("choices") and not event.get("usage"):
            return None
        for choice in event.get("choices") or ():
            choice["delta"] = self._mended(choice.get("delta"))
        return event

    def _mended(self, message: Any) -> dict[str, Any]:
        found = message if isinstance(message, dict) else {}
        if isinstance(found.get("content"), list):
            found["content"] = self.joined(found["content"])
        if isinstance(found.get("tool_calls"), dict):  # TGI
            found["tool_calls"] = [found["tool_calls"]]
        if found.get("tool_calls"):
            found["tool_calls"] = [call for call in found["tool_calls"] if call is not None]
        for call in found.get("tool_calls") or ():
            if isinstance(call.get("id"), int):
                call["id"] = str(call["id"])
            function = call.get("function") or {}
            if isinstance(function.get("arguments"), dict):
                function["arguments"] = json.dumps(function["arguments"])
        return found

    def joined(self, blocks: list[Any]) -> Any:
        """Content in blocks as litellm's parser can read it: the text of all of them."""
        return "".join(block if isinstance(block, str) else str((block or {}).get("text") or "") for block in blocks)

    def finishes(self, data: Mapping[str, Any]) -> dict[int, str]:
        """The provider's own finish reasons in an answer or event, by choice; empty where it gave none."""
        return {
            convert.whole(choice.get("index")): str(choice["finish_reason"])
            for choice in data.get("choices") or ()
            if choice.get("finish_reason")
        }

    def raw_usage(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The provider's own count of tokens in an answer or event; a stream's are laid over each other."""
        return data.get("usage")

    def count(self, raw: Mapping[str, Any]) -> Usage | None:
        """That count by OpenAI's convention."""
        return convert.openai_usage(raw)

    def searched(self, data: Mapping[str, Any]) -> bool:
        """Whether an answer or event shows that the provider searched the web."""
        said = [choice.get("message") or {} for choice in data.get("choices") or ()]
        return any(note.get("type") == "url_citation" for message in said for note in message.get("annotations") or ())

    def note_searches(self, prepared: Prepared, data: Mapping[str, Any]) -> None:
        """Notes that the web was searched, where the catalogue doesn't say what that costs."""
        prices = () if self.info is None else self.info.prices
        if SEARCHED in prepared.notes or not prices or any(name.startswith(_SEARCH_FEES) for name in prices):
            return
        with contextlib.suppress(AttributeError, TypeError):  # an odd answer is no worse for it
            if self.searched(data):
                prepared.notes.append(SEARCHED)

    def error_in(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The error inside an answer with status 200, or a stream event."""
        if data.get("error") or data.get("object") == "error":
            return data
        # OpenRouter: a choice may fail by itself.
        choices = data.get("choices") if self.openai_shaped else ()
        failed = next(
            (choice["error"] for choice in choices or () if isinstance(choice, Mapping) and choice.get("error")), None
        )
        return {"error": failed} if failed else None

    def to_litellm(self, prepared: Prepared, answer: WireAnswer, data: dict[str, Any]) -> Any:
        """litellm's ModelResponse of an answer."""
        return prepared.config.transform_response(
            raw_response=transport.RawAnswer(answer.status, answer.headers, data),
            model_response=transport.empty_response(),
            logging_obj=prepared.log,
            request_data=prepared.body,
            encoding=None,
            api_key="",
            json_mode=prepared.json_mode,
            **prepared.arguments,
        )

    def event_parser(self, prepared: Prepared) -> Any:
        """A function from one event's JSON to litellm's chunk."""
        if self.parser is not None:
            iterator = transport.resolve(self.parser)(streaming_response=iter(()), sync_stream=True)
        else:
            iterator = prepared.config.get_model_response_iterator(
                streaming_response=iter(()), sync_stream=True, json_mode=prepared.json_mode
            )
        return iterator.chunk_parser

    @property
    def key_required(self) -> bool:
        """Whether a call without an API key makes no sense."""
        return True

    def gave_up(self, finishes: Mapping[int, str], status: int) -> None:
        """Refuses an answer whose finish says that the provider failed.

        Raises:
            InternalServerError: naming the provider's word for it.
        """
        failed = sorted(convert.FAILED & set(finishes.values()))
        if failed:
            raise InternalServerError(
                f"the provider gave up its answer: {failed[0]}",
                provider=self.provider,
                model=self.upstream,
                status_code=status,
            )

    def refused(self, status: int, headers: Mapping[str, str], body: Any, where: Endpoint) -> APIError:
        """The typed error for a refusal."""
        error = classify(status, headers, body, provider=self.provider, model=self.upstream, key=where.key)
        if isinstance(error, AuthenticationError) and where.key is None:
            error.hint = f"no key was sent to {where.host}: pass api_key= for this host"
        elif isinstance(error, NotFoundError) and not self.own_host:
            error.hint = f"check the model name, and api_base: {where.base} (many hosts' ends in /v1)"
        return error

    def malformed(self, error: Exception, status: int = 200) -> APIError:
        """The typed error for an answer that can't be read. The cause's text may quote the answer, so only its kind is told."""
        return APIResponseValidationError(
            f"the answer isn't what {self.provider} promises ({type(error).__name__})",
            provider=self.provider,
            model=self.upstream,
            status_code=status,
        )
