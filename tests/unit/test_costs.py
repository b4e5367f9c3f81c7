"""Costs and tokens before a call, and litellm's names for them: against prices read off the provider's file by hand."""

from __future__ import annotations

import json
from decimal import Context, Decimal, Inexact, localcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

import insights
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import BadRequestError, InsightsError, UnknownModelError
from insights.spending.ledger import open_ledger
from tests.processes import REPO, run_python
from tests.unit.conftest import OPENAI_KEY
from tests.unit.openai_wire import answer
from tests.unit.scripted import Script, ask, ok

MODEL = "openai/gpt-4o-mini"


def row(name: str) -> dict[str, Any]:
    """A model as its provider's file has it, without the library's own reader."""
    provider, _, model = name.partition("/")
    text = (REPO / "configs" / "providers" / f"{provider}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)[provider]["models"][model]
    return found


def vertex_models() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((REPO / "configs" / "providers" / "vertex.yaml").read_text(encoding="utf-8"))
    models: dict[str, Any] = found["vertex"]["models"]
    return models


@pytest.fixture(autouse=True)
def a_default_client_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights.client._default", None)


def test_estimate() -> None:
    found = insights.estimate(MODEL, "Hi", max_tokens=100)
    prices = row(MODEL)
    low = 8 * Decimal(str(prices["cost_cached_input_per_1k"])) / 1000
    high = (8 * Decimal(str(prices["cost_input_per_1k"])) + 100 * Decimal(str(prices["cost_output_per_1k"]))) / 1000
    assert (found.model, found.low, found.high, found.exact) == (MODEL, low, high, True)
    assert (found.prompt_tokens, found.prompt_tokens_low, found.prompt_tokens_high, found.max_completion_tokens) == (
        8,
        8,
        8,
        100,
    )
    assert str(found) == f"{MODEL}: $0.0000006 to $0.0000612"
    assert insights.estimate(MODEL, "Hi").max_completion_tokens == prices["max_output_tokens"]


def test_estimates_of_what_is_not_known() -> None:
    found = insights.estimate("openai/nobody-knows", "Hi")
    assert (found.low, found.high, str(found)) == (None, None, "openai/nobody-knows: no price is known")
    with pytest.raises(UnknownModelError):
        insights.estimate("nobody-knows", "Hi")
    with pytest.raises(BadRequestError):
        insights.estimate(MODEL, 7)


def test_an_answer_without_a_limit(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (config_dir / "openai.yaml").read_text()
    (config_dir / "openai.yaml").write_text(text.replace("      context_window: 8000\n", ""))
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(config_dir))
    assert str(insights.estimate("openai/test-model", "Hi")).endswith("to no limit is known")
    with pytest.raises(BadRequestError, match="no price is known for any"):
        insights.cheapest(["openai/test-model"], "Hi")


def test_cheapest() -> None:
    names = ["openai/gpt-4o", MODEL, "openai/nobody-knows"]
    assert insights.cheapest(names, "Hi", max_tokens=10).model == MODEL
    assert insights.cheapest(reversed(names), "Hi", max_tokens=10).model == MODEL
    for wrong in ([], ["openai/nobody-knows"], MODEL):
        with pytest.raises(BadRequestError):
            insights.cheapest(wrong, "Hi")
    with pytest.raises(BadRequestError, match="no models were given"):
        insights.cheapest(iter(()), "Hi")


# ---------------------------------------------------------------- under litellm's names


def test_cost_per_token() -> None:
    prices = row(MODEL)
    each = [Decimal(str(prices[f"cost_{kind}_per_1k"])) / 1000 for kind in ("input", "output", "cached_input")]
    assert insights.cost_per_token(MODEL, 1000, 10) == (float(1000 * each[0]), float(10 * each[1]))
    assert insights.cost_per_token(MODEL, 1000, cached_tokens=400) == (float(600 * each[0] + 400 * each[2]), 0.0)
    flex = insights.cost_per_token(MODEL, 1000, 10, service_tier="priority")
    assert flex == (
        float(prices["cost_priority_input_per_1k"]),
        float(Decimal(str(prices["cost_priority_output_per_1k"])) / 100),
    )
    with pytest.raises(UnknownModelError, match="no price is known"):
        insights.cost_per_token("openai/nobody-knows", 1)
    with pytest.raises(UnknownModelError, match="no price is known"):
        insights.cost_per_token(MODEL, 1, service_tier="flex")
    assert insights.cost_per_token(MODEL, 1000, 10, service_tier="default") == insights.cost_per_token(MODEL, 1000, 10)


@pytest.mark.parametrize("wrong", [-1, 1.0, 1.5, "1", None, True])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "cached_tokens"])
def test_counts_that_are_none(name: str, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match=f"{name} must be a whole number from 0"):
        insights.cost_per_token(MODEL, **{name: wrong})


def test_tokens_in_the_cache() -> None:
    name = "anthropic/claude-haiku-4-5"
    prices = row(name)
    plain, read, write = (
        Decimal(str(prices[f"cost_{kind}_per_1k"])) / 1000 for kind in ("input", "cached_input", "cache_write")
    )
    found = insights.cost_per_token(name, 1000, cache_read_input_tokens=300, cache_creation_input_tokens=200)
    assert found == (float(500 * plain + 300 * read + 200 * write), 0.0)
    same = insights.cost_per_token(MODEL, 1000, cached_tokens=400)
    assert insights.cost_per_token(MODEL, 1000, cache_read_input_tokens=400) == same
    assert insights.cost_per_token(MODEL, 1000, cached_tokens=400, cache_read_input_tokens=400) == same
    none = insights.cost_per_token(MODEL, 1000, cache_read_input_tokens=None, cache_creation_input_tokens=None)
    assert none == insights.cost_per_token(MODEL, 1000)
    with pytest.raises(BadRequestError, match="the same tokens"):
        insights.cost_per_token(MODEL, 1000, cached_tokens=400, cache_read_input_tokens=300)
    with pytest.raises(BadRequestError, match="of 10 prompt tokens 11 can't be in the cache"):
        insights.cost_per_token(MODEL, 10, cached_tokens=11)
    with pytest.raises(BadRequestError, match="8 read, 3 written"):
        insights.cost_per_token(MODEL, 10, cache_read_input_tokens=8, cache_creation_input_tokens=3)
    for wrong in (-1, "1", 1.5):
        with pytest.raises(BadRequestError, match="cache_creation_input_tokens must be"):
            insights.cost_per_token(MODEL, 10, cache_creation_input_tokens=wrong)  # type: ignore[arg-type]


def test_a_tier_nobody_has() -> None:
    for tier in ("turbo", 7, ""):
        with pytest.raises(BadRequestError, match="there is no service_tier"):
            insights.cost_per_token(MODEL, 10, service_tier=tier)  # type: ignore[arg-type]
    with pytest.raises(BadRequestError, match="there is no service_tier"):
        insights.completion_cost(model=MODEL, prompt="Hi", service_tier="turbo")


def test_the_provider_beside_the_name() -> None:
    there = insights.cost_per_token("anthropic/claude-haiku-4-5", 1000, 10)
    assert insights.cost_per_token("claude-haiku-4-5", 1000, 10, custom_llm_provider="anthropic") == there
    assert insights.cost_per_token("anthropic/claude-haiku-4-5", 1000, 10, custom_llm_provider="anthropic") == there
    assert insights.get_model_info("gpt-4o", "azure")["key"] == "azure/gpt-4o"
    name = next(iter(vertex_models()))
    assert insights.get_model_info(name, custom_llm_provider="vertex_ai")["key"] == f"vertex/{name}"
    assert insights.get_max_tokens("gpt-4o-mini", "openai") == insights.get_max_tokens(MODEL)
    asked = insights.completion_cost(model="gpt-4o-mini", prompt="Hi", completion="Hi", custom_llm_provider="openai")
    assert asked == insights.completion_cost(model=MODEL, prompt="Hi", completion="Hi")
    with pytest.raises(UnknownModelError, match="openai/nobody-knows"):
        insights.cost_per_token("nobody-knows", 1, custom_llm_provider="openai")
    for wrong in ("nobody", "", 7):
        with pytest.raises(BadRequestError, match="there is no provider"):
            insights.get_model_info("gpt-4o-mini", wrong)  # type: ignore[arg-type]
    with pytest.raises(BadRequestError, match="model must be a name"):
        insights.get_model_info("", "openai")


def test_the_callers_decimal_context_changes_nothing() -> None:
    wanted = insights.cost_per_token(MODEL, 123_456_789, 7), insights.estimate(MODEL, "Hi", max_tokens=12_345)
    with localcontext(Context(prec=3, traps=[Inexact])):
        assert (insights.cost_per_token(MODEL, 123_456_789, 7), insights.estimate(MODEL, "Hi", max_tokens=12_345)) == wanted


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("wrong", [0, -1, 1.5, 100.0, "100", True])
def test_estimates_with_limits_that_are_none(name: str, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match=f"{name} must be a whole number from 1"):
        insights.estimate(MODEL, "Hi", **{name: wrong})
    assert insights.estimate(MODEL, "Hi", **{name: None}) == insights.estimate(MODEL, "Hi")


def of_openai(**usage: Any) -> dict[str, Any]:
    """An answer as OpenAI's API gives it."""
    counted = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
    message = {"role": "assistant", "content": "Hi"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {**counted, "prompt_tokens_details": None, **usage},
    }


def test_completion_cost_of_a_dict(client: Client, recwarn: pytest.WarningsRecorder) -> None:
    answered = of_openai()
    assert insights.completion_cost(answered) == pytest.approx(sum(insights.cost_per_token(MODEL, 1000, 10)))
    cached = of_openai(prompt_tokens_details={"cached_tokens": 400, "audio_tokens": None})
    wanted = pytest.approx(sum(insights.cost_per_token(MODEL, 1000, 10, cached_tokens=400)))
    assert insights.completion_cost(cached) == wanted
    assert insights.completion_cost(of_openai(cache_read_input_tokens=400)) == wanted
    priority = insights.completion_cost({**answered, "service_tier": "priority"})
    assert priority == insights.completion_cost(answered, service_tier="priority") > insights.completion_cost(answered)
    assert insights.completion_cost(answered, "gpt-4o") > insights.completion_cost(answered)
    for created in (1_790_000_000, 0, None, 1e300, "now"):
        assert insights.completion_cost({**answered, "created": created}) == insights.completion_cost(answered)
    routed = {**answered, "model": "openai/gpt-4o-mini", "provider": "OpenAI"}
    assert insights.completion_cost(routed, custom_llm_provider="openai") == insights.completion_cost(answered)
    assert insights.completion_cost({**answered, "provider": "openai"}) == insights.completion_cost(answered)

    ours = ask(client, Script(ok(answer())))
    for dumped in (ours.model_dump(), ours.model_dump(mode="json"), json.loads(ours.model_dump_json())):
        assert insights.completion_cost(dumped) == 0.006
    unknown = ask(client, Script(ok(answer())), "openai/nobody-knows-this-either")
    with pytest.raises(UnknownModelError, match="no price is known"):
        insights.completion_cost(unknown.model_dump())
    recwarn.clear()
    with pytest.raises(UnknownModelError, match="no price is known for openai/of-nobody"):
        insights.completion_cost({**answered, "model": "openai/of-nobody"})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "doesn't say its model"),
        ({"model": "gpt-4o-mini"}, "how many tokens"),
        ({"model": "gpt-4o-mini", "usage": {"input_tokens": 7}}, "how many tokens"),
        (of_openai(prompt_tokens=-1), "prompt_tokens must be"),
        (of_openai(cache_read_input_tokens=1001), "can't be in the cache"),
        (of_openai(completion_tokens_details={"reasoning_tokens": "many"}), "usage can't be read"),
        ({"cost": {"total": "much"}}, "is no cost"),
        ("an answer", "got str"),
    ],
)
def test_what_is_no_answer(wrong: Any, words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        insights.completion_cost(wrong)


def test_completion_cost_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    with insights.use_cassette(str(REPO / "cassettes" / "openai" / "stream.yaml"), "replay"):
        stream = insights.completion(MODEL, "Write three lines about the sea.", stream=True)
        with pytest.raises(InsightsError, match="isn't finished"):
            insights.completion_cost(stream)
        for _ in stream:
            pass
    assert stream.response.cost is not None
    assert insights.completion_cost(stream) == float(stream.response.cost.total) > 0


def test_completion_cost(client: Client, recwarn: pytest.WarningsRecorder) -> None:
    found = ask(client, Script(ok(answer())))
    assert found.cost is not None
    assert insights.completion_cost(found) == insights.completion_cost(completion_response=found) == 0.006
    unknown = ask(client, Script(ok(answer())), "openai/nobody-knows-this-one")
    with pytest.raises(UnknownModelError, match="no price is known"):
        insights.completion_cost(unknown)
    recwarn.clear()
    prices = row(MODEL)
    text = insights.completion_cost(model=MODEL, prompt="Hi", completion="Hi Hi")
    assert text == pytest.approx((prices["cost_input_per_1k"] + 2 * prices["cost_output_per_1k"]) / 1000)
    messages = insights.completion_cost(None, MODEL, "", [{"role": "user", "content": "Hi"}])
    assert messages == pytest.approx(8 * prices["cost_input_per_1k"] / 1000)
    assert insights.completion_cost(model=MODEL) == 0
    with pytest.raises(BadRequestError, match="an answer, or a model"):
        insights.completion_cost()


def test_token_counter() -> None:
    assert insights.token_counter(MODEL, text="Hi") == 1
    assert insights.token_counter(text="Hi") == 1
    assert insights.token_counter(MODEL, text=["Hi", "Hi there"]) == 3
    assert insights.token_counter(MODEL, text=[]) == insights.token_counter(MODEL, text="") == 0
    for wrong in (7, ["Hi", 7], {"a": 1}):
        with pytest.raises(BadRequestError, match="a text or a list of texts"):
            insights.token_counter(MODEL, text=wrong)  # type: ignore[arg-type]
    messages = [{"role": "user", "content": "Hi"}]
    assert insights.token_counter(MODEL, messages=messages) == insights.token_counter(messages=messages) == 8
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    assert insights.token_counter(MODEL, messages=messages, tools=[tool]) > 8
    with pytest.raises(BadRequestError, match="text= or messages="):
        insights.token_counter(MODEL)


@pytest.mark.parametrize("name", [MODEL, "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"])
def test_model_info(name: str) -> None:
    found, prices = insights.get_model_info(name), row(name)
    kinds = {
        "input_cost_per_token": "cost_input_per_1k",
        "output_cost_per_token": "cost_output_per_1k",
        "cache_read_input_token_cost": "cost_cached_input_per_1k",
        "cache_creation_input_token_cost": "cost_cache_write_per_1k",
        "output_cost_per_reasoning_token": "cost_reasoning_per_1k",
    }
    for ours, theirs in kinds.items():
        wanted = None if theirs not in prices else float(Decimal(str(prices[theirs])) / 1000)
        assert found[ours] == wanted, ours
    assert found["max_input_tokens"] == prices.get("context_window")
    assert found["max_tokens"] == found["max_output_tokens"] == prices.get("max_output_tokens")
    assert (found["key"], found["litellm_provider"], found["mode"]) == (name, name.partition("/")[0], "chat")
    assert found["supports_vision"] == ("vision" in prices["capabilities"])
    assert found["supports_function_calling"] == ("tools" in prices["capabilities"])
    assert insights.get_max_tokens(name) == prices.get("max_output_tokens")


def test_models_that_are_not_there() -> None:
    with pytest.raises(UnknownModelError, match="the catalogue has no openai/nobody-knows"):
        insights.get_max_tokens("openai/nobody-knows")
    with pytest.raises(UnknownModelError, match="the catalogue has no openai/nobody-knows"):
        insights.get_model_info("openai/nobody-knows")


def test_model_list() -> None:
    found = insights.model_list
    assert found == sorted(set(found))
    assert {MODEL, "anthropic/claude-haiku-4-5"} <= set(found)
    wanted = {
        f"{provider}/{model}"
        for path in (REPO / "configs" / "providers").glob("*.yaml")
        for provider, data in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items()
        if isinstance(data, dict)
        for model in data.get("models") or {}
    }
    assert set(found) == wanted


# Run in a process of its own, with litellm's own table of prices and not one from the network.
THEIRS = """
import inspect, json, litellm
names = "completion_cost cost_per_token token_counter get_model_info get_max_tokens".split()
print(json.dumps({
    "parameters": {name: list(inspect.signature(getattr(litellm, name)).parameters) for name in names},
    "info": {k: v for k, v in litellm.get_model_info("gpt-4o-mini").items() if not callable(v)},
    "most": litellm.get_max_tokens("gpt-4o-mini"),
    "each": litellm.cost_per_token("gpt-4o-mini", 1000, 10),
    "text": litellm.completion_cost(model="gpt-4o-mini", prompt="Hi", completion="Hi Hi"),
    "tokens": litellm.token_counter(model="gpt-4o-mini", text="Hi there"),
    "list": isinstance(litellm.model_list, list),
}, default=str))
"""
OURS_ALONE = {"checked", "source", "deprecation_date"}


def test_names_and_units_are_litellms() -> None:
    import inspect

    done = run_python("-c", THEIRS, env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    theirs = json.loads(done.stdout.splitlines()[-1])
    for name, parameters in theirs["parameters"].items():
        ours = [each for each in inspect.signature(getattr(insights, name)).parameters if each in parameters]
        assert ours == [each for each in parameters if each in ours], f"{name}: another order"
        assert ours, name
    info = insights.get_model_info("gpt-4o-mini")
    same = (
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "max_input_tokens",
        "max_output_tokens",
    )
    for name in same:
        assert info[name] == pytest.approx(theirs["info"][name]), name
    known = set(theirs["info"]) | {"supports_parallel_function_calling"}
    assert {name for name in info if name not in known} <= OURS_ALONE
    assert insights.get_max_tokens("gpt-4o-mini") == theirs["most"]
    assert insights.cost_per_token("gpt-4o-mini", 1000, 10) == pytest.approx(tuple(theirs["each"]))
    assert insights.completion_cost(model="gpt-4o-mini", prompt="Hi", completion="Hi Hi") == pytest.approx(theirs["text"])
    assert insights.token_counter("gpt-4o-mini", text="Hi there") == theirs["tokens"]
    assert theirs["list"] is isinstance(insights.model_list, list) is True


def test_nothing_of_it_imports_litellm() -> None:
    code = """
import sys, insights
insights.estimate("gpt-4o-mini", "Hi"), insights.cheapest(["gpt-4o-mini"], "Hi")
insights.token_counter("gpt-4o-mini", text="Hi")
insights.cost_per_token("gpt-4o-mini", 1), insights.completion_cost(model="gpt-4o-mini", prompt="Hi")
insights.get_model_info("gpt-4o-mini"), insights.get_max_tokens("gpt-4o-mini"), insights.model_list, repr(insights.spend())
with insights.budget(usd=1):
    pass
print(sorted({"litellm", "openai", "httpx", "pandas"} & set(sys.modules)))
"""
    done = run_python("-c", code)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_spend(config_dir: Path, own_cache_dir: Path) -> None:
    client = Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=own_cache_dir))
    assert len(insights.spend()) == 0
    ask(client, Script(ok(answer())), tags="a")
    (line,) = insights.spend("tag")
    assert (line.name, line.cost) == ("a", Decimal("0.006"))
    assert insights.spend(since="2999-01-01").total.calls == 0
    elsewhere = Settings(cache_dir=own_cache_dir / "elsewhere")
    assert len(insights.spend(settings=elsewhere)) == 0
    assert insights.spend(settings=Settings(cache_dir=own_cache_dir)).total.calls == 1
    assert open_ledger(own_cache_dir).entries()[0].cost == Decimal("0.006")
    client.close()
