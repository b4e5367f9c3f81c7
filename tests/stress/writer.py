"""A child that writes entries until it is killed, and names each one on stdout once the store says that it is kept."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from pathlib import Path
from typing import Final

from insights.cache.answers import open_cache
from insights.cache.value import pack

LIMIT: Final = 2**40  # bytes: nothing has to go for want of room
OVERWRITTEN: Final = "overwritten"  # the one key that is written again and again, under a growing number
AT: Final = 1_700_000_000.0


def text_of(name: str) -> str:
    """The text stored under a name: of a few bytes up to some hundred pages of SQLite."""
    length = random.Random(name).choice([20, 300, 3_000, 30_000, 300_000])
    digest = hashlib.sha256(name.encode()).hexdigest()
    return (digest * (length // len(digest) + 1))[:length]


def main() -> None:
    """Arguments: a number (not used), the directory, the number of the round."""
    _, directory, turn = sys.argv[1:]
    store = open_cache(Path(directory), LIMIT).store
    number = 0
    while True:
        number += 1
        name = f"{turn}-{number}"
        key = OVERWRITTEN if number % 4 == 0 else name
        if store.set(key, pack(key, f"{name} {text_of(name)}", at=AT), tag="openai/gpt-4o"):
            os.write(1, f"{name}\n".encode())


if __name__ == "__main__":
    main()
