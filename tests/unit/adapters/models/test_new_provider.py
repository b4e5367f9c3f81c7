"""A provider is one thin file, one row and one YAML: shown by adding one to a copy of the project, and nothing else."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.adapters.answers import COMPLETION, PROMPT, TEXT, OpenAIChat
from tests.unit.adapters.loopback import Loopback
from tests.unit.adapters.models.houses import ROOT

ADAPTER = '''"""Acme."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class AcmeAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "openai"
    native_params = ("anvil_weight",)
'''
FILE = """acme:
  api_base: "https://api.acme.test/v1"
  env_key: "ACME_API_KEY"
  timeout: 60
  models:
    roadrunner-1:
      context_window: 128000
      cost_input_per_1k: 0.0123
      cost_output_per_1k: 0.0456
      capabilities: [streaming, tools]
"""
CALL = """
import json, sys
import insights
base = sys.argv[1]
given = dict(cache=False, num_retries=0, api_base=base, api_key="acme-key-0123")
found = insights.completion("acme-roadrunner", "Hello", anvil_weight=7, **given)
named = insights.completion("acme/roadrunner-1", "Hello", **given)
print(json.dumps([found.text, found.provider, str(named.cost.total), insights.__file__]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project with Acme in it."""
    copy = tmp_path_factory.mktemp("project")
    skip = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("insights", "configs", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "insights/adapters/models/acme.py").write_text(ADAPTER)
    (copy / "configs/providers/acme.yaml").write_text(FILE)
    factory = copy / "insights/adapters/models/factory.py"
    source = factory.read_text()
    row, prefixes = '    ZAI = "zai"\n', "PROVIDER_PREFIXES: Final[dict[str, Provider]] = {\n"
    assert source.count(row) == source.count(prefixes) == 1
    source = source.replace(row, f'{row}    ACME = "acme"\n').replace(prefixes, f'{prefixes}    "acme-": Provider.ACME,\n')
    factory.write_text(source)
    yield copy
    shutil.rmtree(copy)


def _environment(project: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}


def _changed(comparison: filecmp.dircmp[str], below: str = "") -> set[str]:
    here = {below + name for name in (*comparison.diff_files, *comparison.left_only, *comparison.right_only)}
    for name, sub in comparison.subdirs.items():
        here |= _changed(sub, f"{below}{name}/")
    return here


def test_three_files_are_all_it_takes(project: Path) -> None:
    ignored = ["__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"]
    touched = {
        f"{top}/{name}"
        for top in ("insights", "configs")
        for name in _changed(filecmp.dircmp(ROOT / top, project / top, ignore=ignored))
    }
    assert touched == {
        "insights/adapters/models/acme.py",
        "insights/adapters/models/factory.py",
        "configs/providers/acme.yaml",
    }


def test_it_answers_and_has_a_price(project: Path, loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    done = subprocess.run(
        [sys.executable, "-c", CALL, loopback.url],
        capture_output=True,
        text=True,
        check=True,
        cwd=project,
        env=_environment(project),
        timeout=120,
    )
    text, provider, cost, where = json.loads(done.stdout)
    assert Path(where).is_relative_to(project)
    assert (text, provider) == (TEXT, "acme")
    assert Decimal(cost) == (Decimal("0.0123") * PROMPT + Decimal("0.0456") * COMPLETION) / 1000
    first, second = loopback.received
    assert (first.target, first.body["model"], first.body["anvil_weight"]) == ("/chat/completions", "acme-roadrunner", 7)
    assert second.body["model"] == "roadrunner-1"
    assert first.headers["authorization"] == "Bearer acme-key-0123"


def test_the_contract_runs_over_it_at_once(project: Path) -> None:
    """Acme's part of the contract test; the parts that are about all providers run too."""
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "tests/unit/adapters/models/test_contract.py", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("-k", "acme or same_set or missing_key or every_prefix", "--no-header", "-rN"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=project,
        env=_environment(project),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "34 passed" in done.stdout  # 31 of Acme's own, 3 about all providers
