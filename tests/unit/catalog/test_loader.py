"""Provider files: every mistake is one ConfigError with file and line, and PyYAML's traps are closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from insights.catalog import nodes
from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.nodes import read_yaml
from insights.core.config import Settings
from insights.core.errors import ConfigError

HEAD = "openai:\n  api_base: 'https://x.example/v1'\n  env_key: X_API_KEY\n"  # three lines
Write = Callable[..., Catalog]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a provider's file and gives a catalogue that reads it."""

    def written(text: str, name: str = "openai") -> Catalog:
        (tmp_path / f"{name}.yaml").write_text(text)
        return Catalog(Settings(config_dir=tmp_path))

    return written


def model(text: str) -> str:
    """A file with one model, whose first own line is line 6."""
    return HEAD + "  models:\n    test-model:\n" + "".join(f"      {line}\n" for line in text.splitlines())


# (text of the file, line of the mistake, words of the message, words of the hint)
MISTAKES = {
    "1e-6": (model("cost_input_per_1k: 1e-6"), 6, "cost_input_per_1k: write the price out: '1e-6' is 0.000001", None),
    "1E-6": (model("cost_input_per_1k: 1.0E-6"), 6, "write the price out", None),
    "1:30": (HEAD + "  timeout: 1:30\n", 4, "timeout: expected a number of seconds, got '1:30'", None),
    "price 1:30": (model("cost_input_per_1k: 1:30"), 6, "expected a price in USD, got '1:30'", None),
    "NO": (HEAD + "  key_required: NO\n", 4, "key_required: expected true or false, got 'NO'", None),
    "yes": (HEAD + "  key_required: yes\n", 4, "expected true or false", None),
    "duplicate key": (HEAD + "  timeout: 1\n  timeout: 2\n", 5, "'timeout' is here twice (first on line 4)", "keep one"),
    "duplicate model": (model("mode: chat") + "    test-model:\n", 7, "'test-model' is here twice (first on line", None),
    "alias": (HEAD + "  hosts: &a [x]\n  env_key_aliases: *a\n", 4, "anchors and aliases", "write the value out"),
    "tag": (HEAD + "  timeout: !!python/object/apply:os.system ['true']\n", 4, "tags are not used here", "remove the tag"),
    "own tag": (HEAD + "  timeout: !env TIMEOUT\n", 4, "tags are not used here: !env", None),
    "tab": (HEAD + "\ttimeout: 3\n", 4, "not YAML", "no tabs"),
    "not YAML": (HEAD + "  hosts: [x\n", 5, "not YAML", None),
    "unknown key": (HEAD + "  time_out: 3\n", 4, "a provider has no key 'time_out'", "did you mean 'timeout'?"),
    "unknown and far": (HEAD + "  zzz: 3\n", 4, "a provider has no key 'zzz'", "keys are: api_base, env_key"),
    "unknown model key": (model("cost_inptu_per_1k: 1"), 6, "a model has no key", "did you mean 'cost_input_per_1k'?"),
    "negative price": (model("cost_input_per_1k: -0.1"), 6, "a price can't be negative: '-0.1'", None),
    "price in words": (model("cost_input_per_1k: free"), 6, "expected a price in USD, got 'free'", None),
    "no price": (model("cost_input_per_1k:"), 6, "expected a price in USD, got None", None),
    "price nan": (model("cost_input_per_1k: .nan"), 6, "a price", None),
    "price NaN": (model("cost_input_per_1k: NaN"), 6, "no price: 'NaN'", None),
    "price inf": (model("cost_input_per_1k: Infinity"), 6, "no price: 'Infinity'", None),
    "price list": (model("cost_input_per_1k: [1]"), 6, "expected a price in USD", None),
    "price underscore": (model("cost_input_per_1k: 1,5"), 6, "expected a price in USD", None),
    "octal": (model("context_window: 0o10"), 6, "expected a whole number above 0", None),
    "zero": (model("context_window: 0"), 6, "expected a whole number above 0, got '0'", None),
    "fraction": (model("context_window: 8.5"), 6, "expected a whole number above 0", None),
    "timeout 0": (HEAD + "  timeout: 0\n", 4, "expected a number of seconds above 0", None),
    "timeout inf": (HEAD + "  timeout: inf\n", 4, "expected a number of seconds above 0", None),
    "timeout list": (HEAD + "  timeout: [3]\n", 4, "expected a number of seconds", None),
    "date": (model("checked: 31.01.2026"), 6, "expected a date like 2026-01-31, got '31.01.2026'", None),
    "no date": (model("checked: 2026-02-30"), 6, "expected a date", None),
    "text": (HEAD + "  source: ''\n", 4, "source: expected a text", None),
    "texts": (HEAD + "  hosts: x.example\n", 4, "hosts: expected a list of texts", None),
    "text of texts": (HEAD + "  hosts: [x, [y]]\n", 4, "hosts: expected a text", None),
    "api_base list": ("openai:\n  api_base: [x]\n", 2, "api_base: expected a text", None),
    "mode": (model("mode: talk"), 6, "mode: expected one of chat, responses", None),
    "capability": (model("capabilities: [flying]"), 6, "capabilities: expected one of streaming, tools", None),
    "tiers": (model("tiers: 3"), 6, "tiers must be a list", None),
    "tier": (model("tiers: [3]"), 6, "a tier must be a mapping", None),
    "tier without above": (model("tiers:\n  - cost_input_per_1k: 1"), 7, "a tier needs 'above'", None),
    "tier key": (model("tiers:\n  - above: 1\n    mode: chat"), 8, "a tier has no key 'mode'", None),
    "model": (HEAD + "  models:\n    test-model: 3\n", 5, "model 'test-model' must be a mapping", None),
    "models": (HEAD + "  models: [test-model]\n", 4, "models must be a mapping", None),
    "provider": ("openai: 3\n", 1, "provider 'openai' must be a mapping", None),
    "top": ("- openai\n", 1, "a provider file must be a mapping", None),
    "wrong top": ("opnai:\n  timeout: 3\n", 1, "must have one top-level key, 'openai'", "it has: opnai"),
    "two tops": (HEAD + "mistral:\n  timeout: 3\n", 1, "must have one top-level key", "openai, mistral"),
    "empty": ("", 1, "must have one top-level key", "it has: none"),
    "key that is no text": (HEAD + "  ? [a, b]\n  : 3\n", 4, "a key must be a plain text", None),
}


@pytest.mark.parametrize(("text", "line", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_says_where_it_is(write: Write, tmp_path: Path, text: str, line: int, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as raised:
        write(text).provider("openai")
    error = raised.value
    assert error.file == str(tmp_path / "openai.yaml")
    assert error.line == line, str(error)
    assert message in error.message
    assert error.message.startswith(f"{error.file}:{line}: ")
    if hint is not None:
        assert hint in str(error.hint)


def test_aliases_explode_no_more(write: Write) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="anchors and aliases") as raised:
        write("\n".join(lines)).provider("openai")
    assert raised.value.line == 1


def test_a_key_that_merges_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError):
        write(HEAD + "  <<: {timeout: 3}\n").provider("openai")


def test_a_file_too_large_or_too_deep_or_not_text(write: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than"):
        write("#" * (nodes.MAX_BYTES + 1)).provider("openai")
    with pytest.raises(ConfigError, match="not YAML"):
        write("[" * 50_000).provider("openai")
    (tmp_path / "latin.yaml").write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match="can't be read"):
        read_yaml(tmp_path / "latin.yaml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not YAML"):
        write("openai:\n  env_key: \x07\n").provider("openai")


def test_prices_are_read_to_the_last_digit(write: Write) -> None:
    info = write(model("cost_input_per_1k: 0.000000000000000000123456789\ncost_output_per_1k: 1_0.10")).provider("openai")
    found = info.model("test-model")
    assert found is not None
    assert found.prices["cost_input_per_1k"] == Decimal("0.000000000000000000123456789")


def test_a_whole_file(write: Write) -> None:
    catalog = write(
        HEAD
        + """\
  env_key_aliases: [Y_API_KEY]
  key_required: false
  hosts: ["*.x.example"]
  timeout: 12.5
  source: "the price page"
  checked: 2026-01-31
  models:
    test-model:
      context_window: 128_000
      max_output_tokens: 4000
      mode: responses
      aliases: [short]
      capabilities: [tools, vision]
      effective_from: 2025-06-01
      deprecated_on: 2027-01-01
      note: "on: a note"
      cost_input_per_1k: 0.002
      cost_output_per_1k: 0.004
      tiers:
        - above: 200000
          cost_input_per_1k: 0.008
        - above: 100000
          cost_input_per_1k: 0.004
          cost_output_per_1k: 0.006
    bare:
    other:
      source: "elsewhere"
      checked: 2026-02-01
""".replace("    bare:\n", "")
    )
    provider = catalog.provider("openai")
    assert (provider.name, provider.api_base, provider.timeout, provider.key_required) == (
        "openai",
        "https://x.example/v1",
        12.5,
        False,
    )
    assert provider.key_names == ("X_API_KEY", "Y_API_KEY")
    assert provider.hosts == ("*.x.example",)
    assert provider.own_base
    found = provider.model("short")
    assert found is not None
    assert found is provider.model("test-model")
    assert (found.context_window, found.max_output_tokens, found.mode) == (128_000, 4000, "responses")
    assert found.capabilities == {"tools", "vision"}
    assert (found.effective_from, found.deprecated_on) == (date(2025, 6, 1), date(2027, 1, 1))
    assert (found.source, found.checked, found.note) == ("the price page", date(2026, 1, 31), "on: a note")
    # In order, and with the ordinary prices where a tier has none of its own.
    assert [(tier.above, dict(tier.prices)) for tier in found.tiers] == [
        (100_000, {"cost_input_per_1k": Decimal("0.004"), "cost_output_per_1k": Decimal("0.006")}),
        (200_000, {"cost_input_per_1k": Decimal("0.008"), "cost_output_per_1k": Decimal("0.004")}),
    ]
    other = provider.model("other")
    assert other is not None
    assert (other.source, other.checked) == ("elsewhere", date(2026, 2, 1))
    assert provider.model("unknown") is None


# ---------------------------------------------------------------- the user's directory over the shipped one


def test_the_shipped_files_alone() -> None:
    catalog = Catalog()
    assert catalog.directories == [shipped_directory()]
    assert catalog.provider("openai").api_base == "https://api.openai.com/v1"
    assert not catalog.provider("openai").own_base


def test_key_by_key_and_model_by_model(write: Write) -> None:
    shipped = Catalog().provider("openai")
    mine = write("openai:\n  timeout: 5\n  models:\n    gpt-4.1:\n      cost_input_per_1k: 9\n    my-own: {mode: chat}\n")
    found = mine.provider("openai")
    assert (found.timeout, found.api_base, found.env_key) == (5, shipped.api_base, shipped.env_key)
    assert not found.own_base
    assert set(found.models) == {*shipped.models, "my-own"}
    row = found.model("gpt-4.1")
    assert row is not None
    assert dict(row.prices) == {"cost_input_per_1k": Decimal(9)}  # a row is replaced whole: no price of two sources mixed
    assert found.model("gpt-4.1-mini") == shipped.model("gpt-4.1-mini")
    assert mine.provider("mistral") == Catalog().provider("mistral")


def test_models_may_be_left_empty(write: Write) -> None:
    assert write(HEAD + "  models:\n").provider("openai").timeout == 600


def test_a_directory_named_providers_inside(tmp_path: Path) -> None:
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "openai.yaml").write_text("openai:\n  timeout: 5\n")
    assert Catalog(Settings(config_dir=tmp_path)).provider("openai").timeout == 5


def test_both_the_directory_and_providers_inside_are_read(tmp_path: Path) -> None:
    """`fallback.yaml` beside `providers/` counts; where both have a file, the one in `providers/` wins."""
    (tmp_path / "providers").mkdir()
    (tmp_path / "openai.yaml").write_text("openai:\n  timeout: 4\n")
    (tmp_path / "mistral.yaml").write_text("mistral:\n  timeout: 6\n")
    (tmp_path / "providers" / "openai.yaml").write_text("openai:\n  timeout: 5\n")
    (tmp_path / "fallback.yaml").write_text("default: [openai/gpt-4.1]\n")
    catalog = Catalog(Settings(config_dir=tmp_path))
    assert (catalog.provider("openai").timeout, catalog.provider("mistral").timeout) == (5, 6)
    assert catalog.files("fallback")[-1] == tmp_path / "fallback.yaml"
    assert catalog.files("openai")[1:] == [tmp_path / "openai.yaml", tmp_path / "providers" / "openai.yaml"]


def test_the_environment_names_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openai.yaml").write_text("openai:\n  timeout: 5\n")
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path))
    assert Catalog().provider("openai").timeout == 5


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="doesn't exist") as raised:
        Catalog(Settings(config_dir=tmp_path / "none")).provider("openai")
    assert raised.value.file == str(tmp_path / "none")
    assert "INSIGHTS_CONFIG_DIR" in str(raised.value.hint)


def test_a_changed_file_is_read_again(write: Write, tmp_path: Path) -> None:
    catalog = write("openai:\n  timeout: 5\n")
    assert catalog.provider("openai").timeout == 5
    (tmp_path / "openai.yaml").write_text("openai:\n  timeout: 17\n")
    import os

    os.utime(tmp_path / "openai.yaml", (1, 1))
    assert catalog.provider("openai").timeout == 17


def test_only_the_file_asked_for_is_read(write: Write) -> None:
    assert write("this is: [broken", name="mistral").provider("openai").name == "openai"


def test_a_provider_nobody_has(write: Write) -> None:
    with pytest.raises(ConfigError, match="no configuration for provider 'nobody'"):
        write("").provider("nobody")


def test_what_a_provider_needs(write: Write) -> None:
    text = "".join(line for line in HEAD.replace("openai", "house").splitlines(keepends=True) if "api_base" not in line)
    with pytest.raises(ConfigError, match="needs 'api_base'"):
        write(text, name="house").provider("house")
