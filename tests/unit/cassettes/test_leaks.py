"""No key gets into a file: what can't be taken out is not written."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from insights import use_cassette
from insights.cassettes.file import CassetteFile, Interaction, read_cassette, write_cassette
from insights.client import Client
from insights.core.errors import AuthenticationError, CassetteError
from tests.unit.both import Read, ask, both
from tests.unit.cassettes.tools import CHAT, HOME, KEY, MODEL, ODD_KEY, interaction, prompt, record, texts
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer, events, refusal


def refused(path: Path, item: Interaction, *secrets: str) -> CassetteError:
    """Sees that nothing is written, and gives the error."""
    path.write_text("the old file")
    with pytest.raises(
        CassetteError, match=r"not written: in its 2nd (request|answer) is (a key|something in the shape of a key)"
    ) as raised:
        write_cassette(path, CassetteFile([interaction(), item]), secrets)
    assert path.read_text() == "the old file"
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert "prompt" in str(raised.value.hint)
    return raised.value


@pytest.mark.parametrize(
    "leaking",
    [
        interaction(prompt(f"my key is {KEY}")),
        interaction(prompt(f"my key:\n{KEY}")),
        interaction(b'["%s"]' % b"".join(b"\\u%04x" % letter for letter in KEY.encode())),
        interaction(b"\xff " + KEY.encode()),
        interaction(pieces=[b"\xff You sent " + KEY.encode()]),
        interaction(url=f"{CHAT}/{KEY}"),
        interaction(b'{"%s": 1}' % KEY.encode()),
    ],
    ids=["prompt", "behind a newline", "behind escapes", "binary request", "binary answer", "path", "name of a field"],
)
def test_a_key_is_not_written_and_the_old_file_stays(tmp_path: Path, leaking: Interaction) -> None:
    assert KEY not in str(refused(tmp_path / "c.yaml", leaking))


@pytest.mark.parametrize(
    "leaking",
    [
        interaction(prompt(f"I use {ODD_KEY}")),
        interaction(prompt(base64.b64encode(ODD_KEY.encode()).decode())),
        interaction(pieces=[b"\xff " + ODD_KEY.encode()]),
    ],
    ids=["prompt", "base64", "binary answer"],
)
def test_the_very_key_that_was_used_is_not_written(tmp_path: Path, leaking: Interaction) -> None:
    """Also one that has no provider's shape."""
    path = tmp_path / "c.yaml"
    assert ODD_KEY not in str(refused(path, leaking, "another-key", ODD_KEY))
    write_cassette(path, CassetteFile([leaking]), ["another-key"])  # only because of that key
    (found,) = read_cassette(path).interactions
    assert b"".join(found.response.pieces) == b"".join(leaking.response.pieces)


def test_a_key_beside_the_recordings(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="not written: somewhere is a key"):
        write_cassette(tmp_path / "c.yaml", CassetteFile([], {"what": KEY}))
    assert not (tmp_path / "c.yaml").exists()


def test_what_is_taken_out_of_a_request(tmp_path: Path) -> None:
    one = interaction(b'{"api_key": "%s", "a": 1}' % ODD_KEY.encode(), url=f"{CHAT}?key={ODD_KEY}&b=1")
    write_cassette(tmp_path / "c.yaml", CassetteFile([one]), [ODD_KEY])
    (found,) = read_cassette(tmp_path / "c.yaml").interactions
    assert found.uri == f"{CHAT}?b=1"
    assert ODD_KEY not in (tmp_path / "c.yaml").read_text()


# ---------------------------------------------------------------- on the way from the network


def test_a_key_in_a_prompt_is_not_recorded(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer())
    with pytest.raises(CassetteError, match="shape of a key"):
        record(tmp_path / "c.yaml", client, provider, messages=f"my key:\n{KEY}")
    assert not (tmp_path / "c.yaml").exists()


@both
def test_the_key_of_the_call_in_its_prompt(client: Client, provider: Provider, tmp_path: Path, awaiting: bool) -> None:
    provider.will(answer())
    with pytest.raises(CassetteError, match="not written") as raised:
        record(tmp_path / "c.yaml", client, provider, awaiting, api_key=ODD_KEY, messages=f"I use {ODD_KEY}")
    assert ODD_KEY not in str(raised.value)


@both
def test_the_key_of_the_call_in_its_answer(client: Client, provider: Provider, tmp_path: Path, awaiting: bool) -> None:
    provider.will(answer(f"You sent {ODD_KEY}!"))
    record(tmp_path / "c.yaml", client, provider, awaiting, api_key=ODD_KEY)
    assert texts(tmp_path / "c.yaml") == ["You sent **********!"]
    provider.will(answer(f"You sent {ODD_KEY}!"))
    record(tmp_path / "d.yaml", client, provider, awaiting, api_key="another-key")
    assert texts(tmp_path / "d.yaml") == [f"You sent {ODD_KEY}!"]  # to anybody else it is a word like others


def test_a_key_of_another_provider_in_the_environment(
    client: Client, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYBODYS_API_KEY", ODD_KEY)
    provider.will(answer(f"I know {ODD_KEY}"))
    record(tmp_path / "c.yaml", client, provider)
    assert texts(tmp_path / "c.yaml") == ["I know **********"]


@both
def test_an_error_that_quotes_the_key(client: Client, provider: Provider, tmp_path: Path, awaiting: bool) -> None:
    path = tmp_path / "c.yaml"
    provider.will(refusal(f"Incorrect API key: {ODD_KEY}", code="invalid_api_key"), status=401)
    with use_cassette(path, "record"), pytest.raises(AuthenticationError):
        ask(client, awaiting, MODEL, api_base=provider.url, api_key=ODD_KEY)
    assert ODD_KEY not in path.read_text()
    assert "Incorrect API key: **********" in path.read_text()


@both
def test_a_stream_that_quotes_the_key_replays_in_its_pieces(
    client: Client, keyless: Client, provider: Provider, tmp_path: Path, awaiting: bool
) -> None:
    path = tmp_path / "c.yaml"
    provider.will(*events(["You sent ", ODD_KEY, "!"]))
    with use_cassette(path, "record", hosts={provider.url: HOME}):
        live = Read().run(client, awaiting, MODEL, api_base=provider.url, api_key=ODD_KEY)
    assert ODD_KEY in live.text
    assert ODD_KEY not in path.read_text()
    with use_cassette(path):
        again = Read().run(keyless, awaiting, MODEL)
    assert [chunk.text for chunk in again.chunks if chunk.text] == ["You sent ", "**********", "!"]
