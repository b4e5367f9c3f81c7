"""What holds for every provider. A new one is tested the moment its row in the enum exists."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from insights.adapters.models.base import LiteLLMChatModel
from insights.adapters.models.factory import PROVIDER_PREFIXES, ModelFactory, Provider, class_name
from insights.adapters.models.interface import BaseChatModel
from insights.core.config import Settings
from insights.core.errors import (
    APIError,
    AuthenticationError,
    InternalServerError,
    RateLimitError,
    UnsupportedParamsError,
)
from insights.core.urls import is_loopback
from tests.loopback import Received
from tests.unit.adapters.answers import ARGUMENTS, COMPLETION, ERROR_TEXT, PROMPT, TEXT, TOOL, family
from tests.unit.adapters.loopback import Answer, Loopback
from tests.unit.adapters.models.houses import (
    CONFIGS,
    PROVIDERS,
    QUESTION,
    ROOT,
    House,
    file_of,
    house,
    model_of,
    price,
    tool_model_of,
)

every_provider = pytest.mark.parametrize("provider", PROVIDERS)
both_ways = pytest.mark.parametrize("awaiting", [False, True], ids=["sync", "async"])

# Where a provider wants its key and its requests, by its API reference; OpenAI's way, if nothing else is said.
KEY_HEADERS = {"anthropic": "x-api-key", "gemini": "x-goog-api-key", "vertex": "x-goog-api-key", "azure": "api-key"}
PATHS = {
    "anthropic": "/v1/messages",
    "gemini": "/models/{model}:generateContent",
    "vertex": "/v1/publishers/google/models/{model}:generateContent",
    "azure": "/openai/deployments/{model}/chat/completions?api-version=",
    "bedrock": "/model/{model}/converse",
    "cohere": "/chat",
    "ollama": "/api/chat",
}
STREAM_PATHS = {
    **PATHS,
    "gemini": "/models/{model}:streamGenerateContent?alt=sse",
    "vertex": "/v1/publishers/google/models/{model}:streamGenerateContent?alt=sse",
    "bedrock": "/model/{model}/converse-stream",
}
WEATHER = {
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def at_home(provider: str, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    return house(provider, loopback, tmp_path / "configs", monkeypatch)


def assert_well_asked(request: Received, home: House, model: str, *, stream: bool = False) -> None:
    """One request as the provider wants it: the path, the words, the key in its header, and nobody else's anywhere."""
    path = (STREAM_PATHS if stream else PATHS).get(home.provider, "/chat/completions").format(model=model)
    assert request.method == "POST"
    assert unquote(request.target).startswith(path)
    assert request.headers["content-type"] == "application/json"
    assert QUESTION in json.dumps(request.body)
    header = KEY_HEADERS.get(home.provider, "authorization")
    assert request.headers[header] == (f"Bearer {home.key}" if header == "authorization" else home.key)
    elsewhere = [name for name, value in request.headers.items() if home.key in value and name != header]
    assert not elsewhere
    assert home.key not in request.target
    assert home.key.encode() not in request.content
    assert not [canary for canary in home.canaries if canary in request.everything()]


# ---------------------------------------------------------------- names agree


@every_provider
def test_module_class_file_and_setting_follow_from_the_name(provider: str) -> None:
    found = ModelFactory.adapter_class(Provider(provider))
    assert found.__name__ == class_name(Provider(provider)) == provider.capitalize() + "Adapter"
    assert found.__module__ == f"insights.adapters.models.{provider}"
    assert issubclass(found, LiteLLMChatModel)
    assert issubclass(found, BaseChatModel)
    model = found("some-model", api_key="key-0123456789")
    assert (model.provider, model.model_id) == (provider, "some-model")
    name = f"{provider.upper()}_API_KEY"
    assert file_of(provider)["env_key"] == name
    given: dict[str, Any] = {name: "key-0123456789"}
    key = getattr(Settings(**given), name)
    assert key.get_secret_value() == "key-0123456789"


@every_provider
def test_the_key_setting_reads_the_environment(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{provider.upper()}_API_KEY"
    assert getattr(Settings(), name) is None
    monkeypatch.setenv(name, "key-0123456789")
    assert getattr(Settings(), name).get_secret_value() == "key-0123456789"


def test_enum_modules_and_files_are_the_same_set() -> None:
    assert [member.name.lower() for member in Provider] == PROVIDERS
    modules = ROOT / "insights" / "adapters" / "models"
    written = {path.stem for path in modules.glob("*.py") if re.search(r"^class \w+Adapter\(", path.read_text(), re.MULTILINE)}
    assert written == set(PROVIDERS)
    assert {path.stem for path in CONFIGS.glob("*.yaml")} - {"aliases", "fallback"} == set(PROVIDERS)
    assert {path.name for path in (ROOT / "cassettes").glob("*/")} <= set(PROVIDERS)


def test_every_prefix_leads_to_a_provider() -> None:
    assert PROVIDER_PREFIXES
    for prefix, provider in PROVIDER_PREFIXES.items():
        assert isinstance(provider, Provider)
        assert prefix == prefix.strip().lower() != ""
        assert prefix.removesuffix("/") not in PROVIDERS or not prefix.endswith("/"), "a spelling of another provider's name"


@pytest.mark.parametrize("prefix", sorted(PROVIDER_PREFIXES))
def test_a_prefix_makes_its_providers_adapter(prefix: str) -> None:
    model = ModelFactory.create(f"{prefix}zzz", api_key="key-0123456789")
    assert model.provider == PROVIDER_PREFIXES[prefix].value
    assert model.model_id == ("zzz" if prefix.endswith("/") else f"{prefix}zzz")


# ---------------------------------------------------------------- no key, no call

_WITHOUT_A_KEY = """
import json, sys
import tests.network_guard as guard
guard.install()
import insights
found = {}
for name, model in json.loads(sys.argv[1]).items():
    try:
        insights.completion(f"{name}/{model}", "Hello", cache=False, num_retries=0, timeout=5, api_base=BASES.get(name))
    except insights.MissingKeyError as error:
        found[name] = [str(error), error.retryable, "litellm" in sys.modules, guard.refused]
print(json.dumps(found))
"""


def needs_key(provider: str) -> bool:
    """Whether a call to it makes no sense without; a host on this machine needs none."""
    data = file_of(provider)
    return data.get("key_required") != "false" and not is_loopback(urlsplit(data["api_base"]).hostname or "")


def test_a_missing_key_is_named_before_litellm_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no credentials in files either
    asked = {provider: model_of(provider) for provider in PROVIDERS if needs_key(provider)}
    bases = {"azure": "https://me.openai.azure.com", "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com"}
    script = _WITHOUT_A_KEY.replace("BASES", repr(bases))
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(asked)], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120
    )
    found = json.loads(done.stdout)
    assert set(found) == set(asked)
    for provider, (text, retryable, loaded, refused) in found.items():
        assert f"{provider.upper()}_API_KEY" in text
        assert not retryable
        assert not loaded
        assert not refused


# ---------------------------------------------------------------- calls


@every_provider
@both_ways
def test_plain_call(provider: str, awaiting: bool, at_home: House) -> None:
    model = model_of(provider)
    at_home.server.says(family(provider).text())
    found = at_home.call(model, awaiting=awaiting)
    assert_well_asked(at_home.server.only, at_home, model)
    assert found.text == found.choices[0].message.content == TEXT
    assert found.choices[0].finish_reason == "stop"
    assert found.choices[0].message.role == "assistant"
    assert (found.provider, found.cached) == (provider, False)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (PROMPT, COMPLETION)
    assert found.usage.total_tokens == PROMPT + COMPLETION
    wanted = price(provider, model, PROMPT, COMPLETION)
    assert (None if found.cost is None else found.cost.total) == wanted
    assert [attempt.decision for attempt in found.trace.attempts] == ["answer"]


@every_provider
@both_ways
def test_streamed_call(provider: str, awaiting: bool, at_home: House) -> None:
    model = model_of(provider)
    at_home.server.says(family(provider).stream())
    chunks, found = at_home.call(model, awaiting=awaiting, stream=True)
    assert_well_asked(at_home.server.only, at_home, model, stream=True)
    assert [chunk.text for chunk in chunks if chunk.text] == ["Hello", " there"]
    assert found.text == TEXT
    assert found.choices[0].finish_reason == "stop"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (PROMPT, COMPLETION)
    wanted = price(provider, model, PROMPT, COMPLETION)
    assert (None if found.cost is None else found.cost.total) == wanted


@every_provider
@both_ways
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tool_call(provider: str, awaiting: bool, stream: bool, at_home: House) -> None:
    """A provider with tools in its file calls them; one without may say that it can't, before anything is sent."""
    spoken = family(provider)
    at_home.server.says(spoken.tool_stream() if stream else spoken.tool())
    with_tools = tool_model_of(provider)
    model = with_tools or model_of(provider)
    try:
        found = at_home.call(model, awaiting=awaiting, stream=stream, tools=[WEATHER])
    except UnsupportedParamsError as error:
        refused: UnsupportedParamsError | None = error
    else:
        refused = None
    if refused is not None:
        assert with_tools is None
        assert refused.params == ("tools",)
        assert not at_home.server.received
        return
    found = found[1] if stream else found
    request = at_home.server.only
    assert_well_asked(request, at_home, model, stream=stream)
    assert TOOL in json.dumps(request.body["toolConfig" if provider == "bedrock" else "tools"])
    (call,) = found.choices[0].message.tool_calls
    assert (call.type, call.function.name, json.loads(call.function.arguments)) == ("function", TOOL, ARGUMENTS)
    assert call.id
    assert found.choices[0].finish_reason == "tool_calls"


@every_provider
@both_ways
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [(401, AuthenticationError, False), (429, RateLimitError, True), (500, InternalServerError, True)],
)
def test_refused(
    provider: str, awaiting: bool, stream: bool, status: int, kind: type[APIError], retryable: bool, at_home: House
) -> None:
    at_home.server.says(family(provider).error(status, retry_after="7", x_request_id="req-42"))
    model = model_of(provider)
    with pytest.raises(APIError) as caught:
        at_home.call(model, awaiting=awaiting, stream=stream)
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.retryable, error.retry_after) == (status, retryable, 7)
    assert (error.provider, error.request_id) == (provider, "req-42")
    assert ERROR_TEXT in str(error)
    assert at_home.key not in f"{error!s} {error!r}"
    assert_well_asked(at_home.server.only, at_home, model, stream=stream)


@every_provider
@both_ways
def test_one_request_an_attempt(provider: str, awaiting: bool, at_home: House) -> None:
    """`retry-after: 0` leaves nothing to wait for; litellm and its HTTP clients add no attempts of their own."""
    spoken = family(provider)
    at_home.server.says(spoken.error(500, retry_after="0"), spoken.error(429, retry_after="0"), spoken.text())
    found = at_home.call(model_of(provider), awaiting=awaiting, num_retries=2)
    assert found.text == TEXT
    assert len(at_home.server.received) == 3
    assert [(a.status_code, a.decision) for a in found.trace.attempts] == [(500, "retry"), (429, "retry"), (200, "answer")]


@every_provider
@both_ways
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_redirect_is_not_followed(provider: str, awaiting: bool, stream: bool, at_home: House) -> None:
    with Loopback() as elsewhere:
        elsewhere.says(family(provider).text())
        at_home.server.says(Answer(status=307, headers={"location": f"{elsewhere.url}/v1/chat/completions"}))
        with pytest.raises(APIError, match="redirect"):
            at_home.call(model_of(provider), awaiting=awaiting, stream=stream)
        assert not elsewhere.received
    assert len(at_home.server.received) == 1


# ---------------------------------------------------------------- BaseChatModel


@every_provider
def test_generate_and_stream_of_the_base_class(provider: str, at_home: House) -> None:
    model = ModelFactory.create(f"{provider}/{model_of(provider)}", settings=at_home.settings())

    async def ask() -> tuple[str, list[str]]:
        at_home.server.says(family(provider).text())
        text = await model.generate(QUESTION, max_tokens=300)
        assert_well_asked(at_home.server.only, at_home, model.model_id)
        at_home.server.says(family(provider).stream())
        pieces = [piece async for piece in model.stream(QUESTION)]
        assert_well_asked(at_home.server.only, at_home, model.model_id, stream=True)
        return text, pieces

    assert asyncio.run(ask()) == (TEXT, ["Hello", " there"])


@every_provider
def test_generate_fails_with_the_typed_error(provider: str, at_home: House) -> None:
    model = ModelFactory.create(f"{provider}/{model_of(provider)}", settings=at_home.settings())
    at_home.server.says(family(provider).error(429))
    with pytest.raises(RateLimitError):
        asyncio.run(model.generate(QUESTION))

    async def read() -> list[Any]:
        return [piece async for piece in model.stream(QUESTION)]

    with pytest.raises(RateLimitError):
        asyncio.run(read())
    assert len(at_home.server.received) == 2
