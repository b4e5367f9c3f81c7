"""Packages of other kinds: litellm's own provider, another variable for the key, a name of two words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.adapters.answers import TEXT, OpenAIChat
from tests.unit.adapters.loopback import Loopback

from .installing import Package, made, ruff


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Initech's, whose wire is that of litellm's `together_ai`, with a token for a key."""
    words = {"litellm_prefix": "together_ai", "env_key": "INITECH_TOKEN", "model": "@cf/meta/model-1:free"}
    return made(tmp_path_factory.mktemp("made"), "initech_two", "--prefix", "initech-", "--prefix", "anvil", **words)


CALL = """
given = dict(cache=False, num_retries=0)
found = [insights.completion(name, "Hello", **given) for name in ("initech_two/@cf/meta/model-1:free", "anvil-7")]
from insights.adapters.models.factory import ModelFactory
adapter = ModelFactory.adapter_class("initech_two")
print(json.dumps([
    [[each.provider, each.text, str(each.cost.total) if each.cost else None] for each in found],
    [adapter.__name__, adapter.litellm_provider, adapter.provider_name, adapter.__mro__[1].__name__],
]))
"""


@pytest.mark.parametrize("variable", ["INITECH_TWO_API_KEY", "INITECH_TOKEN"])
def test_either_variable_has_the_key(package: Package, loopback: Loopback, tmp_path: Path, variable: str) -> None:
    loopback.says(OpenAIChat().text())
    (tmp_path / "initech_two.yaml").write_text(f'initech_two:\n  api_base: "{loopback.url}"\n')
    env = {"INSIGHTS_CONFIG_DIR": str(tmp_path), variable: "initech-key-0123456789", "TOGETHER_API_KEY": "canary"}
    found, adapter = package.tells(CALL, **env)
    assert found[0][:2] == ["initech_two", TEXT]
    assert Decimal(found[0][2]) == Decimal("0.0474")
    assert found[1] == ["initech_two", TEXT, None]
    assert adapter == ["Initech_twoAdapter", "together_ai", "initech_two", "LiteLLMChatModel"]
    assert [each.body["model"] for each in loopback.received] == ["@cf/meta/model-1:free", "anvil-7"]
    assert {each.headers["authorization"] for each in loopback.received} == {"Bearer initech-key-0123456789"}


def test_it_keeps_the_contract_and_its_own_tests_pass(package: Package) -> None:
    done = package.command("provider", "check", "initech_two", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}
    tested = package.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", ".", "tests")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_it_is_clean(package: Package) -> None:
    for words in (("check", "."), ("format", "--check", ".")):
        done = ruff(*words, cwd=package.folder)
        assert done.returncode == 0, done.stdout + done.stderr
