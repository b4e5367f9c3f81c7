"""A child that asks what it is told and is interrupted while it waits; it says what that left behind.

Each line on stdin: `{"port": ..., "given": {...}}`, the arguments of a call. Before the call it says `asking`, after a first
chunk `waiting`; after the interrupt, what there is to be found.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests import network_guard


def say(what: Any) -> None:
    """A line in one piece: an interrupt between a text and its newline would join two of them."""
    os.write(1, f"{json.dumps(what)}\n".encode())


def main() -> None:
    """One call for each line."""
    network_guard.install()
    # A shell that starts something in the background has it ignore Ctrl-C, and so does all that this starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import insights
    from insights.adapters.models import transport
    from tests.faults.leftovers import held, sockets_to, soon, threads

    def all_free(ports: list[int]) -> bool:
        return not any(sockets_to(port) for port in ports)

    transport.load()
    client = insights.Client(cache_dir=Path(sys.argv[1]))
    say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        given: dict[str, Any] = order["given"]
        ended, stopped = "answered", 0.0
        say("asking")
        try:
            found: Any = client.completion(**given)
            if given.get("stream"):
                with found:  # the interrupt may come between two chunks, when the stream is the caller's to close
                    for _ in found:
                        say("waiting")
        except KeyboardInterrupt as error:
            stopped = time.monotonic()
            ended = type(error).__name__
        except insights.InsightsError as error:
            ended = type(error).__name__
        said = {
            "ended": ended,
            "stopped": stopped,
            "sockets": not soon(partial(all_free, order["ports"])),
            "held": held(client),
            "hedges": not soon(lambda: "insights-hedge" not in threads()),
            "entries": client.cache.stats().entries,
        }
        say(said)


if __name__ == "__main__":
    main()
