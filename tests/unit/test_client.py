"""`Client` over real HTTP on 127.0.0.1, blocking and awaiting: the main ways of a call."""

from __future__ import annotations

import asyncio
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import insights
from insights import client as client_module
from insights.client import Client, default_client
from insights.core.config import Settings
from insights.core.errors import (
    AllModelsFailedError,
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    MissingKeyError,
    RateLimitError,
    Timeout,
    TruncatedStreamError,
    UnknownModelError,
    UnsupportedParamsError,
)

from .both import Read, ask, both
from .conftest import OPENAI_KEY
from .loopback import Provider
from .openai_wire import DONE, ROLE, answer, chunk, events, refusal

MODEL = "openai/test-model"


@both
def test_an_answer(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(answer("Hello!"))
    found = ask(client, awaiting, MODEL, "Why?", api_base=provider.url, api_key="key-of-the-call", temperature=0.5)
    assert found.text == "Hello!"
    assert found.cost is not None
    assert found.cost.total == Decimal("0.006")
    (asked,) = provider.received
    assert asked.target == "/chat/completions"
    assert asked.headers["authorization"] == "Bearer key-of-the-call"
    assert asked.headers["content-type"] == "application/json"
    assert asked.body == {"model": "test-model", "messages": [{"role": "user", "content": "Why?"}], "temperature": 0.5}


@both
def test_a_key_of_the_environment_goes_to_no_other_host(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(answer())
    ask(client, awaiting, MODEL, api_base=provider.url)
    assert OPENAI_KEY not in str(provider.received[0].headers)


@both
def test_429_and_retry_after(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(refusal("slow down"), status=429, retry_after="0.2")
    provider.will(answer("at last"))
    began = time.monotonic()
    found = ask(client, awaiting, MODEL, api_base=provider.url)
    assert time.monotonic() - began >= 0.2
    assert found.text == "at last"
    assert [(a.status_code, a.decision, a.waited) for a in found.trace.attempts] == [(429, "retry", 0.2), (200, "answer", 0)]


@both
def test_400_is_not_asked_twice(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(refusal("Invalid value for 'x'"), status=400, x_request_id="req_1")
    with pytest.raises(BadRequestError, match="Invalid value") as raised:
        ask(client, awaiting, MODEL, api_base=provider.url, fallbacks=["openai/other"])
    assert raised.value.request_id == "req_1"
    assert len(provider.received) == 1


@both
def test_another_host_stands_in(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(refusal("overloaded"), status=503)
    provider.will(answer("stood in"))
    found = ask(
        client,
        awaiting,
        MODEL,
        api_base=provider.url + "/one",
        num_retries=0,
        fallbacks=[{"model": "openai/other", "api_base": provider.url + "/two"}],
    )
    assert found.text == "stood in"
    assert [asked.target for asked in provider.received] == ["/one/chat/completions", "/two/chat/completions"]
    assert provider.received[1].body["model"] == "other"


@both
def test_all_failed(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(refusal("overloaded"), status=503)
    provider.will(refusal("slow down"), status=429)
    with pytest.raises(AllModelsFailedError) as raised:
        ask(
            client,
            awaiting,
            MODEL,
            api_base=provider.url,
            num_retries=0,
            fallbacks=["groq/without-a-key", {"model": "openai/other", "api_base": provider.url}],
        )
    assert [type(error).__name__ for error in raised.value.exceptions] == [
        "ServiceUnavailableError",
        "MissingKeyError",
        "RateLimitError",
    ]
    assert raised.value.trace is not None
    assert [a.decision for a in raised.value.trace.attempts] == ["next", "skip", "stop"]


@both
def test_the_second_call_is_from_the_cache(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(answer())
    first = ask(client, awaiting, MODEL, api_base=provider.url)
    second = ask(client, awaiting, MODEL, api_base=provider.url)
    assert (first.cached, second.cached) == (False, True)
    assert len(provider.received) == 1


@both
def test_timeout(client: Client, provider: Provider, awaiting: bool) -> None:
    release = threading.Event()
    provider.will(b" ", b"late", wait=release)
    try:
        with pytest.raises(Timeout, match=r"127\.0\.0\.1"):
            ask(client, awaiting, MODEL, api_base=provider.url, timeout=0.3)
    finally:
        release.set()
    assert len(provider.received) == 1


@both
def test_nobody_listens(client: Client, provider: Provider, awaiting: bool) -> None:
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1"):
        ask(client, awaiting, MODEL, api_base="http://127.0.0.1:9", num_retries=0)


@both
def test_without_a_key(awaiting: bool) -> None:
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY is not set"):
        ask(Client(), awaiting, "claude-haiku-4-5")


# ---------------------------------------------------------------- streams


@both
def test_a_stream(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(*events())
    read = Read().run(client, awaiting, MODEL, api_base=provider.url)
    assert read.text == "Hello!"
    assert read.response is not None
    assert read.response.text == "Hello!"
    assert read.response.cost is not None
    assert read.response.cost.total == Decimal("0.006")


@both
@pytest.mark.parametrize("asked_for", [False, True])
def test_the_chunk_of_usage_alone(client: Client, provider: Provider, awaiting: bool, asked_for: bool) -> None:
    """OpenAI's reference: with `include_usage` one more chunk comes, with usage and an empty `choices`."""
    provider.will(*events())
    read = Read().run(client, awaiting, MODEL, api_base=provider.url, stream_options={"include_usage": asked_for})
    without_choices = [c for c in read.chunks if not c.choices]
    assert len(without_choices) == (1 if asked_for else 0)
    if asked_for:
        assert read.chunks[-1].usage is not None
        assert read.chunks[-1].usage.total_tokens == 1500
    assert read.response is not None
    assert read.response.usage is not None
    assert read.response.usage.total_tokens == 1500


@both
def test_a_stream_falls_back_before_its_first_content(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(ROLE, b": still nothing\n\n", cut=True)
    provider.will(*events(["stood in"]))
    other = {"model": "openai/other", "api_base": provider.url}
    read = Read().run(client, awaiting, MODEL, api_base=provider.url, num_retries=0, fallbacks=[other])
    assert read.text == "stood in"
    assert len(provider.received) == 2


@both
def test_a_stream_cut_after_its_first_content(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(ROLE, chunk({"content": "Hel"}), cut=True)
    read = Read()
    with pytest.raises(TruncatedStreamError) as raised:
        read.run(client, awaiting, MODEL, api_base=provider.url, fallbacks=["openai/other"])
    assert (raised.value.partial, read.text) == ("Hel", "Hel")
    assert len(provider.received) == 1


@both
def test_a_stream_that_stops_in_time(client: Client, provider: Provider, awaiting: bool) -> None:
    release = threading.Event()
    provider.will(ROLE, chunk({"content": "Hel"}), DONE, wait=release)
    try:
        with pytest.raises(Timeout) as raised:
            Read().run(client, awaiting, MODEL, api_base=provider.url, timeout=1.0)
    finally:
        release.set()
    assert raised.value.partial == "Hel"


@both
def test_opening_a_stream_raises_at_once(client: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(refusal("Incorrect API key provided"), status=401)

    async def opened() -> None:
        await client.acompletion(MODEL, "Hi", stream=True, api_base=provider.url)

    with pytest.raises(AuthenticationError):
        asyncio.run(opened()) if awaiting else client.completion(MODEL, "Hi", stream=True, api_base=provider.url)


@both
def test_a_stored_stream_serves_a_plain_call_and_the_other_way_round(
    client: Client, provider: Provider, awaiting: bool
) -> None:
    provider.will(*events(["one"]))
    Read().run(client, awaiting, MODEL, "first", api_base=provider.url)
    assert ask(client, awaiting, MODEL, "first", api_base=provider.url).cached
    provider.will(answer("two"))
    ask(client, awaiting, MODEL, "second", api_base=provider.url)
    read = Read().run(client, awaiting, MODEL, "second", api_base=provider.url)
    assert read.text == "two"
    assert read.response is not None
    assert read.response.cached
    assert len(provider.received) == 2


# ---------------------------------------------------------------- from arguments to a plan


def test_settings_or_their_arguments() -> None:
    assert Client(cache=False).settings == Settings(cache=False)
    with pytest.raises(TypeError, match="not both"):
        Client(Settings(), cache=False)


@pytest.mark.parametrize("model", ["", "  ", None, 3])
def test_a_model_is_a_name(client: Client, model: Any) -> None:
    with pytest.raises(BadRequestError, match="model must be a name"):
        client.completion(model, "Hi")


def test_an_unknown_model_names_the_nearest(client: Client) -> None:
    with pytest.raises(UnknownModelError) as raised:
        client.completion("opnai/test-model", "Hi")
    assert raised.value.hint == "did you mean openai/test-model?"


@both
def test_a_misspelt_parameter(client: Client, awaiting: bool) -> None:
    with pytest.raises(UnsupportedParamsError) as raised:
        ask(client, awaiting, MODEL, temprature=1)
    assert raised.value.hint is not None
    assert "'temperature'" in raised.value.hint
    assert raised.value.params == ("temprature",)


def test_extra_body_and_headers_arrive(client: Client, provider: Provider) -> None:
    provider.will(answer())
    client.completion(MODEL, "Hi", api_base=provider.url, extra_body={"house_rule": {"a": 1}}, extra_headers={"X-Team": "blue"})
    assert provider.received[0].body["house_rule"] == {"a": 1}
    assert provider.received[0].headers["x-team"] == "blue"


def test_the_module_level_functions(
    provider: Provider, config_dir: Path, monkeypatch: pytest.MonkeyPatch, own_cache_dir: Path
) -> None:
    monkeypatch.setattr(client_module, "_default", None)
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(config_dir))
    provider.will(answer("one"))
    provider.will(answer("two"))
    assert insights.completion(MODEL, "first", api_base=provider.url).text == "one"
    assert asyncio.run(insights.acompletion(MODEL, "second", api_base=provider.url)).text == "two"
    assert default_client() is default_client()
    assert insights.explain_route(MODEL).provider == "openai"
    default_client().close()


def test_the_environment_is_read_at_each_call(provider: Provider, monkeypatch: pytest.MonkeyPatch, config_dir: Path) -> None:
    (config_dir / "openai.yaml").write_text(f"openai:\n  api_base: '{provider.url}'\n")
    own = Client(config_dir=config_dir, cache=False)
    provider.will(answer())
    provider.will(answer())
    monkeypatch.setenv("OPENAI_API_KEY", "key-number-one")
    own.completion(MODEL, "Hi")
    monkeypatch.setenv("OPENAI_API_KEY", "key-number-two")
    own.completion(MODEL, "Hi")
    assert [a.headers["authorization"] for a in provider.received] == ["Bearer key-number-one", "Bearer key-number-two"]


def test_drop_params_of_the_settings(client: Client, provider: Provider, config_dir: Path) -> None:
    with pytest.raises(UnsupportedParamsError, match="logit_bias"):
        client.completion("mistral/m", "Hi", api_base=provider.url, logit_bias={"1": 1})
    dropping = Client(drop_params=True, cache=False, config_dir=config_dir)
    provider.will(answer())
    dropping.completion("mistral/m", "Hi", api_base=provider.url, logit_bias={"1": 1})
    assert "logit_bias" not in provider.received[0].body
    with pytest.raises(UnsupportedParamsError):
        dropping.completion("mistral/m", "Hi", api_base=provider.url, logit_bias={"1": 1}, drop_params=False)


def test_many_threads_one_client(client: Client, provider: Provider) -> None:
    texts = [f"answer {number}" for number in range(12)]
    for text in texts:
        provider.will(answer(text))
    found: list[str] = []

    def one(number: int) -> None:
        found.append(client.completion(MODEL, f"question {number}", api_base=provider.url).text)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(texts)


def test_rate_limits_of_many_tasks(client: Client, provider: Provider) -> None:
    for _ in range(3):
        provider.will(refusal("slow down"), status=429, retry_after="0")

    async def run() -> list[BaseException | insights.ModelResponse]:
        calls = [client.acompletion(MODEL, f"{n}", api_base=provider.url, num_retries=0) for n in range(3)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(found, RateLimitError) for found in asyncio.run(run()))
