"""`use_cassette`: recorded over real HTTP on 127.0.0.1, replayed without it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

import insights
from insights import use_cassette
from insights.cassettes.file import read_cassette
from insights.client import Client
from insights.core import intercept
from insights.core.config import Settings
from insights.core.errors import BadRequestError, CassetteError, CassetteMissingError, MissingKeyError, RateLimitError
from tests.unit.both import Read, ask, both
from tests.unit.conftest import OPENAI_KEY
from tests.unit.loopback import Provider
from tests.unit.openai_wire import ROLE, answer, chunk, events, refusal

MODEL = "openai/test-model"
HOME = "https://api.openai.com/v1"


@pytest.fixture
def keyless(config_dir: Path) -> Client:
    """A client without any key."""
    return Client(Settings(config_dir=config_dir))


def record(path: Path, client: Client, provider: Provider, awaiting: bool = False, **params: Any) -> None:
    """Records one call; the stand-in's address is written as OpenAI's."""
    with use_cassette(path, "record", hosts={provider.url: HOME}, recorded_from={"what": "a stand-in"}):
        ask(client, awaiting, MODEL, api_base=provider.url, **params)


@both
def test_recorded_and_replayed(client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("Hello!"))
    record(path, client, provider, awaiting)
    with use_cassette(path) as cassette:
        found = ask(keyless, awaiting, MODEL)
        assert cassette.play_count == 1
    assert (found.text, found.cached, found.trace.cache) == ("Hello!", False, "off: inside a cassette")
    assert found.cost is not None
    assert len(provider.received) == 1
    assert OPENAI_KEY not in path.read_text()
    assert provider.url not in path.read_text()


@both
def test_streams_come_back_in_their_pieces(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    path = tmp_path / "c.yaml"
    pieces = events(["Grüße ", "🙂"])
    provider.will(*pieces)
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        live = Read().run(client, awaiting, MODEL, api_base=provider.url)
    (recorded,) = read_cassette(path)
    assert b"".join(recorded.response.pieces) == b"".join(pieces)
    with use_cassette(path):
        again = Read().run(keyless, awaiting, MODEL)
    assert again.text == live.text == "Grüße 🙂"
    assert [c.model_dump() for c in again.chunks] == [c.model_dump() for c in live.chunks]


def test_pieces_are_kept_as_they_came(client: Client, provider: Provider, tmp_path: Path) -> None:
    release = threading.Event()
    *first, last = events(["Grüße ", "🙂"])
    provider.will(*first, last, wait=release)
    with (
        use_cassette(tmp_path / "c.yaml", "record"),
        client.completion(MODEL, "Hi", stream=True, api_base=provider.url) as stream,
    ):
        next(stream)
        release.set()
        assert "".join(piece.text for piece in stream).endswith("🙂")
    (recorded,) = read_cassette(tmp_path / "c.yaml")
    assert recorded.response.pieces[-1] == last
    assert b"".join(recorded.response.pieces[:-1]) == b"".join(first)


@both
def test_what_async_recorded_sync_replays(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    provider.will(answer("Hello!"))
    record(tmp_path / "c.yaml", client, provider, awaiting)
    with use_cassette(tmp_path / "c.yaml"):
        assert ask(keyless, not awaiting, MODEL).text == "Hello!"


def test_in_order_and_only_once(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("first"))
    provider.will(answer("second"))
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        for _ in range(2):
            client.completion(MODEL, "Hi", api_base=provider.url)
    with use_cassette(path) as cassette:
        assert [keyless.completion(MODEL, "Hi").text for _ in range(2)] == ["first", "second"]
        with pytest.raises(CassetteMissingError, match="all 2 recordings of this request are played"):
            keyless.completion(MODEL, "Hi")
        assert cassette.play_count == 2
    with use_cassette(path):
        assert keyless.completion(MODEL, "Hi").text == "first"


@both
def test_another_request_is_missing(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer())
    record(path, client, provider)
    with use_cassette(path), pytest.raises(CassetteMissingError, match="this request isn't in it") as raised:
        ask(keyless, awaiting, MODEL, "Something else", fallbacks=["openai/other"])
    assert "https://api.openai.com/v1/chat/completions (openai/test-model)" in str(raised.value)
    assert "Something else" not in str(raised.value)
    assert raised.value.trace is not None
    assert [(a.decision, a.error) for a in raised.value.trace.attempts] == [("stop", "CassetteMissingError")]


def test_a_refusal_is_recorded_too(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(refusal("slow down"), status=429, retry_after="0")
    provider.will(answer("at last"))
    record(path, client, provider)
    with use_cassette(path):
        found = keyless.completion(MODEL, "Hi")
    assert found.text == "at last"
    assert [a.status_code for a in found.trace.attempts] == [429, 200]
    with use_cassette(path), pytest.raises(RateLimitError):
        keyless.completion(MODEL, "Hi", num_retries=0)


def test_a_key_in_a_prompt_is_not_recorded(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("the old file")
    provider.will(answer())
    with pytest.raises(CassetteError, match="shape of a key"):
        record(path, client, provider, messages="my key:\nsk-AbCdEf0123456789")
    assert path.read_text() == "the old file"


@both
@pytest.mark.parametrize("where", ["prompt", "answer"])
def test_the_very_key_that_was_used_is_not_recorded(
    client: Client, provider: Provider, tmp_path: Path, awaiting: bool, where: str
) -> None:
    """Also one that has no provider's shape."""
    path = tmp_path / "c.yaml"
    path.write_text("the old file")
    key = "0123456789-of-no-known-shape"
    provider.will(answer(f"You sent {key}!" if where == "answer" else "Hello!"))
    with pytest.raises(CassetteError, match="not written") as raised:
        record(path, client, provider, awaiting, api_key=key, messages=f"I use {key}" if where == "prompt" else "Hi")
    assert key not in str(raised.value)
    assert path.read_text() == "the old file"
    provider.will(answer(f"You sent {key}!"))
    record(path, client, provider, awaiting, api_key="another-key")
    assert key in path.read_text()  # to anybody else it is a word like others


def test_a_place_that_cannot_be_written_to(client: Client, provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    provider.will(answer())
    with pytest.raises(CassetteError, match="can't be written"):
        record(tmp_path / "a-file" / "c.yaml", client, provider)
    assert not intercept.active()


def test_a_failed_block_writes_nothing(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("the old file")
    provider.will(answer())

    @use_cassette(path, "record")
    def fails() -> None:
        client.completion(MODEL, "Hi", api_base=provider.url)
        raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert path.read_text() == "the old file"
    assert not intercept.active()


def test_a_stream_left_early_is_not_recorded_as_whole(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(ROLE, chunk({"content": "Hel"}), linger=True)
    with use_cassette(path, "record"), client.completion(MODEL, "Hi", stream=True, api_base=provider.url) as stream:
        next(stream)
    assert read_cassette(path) == []


def test_no_network_while_replaying(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer())
    record(path, client, provider)
    with use_cassette(path), contextlib.suppress(CassetteMissingError):
        client.completion(MODEL, "Hi", api_base=provider.url)  # a host that is not in it
    assert len(provider.received) == 1


def test_a_key_is_needed_for_recording(keyless: Client, tmp_path: Path) -> None:
    with pytest.raises(MissingKeyError), use_cassette(tmp_path / "c.yaml", "record"):
        keyless.completion(MODEL, "Hi")


def test_the_cache_is_off_unless_asked_for(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, own_cache_dir: Path
) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer())
    record(path, client, provider)
    assert not own_cache_dir.exists()
    with use_cassette(path):
        keyless.completion(MODEL, "Hi", cache=True)
        assert keyless.completion(MODEL, "Hi", cache=True).cached
    keyless.close()


# ---------------------------------------------------------------- ways to use it


def test_as_decorator(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("Hello!"))
    record(path, client, provider)

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


def test_generators_are_decorated(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    """The block lasts as long as the generator runs, not only until it is made."""
    path = tmp_path / "c.yaml"
    provider.will(answer("Hello!"))
    record(path, client, provider)

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


def test_async_generators_are_decorated(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("Hello!"))
    record(path, client, provider)

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


def test_one_inside_another(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        provider.will(answer(name))
        record(tmp_path / f"{name}.yaml", client, provider)
    with use_cassette(tmp_path / "outer.yaml"):
        with use_cassette(tmp_path / "inner.yaml"):
            assert keyless.completion(MODEL, "Hi").text == "inner"
        assert keyless.completion(MODEL, "Hi").text == "outer"


def test_the_same_object_twice(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer("Hello!"))
    record(tmp_path / "c.yaml", client, provider)
    cassette = use_cassette(tmp_path / "c.yaml")
    with cassette, cassette:
        assert keyless.completion(MODEL, "Hi").text == "Hello!"
    with cassette:
        assert keyless.completion(MODEL, "Hi").text == "Hello!"


def test_an_unknown_mode(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="replay, record"):
        use_cassette(tmp_path / "c.yaml", "rewind")


def test_a_cassette_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="no such cassette"), use_cassette(tmp_path / "c.yaml"):
        pytest.fail("the block was entered")
    assert not intercept.active()


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
    assert yaml.safe_load((tmp_path / "c.yaml").read_text())["interactions"][0]["request"]["uri"].startswith(provider.url)
