"""A provider's refusal to one of our errors: from status, headers and body, because litellm's exceptions add nothing.

Two kinds of evidence: the status, and what the body says where statuses are shared by different things (a 400 can be a
long context, a refused content, a bad key). The patterns are from the providers' documented error messages and from
recorded responses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from insights.core import errors
from insights.core.errors import APIError
from insights.core.redact import SecretStr, redact

CONTEXT: Final = re.compile(
    r"context[_ ]?(?:length|window|limit)|maximum context|too many (?:total )?(?:input )?tokens"
    r"|input token(?:s)? (?:count|exceeded)"
    r"|prompt is too long|input is too long|exceeds? the (?:maximum number|maximum allowed|model|available context)"
    r"|exceeds? max(?:imum)? length|maximum (?:number of tokens|prompt length)|model_max_prompt_tokens_exceeded"
    r"|tokens? limit exceeded|exceeded model token limit|reduce the length|max_new_tokens` must be",
    re.IGNORECASE,
)
# About the length of the answer or the size of the body: nothing that a longer context window would mend.
NOT_CONTEXT: Final = re.compile(r"max[_ ]tokens must be|maximum size|per (?:minute|day|hour)|please wait", re.IGNORECASE)
POLICY: Final = re.compile(
    r"content_filter|content[_ ]policy|content filter|responsible.?ai|content management policy|safety[_ ](?:system|check)"
    r"|usage (?:polic(?:y|ies)|guidelines)|guardrail|data_?inspection|content_moderation|(?:was|been|content) flagged"
    r"|content exists risk|unsafe or sensitive",
    re.IGNORECASE,
)
BAD_KEY: Final = re.compile(
    r"api[ _-]?key (?:not valid|not found|expired|is invalid|missing)|API_KEY_INVALID|(?:invalid|incorrect|no) api[ _-]?key"
    r"|invalid (?:api )?token|invalid_api_key|UnrecognizedClientException"
    r"|security token included in the request is (?:invalid|expired)",
    re.IGNORECASE,
)
QUOTA: Final = re.compile(
    r"insufficient_quota|insufficient.?balance|insufficient.?credit|credit balance|key limit exceeded"
    r"|exceeded_current_quota|exceeded your current quota, please check your plan|(?:all|any) (?:available )?credits"
    r"|api usage limits|spending limit|suspended|billing_(?:hard_limit|error|not_active)|payment required",
    re.IGNORECASE,
)

# Streams carry errors without a status. Types are Anthropic's, OpenAI's, Google's and AWS's own words.
STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    "context_length_exceeded": 400, "invalid_prompt": 400, "content_filter": 400, "too_many_requests_error": 429,
    "queue_exceeded": 429, "validation": 422,
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "rate_limit_exceeded": 429, "api_error": 500,
    "server_error": 500, "internal_server_error": 500, "timeout_error": 504, "overloaded_error": 529, "insufficient_quota": 429,
    "INVALID_ARGUMENT": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
    "validationException": 400, "accessDeniedException": 403, "throttlingException": 429, "internalServerException": 500,
    "modelStreamErrorException": 500, "serviceUnavailableException": 503, "modelTimeoutException": 504,
    "ValidationException": 400, "ThrottlingException": 429, "InternalServerException": 500,
}  # fmt: skip

_BY_STATUS: Final[Mapping[int, type[APIError]]] = {
    401: errors.AuthenticationError,
    402: errors.QuotaExceededError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.Timeout,
    429: errors.RateLimitError,
    503: errors.ServiceUnavailableError,
    504: errors.Timeout,
    529: errors.ServiceUnavailableError,
}

_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-goog-request-id",
    "cf-ray",
)


def error_class(status: int, text: str) -> type[APIError]:
    """The class for a status and what the provider said.

    Args:
        status: the HTTP status, or the one named inside an answer.
        text: message, code and type; see `evidence`.
    """
    if status in (400, 413, 422) and CONTEXT.search(text) and not NOT_CONTEXT.search(text):
        return errors.ContextWindowExceededError
    if status in (400, 403, 422) and POLICY.search(text):
        return errors.ContentPolicyViolationError
    if status in (400, 403) and BAD_KEY.search(text):
        return errors.AuthenticationError
    if status in (400, 401, 403, 412, 429) and QUOTA.search(text):
        return errors.QuotaExceededError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return errors.InternalServerError
    return errors.BadRequestError if status >= 400 else errors.APIResponseValidationError


_SPOKEN: Final = ("message", "Message", "msg", "detail", "code", "type", "status", "reason", "error_type", "raw", "__type")


def evidence(data: Any, text: str) -> str:
    """What the provider says about the error: message, code, type and reason, at any depth.

    Not the whole body: some repeat the prompt or what the model wrote, and those words prove nothing.
    """
    found: list[str] = []

    def collect(value: Any, name: str) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                collect(item, str(key))
        elif isinstance(value, list):
            for item in value:
                collect(item, name)
        elif isinstance(value, str) and (name in _SPOKEN or name == "error"):
            found.append(value)

    collect(data, "error")
    return "\n".join(found) if found or data is not None else text


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes | str | Mapping[str, Any],
    *,
    provider: str,
    model: str,
    key: SecretStr | None = None,
) -> APIError:
    """The typed error for a refused request.

    Args:
        status: HTTP status; with 200, an error inside an answer, the status is sought in the body.
        headers: lower-case names.
        body: the body, or the JSON object of an error event.
        key: taken out of the message, should the provider repeat it.
    """
    text = body if isinstance(body, str) else body.decode("utf-8", "replace") if isinstance(body, bytes) else json.dumps(body)
    data = body if isinstance(body, Mapping) else _json(text)
    told = status
    if status < 300:
        inner = _inner_status(data)
        status, told = inner or 500, inner or status
    said = evidence(data, text)
    if "retryDelay" in text:  # Google says "exceeded your current quota" of limits per minute too, and then when to come back
        said = QUOTA.sub("", said)
    cls = error_class(status, said)
    if 300 <= status < 400:
        message = f"the provider answered with a redirect ({status}), which is not followed"
    else:
        message = redact(_message(data) or text.strip()[:300] or f"HTTP {status} without a body", key)[:600]
    return cls(
        message,
        provider=provider,
        model=model,
        status_code=told,
        request_id=next((redact(headers[name], key) for name in _REQUEST_IDS if name in headers), None),
        retryable=False if 300 <= status < 400 else _told_to_retry(headers),
        retry_after=retry_after(headers, text),
    )


def _told_to_retry(headers: Mapping[str, str]) -> bool | None:
    """What the provider says of another attempt; OpenAI's and Anthropic's own SDKs obey this header."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _error_part(data: Any) -> Any:
    if isinstance(data, list) and data:  # Google wraps errors of streams in a list
        data = data[0]
    if not isinstance(data, Mapping):
        return None
    inner = (
        data.get("error") or (data.get("response") or {}).get("error")
        if isinstance(data.get("response"), Mapping | None)
        else None
    )
    return inner or data


def _inner_status(data: Any) -> int | None:
    """The status an error object names by number or by word, inside it or beside it."""
    for part in (_error_part(data), data):
        if not isinstance(part, Mapping):
            continue
        for name in ("code", "status", "status_code"):
            value = part.get(name)
            if isinstance(value, str | int) and str(value).isdigit() and 400 <= int(value) < 600:
                return int(value)
        for name in ("type", "code", "status", "error_type"):
            if isinstance(part.get(name), str) and part[name] in STATUS_OF_TYPE:
                return STATUS_OF_TYPE[part[name]]
    return 404 if re.search(r"model '?\S+'? not found", _message(data)) else None


def _message(data: Any) -> str:
    part = _error_part(data)
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        for name in ("message", "Message", "detail", "msg", "error"):
            value = part.get(name)
            if isinstance(value, str) and value:
                return value
            if value:
                return json.dumps(value, ensure_ascii=False)
    return ""


def retry_after(headers: Mapping[str, str], text: str = "") -> float | None:
    """Seconds the provider asks to wait: `retry-after-ms`, `retry-after` (seconds or a date), Google's `retryDelay`."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is not None:
        found = _number(value)
        return found if found is not None else _until(value)
    delay = re.search(r'"retryDelay"\s*:\s*"([\d.]+)s"', text)
    return _number(delay.group(1)) if delay else _reset(headers)


# What is used up comes back at these times: OpenAI's and Groq's names with a duration ("6m0s", "7.66s", "120ms"), Anthropic's
# with an RFC 3339 moment; from their guides on rate limits.
_LIMITS: Final = (
    *((f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens")),
    *(
        (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


def _reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until all that is used up has come back; None where the headers don't say that something is."""
    waits = [_until_reset(headers.get(reset, "")) for left, reset in _LIMITS if _number(headers.get(left)) == 0]
    known = [wait for wait in waits if wait is not None]
    return max(known, default=None)


def _until_reset(value: str) -> float | None:
    match = _DURATION.fullmatch(value.strip())
    if match and any(match.groups()):
        hours, minutes, seconds, milliseconds = (_number(part) or 0.0 for part in match.groups())
        return 3600 * hours + 60 * minutes + seconds + milliseconds / 1000
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return _number(value or None)
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
