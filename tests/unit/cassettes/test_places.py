"""Where a cassette may lie, and where the providers that name their own places are found on a replay."""

from __future__ import annotations

import json
import os
import time
import unicodedata
from pathlib import Path

import pytest

from insights import use_cassette
from insights.cassettes.match import nearest
from insights.cassettes.missing import missing
from insights.cassettes.writing import write_text
from insights.client import Client
from insights.core.errors import CassetteError, CassetteMissingError
from tests.unit.both import ask, both
from tests.unit.cassettes.tools import CHAT, MODEL, call, handmade, interaction, prompt, record, texts
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer

CASSETTES = Path(__file__).parents[3] / "cassettes"


def test_a_link_stays_one(client: Client, provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = handmade(tmp_path / "real" / "c.yaml")
    link = tmp_path / "c.yaml"
    link.symlink_to(target)
    provider.will(answer("new"))
    record(link, client, provider, mode="refresh")
    assert link.is_symlink()
    assert texts(target) == texts(link) == ["new"]
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["c.yaml"]


def test_a_link_to_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").symlink_to("later.yaml")
    write_text(tmp_path / "c.yaml", "text")
    assert (tmp_path / "c.yaml").is_symlink()
    assert (tmp_path / "later.yaml").read_text() == "text"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder"):
        with pytest.raises(CassetteError, match="can't be written: it is no file"):
            write_text(path, "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


@pytest.mark.parametrize("mode", ["replay", "record", "refresh", "auto"])
def test_nor_is_it_asked_for(tmp_path: Path, mode: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(CassetteError, match="it is no file"), use_cassette(path, mode):
            pytest.fail("the block was entered")


def test_home(keyless: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    handmade(tmp_path / "c.yaml")
    with use_cassette("~/c.yaml"):
        assert keyless.completion(MODEL, "Hi").text == "Hello!"


@pytest.mark.parametrize("name", ["a\0b.yaml", "a" * 5000], ids=["NUL", "too long"])
def test_what_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(CassetteError, match="no path of a file: "), use_cassette(tmp_path / name, "record"):
        pytest.fail("the block was entered")


# ---------------------------------------------------------------- providers at a place of their own


@both
@pytest.mark.parametrize("provider", ["azure", "bedrock"])
def test_who_says_no_place_replays(
    keyless: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, awaiting: bool, provider: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AZURE_API_BASE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    models = {"azure": "azure/gpt-4o-mini", "bedrock": "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"}
    with use_cassette(CASSETTES / provider / "plain.yaml") as cassette:
        body = json.loads(cassette.interactions[0].body)
        content = body["messages"][0]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        more = {"max_tokens": body["inferenceConfig"]["maxTokens"]} if "maxTokens" in body.get("inferenceConfig", {}) else {}
        more |= {"api_version": "2025-04-01-preview"} if provider == "azure" else {}
        assert ask(keyless, awaiting, models[provider], text, **more).text
        assert cassette.play_count == 1


# ---------------------------------------------------------------- the nearest of many


def test_the_nearest_of_a_thousand() -> None:
    known = [(CHAT, prompt(f"Question {number}: why is the sky blue today?", seed=number)) for number in range(1000)]
    known[900] = CHAT, prompt("What is the capital of France?")
    begun = time.monotonic()
    found = nearest(known, CHAT, prompt("What is the capital of Frankreich?"))
    assert found is not None
    assert found[0] == 900
    assert time.monotonic() - begun < 20


def test_letters_that_look_the_same_are_told_apart() -> None:
    composed = "Größe"
    taken_apart = unicodedata.normalize("NFD", composed)
    said = missing(Path("c.yaml"), call(prompt(taken_apart)), "why", [interaction(prompt(composed))]).message
    assert r"- recorded: '\"Gr\xf6\xdfe\"'" in said or r"Gr\xf6\xdfe" in said
    assert r"Gro\u0308\xdfe" in said
    plain = missing(Path("c.yaml"), call(prompt("Gräser")), "why", [interaction(prompt("Größe"))]).message
    assert "Größe" in plain


# ---------------------------------------------------------------- what is another request


@pytest.mark.parametrize("changed", ["password", "extra"])
def test_what_a_prompt_says_counts_whatever_its_name(keyless: Client, tmp_path: Path, changed: str) -> None:
    def body(password: str = "one", number: str = "one") -> bytes:
        """A tool was called with a password; `extra_body` has ids."""
        arguments = {"id": "t", "type": "function", "function": {"name": "log_in", "arguments": {"password": password}}}
        messages = [{"role": "assistant", "tool_calls": [arguments]}, {"role": "user", "password": password}]
        return json.dumps({"model": "m", "messages": messages, "metadata": {"call_id": number, "input": "x"}}).encode()

    path = handmade(tmp_path / "c.yaml", interaction(body(), [answer("Hello!")]))
    assert b'"one"' in body()
    with use_cassette(path) as cassette:
        other = body("two") if changed == "password" else body(number="two")
        with pytest.raises(CassetteMissingError, match="this request isn't in it") as raised:
            cassette.replay(call(other))
        assert "two" in raised.value.message
        assert cassette.replay(call(body())) is not None
