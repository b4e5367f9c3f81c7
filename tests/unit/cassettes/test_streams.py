"""Streams come back as they came, also those that were left early."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.cassettes.file import read_cassette
from insights.client import Client
from insights.core.errors import CassetteError, TruncatedStreamError
from tests.unit.both import Read, both
from tests.unit.cassettes.tools import HOME, MODEL, raw
from tests.unit.loopback import Provider
from tests.unit.openai_wire import ROLE, chunk, events


@both
def test_streams_come_back_in_their_pieces(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    path = tmp_path / "c.yaml"
    pieces = events(["Grüße ", "🙂"])
    provider.will(*pieces)
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        live = Read().run(client, awaiting, MODEL, api_base=provider.url)
    (recorded,) = read_cassette(path).interactions
    assert b"".join(recorded.response.pieces) == b"".join(pieces)
    assert list(recorded.response.seconds) == sorted(recorded.response.seconds)
    assert len(recorded.response.seconds) == len(recorded.response.pieces)
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
    (recorded,) = read_cassette(tmp_path / "c.yaml").interactions
    assert recorded.response.pieces[-1] == last
    assert b"".join(recorded.response.pieces[:-1]) == b"".join(first)


def leave_early(client: Client, awaiting: bool, **params: Any) -> None:
    """Reads a stream up to its first text, and wants no more."""

    async def awaited() -> None:
        async with await client.acompletion(MODEL, "Hi", stream=True, **params) as stream:
            assert [(await anext(stream)).text, (await anext(stream)).text] == ["", "Hel"]

    if awaiting:
        asyncio.run(awaited())
        return
    with client.completion(MODEL, "Hi", stream=True, **params) as stream:
        assert [next(stream).text, next(stream).text] == ["", "Hel"]


@both
def test_a_stream_left_early_replays_up_to_there(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    path = tmp_path / "c.yaml"
    provider.will(ROLE, chunk({"content": "Hel"}), linger=True)
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        leave_early(client, awaiting, api_base=provider.url)
    assert raw(path)["interactions"][0]["insights"]["left_early"] is True
    read = Read()
    with use_cassette(path), pytest.raises(CassetteError, match="left early when it was recorded") as raised:
        read.run(keyless, awaiting, MODEL)
    assert read.text == "Hel"
    assert "reading the stream to its end" in str(raised.value.hint)
    with use_cassette(path) as cassette:
        leave_early(keyless, awaiting)  # whoever leaves at the same place never sees it
        assert cassette.all_played


def test_a_stream_that_breaks_is_not_recorded(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(ROLE, chunk({"content": "Hel"}), cut=True)
    provider.will(*events())
    with use_cassette(tmp_path / "c.yaml", "record") as cassette:
        with pytest.raises(TruncatedStreamError):
            Read().run(client, False, MODEL, api_base=provider.url, num_retries=0)
        assert cassette.interactions == []
        assert Read().run(client, False, MODEL, api_base=provider.url).text == "Hello!"
    assert len(read_cassette(tmp_path / "c.yaml").interactions) == 1
