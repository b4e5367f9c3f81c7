"""What each recorded answer cost: between the bounds said before, and the same however it was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

import insights
from insights.core.errors import InsightsError

from . import recordings
from .calling import Outcome, arguments, call
from .server import Replay
from .wires import Wire, wire_of

ROOT = recordings.folder()

pytestmark = [
    pytest.mark.skipif(
        ROOT is None, reason="no recordings: neither INSIGHTS_RECORDINGS nor ../shared/recordings has an INDEX.csv"
    ),
    pytest.mark.filterwarnings("ignore:no price is known:RuntimeWarning"),
]

# Recording -> why its cost lies outside of the bounds. Each entry is reviewed, and fails as soon as it is not needed.
OUTSIDE: dict[str, str] = {}


@dataclass(frozen=True)
class Case:
    """A recording that was answered with usage."""

    row: dict[str, str]
    recording: recordings.Recording
    wire: Wire
    given: dict[str, Any]
    outcome: Outcome


def asked(recording: recordings.Recording, wire: Wire, *, awaiting: bool = False, **more: Any) -> Outcome:
    with Replay(recording) as replay:
        return call({**arguments(recording, wire, replay.url), **more}, awaiting=awaiting)


def read() -> Iterator[Case]:
    assert ROOT is not None
    for row in recordings.rows(ROOT):
        recording = recordings.load(ROOT, row)
        wire = wire_of(recording.path)
        if wire is None:
            continue
        try:
            assert recording.plain is not None
        except recordings.UnreadableRecording:
            continue
        outcome = asked(recording, wire)
        if outcome.response is not None and outcome.response.usage is not None:
            yield Case(row, recording, wire, arguments(recording, wire, "http://127.0.0.1:9"), outcome)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(read())


def cost_of(outcome: Outcome) -> insights.Cost | None:
    return None if outcome.response is None else outcome.response.cost


def priced(cases: list[Case]) -> list[tuple[Case, insights.Cost]]:
    return [(case, cost) for case in cases if (cost := cost_of(case.outcome)) is not None]


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


def estimated(case: Case) -> insights.Estimate:
    places = ("api_base", "api_key", "cache", "num_retries", "fallbacks", "timeout", "stream")
    given = {name: value for name, value in case.given.items() if name not in places}
    return insights.estimate(given.pop("model"), given.pop("messages"), **given)


def test_every_model_with_a_price_has_a_cost(cases: list[Case], capsys: pytest.CaptureFixture[str]) -> None:
    known = set(insights.model_list)
    missing: list[str] = []
    unpriced: Counter[str] = Counter()
    for case in cases:
        if cost_of(case.outcome) is not None:
            continue
        response = case.outcome.response
        assert response is not None
        found = estimated(case)
        unpriced[found.model] += 1
        if found.model in known and found.low is not None:
            missing.append(case.row["file"])
    have = len(priced(cases))
    say(capsys, f"{have} of {len(cases)} recorded answers with usage have a cost; no price is known for {dict(unpriced)}")
    assert have > 0
    assert missing == []


def test_the_cost_lies_between_the_bounds(cases: list[Case], capsys: pytest.CaptureFixture[str]) -> None:
    outside: dict[str, str] = {}
    ratios: list[Decimal] = []
    unbounded = 0
    for case, cost in priced(cases):
        try:
            found = estimated(case)
        except InsightsError as error:
            outside[case.row["file"]] = repr(error)
            continue
        assert found.low is not None, case.row["file"]
        if found.high is None:
            unbounded += 1
        if not found.low <= cost.total or (found.high is not None and cost.total > found.high):
            outside[case.row["file"]] = f"{found}, but ${cost.total}: {case.outcome.response.usage!r}"  # type: ignore[union-attr]
        if found.high:
            ratios.append(cost.total / found.high)
    ratios.sort()
    say(
        capsys,
        f"{len(priced(cases))} costs, {len(outside)} outside of what was estimated ({unbounded} without an upper bound); "
        f"the cost is {float(ratios[len(ratios) // 2]):.3f} of the upper bound in the middle",
    )
    assert outside.keys() == OUTSIDE.keys(), "\n".join(f"{name}: {why}" for name, why in outside.items())


def test_the_same_cost_in_every_way(cases: list[Case], capsys: pytest.CaptureFixture[str]) -> None:
    different: list[str] = []
    hits = 0
    for number, (case, cost) in enumerate(priced(cases)):
        file = case.row["file"]
        awaited = asked(case.recording, case.wire, awaiting=True)
        if cost_of(awaited) != cost:
            different.append(f"{file}: async {cost_of(awaited)!r}, sync {cost!r}")
        stored: Any = {"cache": {"namespace": str(number)}}
        with Replay(case.recording) as replay:
            given = {**arguments(case.recording, case.wire, replay.url), **stored}
            first, again = call(given, awaiting=False), call({**given, "stream": False}, awaiting=False)
        if first.response is None or again.response is None or not again.response.cached:
            continue  # what isn't stored: filtered, or cut off by a tool
        hits += 1
        saved = again.response.cost
        if first.response.cost != cost or saved is None or saved.total or saved.saved != cost.total:
            different.append(f"{file}: the cache saved {saved!r} of {cost!r}")
    streams = sum(case.recording.streaming for case, _ in priced(cases))
    say(
        capsys,
        f"{len(priced(cases))} costs ({streams} streamed) are the same sync and async, {hits} of them as saved by the cache",
    )
    assert different == []
    assert hits > 0
