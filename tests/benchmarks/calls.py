"""How long one call takes in a running process, against litellm, the openai SDK and bare httpx on the same instant server."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks.server import CHUNKS

MESSAGES = [{"role": "user", "content": "Hello"}]
Deed = Callable[[], object]


def _timed(deed: Deed, times: int) -> list[float]:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        deed()
        found.append(time.perf_counter() - start)
    return found


def interleaved(deeds: dict[str, Deed], rounds: int, block: int) -> dict[str, float]:
    """Median seconds of each deed; blocks take turns, so that a busy moment of the machine hits all of them."""
    for deed in deeds.values():
        _timed(deed, max(block // 2, 2))
    times: dict[str, list[float]] = {name: [] for name in deeds}
    for _ in range(rounds):
        for name, deed in deeds.items():
            times[name] += _timed(deed, block)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(base: str) -> dict[str, dict[str, float]]:
    """Medians in seconds by path and library: `sync call`, `async call`, `streamed chunk`."""
    os.environ["INSIGHTS_CACHE"] = "0"  # but for what is asked "again"
    os.environ["INSIGHTS_CACHE_DIR"] = tempfile.mkdtemp(prefix="insights-bench-")
    import httpx
    import litellm
    import openai

    import insights

    ours: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": MESSAGES, "api_base": base, "api_key": "sk-benchmark"}
    sdk = openai.OpenAI(api_key="sk-benchmark", base_url=base)
    plain = httpx.Client()
    body = {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0.5}
    sync: dict[str, Deed] = {
        "insights": lambda: insights.completion(**ours, temperature=0.5),
        "insights, again": lambda: insights.completion(**ours, temperature=0.5, cache=True),
        "litellm": lambda: litellm.completion(**ours, temperature=0.5),
        "openai": lambda: sdk.chat.completions.create(**body),
        "httpx": lambda: plain.post(f"{base}/chat/completions", json=body).json(),
    }
    streams: dict[str, Deed] = {
        "insights": lambda: list(insights.completion(**ours, stream=True)),
        "litellm": lambda: list(litellm.completion(**ours, stream=True)),
        "openai": lambda: list(sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)),
    }
    chunks = {name: value / (CHUNKS + 1) for name, value in interleaved(streams, rounds=3, block=4).items()}
    return {
        "sync call": interleaved(sync, rounds=5, block=40),
        "async call": asyncio.run(_async_calls(ours, base)),
        "streamed chunk": chunks,
    }


async def _async_calls(ours: dict[str, Any], base: str) -> dict[str, float]:
    import litellm
    import openai

    import insights

    times: dict[str, list[float]] = {"insights": [], "litellm": [], "openai": []}
    async with openai.AsyncOpenAI(api_key="sk-benchmark", base_url=base) as sdk:
        deeds: dict[str, Callable[[], Any]] = {
            "insights": lambda: insights.acompletion(**ours, temperature=0.5),
            "litellm": lambda: litellm.acompletion(**ours, temperature=0.5),
            "openai": lambda: sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, temperature=0.5),
        }
        for number in range(6):  # the first round only warms up
            for name, deed in deeds.items():
                for _ in range(30):
                    start = time.perf_counter()
                    await deed()
                    if number:
                        times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}
