"""A child that records into a cassette that others record into as well: one block after another, a question in each."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import insights
from tests.stress.upstream import MODEL


def question(child: int, block: int) -> str:
    """What a child asks in one of its blocks; nobody else does."""
    return f"question {block} of child {child}"


def main() -> None:
    """Arguments: its number, the cassette, the server's address, how many blocks. Starts when it is told to."""
    number, path, url, blocks = sys.argv[1:]
    given: dict[str, Any] = {"api_base": url, "api_key": "key-0123456789", "num_retries": 0, "timeout": 60}
    insights.completion(MODEL, question(int(number), -1), **given)  # everything is imported before it starts
    os.write(1, b"ready\n")
    sys.stdin.readline()
    answers = []
    for block in range(int(blocks)):
        with insights.use_cassette(path, mode="auto"):
            answers.append(insights.completion(MODEL, question(int(number), block), **given).text)
    os.write(1, json.dumps(answers).encode() + b"\n")


if __name__ == "__main__":
    main()
