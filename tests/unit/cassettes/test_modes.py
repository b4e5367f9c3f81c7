"""Whether a cassette replays or records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.cassettes import modes
from insights.cassettes.file import CassetteFile, read_cassette, write_cassette
from insights.client import Client
from insights.core import intercept
from insights.core.errors import BadRequestError, CassetteError, CassetteMissingError, MissingKeyError
from tests.unit.both import ask, both
from tests.unit.cassettes.tools import CHAT, HOME, MODEL, handmade, interaction, prompt, raw, record, texts
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer

# ---------------------------------------------------------------- who decides


@pytest.mark.parametrize("name", modes.MODES)
def test_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert modes.named(name) == modes.resolve(name) == name
    monkeypatch.setenv(modes.VARIABLE, f" {name} ")
    assert modes.resolve(None) == name


@pytest.mark.parametrize(("theirs", "ours"), modes.THEIRS.items())
def test_vcrpys_names(theirs: str, ours: str) -> None:
    assert modes.named(theirs) == modes.resolve(theirs) == ours


def test_without_a_word_it_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert modes.resolve(None) == "replay"
    monkeypatch.setenv(modes.VARIABLE, "")
    assert modes.resolve(None) == "replay"


def test_the_nearest_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(modes.VARIABLE, "refresh")
    assert modes.resolve(None) == "refresh"
    monkeypatch.setattr(modes, "of_session", "record")
    assert modes.resolve(None) == "record"
    assert modes.resolve("auto") == "auto"


@pytest.mark.parametrize("wrong", ["rewind", "", "Record", None, 1, ["record"]])
def test_a_mode_there_is_not(tmp_path: Path, wrong: Any) -> None:
    if wrong is not None:
        with pytest.raises(BadRequestError, match="one of replay, record, refresh, auto, got"):
            use_cassette(tmp_path / "c.yaml", wrong)
    with pytest.raises(BadRequestError):
        modes.named(wrong)


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(modes.VARIABLE, "rewind")
    cassette = use_cassette(handmade(tmp_path / "c.yaml"))
    with pytest.raises(BadRequestError, match="INSIGHTS_RECORD_MODE: a cassette's mode is one of") as raised, cassette:
        pytest.fail("the block was entered")
    assert raised.value.hint == "correct INSIGHTS_RECORD_MODE"
    assert not intercept.active()


def test_the_variable_records(client: Client, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(modes.VARIABLE, "once")
    provider.will(answer("Hello!"))
    with use_cassette(tmp_path / "c.yaml") as cassette:
        assert (cassette.mode, cassette.recording, cassette.replaying) == ("record", True, False)
        client.completion(MODEL, "Hi", api_base=provider.url)
    assert texts(tmp_path / "c.yaml") == ["Hello!"]


@pytest.mark.parametrize(("value", "counts"), [("true", True), ("1", True), ("", False), ("0", False), ("False", False)])
def test_what_is_ci(monkeypatch: pytest.MonkeyPatch, value: str, counts: bool) -> None:
    monkeypatch.setenv("CI", value)
    assert modes.in_ci() == counts


@pytest.mark.parametrize("mode", [*modes.MODES, *modes.THEIRS, None])
def test_in_ci_nothing_is_recorded(
    client: Client, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv(modes.VARIABLE, "refresh")
    path = handmade(tmp_path / "c.yaml")
    before = path.read_bytes()
    with use_cassette(path, mode) as cassette:
        assert (cassette.mode, cassette.recording) == ("replay", False)
        with pytest.raises(CassetteMissingError, match="CI is set"):
            client.completion(MODEL, "Something else", api_base=provider.url)
    with pytest.raises(CassetteMissingError, match="no such cassette"), use_cassette(tmp_path / "d.yaml", mode):
        pytest.fail("the block was entered")
    assert path.read_bytes() == before
    assert provider.received == []


# ---------------------------------------------------------------- what each does


@both
@pytest.mark.parametrize("mode", ["record", "once", "replay"])
def test_a_file_that_is_there_is_replayed(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool, mode: str
) -> None:
    path = handmade(tmp_path / "c.yaml")
    before = path.read_bytes()
    with use_cassette(path, mode) as cassette:
        assert (cassette.replaying, cassette.recording) == (True, False)
        assert ask(keyless, awaiting, MODEL).text == "Hello!"
        with pytest.raises(CassetteMissingError, match="mode='refresh'"):
            ask(client, awaiting, MODEL, "Something else", api_base=provider.url)
    assert path.read_bytes() == before
    assert provider.received == []


@pytest.mark.parametrize("mode", ["refresh", "all", "rewrite"])
def test_refresh_replaces(client: Client, provider: Provider, tmp_path: Path, mode: str) -> None:
    path = handmade(tmp_path / "c.yaml", interaction(), interaction(prompt("else")))
    provider.will(answer("new"))
    record(path, client, provider, mode=mode)
    assert texts(path) == ["new"]


def test_refresh_reads_nothing_of_the_old_file(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("no cassette at all")
    with pytest.raises(CassetteError, match="not a cassette"), use_cassette(path, "auto"):
        pytest.fail("the block was entered")
    provider.will(answer("new"))
    record(path, client, provider, mode="refresh")
    assert texts(path) == ["new"]


def test_refresh_without_a_request_keeps_the_old_file(tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml")
    with use_cassette(path, "refresh"):
        pass
    assert texts(path) == ["Hello!"]


@both
def test_auto_keeps_what_is_there_and_appends(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    path = tmp_path / "c.yaml"
    old = CassetteFile([interaction(pieces=[answer("old")])], {"what": "a test"}, tests=("the first test",))
    write_cassette(path, old)
    provider.will(answer("new"))
    with use_cassette(path, "auto") as cassette:
        assert (cassette.recording, cassette.replaying, cassette.blocks_network) == (True, False, False)
        assert ask(keyless, awaiting, MODEL).text == "old"  # no key is needed for what is there
        assert ask(client, awaiting, MODEL, "else", api_base=provider.url).text == "new"
    assert texts(path) == ["old", "new"]
    assert len(provider.received) == 1
    assert raw(path)["recorded_from"] == {"what": "a test"}
    with use_cassette(path, "new_episodes") as again:
        assert ask(keyless, awaiting, MODEL).text == "old"
        assert ask(keyless, awaiting, MODEL, "else", api_base=provider.url).text == "new"
        assert again.all_played
    assert texts(path) == ["old", "new"]


def test_auto_asks_when_what_is_there_is_played(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml", interaction(pieces=[answer("first")], url=f"{provider.url}/chat/completions"))
    provider.will(answer("second"))
    with use_cassette(path, "auto"):
        found = [client.completion(MODEL, "Hi", api_base=provider.url).text for _ in range(2)]
    assert found == texts(path) == ["first", "second"]


def test_auto_keeps_what_another_has_added_meanwhile(client: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    provider.will(answer("outer"))
    provider.will(answer("inner"))
    with use_cassette(path, "auto"):
        client.completion(MODEL, "outer", api_base=provider.url)
        with use_cassette(path, "auto"):
            client.completion(MODEL, "inner", api_base=provider.url)
    assert texts(path) == ["inner", "outer"]


@both
def test_auto_without_a_key(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    with (
        use_cassette(handmade(tmp_path / "c.yaml"), "auto"),
        pytest.raises(CassetteMissingError, match=r"this request isn't in it, and .*, so it can't be recorded") as raised,
    ):
        ask(keyless, awaiting, MODEL, "else")
    assert "nearest is recording 1 of 1" in raised.value.message
    assert "with OPENAI_API_KEY set" in str(raised.value.hint)


@both
@pytest.mark.parametrize("mode", ["record", "refresh"])
def test_a_key_is_needed_for_recording(keyless: Client, tmp_path: Path, awaiting: bool, mode: str) -> None:
    with pytest.raises(MissingKeyError), use_cassette(tmp_path / "c.yaml", mode):
        ask(keyless, awaiting, MODEL)
    assert not (tmp_path / "c.yaml").exists()


# ---------------------------------------------------------------- one file for each provider


def test_a_file_for_each_provider(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "{provider}" / "of {provider}.yaml"
    for text in ("from openai", "from mistral", "again"):
        provider.will(answer(text))
    with use_cassette(path, "record") as cassette:
        client.completion(MODEL, "Hi", api_base=provider.url)
        client.completion("mistral/mistral-small-latest", "Hi", api_base=provider.url)
        client.completion(MODEL, "else", api_base=provider.url)
        assert len(cassette.interactions) == 3
    assert texts(tmp_path / "openai" / "of openai.yaml") == ["from openai", "again"]
    assert texts(tmp_path / "mistral" / "of mistral.yaml") == ["from mistral"]
    with use_cassette(path) as cassette:
        assert cassette.replaying
        assert keyless.completion("mistral/mistral-small-latest", "Hi", api_base=provider.url).text == "from mistral"
        assert keyless.completion(MODEL, "Hi", api_base=provider.url).text == "from openai"
        assert (cassette.play_count, cassette.all_played) == (2, False)
        assert keyless.completion(MODEL, "else", api_base=provider.url).text == "again"
        assert cassette.all_played
        assert {tape.path.name for tape in cassette.tapes} == {"of openai.yaml", "of mistral.yaml"}


def test_record_with_files_of_some_providers(client: Client, provider: Provider, tmp_path: Path) -> None:
    """Each file by itself: the one that is there is replayed, the other is written."""
    handmade(tmp_path / "openai.yaml")
    provider.will(answer("from mistral"))
    with use_cassette(tmp_path / "{provider}.yaml", "record") as cassette:
        assert not cassette.replaying
        assert client.completion(MODEL, "Hi").text == "Hello!"
        client.completion("mistral/mistral-small-latest", "Hi", api_base=provider.url)
        with pytest.raises(CassetteMissingError, match="this request isn't in it"):
            client.completion(MODEL, "else", api_base=provider.url)
    assert texts(tmp_path / "openai.yaml") == ["Hello!"]
    assert texts(tmp_path / "mistral.yaml") == ["from mistral"]
    assert len(provider.received) == 1


# ---------------------------------------------------------------- written before the end


@pytest.mark.parametrize("mode", ["record", "refresh", "auto"])
def test_saved_twice(client: Client, provider: Provider, tmp_path: Path, mode: str) -> None:
    path = handmade(tmp_path / "c.yaml") if mode == "refresh" else tmp_path / "c.yaml"
    provider.will(answer("first"))
    provider.will(answer("second"))
    with use_cassette(path, mode, hosts={provider.url: HOME}) as cassette:
        client.completion(MODEL, "Hi", api_base=provider.url)
        cassette.save()
        assert texts(path) == ["first"]
        client.completion(MODEL, "else", api_base=provider.url)
    assert texts(path) == ["first", "second"]
    assert [item.uri for item in read_cassette(path).interactions] == [CHAT] * 2


def test_what_was_recorded_can_be_looked_at_afterwards(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer("first"))
    with use_cassette(tmp_path / "c.yaml", "record") as cassette:
        client.completion(MODEL, "Hi", api_base=provider.url)
        assert len(cassette.interactions) == 1
    assert len(cassette.interactions) == 1
