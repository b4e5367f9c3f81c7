"""Refusals to typed errors. Bodies are the providers' documented ones, or have the shape of recorded ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from insights.adapters.models.classify import classify, retry_after
from insights.core import errors
from insights.core.errors import APIError
from insights.core.redact import SecretStr


def openai(message: str, kind: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


GOOGLE_BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
GOOGLE_RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}

CASES: list[tuple[int, Any, type[APIError], bool]] = [
    # OpenAI, "Error codes", and recorded bodies.
    (401, openai("Incorrect API key provided", "invalid_request_error", "invalid_api_key"), errors.AuthenticationError, False),
    (403, openai("Country, region, or territory not supported"), errors.PermissionDeniedError, False),
    (404, openai("The model `x` does not exist", "invalid_request_error", "model_not_found"), errors.NotFoundError, False),
    (
        400,
        openai("This model's maximum context length is 8192 tokens.", "invalid_request_error", "context_length_exceeded"),
        errors.ContextWindowExceededError,
        False,
    ),
    (
        400,
        openai("Your input exceeds the context window of this model.", "invalid_request_error"),
        errors.ContextWindowExceededError,
        False,
    ),
    (
        400,
        openai(
            "Your request was rejected as a result of our safety system.", "invalid_request_error", "content_policy_violation"
        ),
        errors.ContentPolicyViolationError,
        False,
    ),
    (400, openai("Unknown parameter: 'foo'.", "invalid_request_error"), errors.BadRequestError, False),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, errors.BadRequestError, False),
    (429, openai("Rate limit reached for gpt-4o", "requests", "rate_limit_exceeded"), errors.RateLimitError, True),
    (
        429,
        openai("Request too large: Limit 10000 tokens per min, reduce the length. rate limit", "tokens", "rate_limit_exceeded"),
        errors.RateLimitError,
        True,
    ),
    (
        429,
        openai(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        errors.QuotaExceededError,
        False,
    ),
    (500, openai("The server had an error", "server_error"), errors.InternalServerError, True),
    (502, "<html>Bad Gateway</html>", errors.InternalServerError, True),
    (503, openai("The engine is currently overloaded"), errors.ServiceUnavailableError, True),
    (504, "upstream request timeout", errors.Timeout, True),
    (408, openai("Request timed out"), errors.Timeout, True),
    (409, openai("Conflict"), errors.BadRequestError, False),
    (413, "Payload Too Large", errors.BadRequestError, False),
    (418, "", errors.BadRequestError, False),
    # Azure, "Content filtering".
    (
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        errors.ContentPolicyViolationError,
        False,
    ),
    (401, {"statusCode": 401, "message": "Unauthorized. Access token is missing."}, errors.AuthenticationError, False),
    # Anthropic, "Errors".
    (400, anthropic("invalid_request_error", "max_tokens: Field required"), errors.BadRequestError, False),
    (
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        errors.ContextWindowExceededError,
        False,
    ),
    (
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        errors.QuotaExceededError,
        False,
    ),
    (401, anthropic("authentication_error", "invalid x-api-key"), errors.AuthenticationError, False),
    (403, anthropic("permission_error", "Your API key lacks the right"), errors.PermissionDeniedError, False),
    (404, anthropic("not_found_error", "model: claude-9"), errors.NotFoundError, False),
    (413, anthropic("request_too_large", "Request exceeds the maximum size"), errors.BadRequestError, False),
    (429, anthropic("rate_limit_error", "This request would exceed your rate limit"), errors.RateLimitError, True),
    (500, anthropic("api_error", "Internal server error"), errors.InternalServerError, True),
    (529, anthropic("overloaded_error", "Overloaded"), errors.ServiceUnavailableError, True),
    # Google, "Gemini API troubleshooting".
    (
        400,
        google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", GOOGLE_BAD_KEY),
        errors.AuthenticationError,
        False,
    ),
    (400, google(400, "INVALID_ARGUMENT", "Invalid value at 'contents'"), errors.BadRequestError, False),
    (
        400,
        google(
            400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
        ),
        errors.ContextWindowExceededError,
        False,
    ),
    (403, google(403, "PERMISSION_DENIED", "Your project was denied access"), errors.PermissionDeniedError, False),
    (404, google(404, "NOT_FOUND", "models/x is not found for API version v1beta"), errors.NotFoundError, False),
    (
        429,
        google(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
            GOOGLE_RETRY,
        ),
        errors.RateLimitError,
        True,
    ),
    (429, google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"), errors.RateLimitError, True),
    (503, google(503, "UNAVAILABLE", "The model is overloaded."), errors.ServiceUnavailableError, True),
    (504, google(504, "DEADLINE_EXCEEDED", "Deadline expired"), errors.Timeout, True),
    # Amazon Bedrock, "Troubleshooting error codes".
    (400, {"message": "Input is too long for requested model."}, errors.ContextWindowExceededError, False),
    (403, {"message": "The security token included in the request is invalid."}, errors.AuthenticationError, False),
    (403, {"Message": "User is not authorized to perform bedrock:InvokeModel"}, errors.PermissionDeniedError, False),
    (429, {"message": "Too many requests, please wait before trying again."}, errors.RateLimitError, True),
    # Cohere, Mistral, DeepSeek, OpenRouter, xAI, Together, Ollama, Z.ai.
    (401, {"id": "x", "message": "invalid api token"}, errors.AuthenticationError, False),
    (
        422,
        {"object": "error", "message": {"detail": [{"msg": "Extra inputs"}]}, "type": "invalid"},
        errors.BadRequestError,
        False,
    ),
    (402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), errors.QuotaExceededError, False),
    (402, {"error": {"message": "Insufficient credits", "code": 402}}, errors.QuotaExceededError, False),
    (
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***"},
        errors.AuthenticationError,
        False,
    ),
    (400, {"error": {"message": "Input validation error: tokens limit exceeded"}}, errors.ContextWindowExceededError, False),
    (404, {"error": "model 'x' not found"}, errors.NotFoundError, False),
    (400, {"error": {"code": "1301", "message": "data_inspection_failed"}}, errors.ContentPolicyViolationError, False),
]


@pytest.mark.parametrize(("status", "body", "kind", "retryable"), CASES)
def test_status_and_body(status: int, body: Any, kind: type[APIError], retryable: bool) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = classify(status, {}, data, provider="acme", model="road-1")
    assert type(found) is kind
    assert (found.status_code, found.retryable) == (status, retryable)
    assert (found.provider, found.model) == ("acme", "road-1")


# What the providers say, by message: one row for each wording that was once taken for something else.
WORDINGS: list[tuple[int, Any, type[APIError]]] = [
    (429, {"message": "Too many tokens, please wait before trying again."}, errors.RateLimitError),
    (
        400,
        anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + 9000 > 200000"),
        errors.ContextWindowExceededError,
    ),
    (400, openai("Invalid request: Your request exceeded model token limit: 8192"), errors.ContextWindowExceededError),
    (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, errors.ContextWindowExceededError),
    (
        400,
        {"error": "the input length exceeds the context length"},
        errors.ContextWindowExceededError,
    ),
    (
        422,
        openai("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.", "invalid_request_error"),
        errors.ContextWindowExceededError,
    ),
    (
        400,
        openai("litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError", None, "400"),
        errors.ContextWindowExceededError,
    ),
    (400, openai("max tokens must be less than 4096, got 10000: context length"), errors.BadRequestError),
    (400, openai("max_tokens must be at most the context window"), errors.BadRequestError),
    (
        400,
        {"error": {"message": "Failed to call a function.", "failed_generation": "the maximum context length is"}},
        errors.BadRequestError,
    ),
    (400, {"error": {"message": "no", "prompt": "tell me of the content_filter"}}, errors.BadRequestError),
    (400, openai("Content Exists Risk", "invalid_request_error"), errors.ContentPolicyViolationError),
    (
        400,
        {"error": {"code": "1301", "message": "System detected potentially unsafe or sensitive content in input."}},
        errors.ContentPolicyViolationError,
    ),
    (403, {"message": "The security token included in the request is expired"}, errors.AuthenticationError),
    (
        403,
        {"code": "Some resource has been exhausted", "error": "Your team has either used all available credits or reached"},
        errors.QuotaExceededError,
    ),
    (
        429,
        {"code": "Some resource has been exhausted", "error": "Your team has either used all available credits or reached"},
        errors.QuotaExceededError,
    ),
    (
        403,
        {"code": "The caller does not have permission", "error": "Your newly created team doesn't have any credits yet."},
        errors.QuotaExceededError,
    ),
    (401, openai("You exceeded your current quota", "insufficient_quota", "401"), errors.QuotaExceededError),
    (403, {"error": {"message": "Key limit exceeded (total limit).", "code": 403}}, errors.QuotaExceededError),
    (412, {"error": {"message": "Account suspended, please pay"}}, errors.QuotaExceededError),
    (
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits."),
        errors.QuotaExceededError,
    ),
    (429, openai("Your account is suspended", "exceeded_current_quota_error"), errors.QuotaExceededError),
]


@pytest.mark.parametrize(("status", "body", "kind"), WORDINGS)
def test_what_providers_say(status: int, body: Any, kind: type[APIError]) -> None:
    found = classify(status, {}, json.dumps(body), provider="acme", model="m")
    assert type(found) is kind
    assert found.status_code == status


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        (anthropic("overloaded_error", "Overloaded"), errors.ServiceUnavailableError, 529),
        (anthropic("rate_limit_error", "slow down"), errors.RateLimitError, 429),
        (anthropic("invalid_request_error", "no"), errors.BadRequestError, 400),
        (anthropic("a_new_kind", "?"), errors.InternalServerError, 200),
        (openai("boom", "server_error"), errors.InternalServerError, 500),
        (openai("slow", "tokens", "rate_limit_exceeded"), errors.RateLimitError, 429),
        ({"error": {"message": "Provider returned error", "code": 502}}, errors.InternalServerError, 502),
        ({"error": {"message": "no money", "code": "402"}}, errors.QuotaExceededError, 402),
        (google(503, "UNAVAILABLE", "overloaded"), errors.ServiceUnavailableError, 503),
        ({"error": {"message": "late", "status": "DEADLINE_EXCEEDED"}}, errors.Timeout, 504),
        ({"error": {"type": "throttlingException", "message": "slow"}}, errors.RateLimitError, 429),
        ({"error": {"type": "modelTimeoutException", "message": "slow"}}, errors.Timeout, 504),
        ({"error": {"type": "validationException", "message": "no"}}, errors.BadRequestError, 400),
        ({"response": {"error": {"code": "server_error", "message": "sorry"}}}, errors.InternalServerError, 500),
        # No status is named: the class says that the provider failed, the status is the one it came with.
        ({"error": "a bare word"}, errors.InternalServerError, 200),
        ({"error": {"code": 7}}, errors.InternalServerError, 200),
        ({"object": "error", "message": "too long", "code": 400}, errors.BadRequestError, 400),
        (
            {"error": {"message": "High traffic", "type": "too_many_requests_error"}, "status_code": 429},
            errors.RateLimitError,
            429,
        ),
        ({"error": {"message": "no"}, "status_code": 422}, errors.BadRequestError, 422),
        (openai("too long", None, "context_length_exceeded"), errors.ContextWindowExceededError, 400),
        ({"error": "model 'llama9' not found"}, errors.NotFoundError, 404),
    ],
)
def test_errors_inside_an_answer(event: dict[str, Any], kind: type[APIError], status: int) -> None:
    """Events of a stream, or a body with status 200: the kind is in the error object."""
    found = classify(200, {}, event, provider="acme", model="m")
    assert type(found) is kind
    assert found.status_code == status


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (openai("the words"), "the words"),
        ({"Message": "the words"}, "the words"),
        ({"detail": "the words"}, "the words"),
        ({"detail": [{"msg": "the words"}]}, "the words"),
        ({"error": "the words"}, "the words"),
        ({"error": {"error": "the words"}}, "the words"),
        ([{"error": {"message": "the words", "code": 400}}], "the words"),
        ("the words", "the words"),
        ("", "HTTP 400 without a body"),
        ({}, "{}"),
        ([], "[]"),
        ("{" * 50_000, "{{{"),
    ],
)
def test_the_message_is_the_providers(body: Any, text: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = classify(400, {}, data, provider="acme", model="m")
    assert text in found.message
    assert len(found.message) <= 600


def test_bytes_that_are_no_text() -> None:
    assert classify(500, {}, b"\xff\xfe\x00", provider="acme", model="m").status_code == 500


def test_a_redirect_says_so() -> None:
    found = classify(307, {"location": "https://elsewhere.test"}, b"", provider="acme", model="m")
    assert type(found) is errors.APIResponseValidationError
    assert "redirect (307)" in found.message
    assert not found.retryable


@pytest.mark.parametrize(
    "name", ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-goog-request-id", "cf-ray"]
)
def test_request_id(name: str) -> None:
    assert classify(500, {name: "req-7"}, b"", provider="acme", model="m").request_id == "req-7"


def test_the_key_is_never_in_the_message() -> None:
    key = SecretStr("my-very-own-key")
    repeated = openai(f"Incorrect API key provided: {key.get_secret_value()}. Also sk-abcdefghijklmnop and Bearer abcdefghijkl")
    for body in (repeated, json.dumps(repeated), f"key={key.get_secret_value()}"):
        found = classify(401, {}, body, provider="acme", model="m", key=key)
        text = f"{found!s} {found!r} {found.args}"
        for secret in ("my-very-own-key", "sk-abcdefghijklmnop", "abcdefghijkl"):
            assert secret not in text


def test_the_key_is_never_in_the_request_id() -> None:
    found = classify(
        500, {"x-request-id": "req-my-very-own-key-7"}, b"", provider="acme", model="m", key=SecretStr("my-very-own-key")
    )
    assert found.request_id
    assert "my-very-own-key" not in found.request_id


# ---------------------------------------------------------------- when to come back


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({}, "", None),
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "0"}, "", 0.0),
        ({"retry-after": "1.5"}, "", 1.5),
        ({"retry-after-ms": "250"}, "", 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, "", 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, "", 7.0),
        ({"retry-after": "-3"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after": "later"}, "", None),
        ({"retry-after": ""}, "", None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0.0),
        ({}, '{"retryDelay": "37.5s"}', 37.5),
        ({}, '{"retryDelay":"6s"}', 6.0),
        ({}, '{"retryDelay": "1.2.3s"}', None),
        ({"retry-after": "2"}, '{"retryDelay": "37s"}', 2.0),
    ],
)
def test_retry_after(headers: dict[str, str], text: str, seconds: float | None) -> None:
    assert retry_after(headers, text) == seconds


def test_retry_after_as_a_date() -> None:
    """RFC 9110, 10.2.3: seconds or an HTTP-date."""
    when = datetime.now(UTC) + timedelta(seconds=100)
    found = retry_after({"retry-after": format_datetime(when, usegmt=True)})
    assert found is not None
    assert 95 < found <= 100
    without_zone = retry_after({"retry-after": when.strftime("%a, %d %b %Y %H:%M:%S -0000")})
    assert without_zone is not None
    assert 95 < without_zone <= 100


def test_when_anthropics_limits_come_back() -> None:
    """Moments by RFC 3339; of several used-up limits the last one counts."""
    soon, later = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (5, 20))
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": later.isoformat(),
        "anthropic-ratelimit-output-tokens-remaining": "9",
        "anthropic-ratelimit-output-tokens-reset": "2999-01-01T00:00:00Z",
    }
    found = retry_after(headers)
    assert found is not None
    assert 15 < found <= 20


@pytest.mark.parametrize(
    ("value", "seconds"), [("1h2m3s", 3723), ("2m59.56s", 179.56), ("120ms", 0.12), ("45", 45), ("soon", None)]
)
def test_durations_of_resets(value: str, seconds: float | None) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": value}
    assert retry_after(headers) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(("said", "retryable"), [("true", True), ("False", False), ("perhaps", None), (None, None)])
def test_the_providers_own_word_on_retries(said: str | None, retryable: bool | None) -> None:
    headers = {} if said is None else {"x-should-retry": said}
    for status, usual in ((500, True), (409, False)):
        found = classify(status, headers, b"{}", provider="openai", model="m")
        assert found.retryable is (usual if retryable is None else retryable)
