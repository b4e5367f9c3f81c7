"""Who wants to know which cassettes were used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insights.cassettes.use import Cassette

watchers: list[Callable[[Cassette], None]] = []
"""Told of each cassette when it is closed."""
