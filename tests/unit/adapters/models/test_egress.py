"""Which URLs a request may go to, and which key goes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from insights.adapters.models.egress import Endpoint, check_url, endpoint
from insights.catalog.loader import Catalog
from insights.catalog.schema import ProviderConfig
from insights.core.config import Settings
from insights.core.errors import BadRequestError, MissingKeyError
from insights.core.urls import is_loopback

ACME = ProviderConfig(
    name="acme",
    api_base="https://api.acme.test/v1",
    env_key="ACME_API_KEY",
    env_key_aliases=("ACME_TOKEN",),
    hosts=("*.acme.test", "acme.example"),
)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.acme.test/v1", "https://api.acme.test/v1"),
        ("https://api.acme.test/v1/", "https://api.acme.test/v1"),
        ("https://api.acme.test:8443/v1", "https://api.acme.test:8443/v1"),
        ("https://10.1.2.3/v1", "https://10.1.2.3/v1"),
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_allowed(url: str, base: str) -> None:
    assert check_url(url, "acme") == base


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "full URL"),
        ("api.acme.test/v1", "full URL"),
        ("//api.acme.test", "full URL"),
        ("https://", "full URL"),
        ("ftp://api.acme.test", "full URL"),
        ("file:///etc/passwd", "full URL"),
        ("javascript:alert(1)", "full URL"),
        ("http://api.acme.test/v1", "plain http"),
        ("http://10.1.2.3/v1", "plain http"),
        ("http://localhost.evil.test", "plain http"),
        ("http://127.0.0.1.evil.test", "plain http"),
        ("http://2130706433/", "plain http"),
        ("https://user:secret-word@api.acme.test", "user name or password"),
        ("https://user@api.acme.test", "user name or password"),
        ("https://169.254.169.254/latest", "link-local"),
        ("https://[fe80::1]/", "link-local"),
        ("https://api.acme.test:99999", "no URL"),
        ("https://[::1", "no URL"),
    ],
)
def test_refused(url: str, why: str) -> None:
    with pytest.raises(BadRequestError, match=why) as caught:
        check_url(url, "acme")
    assert "secret-word" not in str(caught.value)
    assert caught.value.provider == "acme"


def test_credentials_with_a_wrong_scheme_are_not_repeated() -> None:
    with pytest.raises(BadRequestError) as caught:
        check_url("ftp://user:secret-word@api.acme.test", "acme")
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("127.8.8.8", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.evil.test", False),
        ("", False),
    ],
)
def test_loopback(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


def key_of(found: Endpoint) -> str | None:
    return found.key.get_secret_value() if found.key else None


@pytest.mark.parametrize("base", ["https://api.acme.test/v1", "https://eu.acme.test", "https://acme.example"])
def test_the_key_goes_to_the_providers_own_hosts(base: str) -> None:
    found = endpoint(ACME, Settings(ACME_API_KEY="own-key"), base=base)
    assert (key_of(found), found.key_from) == ("own-key", "ACME_API_KEY")
    assert found.host == base.split("/")[2]


@pytest.mark.parametrize(
    "base",
    [
        "https://api.other.test/v1",
        "https://acme.test.evil.example",
        "https://evilacme.test",
        "https://api.acme.test.evil.example",
        "https://xacme.example",
    ],
)
def test_the_key_goes_to_nobody_else(base: str) -> None:
    with pytest.raises(MissingKeyError, match="not a host of acme"):
        endpoint(ACME, Settings(ACME_API_KEY="own-key"), base=base)


def test_a_key_of_the_call_goes_where_the_call_goes() -> None:
    found = endpoint(ACME, Settings(ACME_API_KEY="own-key"), base="https://api.other.test", api_key="call-key")
    assert (key_of(found), found.key_from) == ("call-key", "api_key=")


def test_to_this_machine_goes_no_key_of_the_environment() -> None:
    found = endpoint(ACME, Settings(ACME_API_KEY="own-key"), base="http://localhost:8000")
    assert (key_of(found), found.key_from) == (None, None)


def test_the_second_variable_counts_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "second")
    found = endpoint(ACME, Settings(), base=ACME.api_base)
    assert (key_of(found), found.key_from) == ("second", "ACME_TOKEN")
    monkeypatch.setenv("ACME_API_KEY", "first")
    assert key_of(endpoint(ACME, Settings(), base=ACME.api_base)) == "first"


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_a_blank_key_is_none(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", blank)
    with pytest.raises(MissingKeyError, match="ACME_API_KEY is not set"):
        endpoint(ACME, Settings(), base=ACME.api_base, api_key=blank)


def test_where_no_key_is_needed() -> None:
    assert endpoint(ACME, Settings(), base=ACME.api_base, required=False).key is None


def test_a_provider_file_of_the_users_own_may_move_the_host(tmp_path: Path) -> None:
    (tmp_path / "together.yaml").write_text('together:\n  api_base: "https://gateway.mine.test/together"\n')
    settings = Settings(config_dir=tmp_path, TOGETHER_API_KEY="own-key")
    config = Catalog(settings).provider("together")
    assert key_of(endpoint(config, settings, base=config.api_base)) == "own-key"
    with pytest.raises(MissingKeyError):
        endpoint(config, settings, base="https://other.mine.test")


def test_an_endpoint_does_not_show_its_key() -> None:
    found = endpoint(ACME, Settings(), base=ACME.api_base, api_key="secret-word")
    assert "secret-word" not in repr(found)


@pytest.mark.parametrize(
    ("base", "sent"), [("http://127.0.0.1:8000/v1", True), ("http://127.0.0.1:8001/v1", False), ("http://127.0.0.1/v1", False)]
)
def test_on_this_machine_each_port_is_anothers(base: str, sent: bool) -> None:
    local = ProviderConfig(name="local", api_base="http://127.0.0.1:8000/v1", env_key="LOCAL_API_KEY", own_base=True)
    found = endpoint(local, Settings(LOCAL_API_KEY="key-0123456789"), base=base)
    assert (found.key is not None) is sent
