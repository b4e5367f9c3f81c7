"""Which error a recorded refusal is, read from its status and body alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .framing import Stream
from .recordings import HTTP_ERROR
from .shapes import Expected

_CONTEXT = re.compile(
    r"context_length_exceeded|context window|maximum context length|prompt is too long|too_many_tokens"
    r"|too many (?:input |total )*tokens|input token count|input is too long|maximum prompt length|model's maximum"
    r"|reduce the length of the",
    re.I,
)
_POLICY = re.compile(
    r"content_policy_violation|content[_ ]filter|responsibleaipolicy|content management policy|usage polic(?:y|ies)"
    r"|data_inspection_failed|content filtering policy|was flagged|moderation",
    re.I,
)
_KEY = re.compile(r"api_key_invalid|api key not valid|api key expired|invalid api[ _]key|incorrect api key", re.I)
_CREDENTIAL = re.compile(r"security token|invalid token|expired|unauthenticated|api[ _]key|credential", re.I)
_MONEY = re.compile(r"insufficient[_ ]quota|insufficient[_ ]balance|credit balance|insufficient credits|billing", re.I)
_NO_MODEL = re.compile(r"model\b.{0,60}\b(?:not found|does ?n[o']t exist|not supported|decommissioned|is invalid)", re.I)
_LATER = re.compile(r"retry", re.I)

_BY_STATUS = {
    401: ("AuthenticationError",),
    402: ("QuotaExceededError",),
    404: ("NotFoundError",),
    408: ("Timeout",),
    504: ("Timeout", "InternalServerError"),
    503: ("ServiceUnavailableError",),
    529: ("ServiceUnavailableError",),
}
# Error frames inside a stream that began with 200: the provider's word for what would have been a status.
_BY_WORD = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "throttlingexception": 429,
    "validationexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "serviceunavailableexception": 503,
    "modelnotreadyexception": 429,
    "modeltimeoutexception": 408,
    "internalserverexception": 500,
    "modelstreamerrorexception": 424,
    "server_error": 500,
    "rate_limit_exceeded": 429,
}


def refused(status: int, body: bytes) -> Expected:
    """What to expect of an answer with an error status."""
    text = body.decode("utf-8", "replace")
    statuses = {status, 401} if _KEY.search(text) else {status}
    return Expected(errors=classes(status, text), statuses=frozenset(statuses))


def classes(status: int, text: str) -> tuple[str, ...]:
    """The class names one of which is right."""
    if status in {400, 413, 422, 424} and _CONTEXT.search(text):
        return ("ContextWindowExceededError",)
    if status == 429:
        return _too_many(text)
    if status == 403:
        return _forbidden(text)
    if status == 400 and _KEY.search(text):
        return ("AuthenticationError",)
    if status in {400, 422} and _POLICY.search(text):
        return ("ContentPolicyViolationError",)
    if status == 400 and _MONEY.search(text):
        return ("QuotaExceededError", "BadRequestError")
    if status == 400 and _NO_MODEL.search(text):
        return ("BadRequestError", "NotFoundError")
    if status == 413:  # a limit of bytes, which is nearly always one of words
        return ("BadRequestError", "ContextWindowExceededError", *(("RateLimitError",) if "rate_limit" in text else ()))
    return _BY_STATUS.get(status, ("InternalServerError",) if status >= 500 else ("BadRequestError",))


def inside(document: Mapping[str, Any]) -> Expected | None:
    """What to expect when an answer with status 200, or an event of a stream, says that it failed."""
    failed: Any = document.get("error") or document.get("exception")
    if document.get("type") in {"response.failed", "error"}:
        failed = failed or (document.get("response") or {}).get("error") or document
    if document.get("status") == "failed":
        failed = failed or {"message": "failed"}
    if not failed:
        return None
    text = json.dumps(document)
    status = _status(failed)
    if status is None:
        return Expected(errors=("APIError",))
    return Expected(errors=classes(status, text), statuses=frozenset({status}))


def inside_stream(stream: Stream) -> tuple[Expected, Stream] | None:
    """The first event that says that the stream failed, and what came before it."""
    for position, document in enumerate(stream.documents):
        found = inside(document)
        if found:
            return found, Stream(stream.documents[:position])
    return None


def _status(failed: object) -> int | None:
    """The status that the failure stands for, where it is told as a number or as a known word."""
    if not isinstance(failed, Mapping):
        return None
    for name in ("status_code", "code", "status", "type"):
        value = failed.get(name)
        if str(value).isdigit() and int(str(value)) >= HTTP_ERROR:
            return int(str(value))
        if str(value).lower() in _BY_WORD:
            return _BY_WORD[str(value).lower()]
    return None


def _too_many(text: str) -> tuple[str, ...]:
    if "insufficient_quota" in text:
        return ("QuotaExceededError",)
    if _MONEY.search(text) and not _LATER.search(text):
        return ("RateLimitError", "QuotaExceededError")
    return ("RateLimitError",)


def _forbidden(text: str) -> tuple[str, ...]:
    found = ["PermissionDeniedError"]
    found += ["AuthenticationError"] if _CREDENTIAL.search(text) else []
    found += ["ContentPolicyViolationError"] if _POLICY.search(text) else []
    found += ["QuotaExceededError"] if _MONEY.search(text) else []
    return tuple(found)
