"""Settings: where each comes from, and what wins."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from insights.core import config
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.core.redact import SecretStr


def shown(key: SecretStr | None) -> str | None:
    return None if key is None else key.get_secret_value()


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "the.env"
    path.write_text("OPENAI_API_KEY=from-the-file\nGROQ_API_KEY=not-${HOME}\nINSIGHTS_TIMEOUT=7\nEMPTY_API_KEY=\n")
    return path


def test_argument_then_environment_then_file_then_default(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().OPENAI_API_KEY is None
    assert shown(Settings(env_file=env_file).OPENAI_API_KEY) == "from-the-file"
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    assert shown(Settings(env_file=env_file).OPENAI_API_KEY) == "from-the-environment"
    assert shown(Settings(env_file=env_file, OPENAI_API_KEY="given").OPENAI_API_KEY) == "given"


def test_blank_counts_as_not_set(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert Settings().OPENAI_API_KEY is None
    assert Settings(OPENAI_API_KEY="").OPENAI_API_KEY is None
    assert Settings(OPENAI_API_KEY=None).OPENAI_API_KEY is None
    assert shown(Settings(env_file=env_file).OPENAI_API_KEY) == "from-the-file"
    assert Settings(env_file=env_file).EMPTY_API_KEY is None


def test_the_environment_is_read_at_each_use(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    for value in ("one", "two"):
        monkeypatch.setenv("OPENAI_API_KEY", value)
        assert shown(settings.OPENAI_API_KEY) == value
    assert shown(config.settings.OPENAI_API_KEY) == "two"


def test_an_env_file_is_named_or_not_read(env_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=planted\n")
    monkeypatch.chdir(tmp_path)
    assert Settings().OPENAI_API_KEY is None
    assert Settings().env_file is None
    monkeypatch.setenv("INSIGHTS_ENV_FILE", str(env_file))
    assert Settings().env_file == env_file
    assert shown(Settings().OPENAI_API_KEY) == "from-the-file"
    assert "OPENAI_API_KEY" not in os.environ


def test_an_env_file_is_not_interpolated(env_file: Path) -> None:
    assert shown(Settings(env_file=env_file).GROQ_API_KEY) == "not-${HOME}"


def test_an_env_file_is_read_again_when_it_changed(env_file: Path) -> None:
    settings = Settings(env_file=env_file)
    assert shown(settings.OPENAI_API_KEY) == "from-the-file"
    env_file.write_text("OPENAI_API_KEY=changed\n")
    os.utime(env_file, (1, 1))
    assert shown(settings.OPENAI_API_KEY) == "changed"


def test_an_env_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read") as raised:
        _ = Settings(env_file=tmp_path / "none.env").OPENAI_API_KEY
    assert raised.value.file == str(tmp_path / "none.env")


def test_the_first_key_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "second")
    assert Settings().key("GEMINI_API_KEY", "GOOGLE_API_KEY") == SecretStr("second")
    assert Settings(GEMINI_API_KEY="first").key("GEMINI_API_KEY", "GOOGLE_API_KEY") == SecretStr("first")
    assert Settings().key("GEMINI_API_KEY") is None


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="'time_out'") as raised:
        Settings(time_out="3")
    assert raised.value.hint is not None
    assert "timeout" in raised.value.hint
    for name in ("nothing", "_PRIVATE", "__wrapped__"):
        with pytest.raises(AttributeError, match=name):
            getattr(Settings(), name)


def test_keys_do_not_show() -> None:
    settings = Settings(OPENAI_API_KEY="canary-key", timeout=3)
    for text in (repr(settings), str(settings), f"{settings}", str(vars(settings))):
        assert "canary" not in text
    assert repr(settings) == "Settings(timeout=3, OPENAI_API_KEY=SecretStr('**********'))"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(settings)


def test_settings_are_a_value() -> None:
    one, two = Settings(timeout=3), Settings(timeout=3)
    assert one == two
    assert one != Settings(timeout=4)
    assert hash(one) == hash(two)
    assert copy.deepcopy(Settings(OPENAI_API_KEY="k")) == Settings(OPENAI_API_KEY="k")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.timeout = 5  # type: ignore[misc]  # that it is frozen is the point


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_flags_that_are_set(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_DROP_PARAMS", value)
    assert Settings().drop_params is True
    assert Settings(drop_params=False).drop_params is False


@pytest.mark.parametrize("value", ["0", "False", "no", "OFF"])
def test_flags_that_are_not(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", value)
    assert Settings().cache is False
    assert Settings(cache=True).cache is True


def test_a_flag_that_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", "maybe")
    with pytest.raises(ConfigError, match="INSIGHTS_CACHE='maybe'"):
        _ = Settings().cache


def test_defaults() -> None:
    settings = Settings()
    # 600 seconds and 2 retries are the defaults of OpenAI's and Anthropic's own SDKs.
    assert (settings.timeout, settings.timeout_given, settings.num_retries) == (600.0, False, 2)
    assert (settings.cache, settings.drop_params, settings.config_dir) == (True, False, None)


def test_numbers(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(env_file=env_file).timeout == 7.0
    assert Settings(env_file=env_file).timeout_given
    monkeypatch.setenv("INSIGHTS_TIMEOUT", "2.5")
    monkeypatch.setenv("INSIGHTS_NUM_RETRIES", "0")
    assert (Settings().timeout, Settings().num_retries) == (2.5, 0)
    assert Settings().timeout_given
    assert (Settings(timeout=9).timeout, Settings(num_retries=5).num_retries) == (9.0, 5)
    assert Settings(timeout=9).timeout_given


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "0"),
        ("timeout", "-1"),
        ("timeout", "soon"),
        ("timeout", "nan"),
        ("timeout", "inf"),
        ("num_retries", "-1"),
        ("num_retries", "many"),
        ("num_retries", "inf"),
        ("num_retries", "1.5"),
    ],
)
def test_numbers_that_are_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"INSIGHTS_{name.upper()}", value)
    with pytest.raises(ConfigError, match=f"{name}='{value}'"):
        getattr(Settings(), name)


@pytest.mark.parametrize(("name", "value"), [("timeout", []), ("num_retries", {})])
def test_given_numbers_that_are_none(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        getattr(Settings(**{name: value}), name)


def test_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_cache_dir: Path) -> None:
    assert Settings().cache_dir == own_cache_dir
    assert Settings(cache_dir=tmp_path / "x").cache_dir == tmp_path / "x"
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path))
    assert Settings().config_dir == tmp_path
    assert Settings(config_dir=tmp_path / "y").config_dir == tmp_path / "y"
    monkeypatch.delenv("INSIGHTS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert Settings().cache_dir.name == "insights-llm"


@pytest.mark.parametrize("value", [123, b"key", ["key"]])
def test_a_key_is_a_text(value: Any) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        Settings(OPENAI_API_KEY=value)


@pytest.mark.parametrize("name", ["OPENAI_APIKEY", "OPENAI_KEY", "TIMEOUT", "openai_api_key", "OPENAI_API_BASE"])
def test_what_is_no_name_of_a_key(name: str) -> None:
    with pytest.raises(ConfigError, match=f"Settings has no '{name}'") as raised:
        Settings(**{name: "canary-key"})  # type: ignore[arg-type]  # what this is about
    assert "{PROVIDER}_API_KEY" in str(raised.value.hint)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"])
def test_names_of_keys(name: str) -> None:
    assert shown(Settings(**{name: "k"}).key(name)) == "k"  # type: ignore[arg-type]  # a key, by its name


@pytest.mark.parametrize(
    ("given", "means"), [("no", False), ("0", False), ("OFF", False), ("yes", True), ("1", True), (0, False)]
)
def test_a_given_flag_may_be_a_word(given: Any, means: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", str(not means))
    assert Settings(cache=given).cache is means


def test_a_given_flag_that_is_neither() -> None:
    with pytest.raises(ConfigError, match="'maybe' is neither yes nor no"):
        _ = Settings(cache="maybe").cache  # type: ignore[arg-type]  # what this is about


def test_the_cache_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Settings()
    assert (found.cache, found.cache_ttl, found.cache_namespace, found.cache_size_limit) == (True, None, "", 2**30)
    for name, value in {"CACHE": "Only", "CACHE_TTL": "1.5", "CACHE_NAMESPACE": "a", "CACHE_SIZE_LIMIT": "1e6"}.items():
        monkeypatch.setenv(f"INSIGHTS_{name}", value)
    assert (found.cache, found.cache_ttl, found.cache_namespace, found.cache_size_limit) == ("only", 1.5, "a", 1_000_000)
    given = Settings(cache="refresh", cache_ttl=3, cache_namespace="b", cache_size_limit=5)
    assert (given.cache, given.cache_ttl, given.cache_namespace, given.cache_size_limit) == ("refresh", 3, "b", 5)
    assert Settings(cache=False).cache is False


@pytest.mark.parametrize(
    ("name", "value"), [("cache_ttl", 0), ("cache_ttl", "soon"), ("cache_size_limit", -1), ("cache_size_limit", 1.5)]
)
def test_what_the_cache_can_not_be(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}={value!r} is not a"):
        getattr(Settings(**{name: value}), name)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cache_dir": 5}, "cache_dir must be a path, got int"),
        ({"cache_dir": ["x"]}, "cache_dir must be a path, got list"),
        ({"cache_dir": "~no-such-user-of-this-machine/x"}, "cache_dir='~no-such-user"),
        ({"cache_ttl": 10**400}, "is not a number above 0"),
        ({"cache_size_limit": 10**30}, "is not a whole number"),
        ({"cache": "nonsense"}, "cache='nonsense' is neither yes nor no, nor refresh or only"),
        ({"cache": 2}, "cache=2 is neither yes nor no"),
    ],
)
def test_what_can_not_be_is_said_at_once(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        Settings(**given)


def test_the_home_directory_is_written_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(cache_dir="~/answers", config_dir="~/config", env_file="~/the.env")
    found = (settings.cache_dir, settings.config_dir, settings.env_file)
    assert found == (tmp_path / "answers", tmp_path / "config", tmp_path / "the.env")
    for name in ("CACHE_DIR", "CONFIG_DIR", "ENV_FILE"):
        monkeypatch.setenv(f"INSIGHTS_{name}", "~/named")
    (tmp_path / "named").write_text("OPENAI_API_KEY=from-home\n")
    assert (Settings().cache_dir, Settings().config_dir, Settings().env_file) == (tmp_path / "named",) * 3
    assert shown(Settings().OPENAI_API_KEY) == "from-home"


def test_a_key_may_be_pydantics_secret() -> None:
    from pydantic import SecretStr as PydanticSecret

    key = Settings(OPENAI_API_KEY=PydanticSecret("sk-123456789")).OPENAI_API_KEY  # type: ignore[arg-type]
    assert key is not None
    assert key.get_secret_value() == "sk-123456789"
