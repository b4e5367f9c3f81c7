"""docs/testing-with-cassettes.md, followed to the letter by somebody with an empty folder.

Its project files are taken out of the page, recorded from the wire simulator by pytest in a process of its own, and replayed
without keys, without the simulator and without a network.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import is_sensitive
from tests.record_cassettes import real_base
from tests.simulator import Simulator

REPO = Path(__file__).parents[1]
GUIDE = REPO / "docs" / "testing-with-cassettes.md"
KEYS = {f"{name}_API_KEY": f"key-of-{name.lower()}-5d1f0a" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}
FILES = {
    "anthropic/test_every_provider[anthropic-claude-haiku-4-5].yaml",
    "anthropic/test_stream.yaml",
    "gemini/test_every_provider[gemini-gemini-2.5-flash].yaml",
    "gemini/test_tools.yaml",
    "openai/test_async.yaml",
    "openai/test_capital.yaml",
    "openai/test_every_provider[openai-gpt-4o-mini].yaml",
    "openai/test_one_bad_minute.yaml",
    "openai/test_our_fallback.yaml",
    "openai/test_schema.yaml",
}
TESTS = 11

# What the page's reader has and we haven't: the providers. The simulator stands in for them.
STAND_IN = """
import pytest

@pytest.fixture
def insights_cassette_config():
    return {{"hosts": {hosts!r}, "recorded_from": {{"what": "the wire simulator"}}}}
"""
# What the reader's CI has: no way out. Refused in every process, workers too, and told at the end.
NO_NETWORK = """
import sys
sys.path.append({repo!r})
import tests.network_guard
sys.path.remove({repo!r})
tests.network_guard.install()
"""


def page_files(text: str) -> dict[str, str]:
    """The project files of the page: Python blocks that begin with a file's name."""
    return dict(re.findall(r"^```python no-run\n# ([\w/]+\.py)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@dataclass
class Reader:
    """A folder with the page's files in it, and the ways the page runs them."""

    folder: Path
    outside: Path

    def stands_in(self, simulator: Simulator) -> None:
        """Makes the simulator the providers."""
        names = [name.partition("_")[0].lower() for name in KEYS]
        for name in names:
            (self.outside / "providers" / f"{name}.yaml").write_text(f'{name}:\n  api_base: "{simulator.base(name)}"\n')
        hosts = {simulator.base(name): real_base(name) for name in names}
        (self.folder / "conftest.py").write_text(STAND_IN.format(hosts=hosts))

    def run(self, command: str, env: Mapping[str, str], *, alone: bool = False) -> tuple[int, str]:
        """Runs a command of the page, and gives what it ended with and what it printed."""
        words = shlex.split(command)
        words = words[2:] if words[:2] == ["python", "-m"] else words
        kept = {name: value for name, value in os.environ.items() if not is_sensitive(name)}
        for name in ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONPATH"):
            kept.pop(name, None)
        done = subprocess.run(
            [*(["unshare", "-rn"] if alone else []), sys.executable, "-m", *words],
            cwd=self.folder,
            env={**kept, "COLUMNS": "200", "INSIGHTS_CACHE_DIR": str(self.outside / "cache"), **env},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def record(self, command: str) -> str:
        """Runs a command with keys and with the providers' stand-in; it must succeed."""
        code, text = self.run(command, {**KEYS, "INSIGHTS_CONFIG_DIR": str(self.outside)})
        assert code == 0, text
        return text

    def replay(self, command: str, *, ci: str = "true", alone: bool = False) -> tuple[int, str]:
        """Runs a command as CI would: without anything, and without a network."""
        return self.run(command, {"PYTHONPATH": str(self.outside / "guard"), "CI": ci}, alone=alone)

    def cassettes(self) -> dict[str, bytes]:
        """What is recorded."""
        folder = self.folder / "cassettes"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has copied the page's files."""
    found = Reader(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("outside"))
    for folder in ("providers", "guard"):
        (found.outside / folder).mkdir()
    (found.outside / "guard" / "sitecustomize.py").write_text(NO_NETWORK.format(repo=str(REPO)))
    # pytest-asyncio warns where it is installed and not told, which has nothing to do with the page.
    (found.folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    for name, text in page_files(GUIDE.read_text(encoding="utf-8")).items():
        path = found.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return found


@pytest.fixture(scope="module")
def recorded(reader: Reader) -> Reader:
    """The page up to its first recording."""
    with Simulator() as simulator:
        reader.stands_in(simulator)
        assert f"{TESTS} passed" in reader.record("python -m pytest --record-mode=once")
    (reader.folder / "conftest.py").unlink()
    return reader


@pytest.fixture
def prompts(recorded: Reader) -> Iterator[Path]:
    """The file with a prompt, which a test may change."""
    path = recorded.folder / "answers.py"
    before, cassettes = path.read_text(), recorded.cassettes()
    yield path
    path.write_text(before)
    for name, content in cassettes.items():
        (recorded.folder / "cassettes" / name).write_bytes(content)


def test_the_page_has_a_project() -> None:
    assert list(page_files(GUIDE.read_text(encoding="utf-8"))) == ["answers.py", "tests/test_answers.py", "tests/test_more.py"]


def test_files_are_where_the_page_says_and_have_no_key(recorded: Reader) -> None:
    assert set(recorded.cassettes()) == FILES
    for name, content in recorded.cassettes().items():
        assert not [key for key in KEYS.values() if key.encode() in content], name
        assert b"127.0.0.1" not in content, name
    for path in recorded.folder.rglob("*"):
        assert not path.is_file() or b"key-of-" not in path.read_bytes(), path
    [shown] = re.findall(r"^```yaml\n(interactions:.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert shown in recorded.cassettes()["openai/test_capital.yaml"].decode()


@pytest.mark.parametrize("more", ["--strict-markers -W error --random-order --random-order-seed=1", "-n 2"])
def test_replayed_without_anything(recorded: Reader, more: str) -> None:
    code, text = recorded.replay(f"python -m pytest {more}")
    assert code == 0, text
    assert f"{TESTS} passed" in text
    assert set(recorded.cassettes()) == FILES


def test_the_guard_would_refuse(recorded: Reader, tmp_path: Path) -> None:
    path = tmp_path / "test_out.py"
    path.write_text("import socket\n\ndef test_out():\n    socket.getaddrinfo('example.invalid', 80)\n")
    code, text = recorded.replay(f"python -m pytest {path} -p no:cacheprovider")
    assert code == 1
    assert "NetworkRefused" in text


def test_replayed_where_there_is_no_network_at_all(recorded: Reader) -> None:
    code, text = recorded.replay("python -m pytest --random-order --random-order-seed=2", alone=can_be_alone())
    assert code == 0, text
    assert f"{TESTS} passed" in text


def can_be_alone() -> bool:
    """Whether this machine lets a process have a network namespace of its own, in which not even loopback is up."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


def test_a_changed_prompt(recorded: Reader, prompts: Path) -> None:
    page = GUIDE.read_text(encoding="utf-8")
    [message] = re.findall(r"^```text\n(CassetteMissingError.*?)^```$", page, re.MULTILINE | re.DOTALL)
    prompts.write_text(prompts.read_text().replace("capital of {country}?", "capital of '{country}'?"))
    code, text = recorded.replay("python -m pytest", ci="")
    assert code == 1
    assert f"1 failed, {TESTS - 1} passed" in text
    printed = textwrap.dedent("\n".join(line[1:] for line in text.splitlines() if line.startswith("E  ")))
    assert printed == f"insights.core.errors.{message}".rstrip(), text

    [command] = re.findall(r"-> record it: (.*?) {2,}\(with OPENAI_API_KEY set\)", message)
    before = recorded.cassettes()
    with Simulator() as simulator:
        recorded.stands_in(simulator)
        recorded.record(command)
        assert len(simulator.received) == 1
    (recorded.folder / "conftest.py").unlink()
    after = recorded.cassettes()
    assert [name for name in before if before[name] != after[name]] == ["openai/test_capital.yaml"]
    assert b"capital of 'France'?" in after["openai/test_capital.yaml"]
    assert recorded.replay("python -m pytest tests/test_answers.py")[0] == 0


def test_the_other_modes(recorded: Reader, prompts: Path) -> None:
    before = recorded.cassettes()
    new = recorded.folder / "tests" / "test_new.py"
    new.write_text("from answers import capital\n\n\ndef test_new(insights_cassette):\n    assert capital('France')\n")
    try:
        with Simulator() as simulator:
            recorded.stands_in(simulator)
            recorded.record("python -m pytest tests/test_new.py --record-mode=new_episodes")
            assert len(simulator.received) == 1
            assert recorded.cassettes() == {**before, "openai/test_new.yaml": recorded.cassettes()["openai/test_new.yaml"]}
            recorded.record("python -m pytest tests/test_answers.py tests/test_new.py --record-mode=rewrite")
            assert len(simulator.received) == 3
        (recorded.folder / "conftest.py").unlink()
        assert set(recorded.cassettes()) == {*before, "openai/test_new.yaml"}
    finally:
        new.unlink()
        (recorded.folder / "cassettes" / "openai" / "test_new.yaml").unlink(missing_ok=True)


def test_the_page_runs_what_it_shows_for_ci() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    [workflow] = re.findall(r"^```yaml\n(# \.github.*?)^```$", page, re.MULTILINE | re.DOTALL)
    steps = yaml.safe_load(workflow)["jobs"]["tests"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["pip install 'insights-llm[pytest]'", "python -m pytest"]
    assert "secrets" not in workflow
