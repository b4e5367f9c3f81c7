"""A loopback server for all tests of the adapters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.adapters.loopback import Loopback


@pytest.fixture(scope="session")
def running() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def loopback(running: Loopback) -> Loopback:
    """The server, with nothing to answer yet and nothing received."""
    running.says()
    return running
