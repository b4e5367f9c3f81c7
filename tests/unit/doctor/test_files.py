"""What the checks say about provider files, aliases and fallbacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from insights.catalog.loader import Catalog
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.doctor import example_model, keys_set, providers

from .looking import files, looked, of


def problems(folder: Path) -> dict[str, str | None]:
    """Message and hint of what is wrong."""
    return {each.message: each.hint for each in of("configuration", looked(config_dir=folder), "problem")}


def test_files_that_are_well_are_counted(tmp_path: Path) -> None:
    shipped = of("configuration", looked())
    assert [each.level for each in shipped] == ["ok"]
    own = files(tmp_path, openai="openai: {timeout: 3}\n", aliases="quick: openai/gpt-4o-mini\n")
    (found,) = of("configuration", looked(config_dir=own))
    assert found.level == "ok"
    assert found.message.endswith(f" files are well, {tmp_path} before the shipped ones")
    count = int(found.message.split()[0])
    assert count == int(shipped[0].message.split()[0]) + 2


def test_a_file_that_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "openai.yml").write_text("openai: {}\n")
    notes = of("configuration", looked(config_dir=files(tmp_path)), "note")
    assert [(each.message, each.hint) for each in notes] == [
        (f"{tmp_path / 'openai.yml'}: nobody reads it", "files are called NAME.yaml")
    ]
    found = problems(files(tmp_path, opnai="x: {}\n", zzzzzzzz="x: {}\n"))
    assert found[f"{tmp_path / 'opnai.yaml'}: there is no provider 'opnai': nobody reads this file"] == (
        "did you mean openai.yaml?"
    )
    assert found[f"{tmp_path / 'zzzzzzzz.yaml'}: there is no provider 'zzzzzzzz': nobody reads this file"] == (
        "a provider's file has one top-level key, its name"
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("aliases", "one: openai/gpt-4o\ntwo: [openai]\n", "aliases.yaml:2: alias 'two' must lead to a text, provider/model"),
        ("aliases", "one: gpt-4o\n", "aliases.yaml:1: alias 'one' must lead to provider/model, got 'gpt-4o'"),
        ("aliases", "one: nowhere\n", "aliases.yaml:1: alias 'one' leads nowhere: "),
        ("aliases", "- one\n", "aliases.yaml"),
        ("aliases", "one: [\n", "aliases.yaml:2: "),
        ("fallback", "default: [openai/none-such, nowhere]\n", "fallback.yaml:1: "),
        ("openai", "openai: [\n", "openai.yaml:2: "),
        ("openai", "mistral: {}\n", "openai.yaml:1: the file must have one top-level key, 'openai'"),
        ("openai", "openai: 5\n", "openai.yaml:1: "),
        ("openai", "openai:\n  prefixes: [x-]\n", "openai.yaml:2: the prefixes of openai are fixed"),
        ("openai", "openai:\n  models: 5\n", "openai.yaml:2: "),
        ("openai", "openai:\n  models:\n    m: 5\n", "openai.yaml:3: "),
        (
            "openai",
            "openai:\n  models:\n    m:\n      changes:\n        - {effective_from: soon}\n",
            "openai.yaml:5: ",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    found = problems(files(tmp_path, **{name: text}))
    assert any(message.startswith(f"{tmp_path / said}") for message in found), found


def test_every_mistake_of_a_model_is_told(tmp_path: Path) -> None:
    text = "openai:\n  timeot: 3\n  models:\n    a:\n      cost_input_per_1k: dear\n      contxt_window: 9\n"
    found = problems(files(tmp_path, openai=text))
    assert sorted(message.partition(": ")[0].rpartition(":")[2] for message in found) == ["2", "5", "6"]
    assert "did you mean 'timeout'?" in str(list(found.values()))


INITECH = 'initech:\n  api_base: "https://api.initech.example/v1"\n'


def test_providers_of_ones_own(tmp_path: Path) -> None:
    folder = files(tmp_path / "two")
    (folder / "providers" / "initech.yaml").write_text(INITECH + "  prefixes: [ini-]\n")
    (folder / "providers" / "globex.yaml").write_text(INITECH.replace("initech", "globex") + "  prefixes: [ini-]\n")
    (message,) = problems(folder)
    assert message.startswith(f"{folder / 'providers' / 'initech.yaml'}:3: the prefix 'ini-' is also that of globex, in ")
    taken = files(tmp_path / "taken", initech=INITECH + "  env_key: OPENAI_API_KEY\n")
    (message,) = problems(taken)
    assert message.startswith(f"{taken / 'initech.yaml'}:3: OPENAI_API_KEY holds the key of openai")
    without = files(tmp_path / "without", initech="initech:\n  timeout: 3\n")
    assert any("initech" in message and "api_base" in message for message in problems(without)), problems(without)


def test_what_cannot_be_listed_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages that bring the same provider, for one: the shipped providers are looked at all the same."""

    def refuses(catalog: Catalog) -> list[str]:
        raise ConfigError("two packages bring the provider 'initech'", hint="uninstall one")

    monkeypatch.setattr("insights.adapters.models.factory.provider_names", refuses)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    found = looked(config_dir=files(tmp_path))
    assert [(each.message, each.hint) for each in of("configuration", found, "problem")] == [
        ("two packages bring the provider 'initech'", "uninstall one")
    ]
    assert "openai: OPENAI_API_KEY is set" in [each.message for each in of("keys", found, "ok")]


def test_the_example_is_of_a_provider_with_a_key(tmp_path: Path) -> None:
    old = (
        "initech:\n  api_base: https://api.initech.example/v1\n  models:\n    gone: {deprecated_on: 2020-01-01}\n    now: {}\n"
    )
    folder = files(tmp_path, initech=old, mistral="mistral: [\n", vllm=INITECH.replace("initech", "vllm"))
    settings = Settings(config_dir=folder, INITECH_API_KEY="a", VLLM_API_KEY="b", MISTRAL_API_KEY="c")
    catalog = Catalog(settings)
    known = keys_set(settings, catalog)
    assert known == {"initech": "INITECH_API_KEY", "vllm": "VLLM_API_KEY"}  # mistral's file can't be read
    assert {"openai", "initech", "vllm"} <= set(providers(catalog))
    assert example_model(catalog, known) == "initech/now"
    assert example_model(catalog, {"vllm": "VLLM_API_KEY"}) == "openai/gpt-5-mini"
