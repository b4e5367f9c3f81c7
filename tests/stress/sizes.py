"""How much each test does: a little in every run of the suite, all of it with INSIGHTS_STRESS=full (`make stress`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.conftest import OUTER_ENVIRON  # taken before the suite removed every setting of insights


@dataclass(frozen=True)
class Sizes:
    """Counts of everything there is many of."""

    kills: int  # writers killed in the middle of their work
    askers: int  # processes with the same question
    heirs: int  # processes that wait for a holder that is killed
    threads: int  # threads with the same question
    tasks: int  # asyncio tasks with the same question
    mixing_processes: int
    mixing_threads: int
    mixing_operations: int  # per thread


SMALL: Final = Sizes(
    kills=8, askers=4, heirs=2, threads=16, tasks=64, mixing_processes=2, mixing_threads=2, mixing_operations=300
)
FULL: Final = Sizes(
    kills=200, askers=16, heirs=8, threads=16, tasks=64, mixing_processes=4, mixing_threads=4, mixing_operations=10_000
)

WHICH: Final = "full" if OUTER_ENVIRON.get("INSIGHTS_STRESS") == "full" else "small"
SIZES: Final = FULL if WHICH == "full" else SMALL


def tell(figure: str) -> None:
    """Prints a test's figure, as a line of its own under `pytest -s`."""
    print(f"\n[{WHICH}] {figure}")
