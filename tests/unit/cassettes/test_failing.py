"""What is written where the block fails, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.client import Client
from insights.core.errors import CassetteError, RateLimitError
from tests.unit.cassettes.tools import KEY, MODEL, handmade, texts
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer


class Block:
    """A block that asks once, and fails then."""

    def __init__(self, path: Path, client: Client, provider: Provider) -> None:
        self.path, self._client, self._provider = path, client, provider
        self.not_written: list[str] = []

    def __call__(self, error: BaseException, mode: str = "record", asked: str = "Hi") -> None:
        self._provider.will(answer("new"))
        with use_cassette(self.path, mode) as cassette:
            self.not_written = cassette.not_written
            self._client.completion(MODEL, asked, api_base=self._provider.url)
            raise error


@pytest.fixture
def block(client: Client, provider: Provider, tmp_path: Path) -> Block:
    return Block(tmp_path / "c.yaml", client, provider)


@pytest.mark.parametrize("mode", ["auto", "refresh"])
@pytest.mark.parametrize("error", [LookupError(), RateLimitError("no"), KeyboardInterrupt()])
def test_the_file_that_is_there_is_kept(block: Block, mode: str, error: BaseException) -> None:
    handmade(block.path)
    with pytest.raises(type(error)) as raised:
        block(error, mode, "else")
    assert texts(block.path) == ["Hello!"]
    (note,) = raised.value.__notes__
    assert note.endswith("c.yaml: not written, because what used it failed while it was recorded")
    assert block.not_written == [note]
    del error.__notes__  # it is the same for each mode


@pytest.mark.parametrize("mode", ["auto", "refresh", "record"])
def test_what_was_recorded_for_a_failing_test_is_kept(block: Block, mode: str) -> None:
    """Only what was made of the answers is wrong; they needn't be paid for again."""
    with pytest.raises(AssertionError) as raised:
        block(AssertionError("wrong"), mode)
    assert texts(block.path) == ["new"]
    assert not hasattr(raised.value, "__notes__")
    assert block.not_written == []


@pytest.mark.parametrize("error", [RateLimitError("no"), CassetteError("no"), KeyboardInterrupt()])
def test_a_failed_call_leaves_no_new_file(block: Block, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        block(error)
    assert not block.path.exists()
    assert len(raised.value.__notes__) == 1


def test_a_failed_block_without_a_recording_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(LookupError) as raised, use_cassette(tmp_path / "c.yaml", "record"):
        raise LookupError
    assert not hasattr(raised.value, "__notes__")
    assert not (tmp_path / "c.yaml").exists()


def test_a_key_in_a_failing_block_is_noted_beside_its_error(block: Block) -> None:
    with pytest.raises(LookupError) as raised:
        block(LookupError(), asked=KEY)
    (note,) = raised.value.__notes__
    assert "shape of a key" in note
    assert not block.path.exists()


def test_a_failed_call_among_others(block: Block) -> None:
    with pytest.raises(ExceptionGroup):
        block(ExceptionGroup("tasks", [RateLimitError("no")]))
    assert not block.path.exists()


@pytest.mark.parametrize("error", [pytest.fail.Exception("wrong"), SystemExit(0)], ids=["pytest.fail", "exit"])
def test_a_block_that_is_left_on_purpose(block: Block, error: Any) -> None:
    with pytest.raises(type(error)):
        block(error)
    assert block.path.exists()


def test_a_place_that_cannot_be_written_to(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer("lost"))
    provider.will(answer("kept"))

    def record() -> None:
        with use_cassette(tmp_path / "{provider}" / "c.yaml", "record"):
            client.completion(MODEL, "Hi", api_base=provider.url)
            client.completion("mistral/mistral-small-latest", "Hi", api_base=provider.url)
            (tmp_path / "openai").write_text("not a directory")

    with pytest.raises(CassetteError, match="can't be written"):
        record()
    assert texts(tmp_path / "mistral" / "c.yaml") == ["kept"]  # one file's failure costs the others nothing
