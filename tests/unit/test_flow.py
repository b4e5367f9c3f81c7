"""The way of one call, played by a script: retry, fallback, judge, price, trace. No socket, no clock, no waiting."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from insights.adapters.models import transport
from insights.attempts import judge
from insights.cache.value import not_storable
from insights.client import Client
from insights.core.config import Settings
from insights.core.effects import Effect, Flow, Sleep, drive
from insights.core.errors import (
    AllModelsFailedError,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    ConfigError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    EmptyResponseError,
    InternalServerError,
    MissingKeyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
    Timeout,
    UnknownModelError,
    UnsupportedParamsError,
)
from insights.core.types import Choices, Message, ModelResponse
from insights.flow import call

from .conftest import MISTRAL_KEY, OPENAI_KEY
from .openai_wire import answer, encoded, events, refusal, usage
from .scripted import Played, Script, ask, failing, ok, planned, refused, streamed

OPENAI = "api.openai.com"
MISTRAL = "api.mistral.ai"
MISTRAL_MODEL = "mistral/mistral-small-latest"
RATE_LIMIT = refusal("Rate limit reached for requests", kind="requests", code="rate_limit_exceeded")
SERVER_ERROR = refusal("The server had an error while processing your request", kind="server_error")
QUOTA = refusal("You exceeded your current quota, please check your plan and billing details.", code="insufficient_quota")
TOO_LONG = refusal(
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    code="context_length_exceeded",
)
FILTERED = refusal(
    "The response was filtered due to the prompt triggering our content management policy.", code="content_filter"
)


def test_an_answer(client: Client) -> None:
    script = Script(ok(answer("Hello!")))
    found = ask(client, script)
    assert found.text == "Hello!"
    assert (found.provider, found.model, found.cached) == ("openai", "test-model", False)
    assert found["choices"][0]["finish_reason"] == "stop"
    assert len(script.calls) == 1
    wire = script.calls[0]
    assert (wire.method, wire.url) == ("POST", "https://api.openai.com/v1/chat/completions")
    assert wire.headers["Authorization"] == f"Bearer {OPENAI_KEY}"
    assert script.sent() == {"model": "test-model", "messages": [{"role": "user", "content": "Hi"}]}


def test_the_price_of_an_answer(client: Client) -> None:
    found = ask(client, Script(ok(answer())))
    # 1000 tokens at 0.002 per 1k and 500 at 0.008 per 1k: 0.002 + 0.004
    assert found.cost is not None
    assert (found.cost.input, found.cost.output, found.cost.total) == (Decimal("0.002"), Decimal("0.004"), Decimal("0.006"))
    assert (found.cost.price_source, found.cost.price_date) == ("the tests", "2026-01-31")
    assert found.trace.notes == []


def test_an_unknown_price_is_said(client: Client) -> None:
    found = ask(client, Script(ok(answer())), "openai/model-nobody-knows")
    assert found.cost is None
    assert found.trace.notes == ["no price is known for openai/model-nobody-knows"]


def test_no_usage_no_price(client: Client) -> None:
    body = answer().replace(b'"usage": ' + encoded(usage()), b'"usage": null')
    found = ask(client, Script(ok(body)))
    assert found.usage is None
    assert found.cost is None


def test_a_total_alone_has_no_price(client: Client) -> None:
    """Tokens in and out cost differently, so a sum of both says nothing of the price."""
    body = answer().replace(b'"usage": ' + encoded(usage()), b'"usage": {"total_tokens": 15}')
    assert b'{"total_tokens": 15}' in body
    found = ask(client, Script(ok(body)), cache=False)
    assert found.cost is None
    assert found.trace.notes == ["openai reported no usage, so the cost is unknown"]


@pytest.mark.parametrize(
    ("asked", "served", "total"),
    [
        # 1000 tokens in and 500 out: 0.002 + 0.004 ordinary, 0.001 + 0.002 flex.
        (None, "default", "0.006"),
        ("flex", "flex", "0.003"),
        ("flex", "default", "0.006"),  # what served is billed, not what was asked for
        ("flex", None, "0.003"),  # what was asked for, where the answer doesn't say
        ("auto", "priority", None),  # no price is known for it
    ],
)
def test_the_price_of_a_service_tier(
    client: Client, config_dir: Path, asked: str | None, served: str | None, total: str | None
) -> None:
    file = config_dir / "openai.yaml"
    file.write_text(file.read_text() + "      cost_flex_input_per_1k: 0.001\n      cost_flex_output_per_1k: 0.004\n")
    body = answer().replace(b'"service_tier": "default"', b'"service_tier": ' + encoded(served))
    found = ask(client, Script(ok(body)), service_tier=asked, cache=False)
    if total is None:
        assert found.cost is None
        assert found.trace.notes == ["no priority price is known for openai/test-model"]
    else:
        assert found.cost is not None
        assert found.cost.total == Decimal(total)


def test_the_trace_of_an_answer(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR, takes=1.5), ok(answer(), takes=2.0))
    found = ask(client, script, cache=False)
    first, second = found.trace.attempts
    assert (first.provider, first.model, first.status_code, first.error) == ("openai", "test-model", 500, "InternalServerError")
    assert first.message == "The server had an error while processing your request"
    assert (first.decision, first.waited) == ("retry", 0.5)
    assert first.duration == pytest.approx(1.5)
    assert (second.decision, second.status_code, second.error) == ("answer", 200, None)
    assert second.duration == pytest.approx(2.0)
    assert found.trace.duration == pytest.approx(1.5 + 0.5 + 2.0)
    assert found.trace.cache == "off"
    assert first.started > 1_700_000_000


# ---------------------------------------------------------------- retry


@pytest.mark.parametrize(
    "step",
    [
        refused(429, RATE_LIMIT),
        refused(500, SERVER_ERROR),
        refused(503, SERVER_ERROR),
        refused(408, b""),
        ok(b"<html>Bad gateway</html>"),
        ok(encoded({"id": "x", "object": "chat.completion", "choices": []})),
        ok(answer("")),
        failing(APIConnectionError("reset")),
    ],
    ids=["429", "500", "503", "408", "html", "no choices", "empty", "connection"],
)
def test_what_may_pass_is_tried_again(client: Client, step: Any) -> None:
    script = Script(step, ok(answer("at last")))
    assert ask(client, script, cache=False).text == "at last"
    assert len(script.calls) == 2
    assert script.calls[0].content == script.calls[1].content
    assert len(script.slept) == 1


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (refused(400, refusal("Invalid value for 'temperature'")), BadRequestError),
        (refused(401, refusal("Incorrect API key provided", code="invalid_api_key")), AuthenticationError),
        (refused(403, refusal("You are not allowed to sample from this model")), PermissionDeniedError),
        (refused(404, refusal("The model `x` does not exist", code="model_not_found")), NotFoundError),
        (refused(400, TOO_LONG), ContextWindowExceededError),
        (refused(400, FILTERED), ContentPolicyViolationError),
        (refused(429, QUOTA), QuotaExceededError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_will_not_pass_is_not_tried_again(client: Client, step: Any, kind: type[APIError]) -> None:
    script = Script(step)
    with pytest.raises(APIError) as raised:
        ask(client, script, num_retries=5)
    assert type(raised.value) is kind
    assert raised.value.retryable is False
    assert len(script.calls) == 1
    assert script.slept == []
    assert raised.value.trace is not None
    assert [a.decision for a in raised.value.trace.attempts] == ["stop"]


def test_retries_end(client: Client) -> None:
    script = Script(*[refused(500, SERVER_ERROR)] * 3)
    with pytest.raises(InternalServerError) as raised:
        ask(client, script)
    assert len(script.calls) == 3  # one, and two retries by default
    assert script.slept == [0.5, 1.0]  # 0.5 s, then twice that, with the longest draw
    assert raised.value.trace is not None
    assert [a.decision for a in raised.value.trace.attempts] == ["retry", "retry", "stop"]


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_num_retries(client: Client, retries: int) -> None:
    script = Script(*[refused(500, SERVER_ERROR)] * (retries + 1))
    with pytest.raises(InternalServerError):
        ask(client, script, num_retries=retries)
    assert len(script.calls) == retries + 1


@pytest.mark.parametrize("retries", [-1, 1.5, True, "2"])
def test_num_retries_is_a_whole_number(client: Client, retries: Any) -> None:
    with pytest.raises(BadRequestError, match="num_retries"):
        ask(client, Script(), num_retries=retries)


def test_the_provider_says_how_long_to_wait(client: Client) -> None:
    script = Script(refused(429, RATE_LIMIT, retry_after="7"), ok(answer()))
    found = ask(client, script)
    assert script.slept == [7.0]
    assert found.trace.attempts[0].waited == 7.0


def test_a_wait_longer_than_patience_is_not_waited(client: Client) -> None:
    script = Script(refused(429, RATE_LIMIT, retry_after="61"))
    with pytest.raises(RateLimitError) as raised:
        ask(client, script)
    assert raised.value.retry_after == 61
    assert script.slept == []


def test_a_wait_past_the_deadline_is_not_waited(client: Client) -> None:
    script = Script(refused(429, RATE_LIMIT, retry_after="30", takes=2.0))
    with pytest.raises(RateLimitError):
        ask(client, script, timeout=31.0)
    assert script.slept == []


def test_one_deadline_for_all_attempts(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR, takes=3.0), ok(answer()))
    began = script.clock()
    ask(client, script, timeout=10.0, cache=False)
    assert script.deadlines == [began + 10.0, began + 10.0]


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), True, "10"])
def test_timeout_is_a_number_of_seconds(client: Client, timeout: Any) -> None:
    with pytest.raises(BadRequestError, match="timeout"):
        ask(client, Script(), timeout=timeout)


def test_the_default_timeout_is_the_providers(client: Client, config_dir: Path) -> None:
    text = (config_dir / "openai.yaml").read_text().replace("  models:", "  timeout: 45\n  models:")
    (config_dir / "openai.yaml").write_text(text)
    assert planned(client, Script()).timeout == 45
    own = Client(Settings(timeout=20, config_dir=config_dir, OPENAI_API_KEY=OPENAI_KEY))
    assert planned(own, Script()).timeout == 20
    assert planned(own, Script(), timeout=5).timeout == 5


def test_a_sleep_that_took_too_long_ends_in_time(client: Client) -> None:
    class Drowsy(Script):
        def perform(self, effect: Effect) -> Any:
            if isinstance(effect, Sleep):
                self.clock.now += 60
            return super().perform(effect)

    script = Drowsy(refused(500, SERVER_ERROR))
    with pytest.raises(Timeout, match="no time is left") as raised:
        ask(client, script, timeout=30.0)
    assert len(script.calls) == 1
    assert raised.value.trace is not None
    assert [a.error for a in raised.value.trace.attempts] == ["InternalServerError", "Timeout"]


@pytest.mark.parametrize("awaited", [False, True], ids=["plain", "streamed"])
def test_the_import_of_litellm_is_not_the_providers_time(
    client: Client, monkeypatch: pytest.MonkeyPatch, awaited: bool
) -> None:
    """It takes seconds, once in a process; a short timeout is about the provider."""
    loads: list[float] = []
    script = Script(streamed(events()) if awaited else ok(answer(), takes=2.0))
    began = script.clock()

    def load() -> None:
        if not loads:
            loads.append(script.clock())
            script.clock.now += 100.0

    transport.load()
    monkeypatch.setattr(transport, "load", load)
    monkeypatch.setattr(transport, "loaded", lambda: bool(loads))
    if awaited:
        found = Played(client, script, timeout=10.0, cache=False).run()
    else:
        found = ask(client, script, timeout=10.0, cache=False)
    assert loads == [began]
    assert script.deadlines == [pytest.approx(began + 100.0 + 10.0)]
    assert found.text == "Hello!"
    assert found.trace.duration == pytest.approx(0.0 if awaited else 2.0)
    assert found.trace.attempts[0].duration == pytest.approx(0.0 if awaited else 2.0)


# ---------------------------------------------------------------- fallback


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (refused(429, RATE_LIMIT), "RateLimitError"),
        (refused(429, QUOTA), "QuotaExceededError"),
        (refused(500, SERVER_ERROR), "InternalServerError"),
        (refused(529, SERVER_ERROR), "ServiceUnavailableError"),
        (failing(APIConnectionError("refused")), "APIConnectionError"),
        (failing(Timeout("slow")), "Timeout"),
        (ok(answer("")), "EmptyResponseError"),
        (ok(b"oops"), "APIResponseValidationError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_model_stands_in(client: Client, step: Any, kind: str) -> None:
    script = Script(step, ok(answer("stood in")))
    found = ask(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL], cache=False)
    assert (found.text, found.provider) == ("stood in", "mistral")
    assert script.hosts == [OPENAI, MISTRAL]
    first, second = found.trace.attempts
    assert (first.error, first.decision) == (kind, "next")
    assert (second.provider, second.decision) == ("mistral", "answer")


def test_each_host_gets_its_own_key(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer()))
    ask(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL])
    assert script.calls[0].headers["Authorization"] == f"Bearer {OPENAI_KEY}"
    assert script.calls[1].headers["Authorization"] == f"Bearer {MISTRAL_KEY}"


def test_a_key_and_host_of_the_call_stay_with_its_model(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer()))
    ask(
        client,
        script,
        num_retries=0,
        api_key="key-of-this-call",
        api_base="http://127.0.0.1:9/v1",
        fallbacks=[MISTRAL_MODEL],
    )
    assert script.hosts == ["127.0.0.1:9", MISTRAL]
    assert script.calls[0].headers["Authorization"] == "Bearer key-of-this-call"
    assert "key-of-this-call" not in str(script.calls[1].headers)


@pytest.mark.parametrize(
    "step",
    [
        refused(400, refusal("Invalid value")),
        refused(401, refusal("Incorrect API key provided")),
        refused(403, refusal("Not allowed")),
        refused(404, refusal("No such model")),
        refused(400, TOO_LONG),
        refused(400, FILTERED),
    ],
    ids=["400", "401", "403", "404", "context", "policy"],
)
def test_what_the_caller_must_mend_moves_on_to_nobody(client: Client, step: Any) -> None:
    script = Script(step)
    with pytest.raises(APIError) as raised:
        ask(client, script, fallbacks=[MISTRAL_MODEL])
    assert not isinstance(raised.value, AllModelsFailedError)
    assert script.hosts == [OPENAI]


def test_all_failed(client: Client) -> None:
    script = Script(refused(503, SERVER_ERROR), refused(429, RATE_LIMIT), refused(401, refusal("Unauthorized")))
    with pytest.raises(AllModelsFailedError) as raised:
        ask(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL, "openai/other-model", "openai/never-asked"])
    error = raised.value
    assert [type(e) for e in error.exceptions] == [ServiceUnavailableError, RateLimitError, AuthenticationError]
    assert len(script.calls) == 3
    head, *rows = str(error).splitlines()
    assert head == "3 of 4 models failed, and the last error leads to no other"
    assert [row.split()[:4] for row in rows if not row.startswith("  ->")] == [
        ["1.", "openai/test-model", "ServiceUnavailableError", "503"],
        ["2.", MISTRAL_MODEL, "RateLimitError", "429"],
        ["3.", "openai/other-model", "AuthenticationError", "401"],
    ]
    assert error.trace is not None
    assert [a.decision for a in error.trace.attempts] == ["next", "next", "stop"]


def test_except_star_sees_the_single_errors(client: Client) -> None:
    script = Script(refused(503, SERVER_ERROR), refused(429, RATE_LIMIT))
    seen = []
    try:
        ask(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL])
    except* RateLimitError as group:
        seen = [type(error) for error in group.exceptions]
    except* ServiceUnavailableError:
        pass
    assert seen == [RateLimitError]


def test_a_candidate_without_a_key_is_skipped(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer("third")))
    found = ask(client, script, num_retries=0, fallbacks=["groq/some-model", MISTRAL_MODEL], cache=False)
    assert found.text == "third"
    assert script.hosts == [OPENAI, MISTRAL]
    assert [(a.provider, a.decision) for a in found.trace.attempts] == [
        ("openai", "next"),
        ("groq", "skip"),
        ("mistral", "answer"),
    ]
    assert found.trace.attempts[1].error == "MissingKeyError"
    assert found.trace.attempts[1].status_code is None


def test_the_first_model_without_a_key(client: Client) -> None:
    script = Script(ok(answer("stood in")))
    assert ask(client, script, "groq/some-model", fallbacks=[MISTRAL_MODEL]).text == "stood in"
    with pytest.raises(MissingKeyError, match="GROQ_API_KEY is not set") as raised:
        ask(client, Script(), "groq/some-model")
    assert raised.value.trace is not None
    assert [a.decision for a in raised.value.trace.attempts] == ["skip"]


def test_a_fallback_with_parameters_of_its_own(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer()))
    ask(
        client,
        script,
        num_retries=0,
        temperature=0.1,
        max_tokens=7,
        fallbacks=[{"model": "openai/other", "temperature": 0.9, "api_base": "http://127.0.0.1:9/v1", "api_key": "theirs"}],
    )
    assert script.hosts == [OPENAI, "127.0.0.1:9"]
    assert script.calls[1].headers["Authorization"] == "Bearer theirs"
    assert (script.sent(0)["temperature"], script.sent(1)["temperature"]) == (0.1, 0.9)
    assert script.sent(1)["max_tokens"] == 7
    assert script.sent(1)["model"] == "other"


def test_where_a_model_is_passes_on_to_models_of_the_same_kind(client: Client) -> None:
    """`api_version` says nothing of a host or a key, so that another deployment is asked with it too."""
    script = Script(refused(500, SERVER_ERROR), ok(answer()))
    deployment = {"api_base": "https://one.openai.azure.com", "api_key": "key-of-azure"}
    other = {"model": "azure/other", "api_base": "https://two.openai.azure.com", "api_key": "key-of-the-other"}
    ask(client, script, "azure/mine", num_retries=0, api_version="2024-10-21", fallbacks=[other], **deployment)
    assert script.hosts == ["one.openai.azure.com", "two.openai.azure.com"]
    assert all("api-version=2024-10-21" in wire.url for wire in script.calls)


def test_a_fallback_with_messages_of_its_own(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer('{"a": 1}')))
    found = ask(
        client,
        script,
        num_retries=0,
        response_format={"type": "json_object"},
        fallbacks=[{"model": "openai/other", "messages": "Say JSON"}],
    )
    assert script.sent(1)["messages"] == [{"role": "user", "content": "Say JSON"}]
    assert script.sent(1)["response_format"] == {"type": "json_object"}
    assert found.parsed == {"a": 1}


@pytest.mark.parametrize("given", ["openai/x", {"model": "x"}, 3, [3], [{"temperature": 1}]])
def test_fallbacks_must_be_names(client: Client, given: Any) -> None:
    with pytest.raises(BadRequestError, match="fallback"):
        ask(client, Script(), fallbacks=given)


def test_no_time_is_left_for_a_fallback(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR, takes=10.0))
    with pytest.raises(InternalServerError):
        ask(client, script, timeout=5.0, fallbacks=[MISTRAL_MODEL])
    assert script.hosts == [OPENAI]


def test_the_chain_of_the_file(client: Client, config_dir: Path) -> None:
    (config_dir / "fallback.yaml").write_text(f"models:\n  openai/test-model: [{MISTRAL_MODEL}]\n")
    script = Script(refused(500, SERVER_ERROR), ok(answer("stood in")))
    assert ask(client, script, num_retries=0, cache=False).provider == "mistral"
    script = Script(refused(500, SERVER_ERROR))
    with pytest.raises(InternalServerError):
        ask(client, script, num_retries=0, fallbacks=[], cache=False)


def test_the_default_chain_leaves_out_the_model_itself(client: Client, config_dir: Path) -> None:
    (config_dir / "fallback.yaml").write_text(f"default: [openai/test-model, {MISTRAL_MODEL}]\n")
    script = Script(refused(500, SERVER_ERROR), ok(answer()))
    ask(client, script, num_retries=0)
    assert script.hosts == [OPENAI, MISTRAL]


@pytest.mark.parametrize(("key", "step"), [("context_window", TOO_LONG), ("content_policy", FILTERED)])
def test_lists_for_kinds_of_errors(client: Client, config_dir: Path, key: str, step: bytes) -> None:
    (config_dir / "fallback.yaml").write_text(f"default: [openai/not-this-one]\n{key}: [{MISTRAL_MODEL}]\n")
    script = Script(refused(400, step), ok(answer("elsewhere")))
    found = ask(client, script, cache=False)
    assert found.text == "elsewhere"
    assert script.hosts == [OPENAI, MISTRAL]
    assert [a.decision for a in found.trace.attempts] == ["next", "answer"]


def test_a_list_for_a_kind_of_error_goes_round_no_circle(client: Client, config_dir: Path) -> None:
    (config_dir / "fallback.yaml").write_text(f"context_window: [{MISTRAL_MODEL}]\n")
    script = Script(refused(400, TOO_LONG), refused(400, TOO_LONG))
    with pytest.raises(AllModelsFailedError):
        ask(client, script)
    assert script.hosts == [OPENAI, MISTRAL]


def test_a_broken_fallback_harms_no_call_and_no_other_fallback(client: Client, config_dir: Path) -> None:
    (config_dir / "groq.yaml").write_text("groq:\n  api_bass: 'https://x.example'\n")
    assert ask(client, Script(ok(answer())), fallbacks=["groq/some-model"], cache=False).text == "Hello!"
    script = Script(refused(500, SERVER_ERROR), ok(answer("third")))
    found = ask(client, script, num_retries=0, fallbacks=["groq/some-model", MISTRAL_MODEL], cache=False)
    assert found.text == "third"


def test_a_broken_first_model_is_the_error(client: Client, config_dir: Path) -> None:
    (config_dir / "openai.yaml").write_text("openai:\n  api_bass: 'https://x.example'\n")
    with pytest.raises(ConfigError, match=r"openai\.yaml:2: .*api_bass"):
        ask(client, Script(), fallbacks=[MISTRAL_MODEL])


def test_an_unknown_fallback(client: Client) -> None:
    script = Script()
    with pytest.raises(UnknownModelError, match="nobody-knows-this-one"):  # before anything is asked
        ask(client, script, fallbacks=["nobody-knows-this-one"])


def test_a_fallback_that_cannot_serve_the_request_is_passed_over(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer("third")))
    found = ask(
        client,
        script,
        num_retries=0,
        logit_bias={"50256": -100},
        fallbacks=[MISTRAL_MODEL, "openai/other"],
        cache=False,
    )
    assert found.text == "third"
    assert script.hosts == [OPENAI, OPENAI]
    assert script.sent(1)["logit_bias"] == {"50256": -100}
    assert [(a.provider, a.error, a.decision) for a in found.trace.attempts] == [
        ("openai", "InternalServerError", "next"),
        ("mistral", "UnsupportedParamsError", "next"),
        ("openai", None, "answer"),
    ]


def test_what_the_first_model_cannot_serve_is_the_callers_to_mend(client: Client) -> None:
    with pytest.raises(UnsupportedParamsError) as raised:
        ask(client, Script(), MISTRAL_MODEL, logit_bias={"50256": -100}, fallbacks=["openai/other"])
    assert raised.value.params == ("logit_bias",)


def test_a_providers_own_parameters_stay_with_it(client: Client) -> None:
    """`safe_prompt` is Mistral's: no other has it, and one that got it would refuse the call."""
    script = Script(refused(500, SERVER_ERROR), refused(500, SERVER_ERROR), ok(answer()))
    ask(
        client,
        script,
        MISTRAL_MODEL,
        num_retries=0,
        safe_prompt=True,
        temperature=0.5,
        fallbacks=["openai/other", "mistral/another"],
    )
    assert script.hosts == [MISTRAL, OPENAI, MISTRAL]
    assert [sent.get("safe_prompt") for sent in map(script.sent, range(3))] == [True, None, True]
    assert [sent["temperature"] for sent in map(script.sent, range(3))] == [0.5] * 3


def test_a_fallback_may_have_parameters_of_its_providers_own(client: Client) -> None:
    script = Script(refused(500, SERVER_ERROR), ok(answer()))
    ask(client, script, num_retries=0, fallbacks=[{"model": MISTRAL_MODEL, "safe_prompt": True}])
    assert "safe_prompt" not in script.sent(0)
    assert script.sent(1)["safe_prompt"] is True


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("base_url", "did you mean 'api_base'?"),
        ("max_retries", "did you mean 'num_retries'?"),
        ("headers", "did you mean 'extra_headers'?"),
        ("organization", "leave it out."),
        ("client_secret", "leave it out."),
        ("aws_secret_access_key", "leave it out."),
    ],
)
def test_arguments_of_other_libraries_are_refused_before_anything_is_sent(client: Client, name: str, hint: str) -> None:
    with pytest.raises(UnsupportedParamsError, match=f"there is no parameter '{name}'") as raised:
        ask(client, Script(), drop_params=True, **{name: "canary"})
    assert str(raised.value.hint).startswith(hint)
    assert "canary" not in str(raised.value)


def test_what_is_for_the_whole_call_is_not_for_one_fallback(client: Client) -> None:
    with pytest.raises(BadRequestError, match="timeout is for the whole call"):
        ask(client, Script(), fallbacks=[{"model": MISTRAL_MODEL, "timeout": 3}])


# ---------------------------------------------------------------- judge and store


def response(message: dict[str, Any], finish: str | None = "stop") -> ModelResponse:
    return ModelResponse(choices=[Choices(finish_reason=finish, message=Message.model_validate(message))])


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x"},
        {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        {"refusal": "No."},
        {"audio": {"id": "a", "data": ""}},
        {"images": [{"type": "image_url"}]},
        {"function_call": {"name": "f", "arguments": "{}"}},
    ],
    ids=lambda message: next(iter(message)),
)
def test_an_answer_that_says_something(message: dict[str, Any]) -> None:
    judge(response(message))


@pytest.mark.parametrize("finish", ["stop", None])
@pytest.mark.parametrize("message", [{}, {"content": ""}, {"content": None, "tool_calls": []}, {"reasoning_content": "Hm."}])
def test_an_answer_that_says_nothing(message: dict[str, Any], finish: str | None) -> None:
    with pytest.raises(EmptyResponseError):
        judge(response(message, finish))


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_empty_answer_with_a_reason(finish: str) -> None:
    judge(response({"content": ""}, finish))


def test_one_choice_that_says_something_is_enough() -> None:
    found = response({"content": ""})
    found.choices.append(Choices(index=1, finish_reason="stop", message=Message(content="here")))
    judge(found)


@pytest.mark.parametrize(
    ("finish", "kept"),
    [("stop", True), ("length", True), ("tool_calls", True), ("content_filter", False), (None, False), ("weird", False)],
)
def test_what_is_stored(finish: str | None, kept: bool) -> None:
    assert (not_storable(response({"content": "x"}, finish)) is None) is kept
    assert not_storable(ModelResponse()) is not None


def test_dropped_parameters_are_noted(client: Client) -> None:
    found = ask(client, Script(ok(answer())), MISTRAL_MODEL, logit_bias={"50256": -100}, drop_params=True)
    assert any("logit_bias" in note for note in found.trace.notes)


def test_any_other_error_of_the_performer_goes_through_untouched(client: Client) -> None:
    class Odd(Exception):
        pass

    script = Script(failing(Odd()))
    with pytest.raises(Odd):
        ask(client, script, fallbacks=[MISTRAL_MODEL])
    assert len(script.calls) == 1


def test_a_plan_can_be_called_twice(client: Client) -> None:
    script = Script(ok(answer("one")), ok(answer("two")))
    plan = planned(client, script, cache=False)
    texts = []
    for _ in range(2):
        flow = Flow(call(plan))
        drive(flow, script)
        assert flow.result is not None
        texts.append(flow.result.text)
    assert texts == ["one", "two"]


def test_validation_errors_are_the_providers_fault(client: Client) -> None:
    with pytest.raises(APIResponseValidationError) as raised:
        ask(client, Script(ok(encoded("just words"))), num_retries=0)
    assert (raised.value.provider, raised.value.model) == ("openai", "test-model")
