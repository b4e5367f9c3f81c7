"""How far counted prompts are from what providers counted, over every recording of a live answer."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from insights.catalog.tokens import Count, count
from tests.conformance import recordings
from tests.conformance.expected import expected
from tests.conformance.requests import asked
from tests.conformance.wires import target_of, wire_of

NATIVE = ("tools", "functions")  # in a provider's own form, which `count` isn't given


@dataclass(frozen=True)
class Measured:
    """One recording: who answered, what was counted, and what the provider says it was."""

    file: str
    provider: str
    model: str
    counted: Count
    true: int
    plain: bool  # messages of text only, and nothing else that costs tokens

    @property
    def error(self) -> float:
        """Relative, without its sign."""
        return abs(self.counted.tokens - self.true) / self.true


def measured(root: Path) -> Iterator[Measured]:
    """Every recording with a count of the prompt in its answer."""
    for row in recordings.rows(root):
        recording = recordings.load(root, row)
        wire = wire_of(recording.path)
        if wire is None:
            continue
        try:
            told = expected(recording).usage
        except recordings.UnreadableRecording:
            continue
        said = asked(recording, wire)
        if told is None or not max(told.input) or any(said.extra_body.get(name) for name in NATIVE):
            continue
        provider, _, model = target_of(recording, wire).model.partition("/")
        model = model.removeprefix("responses/").removeprefix("invoke/")
        if provider == "openai" and row["provider"] not in ("openai", "azure"):
            provider = row["provider"]  # another host that speaks OpenAI's format
        arguments = said.arguments()
        params = {**said.params, **{name: said.extra_body[name] for name in ("thinking",) if name in said.extra_body}}
        counted = count(provider, model, arguments["messages"], params=params)
        costly = {"tools", "functions", "response_format"} & params.keys()
        text = all(isinstance(message.get("content"), str) for message in arguments["messages"])
        yield Measured(row["file"], row["provider"], model, counted, min(told.input), text and not costly)


def table(results: Iterable[Measured]) -> str:
    """Per provider: recordings, median and 95th percentile of the error, and how wide the bounds are."""
    by: dict[str, list[Measured]] = {}
    for result in results:
        by.setdefault(result.provider, []).append(result)
        by.setdefault("all", []).append(result)
        if result.provider != "openai":
            by.setdefault("all but openai", []).append(result)
    lines = [f"{'tokens of prompts':16} {'n':>4} {'exact':>6} {'median':>8} {'95 %':>8} {'in bounds':>10}"]
    for provider in sorted(by, key=lambda name: (name.startswith("all"), name)):
        found = by[provider]
        errors = sorted(result.error for result in found)
        inside = sum(result.counted.low <= result.true <= result.counted.high for result in found)
        exact = sum(result.counted.exact for result in found)
        high = errors[min(len(errors) - 1, int(0.95 * len(errors)))]
        lines.append(
            f"{provider:16} {len(found):4} {exact:6} {statistics.median(errors):8.1%} {high:8.1%} {inside:6}/{len(found)}"
        )
    return "\n".join(lines)


def report() -> str:
    """The table, or why there is none."""
    root = recordings.folder()
    return table(measured(root)) if root else "tokens of prompts: no recordings here to compare with"
