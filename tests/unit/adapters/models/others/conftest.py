"""Globex's file, and a client that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insights.client import Client
from insights.core.config import Settings
from tests.unit.adapters.loopback import Loopback
from tests.unit.adapters.models.others.globex import GLOBEX, KEY


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own directory, for clients and for the module's functions."""
    directory = tmp_path / "config"
    (directory / "providers").mkdir(parents=True)
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(directory))
    monkeypatch.setenv("GLOBEX_API_KEY", KEY)
    return directory


@pytest.fixture(params=["providers/globex.yaml", "globex.yaml"])
def either(request: pytest.FixtureRequest, config: Path, loopback: Loopback) -> Path:
    """Globex's file, in either directory."""
    path: Path = config / request.param
    path.write_text(GLOBEX.format(url=loopback.url))
    return path


@pytest.fixture
def globex(config: Path, loopback: Loopback) -> Path:
    """Globex's file."""
    path = config / "providers" / "globex.yaml"
    path.write_text(GLOBEX.format(url=loopback.url))
    return path


@pytest.fixture
def client() -> Iterator[Client]:
    """Without a cache and without retries."""
    with Client(Settings(cache=False, num_retries=0)) as made:
        yield made


@pytest.fixture
def shipped(config: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shipped provider moved to the server, with a key of its own."""
    (config / "providers" / "mistral.yaml").write_text(f'mistral:\n  api_base: "{loopback.url}/mistral"\n')
    monkeypatch.setenv("MISTRAL_API_KEY", "key-of-mistral-0123")
    return "mistral/stand-in"
