"""What happens inside a cassette says nothing of the providers outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from insights import use_cassette
from insights.client import Client
from insights.core.errors import InternalServerError
from tests.unit.both import ask, both
from tests.unit.cassettes.tools import MODEL, handmade, interaction, record
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer

MANY = 60  # failures; circuits open, and budgets are spent, long before


@both
def test_failures_inside_close_nothing_outside(client: Client, provider: Provider, tmp_path: Path, awaiting: bool) -> None:
    path = handmade(tmp_path / "c.yaml")
    with use_cassette(path, inject=[503] * MANY, block_network=False):
        for _ in range(MANY // 2):
            with pytest.raises(InternalServerError):
                ask(client, awaiting, MODEL, api_base=provider.url, num_retries=1)
    for _ in range(2):
        provider.will(b"{}", status=503)
    provider.will(answer("outside"))
    assert ask(client, awaiting, MODEL, api_base=provider.url, num_retries=2).text == "outside"


def test_failures_outside_close_nothing_inside(client: Client, provider: Provider, tmp_path: Path) -> None:
    for _ in range(MANY):
        provider.will(b"{}", status=503)
    for _ in range(MANY):
        with pytest.raises(InternalServerError):
            client.completion(MODEL, "Hi", api_base=provider.url, num_retries=0)
    assert len(provider.received) < MANY  # the circuit is open by now
    path = handmade(tmp_path / "c.yaml", interaction(pieces=[answer("inside")], url=f"{provider.url}/chat/completions"))
    with use_cassette(path):
        assert client.completion(MODEL, "Hi", api_base=provider.url).text == "inside"
    with pytest.raises(InternalServerError):
        client.completion(MODEL, "Hi", api_base=provider.url, num_retries=0)


def test_the_cache_is_off_unless_asked_for_and_then_of_its_own(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, own_cache_dir: Path
) -> None:
    provider.will(answer())
    record(tmp_path / "c.yaml", client, provider)
    assert not (own_cache_dir / "answers-v1").exists()
    with use_cassette(tmp_path / "c.yaml"):
        assert not keyless.completion(MODEL, "Hi", cache=True).cached
        assert keyless.completion(MODEL, "Hi", cache=True).cached
    with use_cassette(tmp_path / "c.yaml") as cassette:
        assert not keyless.completion(MODEL, "Hi", cache=True).cached  # another cassette, another cache
        assert cassette.all_played
    assert not (own_cache_dir / "answers-v1").exists()


def test_what_is_recorded_does_not_depend_on_what_was_cached(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer("outside"))
    provider.will(answer("inside"))
    assert client.completion(MODEL, "Hi", cache=True, api_base=provider.url).text == "outside"
    record(tmp_path / "c.yaml", client, provider, cache=True)
    assert len(provider.received) == 2
    assert client.completion(MODEL, "Hi", cache=True, api_base=provider.url).text == "outside"


def test_two_cassettes_know_nothing_of_each_other(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml")
    with use_cassette(path, inject=[503] * MANY):
        for _ in range(MANY):
            with pytest.raises(InternalServerError):
                keyless.completion(MODEL, "Hi", num_retries=0)
    with use_cassette(path):
        assert keyless.completion(MODEL, "Hi").text == "Hello!"
