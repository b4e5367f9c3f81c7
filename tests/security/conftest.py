"""The loopback server of the adapters' tests, here too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.adapters.loopback import Loopback


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A server with nothing to answer yet and nothing received."""
    with Loopback() as server:
        yield server
