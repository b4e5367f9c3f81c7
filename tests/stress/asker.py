"""A child that asks what it is told: each line on stdin is the arguments of one call of `insights.completion`."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests import network_guard


def main() -> None:
    """One line before each call, and one after it."""
    network_guard.install()
    import insights
    import insights.core.types  # the answer's types: no part of the time between a question and its arrival

    assert insights.core.types.__name__
    print(json.dumps({"ready": True}))
    for line in sys.stdin:
        given: dict[str, Any] = json.loads(line)
        print(json.dumps({"asking": True}))
        try:
            found: Any = insights.completion(**given)
            said = {"answer": found.model_dump(mode="json", exclude={"trace", "cached", "cost"}), "cache": found.trace.cache}
        except insights.InsightsError as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({**said, "litellm": "litellm" in sys.modules}))


if __name__ == "__main__":
    main()
