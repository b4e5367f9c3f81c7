"""Providers of a file of one's own, asked for real."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.adapters.models.compatible import OpenAICompatible
from insights.adapters.models.factory import ModelFactory
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import (
    AuthenticationError,
    BadRequestError,
    CassetteMissingError,
    ConfigError,
    InternalServerError,
    MissingKeyError,
    UnknownModelError,
    UnsupportedParamsError,
)
from tests.unit.adapters.answers import ARGUMENTS, COMPLETION, PROMPT, TEXT, TOOL
from tests.unit.adapters.loopback import Loopback
from tests.unit.adapters.models.others.globex import ANVIL, CHAT, COST, GLOBEX, KEY, answer_of, fails_for, whole_or_streamed
from tests.unit.both import ask, both

# ---------------------------------------------------------------- by a file alone


@both
@whole_or_streamed
@pytest.mark.parametrize("model", [ANVIL, "anvil-1", "globex/anvil-latest"])
def test_a_file_is_all_it_takes(
    client: Client, either: Path, loopback: Loopback, awaiting: bool, stream: bool, model: str
) -> None:
    loopback.says(CHAT.stream() if stream else CHAT.text())
    found = answer_of(client, awaiting, stream, model, temperature=0.25)
    assert (found.text, found.provider, found.choices[0].finish_reason) == (TEXT, "globex", "stop")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (PROMPT, COMPLETION)
    assert found.cost is not None
    assert found.cost.total == COST
    received = loopback.only
    assert (received.target, received.body["model"], received.body["temperature"]) == ("/v1/chat/completions", "anvil-1", 0.25)
    assert received.headers["authorization"] == f"Bearer {KEY}"


def test_a_model_that_is_in_no_file_has_no_price(client: Client, globex: Path, loopback: Loopback) -> None:
    loopback.says(CHAT.text())
    found = client.completion("globex/org/brand-new", "Hi")
    assert (found.text, found.cost) == (TEXT, None)
    assert loopback.only.body["model"] == "org/brand-new"


def test_a_name_that_only_it_has(client: Client, globex: Path, loopback: Loopback) -> None:
    globex.write_text(globex.read_text().replace("prefixes: [anvil-]", "prefixes: [hammer-]"))
    loopback.says(CHAT.text())
    assert client.completion("anvil-latest", "Hi").provider == "globex"
    assert loopback.only.body["model"] == "anvil-1"
    with pytest.raises(UnknownModelError, match="no provider is known") as caught:
        client.completion("anvil-latst", "Hi")
    assert "globex/anvil-1" in str(caught.value.hint)


@both
@whole_or_streamed
def test_tools_arrive(client: Client, globex: Path, loopback: Loopback, awaiting: bool, stream: bool) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    loopback.says(CHAT.tool_stream() if stream else CHAT.tool())
    found = answer_of(client, awaiting, stream, ANVIL, tools=[weather], tool_choice="required")
    assert found.choices[0].message.tool_calls is not None
    (call,) = found.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (TOOL, ARGUMENTS)
    body = loopback.only.body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]
    assert body["tools"][0]["function"]["parameters"]["properties"]["city"]["type"] == "string"
    assert body["tool_choice"] == "required"


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize("form", [FORMAT, {"type": "json_object"}], ids=["schema", "object"])
def test_a_response_format_arrives(client: Client, globex: Path, loopback: Loopback, form: dict[str, Any]) -> None:
    loopback.says(CHAT.whole({"content": '{"city": "Paris"}'}, "stop"))
    assert client.completion(ANVIL, "Where, in JSON?", response_format=form).text == '{"city": "Paris"}'
    assert loopback.only.body["response_format"] == form
    assert "tools" not in loopback.only.body


GIVEN: dict[str, Any] = {
    "top_k": 40,
    "min_p": 0.05,
    "repetition_penalty": 1.1,
    "repeat_penalty": 1.2,
    "guided_json": SCHEMA,
    "chat_template_kwargs": {"enable_thinking": False},
    "grammar": 'root ::= "yes" | "no"',
    "cache_prompt": True,
    "reasoning_effort": "low",
    "seed": 7,
    "stop": ["END"],
    "logit_bias": {"5": -100},
    "frequency_penalty": 0.5,
    "top_p": 0.9,
    "user": "somebody",
    "something_of_its_very_own": {"a": [1]},
}


@pytest.mark.parametrize("name", GIVEN)
def test_parameters_arrive_as_they_are(client: Client, globex: Path, loopback: Loopback, name: str) -> None:
    loopback.says(CHAT.text())
    client.completion(ANVIL, "Hi", **{name: GIVEN[name]})
    assert loopback.only.body[name] == GIVEN[name]


def test_the_newer_name_of_max_tokens_is_the_older(client: Client, globex: Path, loopback: Loopback) -> None:
    loopback.says(CHAT.text())
    client.completion(ANVIL, "Hi", max_completion_tokens=77)
    assert loopback.only.body["max_tokens"] == 77
    assert "max_completion_tokens" not in loopback.only.body


@pytest.mark.parametrize(
    ("wrong", "right"), [("temperatur", "temperature"), ("top_kk", "top_k"), ("guided_jsn", "guided_json")]
)
def test_a_misspelt_parameter(client: Client, globex: Path, loopback: Loopback, wrong: str, right: str) -> None:
    with pytest.raises(UnsupportedParamsError, match=wrong) as caught:
        ask(client, False, ANVIL, **{wrong: 1})
    assert right in str(caught.value)
    assert loopback.received == []


def test_extra_body_and_headers(client: Client, globex: Path, loopback: Loopback) -> None:
    loopback.says(CHAT.text())
    client.completion(ANVIL, "Hi", extra_body={"anvil_weight": 7}, extra_headers={"X-Anvil": "yes"})
    assert loopback.only.body["anvil_weight"] == 7
    assert loopback.only.headers["x-anvil"] == "yes"


def test_the_timeout_of_the_file(globex: Path) -> None:
    found = ModelFactory.create(ANVIL)
    assert found.config.timeout == 33
    assert (found.provider, repr(found)) == ("globex", "OpenAICompatible(model_id='anvil-1')")
    assert isinstance(found, OpenAICompatible)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (400, BadRequestError), (500, InternalServerError)])
def test_a_refusal_is_typed(client: Client, globex: Path, loopback: Loopback, status: int, kind: type[Exception]) -> None:
    loopback.says(CHAT.error(status))
    with pytest.raises(kind, match="the provider says no") as caught:
        client.completion(ANVIL, "Hi")
    assert getattr(caught.value, "provider", None) == "globex"
    assert KEY not in str(caught.value)


# ---------------------------------------------------------------- fallbacks, cache, costs, cassettes


@both
@whole_or_streamed
@pytest.mark.parametrize("to_it", [True, False], ids=["to it", "from it"])
@pytest.mark.parametrize("by_file", [True, False], ids=["fallback.yaml", "fallbacks="])
def test_fallbacks(
    client: Client,
    globex: Path,
    shipped: str,
    config: Path,
    loopback: Loopback,
    awaiting: bool,
    stream: bool,
    to_it: bool,
    by_file: bool,
) -> None:
    first, then = (shipped, ANVIL) if to_it else (ANVIL, shipped)
    if by_file:
        (config / "fallback.yaml").write_text(f"models:\n  {first}: [{then}]\n")
    loopback.says(fails_for(first.partition("/")[2]))
    found = answer_of(client, awaiting, stream, first, **({} if by_file else {"fallbacks": [then]}))
    assert (found.text, found.provider) == (TEXT, then.partition("/")[0])
    keys = {"globex": f"Bearer {KEY}", "mistral": "Bearer key-of-mistral-0123"}
    targets = {"globex": "/v1/chat/completions", "mistral": "/mistral/chat/completions"}
    order = [name.partition("/")[0] for name in (first, then)]
    assert [each.headers["authorization"] for each in loopback.received] == [keys[name] for name in order]
    assert [each.target for each in loopback.received] == [targets[name] for name in order]
    assert [attempt.provider for attempt in found.trace.attempts] == order


def test_its_parameters_do_not_go_to_the_next(client: Client, globex: Path, shipped: str, loopback: Loopback) -> None:
    loopback.says(fails_for("anvil-1"))
    client.completion(ANVIL, "Hi", guided_json=SCHEMA, temperature=0.5, fallbacks=[shipped])
    first, then = loopback.received
    assert "guided_json" in first.body
    assert "guided_json" not in then.body
    assert then.body["temperature"] == 0.5


def test_a_wrong_name_in_fallback_yaml(client: Client, globex: Path, config: Path, loopback: Loopback) -> None:
    (config / "fallback.yaml").write_text("default: [globex/anvl-1]\n")
    with pytest.raises(ConfigError, match=r"fallback\.yaml:1: globex has no model 'anvl-1'") as caught:
        client.completion(ANVIL, "Hi")
    assert caught.value.hint == "did you mean globex/anvil-1?"


@both
@whole_or_streamed
def test_the_second_call_is_cached(globex: Path, loopback: Loopback, awaiting: bool, stream: bool) -> None:
    loopback.says(CHAT.stream() if stream else CHAT.text())
    with Client(Settings(num_retries=0)) as client:
        first, second = (answer_of(client, awaiting, stream, ANVIL) for _ in range(2))
        assert (first.cached, second.cached) == (False, True)
        assert (second.text, second.provider) == (TEXT, "globex")
        assert len(loopback.received) == 1
        globex.write_text(globex.read_text().replace("/v1", "/v2"))
        os.utime(globex, ns=(1, 1))
        assert not answer_of(client, awaiting, stream, ANVIL).cached  # another host is another answer
    assert [each.target for each in loopback.received] == ["/v1/chat/completions", "/v2/chat/completions"]


def test_a_file_edited_between_two_calls(client: Client, globex: Path, loopback: Loopback) -> None:
    loopback.says(CHAT.text())
    costs = []
    for price in ("0.0021", "4.2"):
        globex.write_text(GLOBEX.format(url=loopback.url).replace("0.0021", price))
        os.utime(globex, ns=(len(price), len(price)))
        costs.append(client.completion(ANVIL, "Hi").cost)
    assert [cost.total for cost in costs if cost] == [COST, Decimal("8.40415")]  # 2000 x 4.2 / 1000 + 0.00415


def test_costs_and_names(globex: Path, loopback: Loopback) -> None:
    info = insights.get_model_info(ANVIL)
    assert (info["key"], info["litellm_provider"]) == (ANVIL, "globex")
    assert (info["max_input_tokens"], info["max_output_tokens"]) == (8000, 1000)
    assert (info["input_cost_per_token"], info["output_cost_per_token"]) == (2.1e-6, 8.3e-6)
    assert (info["source"], info["checked"]) == ("the price page of Globex", "2026-01-31")
    assert info["supports_function_calling"]
    assert not info["supports_vision"]
    assert insights.get_model_info("anvil-1", custom_llm_provider="globex") == info
    assert ANVIL in insights.model_list
    found = insights.estimate(ANVIL, "Why is the sky blue?", max_tokens=100)
    assert found.model == ANVIL
    assert found.low is not None
    assert found.high is not None
    assert found.low == Decimal("0.0021") * found.prompt_tokens_low / 1000  # an empty answer
    assert found.high == Decimal("0.0021") * found.prompt_tokens_high / 1000 + Decimal("0.0083") * 100 / 1000
    assert insights.cost_per_token(ANVIL, PROMPT, COMPLETION) == (0.0042, 0.00415)
    loopback.says(CHAT.text())
    answer = insights.completion(ANVIL, "Hi", cache=False)
    assert insights.completion_cost(answer) == float(COST)
    bare = {"model": "anvil-1", "usage": {"prompt_tokens": PROMPT, "completion_tokens": COMPLETION}}
    assert insights.completion_cost(bare) == float(COST)
    assert insights.completion_cost(bare, custom_llm_provider="globex") == float(COST)


def test_what_was_spent_is_written_down(globex: Path, loopback: Loopback) -> None:
    loopback.says(CHAT.text())
    insights.completion(ANVIL, "Hi")
    assert [(row.name, row.cost) for row in insights.spend("provider")] == [("globex", COST)]


def test_the_route_is_explained(globex: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    found = insights.explain_route("anvil-latest")
    assert (found.model, found.provider, found.rule) == ("anvil-1", "globex", "prefix 'anvil-'")
    assert found.url == f"{loopback.url}/v1/chat/completions"
    assert (found.key_variable, found.key_set, found.key_from) == ("GLOBEX_API_KEY", True, "GLOBEX_API_KEY")
    assert found.prices == {"cost_input_per_1k": "0.0021", "cost_output_per_1k": "0.0083"}
    assert (found.price_source, found.price_date) == ("the price page of Globex", "2026-01-31")
    assert (found.context_window, found.max_output_tokens, found.problem) == (8000, 1000, None)
    assert KEY not in str(found)
    globex.write_text(globex.read_text().replace(f"{loopback.url}/v1", "https://api.globex.test/v1"))
    os.utime(globex, ns=(1, 1))
    monkeypatch.delenv("GLOBEX_API_KEY")
    assert insights.explain_route(ANVIL).problem == "GLOBEX_API_KEY is not set"
    assert loopback.received == []


@both
@whole_or_streamed
def test_recorded_and_replayed_without_a_key(
    client: Client,
    globex: Path,
    loopback: Loopback,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    awaiting: bool,
    stream: bool,
) -> None:
    path = tmp_path / "globex.yaml"
    # The address is another in each run of the server; what is recorded is what a host on the network would have said.
    home = "https://api.globex.test/v1"
    loopback.says(CHAT.stream() if stream else CHAT.text())
    with insights.use_cassette(path, "record", hosts={f"{loopback.url}/v1": home}):
        recorded = answer_of(client, awaiting, stream, ANVIL)
    assert KEY not in path.read_text()
    assert loopback.url not in path.read_text()
    loopback.says()
    monkeypatch.delenv("GLOBEX_API_KEY")
    globex.write_text(GLOBEX.replace("{url}/v1", home))
    os.utime(globex, ns=(1, 1))
    with insights.use_cassette(path) as cassette:
        replayed = answer_of(client, awaiting, stream, ANVIL)
        assert cassette.all_played
        with pytest.raises(CassetteMissingError):
            client.completion(ANVIL, "Something else")
    assert (replayed.text, replayed.provider) == (recorded.text, "globex")
    assert replayed.cost is not None
    assert replayed.cost.total == COST
    assert loopback.received == []


# ---------------------------------------------------------------- keys


CANARIES = ("OPENAI_API_KEY", "MISTRAL_API_KEY", "OPENAI_LIKE_API_KEY", "LITELLM_API_KEY", "OTHER_API_KEY")


@pytest.mark.parametrize("name", ["globex", "my-host"])
def test_its_key_goes_to_its_host_only(
    client: Client, config: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By the name of its host: `localhost` is the same machine, and another host."""
    (config / "providers" / f"{name}.yaml").write_text(f'{name}:\n  api_base: "{loopback.url}"\n')
    monkeypatch.setenv(f"{name.upper().replace('-', '_')}_API_KEY", "key-of-its-own-0123")
    for variable in CANARIES:
        monkeypatch.setenv(variable, f"canary-{variable}")
    loopback.says(CHAT.text())
    elsewhere = loopback.url.replace("127.0.0.1", "localhost")
    client.completion(f"{name}/m", "Hi")
    client.completion(f"{name}/m", "Hi", api_base=elsewhere)
    client.completion(f"{name}/m", "Hi", api_base=elsewhere, api_key="of-this-call-0123")
    assert [each.headers.get("authorization") for each in loopback.received] == [
        "Bearer key-of-its-own-0123",
        None,
        "Bearer of-this-call-0123",
    ]
    assert not any("canary" in each.everything() for each in loopback.received)
    with pytest.raises(MissingKeyError, match=r"other\.test is not a host of") as caught:
        client.completion(f"{name}/m", "Hi", api_base="https://other.test/v1")
    assert caught.value.hint == "pass api_key= for this host"
    assert len(loopback.received) == 3


def test_its_key_does_not_follow_a_base_of_the_environment(
    client: Client, globex: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBEX_API_BASE", loopback.url.replace("127.0.0.1", "localhost") + "/there")
    loopback.says(CHAT.text())
    client.completion(ANVIL, "Hi")
    assert loopback.only.target == "/there/chat/completions"
    assert "authorization" not in loopback.only.headers


def test_a_key_of_a_shipped_provider_never_goes_there(
    client: Client, globex: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-openai")
    globex.write_text(globex.read_text().replace("  prefixes", "  env_key: OPENAI_API_KEY\n  prefixes"))
    with pytest.raises(ConfigError, match=r"globex\.yaml:3: OPENAI_API_KEY holds the key of openai"):
        client.completion(ANVIL, "Hi")
    assert loopback.received == []


def test_nor_by_the_name_of_the_file(client: Client, config: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "canary-of-gemini")
    (config / "providers" / "google.yaml").write_text(f'google:\n  api_base: "{loopback.url}"\n')
    loopback.says(CHAT.text())
    with pytest.raises(ConfigError):
        client.completion("google/m", "Hi")
    assert loopback.received == []


@pytest.mark.parametrize("required", ["true", "false"])
def test_a_host_without_a_key(client: Client, globex: Path, monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.delenv("GLOBEX_API_KEY")
    globex.write_text(f"globex:\n  api_base: https://api.globex.test/v1\n  key_required: {required}\n")
    found = client.explain_route(ANVIL)
    assert (found.key_set, found.problem) == (False, "GLOBEX_API_KEY is not set" if required == "true" else None)
    if required == "true":
        with pytest.raises(MissingKeyError, match="GLOBEX_API_KEY is not set"):
            client.completion(ANVIL, "Hi")


@pytest.mark.parametrize("required", ["true", "false"])
def test_this_machine_asks_for_no_key(
    client: Client, globex: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, required: str
) -> None:
    monkeypatch.delenv("GLOBEX_API_KEY")
    globex.write_text(globex.read_text().replace("  prefixes", f"  key_required: {required}\n  prefixes"))
    loopback.says(CHAT.text())
    assert client.completion(ANVIL, "Hi").text == TEXT
    assert "authorization" not in loopback.only.headers


def test_an_alias_of_the_variable(client: Client, globex: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLOBEX_API_KEY")
    monkeypatch.setenv("ROADRUNNER_TOKEN", "by-the-other-name-0123")
    globex.write_text(globex.read_text().replace("  prefixes", "  env_key_aliases: [ROADRUNNER_TOKEN]\n  prefixes"))
    loopback.says(CHAT.text())
    client.completion(ANVIL, "Hi")
    assert loopback.only.headers["authorization"] == "Bearer by-the-other-name-0123"


def test_no_address(client: Client, config: Path) -> None:
    (config / "globex.yaml").write_text("globex:\n  api_base: ''\n")
    with pytest.raises(BadRequestError, match="api_base must be a full URL"):
        client.completion(ANVIL, "Hi")
