"""A stream's bytes to chunks, and to the whole answer; no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from insights.adapters.models import convert
from insights.adapters.models.assemble import Assembler
from insights.core.errors import APIError, Timeout, TruncatedStreamError
from insights.core.types import Chunk, ModelResponse

if TYPE_CHECKING:
    from insights.adapters.models.body import Prepared
    from insights.adapters.models.egress import Endpoint
    from insights.adapters.models.wire import Wire


@dataclass(slots=True)
class Progress:
    """How far a stream has come: whether the caller has seen content, since when, and the chunks held back till the end."""

    content: bool = False
    first: float | None = None
    held: list[Chunk] = field(default_factory=list)
    on_content: Callable[[], None] = lambda: None
    """Told once, when the first content has come."""

    def begin(self) -> None:
        """The first content has come."""
        if not self.content:
            self.content, self.first = True, time.monotonic()
            self.on_content()

    unstreamed: bytes | None = None
    """The whole body, when the host sent one JSON document instead of a stream."""


class StreamDecoder:
    """Bytes of one stream to chunks, and at the end to the whole answer; no I/O."""

    def __init__(self, model: Wire, prepared: Prepared, where: Endpoint) -> None:
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
        usage = self._model.count(self._usage) if self._usage else None
        if isinstance(error, Timeout | TruncatedStreamError):
            error.partial, error.usage = self.text, usage
            return error
        cut = TruncatedStreamError(
            f"the stream broke off: {error.message}",
            provider=error.provider,
            model=error.model,
            status_code=error.status_code,
            request_id=error.request_id,
        )
        cut.partial, cut.usage = self.text, usage
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
            for choice in chunk.choices:
                if choice.finish_reason is not None:
                    called = self._assembler.has_tools(choice.index)
                    choice.finish_reason = convert.finish_reason(self._finishes.get(choice.index), called)
            yield chunk

    def _chunk(self, event: dict[str, Any]) -> Chunk | None:
        model = self._model
        finishes, raw, counted = model.finishes(event), model.raw_usage(event), None
        self._finishes.update(finishes)
        model.gave_up(finishes, 200)
        if raw:
            self._usage.update({name: value for name, value in raw.items() if value is not None})
            counted = model.count(self._usage)
        # litellm's parsers write into what they are given (an index into each tool call, say), and `event` is still read.
        mended = model.mend_event(_copied(event) if model.openai_shaped else event)
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


def _copied(data: Any) -> Any:
    """JSON data once more; `copy.deepcopy` takes three times as long, for every chunk."""
    if isinstance(data, dict):
        return {name: _copied(value) for name, value in data.items()}
    return [_copied(item) for item in data] if isinstance(data, list) else data
