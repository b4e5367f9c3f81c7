"""Who is asked next, how often, and until when: the chain seen from a call."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.client import Client
from insights.core.effects import Flow, Read, close, drive
from insights.core.errors import (
    AllModelsFailedError,
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    ConfigError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InternalServerError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
    TruncatedStreamError,
    UnknownModelError,
)
from insights.flow import call
from insights.routing.breaker import VOLUME, Breakers
from insights.routing.retry import RetryBudget, RetryBudgets

from .conftest import OPENAI_YAML
from .openai_wire import ROLE, answer, chunk, events, refusal
from .scripted import Clock, Played, Script, Step, ask, ok, planned, refused, streamed

MISTRAL_MODEL = "mistral/mistral-small-latest"
DOWN = refused(500, refusal("The server had an error", kind="server_error"))
NO_KEY = refused(401, refusal("Incorrect API key provided", code="invalid_api_key"))
LONG = refused(400, refusal("maximum context length is 8192 tokens", code="context_length_exceeded"))
FILTERED = refused(400, refusal("filtered", code="content_filter"))


def decisions(trace: Any) -> list[tuple[str, str]]:
    return [(attempt.model, attempt.decision) for attempt in trace.attempts]


# ---------------------------------------------------------------- lists for kinds of failure


def test_a_list_for_long_messages_in_the_call(client: Client) -> None:
    script = Script(LONG, ok(answer("long")))
    found = ask(client, script, context_window_fallbacks=[{"model": MISTRAL_MODEL, "temperature": 0.3}], fallbacks=["openai/x"])
    assert found.provider == "mistral"
    assert script.sent()["temperature"] == 0.3


def test_a_list_for_refused_content_in_the_call(client: Client) -> None:
    script = Script(FILTERED, ok(answer("free")))
    assert ask(client, script, content_policy_fallbacks=[MISTRAL_MODEL]).provider == "mistral"
    with pytest.raises(ContentPolicyViolationError):
        ask(client, Script(FILTERED), messages="Ho", fallbacks=[MISTRAL_MODEL])


@pytest.mark.parametrize("name", ["context_window_fallbacks", "content_policy_fallbacks"])
def test_a_list_of_unknown_models_is_told_at_once(client: Client, name: str) -> None:
    with pytest.raises(UnknownModelError):
        ask(client, Script(), **{name: ["no-such-model"]})  # type: ignore[arg-type]  # a parameter, by its name
    with pytest.raises(BadRequestError, match=f"{name} must be a list"):
        ask(client, Script(), **{name: "openai/gpt-4o"})


def test_a_bad_key_leads_on_only_where_the_chain_says_so(client: Client) -> None:
    with pytest.raises(AuthenticationError):
        ask(client, Script(NO_KEY), fallbacks=[MISTRAL_MODEL])
    found = ask(client, Script(NO_KEY, ok(answer())), fallbacks=[MISTRAL_MODEL], fallback_on=["authentication"])
    assert found.provider == "mistral"


def test_the_file_may_say_so_too(client: Client, config_dir: Path) -> None:
    (config_dir / "fallback.yaml").write_text(f"default: [{MISTRAL_MODEL}]\nfallback_on: [authentication, bad_request]\n")
    assert ask(client, Script(NO_KEY, ok(answer()))).provider == "mistral"
    with pytest.raises(AuthenticationError):
        ask(client, Script(NO_KEY), messages="Ho", fallback_on=[])


@pytest.mark.parametrize("wrong", ["authentication", ["auth"], [1]])
def test_what_can_not_lead_on(client: Client, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="fallback_on"):
        ask(client, Script(), fallback_on=wrong)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("default: [opnai/gpt-4o]", 1, "no provider is known"),
        ("default:\n  - openai/gpt-4o\n  - openai/gpt-4o-mni", 3, "did you mean openai/gpt-4o-mini"),
        ("models:\n  no-such-model: [openai/gpt-4o]", 2, "no provider is known"),
        ("context_window: [nothing-known]", 1, "no provider is known"),
        ("fallback_on: [auth]", 1, "fallback_on has no 'auth'"),
        ("default: openai/gpt-4o", 1, "a chain is a list"),
    ],
)
def test_the_file_is_checked_when_it_is_read(client: Client, config_dir: Path, text: str, line: int, said: str) -> None:
    (config_dir / "fallback.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        ask(client, Script())
    assert raised.value.line == line


def test_a_chain_by_any_name_of_the_model(client: Client, config_dir: Path) -> None:
    (config_dir / "aliases.yaml").write_text("fast: openai/test-model\n")
    for name in ("fast", "openai/test-model", "test-model"):
        (config_dir / "fallback.yaml").write_text(f"models:\n  {name}: [{MISTRAL_MODEL}]\n")
        found = ask(client, Script(DOWN, ok(answer())), "fast", messages=name, num_retries=0)
        assert found.provider == "mistral", name


# ---------------------------------------------------------------- who can't serve the request


@pytest.fixture
def small(config_dir: Path) -> str:
    """A model with a context window of 50 tokens, without tools and eyes."""
    text = OPENAI_YAML + "    small:\n      context_window: 50\n      capabilities: [streaming]\n"
    (config_dir / "openai.yaml").write_text(text)
    return "openai/small"


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
IMAGE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


@pytest.mark.parametrize(
    ("request_with", "kind", "said"),
    [
        ({"tools": [TOOL]}, "UnsupportedParamsError", "it can't do tools"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, "UnsupportedParamsError", "it can't do images"),
        ({"messages": "word " * 100}, "ContextWindowExceededError", "longer than its context window of 50 tokens"),
    ],
)
def test_who_can_not_is_skipped(client: Client, small: str, request_with: dict[str, Any], kind: str, said: str) -> None:
    script = Script(DOWN, ok(answer()))
    found = ask(client, script, fallbacks=[small, "openai/other"], num_retries=0, **request_with)
    assert decisions(found.trace) == [("test-model", "next"), ("small", "skip"), ("other", "answer")]
    skipped = found.trace.attempts[1]
    assert skipped.error == kind
    assert said in str(skipped.message)
    assert said in str(found.trace)


def test_the_first_is_skipped_too_where_there_is_a_choice(client: Client, small: str) -> None:
    found = ask(client, Script(ok(answer())), small, "word " * 100, context_window_fallbacks=[MISTRAL_MODEL])
    assert decisions(found.trace)[0] == ("small", "skip")
    assert found.provider == "mistral"
    found = ask(client, Script(ok(answer())), small, "words " * 100, fallbacks=[MISTRAL_MODEL])
    assert found.provider == "mistral"


def test_the_only_one_is_asked_all_the_same(client: Client, small: str) -> None:
    """The catalogue may be wrong; the provider knows."""
    assert ask(client, Script(ok(answer("I could"))), small, "word " * 100).text == "I could"


def test_a_short_text_fits_without_counting(client: Client, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights.catalog.tokens._encoding", lambda: pytest.fail("it was counted"))
    found = ask(client, Script(ok(answer())), small, "Hello", fallbacks=[MISTRAL_MODEL])
    assert found.provider == "openai"


def test_who_fits_by_count_is_asked(client: Client, small: str) -> None:
    """60 bytes, and some 12 tokens."""
    found = ask(
        client,
        Script(ok(answer())),
        small,
        "The quick brown fox jumps over the lazy dog, again and again.",
        fallbacks=["openai/x"],
    )
    assert found.trace.attempts[0].model == "small"


def test_where_all_are_skipped_the_error_says_why(client: Client, small: str) -> None:
    with pytest.raises(AllModelsFailedError) as raised:
        ask(client, Script(), small, "word " * 100, context_window_fallbacks=["openai/small"], fallbacks=["openai/small"])
    assert all(isinstance(error, ContextWindowExceededError) for error in raised.value.exceptions)


# ---------------------------------------------------------------- time


def test_a_limit_for_each_attempt(client: Client) -> None:
    script = Script(ok(answer()))
    ask(client, script, timeout=60, attempt_timeout=5)
    assert script.deadlines == [script.clock.now + 5]
    script = Script(ok(answer("x")))
    ask(client, script, messages="Ho", timeout=3, attempt_timeout=5)
    assert script.deadlines == [script.clock.now + 3]


def test_an_attempt_that_ran_out_is_made_again(client: Client) -> None:
    late = Step([], then=Timeout("late"), takes=5)
    script = Script(late, late, ok(answer("at last")))
    found = ask(client, script, timeout=60, attempt_timeout=5)
    assert [attempt.decision for attempt in found.trace.attempts] == ["retry", "retry", "answer"]
    assert found.trace.attempts[0].duration == pytest.approx(5)


def test_a_limit_for_a_silent_stream(client: Client) -> None:
    script = Script(streamed(events()))
    flow = Flow(call(planned(client, script, stream=True, timeout=60, stream_idle_timeout=2)))
    reads: list[float] = []
    while (effect := flow.advance()) is not None:
        if isinstance(effect, Read):
            assert effect.until is not None
            reads.append(effect.until - script.clock.now)
        flow.succeed(script.perform(effect) if not hasattr(effect, "chunk") and type(effect).__name__ != "Opened" else None)
    assert len(reads) > 2
    assert all(wait == pytest.approx(2, abs=1) for wait in reads)


@pytest.mark.parametrize("name", ["attempt_timeout", "stream_idle_timeout", "timeout"])
@pytest.mark.parametrize("wrong", [0, -1, "2", True, float("inf")])
def test_what_is_no_time(client: Client, name: str, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match=f"{name} must be a number of seconds"):
        ask(client, Script(), **{name: wrong})


# ---------------------------------------------------------------- retries


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}, 1.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0m12s", "x-ratelimit-remaining-requests": "9"}, 12),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7.66s",
            },
            7.66,
        ),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"}, 0.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0.5),
    ],
    ids=str,
)
def test_how_long_a_provider_asks_to_wait(client: Client, headers: dict[str, str], wait: float) -> None:
    script = Script(Step([refusal("slow")], 429, {"content-type": "application/json", **headers}), ok(answer()))
    ask(client, script)
    assert script.slept == [pytest.approx(wait)]


def test_a_wait_that_does_not_fit_is_not_made(client: Client) -> None:
    script = Script(refused(429, refusal("slow"), retry_after="30"), ok(answer()))
    found = ask(client, script, timeout=20, fallbacks=[MISTRAL_MODEL])
    assert (found.provider, script.slept) == ("mistral", [])


@pytest.mark.parametrize(("said", "status", "requests"), [("true", 409, 2), ("false", 500, 1), ("", 500, 2), ("", 409, 1)])
def test_the_providers_own_word_on_another_attempt(client: Client, said: str, status: int, requests: int) -> None:
    headers = {"content-type": "application/json", "x-should-retry": said}
    script = Script(Step([refusal("conflict")], status, headers), ok(answer()))
    if requests == 1:
        with pytest.raises((BadRequestError, InternalServerError)):
            ask(client, script)
    else:
        ask(client, script)
    assert len(script.calls) == requests


def test_nobody_waits_where_tests_say_so(client: Client) -> None:
    with insights.no_waiting():
        script = Script(refused(429, refusal("slow"), retry_after="2"), DOWN, ok(answer()))
        found = ask(client, script)
    assert script.slept == [0.0, 0.0]
    assert [attempt.decision for attempt in found.trace.attempts] == ["retry", "retry", "answer"]
    script = Script(refused(429, refusal("slow"), retry_after="2"), ok(answer()))
    ask(client, script, messages="Ho")
    assert script.slept == [2.0]


def test_an_outage_is_not_amplified() -> None:
    clock = Clock()
    budget = RetryBudgets(clock).of("openai", "x")
    allowed = sum(budget.fail() for _ in range(1000))
    assert allowed == RetryBudget.FULL / 2 - 1
    clock.now += RetryBudget.FULL / RetryBudget.PER_SECOND
    assert budget.fail()


def test_answers_refill_the_budget() -> None:
    clock = Clock()
    budget = RetryBudget(clock)
    while budget.fail():
        pass
    for _ in range(round(0.9 / RetryBudget.RATIO)):
        budget.succeed()
    assert not budget.fail()
    for _ in range(round(2 / RetryBudget.RATIO)):
        budget.succeed()
    assert budget.fail()


def test_a_used_up_budget_is_said(client: Client) -> None:
    script = Script(DOWN)
    plan = planned(client, script)
    budget = plan.budgets.of("openai", "https://api.openai.com/v1")
    while budget.fail():
        pass
    flow = Flow(call(plan))
    with pytest.raises(InternalServerError) as raised:
        drive(flow, script)
    assert raised.value.trace is not None
    assert raised.value.trace.notes == ["the retry budget of openai is used up: too many attempts failed lately"]


# ---------------------------------------------------------------- the breaker


def break_it(client: Client) -> tuple[Breakers, Clock]:
    clock = Clock()
    breakers = Breakers(clock)
    while breakers.of("openai", "test-model", "").health.state == "closed":
        script = Script(*[DOWN] * 3, clock=clock)
        plan = replace(planned(client, script), breakers=breakers)
        with pytest.raises(InternalServerError):
            drive(Flow(call(plan)), script)
    return breakers, clock


def asked(client: Client, breakers: Breakers, script: Script, **params: Any) -> Any:
    flow = Flow(call(replace(planned(client, script, **params), breakers=breakers)))
    drive(flow, script)
    return flow.result


def test_a_provider_that_is_down_is_not_asked(client: Client) -> None:
    breakers, clock = break_it(client)
    with pytest.raises(CircuitOpenError, match="isn't asked for 10 more seconds") as raised:
        asked(client, breakers, Script(clock=clock))
    assert isinstance(raised.value, ServiceUnavailableError)
    assert raised.value.retry_after == pytest.approx(10)
    assert raised.value.trace is not None
    assert [(a.decision, a.breaker) for a in raised.value.trace.attempts] == [("skip", "open")]
    found = asked(client, breakers, Script(ok(answer()), clock=clock), fallbacks=[MISTRAL_MODEL])
    assert decisions(found.trace) == [("test-model", "skip"), ("mistral-small-latest", "answer")]
    assert "[breaker open]" in str(found.trace)


def test_the_error_that_opened_it_is_the_error(client: Client) -> None:
    clock = Clock()
    breakers = Breakers(clock)
    for _ in range(VOLUME - 1):
        breakers.of("openai", "test-model", "").fail()
    with pytest.raises(InternalServerError, match="The server had an error") as raised:
        asked(client, breakers, Script(DOWN, clock=clock))
    assert not isinstance(raised.value, CircuitOpenError)


def test_one_call_sees_whether_it_is_back(client: Client) -> None:
    breakers, clock = break_it(client)
    clock.now += 10
    found = asked(client, breakers, Script(ok(answer()), clock=clock))
    assert found.trace.attempts[0].breaker == "half-open"
    assert asked(client, breakers, Script(ok(answer()), clock=clock), messages="Ho").trace.attempts[0].breaker == "closed"


def test_a_probe_that_is_given_up_holds_nobody_back(client: Client) -> None:
    breakers, clock = break_it(client)
    clock.now += 10
    script = Script(streamed(events()), clock=clock)
    flow = Flow(call(replace(planned(client, script, stream=True), breakers=breakers)))
    drive(flow, script)
    close(flow, script)
    assert asked(client, breakers, Script(ok(answer()), clock=clock)).text


def test_the_breaker_can_be_turned_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client._plan("openai/test-model", "Hi", False, {}).breakers is not None
    monkeypatch.setenv("INSIGHTS_BREAKER", "0")
    assert client._plan("openai/test-model", "Hi", False, {}).breakers is None


def test_a_provider_down_for_a_minute_at_fifty_calls_a_second(client: Client) -> None:
    """The whole minute by the script's clock; each refusal takes 20 ms."""
    clock = Clock()
    breakers, budgets = Breakers(clock), RetryBudgets(clock)
    start, demand, requests, opened_after = clock.now, 3000, 0, None
    template = planned(client, Script(clock=clock), cache=False)
    for number in range(demand):
        clock.now = max(clock.now, start + number / 50)
        script = Script(*[refused(500, refusal("down"), takes=0.02)] * 3, clock=clock)
        with pytest.raises(InternalServerError):
            drive(Flow(call(replace(template, clock=clock, breakers=breakers, budgets=budgets))), script)
        requests += len(script.calls)
        if opened_after is None and breakers.of("openai", "test-model", "").health.state == "open":
            opened_after = requests
    print(f"\n{requests} requests for {demand} calls; the breaker opened after {opened_after} failures")
    assert requests <= 1.1 * demand
    assert opened_after is not None
    assert opened_after <= 20


# ---------------------------------------------------------------- the trace


def test_a_trace_adds_up(client: Client) -> None:
    script = Script(
        refused(500, refusal("x"), takes=1), refused(429, refusal("y"), takes=2, retry_after="3"), ok(answer(), takes=4)
    )
    found = ask(client, script)
    first, second, third = found.trace.attempts
    assert (first.duration, first.waited, first.status_code, first.error) == (1, 0.5, 500, "InternalServerError")
    assert (second.duration, second.waited, second.status_code, second.error) == (2, 3, 429, "RateLimitError")
    assert (third.duration, third.waited, third.status_code, third.error) == (4, 0, 200, None)
    assert third.cost is not None
    assert third.cost.total == Decimal("0.006")
    assert first.cost is None
    assert found.trace.duration == pytest.approx(1 + 0.5 + 2 + 3 + 4)


def test_every_attempts_own_error_is_in_the_group(client: Client) -> None:
    script = Script(DOWN, refused(429, refusal("slow")), DOWN, refused(503, refusal("busy")))
    with pytest.raises(AllModelsFailedError) as raised:
        ask(client, script, num_retries=1, fallbacks=[MISTRAL_MODEL])
    kinds = [type(error) for error in raised.value.exceptions]
    assert kinds == [InternalServerError, RateLimitError, InternalServerError, ServiceUnavailableError]
    assert len(str(raised.value).splitlines()) == 5


def test_the_first_content_ends_all_choice(client: Client) -> None:
    script = Script(streamed([ROLE, chunk({"content": "Hel"})]), ok(answer("never")))
    with pytest.raises(TruncatedStreamError) as raised:
        Played(client, script, fallbacks=[MISTRAL_MODEL]).run()
    assert raised.value.partial == "Hel"
    assert len(script.calls) == 1


# ---------------------------------------------------------------- several keys


def keys_of(script: Script) -> list[str]:
    return [wire.headers["Authorization"].removeprefix("Bearer ") for wire in script.calls]


def test_keys_in_turn(client: Client) -> None:
    script = Script(*[ok(answer())] * 4)
    for number in range(4):
        ask(client, script, messages=str(number), keys=["key-1", "key-2"])
    assert keys_of(script) == ["key-1", "key-2", "key-1", "key-2"]


def test_the_next_key_at_once_when_one_has_nothing_left(client: Client) -> None:
    script = Script(refused(429, refusal("slow"), retry_after="30"), ok(answer()))
    found = ask(client, script, keys=["key-1", "key-2"])
    assert (keys_of(script), script.slept) == (["key-1", "key-2"], [])
    assert [(a.deployment, a.decision) for a in found.trace.attempts] == [(1, "next"), (2, "answer")]
    script = Script(ok(answer()), ok(answer()))
    for number in range(2):
        ask(client, script, messages=str(number), keys=["key-1", "key-2"])
    assert keys_of(script) == ["key-2", "key-2"], "the first one is resting"


def test_the_last_key_is_waited_for(client: Client) -> None:
    slow = refused(429, refusal("slow"), retry_after="3")
    script = Script(slow, slow, ok(answer()))
    ask(client, script, keys=["key-1", "key-2"])
    assert (keys_of(script), script.slept) == (["key-1", "key-2", "key-2"], [3.0])


def test_another_key_does_not_help_a_provider_that_is_down(client: Client) -> None:
    script = Script(*[DOWN] * 3, ok(answer()))
    found = ask(client, script, keys=["key-1", "key-2"], fallbacks=[MISTRAL_MODEL])
    assert (keys_of(script)[:3], found.provider) == (["key-1"] * 3, "mistral")


def test_another_host_may_help(client: Client) -> None:
    script = Script(*[DOWN] * 3, ok(answer()))
    ask(client, script, keys=["key-1", {"api_key": "key-2", "api_base": "https://other.example/v1"}])
    assert script.hosts == ["api.openai.com"] * 3 + ["other.example"]


def test_one_answer_for_all_keys(client: Client) -> None:
    ask(client, Script(ok(answer())), keys=["key-1", "key-2"])
    assert ask(client, Script(), keys=["key-1", "key-2"]).cached
    assert ask(client, Script()).cached


def test_keys_of_the_file(client: Client, config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config_dir / "fallback.yaml").write_text(
        "keys:\n  openai/test-model:\n    - env_key: OPENAI_API_KEY\n    - {env_key: SPARE_API_KEY, weight: 3}\n"
        "    - env_key: NOT_SET_API_KEY\n"
    )
    monkeypatch.setenv("SPARE_API_KEY", "key-spare")
    script = Script(*[ok(answer())] * 4)
    for number in range(4):
        ask(client, script, messages=str(number))
    assert sorted(keys_of(script)) == ["key-spare", "key-spare", "key-spare", "test-key-of-openai"]
    script = Script(ok(answer()))
    ask(client, script, messages="own", api_key="mine", api_base="https://mine.example/v1")
    assert keys_of(script) == ["mine"], "none of the file's keys goes to a host that the call names"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys:\n  openai/gpt-4o: OPENAI_API_KEY", "keys are a list of tables"),
        ("keys:\n  openai/gpt-4o:\n    - {key: sk-1}", "keys have no 'key'"),
        ("keys:\n  openai/gpt-4o:\n    - {env_key: A_API_KEY, weight: much}", "a weight must be a number"),
    ],
)
def test_keys_of_the_file_that_are_none(client: Client, config_dir: Path, text: str, said: str) -> None:
    (config_dir / "fallback.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        ask(client, Script())


def test_keys_and_a_key(client: Client) -> None:
    with pytest.raises(BadRequestError, match="keys= says where a call goes"):
        ask(client, Script(), keys=["key-1"], api_key="key-2")


# ---------------------------------------------------------------- what stays where it belongs


def test_a_list_names_one_providers_model(client: Client, config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenRouter's own names of models look like `provider/model`; none of OpenAI's keys may go there for that."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "key-of-openrouter")
    (config_dir / "fallback.yaml").write_text(
        "keys:\n  openai/gpt-4o:\n    - env_key: OPENAI_API_KEY\nmodels:\n  openai/gpt-4o: [openai/test-model]\n"
    )
    script = Script(*[DOWN] * 3)
    with pytest.raises(InternalServerError):
        ask(client, script, "openrouter/openai/gpt-4o")
    assert keys_of(script) == ["key-of-openrouter"] * 3


def test_no_credential_of_a_call_goes_to_a_fallback(client: Client) -> None:
    secret = {"Authorization": "Bearer sk-secret", "api-key": "sk-2", "X-My-Token": "sk-3", "X-Team": "a"}
    script = Script(DOWN, DOWN, ok(answer()))
    other = {"model": "openai/other", "api_base": "https://other.example/v1", "api_key": "key-of-other"}
    ask(client, script, num_retries=0, extra_headers=secret, extra_body={"x": 1}, fallbacks=[other, MISTRAL_MODEL])
    first, second, third = script.calls
    assert "sk-2" in first.headers.values()
    for wire in (second, third):
        assert not any("sk-" in value for value in wire.headers.values())
    assert second.headers["Authorization"] == "Bearer key-of-other"
    assert (second.headers.get("X-Team"), third.headers.get("X-Team")) == ("a", None)
    assert ("x" in script.sent(1), "x" in script.sent(2)) == (True, False)


def test_a_fallback_may_say_itself_what_goes_beside_the_parameters(client: Client) -> None:
    script = Script(DOWN, ok(answer()))
    other = {"model": MISTRAL_MODEL, "extra_headers": {"X-Own": "b"}, "extra_body": {"y": 2}}
    ask(client, script, num_retries=0, fallbacks=[other])
    assert script.calls[1].headers["X-Own"] == "b"
    assert script.sent(1)["y"] == 2


def test_a_misspelt_parameter_of_a_fallback_is_told_at_once(client: Client) -> None:
    with pytest.raises(BadRequestError, match="temprature"):
        ask(client, Script(), fallbacks=[{"model": MISTRAL_MODEL, "temprature": 1}])


def test_each_list_has_its_own_host(client: Client) -> None:
    def big(host: str) -> dict[str, str]:
        return {"model": "openai/test-model", "api_base": f"https://{host}.example/v1", "api_key": f"key-of-{host}"}

    script = Script(LONG, LONG, ok(answer()))
    lists: dict[str, Any] = {
        "context_window_fallbacks": [big("one"), big("two")],
        "content_policy_fallbacks": [big("three")],
    }
    ask(client, script, **lists)
    assert script.hosts == ["api.openai.com", "one.example", "two.example"]
    script = Script(FILTERED, ok(answer()))
    ask(client, script, messages="Ho", **lists)
    assert script.hosts == ["api.openai.com", "three.example"]


def test_an_answer_that_is_filtered_whole_is_refused_content(client: Client) -> None:
    filtered = ok(answer(None, finish="content_filter"))
    assert ask(client, Script(filtered, ok(answer("free"))), content_policy_fallbacks=[MISTRAL_MODEL]).text == "free"
    assert ask(client, Script(filtered), messages="Ho").choices[0].finish_reason == "content_filter"


def test_a_part_of_the_group_keeps_the_trace(client: Client) -> None:
    with pytest.raises(AllModelsFailedError) as raised:
        ask(client, Script(DOWN, refused(429, refusal("slow"))), num_retries=0, fallbacks=[MISTRAL_MODEL])
    part, _ = raised.value.split(RateLimitError)
    assert part is not None
    assert part.trace is raised.value.trace  # type: ignore[attr-defined]  # it is one of ours


def test_no_clock_goes_so_far(client: Client) -> None:
    for number, far in enumerate((1e300, 10**400)):
        assert ask(client, Script(ok(answer())), messages=str(number), timeout=far, attempt_timeout=far).text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{env_key: 5}", "env_key of a key must be a text"),
        ("{weight: 2}", "a key needs env_key, api_base or model"),
        ("{env_key: A_API_KEY, model: nosuchmodel}", "no provider is known"),
    ],
)
def test_a_key_of_the_file_is_checked_when_it_is_read(client: Client, config_dir: Path, row: str, said: str) -> None:
    (config_dir / "fallback.yaml").write_text(f"keys:\n  openai/gpt-4o:\n    - {row}\n")
    with pytest.raises(ConfigError, match=said) as raised:
        ask(client, Script())
    assert raised.value.line == 3


def test_a_stream_that_has_begun_says_that_the_provider_is_back(client: Client) -> None:
    breakers, clock = break_it(client)
    clock.now += 10
    script = Script(streamed(events()), clock=clock)
    flow = Flow(call(replace(planned(client, script, stream=True), breakers=breakers)))
    while type(drive(flow, script)).__name__ != "Emit":
        pass
    assert asked(client, breakers, Script(ok(answer()), clock=clock)).text
    close(flow, script)
