"""The public API as a type checker sees it: mypy reads this file with the rest, and a wrong type fails `make lint`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, assert_type

from insights import AsyncStream, Chunk, Client, Cost, ModelResponse, Stream, Usage, acompletion, completion

if TYPE_CHECKING:

    def calls(flag: bool) -> None:
        assert_type(completion("gpt-5-mini", "hi"), ModelResponse)
        assert_type(
            completion(model="gpt-5-mini", messages=[{"role": "user", "content": "hi"}], temperature=0.2), ModelResponse
        )
        assert_type(completion("gpt-5-mini", "hi", stream=False), ModelResponse)
        assert_type(completion("gpt-5-mini", "hi", stream=True), Stream)
        assert_type(completion("gpt-5-mini", "hi", stream=flag), ModelResponse | Stream)
        assert_type(Client().completion("gpt-5-mini", "hi"), ModelResponse)
        assert_type(Client().completion("gpt-5-mini", "hi", stream=True), Stream)
        for chunk in completion("gpt-5-mini", "hi", stream=True):
            assert_type(chunk, Chunk)

    async def awaited() -> None:
        assert_type(await acompletion("gpt-5-mini", "hi"), ModelResponse)
        stream = await acompletion("gpt-5-mini", "hi", stream=True)
        assert_type(stream, AsyncStream)
        async for chunk in stream:
            assert_type(chunk.text, str)
        assert_type(stream.response, ModelResponse)

    def answers(r: ModelResponse) -> None:
        assert_type(r.text, str)
        assert_type(r.usage, Usage | None)
        assert_type(r.cost, Cost | None)
        assert_type(r.cost_saved, Decimal)


def test_the_package_says_that_it_is_typed() -> None:
    from importlib.resources import files

    assert (files("insights") / "py.typed").is_file()
