"""Counted prompts against what providers counted, over every recording of a live answer."""

from __future__ import annotations

import pytest

from tests.benchmarks.tokens import Measured, measured, table

from . import recordings

ROOT = recordings.folder()

pytestmark = pytest.mark.skipif(
    ROOT is None, reason="no recordings: neither INSIGHTS_RECORDINGS nor ../shared/recordings has an INDEX.csv"
)


@pytest.fixture(scope="module")
def results() -> list[Measured]:
    assert ROOT is not None
    return list(measured(ROOT))


def test_texts_to_openai_are_counted_to_the_token(results: list[Measured]) -> None:
    texts = [result for result in results if result.provider == "openai" and result.plain]
    assert texts
    assert [(result.file, result.counted, result.true) for result in texts if result.counted.tokens != result.true] == []


def test_what_is_called_exact_is_exact(results: list[Measured]) -> None:
    exact = [result for result in results if result.counted.exact]
    assert len(exact) > 5
    assert [(result.file, result.counted, result.true) for result in exact if result.counted.tokens != result.true] == []


def test_every_true_count_is_within_the_bounds(results: list[Measured]) -> None:
    outside = [result for result in results if not result.counted.low <= result.true <= result.counted.high]
    assert [(result.file, result.counted, result.true) for result in outside] == []


def test_estimates_are_near(results: list[Measured]) -> None:
    """So that wide bounds can't hide an estimate that has gone wrong."""
    errors = sorted(result.error for result in results)
    assert errors[len(errors) // 2] < 0.1
    assert errors[int(len(errors) * 0.9)] < 0.6


def test_summary(results: list[Measured], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{table(results)}")
