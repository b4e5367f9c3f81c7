"""The ways to use a cassette: as a block, as a decorator, one in another."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest

import insights
from insights import use_cassette
from insights.client import Client
from insights.core import intercept
from insights.core.errors import BadRequestError
from tests.unit.cassettes.tools import HOME, MODEL, handmade, interaction, raw
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer


def test_as_decorator(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml")

    @use_cassette(path)
    def plain(messages: str, *, model: str) -> str:
        """Asks."""
        assert intercept.active()
        return keyless.completion(model, messages).text

    @use_cassette(path)
    async def awaited(messages: str) -> str:
        assert intercept.active()
        return (await keyless.acompletion(MODEL, messages)).text

    assert [plain("Hi", model=MODEL), plain("Hi", model=MODEL)] == ["Hello!", "Hello!"]
    assert asyncio.run(awaited("Hi")) == asyncio.run(awaited("Hi")) == "Hello!"
    assert (plain.__name__, plain.__doc__) == ("plain", "Asks.")
    assert not intercept.active()


def test_generators_are_decorated(keyless: Client, tmp_path: Path) -> None:
    """The block lasts as long as the generator runs, not only until it is made."""
    path = handmade(tmp_path / "c.yaml")

    @use_cassette(path)
    def texts(messages: str) -> Generator[str, None, str]:
        """Yields."""
        yield "first"
        yield keyless.completion(MODEL, messages).text
        return "the end"

    def around() -> Generator[str, None, None]:
        yield (yield from texts("Hi"))

    for _ in range(2):
        assert list(around()) == ["first", "Hello!", "the end"]
        assert not intercept.active()
    assert inspect.isgeneratorfunction(texts)
    assert (texts.__name__, texts.__doc__) == ("texts", "Yields.")
    left = texts("Hi")
    next(left)
    assert intercept.active()
    left.close()
    assert not intercept.active()


def test_async_generators_are_decorated(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml")

    @use_cassette(path)
    async def texts(messages: str) -> AsyncIterator[str]:
        yield "first"
        yield (await keyless.acompletion(MODEL, messages)).text

    async def read() -> list[str]:
        return [text async for text in texts("Hi")]

    for _ in range(2):
        assert asyncio.run(read()) == ["first", "Hello!"]
        assert not intercept.active()
    assert inspect.isasyncgenfunction(texts)


def test_classes_are_not_decorated(tmp_path: Path) -> None:
    class Tests:
        pass

    with pytest.raises(TypeError, match="decorates functions, not classes"):
        use_cassette(tmp_path / "c.yaml")(Tests)


def test_as_async_block(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("Hello!"))

    async def run() -> str:
        async with use_cassette(path, mode="record", hosts={provider.url: HOME}):
            await client.acompletion(MODEL, "Hi", api_base=provider.url)
        async with use_cassette(path) as cassette:
            found = await keyless.acompletion(MODEL, "Hi")
            assert cassette.play_count == 1
        return found.text

    assert asyncio.run(run()) == "Hello!"


def test_one_inside_another(keyless: Client, tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        handmade(tmp_path / f"{name}.yaml", interaction(pieces=[answer(name)]))
    with use_cassette(tmp_path / "outer.yaml"):
        with use_cassette(tmp_path / "inner.yaml"):
            assert keyless.completion(MODEL, "Hi").text == "inner"
        assert keyless.completion(MODEL, "Hi").text == "outer"


def test_the_same_object_twice(keyless: Client, tmp_path: Path) -> None:
    cassette = use_cassette(handmade(tmp_path / "c.yaml"))
    with cassette, cassette:
        assert keyless.completion(MODEL, "Hi").text == "Hello!"
    with cassette:
        assert keyless.completion(MODEL, "Hi").text == "Hello!"


def test_through_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights.client._default", None)
    with Provider() as provider:
        provider.will(answer("Hello!"))
        with insights.use_cassette(tmp_path / "c.yaml", "record", hosts={provider.url: HOME}):
            insights.completion("openai/gpt-4.1", "Hi", api_base=provider.url)
    with insights.use_cassette(tmp_path / "c.yaml"):
        assert insights.completion("openai/gpt-4.1", "Hi").text == "Hello!"


def test_an_address_that_is_nobodys_stand_in_stays(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer())
    with use_cassette(tmp_path / "c.yaml", "record", hosts={"http://127.0.0.1:1": HOME}):
        client.completion(MODEL, "Hi", api_base=provider.url)
    assert raw(tmp_path / "c.yaml")["interactions"][0]["request"]["uri"].startswith(provider.url)


def test_the_directory_may_change(keyless: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handmade(tmp_path / "c.yaml", interaction(url="https://other.example/"))
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path)
    with use_cassette("c.yaml") as cassette:
        monkeypatch.chdir(tmp_path / "else")
        assert [item.uri for item in cassette.interactions] == ["https://other.example/"]
        assert [tape.path for tape in cassette.tapes] == [tmp_path / "c.yaml"]


@pytest.mark.parametrize("path", [None, 3, b"c.yaml"])
def test_a_cassette_has_a_path(path: Any) -> None:
    with pytest.raises(BadRequestError, match="a cassette is named by its path"):
        use_cassette(path)


def test_a_function_as_the_path() -> None:
    """`@use_cassette` without its brackets."""
    with pytest.raises(BadRequestError, match="got function"):
        use_cassette(test_a_function_as_the_path)  # type: ignore[arg-type]
