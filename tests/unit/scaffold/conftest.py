"""The command in this process, at work on a copy of the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insights.adapters.models.compatible import other_adapter
from insights.catalog.others import installed
from tests.unit.adapters.loopback import Loopback

from .project import copy_project


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A server on this machine, with nothing to answer yet."""
    with Loopback() as server:
        yield server


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project."""
    return copy_project(tmp_path_factory.mktemp("copied"))


@pytest.fixture
def checkout(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy, which the command takes for the checkout that it is from; the current directory is an empty one."""
    monkeypatch.setattr("insights.scaffold.checkout.find_checkout", lambda: copied)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return copied


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What one test installed, another doesn't have."""
    installed.cache_clear()
    other_adapter.cache_clear()
    yield
    installed.cache_clear()
    other_adapter.cache_clear()
