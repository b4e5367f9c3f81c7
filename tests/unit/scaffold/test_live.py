"""The real calls of `insights provider check`: one for each capability, recorded without the key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import insights
from insights.cli.app import app
from tests.loopback import Received
from tests.unit.adapters.answers import OpenAIChat
from tests.unit.adapters.loopback import Answer, Loopback

KEY = "initech-key-0123456789"
FILE = """\
initech:
  api_base: "{url}/v1"
  models:
    model-1:
      context_window: 8000
      cost_input_per_1k: 0.0123
      cost_output_per_1k: 0.0456
      capabilities: [{can}]
    model-2: {{capabilities: [streaming]}}
"""
CHAT = OpenAIChat()


def host(request: Received) -> Answer:
    """A host that can do everything; what it is asked in is what it answers in."""
    if request.body.get("tools"):
        return CHAT.tool()
    if request.body.get("response_format"):
        return CHAT.whole({"content": '{"city": "Tokyo", "country": "Japan"}'}, "stop")
    return CHAT.stream() if request.body.get("stream") else CHAT.text()


@pytest.fixture
def initech(tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, forgotten: None) -> Path:
    """Its file, and the key in its variable; the host is the server."""
    path = tmp_path / "config" / "providers" / "initech.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(FILE.format(url=loopback.url, can="streaming, tools, json_schema, vision"))
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("INSIGHTS_NUM_RETRIES", "0")
    monkeypatch.setenv("INITECH_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    loopback.says(host)
    return path


def check(*more: str) -> tuple[int, list[str], str]:
    """The exit code, the lines of the real calls, and stderr."""
    done = CliRunner().invoke(app, ["provider", "check", "initech", "--cassettes", "tapes", *more])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert KEY not in done.output
    lines = done.stdout.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.split()[1] in ("plain:", "streaming:", "tools:")), len(lines))
    assert [line for line in lines[:begin] if not line.startswith("ok ")] == []
    return done.exit_code, lines[begin:], done.stderr


def test_one_call_a_capability_is_recorded(initech: Path, loopback: Loopback, tmp_path: Path) -> None:
    code, lines, _ = check()
    assert code == 0
    assert [line.split()[1] for line in lines] == ["plain:", "streaming:", "tools:", "json_schema:"]
    assert all(line.startswith("ok ") for line in lines)
    assert len(loopback.received) == 4
    # 2000 x 0.0123 / 1000 + 500 x 0.0456 / 1000
    assert all("$0.0474" in line for line in lines)
    assert {each.headers["authorization"] for each in loopback.received} == {f"Bearer {KEY}"}
    files = sorted((tmp_path / "tapes" / "initech").iterdir())
    assert [path.name for path in files] == [f"live_{name}.yaml" for name in ("json_schema", "plain", "streaming", "tools")]
    for path in files:
        assert KEY not in path.read_text()
        said = yaml.safe_load(path.read_text())["recorded_from"]
        assert "the live API of initech" in said["what"]
        assert said["command"] == "insights provider check initech"


def test_what_is_recorded_replays_without_a_key(initech: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    check()
    monkeypatch.delenv("INITECH_API_KEY")
    monkeypatch.setenv("CI", "true")
    sent = len(loopback.received)
    with insights.use_cassette("tapes/initech/live_plain.yaml"):
        found = insights.completion("initech/model-1", "What is the capital of France? One word.", max_tokens=256, cache=False)
    assert found.text == "Hello there"
    assert found.cost is not None
    assert found.cost.total == Decimal("0.0474")
    with insights.use_cassette("tapes/initech/live_streaming.yaml"):
        stream = insights.completion("initech/model-1", "Count from one to five.", max_tokens=256, stream=True, cache=False)
        assert "".join(chunk.text for chunk in stream) == "Hello there"
    assert len(loopback.received) == sent


def test_a_second_run_records_anew(initech: Path, tmp_path: Path, loopback: Loopback) -> None:
    check()
    before = (tmp_path / "tapes/initech/live_plain.yaml").read_text()
    loopback.says(lambda asked: CHAT.whole({"content": "Other words"}, "stop") if not asked.body.get("stream") else host(asked))
    check()
    after = (tmp_path / "tapes/initech/live_plain.yaml").read_text()
    assert "Hello there" in before
    assert "Other words" in after
    assert "Hello there" not in after


def test_another_model_and_fewer_capabilities(initech: Path, loopback: Loopback) -> None:
    code, lines, _ = check("-m", "model-2")
    assert code == 0
    assert [line.split()[1] for line in lines] == ["plain:", "streaming:"]
    assert {each.body["model"] for each in loopback.received} == {"model-2"}
    assert all("unknown cost" in line for line in lines)


@pytest.mark.parametrize(("status", "why"), [(401, "the provider says no"), (500, "the provider says no")])
def test_a_host_that_refuses_is_a_problem(initech: Path, loopback: Loopback, tmp_path: Path, status: int, why: str) -> None:
    loopback.says(CHAT.error(status))
    code, lines, _ = check()
    assert code == 1
    problems = [line for line in lines if line.startswith("problem  ")]
    assert [line.split()[1] for line in problems] == ["plain:", "streaming:", "tools:", "json_schema:"]
    assert all(why in line for line in problems)
    assert len(loopback.received) == 4


def test_a_refusal_is_not_left_lying_as_a_recording(initech: Path, loopback: Loopback, tmp_path: Path) -> None:
    check()
    before = {path: path.read_bytes() for path in (tmp_path / "tapes").rglob("*.yaml")}
    loopback.says(CHAT.error(500))
    assert check()[0] == 1
    assert {path: path.read_bytes() for path in (tmp_path / "tapes").rglob("*.yaml")} == before


def test_no_tool_called_is_a_problem(initech: Path, loopback: Loopback) -> None:
    loopback.says(lambda asked: CHAT.text() if asked.body.get("tools") else host(asked))
    code, lines, _ = check()
    assert code == 1
    assert [line for line in lines if line.startswith("problem")] == [
        "problem  tools: it answered in words, and called no tool"
    ]


def test_offline_makes_none(initech: Path, loopback: Loopback, tmp_path: Path) -> None:
    code, lines, _ = check("--offline")
    assert (code, lines) == (0, [])
    assert loopback.received == []
    assert not (tmp_path / "tapes").exists()


def test_in_ci_it_is_said_that_nothing_is_recorded(
    initech: Path, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that makes no call, or calls that aren't recorded, must not look like one that made them."""
    monkeypatch.setenv("CI", "true")
    code, lines, said = check()
    assert "CI" in "\n".join([*lines, said])
    assert not (tmp_path / "tapes").exists()
    assert code in (0, 1)
    assert loopback.received == []


def test_nothing_listens(initech: Path, loopback: Loopback) -> None:
    initech.write_text(FILE.format(url="http://127.0.0.1:9", can="streaming"))
    code, lines, _ = check()
    assert code == 1
    assert [line.split(":")[0] for line in lines if line.startswith("problem")] == ["problem  plain", "problem  streaming"]
