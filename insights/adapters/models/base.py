"""`LiteLLMChatModel`: params and messages in, typed response or typed error out, through litellm's provider configs.

The defaults here are those of the many hosts that speak OpenAI's chat completions; a provider's file overrides what is
special about its wire, and nothing else.
"""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from insights.adapters.models import convert, transport
from insights.adapters.models.assemble import Assembler
from insights.adapters.models.body import Prepared, build, refuse_remote_media
from insights.adapters.models.classify import classify
from insights.adapters.models.egress import Endpoint, endpoint, owns
from insights.adapters.models.frames import Frames, SSEFrames
from insights.adapters.models.interface import BaseChatModel
from insights.catalog.loader import Catalog
from insights.catalog.schema import ModelInfo, ProviderConfig
from insights.core import intercept
from insights.core.config import Settings
from insights.core.effects import (
    Blocking,
    Close,
    Emit,
    Flow,
    FlowGenerator,
    Open,
    Opened,
    Read,
    Send,
    StreamClosed,
    WireAnswer,
    WireCall,
    WireStream,
    adrive,
)
from insights.core.errors import APIError, APIResponseValidationError, Timeout, TruncatedStreamError
from insights.core.redact import SecretStr
from insights.core.request import ChatRequest, build_request, check_names
from insights.core.types import Chunk, ModelResponse, Usage
import contextlib

# Stands in for a key where none is needed or a cassette answers; headers that carry it are not sent.
NO_KEY: Final = "insights-no-key"

OPTIONS: Final = ("api_key", "api_base", "timeout", "num_retries", "fallbacks", "cache", "drop_params", "extra_body",
                  "extra_headers", "stream", "settings")  # fmt: skip


class LiteLLMChatModel(BaseChatModel):
    """One model of one provider.

    Args:
        model_id: the provider's own name of the model.
        api_key: the key; default: the provider's `env_key` in Settings or the environment.
        api_base: where to send; default: the provider's `api_base`.
        settings: keys, directories and defaults.
    """

    litellm_provider: ClassVar[str]
    """litellm's name of the provider."""
    path: ClassVar[str] = "/chat/completions"
    """What comes after the base URL."""
    native_params: ClassVar[tuple[str, ...]] = ()
    """Parameters of the provider's own, which are not misspelt ones of OpenAI's."""
    extra_params: ClassVar[tuple[str, ...]] = ()
    """OpenAI's parameters that the provider takes under OpenAI's name, although litellm doesn't know it."""
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

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model_id={self._model_id!r})"

    @property
    def model_id(self) -> str:
        """The provider's own name of the model."""
        return self._model_id

    @property
    def provider(self) -> str:
        """The provider's name in insights."""
        return self.__module__.rpartition(".")[2]

    @property
    def settings(self) -> Settings:
        """Keys, directories and defaults of this model."""
        return self._settings

    @property
    def config(self) -> ProviderConfig:
        """The provider's file."""
        return self._catalog.provider(self.provider)

    @property
    def info(self) -> ModelInfo | None:
        """The catalogue's row of this model; None when it has none."""
        return self.config.model(self.upstream)

    @property
    def base(self) -> str:
        """The base URL of this model's calls."""
        return self._api_base or self.default_base()

    @property
    def own_host(self) -> bool:
        """Whether the call goes to the provider's own host, and not to somebody's that speaks the same format."""
        return self._api_base is None or owns(self.config, urlsplit(self._api_base).hostname or "")

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
        return self._settings.variable(f"{self.provider.upper()}_API_BASE") or self.config.api_base

    def url(self, base: str, stream: bool) -> str:
        """The full URL of a call."""
        return base + self.path

    def lane(self, request: ChatRequest) -> LiteLLMChatModel:
        """The model that serves this request: itself, or its other wire format."""
        return self

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
            message = choice.get("message")
            if not isinstance(message, dict):
                message = choice["message"] = {}
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
            choice.setdefault("delta", {})
        return event

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

    def error_in(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The error inside an answer with status 200, or a stream event."""
        return data if data.get("error") else None

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

    # ------------------------------------------------------------ the way of one attempt

    def check(self, request: ChatRequest) -> Endpoint:
        """What can be known before litellm is there: names of parameters, the host, the key.

        Raises:
            UnsupportedParamsError: a misspelt parameter.
            MissingKeyError: no key, and no cassette that would answer without.
            BadRequestError: a base no request may go to.
        """
        check_names(request.params, self.native_params, self.provider, (*OPTIONS, *self.options))
        return endpoint(
            self.config,
            self._settings,
            base=self.base,
            api_key=self._api_key,
            required=self.key_required and not intercept.active(),
        )

    @property
    def key_required(self) -> bool:
        """Whether a call without an API key makes no sense."""
        return True

    def prepare(self, request: ChatRequest, where: Endpoint, drop_params: bool = False) -> Prepared:
        """The HTTP request; no I/O. litellm must be loaded.

        Raises:
            UnsupportedParamsError: naming the parameters the provider can't do.
            BadRequestError: litellm can't translate the messages.
        """
        if not self.takes_media_urls:
            refuse_remote_media(request.messages, self.provider)
        return build(self, request, where, drop_params)

    def parse(self, prepared: Prepared, answer: WireAnswer, where: Endpoint) -> ModelResponse:
        """The typed answer.

        Raises:
            APIError: the class that the status and the body tell.
        """
        import json

        if answer.status >= 300:
            raise self.refused(answer.status, answer.headers, answer.content, where)
        try:
            data = json.loads(answer.content)
        except (ValueError, RecursionError):
            start = answer.content[:60].decode("utf-8", "replace")
            raise APIResponseValidationError(
                f"the answer is not JSON: {start!r}",
                provider=self.provider,
                model=self.upstream,
                status_code=answer.status,
            ) from None
        if not isinstance(data, dict):
            data = {"error": data} if isinstance(data, list) else {}
        failed = self.error_in(data)
        if failed is not None:
            raise self.refused(200, answer.headers, failed, where)
        try:
            raw = self.raw_usage(data)
            finishes, counted = self.finishes(data), self.count(raw) if raw else None
            found = convert.response(
                self.to_litellm(prepared, answer, self.mend(copy.deepcopy(data))),
                data,
                provider=self.provider,
                model=self.upstream,
                finishes=finishes,
                counted=counted,
                openai_shaped=self.openai_shaped,
            )
        except APIError:
            raise
        except Exception as error:
            raise self.malformed(error, answer.status) from None
        if not found.choices:
            raise APIResponseValidationError(
                "the answer has no choices", provider=self.provider, model=self.upstream, status_code=answer.status
            )
        return found

    def refused(self, status: int, headers: Mapping[str, str], body: Any, where: Endpoint) -> APIError:
        """The typed error for a refusal."""
        return classify(status, headers, body, provider=self.provider, model=self.upstream, key=where.key)

    def malformed(self, error: Exception, status: int = 200) -> APIError:
        """The typed error for an answer that can't be read. The cause's text may quote the answer, so only its kind is told."""
        return APIResponseValidationError(
            f"the answer isn't what {self.provider} promises ({type(error).__name__})",
            provider=self.provider,
            model=self.upstream,
            status_code=status,
        )

    def _begin(self, request: ChatRequest, where: Endpoint, drop_params: bool) -> FlowGenerator[Prepared]:
        if not transport.loaded():
            yield Blocking(transport.load)
        prepared = self.prepare(request, where, drop_params)
        prepared.call = yield from self.authorize(prepared.call, where)
        return prepared

    def attempt(
        self, request: ChatRequest, where: Endpoint, *, until: float | None = None, drop_params: bool = False
    ) -> FlowGenerator[ModelResponse]:
        """One request, one answer."""
        lane = self.lane(request)
        prepared = yield from lane._begin(request, where, drop_params)
        answer = yield Send(prepared.call, until)
        found = lane.parse(prepared, answer, where)
        found.trace.notes.extend(prepared.notes)
        return found

    def attempt_stream(
        self,
        request: ChatRequest,
        where: Endpoint,
        *,
        until: float | None = None,
        drop_params: bool = False,
        progress: Progress | None = None,
    ) -> FlowGenerator[ModelResponse]:
        """One request, its chunks as `Emit`, and the whole answer as the result.

        Chunks without content (a role, say) are held back until there is some: up to then the caller may still be
        given another attempt's stream.
        """
        progress = progress or Progress()
        lane = self.lane(request)
        prepared = yield from lane._begin(request, where, drop_params)
        if not prepared.streams:  # the provider can't stream this request: its answer is the one chunk
            answer = yield Send(prepared.call, until)
            whole = lane.parse(prepared, answer, where)
            yield Opened()
            progress.content = True
            for chunk in chunks_of(whole):
                yield Emit(chunk)
            whole.trace.notes.extend(prepared.notes)
            return whole
        decoder = StreamDecoder(lane, prepared, where)
        stream = yield Open(prepared.call, until)
        try:
            yield from lane._read(stream, decoder, until, progress)
        except GeneratorExit:
            raise  # collected, not closed: nobody is left to close the stream
        except BaseException:
            yield Close(stream)
            raise
        yield Close(stream)
        whole = decoder.response()
        whole.trace.notes.extend(prepared.notes)
        return whole

    def _read(self, stream: WireStream, decoder: StreamDecoder, until: float | None, progress: Progress) -> FlowGenerator[None]:
        if stream.status >= 300:
            pieces = []
            while (data := (yield Read(stream, until))) is not None:
                pieces.append(data)
            raise self.refused(stream.status, stream.headers, b"".join(pieces), decoder.where)
        decoder.headers = stream.headers
        yield Opened()
        held: list[Chunk] = []
        try:
            ended = False
            while not ended:
                data = yield Read(stream, until)
                ended = data is None
                for chunk in decoder.end() if data is None else decoder.feed(data):
                    held.append(chunk)
                    if not progress.content and decoder.has_content:
                        progress.content, progress.first = True, time.monotonic()
                    if progress.content:
                        for ready in held:
                            yield Emit(ready)
                        held = []
        except APIError as error:
            if not progress.content:
                raise
            raise decoder.cut_off(error) from error
        progress.held = held

    # ------------------------------------------------------------ BaseChatModel

    def _ask(self, messages: Any, stream: bool, params: dict[str, Any]) -> ChatRequest:
        extra = {name: params.pop(name, None) for name in ("extra_body", "extra_headers")}
        return build_request(self._model_id, messages, params, stream=stream, **extra)

    async def generate(self, messages: Any, **kwargs: Any) -> str:
        """The text of one answer: one attempt, no retry, no cache. See `BaseChatModel.generate`."""
        from insights.adapters.models.http import AsyncPerformer

        until = time.monotonic() + self._settings.timeout
        request = self._ask(messages, False, kwargs)
        flow = Flow(self.attempt(request, self.check(request), until=until))
        await adrive(flow, AsyncPerformer())
        assert flow.result is not None
        return flow.result.text

    async def stream(self, messages: Any, **kwargs: Any) -> AsyncIterator[str]:
        """The text of one answer, piece by piece: one attempt, no retry, no cache. See `BaseChatModel.stream`."""
        from insights.adapters.models.http import AsyncPerformer

        until = time.monotonic() + self._settings.timeout
        request = self._ask(messages, True, kwargs)
        flow = Flow(self.attempt_stream(request, self.check(request), until=until))
        performer = AsyncPerformer()
        try:
            while (news := await adrive(flow, performer)) is not None:
                if isinstance(news, Emit) and news.chunk.text:
                    yield news.chunk.text
        finally:
            if not flow.done:
                flow.fail(StreamClosed())
                with contextlib.suppress(StreamClosed):
                    await adrive(flow, performer)


@dataclass(slots=True)
class Progress:
    """How far a stream has come: whether the caller has seen content, since when, and the chunks held back till the end."""

    content: bool = False
    first: float | None = None
    held: list[Chunk] = field(default_factory=list)


class StreamDecoder:
    """Bytes of one stream to chunks, and at the end to the whole answer; no I/O."""

    def __init__(self, model: LiteLLMChatModel, prepared: Prepared, where: Endpoint) -> None:
        self._model = model
        self.where = where
        self._frames = model.frames()
        self._parse = model.event_parser(prepared)
        self._finishes: dict[int, str] = {}
        self._usage: dict[str, Any] = {}
        self._assembler = Assembler(model.provider, model.upstream)
        self.headers: Mapping[str, str] = {}

    @property
    def text(self) -> str:
        """The text so far."""
        return self._assembler.text

    @property
    def has_content(self) -> bool:
        """Whether anything that a reader would see has come."""
        return self._assembler.has_content

    def cut_off(self, error: APIError) -> APIError:
        """What became of a stream that broke after its first content: never a whole answer, and the text isn't lost."""
        if isinstance(error, Timeout | TruncatedStreamError):
            error.partial = self.text
            return error
        cut = TruncatedStreamError(
            f"the stream broke off: {error.message}",
            provider=error.provider,
            model=error.model,
            status_code=error.status_code,
            request_id=error.request_id,
        )
        cut.partial = self.text
        return cut

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """The chunks completed by a piece of the body."""
        for event in self._frames.feed(data):
            yield from self._event(event)

    def end(self) -> Iterator[Chunk]:
        """The last chunks.

        Raises:
            TruncatedStreamError: the provider never said that it was done.
        """
        for event in self._frames.end():
            yield from self._event(event)
        if not self._finishes:
            raise TruncatedStreamError(
                "the stream ended before the answer did", provider=self._model.provider, model=self._model.upstream
            )

    def _event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        failed = self._model.error_in(event)
        if failed is not None:
            raise self._model.refused(200, self.headers, failed, self.where)
        try:
            chunk = self._chunk(event)
        except APIError:
            raise
        except Exception as error:
            raise self._model.malformed(error) from None
        if chunk is not None:
            self._assembler.add(chunk)
            yield chunk

    def _chunk(self, event: dict[str, Any]) -> Chunk | None:
        model = self._model
        finishes, raw, counted = model.finishes(event), model.raw_usage(event), None
        self._finishes.update(finishes)
        if raw:
            self._usage.update({name: value for name, value in raw.items() if value is not None})
            counted = model.count(self._usage)
        mended = model.mend_event(event)
        parsed = None if mended is None else self._parse(mended)
        if parsed is None:
            if not finishes and counted is None:
                return None
            parsed = {"choices": []}
        return convert.chunk(
            parsed, event, model=model.upstream, finishes=finishes, counted=counted, openai_shaped=model.openai_shaped
        )

    def response(self) -> ModelResponse:
        """The whole answer."""
        return self._assembler.response()


def chunks_of(whole: ModelResponse) -> Iterator[Chunk]:
    """A whole answer as the one chunk of a stream."""
    choices = [
        {
            "index": choice.index,
            "delta": {
                **choice.message.model_dump(exclude_none=True, exclude={"tool_calls"}),
                "tool_calls": [
                    {"index": i, **call.model_dump()} for i, call in enumerate(choice.message.tool_calls or ())
                ] or None,
            },
            "finish_reason": choice.finish_reason,
            "logprobs": choice.logprobs,
        }
        for choice in whole.choices
    ]  # fmt: skip
    yield Chunk.model_validate(
        {"id": whole.id, "created": whole.created, "model": whole.model, "choices": choices, "usage": whole.usage}
    )
