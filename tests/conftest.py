"""What holds for every test: no keys, no network, no cache but its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings as hypothesis_settings

from tests import network_guard

pytest_plugins = ["pytester"]

# Taken before anything is removed: for the few tests that run pip, which may need the machine's own proxy settings.
OUTER_ENVIRON = dict(os.environ)

# Names of credentials, of places where credentials lie, and of settings that would make one machine's run differ from
# another's. INSIGHTS_RECORDINGS only says where recordings are, and stays.
_CREDENTIAL = re.compile(
    r"""
    .*_API_KEY | .*_API_TOKEN | .*_ACCESS_TOKEN | .*_AUTH_TOKEN | .*_SECRET_KEY | .*_BEARER_TOKEN.*
    | (HF|HUGGINGFACE|HUGGING_FACE|REPLICATE|GITHUB|GH)_.*TOKEN
    | (AWS|GOOGLE|GCLOUD|GCP|CLOUDSDK|VERTEX|VERTEXAI|AZURE|OPENAI|ANTHROPIC|OLLAMA|LITELLM)_.*
    | .*_(API_BASE|BASE_URL|API_VERSION)
    | (HTTP|HTTPS|ALL|NO)_PROXY
    | INSIGHTS_(?!RECORDINGS$|STRESS).*
    | CI | GITHUB_ACTIONS | (FORCE|NO|PY)_COLORS? | TTY_(COMPATIBLE|INTERACTIVE)  # how cassettes are used, and what is printed
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_sensitive(name: str) -> bool:
    """True for an environment variable that no test may see."""
    return _CREDENTIAL.fullmatch(name) is not None


# Credentials that lie in files, or are handed out by the machine, are not looked at either.
_NOWHERE = str(Path(__file__).with_name("there-is-nothing-here"))
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": _NOWHERE,
    "AWS_SHARED_CREDENTIALS_FILE": _NOWHERE,
    "AWS_EC2_METADATA_DISABLED": "true",
    "CLOUDSDK_CONFIG": _NOWHERE,
    "NETRC": _NOWHERE,
    "NO_GCE_CHECK": "true",
}


def _without_stand_ins() -> None:
    """Tests say their own chains. A provider that stands in for others by default (`insights provider add --fallback`) would
    stand in for what they make fail.
    """
    shipped = Path(__file__).parents[1] / "configs" / "providers" / "fallback.yaml"
    if not any(yaml.safe_load(shipped.read_text(encoding="utf-8")).values()):
        return
    from insights.catalog.loader import Catalog

    files = Catalog.files

    def other_files(self: Catalog, name: str) -> list[Path]:
        return [path for path in files(self, name) if path != shipped]

    vars_of: Any = Catalog
    vars_of.files = other_files


def pytest_configure() -> None:
    for name in filter(is_sensitive, list(os.environ)):
        del os.environ[name]
    os.environ.update(NO_CREDENTIALS)
    _without_stand_ins()
    network_guard.install()
    # Wall-clock deadlines fail on a busy machine and say nothing about the property.
    hypothesis_settings.register_profile("insights", deadline=None)
    hypothesis_settings.load_profile("insights")


@pytest.fixture(autouse=True)
def own_cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has its own cache directory, which does not exist yet."""
    directory = tmp_path / "insights-cache"
    monkeypatch.setenv("INSIGHTS_CACHE_DIR", str(directory))
    return directory


@pytest.fixture(autouse=True)
def nobody_has_failed_yet() -> None:
    """No test is refused a request because of what others made a provider do."""
    from insights.routing.breaker import BREAKERS
    from insights.routing.retry import BUDGETS
    from insights.routing.spread import SPREAD

    BREAKERS.reset()
    BUDGETS.reset()
    SPREAD.reset()


@pytest.fixture(autouse=True)
def nothing_is_spent_yet() -> Iterator[None]:
    """No test counts what others spent, nor leaves a ledger open."""
    from decimal import Decimal

    from insights.spending.budget import RUN
    from insights.spending.ledger import close_ledgers

    RUN.spent = RUN.reserved = Decimal(0)
    yield
    close_ledgers()


@pytest.fixture(autouse=True)
def nothing_left_the_machine() -> Iterator[list[str]]:
    """Fail a test whose code tried to leave, even where the refusal was swallowed.

    Yields the list of refusals; a test of the guard itself clears it.
    """
    network_guard.refused.clear()
    yield network_guard.refused
    if network_guard.refused:
        pytest.fail("\n".join(network_guard.refused), pytrace=False)


@pytest.fixture
def outer_environ() -> dict[str, str]:
    """The environment the run was started with, less every credential: for tests that run pip."""
    proxies = re.compile(r"(HTTP|HTTPS|ALL|NO)_PROXY", re.IGNORECASE)
    return {name: value for name, value in OUTER_ENVIRON.items() if proxies.fullmatch(name) or not is_sensitive(name)}
