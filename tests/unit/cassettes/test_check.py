"""What is wrong with a cassette is named, with what mends it; and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from insights.cassettes.check import Problem, Report, cassette_files, check_cassettes
from insights.cassettes.usage import Usage
from insights.core.errors import CassetteError
from tests.unit.cassettes.hygiene import NOW, at, recording, written

THEN = datetime.fromisoformat(NOW)
KEY = "sk-" + "AbCdEf0123456789"


def check(*paths: Path, usage: Usage | None = None, days: int = 0, older_than: int = 180) -> Report:
    return check_cassettes(paths, usage=usage, now=THEN + timedelta(days=days), older_than=older_than)


def only(report: Report) -> Problem:
    (problem,) = report.problems
    return problem


@pytest.fixture(autouse=True)
def nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_is_wrong(tmp_path: Path) -> None:
    report = check(written(tmp_path / "c.yaml", recording(), recording("Ho")))
    assert (report.files, report.recordings, report.problems) == (1, 2, [])
    assert "isn't known" in report.notes[0]


def test_directories_and_files(tmp_path: Path) -> None:
    one, two = written(tmp_path / "a" / "x" / "one.yaml"), written(tmp_path / "b" / "two.yml")
    (tmp_path / "a" / "README.md").write_text("no cassette")
    assert cassette_files([tmp_path / "a", two, two]) == [one, two]
    with pytest.raises(CassetteError, match="no such file or directory"):
        cassette_files([tmp_path / "none"])


@pytest.mark.parametrize(("days", "older_than", "old"), [(180, 180, False), (181, 180, True), (1, 0, True), (0, 0, False)])
def test_old(tmp_path: Path, days: int, older_than: int, old: bool) -> None:
    path = written(tmp_path / "c.yaml", recording(), at(recording("Ho"), "2026-11-01T12:00:01Z"))
    kinds = [problem.kind for problem in check(path, days=days, older_than=older_than).problems]
    assert kinds == (["old"] if old else [])


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-01T12:00:00"])
def test_no_time_or_one_without_a_zone(tmp_path: Path, moment: str) -> None:
    path = written(tmp_path / "c.yaml", at(recording(), moment))
    assert [p.kind for p in check(path, days=400).problems] == (["old"] if moment.startswith("2026") else [])


def test_deprecated(tmp_path: Path) -> None:
    # In configs/providers/cerebras.yaml since 2026-02-16.
    gone = replace(recording(), provider="cerebras", model="llama-3.3-70b", prices={})
    problem = only(check(written(tmp_path / "c.yaml", gone, gone)))
    assert (problem.kind, problem.path) == ("deprecated", "c.yaml")
    assert problem.message == "cerebras/llama-3.3-70b is deprecated since 2026-02-16"
    assert str(problem) == f"c.yaml: deprecated: {problem.message}\n  -> ask another model, and record it again"


def test_a_changed_price(tmp_path: Path) -> None:
    was = {"cost_input_per_1k": "0.0003", "cost_output_per_1k": "0.0006", "cost_per_request": "1"}
    problem = only(check(written(tmp_path / "c.yaml", replace(recording(), prices=was))))
    assert problem.kind == "price"
    assert problem.message == "openai/gpt-4o-mini cost 0.0003 USD per 1,000 tokens (input) when recorded, now 0.00015"
    assert problem.hint == "insights cassettes refresh c.yaml"


@pytest.mark.parametrize("model", ["no-such-model", ""])
def test_models_nobody_knows_are_nobodys_problem(tmp_path: Path, model: str) -> None:
    for provider in ("openai", "nobody"):
        item = replace(recording(), provider=provider, model=model)
        assert check(written(tmp_path / "c.yaml", item)).problems == []


@pytest.mark.parametrize("text", ["", "[", "interactions: 3", "a: b"])
def test_unreadable(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    problem = only(check(tmp_path / "c.yaml"))
    assert (problem.kind, problem.hint) == ("unreadable", "delete it, and record it again")
    assert not problem.message.startswith(("/", "c.yaml"))


# ---------------------------------------------------------------- use


def used(root: Path, name: str, which: list[int], total: int, *, complete: str = NOW) -> Usage:
    return Usage(root, complete, {"tests/test_a.py::test_a": {name: (which, total)}})


def test_unused_after_a_full_run_only(tmp_path: Path) -> None:
    path = written(tmp_path / "cassettes" / "c.yaml")
    assert check(path, usage=used(tmp_path, "cassettes/other.yaml", [0], 1, complete="")).problems == []
    problem = only(check(path, usage=used(tmp_path, "cassettes/other.yaml", [0], 1)))
    assert (problem.kind, problem.hint) == ("unused", f"delete it: rm {path}")
    report = check(path, usage=used(tmp_path, "cassettes/c.yaml", [0], 1))
    assert (report.problems, report.notes) == ([], [])


def test_partly_played(tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", *(recording(str(number)) for number in range(4)))
    usage = Usage(tmp_path, NOW, {"a": {"c.yaml": ([0], 4)}, "b": {"./c.yaml": ([2], 4)}})
    problem = only(check(path, usage=usage))
    assert (problem.kind, problem.message) == ("partly-played", "2 of 4 recordings are never played: number 2, 4")
    # A file that has another length now was recorded since: nothing is known of it.
    assert check(written(path, recording()), usage=usage).problems == []


def test_what_pytest_kept_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml")
    kept = tmp_path / ".pytest_cache" / "v" / "insights" / "cassettes"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"complete": NOW, "tests": {}}))
    assert only(check(path)).kind == "unused"


# ---------------------------------------------------------------- secrets


def foreign(path: Path, text: str = "answer", **headers: str) -> Path:
    """A file as another recorder leaves it."""
    item = {
        "request": {
            "method": "POST",
            "uri": "https://x.example/",
            "body": "{}",
            "headers": {n: [v] for n, v in headers.items()},
        },
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": text}},
    }
    path.write_text(json.dumps({"version": 1, "interactions": [item]}))  # JSON is YAML
    return path


def test_a_key_in_a_header_or_a_body(tmp_path: Path) -> None:
    problem = only(check(foreign(tmp_path / "a.yaml", Authorization="Bearer abcdefgh12345", Cookie="a=b")))
    assert (problem.kind, problem.message) == ("secret", "it has headers that say who asked: authorization, cookie")
    assert "revoke the key" in problem.hint
    problem = only(check(foreign(tmp_path / "b.yaml", f"your key {KEY} is wrong")))
    assert problem.message == "it has a key in it, or something in the shape of one"
    assert KEY not in str(problem)
    escaped = json.dumps({"message": "a key: -"}).replace("-", f"\\u0073{KEY[1:]}")
    assert json.loads(escaped)["message"].endswith(KEY)
    assert only(check(foreign(tmp_path / "c.yaml", escaped))).kind == "secret"


@pytest.mark.parametrize("value", ["**********", "REDACTED", "", "Bearer dummy", "<filtered>"])
def test_what_was_masked_is_fine(tmp_path: Path, value: str) -> None:
    assert check(foreign(tmp_path / "a.yaml", Authorization=value)).problems == []


def test_a_key_of_this_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = foreign(tmp_path / "a.yaml", "the word is swordfish-of-no-shape")
    assert check(path).problems == []
    monkeypatch.setenv("ACME_API_KEY", "swordfish-of-no-shape")
    assert only(check(path)).kind == "secret"


def test_for_scripts(tmp_path: Path) -> None:
    report = check(foreign(tmp_path / "a.yaml", KEY))
    assert json.loads(json.dumps(report.as_dict()))["problems"][0]["kind"] == "secret"


def test_the_time_is_now_by_default(tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", at(recording(), datetime.now(UTC).isoformat()))
    assert check_cassettes([path], older_than=0).problems == []
