"""Keys and prompts never show: not in a repr, not in an error, not in a traceback, not in a log."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from insights.adapters.models.factory import ModelFactory
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import InsightsError
from insights.core.request import build_request

from .both import Read, ask, both
from .loopback import Provider
from .openai_wire import ROLE, chunk, refusal

KEY = "canary-key-7d1f0c"
PROMPT = "canary-prompt-91ab"
MODEL = "openai/test-model"


@pytest.fixture
def canary(config_dir: Any) -> Client:
    """A client with a canary for a key."""
    return Client(Settings(OPENAI_API_KEY=KEY, MISTRAL_API_KEY=KEY, config_dir=config_dir, cache=False))


def clean(*texts: str) -> None:
    for text in texts:
        assert KEY not in text, text
        assert PROMPT not in text, text


def test_reprs(canary: Client) -> None:
    model = ModelFactory.create(MODEL, api_key=KEY, settings=canary.settings)
    request = build_request(MODEL, PROMPT, {}, extra_headers={"X-Api-Key": KEY})
    where = model.check(request)
    flow = model.attempt(request, where)
    effect = next(flow)
    while type(effect).__name__ == "Blocking":
        effect = flow.send(effect.function())  # type: ignore[attr-defined]  # seen by its name
    prepared = model.prepare(request, where)
    things = (canary, canary.settings, model, request, where, effect, prepared, prepared.call)
    clean(*(repr(thing) for thing in things), *(str(thing) for thing in things))
    plan = canary._plan(MODEL, PROMPT, False, {"api_key": KEY})
    clean(repr(plan), repr(plan.candidates))
    flow.close()


Serve = Callable[[Provider], object]
FAILURES: dict[str, Serve] = {
    "401 with the key in it": lambda p: p.will(refusal(f"Incorrect API key provided: {KEY}."), status=401),
    "400": lambda p: p.will(refusal("Invalid value"), status=400),
    "500 in plain text": lambda p: p.will(f"error for Bearer {KEY}".encode(), status=500),
    "redirect with the key in it": lambda p: p.will(b"", status=307, location=f"https://x.example/?key={KEY}"),
    "not JSON": lambda p: p.will(b"<html>"),
    "no choices": lambda p: p.will(b'{"choices": []}'),
    "wrong types": lambda p: p.will(b'{"choices": [{"message": {"content": {"a": 1}}, "finish_reason": "stop"}]}'),
    "nobody there": lambda p: setattr(p, "url", "http://127.0.0.1:9"),
    "cut": lambda p: p.will(b'{"choices": [', cut=True),
}


@both
@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_call(
    canary: Client,
    provider: Provider,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    name: str,
    awaiting: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    FAILURES[name](provider)
    with pytest.raises(InsightsError) as raised:
        ask(canary, awaiting, MODEL, PROMPT, api_base=provider.url, api_key=KEY, num_retries=0)
    shows_nothing(raised.value)
    # httpcore's own debug log repeats what the server sent; it knows nothing of keys.
    clean(*(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore")), *capsys.readouterr())


def shows_nothing(error: InsightsError) -> None:
    frames = "".join(traceback.format_exception(error))
    clean(str(error), repr(error), frames, str(error.trace), repr(error.trace), str(vars(error)))
    clean(pickle.dumps(error).decode("latin-1"))
    clean("".join(traceback.TracebackException.from_exception(error, capture_locals=False).format()))
    cause: BaseException | None = error
    while cause is not None:
        clean(str(cause), repr(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


@both
def test_a_failing_stream(canary: Client, provider: Provider, awaiting: bool) -> None:
    provider.will(ROLE, chunk({"content": "Hel"}), b"data: " + refusal(f"broken for {KEY}") + b"\n\n")
    with pytest.raises(InsightsError) as raised:
        Read().run(canary, awaiting, MODEL, PROMPT, api_base=provider.url, api_key=KEY)
    shows_nothing(raised.value)


@both
def test_a_failing_chain(canary: Client, provider: Provider, awaiting: bool) -> None:
    for _ in range(2):
        provider.will(refusal(f"broken for {KEY}"), status=500)
    other = {"model": "openai/other", "api_base": provider.url, "api_key": KEY}
    with pytest.raises(InsightsError) as raised:
        ask(canary, awaiting, MODEL, PROMPT, api_base=provider.url, api_key=KEY, num_retries=0, fallbacks=[other])
    shows_nothing(raised.value)


@pytest.mark.parametrize(
    "params",
    [
        {"temprature": 1},
        {"logit_bias": {"1": 1}},
        {"timeout": -1},
        {"api_base": "http://x.example/"},
        {"api_base": f"https://user:{KEY}@x.example"},
        {"api_base": "https://x.example/v1", "api_key": None},
        {"tools": ["f"]},
        {"response_format": "x"},
    ],
    ids=lambda params: next(iter(params)),
)
def test_a_call_that_is_not_sent(canary: Client, params: dict[str, Any]) -> None:
    with pytest.raises(InsightsError) as raised:
        canary.completion("mistral/some-model", PROMPT, **params)
    shows_nothing(raised.value)


@both
@pytest.mark.parametrize("headers", [{"X-Team": KEY + "\n"}, {"X-Team\n": KEY}, {"X-Team": "\x00" + KEY}])
def test_headers_that_http_does_not_have(canary: Client, provider: Provider, awaiting: bool, headers: dict[str, str]) -> None:
    with pytest.raises(InsightsError) as raised:
        ask(canary, awaiting, MODEL, PROMPT, api_base=provider.url, api_key=KEY, extra_headers=headers, num_retries=0)
    shows_nothing(raised.value)
    assert provider.received == []


@both
@pytest.mark.parametrize("key", ["canary\nkey", "canary\x00key", "canarykeyü"])
def test_a_key_that_no_header_can_carry(canary: Client, provider: Provider, awaiting: bool, key: str) -> None:
    with pytest.raises(InsightsError) as raised:
        ask(canary, awaiting, MODEL, PROMPT, api_base=provider.url, api_key=key, num_retries=0)
    for text in (str(raised.value), repr(raised.value), str(raised.value.trace), str(vars(raised.value))):
        assert "canary" not in text
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert provider.received == []


def test_settings_in_a_traceback(canary: Client) -> None:
    def fails(settings: Settings, client: Client) -> None:
        raise LookupError

    try:
        fails(canary.settings, canary)
    except LookupError as error:
        clean("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))


def test_tasks_do_not_show_it(canary: Client, provider: Provider) -> None:
    provider.will(refusal("Invalid value"), status=400)

    async def run() -> None:
        task = asyncio.create_task(canary.acompletion(MODEL, PROMPT, api_base=provider.url, api_key=KEY))
        clean(repr(task))
        with pytest.raises(InsightsError):
            await task
        clean(repr(task))

    asyncio.run(run())
