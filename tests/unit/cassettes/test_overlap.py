"""Blocks that end before everything in them has: streams still open, generators left early, tasks that run at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.client import Client
from insights.core import intercept
from insights.core.errors import CassetteError
from tests.unit.cassettes.tools import HOME, MODEL, handmade, raw, texts
from tests.unit.loopback import Provider
from tests.unit.openai_wire import ROLE, answer, chunk

# ---------------------------------------------------------------- streams still open


def test_a_stream_still_open_is_recorded_as_far_as_it_was_read(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    provider.will(ROLE, chunk({"content": "Hel"}), linger=True)
    with use_cassette(tmp_path / "outer.yaml", "record"), use_cassette(path, "record", hosts={provider.url: HOME}):
        stream = client.completion(MODEL, "Hi", stream=True, api_base=provider.url)
        assert [next(stream).text, next(stream).text] == ["", "Hel"]
    stream.close()
    assert not (tmp_path / "outer.yaml").exists()
    (item,) = raw(path)["interactions"]
    assert item["insights"]["left_early"] is True
    with use_cassette(path):
        again = keyless.completion(MODEL, "Hi", stream=True)
        assert [next(again).text, next(again).text] == ["", "Hel"]
        with pytest.raises(CassetteError, match="left early when it was recorded"):
            next(again)


def test_an_open_stream_stays_with_the_cassette_it_was_opened_in(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(ROLE, chunk({"content": "Hel"}), linger=True)
    provider.will(answer("inner"))
    with use_cassette(tmp_path / "outer.yaml", "record"):
        stream = client.completion(MODEL, "Hi", stream=True, api_base=provider.url)
        assert [next(stream).text, next(stream).text] == ["", "Hel"]
        with use_cassette(tmp_path / "inner.yaml", "record"):
            client.completion(MODEL, "else", api_base=provider.url)
            stream.close()
    assert texts(tmp_path / "inner.yaml") == ["inner"]
    assert len(raw(tmp_path / "outer.yaml")["interactions"]) == 1


# ---------------------------------------------------------------- generators


@pytest.mark.parametrize("mode", ["record", "refresh", "auto"])
def test_a_generator_left_early_is_recorded(client: Client, provider: Provider, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "c.yaml" if mode == "record" else handmade(tmp_path / "c.yaml")
    provider.will(answer("new"))

    @use_cassette(path, mode)
    def asking() -> Generator[str, None, None]:
        yield client.completion(MODEL, "else", api_base=provider.url).text
        yield "never"

    asked = asking()
    assert next(asked) == "new"
    asked.close()
    assert texts(path) == [*(["Hello!"] if mode == "auto" else []), "new"]
    assert not intercept.active()


def test_whatever_is_sent_to_an_async_generator_reaches_it(tmp_path: Path) -> None:
    seen: list[Any] = []

    @use_cassette(handmade(tmp_path / "c.yaml"))
    async def talking() -> AsyncGenerator[str, Any]:
        try:
            seen.append((yield "first"))
            try:
                yield "second"
            except LookupError as error:
                seen.append(error)
            assert intercept.active()
            yield "third"
        finally:
            seen.append("closed")

    async def talk() -> list[str]:
        items = talking()
        found = [await anext(items), await items.asend("sent"), await items.athrow(LookupError("thrown"))]
        await items.aclose()
        return found

    assert asyncio.run(talk()) == ["first", "second", "third"]
    assert [str(item) for item in seen] == ["sent", "thrown", "closed"]
    assert not intercept.active()


# ---------------------------------------------------------------- tasks that run at once


@pytest.mark.parametrize("first_to_end", ["a", "b"])
def test_two_tasks_with_a_cassette_each(client: Client, provider: Provider, tmp_path: Path, first_to_end: str) -> None:
    """Which of the two gets a call is a matter of luck, so that neither is written."""
    for number in range(4):
        provider.will(answer(str(number)))
    entered = {"a": asyncio.Event(), "b": asyncio.Event()}
    done = asyncio.Event()

    async def asking(name: str, other: str) -> None:
        entered[name].set()
        await entered[other].wait()
        if name != first_to_end:
            await client.acompletion(MODEL, name, api_base=provider.url)
            await done.wait()
        await client.acompletion(MODEL, name, api_base=provider.url)
        done.set()

    async def both() -> list[Any]:
        one = use_cassette(tmp_path / "a.yaml", "record")(asking)
        two = use_cassette(tmp_path / "b.yaml", "record")(asking)
        return list(await asyncio.gather(one("a", "b"), two("b", "a"), return_exceptions=True))

    found = asyncio.run(both())
    assert [type(error) for error in found] == [CassetteError, CassetteError]
    assert "not written: another cassette was in use at the same time" in str(found[0])
    assert "share one cassette" in str(found[0].hint)
    assert list(tmp_path.glob("*.yaml")) == []
    assert not intercept.active()


@pytest.mark.parametrize("error", [None, LookupError()])
def test_blocks_that_end_in_the_wrong_order(
    client: Client, provider: Provider, tmp_path: Path, error: Exception | None
) -> None:
    provider.will(answer("whose?"))
    outer, inner = use_cassette(tmp_path / "outer.yaml", "record"), use_cassette(tmp_path / "inner.yaml", "record")
    outer.__enter__()
    cassette = inner.__enter__()
    client.completion(MODEL, "Hi", api_base=provider.url)
    with pytest.raises(CassetteError, match=r"outer\.yaml: not written: another cassette was in use"):
        outer.__exit__(None, None, None)
    if error is None:
        with pytest.raises(CassetteError, match=r"inner\.yaml: not written"):
            inner.__exit__(None, None, None)
    else:
        inner.__exit__(LookupError, error, None)
        assert "not written: another cassette was in use" in error.__notes__[0]
        assert cassette.not_written == error.__notes__
    assert list(tmp_path.glob("*.yaml")) == []
    assert not intercept.active()


def test_one_that_only_replays_may_be_mixed(keyless: Client, tmp_path: Path) -> None:
    """Nothing is lost: what it lacks is an error by itself."""
    outer, inner = use_cassette(handmade(tmp_path / "a.yaml"), "auto"), use_cassette(handmade(tmp_path / "b.yaml"))
    outer.__enter__()
    with inner:
        outer.__exit__(None, None, None)
        assert keyless.completion(MODEL, "Hi").text == "Hello!"


def test_tasks_that_share_one(client: Client, provider: Provider, tmp_path: Path) -> None:
    for number in range(2):
        provider.will(answer(str(number)))

    async def both() -> None:
        with use_cassette(tmp_path / "outer.yaml", "record"), use_cassette(tmp_path / "c.yaml", "record"):
            await asyncio.gather(*(client.acompletion(MODEL, name, api_base=provider.url) for name in "ab"))

    asyncio.run(both())
    assert sorted(texts(tmp_path / "c.yaml")) == ["0", "1"]
