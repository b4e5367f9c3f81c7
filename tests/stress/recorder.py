"""A child that records cassettes over an old one until it is killed: version after version, each said before and after."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import insights
from insights.cassettes.file import Interaction
from insights.core.effects import Recorded

_URL: Final = "https://api.openai.com/v1/chat/completions"
_HEADERS: Final = {"content-type": "application/json"}


def name_of(version: int) -> str:
    """A version's name, as long as every other: one version's file is another's with the names exchanged."""
    return f"version-{version:08d}"


def interactions(version: int, count: int) -> list[Interaction]:
    """What is recorded: every request and every answer, of a few kB, says which version it is of."""
    found = []
    for number in range(count):
        text = f"{name_of(version)} {number} " + "The tide counts the stones again. " * (20 + number % 5 * 40)
        asked = f'{{"model":"gpt-4o","messages":[{{"role":"user","content":"{name_of(version)} {number}"}}]}}'
        said = f'{{"choices":[{{"message":{{"role":"assistant","content":"{text}"}}}}]}}'
        response = Recorded(200, _HEADERS, [said.encode()])
        found.append(Interaction("POST", _URL, asked.encode(), response, "openai", "gpt-4o", "", "2026-01-01T00:00:00Z"))
    return found


def record(path: Path, version: int, count: int) -> None:
    """Records one version, as a block that asked for all of it would."""
    with insights.use_cassette(path, mode="refresh", recorded_from={"what": "a stress test"}) as cassette:
        cassette.tapes[0].added = interactions(version, count)


def main() -> None:
    """Arguments: a number (not used), the cassette, the first version, the number of interactions."""
    _, path, first, count = sys.argv[1:]
    version = int(first)
    while True:
        os.write(1, f"begin {version}\n".encode())
        record(Path(path), version, int(count))
        os.write(1, f"done {version}\n".encode())
        version += 1


if __name__ == "__main__":
    main()
