"""`use_cassette`: recorded over real HTTP on 127.0.0.1, replayed without it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from insights import use_cassette
from insights.client import Client
from insights.core.config import Settings
from insights.core.effects import Recorded
from insights.core.errors import CassetteMissingError, RateLimitError
from tests.unit.both import Read, ask, both
from tests.unit.cassettes.tools import CHAT, HOME, MODEL, call, handmade, interaction, prompt, raw, record
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer, events, refusal


@both
def test_recorded_and_replayed(client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("Hello!"))
    record(path, client, provider, awaiting, api_key="the-key-of-this-call")
    with use_cassette(path) as cassette:
        found = ask(keyless, awaiting, MODEL)
        assert (cassette.play_count, cassette.all_played) == (1, True)
    assert (found.text, found.cached, found.trace.cache) == ("Hello!", False, "off: inside a cassette")
    assert found.cost is not None
    (received,) = provider.received
    assert "the-key-of-this-call" in received.everything()
    assert "the-key-of-this-call" not in path.read_text()
    assert provider.url not in path.read_text()
    assert [raw(path)["interactions"][0]["insights"][name] for name in ("provider", "model")] == ["openai", "test-model"]


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
    for text in ("first", "between", "second"):
        provider.will(answer(text))
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        for asked in ("Hi", "Something else", "Hi"):
            client.completion(MODEL, asked, api_base=provider.url)
    with use_cassette(path) as cassette:
        assert [keyless.completion(MODEL, "Hi").text for _ in range(2)] == ["first", "second"]
        with pytest.raises(CassetteMissingError, match="all 2 recordings of this request are played"):
            keyless.completion(MODEL, "Hi")
        assert (cassette.play_count, cassette.all_played) == (2, False)
        assert keyless.completion(MODEL, "Something else").text == "between"
    with use_cassette(path):
        assert keyless.completion(MODEL, "Hi").text == "first"


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


def test_no_network_while_replaying(client: Client, provider: Provider, tmp_path: Path) -> None:
    with use_cassette(handmade(tmp_path / "c.yaml")), pytest.raises(CassetteMissingError, match="this request isn't in it"):
        client.completion(MODEL, "Hi", api_base=provider.url)  # a host that is not in it
    assert provider.received == []


def test_what_replays_records_nothing(tmp_path: Path) -> None:
    with use_cassette(handmade(tmp_path / "c.yaml")) as cassette:
        cassette.record(call(), Recorded(200, {}, [b"x"]))
        assert len(cassette.interactions) == 1


def test_threads_are_served_each_recording_once(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml", *(interaction(pieces=[answer(str(number))]) for number in range(12)))
    found: list[str] = []
    with use_cassette(path) as cassette:
        threads = [threading.Thread(target=lambda: found.append(keyless.completion(MODEL, "Hi").text)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cassette.all_played
    assert sorted(found, key=int) == [str(number) for number in range(12)]


# ---------------------------------------------------------------- what counts as the same request

WORD = st.text("abcdefghijklmnopqrstuvwxyzäß", min_size=1, max_size=8)


@hypothesis_settings(max_examples=25)
@given(st.lists(WORD, min_size=1, max_size=5), st.data())
def test_a_changed_word_is_never_answered_from_the_file(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(WORD.filter(lambda word: word != words[place]))
    changed = " ".join([*words[:place], other, *words[place + 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        path = handmade(Path(folder, "c.yaml"), interaction(prompt(" ".join(words)), [answer("old")]))
        keyless = Client(Settings(config_dir=Path(folder), cache=False))
        with use_cassette(path):
            with pytest.raises(CassetteMissingError, match="this request isn't in it"):
                keyless.completion(MODEL, changed)
            assert keyless.completion(MODEL, " ".join(words)).text == "old"
        keyless.close()


@pytest.mark.parametrize("changed", [{"temperature": 0.5}, {"seed": 1}, {"stop": ["x"]}, {"stream": True}, {"n": 2}])
def test_a_changed_parameter_is_never_answered_from_the_file(keyless: Client, tmp_path: Path, changed: dict[str, Any]) -> None:
    with use_cassette(handmade(tmp_path / "c.yaml")), pytest.raises(CassetteMissingError):
        list(keyless.completion(MODEL, "Hi", **changed))


def written_otherwise(path: Path) -> None:
    """As if another litellm had written the bodies."""
    data = raw(path)
    for item in data["interactions"]:
        item["request"]["body"] = '{"another": "form"}'
    path.write_text(yaml.safe_dump(data))


@both
@pytest.mark.parametrize("stream", [False, True])
def test_the_same_meaning_in_another_form(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool, stream: bool
) -> None:
    path = tmp_path / "c.yaml"
    provider.will(*(events() if stream else [answer("Hello!")]))
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        asked = {"api_base": provider.url, "temperature": 0.5}
        Read().run(client, awaiting, MODEL, **asked) if stream else ask(client, awaiting, MODEL, **asked)
    written_otherwise(path)
    with use_cassette(path), pytest.raises(CassetteMissingError):  # streamed or not is a part of the meaning
        ask(keyless, awaiting, MODEL, temperature=0.5) if stream else Read().run(keyless, awaiting, MODEL, temperature=0.5)
    with use_cassette(path), pytest.raises(CassetteMissingError):
        ask(keyless, awaiting, MODEL, temperature=0.6)
    with use_cassette(path):
        read = (
            Read().run(keyless, awaiting, MODEL, temperature=0.5) if stream else ask(keyless, awaiting, MODEL, temperature=0.5)
        )
    assert read.text == "Hello!"


def test_what_goes_without_saying_has_no_meaning(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer("Hello!"))
    record(tmp_path / "c.yaml", client, provider, n=1, tool_choice=None)
    written_otherwise(tmp_path / "c.yaml")
    with use_cassette(tmp_path / "c.yaml"):
        assert keyless.completion(MODEL, [{"role": "user", "content": "Hi"}]).text == "Hello!"


def test_match_on(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml", interaction(pieces=[answer("Hello!")], url=CHAT.replace("https", "http")))
    with use_cassette(path), pytest.raises(CassetteMissingError):
        keyless.completion(MODEL, "Hi")
    with use_cassette(path, match_on=["method", "host", "path"]):
        assert keyless.completion(MODEL, "Whatever").text == "Hello!"
