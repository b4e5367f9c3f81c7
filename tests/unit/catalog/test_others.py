"""Files of providers beside the shipped ones: which names, prefixes and variables they may have, and what mistakes get told."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from insights.adapters.models.factory import PROVIDER_PREFIXES, ROUTER, Provider
from insights.catalog import nodes
from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.others import installed, shipped_names, shipped_variables, variable_for
from insights.core.config import Settings
from insights.core.errors import ConfigError, UnknownModelError

Write = Callable[..., Path]
BASE = "  api_base: 'https://api.globex.test/v1'\n"
HEAD = "globex:\n" + BASE  # two lines


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes `providers/<name>.yaml`, and gives its path."""
    (tmp_path / "providers").mkdir()

    def written(text: str | bytes, name: str = "globex", where: str = "providers") -> Path:
        path = tmp_path / where / f"{name}.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return written


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(Settings(config_dir=tmp_path))


def model(text: str) -> str:
    """A file with one model, whose first own line is line 5."""
    return HEAD + "  models:\n    anvil-1:\n" + "".join(f"      {line}\n" for line in text.splitlines())


# ---------------------------------------------------------------- what is shipped


def parsed(name: str) -> dict[str, object]:
    found: dict[str, dict[str, object]] = yaml.safe_load((shipped_directory() / f"{name}.yaml").read_text(encoding="utf-8"))
    return found[name]


def test_the_variables_are_those_of_a_full_parse() -> None:
    expected: dict[str, str] = {}
    for provider in Provider:
        row = parsed(provider)
        aliases = row.get("env_key_aliases", [])
        assert isinstance(aliases, list)
        for variable in (row["env_key"], *aliases):
            assert variable not in expected, f"{variable} is two providers'"
            expected[str(variable)] = provider.value
    assert len(expected) >= len(Provider)
    assert dict(shipped_variables(shipped_directory())) == expected


def test_the_names_are_those_of_the_table() -> None:
    assert shipped_names(shipped_directory()) == set(Provider)


def test_no_provider_of_ones_own_without_a_file() -> None:
    assert Catalog().others() == []
    assert Catalog().other_prefixes() == {}


# ---------------------------------------------------------------- a file is all it takes


@pytest.mark.parametrize("where", [".", "providers"])
def test_a_file_in_either_directory(write: Write, catalog: Catalog, where: str) -> None:
    write(model("cost_input_per_1k: 0.0021\naliases: [anvil]"), where=where)
    assert catalog.others() == ["globex"]
    found = catalog.provider("globex")
    assert (found.name, found.api_base, found.env_key) == ("globex", "https://api.globex.test/v1", "GLOBEX_API_KEY")
    assert (found.key_required, found.own_base, found.timeout) == (True, True, 600)
    row = found.model("anvil")
    assert row is not None
    assert dict(row.prices) == {"cost_input_per_1k": Decimal("0.0021")}
    assert ROUTER.route("globex/anvil", catalog).model_id == "anvil-1"
    assert ROUTER.names(catalog) == [*Provider, "globex"]


def test_the_one_in_providers_wins_key_by_key(write: Write, catalog: Catalog) -> None:
    write("globex:\n  api_base: 'https://one.globex.test'\n  timeout: 7\n  models:\n    a-1: {mode: chat}\n", where=".")
    write("globex:\n  api_base: 'https://two.globex.test'\n  models:\n    a-2: {mode: chat}\n")
    found = catalog.provider("globex")
    assert (found.api_base, found.timeout, set(found.models)) == ("https://two.globex.test", 7, {"a-1", "a-2"})


def test_a_name_with_hyphens(write: Write, catalog: Catalog) -> None:
    write("my-own-host:\n" + BASE, name="my-own-host")
    found = ROUTER.route("my-own-host/org/model", catalog)
    assert (found.provider, found.model_id, found.rule) == ("my-own-host", "org/model", "provider 'my-own-host' is named")
    assert catalog.provider("my-own-host").env_key == "MY_OWN_HOST_API_KEY"


@pytest.mark.parametrize(
    ("name", "variable"), [("globex", "GLOBEX_API_KEY"), ("my-host", "MY_HOST_API_KEY"), ("a_b2", "A_B2_API_KEY")]
)
def test_a_variable_by_convention(name: str, variable: str) -> None:
    assert variable_for(name) == variable
    assert variable_for(name, "API_BASE") == variable.replace("API_KEY", "API_BASE")


def test_a_variable_of_its_own_choice(write: Write, catalog: Catalog) -> None:
    write(HEAD + "  env_key: ROADRUNNER_TOKEN\n  env_key_aliases: [OLD_TOKEN]\n")
    assert catalog.provider("globex").key_names == ("ROADRUNNER_TOKEN", "OLD_TOKEN")


def test_other_files_in_the_directory_are_none_of_them(write: Write, catalog: Catalog, tmp_path: Path) -> None:
    for name in ("notes", "docker-compose"):
        write("services:\n  globex: 3\n", name=name, where=".")
    for name in ("aliases", "fallback"):
        write("{}\n", name=name)
    write("openai:\n  timeout: 3\n", name="openai")
    (tmp_path / "providers" / "globex.txt").write_text(HEAD)
    assert catalog.others() == []


def test_a_file_edited_between_two_calls(write: Write, catalog: Catalog) -> None:
    path = write(HEAD + "  timeout: 5\n  prefixes: [anvil-]\n")
    assert catalog.provider("globex").timeout == 5
    assert ROUTER.route("anvil-1", catalog).provider == "globex"
    write(HEAD + "  timeout: 17\n  prefixes: [hammer-]\n")
    os.utime(path, ns=(1, 1))
    assert catalog.provider("globex").timeout == 17
    assert ROUTER.route("hammer-1", catalog).provider == "globex"
    with pytest.raises(UnknownModelError):
        ROUTER.route("anvil-1", catalog)
    path.unlink()
    assert catalog.others() == []


def test_a_file_edited_twice_in_one_tick_of_the_clock(write: Write, catalog: Catalog) -> None:
    path = write(HEAD + "  timeout: 5\n")
    os.utime(path, ns=(1, 1))
    assert catalog.provider("globex").timeout == 5
    write(HEAD + "  timeout: 17\n")
    os.utime(path, ns=(1, 1))
    assert catalog.provider("globex").timeout == 17


# ---------------------------------------------------------------- prefixes


@pytest.mark.parametrize(
    ("model", "provider", "rule"),
    [
        ("anvil-1", "globex", "prefix 'anvil-'"),
        ("anvil-pro-1", "best", "prefix 'anvil-pro'"),
        ("gpt-anvil", "openai", "prefix 'gpt-'"),
        ("mistral-anvil-", "mistral", "prefix 'mistral'"),
    ],
)
def test_the_longest_prefix_of_ones_own_counts_after_the_shipped_ones(
    write: Write, catalog: Catalog, model: str, provider: str, rule: str
) -> None:
    write(HEAD + "  prefixes: [anvil-]\n")
    write("best:\n" + BASE + "  prefixes: ['anvil-pro', 'mis']\n", name="best")
    found = ROUTER.route(model, catalog)
    assert (found.provider, found.model_id, found.rule) == (provider, model, rule)


def test_prefixes_are_for_names_without_a_slash(write: Write, catalog: Catalog) -> None:
    write(HEAD + "  prefixes: [anvil]\n")
    with pytest.raises(UnknownModelError):
        ROUTER.route("anvil-org/anvil-1", catalog)


@pytest.mark.parametrize("prefix", [prefix for prefix in PROVIDER_PREFIXES if not prefix.endswith("/")])
def test_a_shipped_prefix_always_wins(write: Write, catalog: Catalog, prefix: str) -> None:
    """Routed by the table without a look at one's own files; and whoever would cover it is told."""
    path = write(HEAD + f"  prefixes: [zz-anvil, '{prefix}x']\n")
    assert ROUTER.route(f"{prefix}x-1", catalog).provider == PROVIDER_PREFIXES[prefix]
    with pytest.raises(ConfigError) as caught:
        ROUTER.route("zz-anvil-1", catalog)
    assert (caught.value.file, caught.value.line) == (str(path), 3)
    assert f"the prefix '{prefix}x' begins with '" in str(caught.value)
    assert f"which leads to {PROVIDER_PREFIXES[prefix]}" in str(caught.value)
    assert caught.value.hint == "choose another, or write globex/model in calls"


@pytest.mark.parametrize("name", [*Provider])
def test_a_shipped_name_stays_the_shipped_providers(write: Write, catalog: Catalog, name: str) -> None:
    write(f"{name}:\n  timeout: 3\n", name=name)
    assert name not in catalog.others()
    assert ROUTER.route(f"{name}/whatever", catalog).provider == name
    assert catalog.provider(name).env_key == parsed(name)["env_key"]


def test_two_with_the_same_prefix(write: Write, catalog: Catalog) -> None:
    first = write(HEAD + "  prefixes: [anvil-]\n")
    second = write("zenith:\n" + BASE + "  timeout: 3\n  prefixes: [hammer-, anvil-]\n", name="zenith")
    with pytest.raises(ConfigError, match="the prefix 'anvil-' is also that of globex") as caught:
        ROUTER.route("hammer-1", catalog)
    assert str(caught.value).startswith(f"{second}:4: ")
    assert f"in {first}:3" in str(caught.value)
    assert caught.value.hint == "a prefix leads to one provider: take it out of one of the two"
    assert ROUTER.route("gpt-4o", catalog).provider == "openai"  # nobody else is stopped by it
    assert ROUTER.route("zenith/anvil-1", catalog).provider == "zenith"


def test_the_same_prefix_in_both_files_of_one_provider(write: Write, catalog: Catalog) -> None:
    write(HEAD + "  prefixes: [anvil-]\n", where=".")
    write("globex:\n  prefixes: [anvil-]\n")
    assert ROUTER.route("anvil-1", catalog).provider == "globex"


def test_the_prefixes_of_the_file_that_wins(write: Write, catalog: Catalog) -> None:
    write(HEAD + "  prefixes: [anvil-]\n", where=".")
    write("globex:\n  prefixes: [hammer-]\n")
    assert catalog.provider("globex").prefixes == ("hammer-",)
    assert set(catalog.other_prefixes()) == {"hammer-"}


def test_prefixes_of_a_shipped_provider_are_fixed(write: Write, catalog: Catalog) -> None:
    path = write("mistral:\n  timeout: 3\n  prefixes: [anvil-]\n", name="mistral")
    with pytest.raises(ConfigError) as caught:
        catalog.provider("mistral")
    assert str(caught.value) == f"{path}:3: the prefixes of mistral are fixed\n  -> for a name of your own: aliases.yaml"


# ---------------------------------------------------------------- keys

TAKEN = [
    (v, p.value) for p in Provider for v in (parsed(p)["env_key"], *yaml.safe_load(str(parsed(p).get("env_key_aliases", []))))
]


@pytest.mark.parametrize(("variable", "owner"), TAKEN)
@pytest.mark.parametrize("key", ["env_key: {}", "env_key_aliases: [GLOBEX_TOKEN, {}]"])
def test_a_shipped_providers_variable(write: Write, catalog: Catalog, key: str, variable: str, owner: str) -> None:
    path = write(HEAD + "  " + key.format(variable) + "\n")
    with pytest.raises(ConfigError) as caught:
        catalog.provider("globex")
    assert str(caught.value) == (
        f"{path}:3: {variable} holds the key of {owner}, which goes to the hosts of {owner} only\n"
        "  -> name a variable of its own by env_key, such as GLOBEX_API_KEY"
    )


@pytest.mark.parametrize(
    ("name", "owner"),
    [("google", "gemini"), ("co", "cohere"), ("azure-openai", "azure"), ("azure_openai", "azure"), ("pplx", "perplexity")],
)
def test_a_shipped_providers_variable_by_convention(write: Write, catalog: Catalog, name: str, owner: str) -> None:
    """`google.yaml` without `env_key` would get GOOGLE_API_KEY, which is Gemini's."""
    write(f"{name}:\n{BASE}", name=name)
    assert variable_for(name) in shipped_variables(shipped_directory())
    with pytest.raises(ConfigError, match=f"holds the key of {owner}"):
        catalog.provider(name)


@pytest.mark.parametrize("name", ["vertex_ai", "together_ai", "ollama_chat"])
def test_another_spelling_of_a_shipped_name(write: Write, catalog: Catalog, name: str) -> None:
    path = write(f"{name}:\n{BASE}", name=name)
    with pytest.raises(ConfigError, match=f"{name!r} is another name of ") as caught:
        ROUTER.names(catalog)
    assert caught.value.file == str(path)


# ---------------------------------------------------------------- wrong files: one error, with its place

# (text of the file, line of the mistake, words of the message, words of the hint)
MISTAKES: dict[str, tuple[str, int | None, str, str | None]] = {
    "no URL": (
        "globex:\n  api_base: api.globex.test/v1\n",
        2,
        "api_base: must be a full URL, got 'api.globex.test/v1'",
        "e.g. https",
    ),
    "another scheme": ("globex:\n  api_base: ftp://api.globex.test\n", 2, "api_base: must be a full URL", "e.g. https"),
    "a whole endpoint": (
        "globex:\n  api_base: https://api.globex.test/v1/chat/completions\n",
        2,
        "api_base: ends in /chat/completions, which insights adds",
        None,
    ),
    "a quote in it": (
        "globex:\n  api_base: 'https://api.globex.test/v1\"q'\n",
        2,
        "api_base: must be a full URL",
        "e.g. https",
    ),
    "credentials of a cloud": (
        "globex:\n  api_base: https://api.globex.test\n  env_key: AWS_SECRET_ACCESS_KEY\n",
        3,
        "AWS_SECRET_ACCESS_KEY is for credentials of AWS, which go nowhere else",
        "name a variable of its own by env_key",
    ),
    "no key at all": (
        "globex:\n  api_base: https://api.globex.test\n  env_key_aliases: [HOME]\n",
        3,
        "HOME is no variable for a key, by its name",
        "name a variable of its own by env_key",
    ),
    "no port": ("globex:\n  api_base: https://api.globex.test:x\n", 2, "api_base: is no URL", "e.g. https"),
    "http to a public host": (
        "globex:\n  api_base: http://api.globex.test\n",
        2,
        "is plain http to api.globex.test",
        "use https",
    ),
    "credentials": (
        "globex:\n  api_base: https://me:hush-hush@globex.test\n",
        2,
        "carries a user name or password",
        "a key goes into the environment",
    ),
    "a query": ("globex:\n  api_base: https://globex.test/v1?key=hush-hush\n", 2, "has a query", "up to its path"),
    "link-local": ("globex:\n  api_base: https://169.254.169.254/v1\n", 2, "a link-local address", "the provider's address"),
    "link-local, http": ("globex:\n  api_base: http://169.254.169.254\n", 2, "is plain http to 169.254.169.254", "use https"),
    "URL list": ("globex:\n  api_base: [https://globex.test]\n", 2, "api_base: expected a text", None),
    "no api_base": ("globex:\n  timeout: 3\n", None, "provider 'globex' needs 'api_base'", None),
    "no keys": ("globex: {}\n", None, "provider 'globex' needs 'api_base'", None),
    "negative price": (model("cost_input_per_1k: -0.1"), 5, "a price can't be negative: '-0.1'", None),
    "1e-6": (model("cost_output_per_1k: 1e-6"), 5, "write the price out: '1e-6' is 0.000001", None),
    "price in words": (model("cost_input_per_1k: free"), 5, "expected a price in USD, got 'free'", None),
    "price with a sign": (model("cost_input_per_1k: $0.1"), 5, "expected a price in USD, got '$0.1'", None),
    "no price": (model("cost_input_per_1k:"), 5, "expected a price in USD, got None", None),
    "price nan": (model("cost_input_per_1k: nan"), 5, "no price: 'nan'", None),
    "context_window 0": (model("context_window: 0"), 5, "expected a whole number above 0, got '0'", None),
    "context_window negative": (model("context_window: -8000"), 5, "expected a whole number above 0, got '-8000'", None),
    "context_window 1.5": (model("context_window: 1.5"), 5, "expected a whole number above 0, got '1.5'", None),
    "context_window 8k": (model("context_window: 8k"), 5, "expected a whole number above 0, got '8k'", None),
    "tab": (HEAD + "\ttimeout: 3\n", 3, "not YAML", "spaces, no tabs"),
    "unknown key": (HEAD + "  prefixs: [ab]\n", 3, "a provider has no key 'prefixs'", "did you mean 'prefixes'?"),
    "unknown model key": (model("context_windw: 3"), 5, "a model has no key 'context_windw'", "did you mean 'context_window'?"),
    "unknown and far": (HEAD + "  zzz: 3\n", 3, "a provider has no key 'zzz'", "keys are: api_base, env_key"),
    "duplicate key": (HEAD + BASE, 3, "'api_base' is here twice (first on line 2)", "keep one of the two"),
    "duplicate model": (model("mode: chat") + "    anvil-1: {}\n", 6, "'anvil-1' is here twice", "keep one of the two"),
    "wrong top": ("acne:\n" + BASE, 1, "must have one top-level key, 'globex'", "it has: acne"),
    "two tops": (HEAD + "best:\n" + BASE, 1, "must have one top-level key, 'globex'", "it has: globex, best"),
    "no top": (BASE.strip() + "\n", 1, "must have one top-level key, 'globex'", "it has: api_base"),
    "a list": ("- globex\n", 1, "a provider file must be a mapping", None),
    "a text": ("globex\n", 1, "a provider file must be a mapping", None),
    "nothing below": ("globex:\n", 1, "provider 'globex' must be a mapping", None),
    "anchor": (HEAD + "  hosts: &h [x.test]\n  env_key_aliases: *h\n", 3, "anchors and aliases", "write the value out"),
    "tag": (HEAD + "  timeout: !!python/object/apply:os.system ['true']\n", 3, "tags are not used here", "remove the tag"),
    "prefix with a slash": (HEAD + "  prefixes: [anvil/]\n", 3, "in small letters and without a slash, got 'anvil/'", None),
    "prefix with a capital": (HEAD + "  prefixes: [Anvil]\n", 3, "in small letters and without a slash, got 'Anvil'", None),
    "prefix with a space": (HEAD + "  prefixes: ['an vil']\n", 3, "in small letters and without a slash", None),
    "prefix of one letter": (HEAD + "  prefixes: [ok, a]\n", 3, "a prefix is two characters or more", None),
    "empty prefix": (HEAD + "  prefixes: ['']\n", 3, "prefixes: expected a text", None),
    "prefix twice": (HEAD + "  prefixes: [anvil, anvil]\n", 3, "prefixes: a prefix is here twice", None),
    "no list of prefixes": (HEAD + "  prefixes: anvil\n", 3, "prefixes: expected a list of texts", None),
    "models list": (HEAD + "  models: [anvil-1]\n", 3, "models must be a mapping", None),
    "models number": (HEAD + "  models: 3\n", 3, "models must be a mapping", None),
    "model without keys": (HEAD + "  models:\n    anvil-1:\n", 4, "model 'anvil-1' must be a mapping", None),
    "key_required": (HEAD + "  key_required: no\n", 3, "key_required: expected true or false, got 'no'", None),
    "timeout": (HEAD + "  timeout: -1\n", 3, "timeout: expected a number of seconds above 0", None),
    "empty": ("", 1, "must have one top-level key, 'globex'", "it has: none"),
    "comments only": ("# globex:\n", 1, "must have one top-level key, 'globex'", "it has: none"),
}


@pytest.mark.parametrize(("text", "line", "message", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_says_where_it_is(
    write: Write, catalog: Catalog, text: str, line: int | None, message: str, hint: str | None
) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as raised:
        catalog.provider("globex")
    error = raised.value
    assert (error.file, error.line) == (str(path), line), str(error)
    assert error.message.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert message in error.message
    assert hint is None or hint in str(error.hint)
    assert "hush-hush" not in str(error)
    assert catalog.provider("openai").name == "openai"  # whom it doesn't concern, it doesn't stop


@pytest.mark.parametrize("name", ["tab", "unknown key", "http to a public host", "wrong top"])
def test_a_mistake_is_told_to_a_call_by_name_and_by_prefix(write: Write, catalog: Catalog, name: str) -> None:
    text, line, message, _ = MISTAKES[name]
    path = write(text)
    for asked in ("globex/anvil-1", "anvil-1"):
        with pytest.raises(ConfigError) as raised:
            ROUTER.route(asked, catalog)
        assert (raised.value.file, raised.value.line) == (str(path), line)
        assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"globex:\n  source: '\xff'\n" + BASE.encode(), "can't be read: 'utf-8' codec can't decode"),
        (HEAD.encode("utf-16"), "can't be read: 'utf-8' codec can't decode"),
        (HEAD.encode() + b"#" * nodes.MAX_BYTES, f"larger than {nodes.MAX_BYTES} bytes"),
        (HEAD.encode() + b"  hosts: " + b"[" * 5000, "not YAML: nested deeper than"),
        (HEAD.encode() + b"  source: \x00\n", "not YAML"),
    ],
    ids=["latin-1", "utf-16", "large", "deep", "zero byte"],
)
@pytest.mark.parametrize("where", [".", "providers"])
def test_a_file_that_is_no_text(write: Write, catalog: Catalog, where: str, content: bytes, message: str) -> None:
    path = write(content, where=where)
    with pytest.raises(ConfigError) as raised:
        catalog.provider("globex")
    assert raised.value.file == str(path)
    assert message in raised.value.message


def test_nothing_is_looked_up_twice(write: Write, catalog: Catalog) -> None:
    """What packages bring is known after the first look, whatever is asked later."""
    write(HEAD)
    catalog.provider("globex")
    before = installed.cache_info()
    catalog.provider("globex")
    after = installed.cache_info()
    assert after.misses == before.misses
    assert after.hits > before.hits
