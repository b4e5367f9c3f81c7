"""`LiteLLMChatModel`: params and messages in, typed response or typed error out, through litellm's provider configs."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from insights.adapters.models import convert, transport
from insights.adapters.models.body import Prepared, build
from insights.adapters.models.decoder import Progress, StreamDecoder
from insights.adapters.models.egress import Endpoint, endpoint
from insights.adapters.models.frames import SSEFrames, events_of_list
from insights.adapters.models.identity import meaning
from insights.adapters.models.media import refuse_remote_media
from insights.adapters.models.wire import Wire
from insights.core import intercept
from insights.core.chunks import chunks_of
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
    WireAnswer,
    WireStream,
    aclose,
    adrive,
)
from insights.core.errors import APIError, APIResponseValidationError, MissingKeyError
from insights.core.intercept import Interceptor
from insights.core.redact import redact
from insights.core.request import PLACE_OPTIONS, PLAN_OPTIONS, ChatRequest, build_request, check_names
from insights.core.types import Chunk, ModelResponse

OPTIONS: Final = ("model", "messages", "stream", "extra_body", "extra_headers", "settings", *PLACE_OPTIONS, *PLAN_OPTIONS)


class LiteLLMChatModel(Wire):
    """One model of one provider: the way of one attempt, for every wire."""

    def lane(self, request: ChatRequest) -> LiteLLMChatModel:
        """The model that serves this request: itself, or its other wire format."""
        return self

    def check(self, request: ChatRequest) -> Endpoint:
        """What can be known before litellm is there: names of parameters, the host, the key.

        Raises:
            UnsupportedParamsError: a misspelt parameter.
            MissingKeyError: no key, and no cassette that would answer without.
            BadRequestError: a base no request may go to.
        """
        self.check_names(request)
        return endpoint(
            self.config,
            self._settings,
            base=self.base,
            api_key=self._api_key,
            required=self.key_required and not intercept.active(),
        )

    def check_names(self, request: ChatRequest) -> None:
        """Refuses misspelt parameters.

        Raises:
            UnsupportedParamsError: naming the nearest right one.
        """
        check_names(request.params, self.native_params, self.provider, (*OPTIONS, *self.options))

    def prepare(self, request: ChatRequest, where: Endpoint, drop_params: bool = False) -> Prepared:
        """The HTTP request; no I/O. litellm must be loaded.

        Raises:
            UnsupportedParamsError: naming the parameters the provider can't do.
            BadRequestError: litellm can't translate the messages.
        """
        refuse_remote_media(self, request.messages)
        return build(self, request, where, drop_params)

    def parse(self, prepared: Prepared, answer: WireAnswer, where: Endpoint) -> ModelResponse:
        """The typed answer.

        Raises:
            APIError: the class that the status and the body tell.
        """
        if answer.status >= 300:
            raise self.refused(answer.status, answer.headers, answer.content, where)
        try:
            data = json.loads(answer.content)
        except (ValueError, RecursionError):
            start = redact(answer.content[:4000].decode("utf-8", "replace"), where.key)[:60]
            raise APIResponseValidationError(
                f"the answer is not JSON: {start!r}",
                provider=self.provider,
                model=self.upstream,
                status_code=answer.status,
            ) from None
        if isinstance(data, list) and data and isinstance(data[0], dict) and data[0].get("error"):
            data = data[0]  # Google wraps some errors in a list
        if not isinstance(data, dict):
            raise self.malformed(TypeError(), answer.status)
        try:
            failed = self.error_in(data)
            if failed is not None:
                raise self.refused(200, answer.headers, failed, where)
            raw = self.raw_usage(data)
            finishes, counted = self.finishes(data), self.count(raw) if raw else None
            self.gave_up(finishes, answer.status)
            found = convert.response(
                transport.calmly(lambda: self.to_litellm(prepared, answer, self.mend(copy.deepcopy(data)))),
                data,
                provider=self.provider,
                model=self.upstream,
                finishes=finishes,
                counted=counted,
                openai_shaped=self.openai_shaped,
            )
            if not found.choices:
                raise APIResponseValidationError(
                    "the answer has no choices", provider=self.provider, model=self.upstream, status_code=answer.status
                )
        except APIError as error:
            self._charge(error, data)
            raise
        except Exception as error:
            raise self._charge(self.malformed(error, answer.status), data) from None
        self.note_searches(prepared, data)
        return found

    def _charge(self, error: APIError, data: dict[str, Any]) -> APIError:
        """An error with the tokens that the provider counted all the same."""
        with contextlib.suppress(Exception):  # an odd answer: its count may be odd as well
            raw = self.raw_usage(data)
            error.usage = self.count(raw) if raw else None
        return error

    def _begin(self, request: ChatRequest, where: Endpoint, drop_params: bool) -> FlowGenerator[Prepared]:
        if not transport.loaded():
            yield Blocking(transport.load)
        prepared = self.prepare(request, where, drop_params)
        cassette = intercept.innermost()
        if cassette is None:
            prepared.call = yield from self.authorize(prepared.call, where)
        else:
            yield from self._through(cassette, prepared, request, where)
        return prepared

    def _through(self, cassette: Interceptor, prepared: Prepared, request: ChatRequest, where: Endpoint) -> FlowGenerator[None]:
        """Gets the recorded answer, or all that the request needs to go out: what is recorded needs no key.

        Raises:
            CassetteMissingError: it is not recorded, and mustn't or can't go out.
        """
        said = meaning(self, request, streams=prepared.streams)
        found = cassette.replay(replace(prepared.call, meaning=said))
        prepared.call = replace(prepared.call, meaning=said, cleared=True, recorded=found)
        if found is not None:
            return
        try:
            if where.key is None:
                endpoint(self.config, self._settings, base=self.base, required=self.key_required)
            prepared.call = yield from self.authorize(prepared.call, where)
        except MissingKeyError as error:
            raise cassette.missing(prepared.call, error) from None

    def attempt(
        self, request: ChatRequest, where: Endpoint, *, until: float | None = None, drop_params: bool = False
    ) -> FlowGenerator[ModelResponse]:
        """One request, one answer."""
        self.sent = self.replayed = False
        lane = self.lane(request)
        prepared = yield from lane._begin(request, where, drop_params)
        self.replayed = prepared.call.recorded is not None
        self.sent = True
        answer = yield Send(prepared.call, until)
        self.told = answer.headers
        found = lane.parse(prepared, answer, where)
        found.trace.notes.extend(prepared.notes)
        return found

    def attempt_stream(
        self,
        request: ChatRequest,
        where: Endpoint,
        *,
        until: float | None = None,
        idle: float | None = None,
        drop_params: bool = False,
        progress: Progress | None = None,
    ) -> FlowGenerator[ModelResponse]:
        """One request, its chunks as `Emit`, and the whole answer as the result.

        Chunks without content (a role, say) are held back until there is some: up to then the caller may still be
        given another attempt's stream.
        """
        progress = progress or Progress()
        self.sent = self.replayed = False
        lane = self.lane(request)
        prepared = yield from lane._begin(request, where, drop_params)
        self.replayed = prepared.call.recorded is not None
        self.sent = True
        if not prepared.streams:  # the provider can't stream this request: its answer is the one chunk
            answer = yield Send(prepared.call, until)
            self.told = answer.headers
            whole = lane.parse(prepared, answer, where)
            yield Opened()
            yield from _in_one(whole, progress)
            whole.trace.notes.extend(prepared.notes)
            return whole
        decoder = StreamDecoder(lane, prepared, where)
        stream = yield Open(prepared.call, until)
        self.told = stream.headers
        try:
            yield from lane._read(stream, decoder, _Patience(until, idle), progress)
        except GeneratorExit:
            raise  # collected, not closed: nobody is left to close the stream
        except BaseException:
            yield Close(stream)
            raise
        yield Close(stream)
        if progress.unstreamed is None:
            whole = decoder.response()
            lane.note_searches(prepared, {"choices": [{"message": choice.message.model_extra} for choice in whole.choices]})
        else:  # a host that doesn't stream: its whole answer is the one chunk
            whole = lane.parse(prepared, WireAnswer(stream.status, stream.headers, progress.unstreamed), where)
            yield from _in_one(whole, progress)
        whole.trace.notes.extend(prepared.notes)
        return whole

    def _read(self, stream: WireStream, decoder: StreamDecoder, patience: _Patience, progress: Progress) -> FlowGenerator[None]:
        if stream.status >= 300:
            raise self.refused(stream.status, stream.headers, (yield from _rest(stream, patience)), decoder.where)
        decoder.headers = stream.headers
        yield Opened()
        data: bytes | None = yield from _first(stream, patience)
        if self.frames is SSEFrames and data and data.lstrip(_BLANK)[:1] in (b"{", b"["):
            # JSON, and no line of an event stream: a whole answer, or the events in a list.
            body = data.lstrip(_BLANK) + (yield from _rest(stream, patience))
            data = events_of_list(body)
            if not data:
                progress.unstreamed = body
                return
        held: list[Chunk] = []
        try:
            while True:
                for chunk in decoder.end() if data is None else decoder.feed(data):
                    held.append(chunk)
                    patience.news()
                    if not progress.content and decoder.has_content:
                        progress.begin()
                    if progress.content:
                        for ready in held:
                            yield Emit(ready)
                            patience.news()
                        held = []
                if data is None:
                    break
                data = yield Read(stream, patience())
        except APIError as error:
            error.provider, error.model = error.provider or self.provider, error.model or self.upstream
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
            await aclose(flow, performer)


_BLANK: Final = b" \r\n\t\xef\xbb\xbf"


def _in_one(whole: ModelResponse, progress: Progress) -> FlowGenerator[None]:
    """A whole answer given out as a stream's one chunk."""
    progress.begin()
    for chunk in chunks_of(whole):
        yield Emit(chunk)


@dataclass(slots=True)
class _Patience:
    """Until when to wait for the next piece of a stream: the attempt's end, or `idle` seconds after its last news. A comment
    that keeps the connection alive is none."""

    until: float | None
    idle: float | None
    since: float = field(default_factory=time.monotonic)

    def news(self) -> None:
        """Something has come, or the caller has had the word meanwhile."""
        self.since = time.monotonic()

    def __call__(self) -> float | None:
        if self.idle is None:
            return self.until
        soon = self.since + self.idle
        return soon if self.until is None else min(soon, self.until)


def _first(stream: WireStream, patience: _Patience) -> FlowGenerator[bytes]:
    """The body up to the piece in which it says something; all of it where it never does."""
    got = b""
    while not got.strip(_BLANK) and (data := (yield Read(stream, patience()))) is not None:
        got += data
    return got


def _rest(stream: WireStream, patience: _Patience) -> FlowGenerator[bytes]:
    """The body up to its end."""
    pieces = []
    while (data := (yield Read(stream, patience()))) is not None:
        pieces.append(data)
    return b"".join(pieces)
