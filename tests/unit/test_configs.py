"""The shipped files: they load, agree with the code, and their figures make sense."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from insights.adapters.models.factory import ROUTER, Provider
from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.nodes import read_yaml
from insights.catalog.schema import PRICES, ModelInfo
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.core.urls import is_loopback
from insights.routing.fallback import read_fallbacks

PROVIDERS = [provider.value for provider in Provider]
FILES = Path(__file__).parents[2] / "configs" / "providers"
OTHER_FILES = {"fallback", "aliases"}
CATALOG = Catalog()
ROWS = [
    pytest.param(provider, info, id=f"{provider}/{name}")
    for provider in PROVIDERS
    for name, info in CATALOG.provider(provider).models.items()
]
# The dearest text models cost some USD 600 per million tokens; a price beyond is a slip of the decimal point.
HIGHEST_PER_1K = Decimal(1)
A_WORD = Decimal("0.000000001")


def test_files_and_providers_are_the_same() -> None:
    assert {path.stem for path in shipped_directory().glob("*.yaml")} == {*PROVIDERS, *OTHER_FILES}
    assert {path.suffix for path in shipped_directory().iterdir()} == {".yaml"}


@pytest.mark.parametrize("path", sorted(shipped_directory().glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_is_read(path: Path) -> None:
    assert read_yaml(path).file == str(path)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider(name: str) -> None:
    config = CATALOG.provider(name)
    assert config.name == name
    assert config.models, "a provider without models"
    if config.api_base:
        url = urlsplit(config.api_base)
        assert url.scheme == "https" or url.hostname in ("localhost", "127.0.0.1")
        assert not config.api_base.endswith("/")
        assert url.username is None
        assert not url.query
    assert config.env_key == f"{name.upper()}_API_KEY"
    assert all(variable.isupper() for variable in config.key_names)
    assert len(set(config.key_names)) == len(config.key_names)
    assert 0 < config.timeout <= 3600


def test_no_variable_is_read_by_two_providers() -> None:
    """A key in it would go to both companies."""
    owners: dict[str, list[str]] = {}
    for name in PROVIDERS:
        for variable in CATALOG.provider(name).key_names:
            owners.setdefault(variable, []).append(name)
    shared = {variable: names for variable, names in owners.items() if len(names) > 1}
    # Google's two services take the same key.
    assert {variable: sorted(names) for variable, names in shared.items()} in ({}, {"GOOGLE_API_KEY": ["gemini", "vertex"]})


def test_no_host_belongs_to_two_providers() -> None:
    hosts = [
        host
        for name in PROVIDERS
        for host in {urlsplit(CATALOG.provider(name).api_base).hostname, *CATALOG.provider(name).hosts}
        if host and not is_loopback(host)  # whoever serves there is the user's own
    ]
    assert sorted(hosts) == sorted(set(hosts))


@pytest.mark.parametrize("name", PROVIDERS)
def test_hosts_are_narrow(name: str) -> None:
    """A star stands for one customer's name, never for a registrable domain's first part."""
    for host in CATALOG.provider(name).hosts:
        assert len(host.split(".")) >= 3
        assert "*" not in ".".join(host.split(".")[-2:])


@pytest.mark.parametrize("name", PROVIDERS)
def test_aliases_are_unique_and_hide_no_model(name: str) -> None:
    models = CATALOG.provider(name).models
    aliases = [alias for info in models.values() for alias in info.aliases]
    assert sorted(aliases) == sorted(set(aliases))
    assert not set(aliases) & set(models)


@pytest.mark.parametrize(("provider", "info"), ROWS)
def test_a_row(provider: str, info: ModelInfo) -> None:
    assert info.name == info.name.strip()
    if info.context_window is not None:
        assert 256 <= info.context_window <= 100_000_000
        if info.max_output_tokens is not None:
            assert info.max_output_tokens <= info.context_window
    if info.effective_from and info.deprecated_on:
        assert info.effective_from < info.deprecated_on
    if info.prices:
        assert info.source, "a price without a source"
        assert info.checked, "a price without the day it was checked"
    for prices in (info.prices, *(tier.prices for tier in info.tiers)):
        sane(dict(prices))
    assert [tier.above for tier in info.tiers] == sorted({tier.above for tier in info.tiers})


def sane(prices: dict[str, Decimal]) -> None:
    for name, value in prices.items():
        assert name in PRICES
        assert value == 0 or A_WORD <= value <= HIGHEST_PER_1K, f"{name}: {value}"
    if prices:
        assert {"cost_input_per_1k", "cost_output_per_1k"} <= prices.keys(), "input and output prices go together"
        paid, said = prices["cost_input_per_1k"], prices["cost_output_per_1k"]
        assert prices.get("cost_cached_input_per_1k", Decimal(0)) <= paid, "reading from the cache dearer than sending"
        for kind in ("batch", "flex"):
            assert prices.get(f"cost_{kind}_input_per_1k", Decimal(0)) <= paid
            assert prices.get(f"cost_{kind}_output_per_1k", Decimal(0)) <= said
        assert prices.get("cost_priority_input_per_1k", paid) >= paid
        assert prices.get("cost_priority_output_per_1k", said) >= said
        short, long = prices.get("cost_cache_write_per_1k"), prices.get("cost_cache_write_1h_per_1k")
        if short is not None and long is not None:
            assert short <= long, "an hour cheaper than five minutes"


@pytest.mark.parametrize(("provider", "info"), ROWS)
def test_a_row_can_be_asked_for(provider: str, info: ModelInfo) -> None:
    for name in (info.name, *info.aliases):
        found = ROUTER.route(f"{provider}/{name}", CATALOG)
        assert (found.provider, found.model_id) == (provider, info.name)


def test_shipped_chains_name_models_that_nobody_is_asked_for_without_a_key(tmp_path: Path) -> None:
    """A prompt goes to no company whose key the user hasn't set."""
    (tmp_path / "fallback.yaml").write_bytes((FILES / "fallback.yaml").read_bytes())
    found = read_fallbacks(Catalog(Settings(config_dir=tmp_path)))
    listed = [name for name, _ in (*found.context_window, *found.content_policy)]
    names = [*found.default, *listed, *(n for c in found.models.values() for n in c)]
    for name in [*names, *found.models]:
        route = ROUTER.route(name, CATALOG)
        assert CATALOG.provider(route.provider).key_required, name
    assert not found.keys


def test_the_models_that_the_comments_name_exist() -> None:
    """The examples in fallback.yaml and aliases.yaml are there to be copied."""
    for stem in OTHER_FILES:
        text = (shipped_directory() / f"{stem}.yaml").read_text()
        words = {word for word in text.replace("[", " ").replace("]", " ").replace(",", " ").split() if "/" in word}
        named = {word for word in words if word.split("/")[0] in PROVIDERS}
        assert named
        for name in named:
            provider, model = name.split("/", 1)
            assert CATALOG.provider(provider).model(model) is not None, name


@pytest.mark.parametrize(
    ("model", "prompt", "completion", "usd"),
    [
        # Published price pages, USD per million tokens in and out: OpenAI 2 and 8, Anthropic 1 and 5, Google 0.30 and 2.50.
        ("openai/gpt-4.1", 1_000_000, 1_000_000, "10"),
        ("anthropic/claude-haiku-4-5", 1_000_000, 1_000_000, "6"),
        ("gemini/gemini-2.5-flash", 1_000_000, 1_000_000, "2.80"),
    ],
)
def test_published_prices(model: str, prompt: int, completion: int, usd: str) -> None:
    provider, name = model.split("/")
    info = CATALOG.provider(provider).model(name)
    assert info is not None
    paid, said = info.prices["cost_input_per_1k"], info.prices["cost_output_per_1k"]
    assert (prompt * paid + completion * said) / 1000 == Decimal(usd)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "fast: openai/gpt-4.1\nbest: nobody/some-model\n",
            2,
            "alias 'best' must lead to provider/model, got 'nobody/some-model'",
        ),
        ("# a comment\n\nbest: gpt-4.1\n", 3, "alias 'best' must lead to provider/model, got 'gpt-4.1'"),
        ("best: [openai/gpt-4.1]\n", 1, "alias 'best' must lead to a text"),
        ("fast: openai/gpt-4.1\nbest: {model: gpt-4.1}\n", 2, "alias 'best' must lead to a text"),
    ],
)
@pytest.mark.parametrize("folder", [".", "providers"])
def test_a_wrong_alias_says_where_it_stands(tmp_path: Path, folder: str, text: str, line: int, message: str) -> None:
    file = tmp_path / folder / "aliases.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        ROUTER.route("best", Catalog(Settings(config_dir=tmp_path)))
    assert (raised.value.file, raised.value.line) == (str(file), line)
    assert raised.value.message.startswith(f"{file}:{line}: {message}")


def test_a_right_alias(tmp_path: Path) -> None:
    (tmp_path / "aliases.yaml").write_text("best: openai/gpt-4.1\n")
    found = ROUTER.route("best", Catalog(Settings(config_dir=tmp_path)))
    assert (found.provider, found.model_id, found.rule) == ("openai", "gpt-4.1", "alias 'best' -> 'openai/gpt-4.1'")
