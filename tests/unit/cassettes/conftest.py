"""What the tests of cassettes share: a client without keys, and a machine that says nothing of recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insights.client import Client
from insights.core.config import Settings
from tests.unit.cassettes.plugged import Project, a_project, warm


@pytest.fixture
def keyless(config_dir: Path) -> Iterator[Client]:
    """A client without any key."""
    made = Client(Settings(config_dir=config_dir))
    yield made
    made.close()


@pytest.fixture(scope="session")
def warmed() -> None:
    """litellm is imported, before a pytester looks at what is."""
    warm()


@pytest.fixture
def project(warmed: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project."""
    with a_project(pytester, monkeypatch) as found:
        yield found
