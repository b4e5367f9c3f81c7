"""A child that spends: so many calls at once, or one after the other until it is killed, each told when it has returned."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from tests import network_guard


def main() -> None:
    """Arguments: a number, and JSON: the calls' arguments, a budget's, and how many `calls` (None: until it is killed)."""
    network_guard.install()
    wish: dict[str, Any] = json.loads(sys.argv[2])
    import insights

    def one(number: int) -> bool:
        try:
            with insights.budget(**wish["budget"]):
                insights.completion(messages="Hi", tags=f"{wish['name']}-{number}", **wish["given"])
        except insights.BudgetExceededError:
            return False
        return True

    if wish["calls"] is None:
        for number in count():
            one(number)
            os.write(1, f"{wish['name']}-{number}\n".encode())
    from insights.adapters.models import transport

    transport.load()
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(wish["calls"]) as pool:
        print(json.dumps(sum(pool.map(one, range(wish["calls"])))), flush=True)


if __name__ == "__main__":
    main()
