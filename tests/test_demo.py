"""`make demo` on a machine with nothing: no key, no network, nothing written but in a directory that is gone afterwards."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.processes import REPO, Run, run_python

GUARDED = """
import runpy, sys
import tests.network_guard as guard
guard.install()
sys.argv = [{path!r}]
try:
    runpy.run_path({path!r}, run_name="__main__")
finally:
    assert not guard.refused, guard.refused
"""


def demo(path: Path, tmp_path: Path, **env: str) -> Run:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    places = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(REPO)}
    return run_python("-B", "-c", GUARDED.format(path=str(path)), env={**places, **env}, cwd=tmp_path)


def written(tmp_path: Path) -> list[str]:
    return [str(path) for path in tmp_path.rglob("*") if path.is_file()]


def test_the_demo_runs_without_a_key_and_without_a_network(tmp_path: Path) -> None:
    assert not [name for name in os.environ if name.endswith("_API_KEY")]
    run = demo(REPO / "docs" / "demo.py", tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert written(tmp_path) == []
    for said in (
        "openai/gpt-4o-mini",
        "anthropic/claude-haiku-4-5",
        "gemini/gemini-2.5-flash",
        "the tide |counts the |",
        "City(city='Tokyo', country='Japan', population=14178000)",
        "cached=True",
        "the cassette was asked 1 time",
        "RateLimitError 429",
        "not from live models",
    ):
        assert said in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 120


def test_settings_of_the_machine_change_nothing(tmp_path: Path) -> None:
    mine = {
        "INSIGHTS_CACHE": "0",
        "INSIGHTS_NUM_RETRIES": "9",
        "INSIGHTS_CONFIG_DIR": str(tmp_path / "mine"),
        "OPENAI_API_BASE": "https://example.com/v1",
        "OPENAI_API_KEY": "test-key",
    }
    run = demo(REPO / "docs" / "demo.py", tmp_path, **mine)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_demo_that_isnt_as_it_says_fails(tmp_path: Path) -> None:
    """Without a cassette that it needs, and with an answer other than promised."""
    copy = tmp_path / "checkout"
    shutil.copytree(REPO / "cassettes", copy / "cassettes")
    (copy / "docs").mkdir()
    shutil.copy(REPO / "docs" / "demo.py", copy / "docs")
    costs = copy / "cassettes" / "openai" / "demo_costs.yaml"
    text = costs.read_text(encoding="utf-8")
    assert '"cached_tokens": 1024' in text
    costs.write_text(text.replace('"cached_tokens": 1024', '"cached_tokens": 0'), encoding="utf-8")
    run = demo(copy / "docs" / "demo.py", tmp_path)
    assert run.returncode == 1
    assert "demo: no token was cached" in run.stderr
