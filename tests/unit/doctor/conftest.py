"""Nothing of the run's own settings is seen by the doctor."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def nothing_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where recordings lie and how much stress there is, is for the tests."""
    for name in [name for name in os.environ if name.startswith(("INSIGHTS_RECORDINGS", "INSIGHTS_STRESS"))]:
        monkeypatch.delenv(name)
