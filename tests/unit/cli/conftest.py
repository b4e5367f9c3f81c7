"""A configuration directory that leads to the simulator, and the environment that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator import Simulator

from .shell import KEY


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def online(simulator: Simulator, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has a key for openai, which is the simulator."""
    directory = tmp_path / "own-config"
    directory.mkdir()
    (directory / "openai.yaml").write_text(f'openai:\n  api_base: "{simulator.base("openai")}"\n')
    (directory / "aliases.yaml").write_text("quick: openai/gpt-4o-mini\n")
    return {"INSIGHTS_CONFIG_DIR": str(directory), "OPENAI_API_KEY": KEY, "INSIGHTS_NUM_RETRIES": "0"}
