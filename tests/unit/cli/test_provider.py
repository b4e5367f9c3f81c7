"""`insights provider`: what it asks in a terminal, a file of one's own, and the list of providers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from insights.adapters.models.factory import Provider
from insights.cli.app import app
from tests.unit.scaffold.project import arguments, snapshot

from .shell import KEY, Terminal, insights

run = CliRunner().invoke


# ---------------------------------------------------------------- in a terminal


def test_what_is_not_given_is_asked_for(tmp_path: Path) -> None:
    with Terminal("provider", "add", "--out-of-tree", cwd=tmp_path) as talk:
        talk.expect("Provider's name, e.g. acme: ")
        talk.type("openai\n")
        talk.expect("there is a provider 'openai' already")
        talk.expect("Provider's name, e.g. acme: ")
        talk.type("initech\n")
        talk.expect("Base URL, up to /v1: ")
        talk.type("http://api.initech.example\n")
        talk.expect("is plain http to api.initech.example")
        talk.expect("use https")
        talk.expect("Base URL, up to /v1: ")
        talk.type("https://api.initech.example/v1/\n")
        talk.expect("Environment variable of the key [INITECH_API_KEY]: ")
        talk.type("OPENAI_API_KEY\n")
        talk.expect("holds the key of openai")
        talk.expect("[INITECH_API_KEY]: ")
        talk.type("\n")
        talk.expect("A model, by the provider's own name: ")
        talk.type("model-1\n")
        talk.expect("in tokens: ")
        talk.type("128k\n")
        talk.expect("e.g. 128000")
        talk.expect("in tokens: ")
        talk.type("128000\n")
        talk.expect("USD per 1,000 input tokens: ")
        assert list(tmp_path.iterdir()) == []
        talk.type("2.5\n")
        talk.expect("per million it would be 0.0025")
        talk.expect("USD per 1,000 input tokens: ")
        talk.type("0.0025\n")
        talk.expect("USD per 1,000 output tokens: ")
        talk.type("0.01\n")
        talk.expect("insights provider check initech")
        assert talk.end() == 0
    file = (tmp_path / "insights-initech/src/insights_initech/initech.yaml").read_text()
    for line in (
        'api_base: "https://api.initech.example/v1"\n',
        'env_key: "INITECH_API_KEY"\n',
        "context_window: 128000\n",
        "cost_input_per_1k: 0.0025\n",
        "cost_output_per_1k: 0.01\n",
    ):
        assert line in file


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    with Terminal(*arguments("initech", "--out-of-tree", model=None), cwd=tmp_path) as talk:
        talk.expect("A model, by the provider's own name: ")
        assert talk.seen.count(": ") == 1
        talk.type("model-1\n")
        talk.expect("next:")
        assert talk.end() == 0


@pytest.mark.parametrize("end", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_stopped_in_the_middle_nothing_is_written(end: str, tmp_path: Path) -> None:
    with Terminal(*arguments("initech", "--out-of-tree", context=None), cwd=tmp_path) as talk:
        talk.expect("in tokens: ")
        if end == "\x03":
            talk.interrupt("Aborted!")
        else:
            talk.type(end)
        assert talk.end() in (1, 130)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_ends_it_before_anything_is_asked(tmp_path: Path) -> None:
    """An answer can be given again; an option can't."""
    with Terminal(*arguments("initech", "--out-of-tree", api_base="initech", model=None), cwd=tmp_path) as talk:
        talk.expect("error: --api-base: must be a full URL")
        assert talk.end() == 2
        assert "A model" not in talk.seen


def test_asked_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("insights.cli.provider.is_terminal", lambda stream: True)
    words = [
        "provider",
        "add",
        "--out-of-tree",
        "--api-base",
        "https://api.initech.example",
        "--model",
        "m",
        "--context",
        "8000",
    ]
    done = run(app, [*words, "--input-per-1k", "0", "--output-per-1k", "0"], input="Initech\ninitech\n\n")
    assert done.exit_code == 0, done.output
    assert "can't be a provider's name" in done.output
    assert (tmp_path / "insights-initech" / "pyproject.toml").is_file()


# ---------------------------------------------------------------- a file of one's own


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own directory."""
    directory = tmp_path / "own-config"
    directory.mkdir()
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(directory))
    monkeypatch.chdir(tmp_path)
    return directory


@pytest.mark.parametrize("name", ["initech", "my-host", "class"])
def test_a_file_is_written_and_works(name: str, own: Path) -> None:
    words = arguments(name, "--yaml-only", prefix="initech-", env_key="INITECH_TOKEN", api_base="http://localhost:8000/v1/")
    dry = run(app, [*words, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert list(own.iterdir()) == []
    done = run(app, words)
    assert done.exit_code == 0, done.output
    path = own / "providers" / f"{name}.yaml"
    assert done.stdout == f"{path}\n"
    text = path.read_text()
    assert [line[1:] for line in dry.stdout.splitlines() if line.startswith("+") and line[1] != "+"] == text.splitlines()
    assert 'api_base: "http://localhost:8000/v1"\n' in text
    assert "prefixes: [initech-]\n" in text
    row = json.loads(run(app, ["provider", "show", name, "--json"]).stdout)
    assert (row["from"], row["files"], row["models"], row["prefixes"]) == ("file", [str(path)], ["model-1"], ["initech-"])
    checked = run(app, ["provider", "check", name, "--offline"])
    assert checked.exit_code == 0, checked.output
    assert {line.split()[0] for line in checked.stdout.splitlines()} == {"ok"}
    before = snapshot(own)
    again = run(app, words)
    assert again.exit_code == 2
    assert f"there is a provider '{name}' already" in again.stderr
    assert snapshot(own) == before


@pytest.mark.parametrize("model", ["null", "true", "no", "1e3", "2024-01-01", "a/b:c", "@cf/x", "~", "on", "0x1f", "nan"])
def test_every_name_of_a_model_is_a_text(model: str, own: Path) -> None:
    done = run(app, arguments("initech", "--yaml-only", model=model))
    assert done.exit_code == 0, done.output
    shown = run(app, ["provider", "show", "initech", "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["models"] == [model]


def test_a_file_that_is_there_is_left_alone(own: Path) -> None:
    (own / "providers" / "initech.yaml").mkdir(parents=True)
    before = snapshot(own)
    done = run(app, arguments("initech", "--yaml-only"))
    assert done.exit_code == 2, done.output
    assert snapshot(own) == before


def test_the_directory_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path / "nowhere"))
    done = run(app, arguments("initech", "--yaml-only"))
    assert done.exit_code == 2, done.output
    assert "nowhere" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_litellms_name_takes_a_package(own: Path) -> None:
    done = run(app, arguments("initech", "--yaml-only", litellm_prefix="together_ai"))
    assert done.exit_code == 2
    assert "a file alone is for hosts with OpenAI's API" in done.stderr
    assert list(own.iterdir()) == []


# ---------------------------------------------------------------- list and show


def listed(**env: str) -> list[dict[str, Any]]:
    done = insights("provider", "list", "--json", **env)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_the_list_has_every_provider(online: dict[str, str]) -> None:
    folder = Path(online["INSIGHTS_CONFIG_DIR"])
    (folder / "providers").mkdir()
    (folder / "providers" / "vllm.yaml").write_text('vllm:\n  api_base: "http://localhost:8000/v1"\n  key_required: false\n')
    rows = {row["provider"]: row for row in listed(**online)}
    assert [*rows] == [*Provider, "vllm"]
    assert {row["from"] for name, row in rows.items() if name != "vllm"} == {"shipped"}
    assert rows["openai"]["key"] == "OPENAI_API_KEY (set)"
    assert rows["openai"]["files"] == [str(folder / "openai.yaml")]
    assert rows["openai"]["api_base"].startswith("http://127.0.0.1")
    assert rows["mistral"]["key"] == "MISTRAL_API_KEY (not set)"
    assert rows["mistral"]["files"] == []
    assert rows["vllm"]["key"] == "VLLM_API_KEY (none needed)"
    assert (rows["vllm"]["from"], rows["vllm"]["models"], rows["vllm"]["prefixes"]) == ("file", [], [])
    text = insights("provider", "list", **online).stdout
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert {*rows} <= {*lines}
    assert lines["openai"].split()[-1] == str(len(rows["openai"]["models"]))
    assert KEY not in text


def test_one_is_shown(online: dict[str, str]) -> None:
    row = json.loads(insights("provider", "show", "zai", "--json", **online).stdout)
    assert (row["provider"], row["prefixes"], row["api_base"]) == ("zai", ["glm"], "https://api.z.ai/api/paas/v4")
    text = insights("provider", "show", "zai", **online).stdout
    for key, value in row.items():
        assert f"{key}: {', '.join(value) if isinstance(value, list) else value}" in text
    assert "OPENAI_API_KEY (set)" in insights("provider", "show", "openai", **online).stdout


@pytest.mark.parametrize("words", [("show", "opnai"), ("check", "opnai"), ("show", "../openai"), ("check", "fallback")])
def test_an_unknown_name(words: tuple[str, ...]) -> None:
    for more in ((), ("--json",) if words[0] == "show" else ("--offline",)):
        done = run(app, ["provider", *words, *more])
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.startswith(f"error: there is no provider '{words[1]}'\n  -> ")
        assert "openai" in done.stderr


def test_a_broken_file_is_one_line(own: Path) -> None:
    (own / "openai.yaml").write_text("openai:\n  timeot: 3\n")
    for words in (["list"], ["list", "--json"], ["show", "openai"], ["check", "openai", "--offline"]):
        done = run(app, ["provider", *words])
        assert done.exit_code == 2, words
        assert isinstance(done.exception, SystemExit)
        assert "openai.yaml:2" in done.stderr
        assert done.stdout == ""
