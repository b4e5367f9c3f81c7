"""The n-th recording costs what the first does, and a file what it is long. Counted in function calls, not in seconds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from insights.cassettes.match import Matcher
from insights.cassettes.tape import Tape
from insights.core.effects import Recorded, WireCall

FEW, MANY = 50, 400


def call(number: int) -> WireCall:
    body = {"model": "m", "messages": [{"role": "user", "content": f"Number {number}"}]}
    meaning = {"provider": "openai", "model": "m", "messages": body["messages"]}
    return WireCall("https://x.example/v1", {}, json.dumps(body).encode(), provider="openai", model="m", meaning=meaning)


def cost(function: Callable[[], Any]) -> int:
    """How many function calls it takes."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    found = {}
    for size in (FEW, MANY):
        found[size] = tmp_path_factory.mktemp("cassettes") / f"{size}.yaml"
        tape = Tape(found[size], "refresh", Matcher())
        for number in range(size):
            tape.add(call(number), Recorded(200, {"content-type": "application/json"}, [b'{"a": 1}']), "https://x.example/v1")
        tape.save({"what": "a test"}, [])
    return found


def test_replaying(files: dict[int, Path]) -> None:
    few, many = (Tape(files[size], "replay", Matcher()) for size in (FEW, MANY))
    first = cost(lambda: few.play(call(0)))
    for number in range(MANY - 1):
        assert many.play(call(number)) is not None
    last = cost(lambda: many.play(call(MANY - 1)))
    assert last <= 1.2 * first


def test_recording(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "c.yaml", "auto", Matcher())
    response = Recorded(200, {}, [b"{}"])
    tape.add(call(0), response, "https://x.example/v1")  # the catalogue is read once
    first = cost(lambda: tape.add(call(1), response, "https://x.example/v1"))
    for number in range(2, MANY):
        tape.add(call(number), response, "https://x.example/v1")
    last = cost(lambda: tape.add(call(MANY), response, "https://x.example/v1"))
    assert last <= 1.2 * first


def test_opening(files: dict[int, Path]) -> None:
    few, many = (cost(lambda size=size: Tape(files[size], "replay", Matcher())) for size in (FEW, MANY))  # type: ignore[misc]
    assert many / few <= 1.1 * MANY / FEW
