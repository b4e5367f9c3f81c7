"""One cassette for many at once: threads, tasks and processes. Each has its own answer, and nothing that was saved is lost."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.cassettes.file import read_cassette
from tests.loopback import Received
from tests.stress.children import children
from tests.stress.sizes import SIZES, WHICH, tell
from tests.stress.taper import question
from tests.stress.upstream import Said, Upstream
from tests.unit.openai_wire import answer, events

EACH = 16 if WHICH == "full" else 2  # questions for each thread or task; every second one is recorded already
PROCESSES, BLOCKS = (8, 25) if WHICH == "full" else (2, 6)
SAME = "the same question of all"


def echo(request: Received, number: int) -> Said:
    """An answer that repeats the question; to the question of all, one that has a number."""
    words = request.body["messages"][-1]["content"]
    text = f"answer {number}" if words == SAME else f"answer to {words}"
    if request.body.get("stream"):
        return Said(events=tuple(events([text[:5], text[5:]])))
    return Said(answer(text))


def streams(name: str) -> bool:
    return name.endswith("-1")


def ask(name: str, given: dict[str, Any]) -> str:
    if not streams(name):
        return str(insights.completion(messages=name, **given).text)
    return "".join(chunk.text for chunk in insights.completion(messages=name, stream=True, **given))


async def aask(name: str, given: dict[str, Any]) -> str:
    if not streams(name):
        return str((await insights.acompletion(messages=name, **given)).text)
    return "".join([chunk.text async for chunk in await insights.acompletion(messages=name, stream=True, **given)])


def from_threads(names: list[list[str]], given: dict[str, Any]) -> list[list[str]]:
    start = threading.Barrier(len(names))

    def run(mine: list[str]) -> list[str]:
        start.wait()
        return [ask(name, given) for name in mine]

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(run, names))


def from_tasks(names: list[list[str]], given: dict[str, Any]) -> list[list[str]]:
    async def run(mine: list[str]) -> list[str]:
        return [await aask(name, given) for name in mine]

    async def all_of_them() -> list[list[str]]:
        return await asyncio.gather(*(run(mine) for mine in names))

    return asyncio.run(all_of_them())


Asking = Callable[[list[list[str]], dict[str, Any]], list[list[str]]]
many = pytest.mark.parametrize(
    ("asking", "count"), [(from_threads, SIZES.threads), (from_tasks, SIZES.tasks)], ids=["threads", "tasks"]
)


@many
def test_replaying_and_recording_at_once(tmp_path: Path, asking: Asking, count: int) -> None:
    path = tmp_path / "c.yaml"
    names = [[f"question {who}-{number}" for number in range(EACH)] for who in range(count)]
    known, wanted = [mine[::2] for mine in names], [[f"answer to {name}" for name in mine] for mine in names]
    with Upstream(echo) as server:
        given = server.given()
        with insights.use_cassette(path, mode="refresh"):
            assert asking(known, given) == [mine[::2] for mine in wanted]
        before = server.count
        assert before == count * len(known[0])
        with insights.use_cassette(path, mode="auto") as tape:
            found = asking(names, given)
            assert tape.all_played
        assert server.count - before == count * (EACH - len(known[0])), "something was asked that was recorded, or not asked"
        del given["api_key"]
        with insights.use_cassette(path, mode="replay") as tape:
            again = asking(names, given)
            assert tape.all_played
        assert server.count == count * EACH
    wrong = sum(a != b for a, b in zip(found + again, wanted + wanted, strict=True))
    tell(f"{count} at once, {2 * count * EACH} questions of a cassette's: {wrong} had another's answer, 0 lost")
    assert found == again == wanted
    assert len(read_cassette(path).interactions) == count * EACH


@many
def test_equal_questions_at_once_get_each_recording_once(tmp_path: Path, asking: Asking, count: int) -> None:
    path = tmp_path / "c.yaml"
    names = [[SAME] * EACH for _ in range(count)]
    with Upstream(echo) as server:
        given = server.given()
        with insights.use_cassette(path, mode="refresh"):
            recorded = Counter(text for mine in asking(names, given) for text in mine)
        with insights.use_cassette(path, mode="replay") as tape:
            replayed = Counter(text for mine in asking(names, given) for text in mine)
            assert tape.all_played
        assert server.count == count * EACH
    assert replayed == recorded == Counter(f"answer {number}" for number in range(1, count * EACH + 1))


def test_processes_that_record_the_same_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cassettes" / "c.yaml"
    wanted = [[f"answer to {question(child, block)}" for block in range(BLOCKS)] for child in range(PROCESSES)]
    with Upstream(echo) as server:
        given = server.given()
        with children(PROCESSES, "taper", str(path), server.url, str(BLOCKS)) as recorders:
            for recorder in recorders:
                assert recorder.line() == b"ready", recorder.complaints()
            for recorder in recorders:
                recorder.tell("go")
            assert [recorder.hear() for recorder in recorders] == wanted
    saved = Counter(item.body for item in read_cassette(path).interactions)
    lost = PROCESSES * BLOCKS - len(saved)
    tell(f"{PROCESSES} processes recorded {PROCESSES * BLOCKS} answers into one file at once: {lost} lost")
    assert not lost
    assert set(saved.values()) == {1}
    del given["api_key"]
    with insights.use_cassette(path, mode="replay"):
        for child in range(PROCESSES):
            assert [ask(question(child, block), given) for block in range(BLOCKS)] == wanted[child]
    assert list(path.parent.iterdir()) == [path]
