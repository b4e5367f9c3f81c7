"""`make bench`: how long a fresh process takes until it can start, and how long a call takes then, against litellm's.

Medians of processes and of blocks of calls run in turn, so that a busy moment of the machine hits all of them. Look at the
ratios: the
milliseconds are this machine's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from tests.benchmarks.calls import measure
from tests.benchmarks.cassettes import grown, report
from tests.benchmarks.server import running
from tests.benchmarks.tokens import report as token_report

# litellm fetches a price map while it is imported unless it is told not to: it is measured at its best.
ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True"}

IMPORTS = {
    "python, nothing imported": "",
    "import insights": "import insights",
    "import openai": "import openai",
    "import litellm": "import litellm",
}
BASELINE = "import litellm"


def seconds(code: str, environ: Mapping[str, str]) -> float:
    """Wall time of a fresh interpreter that runs `code`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True)
    return time.perf_counter() - start


def medians(programs: Mapping[str, str], runs: int) -> dict[str, float]:
    """Median seconds of each program over `runs` rounds, after one round that only warms the disk cache."""
    environ = {**os.environ, **ENVIRONMENT}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(runs + 1):
        for name, code in programs.items():
            taken = seconds(code, environ)
            if number:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def table(results: Mapping[str, float], baseline: str) -> str:
    """One line for each result, with its ratio to the baseline."""
    width = max(map(len, results))
    lines = [f"{'':{width}}  {'ms':>8}  {'x ' + baseline:>16}"]
    lines += [f"{name:{width}}  {value * 1000:8.3f}  {value / results[baseline]:16.3f}" for name, value in results.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="rounds (default: 7)")
    parser.add_argument("--interactions", type=int, default=1000, help="of the growing cassette (default: 1000)")
    arguments = parser.parse_args()
    print(table(medians(IMPORTS, arguments.runs), BASELINE))
    os.environ.update(ENVIRONMENT)
    with running() as base:
        for path, found in measure(base).items():
            print(f"\n{path}")
            print(table(found, "litellm"))
        print(f"\n{report(grown(base, arguments.interactions))}")
    print(f"\n{token_report()}")


if __name__ == "__main__":
    main()
