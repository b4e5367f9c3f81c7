"""A provider is what one command writes: shown by running it in a copy of the project, and then using what it wrote."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Run, run_python
from tests.unit.adapters.answers import COMPLETION, PROMPT, TEXT, OpenAIChat
from tests.unit.adapters.loopback import Loopback
from tests.unit.scaffold.project import arguments, changed, contents, copy_project, run_in

WRITTEN = {
    "insights/adapters/models/initech.py",
    "insights/adapters/models/factory.py",
    "configs/providers/initech.yaml",
    "configs/providers/fallback.yaml",
    "cassettes/initech/plain.yaml",
    "docs/providers.md",
}
KEY = "initech-key-0123456789"
# 0.0123 and 0.0456 USD per 1,000 tokens: 2000 x 0.0123 / 1000 + 500 x 0.0456 / 1000
COST = Decimal("0.0474")


@dataclass(frozen=True)
class Project:
    """The copy with Initech in it, what the command changed there, and what it printed."""

    root: Path
    changed: set[str]
    printed: set[str]

    def python(self, *words: str, **env: str) -> Run:
        """Runs Python in it."""
        return run_python(*words, cwd=self.root, env={"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1", **env})

    def tells(self, code: str, *words: str, **env: str) -> Any:
        """What a script prints as JSON; it has `insights`, and is the copy's."""
        head = "import json, sys\nimport insights\ndef tell(*found): print(json.dumps([insights.__file__, *found]))\n"
        done = self.python("-c", head + code, *words, **env)
        assert done.returncode == 0, done.stderr
        where, *found = json.loads(done.stdout)
        assert Path(where).is_relative_to(self.root)
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of the project with Initech in it."""
    root = copy_project(tmp_path_factory.mktemp("project"))
    before = contents(root)
    done = run_in(root, *arguments("initech", "--fallback", prefix="initech-"))
    assert done.returncode == 0, done.stderr
    printed = {Path(line).relative_to(root).as_posix() for line in done.stdout.splitlines()}
    yield Project(root, changed(before, contents(root)), printed)
    shutil.rmtree(root)


def test_only_what_the_command_names_has_changed(project: Project) -> None:
    assert project.changed == project.printed == WRITTEN
    [chain] = re.findall(r"^default: \[(.*)\]$", (project.root / "configs/providers/fallback.yaml").read_text(), re.MULTILINE)
    assert chain.split(", ")[-1] == "initech/model-1"


CALL = """
given = dict(cache=False, num_retries=0, fallbacks=[], api_base=sys.argv[1], api_key=sys.argv[2])
found = insights.completion("initech-roadrunner", "Hello", top_k=7, **given)
named = insights.completion("initech/model-1", "Hello", **given)
tell(found.text, found.provider, found.cost, named.text, named.provider, str(named.cost.total))
"""


def test_it_answers_and_has_a_price(project: Project, loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    found = project.tells(CALL, loopback.url, KEY)
    assert found == [TEXT, "initech", None, TEXT, "initech", str(COST)]
    assert PROMPT * Decimal("0.0123") + COMPLETION * Decimal("0.0456") == COST * 1000
    first, second = loopback.received
    assert (first.target, first.body["model"], first.body["top_k"]) == ("/chat/completions", "initech-roadrunner", 7)
    assert second.body["model"] == "model-1"
    assert {each.headers["authorization"] for each in (first, second)} == {f"Bearer {KEY}"}


FALLBACKS = """
mistral = dict(cache=False, num_retries=0, api_base=sys.argv[1] + "/mistral", api_key="mistral-key-0123")
there = {"model": "initech/model-1", "api_base": sys.argv[1] + "/initech", "api_key": sys.argv[2]}
found = [insights.completion("mistral/mistral-small-latest", "Hello", fallbacks=[there], **mistral)]
initech = {**there, "cache": False, "num_retries": 0}
back = {"model": "mistral/mistral-small-latest", "api_base": sys.argv[1] + "/second", "api_key": "mistral-key-0123"}
found.append(insights.completion(messages="Hello", fallbacks=[back], **{**initech, "api_base": sys.argv[1] + "/broken"}))
tell(*([each.provider, [one.decision for one in each.trace.attempts]] for each in found))
"""
BY_THE_SHIPPED_CHAIN = """
try:
    found = insights.completion("mistral/mistral-small-latest", "Hello", cache=False, num_retries=0)
    tell(found.provider, found.text, str(found.cost.total))
except Exception as error:
    tell(type(error).__name__)
"""


def test_fallbacks_to_it_and_from_it(project: Project, loopback: Loopback) -> None:
    chat = OpenAIChat()
    loopback.says(chat.error(500), chat.text(), chat.error(500), chat.text())
    to, back = project.tells(FALLBACKS, loopback.url, KEY)
    assert to == ["initech", ["next", "answer"]]
    assert back == ["mistral", ["next", "answer"]]
    targets = ["/mistral", "/initech", "/broken", "/second"]
    assert [each.target.removesuffix("/chat/completions") for each in loopback.received] == targets


@pytest.mark.parametrize("key_set", [True, False], ids=["its key is set", "its key isn't set"])
def test_the_shipped_chain_has_it_where_its_key_is_set(
    project: Project, loopback: Loopback, tmp_path: Path, key_set: bool
) -> None:
    for name in ("mistral", "initech"):
        (tmp_path / f"{name}.yaml").write_text(f'{name}:\n  api_base: "{loopback.url}/{name}"\n')
    # A host of one's own machine needs no key; one without any is seen to be left out.
    if not key_set:
        (tmp_path / "initech.yaml").unlink()
    loopback.says(OpenAIChat().error(500), OpenAIChat().text())
    env = {"INSIGHTS_CONFIG_DIR": str(tmp_path), "MISTRAL_API_KEY": "mistral-key-0123"}
    found = project.tells(BY_THE_SHIPPED_CHAIN, **env, **({"INITECH_API_KEY": KEY} if key_set else {}))
    if key_set:
        assert found == ["initech", TEXT, str(COST)]
        assert [each.target for each in loopback.received] == ["/mistral/chat/completions", "/initech/chat/completions"]
        assert loopback.received[1].headers["authorization"] == f"Bearer {KEY}"
    else:
        assert found == ["InternalServerError"]  # of the model that was asked, as if there were no chain
        assert len(loopback.received) == 1


REPLAYED = """
import tests.network_guard as guard
guard.install()
with insights.use_cassette("cassettes/initech/plain.yaml", mode="replay"):
    found = insights.completion("initech/model-1", "What is the capital of France?")
tell(found.text, found.provider, found.usage.prompt_tokens, found.usage.completion_tokens, str(found.cost.total), guard.refused)
"""


def test_its_cassette_replays_without_a_key(project: Project) -> None:
    text, provider, prompt, completion, cost, refused = project.tells(REPLAYED)
    assert (text, provider, refused) == ("The capital of France is Paris.", "initech", [])
    assert Decimal(cost) == (prompt * Decimal("0.0123") + completion * Decimal("0.0456")) / 1000 > 0
    cassette = (project.root / "cassettes/initech/plain.yaml").read_text()
    assert "uri: https://api.initech.example/v1/chat/completions" in cassette
    assert "test-key" not in cassette
    assert "127.0.0.1" not in cassette


def test_the_projects_own_tests_run_over_it_at_once(project: Project) -> None:
    """Initech's part of the contract, of the provider files, the cassettes and the simulator; and what is about all of them."""
    suites = ("unit/adapters/models/test_contract.py", "unit/test_configs.py", "test_cassettes.py", "simulator")
    words = "initech or same_set or missing_key or every_prefix or are_the_same or scenes_are or every_provider_has"
    done = project.python(
        *("-m", "pytest", *(f"tests/{suite}" for suite in suites), "tests/test_site.py", "-q", "-p", "no:cacheprovider"),
        *("-p", "no:xdist", "-k", f"{words} or shipped_chains or table_of_providers", "--no-header", "-rN"),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed >= 31 + 8  # Initech's own in the contract, and what is about all providers


def test_what_is_written_is_clean(project: Project) -> None:
    new = ("insights/adapters/models/initech.py", "insights/adapters/models/factory.py")
    ruff = Path(sys.executable).with_name("ruff")
    for words in (("check", "--no-cache"), ("format", "--check", "--no-cache")):
        done = run_python(
            "-c", f"import subprocess; raise SystemExit(subprocess.call({[str(ruff), *words, *new]!r}))", cwd=project.root
        )
        assert done.returncode == 0, done.stdout + done.stderr
    text = (project.root / "configs/providers/initech.yaml").read_text()
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 128
