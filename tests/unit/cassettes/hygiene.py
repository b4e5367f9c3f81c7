"""Cassettes to look at: what a test wants to be wrong with them, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from insights.cassettes.file import CassetteFile, Interaction, write_cassette
from insights.core.effects import Recorded

NOW = "2026-11-01T12:00:00Z"
URL = "https://api.openai.com/v1/chat/completions"
TODAY = {"cost_input_per_1k": "0.00015", "cost_output_per_1k": "0.0006"}  # gpt-4o-mini's, as in configs/providers/openai.yaml


def recording(prompt: str = "Hi", answer: str = "Hello!", model: str = "gpt-4o-mini") -> Interaction:
    """A whole answer of OpenAI's."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    said = {"id": "x", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    response = Recorded(200, {"content-type": "application/json"}, [json.dumps(said).encode()])
    return Interaction("POST", URL, json.dumps(body).encode(), response, "openai", model, "", NOW, TODAY)


def written(path: Path, *items: Interaction, tests: Sequence[str] = (), origin: Mapping[str, str] | None = None) -> Path:
    """A file with these in it."""
    write_cassette(path, CassetteFile(list(items or [recording()]), origin or {}, tests=tuple(tests)))
    return path


def at(item: Interaction, moment: str) -> Interaction:
    """The same, recorded at another time."""
    return replace(item, recorded_at=moment)
