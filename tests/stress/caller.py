"""A child that calls through the real client under what its arguments say, and tells what came of it."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import warnings
from typing import Any

from tests import network_guard


def main() -> None:
    """Arguments: a number (not used), and JSON: the calls' arguments, `uid` to become, `file_limit` in bytes."""
    network_guard.install()
    wish: dict[str, Any] = json.loads(sys.argv[2])
    import insights

    # Everything is imported before it is anybody who can't read the library.
    insights.completion(messages="warming up", **wish["given"], cache=False)
    import diskcache

    import insights.cache.disk

    assert diskcache.Cache
    assert insights.cache.disk.FILES
    if "file_limit" in wish:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond it is EFBIG, as a full disk is ENOSPC
        resource.setrlimit(resource.RLIMIT_FSIZE, (wish["file_limit"], wish["file_limit"]))
    if "uid" in wish:
        os.setgid(wish["uid"])
        os.setuid(wish["uid"])
    texts = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        for number in range(wish["calls"]):
            texts.append(insights.completion(messages=f"question {number}", **wish["given"]).text)
        again = insights.completion(messages="question 0", **wish["given"])
    print(json.dumps({"texts": texts, "again": again.text, "warnings": [str(one.message) for one in caught]}))


if __name__ == "__main__":
    main()
