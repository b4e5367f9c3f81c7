"""A cassette that grows: recording and replaying the n-th interaction, and opening the file, beside plain vcrpy.

Plain vcrpy compares each request with all recordings before it, so the last of a thousand costs many times the first. Both
ask the same local server in the same run, in turn; vcrpy carries bare httpx, which is to its advantage. Look at the ratios.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import insights
from tests.benchmarks.server import running

EDGE = 50  # interactions at the beginning and at the end that are compared


@dataclass
class Grown:
    """Seconds of each interaction while recording and replaying, and of opening the cassette with so many in it."""

    recorded: list[float]
    replayed: list[float]
    opened: dict[int, float]

    def at(self, kind: str, end: bool) -> float:
        """The median at the beginning or at the end."""
        times = {"recorded": self.recorded, "replayed": self.replayed}[kind]
        return statistics.median(times[-EDGE:] if end else times[:EDGE])


def _timed(function: Callable[[int], Any], count: int) -> list[float]:
    times = []
    for number in range(count):
        start = time.perf_counter()
        function(number)
        times.append(time.perf_counter() - start)
    return times


def ours(base: str, folder: Path, count: int) -> Grown:
    """`insights.completion` inside `use_cassette`."""

    def call(number: int) -> None:
        insights.completion("openai/gpt-4o-mini", f"Number {number}", api_base=base, api_key="no-key-needed")

    call(-1)  # the import of litellm
    path = folder / "ours.yaml"
    with insights.use_cassette(path, "refresh"):
        recorded = _timed(call, count)
    with insights.use_cassette(path):
        replayed = _timed(call, count)
    opened = {}
    for size in (count // 4, count // 2, count):
        part = folder / f"ours-{size}.yaml"
        with insights.use_cassette(part, "refresh"):
            for number in range(size):
                call(number)
        opened[size] = _opening(lambda part=part: insights.use_cassette(part))  # type: ignore[misc]
    return Grown(recorded, replayed, opened)


def theirs(base: str, folder: Path, count: int) -> Grown:
    """Plain vcrpy under httpx, with its matcher of bodies: without it, every request would get the first answer."""
    import httpx
    import vcr

    client = httpx.Client()

    def call(number: int) -> None:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Number {number}"}]}
        client.post(f"{base}/chat/completions", json=body).raise_for_status()

    tape = vcr.VCR(match_on=["method", "uri", "body"])
    path = str(folder / "theirs.yaml")
    with tape.use_cassette(path, record_mode="all"):
        recorded = _timed(call, count)
    with tape.use_cassette(path, record_mode="none"):
        replayed = _timed(call, count)
    opened = {count: _opening(lambda: tape.use_cassette(path, record_mode="none"))}
    client.close()
    return Grown(recorded, replayed, opened)


def _opening(cassette: Callable[[], Any]) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        with cassette():
            pass
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def grown(base: str, count: int) -> dict[str, Grown]:
    """Both, with `count` interactions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {"insights": ours(base, folder, count), "vcrpy": theirs(base, folder, count)}


def report(found: dict[str, Grown]) -> str:
    """A table: milliseconds at the beginning and at the end, and how many times the one is the other."""
    count = len(next(iter(found.values())).recorded)
    lines = [f"{'a cassette of ' + str(count):28}  {'first ms':>9}  {'last ms':>9}  {'last/first':>10}"]
    for name, times in found.items():
        for kind in ("recorded", "replayed"):
            first, last = times.at(kind, end=False), times.at(kind, end=True)
            lines.append(f"{name + ', ' + kind:28}  {first * 1000:9.3f}  {last * 1000:9.3f}  {last / first:10.2f}")
    for name, times in found.items():
        each = ", ".join(f"{size}: {seconds * 1000:.0f} ms" for size, seconds in sorted(times.opened.items()))
        lines.append(f"{name + ', opened with'} {each}")
    ours_last, theirs_last = (found[name].at("replayed", end=True) for name in ("insights", "vcrpy"))
    lines.append(f"replaying the last one, insights / vcrpy: {ours_last / theirs_last:.3f}")
    return "\n".join(lines)


def main(count: int = 1000) -> None:
    """Prints the table."""
    with running() as base:
        print(report(grown(base, count)))


if __name__ == "__main__":
    main()
