"""The committed cassettes: each replays without a key and without a network, says where it is from, and can be made again."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import insights
from insights.adapters.models.factory import Provider
from insights.core.redact import redact
from tests.record_cassettes import FOLDER, RECORDED_FROM, City, Scene, ask, real_base, record, scenes

SCENES = {scene.path: scene for scene in scenes()}


def cassette(path: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((FOLDER / path).read_text(encoding="utf-8"))
    return data


def other_litellm() -> str:
    """Why a request may not be the recorded one, where litellm is another one; else nothing."""
    here, there = importlib.metadata.version("litellm"), cassette("openai/plain.yaml")["recorded_from"]["litellm"]
    return "" if here == there else f"recorded with litellm {there}, here is {here}, which may write this request differently"


async def awaited(arguments: Mapping[str, Any]) -> insights.ModelResponse:
    answer: Any = await insights.acompletion(**arguments)
    if arguments.get("stream"):
        async for _ in answer:
            pass
        return answer.response  # type: ignore[no-any-return]
    return answer  # type: ignore[no-any-return]


def told(scene: Scene, response: insights.ModelResponse) -> None:
    """What the recorded answer says, whichever wire it came by."""
    assert response.choices[0].message.content or response.choices[0].message.tool_calls
    assert response.usage is not None
    assert response.usage.prompt_tokens > 0
    assert response.usage.completion_tokens > 0
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens
    name = Path(scene.path).stem
    if name in ("plain", "responses"):
        assert response.text == "The capital of France is Paris."
        assert response.choices[0].finish_reason == "stop"
    elif name == "stream":
        assert response.text == "Grey water, white foam,\nthe tide counts the stones again,\nno two waves agree."
    elif name == "tools":
        [call] = response.choices[0].message.tool_calls or []
        assert (call.function.name, call.function.arguments.replace(" ", "")) == ("get_weather", '{"city":"Paris"}')
        assert response.choices[0].finish_reason == "tool_calls"
    elif name == "schema":
        assert response.parsed == City(city="Tokyo", country="Japan", population=14178000)


# What `insights provider check` recorded of a live API, which nobody can make again here.
LIVE = sorted(FOLDER.glob("*/live_*.yaml"))


def test_the_scenes_are_all_there_is() -> None:
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml") if path not in LIVE}
    assert found == set(SCENES)


def test_live_recordings_say_so_and_hold_no_key() -> None:
    for path in LIVE:
        text = path.read_text(encoding="utf-8")
        assert yaml.safe_load(text)["recorded_from"]["what"].startswith(f"the live API of {path.parent.name}"), path
        assert redact(text) == text, path


def test_every_provider_has_an_answer() -> None:
    assert {path.partition("/")[0] for path in SCENES if path.endswith("/plain.yaml")} == set(Provider)


@pytest.mark.parametrize("path", SCENES)
@pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])
def test_a_cassette_replays(path: str, awaiting: bool) -> None:
    with insights.use_cassette(FOLDER / path) as tape:
        for arguments in SCENES[path].calls:
            response = asyncio.run(awaited(arguments)) if awaiting else ask(arguments)
            told(SCENES[path], response)
    assert tape.play_count == len(tape.interactions)


@pytest.mark.parametrize("path", SCENES)
def test_a_cassette_says_where_it_is_from_and_holds_no_key(path: str) -> None:
    text = (FOLDER / path).read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    assert data["recorded_from"]["what"] == RECORDED_FROM["what"]
    assert data["recorded_from"]["version"] == RECORDED_FROM["version"]
    assert redact(text) == text
    assert "test-key" not in text
    assert "127.0.0.1" not in text.replace(real_base(path.partition("/")[0]), "")  # the simulator's own address
    allowed: tuple[dict[str, list[str]], ...] = ({}, {"content-type": ["application/json"]})
    assert all(item["request"]["headers"] in allowed for item in data["interactions"])


def test_a_recorded_refusal_is_the_providers() -> None:
    first, second = cassette("anthropic/demo_fallback.yaml")["interactions"]
    assert first["response"]["status"]["code"] == 429
    assert first["response"]["headers"]["retry-after"] == ["120"]
    assert second["request"]["uri"] == "https://api.openai.com/v1/chat/completions"


def test_recording_again_gives_the_same_files(tmp_path: Path) -> None:
    if other_litellm():
        pytest.skip(other_litellm())
    written = record(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == list(SCENES)
    # When and by which release; all the rest is the same.
    version = re.compile(rb"^(?:recorded_by: .*|    recorded_at: .*|    seconds: \[[^]]*\])$", re.MULTILINE)
    for path in written:
        committed = FOLDER / path.relative_to(tmp_path)
        assert version.sub(b"", path.read_bytes()) == version.sub(b"", committed.read_bytes()), "run `make cassettes`"
