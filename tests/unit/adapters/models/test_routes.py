"""Which provider a name means, and by which rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from insights.adapters.models.factory import ROUTER, ModelFactory, Provider, class_name
from insights.adapters.models.routes import Router
from insights.catalog.loader import Catalog
from insights.core.config import Settings
from insights.core.errors import ConfigError, UnknownModelError


@pytest.mark.parametrize(
    ("name", "provider", "model", "rule"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o", "provider 'openai' is named"),
        ("openai/brand-new", "openai", "brand-new", "provider 'openai' is named"),
        ("together/meta-llama/X", "together", "meta-llama/X", "provider 'together' is named"),
        ("openrouter/anthropic/claude-x", "openrouter", "anthropic/claude-x", "provider 'openrouter' is named"),
        ("vertex_ai/gemini-x", "vertex", "gemini-x", "'vertex_ai' is another name"),
        ("together_ai/x/y", "together", "x/y", "'together_ai' is another name"),
        ("fireworks_ai/x", "fireworks", "x", "'fireworks_ai' is another name"),
        ("ollama_chat/x", "ollama", "x", "'ollama_chat' is another name"),
        ("gpt-9", "openai", "gpt-9", "prefix 'gpt-'"),
        ("o1-mini", "openai", "o1-mini", "prefix 'o1'"),
        ("claude-9", "anthropic", "claude-9", "prefix 'claude'"),
        ("gemini-9", "gemini", "gemini-9", "prefix 'gemini'"),
        ("anthropic.claude-9-v1:0", "bedrock", "anthropic.claude-9-v1:0", "prefix 'anthropic.'"),
        ("us.anthropic.claude-9", "bedrock", "us.anthropic.claude-9", "prefix 'us.anthropic.'"),
        ("mistral.mistral-large", "mistral", "mistral.mistral-large", "prefix 'mistral'"),
        ("command-r", "cohere", "command-r", "prefix 'command'"),
        ("bedrock/invoke/x", "bedrock", "invoke/x", "provider 'bedrock' is named"),
    ],
)
def test_rules(name: str, provider: str, model: str, rule: str) -> None:
    found = ROUTER.route(name, Catalog())
    assert (found.provider, found.model_id) == (provider, model)
    assert rule in found.rule


def test_a_repository_is_no_provider() -> None:
    """`deepseek-ai/...` is served by many; the prefix `deepseek` is for DeepSeek's own names."""
    with pytest.raises(UnknownModelError):
        ROUTER.route("deepseek-ai/DeepSeek-R9", Catalog())


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    for name, models in {"alpha": ("only-alpha", "shared"), "beta": ("only-beta", "shared")}.items():
        rows = "".join(f"    {model}:\n      context_window: 10\n" for model in models)
        aliases = '      aliases: ["first-alpha"]\n' if name == "alpha" else ""
        text = f'{name}:\n  api_base: "https://{name}.test"\n  env_key: "{name.upper()}_API_KEY"\n  models:\n'
        (tmp_path / f"{name}.yaml").write_text(text + rows.replace("10\n", f"10\n{aliases}", 1))
    (tmp_path / "aliases.yaml").write_text("fast: beta/only-beta\nslow: al/first-alpha\nlost: nowhere\n")
    return Catalog(Settings(config_dir=tmp_path))


ROUTES = Router(("alpha", "beta"), {"bet": "beta", "better": "alpha", "al/": "alpha"})


@pytest.mark.parametrize(
    ("name", "provider", "model", "rule"),
    [
        ("fast", "beta", "only-beta", "alias 'fast' -> 'beta/only-beta'"),
        ("slow", "alpha", "only-alpha", "alias 'slow'"),
        ("only-alpha", "alpha", "only-alpha", "only alpha has 'only-alpha'"),
        ("first-alpha", "alpha", "only-alpha", "only alpha has 'first-alpha'"),
        ("alpha/first-alpha", "alpha", "only-alpha", "provider 'alpha' is named"),
        ("betting", "beta", "betting", "prefix 'bet'"),
        ("better-1", "alpha", "better-1", "prefix 'better'"),
    ],
)
def test_rules_with_a_catalogue(catalog: Catalog, name: str, provider: str, model: str, rule: str) -> None:
    found = ROUTES.route(name, catalog)
    assert (found.provider, found.model_id) == (provider, model)
    assert rule in found.rule


def test_a_name_that_two_have(catalog: Catalog) -> None:
    with pytest.raises(UnknownModelError, match="2 providers have") as caught:
        ROUTES.route("shared", catalog)
    assert "alpha/shared, beta/shared" in str(caught.value.hint)


def test_an_alias_that_leads_nowhere(catalog: Catalog) -> None:
    with pytest.raises(ConfigError, match="alias 'lost' must lead to provider/model"):
        ROUTES.route("lost", catalog)


def test_an_alias_that_is_no_text(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "aliases.yaml").write_text("fast: [beta/only-beta]\n")
    with pytest.raises(ConfigError, match=r"aliases.yaml:1: alias 'fast'"):
        ROUTES.route("fast", catalog)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("only-alpa", "alpha/only-alpha"),
        ("alpa/some-model", "did you mean alpha/some-model?"),
        ("xxxxxxxx", "providers are alpha, beta"),
        ("beta/", "providers are alpha, beta"),
        ("/only-alpha", "nearest known names: alpha/only-alpha"),
    ],
)
def test_what_might_be_meant(catalog: Catalog, name: str, hint: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        ROUTES.route(name, catalog)
    assert hint in str(caught.value.hint)


def test_nearest(catalog: Catalog) -> None:
    assert ROUTES.nearest("only-alph", catalog) == ["alpha/only-alpha", "beta/only-beta"]
    assert ROUTES.nearest("alpha/only-alph", catalog, limit=1) == ["alpha/only-alpha"]
    assert ROUTES.nearest("zzz", catalog) == []


# ---------------------------------------------------------------- the factory


def test_class_names() -> None:
    assert class_name(Provider.HUGGINGFACE) == "HuggingfaceAdapter"


def test_create_passes_the_options_on() -> None:
    model = ModelFactory.create("vertex/gemini-x", vertex_project="p", api_key="k-123456789", api_base="https://a.test")
    assert (model.provider, model.base, model.given) == ("vertex", "https://a.test", {"vertex_project": "p"})
    assert repr(model) == "VertexAdapter(model_id='gemini-x')"


def test_an_option_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match="OpenaiAdapter takes no 'vertex_project'"):
        ModelFactory.create("openai/gpt-4o", vertex_project="p")


def test_create_of_a_name_nobody_knows() -> None:
    with pytest.raises(UnknownModelError, match="no provider is known"):
        ModelFactory.create("completely-unheard-of")


def test_the_base_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_BASE", "https://gateway.mine.test")
    assert ModelFactory.create("together/x").base == "https://gateway.mine.test"
    assert ModelFactory.create("together/x", api_base="https://other.test").base == "https://other.test"
