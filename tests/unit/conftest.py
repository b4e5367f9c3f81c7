"""A client with keys and prices of its own, and a provider on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from insights.client import Client
from insights.core.config import Settings

from .loopback import Provider

OPENAI_KEY = "test-key-of-openai"
MISTRAL_KEY = "test-key-of-mistral"

# Round prices, so that costs can be worked out in the head: USD per 1,000 tokens.
OPENAI_YAML = """\
openai:
  source: "the tests"
  checked: 2026-01-31
  models:
    test-model:
      context_window: 8000
      cost_input_per_1k: 0.002
      cost_output_per_1k: 0.008
      cost_cached_input_per_1k: 0.0005
"""


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    """A configuration directory with a priced `openai/test-model`."""
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "openai.yaml").write_text(OPENAI_YAML)
    return directory


@pytest.fixture
def client(config_dir: Path, own_cache_dir: Path) -> Iterator[Client]:
    """A client with keys for openai and mistral, and a cache of its own."""
    settings = Settings(OPENAI_API_KEY=OPENAI_KEY, MISTRAL_API_KEY=MISTRAL_KEY, config_dir=config_dir, cache_dir=own_cache_dir)
    made = Client(settings)
    yield made
    made.close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on 127.0.0.1."""
    with Provider() as found:
        yield found
