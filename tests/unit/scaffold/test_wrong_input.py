"""What `insights provider add` refuses: exit code 2, one line and a hint, and nothing is written anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from insights.catalog.loader import Catalog
from insights.cli.app import app
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.scaffold.asked import check_variable

from .project import arguments, copy_project, refused_in, run_in, snapshot

# What is given -> what the line says, and the hint.
NAMES = {
    "openai": ("there is a provider 'openai' already", "insights provider show openai"),
    "together_ai": ("'together_ai' is another name of together", "choose another"),
    "fallback": ("fallback.yaml is something else", "choose another"),
    "aliases": ("aliases.yaml is something else", "choose another"),
    "Initech": ("'Initech' can't be a provider's name", "small letters"),
    "my-host": ("'my-host' can't be a module's name", "write my_host"),
    "class": ("'class' can't be a module's name", ""),
    "wire": ("models/wire.py: exists already", ""),
    "__init__": ("can't be a provider's name", ""),
    "../initech": ("can't be a provider's name", ""),
    "1initech": ("can't be a provider's name", "a letter first"),
    "initech ": ("can't be a provider's name", ""),
    "": ("can't be a provider's name", ""),
    "a" * 41: ("can't be a provider's name", ""),
}
OPTIONS = [
    ("api_base", "initech", "must be a full URL, got 'initech'", "e.g. https://"),
    ("api_base", "api.initech.example/v1", "must be a full URL", "e.g. https://"),
    ("api_base", "ftp://api.initech.example", "must be a full URL", "e.g. https://"),
    ("api_base", "https://[initech/v1", "is no URL", "e.g. https://"),
    ("api_base", "http://api.initech.example/v1", "is plain http to api.initech.example", "use https"),
    ("api_base", "https://me:sesame@api.initech.example/v1", "carries a user name or password", ""),
    ("api_base", "https://api.initech.example/v1?key=1", "has a query", "up to its path"),
    ("api_base", "https://169.254.169.254/v1", "is a link-local address", ""),
    ("api_base", "https://api.openai.com/v1", "api.openai.com is a host of openai", "openai/MODEL"),
    ("api_base", "https://API.OpenAI.com/other", "api.openai.com is a host of openai", "openai/MODEL"),
    (
        "api_base",
        "https://api.initech.example/v1/chat/completions",
        "which insights adds",
        "give https://api.initech.example/v1",
    ),
    (
        "api_base",
        "https://api.initech.example/v1/chat/completions/",
        "which insights adds",
        "give https://api.initech.example/v1",
    ),
    ("env_key", "openai key", "is no name for a key's variable", "e.g. INITECH_API_KEY"),
    ("env_key", "AWS_SECRET_ACCESS_KEY", "is for credentials of AWS, which go nowhere else", "e.g. INITECH_API_KEY"),
    ("env_key", "GITHUB_TOKEN", "is for credentials of GITHUB, which go nowhere else", "e.g. INITECH_API_KEY"),
    ("env_key", "MY_HOME", "is no variable for a key, by its name", "e.g. INITECH_API_KEY"),
    ("api_base", 'https://api.initech.example/v1"q', "must be a full URL", "e.g. https"),
    ("api_base", "https://api.initech.example/v1\\x", "must be a full URL", "e.g. https"),
    ("api_base", "https://API.OPENAI.COM./v1", "is a host of openai", "a model of openai"),
    ("api_base", "https://somebody.openai.azure.com/v1", "is a host of azure", "a model of azure"),
    ("model", "/x", "is no name of a model", ""),
    ("model", "..", "is no name of a model", ""),
    ("litellm_prefix", "anthropic", "the wire of litellm's 'anthropic' isn't OpenAI's", "by hand"),
    ("input_per_1k", "-0", "a price can't be negative", "written out"),
    ("context", "1__000", "expected a whole number", "tokens"),
    ("env_key", "initech_api_key", "is no name for a key's variable", "e.g. INITECH_API_KEY"),
    ("env_key", "PATH", "is no name for a key's variable", "e.g. INITECH_API_KEY"),
    ("env_key", "sk-0123456789", "is no name for a key's variable", "e.g. INITECH_API_KEY"),
    ("env_key", "OPENAI_API_KEY", "OPENAI_API_KEY holds the key of openai", "e.g. INITECH_API_KEY"),
    ("env_key", "GOOGLE_API_KEY", "GOOGLE_API_KEY holds the key of gemini", "e.g. INITECH_API_KEY"),
    ("model", "model 1", "'model 1' is no name of a model", "without spaces"),
    ("model", 'model"1', "is no name of a model", "without spaces and quotes"),
    ("model", "model\n1", "is no name of a model", ""),
    ("model", "", "is no name of a model", ""),
    ("context", "0", "context", "tokens, e.g. 128000"),
    ("context", "-1", "context", "tokens, e.g. 128000"),
    ("context", "1.5", "context", "tokens, e.g. 128000"),
    ("context", "12", "12 tokens is no context window", "tokens, e.g. 128000"),
    ("context", "128k", "context", "tokens, e.g. 128000"),
    ("context", "128,000", "context", "tokens, e.g. 128000"),
    ("context", "1000000000", "is no context window", "tokens, e.g. 128000"),
    ("input_per_1k", "-0.1", "--input-per-1k", "written out, e.g. 0.0005"),
    ("input_per_1k", "1e-6", "--input-per-1k", "written out, e.g. 0.0005"),
    ("input_per_1k", "free", "--input-per-1k", "written out, e.g. 0.0005"),
    ("input_per_1k", "2.5", "2.5 USD per 1,000 tokens is dearer than any model", "per million it would be 0.0025"),
    ("input_per_1k", "$0.01", "--input-per-1k", "written out"),
    ("input_per_1k", "0,01", "--input-per-1k", "written out"),
    ("input_per_1k", "nan", "--input-per-1k", "written out"),
    ("output_per_1k", "inf", "--output-per-1k", "written out"),
    ("output_per_1k", "", "--output-per-1k", "written out"),
    ("output_per_1k", "10", "10 USD per 1,000 tokens is dearer than any model", "per million it would be 0.01"),
    ("prefix", "glm", "'glm' leads to zai", "choose another"),
    ("prefix", "gp", "'gp' is the beginning of 'gpt-', which leads to openai", "choose a longer one"),
    ("prefix", "llama", "'llama' would take llama", "choose another"),
    ("prefix", "initech/", "--prefix", "e.g. acme-"),
    ("prefix", "Initech-", "--prefix", "e.g. acme-"),
    ("prefix", "a", "--prefix", "e.g. acme-"),
    ("prefix", "", "--prefix", "e.g. acme-"),
    ("litellm_prefix", "together-ai", "litellm has no provider 'together-ai'", "did you mean together_ai?"),
    ("litellm_prefix", "zzzzzzzz", "litellm has no provider", "leave it out"),
    ("capability", "toools", "--capability", ""),
    ("source", 'the "page"', "--source", "e.g. https://"),
    ("source", "two\nlines", "--source", "e.g. https://"),
]
COMBINATIONS = {
    "two ways": (arguments("initech", "--out-of-tree", "--yaml-only"), "--out-of-tree and --yaml-only are two ways"),
    "no package": (arguments("initech", "--into", "here"), "--into says where a package goes"),
    "a stand-in": (arguments("initech", "--yaml-only", "--fallback"), "--fallback: --yaml-only writes no other file"),
    "no directory": (arguments("initech", "--yaml-only"), "no directory for it is named"),
    "nothing": (
        ["provider", "add"],
        "missing: NAME, --api-base, --env-key, --model, --context, --input-per-1k, --output-per-1k",
    ),
    "no model": (arguments("initech", model=None), "missing: --model"),
    "no name": (arguments(None), "missing: NAME"),
}


def refused(words: list[str], *places: Path) -> str:
    """What the command says on stderr, after it is seen to say no more than an error and its hint, and to write nothing."""
    before = [snapshot(place) for place in places]
    said = refused_in(CliRunner().invoke(app, words))
    assert "sesame" not in said
    assert [snapshot(place) for place in places] == before
    return said


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str, checkout: Path, tmp_path: Path) -> None:
    said = refused(arguments(name), checkout, tmp_path)
    for words in NAMES[name]:
        assert words in said


@pytest.mark.parametrize(("option", "value", "line", "hint"), OPTIONS, ids=[f"{row[0]} {row[1]!r}" for row in OPTIONS])
def test_options(option: str, value: str, line: str, hint: str, checkout: Path, tmp_path: Path) -> None:
    said = refused(arguments("initech", **{option: value}), checkout, tmp_path)
    first, _, rest = said.partition("\n")
    assert line in first
    assert hint in rest
    assert refused(arguments("initech", "--out-of-tree", **{option: value}), tmp_path) == said


@pytest.mark.parametrize("case", COMBINATIONS)
def test_combinations(case: str, checkout: Path, tmp_path: Path) -> None:
    words, line = COMBINATIONS[case]
    assert line in refused(words, checkout, tmp_path)


@pytest.mark.parametrize("prefix", ["gpt-initech-", "claude-initech"])
def test_a_prefix_below_a_shipped_one_is_for_shipped_providers_only(prefix: str, checkout: Path, tmp_path: Path) -> None:
    """The longest of the shipped ones wins; those of others come after all of them."""
    said = refused(arguments("initech", "--out-of-tree", prefix=prefix), checkout, tmp_path)
    assert f"'{prefix}' begins with" in said


def test_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    """In a copy, by the copy's own command; and without a terminal nothing is asked."""
    copy = copy_project(tmp_path / "copy")
    before = snapshot(tmp_path)
    for words, line in (
        (arguments("openai"), "error: NAME: there is a provider 'openai' already"),
        (arguments("initech", input_per_1k="2.5"), "error: --input-per-1k: 2.5 USD per 1,000 tokens is dearer than any model"),
        (arguments("initech", context=None), "error: missing: --context"),
    ):
        done = run_in(copy, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[0] == line
        assert len(done.stderr.splitlines()) == 2
    assert snapshot(tmp_path) == before


def test_a_key_pasted_for_the_name_of_its_variable_is_not_shown(tmp_path: Path) -> None:
    pasted = "sk-proj-abcdefghij1234567890abcdefghij"
    with pytest.raises(ConfigError) as caught:
        check_variable(pasted, "initech")
    assert pasted not in str(caught.value)
    (tmp_path / "initech.yaml").write_text(f"initech:\n  api_base: https://a.example/v1\n  env_key: {pasted}\n")
    with pytest.raises(ConfigError) as caught:
        Catalog(Settings(config_dir=tmp_path)).provider("initech")
    assert caught.value.line == 3
    assert pasted not in str(caught.value)
