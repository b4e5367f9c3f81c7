"""`explain_route` says what a call would do, and does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from insights import explain_route
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import BadRequestError, UnknownModelError

from .conftest import OPENAI_KEY


def test_a_route(client: Client) -> None:
    found = client.explain_route("openai/test-model")
    assert (found.provider, found.model, found.rule) == ("openai", "test-model", "provider 'openai' is named")
    assert (found.url, found.host) == ("https://api.openai.com/v1/chat/completions", "api.openai.com")
    assert (found.key_variable, found.key_set, found.key_from) == ("OPENAI_API_KEY", True, "OPENAI_API_KEY")
    assert found.prices == {
        "cost_input_per_1k": "0.002",
        "cost_output_per_1k": "0.008",
        "cost_cached_input_per_1k": "0.0005",
    }
    assert (found.price_source, found.price_date, found.context_window) == ("the tests", "2026-01-31", 8000)
    assert found.problem is None


def test_it_reads_as_a_table(client: Client) -> None:
    assert str(client.explain_route("openai/test-model")).splitlines() == [
        "   model: openai/test-model",
        "    rule: provider 'openai' is named",
        "     url: https://api.openai.com/v1/chat/completions",
        "     key: OPENAI_API_KEY (set, from OPENAI_API_KEY)",
        "   price: input 0.002, output 0.008, cached_input 0.0005 USD per 1k tokens (checked 2026-01-31)",
        " context: 8,000 tokens",
    ]


def test_the_key_itself_is_nowhere(client: Client) -> None:
    found = client.explain_route("openai/test-model", api_key="canary-key")
    assert found.key_from == "api_key="
    for text in (str(found), repr(found)):
        assert "canary" not in text
        assert OPENAI_KEY not in text


def test_without_a_key() -> None:
    found = explain_route("claude-haiku-4-5")
    assert (found.provider, found.key_set, found.key_from) == ("anthropic", False, None)
    assert found.url == "https://api.anthropic.com/v1/messages"
    assert found.problem == "ANTHROPIC_API_KEY is not set"
    assert "     key: ANTHROPIC_API_KEY (not set)" in str(found)
    assert " problem: ANTHROPIC_API_KEY is not set" in str(found)


def test_a_key_that_is_not_sent_there(client: Client) -> None:
    found = client.explain_route("openai/test-model", api_base="https://proxy.example/v1")
    assert (found.host, found.key_set) == ("proxy.example", True)
    assert found.problem == "proxy.example is not a host of openai, so OPENAI_API_KEY is not sent there"


def test_a_base_no_request_may_go_to(client: Client) -> None:
    found = client.explain_route("openai/test-model", api_base="http://x.example")
    assert "plain http" in str(found.problem)


def test_a_model_without_a_row(client: Client) -> None:
    found = client.explain_route("openai/nobody-knows")
    assert (found.prices, found.context_window, found.capabilities, found.price_source) == ({}, None, (), None)
    assert "   price: unknown" in str(found)
    assert " context: unknown" in str(found)


def test_an_alias_and_a_prefix(client: Client, config_dir: Path) -> None:
    (config_dir / "aliases.yaml").write_text("fast: openai/test-model\n")
    assert client.explain_route("fast").rule == "alias 'fast' -> 'openai/test-model'"
    assert client.explain_route("gpt-4.1").rule == "prefix 'gpt-'"


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownModelError):
        explain_route("nobody-knows-this")


def test_a_provider_without_a_base_of_its_own() -> None:
    """Azure has no host before somebody names one: that is the problem, and no exception."""
    found = Client(Settings()).explain_route("azure/my-deployment")
    assert found.provider == "azure"
    assert found.problem


@pytest.mark.parametrize("name", ["timeout", "api_version", "apikey", "temperature"])
def test_an_option_there_is_not(client: Client, name: str) -> None:
    with pytest.raises(BadRequestError, match=f"explain_route has no '{name}'") as raised:
        client.explain_route("openai/test-model", **{name: "x"})
    assert raised.value.hint == "for this model it takes api_key, api_base"


def test_an_option_of_one_provider(client: Client) -> None:
    base = "https://mine.openai.azure.com"
    found = client.explain_route("azure/mine", api_base=base, api_version="2024-10-21", api_key="k")
    assert found.url == f"{base}/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    with pytest.raises(BadRequestError) as raised:
        client.explain_route("azure/mine", aws_region_name="x")
    assert "api_version" in str(raised.value.hint)


def test_the_address_of_the_other_api_needs_no_key() -> None:
    """What a call would ask is known without a key, also where it isn't chat completions."""
    found = Client(Settings()).explain_route("openai/responses/gpt-5-pro")
    assert (found.url, found.host) == ("https://api.openai.com/v1/responses", "api.openai.com")
    assert (found.key_set, found.problem) == (False, "OPENAI_API_KEY is not set")
