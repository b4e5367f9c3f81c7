"""vcrpy reads and replays our cassettes, and we read and replay vcrpy's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import vcr

from insights import use_cassette
from insights.client import Client
from insights.core.config import Settings
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer, events

MODEL = "openai/test-model"
REQUEST = {"model": "test-model", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def keyless(config_dir: Path) -> Iterator[Client]:
    made = Client(Settings(config_dir=config_dir, cache=False))
    yield made
    made.close()


def test_vcrpy_replays_ours(keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("Grüße 🙂"))
    with use_cassette(path, "record"):
        keyless.completion(MODEL, "Hi", api_base=provider.url)
    provider.will(b"must not be asked", status=500)
    machine = vcr.VCR(record_mode="none", match_on=["method", "scheme", "host", "port", "path", "query", "body"])
    with machine.use_cassette(str(path)) as tape, httpx.Client() as http:
        found = http.post(f"{provider.url}/chat/completions", json=REQUEST)
        assert tape.play_count == 1
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert found.json()["choices"][0]["message"]["content"] == "Grüße 🙂"
    assert len(provider.received) == 1


def test_vcrpy_replays_our_streams(keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(*events(["Grü", "ße"]))
    with use_cassette(path, "record"):
        list(keyless.completion(MODEL, "Hi", stream=True, api_base=provider.url))
    with vcr.use_cassette(str(path), record_mode="none"), httpx.Client() as http:
        found = http.post(f"{provider.url}/chat/completions", json=REQUEST)
    assert found.content == b"".join(events(["Grü", "ße"]))


@pytest.mark.parametrize("compressed", [False, True])
def test_we_replay_vcrpys(keyless: Client, provider: Provider, tmp_path: Path, compressed: bool) -> None:
    import gzip

    path = tmp_path / "c.yaml"
    body = answer("Grüße 🙂")
    if compressed:
        provider.will(gzip.compress(body), content_encoding="gzip")
    else:
        provider.will(body)
    with vcr.use_cassette(str(path), record_mode="all"), httpx.Client() as http:
        recorded = http.post(f"{provider.url}/chat/completions", json=REQUEST)
    assert recorded.json()["choices"][0]["message"]["content"] == "Grüße 🙂"
    with use_cassette(path) as cassette:
        assert keyless.completion(MODEL, "Hi", api_base=provider.url).text == "Grüße 🙂"
        assert cassette.play_count == 1
    assert len(provider.received) == 1
