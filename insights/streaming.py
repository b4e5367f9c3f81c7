"""What `stream=True` gives: chunks as they come, and the whole answer at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from insights.adapters.models.http import AsyncPerformer, SyncPerformer
from insights.core.effects import Effect, Emit, Flow, aclose, adrive, close, drive
from insights.core.errors import InsightsError

if TYPE_CHECKING:
    from insights.core.types import Chunk, ModelResponse


class _Base:
    """What both kinds of stream share: the flow, and what has become of it."""

    def __init__(self, flow: Flow[ModelResponse], include_usage: bool) -> None:
        self._flow = flow
        self._include_usage = include_usage
        self._first: Effect | None = None

    @property
    def response(self) -> ModelResponse:
        """The whole answer, with usage, cost and trace, once the stream has been read to its end.

        Raises:
            InsightsError: the stream isn't finished.
        """
        if self._flow.result is None:
            raise InsightsError("the stream isn't finished", hint="read it to its end before asking for .response")
        return self._flow.result

    def _pending(self) -> Effect | None:
        """The news that opening the stream brought, once."""
        news, self._first = self._first, None
        return news

    def _wanted(self, news: Effect | None) -> Chunk | None:
        """The chunk for the caller; OpenAI's chunk of usage alone goes only to those who asked for it."""
        if not isinstance(news, Emit):
            return None
        return news.chunk if news.chunk.choices or self._include_usage else None

    def __repr__(self) -> str:
        state = "finished" if self._flow.result is not None else "closed" if self._flow.done else "open"
        return f"{type(self).__name__}({state})"


class Stream(_Base):
    """Chunks, one by one: `for chunk in stream: print(chunk.text, end="")`.

    Also a context manager: leaving the block early closes the connection. `response` is the whole answer at the end.

    Raises:
        TruncatedStreamError: the stream broke off; `error.partial` is the text so far.
        Timeout: the time allowed ran out; `error.partial` likewise.
    """

    def __init__(self, flow: Flow[ModelResponse], include_usage: bool = False) -> None:
        super().__init__(flow, include_usage)
        self._performer = SyncPerformer()

    def open(self) -> Stream:
        """Goes on until a provider has accepted the request."""
        self._first = drive(self._flow, self._performer)
        return self

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        while (news := self._pending() or drive(self._flow, self._performer)) is not None:
            chunk = self._wanted(news)
            if chunk is not None:
                return chunk
        raise StopIteration

    def close(self) -> None:
        """Closes the connection; nothing more comes."""
        self._first = None
        close(self._flow, self._performer)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncStream(_Base):
    """Chunks, one by one: `async for chunk in stream: print(chunk.text, end="")`. See `Stream`."""

    def __init__(self, flow: Flow[ModelResponse], include_usage: bool = False) -> None:
        super().__init__(flow, include_usage)
        self._performer = AsyncPerformer()

    async def open(self) -> AsyncStream:
        """Goes on until a provider has accepted the request."""
        self._first = await adrive(self._flow, self._performer)
        return self

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        while (news := self._pending() or await adrive(self._flow, self._performer)) is not None:
            chunk = self._wanted(news)
            if chunk is not None:
                return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Closes the connection; nothing more comes."""
        self._first = None
        await aclose(self._flow, self._performer)

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
