"""Vertex AI, Bedrock and Azure: where a request goes and with which of several kinds of credentials."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import google.auth
import google.auth.exceptions
import pytest

import insights
from insights.adapters.models import vertex
from insights.adapters.models.azure import AzureAdapter
from insights.adapters.models.bedrock import BedrockAdapter
from insights.adapters.models.egress import Endpoint
from insights.adapters.models.http import SyncPerformer
from insights.adapters.models.vertex import VertexAdapter
from insights.core.effects import Flow, WireCall, drive
from insights.core.errors import AuthenticationError, ConfigError, MissingKeyError
from tests.loopback import Received
from tests.unit.adapters.answers import Converse, Gemini, OpenAIChat
from tests.unit.adapters.loopback import Loopback, as_json
from tests.unit.adapters.models.asking import missing, response

GEMINI_MODEL = "gemini-3.5-flash"


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials in it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    vertex._credentials.clear()
    return home


def ask(loopback: Loopback, model: str, **given: Any) -> Received:
    insights.completion(model, "Hello", **{"api_base": loopback.url, "cache": False, "num_retries": 0, **given})
    return loopback.only


def authorized(model: Any, base: str) -> WireCall:
    """A call as the adapter signs it for a host that tests can't reach."""
    where = Endpoint(base, None, None)
    flow = Flow(model.authorize(WireCall(f"{base}/model/x/converse", {"Content-Type": "application/json"}, b'{"a": 1}'), where))
    drive(flow, SyncPerformer())
    assert flow.result is not None
    found: WireCall = flow.result
    return found


# ---------------------------------------------------------------- Vertex AI


class Credentials:
    """google-auth's interface of credentials: valid after a refresh."""

    def __init__(self, *tokens: str) -> None:
        self.tokens, self.token, self.valid = list(tokens), None, False  # type: list[str], str | None, bool

    def refresh(self, request: object) -> None:
        if not self.tokens:
            raise google.auth.exceptions.RefreshError("secret-word")  # type: ignore[no-untyped-call]
        self.token, self.valid = self.tokens.pop(0), True


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Credentials:
    found = Credentials("token-one", "token-two")
    monkeypatch.setattr(google.auth, "default", lambda scopes: (found, "default-project"))
    return found


def test_express_mode(loopback: Loopback) -> None:
    """https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode: a key, and no project in the path."""
    loopback.says(Gemini().text())
    request = ask(loopback, f"vertex/{GEMINI_MODEL}", api_key="key-0123456789")
    assert request.target == f"/v1/publishers/google/models/{GEMINI_MODEL}:generateContent"
    assert request.headers["x-goog-api-key"] == "key-0123456789"
    assert "authorization" not in request.headers


def test_project_and_location(loopback: Loopback) -> None:
    loopback.says(Gemini().text())
    given = {"vertex_project": "my project", "vertex_location": "europe-west4", "api_key": "key-0123456789"}
    request = ask(loopback, f"vertex/{GEMINI_MODEL}", **given)
    place = "projects/my%20project/locations/europe-west4"
    assert request.target == f"/v1/{place}/publishers/google/models/{GEMINI_MODEL}:generateContent"


def test_an_oauth_token_as_key(loopback: Loopback) -> None:
    loopback.says(Gemini().text())
    request = ask(loopback, f"vertex/{GEMINI_MODEL}", vertex_project="p", api_key="ya29.a0123456789")
    assert request.headers["authorization"] == "Bearer ya29.a0123456789"
    assert "x-goog-api-key" not in request.headers


@pytest.mark.parametrize(
    ("environment", "base", "path"),
    [
        ({}, "https://aiplatform.googleapis.com", ""),
        ({"VERTEX_PROJECT": "p"}, "https://aiplatform.googleapis.com", "projects/p/locations/global/"),
        (
            {"VERTEXAI_PROJECT": "p", "VERTEXAI_LOCATION": "us-east5"},
            "https://us-east5-aiplatform.googleapis.com",
            "projects/p/locations/us-east5/",
        ),
        (
            {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "asia-south1"},
            "https://asia-south1-aiplatform.googleapis.com",
            "projects/p/locations/asia-south1/",
        ),
        (
            {"VERTEX_PROJECT": "p", "VERTEX_LOCATION": "us-east5", "VERTEX_API_BASE": "https://gateway.test"},
            "https://gateway.test",
            "projects/p/locations/us-east5/",
        ),
    ],
)
def test_vertex_hosts(environment: dict[str, str], base: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    model = VertexAdapter(GEMINI_MODEL)
    assert model.base == base
    assert model.url(model.base, False) == f"{base}/v1/{path}publishers/google/models/{GEMINI_MODEL}:generateContent"
    assert model.url(model.base, True).endswith(":streamGenerateContent?alt=sse")


def test_googles_credentials(loopback: Loopback, credentials: Credentials, tmp_path: Path) -> None:
    """Refreshed once and used as long as they are valid."""
    loopback.says(Gemini().text())
    file = tmp_path / "nowhere.json"
    given = {"vertex_project": "p", "vertex_credentials": str(file)}
    assert ask(loopback, f"vertex/{GEMINI_MODEL}", **given).headers["authorization"] == "Bearer token-one"
    loopback.says(Gemini().text())
    assert ask(loopback, f"vertex/{GEMINI_MODEL}", **given).headers["authorization"] == "Bearer token-one"
    credentials.valid = False
    loopback.says(Gemini().text())
    assert ask(loopback, f"vertex/{GEMINI_MODEL}", **given).headers["authorization"] == "Bearer token-two"


def test_a_credentials_file(loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "account.json"
    file.write_text("{}")
    read: list[str] = []

    def load(path: str, scopes: object) -> tuple[Credentials, str]:
        read.append(path)
        return Credentials("token-of-the-file"), "p"

    monkeypatch.setattr(google.auth, "load_credentials_from_file", load)
    loopback.says(Gemini().text())
    given = {"vertex_project": "p", "vertex_credentials": str(file)}
    assert ask(loopback, f"vertex/{GEMINI_MODEL}", **given).headers["authorization"] == "Bearer token-of-the-file"
    assert read == [str(file)]


def test_credentials_that_do_not_work(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda scopes: (Credentials(), "p"))
    with pytest.raises(AuthenticationError, match="RefreshError") as caught:
        ask(loopback, f"vertex/{GEMINI_MODEL}", vertex_project="p", vertex_credentials="somewhere")
    assert "secret-word" not in str(caught.value)
    assert not loopback.received


def test_credentials_want_a_project(loopback: Loopback, credentials: Credentials) -> None:
    with pytest.raises(ConfigError, match="needs a project"):
        ask(loopback, f"vertex/{GEMINI_MODEL}", vertex_credentials="somewhere")
    assert not loopback.received


def test_credentials_of_the_environment_stay_at_home(
    loopback: Loopback, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "somewhere")
    with pytest.raises(MissingKeyError, match=r"not sent to 127\.0\.0\.1"):
        ask(loopback, f"vertex/{GEMINI_MODEL}", vertex_project="p")
    assert not loopback.received
    assert credentials.token is None


def test_credentials_of_the_environment_at_google(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "somewhere")
    monkeypatch.setenv("VERTEX_PROJECT", "p")
    model = VertexAdapter(GEMINI_MODEL)
    assert authorized(model, "https://us-east5-aiplatform.googleapis.com").headers["Authorization"] == "Bearer token-one"


def test_default_credentials_of_the_user(no_home: Path) -> None:
    assert VertexAdapter(GEMINI_MODEL).key_required
    folder = no_home / ".config" / "gcloud"
    folder.mkdir(parents=True)
    (folder / "application_default_credentials.json").write_text("{}")
    assert not VertexAdapter(GEMINI_MODEL).key_required


def test_google_auth_is_an_extra(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(ConfigError, match="google-auth") as caught:
        ask(loopback, f"vertex/{GEMINI_MODEL}", vertex_project="p", vertex_credentials="somewhere")
    assert "insights-llm[vertex]" in str(caught.value.hint)


# ---------------------------------------------------------------- Bedrock

ACCESS, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token-example"
MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"


def signature(call: dict[str, str], path: str, body: bytes, region: str, secret: str) -> str:
    """Signature Version 4 by the steps of "Create a signed AWS API request" (AWS IAM User Guide)."""
    fields = dict(part.strip().split("=", 1) for part in call["authorization"].partition(" ")[2].split(","))
    signed = fields["SignedHeaders"].split(";")
    date = call["x-amz-date"]
    # Every service but S3 has the path encoded a second time.
    lines = ["POST", quote(path), "", *(f"{name}:{' '.join(call[name].split())}" for name in signed), "", ";".join(signed)]
    canonical = "\n".join([*lines, hashlib.sha256(body).hexdigest()])
    scope = f"{date[:8]}/{region}/bedrock/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (date[:8], region, "bedrock", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert fields["Credential"] == f"{ACCESS}/{scope}"
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("session", [None, SESSION])
def test_signed(stream: bool, session: str | None, loopback: Loopback) -> None:
    loopback.says(Converse().stream() if stream else Converse().text())
    found: Any = insights.completion(
        f"bedrock/{MODEL}",
        "Grüße",
        api_base=loopback.url,
        cache=False,
        stream=stream,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        aws_session_token=session,
        aws_region_name="eu-central-1",
    )
    if stream:
        list(found)
        found = found.response
    assert found.text == "Hello there"
    request = loopback.only
    path = f"/model/{quote(MODEL, safe='')}/" + ("converse-stream" if stream else "converse")
    assert request.target == path
    wanted = signature(request.headers, path, request.content, "eu-central-1", SECRET)
    assert request.headers["authorization"].endswith(f"Signature={wanted}")
    assert request.headers.get("x-amz-security-token") == session
    assert SECRET not in request.everything()


def test_a_bedrock_key_is_a_bearer(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    loopback.says(Converse().text())
    request = ask(loopback, f"bedrock/{MODEL}", api_key="bedrock-key-0123")
    assert request.headers["authorization"] == "Bearer bedrock-key-0123"
    assert ACCESS not in request.everything()


def test_aws_credentials_of_the_environment_stay_at_home(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(MissingKeyError, match=r"not used for 127\.0\.0\.1"):
        ask(loopback, f"bedrock/{MODEL}")
    assert not loopback.received


def test_aws_credentials_of_the_environment_at_amazon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The region is the host's, not the environment's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    found = authorized(BedrockAdapter(MODEL), "https://bedrock-runtime.ap-southeast-2.amazonaws.com")
    headers = {name.lower(): value for name, value in found.headers.items()}
    headers["host"] = "bedrock-runtime.ap-southeast-2.amazonaws.com"
    wanted = signature(headers, "/model/x/converse", found.content, "ap-southeast-2", SECRET)
    assert headers["authorization"].endswith(f"Signature={wanted}")


def test_a_profile_that_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile empty]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    model = BedrockAdapter(MODEL, aws_profile_name="empty")
    assert not model.key_required
    with pytest.raises(MissingKeyError, match="no AWS credentials"):
        authorized(model, "https://bedrock-runtime.us-east-1.amazonaws.com")


@pytest.mark.parametrize(
    ("environment", "given", "region"),
    [
        ({"AWS_REGION": "us-west-2"}, {}, "us-west-2"),
        ({"AWS_DEFAULT_REGION": "us-west-1"}, {}, "us-west-1"),
        ({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1"}, {}, "us-west-2"),
        ({"AWS_REGION": "us-west-2"}, {"aws_region_name": "eu-west-3"}, "eu-west-3"),
    ],
)
def test_regions(environment: dict[str, str], given: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options: dict[str, Any] = dict(given)
    assert BedrockAdapter(MODEL, **options).base == f"https://bedrock-runtime.{region}.amazonaws.com"


def test_no_region() -> None:
    with pytest.raises(ConfigError, match="no AWS region"):
        _ = BedrockAdapter(MODEL).base


def test_where_amazons_credentials_may_lie(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BedrockAdapter(MODEL).key_required
    for name in ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "x")
            assert not BedrockAdapter(MODEL).key_required
    (no_home / ".aws").mkdir()
    (no_home / ".aws" / "credentials").write_text("[default]\n")
    assert not BedrockAdapter(MODEL).key_required


def test_botocore_is_an_extra(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(ConfigError, match="botocore") as caught:
        ask(loopback, f"bedrock/{MODEL}", aws_access_key_id=ACCESS, aws_secret_access_key=SECRET, aws_region_name="us-east-1")
    assert "insights-llm[bedrock]" in str(caught.value.hint)


# InvokeModel: each family's own body ("Inference request parameters", Amazon Bedrock User Guide).
CLAUDE_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Hello there"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 2000, "output_tokens": 500},
}
INVOKED = [
    (
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        {"max_tokens": 77},
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 77},
        CLAUDE_ANSWER,
        (2000, 500),
    ),
    (
        "anthropic.claude-v2:1",
        {"max_tokens": 77},
        {"prompt": "\n\nHuman: Hello\n\nAssistant:", "max_tokens_to_sample": 77},
        {"completion": "Hello there", "stop_reason": "stop_sequence"},
        None,
    ),
    (
        "meta.llama3-1-8b-instruct-v1:0",
        {"max_tokens": 77, "temperature": 0.25},
        {"max_gen_len": 77, "temperature": 0.25},
        {"generation": "Hello there", "prompt_token_count": 20, "generation_token_count": 5, "stop_reason": "stop"},
        (20, 5),
    ),
    (
        "amazon.nova-pro-v1:0",
        {"max_tokens": 77},
        {"inferenceConfig": {"maxTokens": 77}},
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 20, "outputTokens": 5, "totalTokens": 25},
        },
        (20, 5),
    ),
]


@pytest.mark.parametrize(("model", "given", "body", "answer", "usage"), INVOKED)
def test_invoke_model(
    model: str, given: dict[str, Any], body: dict[str, Any], answer: dict[str, Any], usage: Any, loopback: Loopback
) -> None:
    loopback.says(as_json(answer))
    found = insights.completion(
        f"bedrock/invoke/{model}", "Hello", api_base=loopback.url, api_key="key-0123456789", cache=False, **given
    )
    request = loopback.only
    assert request.target == f"/model/{quote(model, safe='')}/invoke"
    assert not missing(request.body, body)
    assert "Hello" in json.dumps(request.body)
    assert found.text.strip() == "Hello there"
    assert found.choices[0].finish_reason == "stop"
    if usage is not None:
        assert found.usage is not None
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == usage


# ---------------------------------------------------------------- Azure


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (
            "https://me.openai.azure.com",
            "https://me.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
        ),
        ("https://me.openai.azure.com/openai/v1", "https://me.openai.azure.com/openai/v1/chat/completions"),
        (
            "https://me.services.ai.azure.com/models",
            "https://me.services.ai.azure.com/models/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://me.services.ai.azure.com",
            "https://me.services.ai.azure.com/models/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_azure_addresses(base: str, url: str) -> None:
    model = AzureAdapter("my gpt", api_base=base, api_version="2024-10-21")
    assert model.url(model.base, False) == model.url(model.base, True) == url


def test_azure_version_and_base_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="AZURE_API_BASE is not set"):
        _ = AzureAdapter("gpt").base
    monkeypatch.setenv("AZURE_API_BASE", "https://me.openai.azure.com")
    monkeypatch.setenv("AZURE_API_VERSION", "2025-01-01-preview")
    model = AzureAdapter("gpt")
    assert model.url(model.base, False).endswith("/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview")


def test_an_azure_token(loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    request = ask(loopback, "azure/gpt-4o", azure_ad_token="entra-token-0123")
    assert request.headers["authorization"] == "Bearer entra-token-0123"
    assert "api-key" not in request.headers


def test_a_key_comes_before_a_token(loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    request = ask(loopback, "azure/gpt-4o", azure_ad_token="entra-token-0123", api_key="key-0123456789")
    assert request.headers["api-key"] == "key-0123456789"
    assert "authorization" not in request.headers


def test_an_azure_token_of_the_environment_stays_at_home(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AD_TOKEN", "entra-token-0123")
    loopback.says(OpenAIChat().text())
    request = ask(loopback, "azure/gpt-4o")
    assert "entra-token-0123" not in request.everything()


def test_azure_responses(loopback: Loopback) -> None:
    """https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses: the v1 address, the deployment in the body."""
    loopback.says(as_json(response()))
    request = ask(loopback, "azure/gpt-5-codex", api_key="key-0123456789")
    assert request.target == "/openai/v1/responses"
    assert request.body["model"] == "gpt-5-codex"
    assert request.headers["api-key"] == "key-0123456789"


def test_an_azure_token_of_the_environment_at_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AD_TOKEN", "entra-token-0123")
    model = AzureAdapter("gpt-4o", api_base="https://me.openai.azure.com")
    assert not model.key_required
    assert model.headers(None, Endpoint(model.base, None, None), {}) == {"Authorization": "Bearer entra-token-0123"}


def test_an_azure_token_does_not_stand_in_for_a_key_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AD_TOKEN", "entra-token-0123")
    with pytest.raises(MissingKeyError, match="not a host of azure"):
        insights.completion("azure/gpt-4o", "Hello", api_base="https://gateway.test", cache=False, num_retries=0)
