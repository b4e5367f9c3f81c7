"""Names as a person would type them here."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    with contextlib.suppress(OSError):
        here = Path.cwd()
        if path.is_relative_to(here):
            return str(path.relative_to(here))
    return str(path)


def current_test() -> str:
    """The id of the pytest test that is running; empty outside of one."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
