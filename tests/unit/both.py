"""The same call, blocking and awaiting, so that one test says both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from insights.client import Client
from insights.core.types import Chunk, ModelResponse

both = pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])


def ask(client: Client, awaiting: bool, model: str, messages: Any = "Hi", **params: Any) -> ModelResponse:
    """A plain call."""
    call: Any = client.acompletion if awaiting else client.completion
    found = call(model, messages, **params)
    answer: ModelResponse = asyncio.run(found) if awaiting else found
    return answer


class Read:
    """A streamed call: its chunks as far as they came, and its answer."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.response: ModelResponse | None = None

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    def run(self, client: Client, awaiting: bool, model: str, messages: Any = "Hi", **params: Any) -> Read:
        """Reads the stream to its end."""
        if awaiting:
            asyncio.run(self._awaited(client, model, messages, params))
        else:
            stream = client.completion(model, messages, stream=True, **params)
            self.chunks.extend(iter(stream))
            self.response = stream.response
        return self

    async def _awaited(self, client: Client, model: str, messages: Any, params: dict[str, Any]) -> None:
        stream = await client.acompletion(model, messages, stream=True, **params)
        async for chunk in stream:
            self.chunks.append(chunk)
        self.response = stream.response
