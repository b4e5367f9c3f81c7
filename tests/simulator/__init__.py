"""A simulator of the providers' wires: real HTTP on loopback, deterministic answers, errors on demand.

    with Simulator() as simulator:
        completion("openai/gpt-4o-mini", "Hello", api_base=simulator.base("openai"), api_key="test-key")

It is written from the providers' documented formats; `test_shapes.py` holds its answers against recordings of the live
APIs. It is no model: what it says is a small table and an echo.
"""

from __future__ import annotations

from tests.simulator.server import BASES, Simulator, provider_of
from tests.simulator.wire import VERSION

__all__ = ["BASES", "VERSION", "Simulator", "provider_of"]
