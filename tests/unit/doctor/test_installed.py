"""What the checks say about versions and settings."""

from __future__ import annotations

from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest

from insights.doctor import Finding, installed

from .looking import looked, of


def versions(monkeypatch: pytest.MonkeyPatch, python: str, *required: str, **there: str) -> list[Finding]:
    """The findings where the package asks for these, and others are installed in these versions."""
    about = Message()
    about["Requires-Python"] = python

    def version(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(installed, "PACKAGE", "insights_llm")
    monkeypatch.setattr(metadata, "metadata", lambda name: about)
    monkeypatch.setattr(metadata, "requires", lambda name: list(required))
    monkeypatch.setattr(metadata, "version", version)
    return list(installed.versions())


def test_what_is_missing_and_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions(
        monkeypatch,
        ">=99",
        "litellm<1.110,>=1.90.7",
        "pyyaml>=6",
        "tiktoken (>=0.8)",
        "nowhere>=2",
        "rich>=13; extra == 'cli'",
        "botocore>=1; extra == 'bedrock'",
        "??? no requirement",
        insights_llm="0.1",
        litellm="1.110.0",
        pyyaml="6.0.2",
        tiktoken="0.8",
        rich="12.1",
    )
    problems = [(each.message, each.hint) for each in found if each.level == "problem"]
    assert problems[0][0].endswith(" is not >=99")
    assert problems[1:] == [
        ("litellm 1.110.0 is installed, <1.110,>=1.90.7 is needed", "pip install 'litellm<1.110,>=1.90.7'"),
        ("nowhere is not installed", "pip install 'nowhere>=2'"),
        ("rich 12.1 is installed, >=13 is needed", "pip install 'rich>=13'"),
    ]
    (well,) = [each for each in found if each.level == "ok"]
    assert well.message.endswith("insights 0.1, pyyaml 6.0.2, tiktoken 0.8")


def test_from_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "PACKAGE", "insights-that-nobody-installed")
    (found,) = installed.versions()
    assert (found.level, found.hint) == ("note", "pip install -e .")
    assert "is not installed" in found.message


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("1.10", ">1.9", True),
        ("1.9.0", ">1.9", False),
        ("1.9.0", "==1.9", True),
        ("2.0rc1", "!=2.0", False),
        ("3.11.7", ">=3.11,<3.12", True),
        ("unknown", ">=0.1", False),
        ("1.0", "", True),
    ],
)
def test_ranges(version: str, bounds: str, fits: bool) -> None:
    assert installed.inside(version, bounds) is fits


def test_settings_as_they_are_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSIGHTS_CACHE_DIR")
    for name in installed.known_variables():
        monkeypatch.delenv(name, raising=False)
    (found,) = of("settings", looked())
    assert (found.level, found.message) == ("ok", "all as they are by default")
    monkeypatch.setenv("INSIGHTS_TIMEOUT", "30")
    monkeypatch.setenv("INSIGHTS_MODEL", "openai/gpt-4o")
    (found,) = of("settings", looked())
    assert (found.level, found.message) == ("ok", "set: INSIGHTS_MODEL, INSIGHTS_TIMEOUT")


def test_a_variable_that_is_like_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_WEATHER_OF_TOMORROW", "fine")
    monkeypatch.setenv("INSIGHTS_RECORD_MODE", "loudly")
    found = of("settings", looked())
    assert [(each.level, each.message, each.hint) for each in found if "nobody" in each.message] == [
        ("note", "nobody reads INSIGHTS_WEATHER_OF_TOMORROW", None)
    ]
    (wrong,) = of("settings", found, "problem")
    assert "INSIGHTS_RECORD_MODE" in f"{wrong.message} {wrong.hint}"


def test_an_env_file_that_is_not_there_is_told_once_among_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_ENV_FILE", str(tmp_path / "nowhere.env"))
    (found,) = of("settings", looked(offline=False))
    assert (found.level, found.hint) == ("problem", "correct env_file / INSIGHTS_ENV_FILE")
    assert found.message == f"{tmp_path / 'nowhere.env'}: the .env file can't be read: No such file or directory"
