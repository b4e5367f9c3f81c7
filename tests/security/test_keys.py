"""A key goes into one header of one host, and nowhere else: not to others, not into errors, logs, pickles or reprs."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
from typing import Any
from urllib.parse import urlsplit

import pytest

import insights
from insights.adapters.models.factory import ModelFactory
from insights.core.errors import InsightsError, MissingKeyError
from insights.core.urls import is_loopback
from tests.unit.adapters.answers import OpenAIChat, family
from tests.unit.adapters.loopback import Answer, Loopback, as_json
from tests.unit.adapters.models.houses import FOREIGN, PROVIDERS, file_of, model_of

SECRET = "this-is-the-key-itself-7421"
PROMPT = "a confession nobody else may read"

both_ways = pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])


def failure(model: str, *, awaiting: bool, **given: Any) -> InsightsError:
    try:
        if awaiting:
            asyncio.run(insights.acompletion(model, PROMPT, **given))
        else:
            insights.completion(model, PROMPT, **given)
    except InsightsError as error:
        return error
    pytest.fail("the call did not fail")


def everything_about(error: BaseException) -> str:
    """What a log, a notebook or a bug report would show, causes and contexts included."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    return "\n".join([shown, str(error), repr(error), repr(error.args), repr(vars(error))])


@pytest.mark.parametrize("provider", PROVIDERS)
@both_ways
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 307, 200])
def test_no_error_repeats_the_key_or_the_prompt(
    provider: str, awaiting: bool, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the provider repeats them: OpenAI quotes keys, proxies quote whole requests' headers."""

    def echo(request: Any) -> Answer:
        words = f"Incorrect API key provided: {request.headers}"
        return Answer(words.encode()) if status == 200 else as_json({"error": {"message": words}}, status)

    caplog.set_level(logging.DEBUG)
    with Loopback() as server:
        server.says(echo)
        given = {"api_base": server.url, "api_key": SECRET, "cache": False, "num_retries": 0}
        error = failure(f"{provider}/{model_of(provider)}", awaiting=awaiting, **given)
        assert len(server.received) == 1
    written = capsys.readouterr()
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for where in (everything_about(error), written.out, written.err, logged):
        assert SECRET not in where
        assert PROMPT not in where
    assert SECRET.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_repr_shows_the_key(provider: str) -> None:
    model = ModelFactory.create(f"{provider}/x", api_key=SECRET)
    keys: dict[str, Any] = {f"{provider.upper()}_API_KEY": SECRET}
    client = insights.Client(**keys)
    assert SECRET not in f"{model!r} {model!s} {client!r} {client.settings!r}"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_foreign_host_gets_nothing_from_the_environment(
    provider: str, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every variable of every provider is set; api_base= names a host that belongs to none of them."""
    names = [*FOREIGN, *(n for p in PROVIDERS for n in (file_of(p)["env_key"], *file_of(p).get("env_key_aliases", ())))]
    values = {name: f"canary-{index:03d}-not-yours" for index, name in enumerate(names)}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    loopback.says(family(provider).text())
    try:
        insights.completion(f"{provider}/{model_of(provider)}", "Hello", api_base=loopback.url, cache=False, num_retries=0)
    except MissingKeyError:
        assert not loopback.received
    for request in loopback.received:
        assert not [name for name, value in values.items() if value in request.everything()]


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if not is_loopback(urlsplit(file_of(p)["api_base"]).hostname or "")])
def test_a_key_of_the_environment_is_not_sent_to_a_host_that_only_looks_right(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(file_of(provider)["env_key"], SECRET)
    own = file_of(provider)["api_base"].split("//")[-1].partition("/")[0] or "own.test"
    for host in (f"{own}.evil.test", f"evil-{own}.test", f"evil.test/{own}"):
        model = f"{provider}/{model_of(provider)}"
        with pytest.raises(MissingKeyError):
            insights.completion(model, "Hello", api_base=f"https://{host}", cache=False, num_retries=0)


def test_a_header_cannot_be_smuggled_in(loopback: Loopback) -> None:
    given: dict[str, Any] = {"api_base": loopback.url, "cache": False, "num_retries": 0}
    for more in ({"api_key": f"{SECRET}\r\nX-Injected: 1"}, {"api_key": SECRET, "extra_headers": {"X-A": "1\r\nX-B: 2"}}):
        error = failure("openai/gpt-4o", awaiting=False, **given, **more)
        assert SECRET not in everything_about(error)
    assert not loopback.received


def test_a_model_name_cannot_leave_its_place_in_the_path(loopback: Loopback) -> None:
    loopback.says(family("gemini").text())
    for model in ("gemini/../../v1/other", "bedrock/../../x?y=1#z", "azure/../x"):
        loopback.says(family(model.partition("/")[0]).text())
        insights.completion(model, "Hello", api_base=loopback.url, api_key=SECRET, cache=False, num_retries=0)
        assert "/../" not in loopback.only.target
        assert loopback.only.target.count("?") <= 1
        assert "x?y" not in loopback.only.target


def test_the_answer_is_data_and_nothing_else(loopback: Loopback) -> None:
    """No field of an answer becomes our own word on who answered, what it cost and what was tried."""
    body = json.loads(OpenAIChat().text().content)
    body.update(provider="evil", cached=True, cost={"total": "-1"}, trace={"notes": ["evil"]}, _parse_as="os")
    loopback.says(as_json(body))
    found = insights.completion("openai/gpt-4o", "Hello", api_base=loopback.url, api_key=SECRET, cache=False)
    assert (found.provider, found.cached) == ("openai", False)
    assert found.cost is not None
    assert found.cost.total > 0
    assert "evil" not in found.trace.model_dump_json()
