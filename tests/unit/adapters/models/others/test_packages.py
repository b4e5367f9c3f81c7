"""Providers of installed packages, asked for real."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import insights
from insights.adapters.models.compatible import other_adapter
from insights.adapters.models.factory import ROUTER, ModelFactory
from insights.catalog.loader import Catalog
from insights.catalog.others import installed
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import (
    CassetteMissingError,
    ConfigError,
    UnknownModelError,
    UnsupportedParamsError,
)
from tests.processes import run_python
from tests.unit.adapters.answers import TEXT
from tests.unit.adapters.loopback import Loopback
from tests.unit.adapters.models.others.globex import ANVIL, CHAT, COST, GLOBEX, KEY, answer_of, fails_for, whole_or_streamed
from tests.unit.both import ask, both

# ---------------------------------------------------------------- by an installed package

ADAPTER = '''\
"""Globex's own."""

from insights.adapters.models.base import LiteLLMChatModel


class Globex(LiteLLMChatModel):
    """OpenAI-shaped, with a parameter of its own."""

    litellm_provider = "openai"
    native_params = ("anvil_weight",)
'''


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What one test installed, another doesn't have."""

    def forget() -> None:
        installed.cache_clear()
        other_adapter.cache_clear()

    forget()
    yield
    forget()


class Site:
    """A directory of packages on the path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def package(self, name: str, entries: dict[str, str], files: dict[str, str]) -> None:
        """Installs one."""
        for path, text in files.items():
            found = self.directory / path
            found.parent.mkdir(parents=True, exist_ok=True)
            found.write_text(text)
        info = self.directory / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        rows = "".join(f"{key} = {value}\n" for key, value in entries.items())
        (info / "entry_points.txt").write_text(f"[insights.providers]\n{rows}")
        installed.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    directory = tmp_path / "site"
    directory.mkdir()
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(directory))
    yield Site(directory)
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(directory) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def package(site: Site, config: Path, loopback: Loopback) -> Site:
    """Globex as a package, `globex_insights`, with its file beside the module."""
    files = {"globex_insights/__init__.py": ADAPTER, "globex_insights/globex.yaml": GLOBEX.format(url=loopback.url)}
    site.package("globex-insights", {"globex": "globex_insights:Globex"}, files)
    return site


@both
@whole_or_streamed
@pytest.mark.parametrize("model", [ANVIL, "anvil-1"])
def test_a_package_brings_a_provider(
    client: Client, package: Site, loopback: Loopback, awaiting: bool, stream: bool, model: str
) -> None:
    loopback.says(CHAT.stream() if stream else CHAT.text())
    found = answer_of(client, awaiting, stream, model, anvil_weight=7)
    assert (found.text, found.provider) == (TEXT, "globex")
    assert found.cost is not None
    assert found.cost.total == COST
    received = loopback.only
    assert (received.target, received.body["model"], received.body["anvil_weight"]) == ("/v1/chat/completions", "anvil-1", 7)
    assert received.headers["authorization"] == f"Bearer {KEY}"


def test_its_own_parameters_are_known(client: Client, package: Site, loopback: Loopback) -> None:
    adapter = ModelFactory.adapter_class("globex")
    assert (adapter.__name__, adapter.__module__, adapter.native_params) == ("Globex", "globex_insights", ("anvil_weight",))
    assert ModelFactory.create(ANVIL).provider == "globex"
    with pytest.raises(UnsupportedParamsError, match="anvil_weigt") as caught:
        client.completion(ANVIL, "Hi", anvil_weigt=7)
    assert "anvil_weight" in str(caught.value)
    with pytest.raises(UnsupportedParamsError, match="temperatur"):
        client.completion(ANVIL, "Hi", temperatur=7)
    assert loopback.received == []


def test_a_class_that_says_its_name_is_taken_as_it_is(site: Site, config: Path, loopback: Loopback) -> None:
    text = ADAPTER + '    provider_name = "globex"\n'
    files = {"globex_named/__init__.py": text, "globex_named/globex.yaml": GLOBEX.format(url=loopback.url)}
    site.package("globex-named", {"globex": "globex_named:Globex"}, files)
    import globex_named  # type: ignore[import-not-found]

    assert ModelFactory.adapter_class("globex") is globex_named.Globex


def test_one_package_with_two_providers(client: Client, site: Site, config: Path, loopback: Loopback) -> None:
    """One class for both: each has its name and its file."""
    best = "best:\n  api_base: '{url}/best'\n  key_required: false\n"
    files = {
        "globex_both/__init__.py": "",
        "globex_both/adapter.py": ADAPTER,
        "globex_both/globex.yaml": GLOBEX.format(url=loopback.url),
        "globex_both/best.yaml": best.format(url=loopback.url),
    }
    site.package("globex-both", {"globex": "globex_both.adapter:Globex", "best": "globex_both.adapter:Globex"}, files)
    loopback.says(CHAT.text())
    assert [client.completion(f"{name}/m", "Hi").provider for name in ("globex", "best")] == ["globex", "best"]
    assert [each.target for each in loopback.received] == ["/v1/chat/completions", "/best/chat/completions"]
    assert [each.headers.get("authorization") for each in loopback.received] == [f"Bearer {KEY}", None]


@both
@pytest.mark.parametrize("to_it", [True, False], ids=["to it", "from it"])
def test_fallbacks_of_a_package(
    client: Client, package: Site, shipped: str, loopback: Loopback, awaiting: bool, to_it: bool
) -> None:
    first, then = (shipped, ANVIL) if to_it else (ANVIL, shipped)
    loopback.says(fails_for(first.partition("/")[2]))
    found = ask(client, awaiting, first, fallbacks=[then], **({} if to_it else {"anvil_weight": 7}))
    assert (found.text, found.provider) == (TEXT, then.partition("/")[0])
    assert "anvil_weight" not in loopback.received[1].body


@both
@whole_or_streamed
def test_a_package_recorded_and_replayed(
    client: Client,
    package: Site,
    config: Path,
    loopback: Loopback,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    awaiting: bool,
    stream: bool,
) -> None:
    path = tmp_path / "globex.yaml"
    loopback.says(CHAT.stream() if stream else CHAT.text())
    with insights.use_cassette(path, "record"):
        answer_of(client, awaiting, stream, ANVIL, anvil_weight=7)
    assert KEY not in path.read_text()
    loopback.says()
    monkeypatch.delenv("GLOBEX_API_KEY")
    with insights.use_cassette(path):
        replayed = answer_of(client, awaiting, stream, ANVIL, anvil_weight=7)
        with pytest.raises(CassetteMissingError):
            answer_of(client, awaiting, stream, ANVIL, anvil_weight=8)
    assert (replayed.text, replayed.provider) == (TEXT, "globex")
    assert replayed.cost is not None
    assert replayed.cost.total == COST
    assert loopback.received == []


def test_ones_own_file_is_over_the_packages_key_by_key(
    client: Client, package: Site, config: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "  timeout: 5\n  env_key: MY_GLOBEX_KEY\n"
    rows += "  models:\n    mine-1:\n      cost_input_per_1k: 1\n      cost_output_per_1k: 0\n"
    (config / "providers" / "globex.yaml").write_text(f"globex:\n{rows}")
    monkeypatch.setenv("MY_GLOBEX_KEY", "my-key-of-globex-0123")
    found = Catalog().provider("globex")
    assert (found.api_base, found.timeout, found.env_key) == (f"{loopback.url}/v1", 5, "MY_GLOBEX_KEY")
    assert set(found.models) == {"anvil-1", "mine-1"}
    loopback.says(CHAT.text())
    costs = [client.completion(f"globex/{name}", "Hi", anvil_weight=7).cost for name in ("mine-1", "anvil-1")]
    assert [cost.total for cost in costs if cost] == [2, COST]  # 2000 x 1 / 1000
    assert {each.headers["authorization"] for each in loopback.received} == {"Bearer my-key-of-globex-0123"}
    assert "anvil_weight" in ModelFactory.adapter_class("globex").native_params


def test_a_packages_file_takes_no_key_of_a_shipped_provider(
    client: Client, site: Site, config: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "canary-of-mistral")
    text = GLOBEX.format(url=loopback.url).replace("  prefixes", "  env_key_aliases: [MISTRAL_API_KEY]\n  prefixes")
    site.package("globex-thief", {"globex": "globex_thief:Globex"}, {"globex_thief.py": ADAPTER, "globex.yaml": text})
    with pytest.raises(ConfigError, match=r"globex\.yaml:3: MISTRAL_API_KEY holds the key of mistral"):
        client.completion(ANVIL, "Hi")
    assert loopback.received == []
    assert "globex_thief" not in sys.modules


def test_a_shipped_name_stays_the_shipped_providers(
    client: Client, site: Site, config: Path, shipped: str, loopback: Loopback
) -> None:
    files = {
        "greedy.py": ADAPTER,
        "openai.yaml": "openai:\n  api_base: https://evil.test\n",
        "mistral.yaml": "mistral:\n  api_base: https://evil.test\n",
    }
    site.package("greedy", {"openai": "greedy:Globex", "mistral": "greedy:Globex"}, files)
    assert set(installed()) >= {"openai", "mistral"}
    catalog = Catalog()
    assert catalog.others() == []
    assert catalog.provider("openai").api_base == "https://api.openai.com/v1"
    assert [str(path) for path in catalog.files("mistral") if site.directory in path.parents] == []
    assert ModelFactory.create("openai/gpt-4o").__class__.__module__ == "insights.adapters.models.openai"
    loopback.says(CHAT.text())
    assert client.completion(shipped, "Hi").provider == "mistral"
    assert loopback.only.target == "/mistral/chat/completions"
    assert "greedy" not in sys.modules


def test_two_packages_with_the_same_name(client: Client, package: Site, loopback: Loopback) -> None:
    package.package("globex-too", {"globex": "globex_too:Globex"}, {"globex_too.py": ADAPTER, "globex.yaml": "globex: {}\n"})
    with pytest.raises(ConfigError, match="2 packages bring a provider 'globex': ") as caught:
        client.completion(ANVIL, "Hi")
    assert sorted(caught.value.message.partition(": ")[2].split(", ")) == ["globex-insights", "globex-too"]
    assert caught.value.hint == "uninstall one"
    assert not {"globex_insights", "globex_too"} & set(sys.modules)
    loopback.says(CHAT.text())
    assert client.completion("openai/m", "Hi", api_base=loopback.url).text == TEXT


YAML = "globex:\n  api_base: https://api.globex.test/v1\n  key_required: false\n"
NO_CLASS = "its entry point must name a class that extends LiteLLMChatModel"
# (what the entry point names, the files, what is said)
BROKEN = {
    "no module": ("globex_none:Globex", {}, "there is no module globex_none"),
    "no module inside": (
        "globex_out.none:Globex",
        {"globex_out/__init__.py": ""},
        "it has no file {site}/globex_out/globex.yaml",
    ),
    "no package outside": ("globex_none.adapter:Globex", {}, "there is no module globex_none"),
    "no file": ("globex_bare:Globex", {"globex_bare.py": ADAPTER}, "it has no file {site}/globex.yaml"),
    "an import that fails": (
        "globex_lost:Globex",
        {"globex_lost.py": "import no_such_module_anywhere\n", "globex.yaml": YAML},
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
    ),
    "an import that raises": (
        "globex_raises:Globex",
        {"globex_raises.py": "raise RuntimeError('the anvil fell')\n", "globex.yaml": YAML},
        "RuntimeError: the anvil fell",
    ),
    "not Python": ("globex_words:Globex", {"globex_words.py": "this is no Python\n", "globex.yaml": YAML}, "SyntaxError: "),
    "no such name": ("globex_less:Anvil", {"globex_less.py": ADAPTER, "globex.yaml": YAML}, "AttributeError: "),
    "the module itself": ("globex_whole", {"globex_whole.py": ADAPTER, "globex.yaml": YAML}, NO_CLASS),
    "a function": ("globex_def:Globex", {"globex_def.py": "def Globex(): ...\n", "globex.yaml": YAML}, NO_CLASS),
    "another class": ("globex_dict:Globex", {"globex_dict.py": "class Globex(dict): ...\n", "globex.yaml": YAML}, NO_CLASS),
    "an object": (
        "globex_made:Globex",
        {"globex_made.py": ADAPTER.replace("class Globex", "class A") + "\nGlobex = A('m')\n", "globex.yaml": YAML},
        NO_CLASS,
    ),
}


@both
@pytest.mark.parametrize(("value", "files", "why"), BROKEN.values(), ids=BROKEN)
def test_a_package_that_is_broken(
    client: Client, site: Site, config: Path, awaiting: bool, value: str, files: dict[str, str], why: str
) -> None:
    site.package("globex-broken", {"globex": value}, files)
    with pytest.raises(ConfigError) as caught:
        ask(client, awaiting, ANVIL)
    said = f"the package globex-broken brings the provider 'globex', which can't be used: {why.format(site=site.directory)}"
    assert caught.value.message.startswith(said)
    assert caught.value.hint == f"mend the package or uninstall it: insights.providers = {value}"
    assert ROUTER.route("gpt-4o", Catalog()).provider == "openai"


def test_a_package_whose_outer_module_raises(client: Client, site: Site, config: Path) -> None:
    files = {"globex_deep/__init__.py": "raise RuntimeError('the anvil fell')\n", "globex_deep/adapter.py": ADAPTER}
    site.package("globex-deep", {"globex": "globex_deep.adapter:Globex"}, files)
    with pytest.raises(ConfigError, match="the package globex-deep brings the provider 'globex'"):
        client.completion(ANVIL, "Hi")


def test_the_names_of_models_import_no_outer_module(site: Site, config: Path, loopback: Loopback) -> None:
    files = {
        "globex_deep/__init__.py": "",
        "globex_deep/adapter.py": ADAPTER,
        "globex_deep/globex.yaml": GLOBEX.format(url=loopback.url),
    }
    site.package("globex-deep", {"globex": "globex_deep.adapter:Globex"}, files)
    assert ANVIL in insights.model_list
    assert "globex_deep" not in sys.modules


@pytest.mark.parametrize("name", ["aliases", "fallback"])
def test_a_package_called_like_another_file(site: Site, config: Path, name: str) -> None:
    site.package(
        "odd-name",
        {name: "odd_name:Globex"},
        {"odd_name.py": ADAPTER, f"{name}.yaml": f"{name}:\n  api_base: https://a.test\n"},
    )
    assert Catalog().others() == []
    with pytest.raises(UnknownModelError):
        ROUTER.route("nobody-has-this", Catalog())


@pytest.mark.parametrize("name", ["Globex", "a b", "a/b", "9lives", "-x"])
def test_a_package_with_a_name_that_is_none(site: Site, config: Path, name: str) -> None:
    site.package("odd-name", {name: "odd_name:Globex"}, {"odd_name.py": ADAPTER})
    assert Catalog().others() == []


def test_a_mistake_in_a_packages_file(client: Client, site: Site, config: Path) -> None:
    files = {"globex_typo.py": ADAPTER, "globex.yaml": YAML + "  timeot: 3\n"}
    site.package("globex-typo", {"globex": "globex_typo:Globex"}, files)
    with pytest.raises(ConfigError, match="a provider has no key 'timeot'") as caught:
        client.completion(ANVIL, "Hi")
    assert (caught.value.file, caught.value.line) == (str(site.directory / "globex.yaml"), 4)
    assert caught.value.hint == "did you mean 'timeout'?"


# ---------------------------------------------------------------- what isn't looked at


@both
@whole_or_streamed
@pytest.mark.parametrize("fallback", [False, True])
def test_calls_to_shipped_providers_look_at_no_package(
    package: Site, config: Path, shipped: str, loopback: Loopback, awaiting: bool, stream: bool, fallback: bool
) -> None:
    (config / "aliases.yaml").write_text(f"steady: {shipped}\n")
    before = installed.cache_info()
    with Client(Settings(num_retries=0)) as client:
        for model in (shipped, "mistral-large-x", "steady"):
            loopback.says(CHAT.stream() if stream else CHAT.text())
            found = answer_of(client, awaiting, stream, model, fallbacks=["mistral/other"] if fallback else None)
            assert (found.text, found.provider) == (TEXT, "mistral")
            client.explain_route(model)
    assert installed.cache_info() == before
    assert "globex_insights" not in sys.modules


def test_a_list_of_models_imports_no_package(package: Site) -> None:
    assert ANVIL in insights.model_list
    assert Catalog().others() == ["globex"]
    assert Catalog().provider("globex").timeout == 33
    assert installed.cache_info().misses == 1
    assert "globex_insights" not in sys.modules


CHILD = """
import json, os, sys
import insights
from insights.core.errors import InsightsError

def scanned():
    others = sys.modules.get("insights.catalog.others")
    return others.installed.cache_info().misses if others else 0

seen = [scanned()]
base = os.environ["WHERE"]
shipped = insights.completion("openai/m", "Hi", api_base=base, api_key="k-0123456789", cache=False).text
seen += [scanned(), "globex_insights" in sys.modules]
whole = insights.completion("globex/anvil-1", "Hi", anvil_weight=7, cache=False)
seen += [scanned(), "globex_insights" in sys.modules]
stream = insights.completion("anvil-1", "Hi", stream=True, cache=False)
text = "".join(chunk.text for chunk in stream)
print(json.dumps([seen, shipped, whole.text, whole.provider, str(whole.cost.total), text, str(stream.response.cost.total)]))
"""


def test_in_a_process_of_its_own(package: Site, config: Path, loopback: Loopback) -> None:
    """As it is after an installation: nothing is cleared by hand, and `import insights` looks through nothing."""
    loopback.says(lambda request: CHAT.stream() if request.body.get("stream") else CHAT.text())
    paths = os.pathsep.join([str(package.directory), *filter(None, sys.path)])
    run = run_python("-c", CHILD, env={"PYTHONPATH": paths, "WHERE": loopback.url})
    assert run.returncode == 0, run.stderr
    seen, shipped, text, provider, cost, streamed, streamed_cost = json.loads(run.stdout)
    assert seen == [0, 0, False, 1, True]
    assert (shipped, text, streamed, provider) == (TEXT, TEXT, TEXT, "globex")
    assert (Decimal(cost), Decimal(streamed_cost)) == (COST, COST)
    assert [each.body.get("anvil_weight") for each in loopback.received] == [None, 7, None]
