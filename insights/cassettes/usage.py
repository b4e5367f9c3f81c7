"""Which tests used which recordings, kept from one pytest run to the next: what no test uses any more can be seen from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

CACHE_KEY: Final = "insights/cassettes"
"""The name in pytest's cache."""

Uses = dict[str, dict[str, tuple[list[int], int]]]
"""Test -> file, relative to pytest's root -> the recordings it used (from 0), and how many there are."""


@dataclass
class Usage:
    """What is known of the runs so far. `complete` says when all tests were last run (UTC, ISO 8601); empty: never."""

    root: Path
    complete: str = ""
    tests: Uses = field(default_factory=dict)

    def files(self) -> dict[Path, tuple[set[int], int]]:
        """For each file that a test used: the recordings that were used, by any test, and how many there are."""
        found: dict[Path, tuple[set[int], int]] = {}
        for files in self.tests.values():
            for name, (used, total) in files.items():
                path = Path(os.path.normpath(self.root / name))
                before, _ = found.get(path, (set(), 0))
                found[path] = before | set(used), total
        return found


def merged(old: Any, new: Uses, *, complete: str) -> dict[str, Any]:
    """What is kept after a run: all of it where every test was run, else what it tells of the tests that were.

    Args:
        old: what was kept before, as read from JSON; anything.
        complete: when all tests were run; empty: they weren't.
    """
    if complete:
        return {"complete": complete, "tests": new}
    before = old if isinstance(old, Mapping) else {}
    tests = before.get("tests")
    return {"complete": str(before.get("complete") or ""), "tests": {**(tests if isinstance(tests, Mapping) else {}), **new}}


def read_usage(start: Path) -> Usage | None:
    """What pytest kept, in this directory or the nearest one above that has a cache of pytest's; None: nothing."""
    for root in (start, *start.parents):
        path = root / ".pytest_cache" / "v" / CACHE_KEY
        if path.is_file():
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                tests = {
                    str(test): {str(name): (list(used), int(total)) for name, (used, total) in files.items()}
                    for test, files in data["tests"].items()
                }
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                return None
            return Usage(root, str(data.get("complete") or ""), tests)
    return None
