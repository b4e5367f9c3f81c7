"""Every error insights raises, in one tree.

    InsightsError
    ├── ConfigError                      a settings or YAML mistake; says file and line
    ├── BudgetExceededError              the call might cost more than is left; nothing was sent
    ├── LedgerError                      what was spent can't be read, or a budget can't be kept without it
    ├── CacheError                       answers could not be forgotten as asked
    ├── CacheMissError                   cache="only" and nothing is stored
    ├── CassetteError                    a cassette can't be read, written or used
    │   ├── CassetteMissingError         the request isn't in the cassette
    │   └── NetworkBlockedError          another machine was to be reached while a cassette replays
    ├── AllModelsFailedError             every candidate of a fallback chain failed (an ExceptionGroup too)
    └── APIError                         one call to one provider failed
        ├── AuthenticationError          401, or a key the provider calls invalid
        │   └── MissingKeyError          no key is set; nothing was sent
        ├── PermissionDeniedError        403
        ├── NotFoundError                404
        │   └── UnknownModelError        no provider is known for this name; nothing was sent
        ├── BadRequestError              400, 409, 413, 422
        │   ├── UnsupportedParamsError   the provider can't do what a parameter asks; nothing was sent
        │   ├── ContextWindowExceededError
        │   └── ContentPolicyViolationError
        ├── RateLimitError               429; `retry_after` in seconds where the provider gave it
        │   └── QuotaExceededError       402, or 429 for want of money: waiting does not help
        ├── Timeout                      408, or the time given by `timeout=` is over
        ├── APIConnectionError           no connection, or it broke before the answer was whole
        ├── InternalServerError          5xx
        │   └── ServiceUnavailableError  503, and 529 "overloaded"
        │       └── CircuitOpenError     it has been failing, and isn't asked for a while; nothing was sent
        ├── APIResponseValidationError   the answer isn't what the provider's format promises
        │   └── EmptyResponseError       well-formed, finished, and nothing in it
        └── TruncatedStreamError         a stream ended before the provider said it was done

The names are litellm's and OpenAI's where they have one. Every `APIError` carries `provider`, `model`, `status_code`,
`request_id`, `retryable`, `retry_after` and `hint`; `trace` is set when the error leaves `completion`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from insights.core.types import Trace, Usage


def _rebuild(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Makes an error again after pickling; `__init__` is left out because its keywords are already in `state`."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InsightsError(Exception):
    """Root of the tree.

    Args:
        message: what was wrong, in one sentence.
        hint: what to do next; shown on a line of its own.
    """

    trace: Trace | None = None

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


class ConfigError(InsightsError):
    """A setting or a configuration file is wrong. `file` and `line` (from 1) say where, when it is a file."""

    def __init__(self, message: str = "", *, file: str | None = None, line: int | None = None, hint: str | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message, hint=hint)
        self.file = file
        self.line = line


class LedgerError(InsightsError):
    """The ledger of what was spent can't be read, or a budget can't be kept without it. A call never fails for the former."""


class BudgetExceededError(InsightsError):
    """The call might cost more than a budget has left; nothing was sent.

    Attributes:
        limit, spent, reserved, asked: USD: the budget's, what is spent of it, what calls under way may cost, and what this
            call may cost. `asked` is None where no price is known.
        tag: whose budget it is, if it has a name. per: `"run"` or `"day"`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        limit: Decimal | None = None,
        spent: Decimal | None = None,
        reserved: Decimal | None = None,
        asked: Decimal | None = None,
        tag: str | None = None,
        per: str = "run",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.limit, self.spent, self.reserved, self.asked, self.tag, self.per = limit, spent, reserved, asked, tag, per


class CacheError(InsightsError):
    """The cache could not do what it was asked for by name. A call never fails for this."""


class CacheMissError(InsightsError):
    """`cache="only"` was asked for and no answer is stored for this request."""


class CassetteError(InsightsError):
    """A cassette can't be read, written, or used as asked."""


class CassetteMissingError(CassetteError):
    """The cassette holds no recording of this request."""


class NetworkBlockedError(CassetteError):
    """Something wanted to reach another machine while a cassette replays."""


class APIError(InsightsError):
    """One call to one provider failed.

    Attributes:
        provider: the provider's name in insights, e.g. `"anthropic"`.
        model: the upstream model name.
        status_code: HTTP status, or None when there was no answer.
        request_id: the provider's own id of the request, for its support.
        retryable: whether the same request may well succeed a moment later.
        retry_after: seconds the provider asked to wait, or None.
        hint: what to do next.
        usage: the tokens the provider counted all the same, where it said; they are paid for.
    """

    usage: Usage | None = None
    unsent: bool = False
    """Whether it is certain that the provider never had the request."""
    default_retryable: ClassVar[bool] = False
    default_hint: ClassVar[str | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        model: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint or self.default_hint)
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.request_id = request_id
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        name = "/".join(part for part in (self.provider, self.model) if part)
        status = f" ({self.status_code})" if self.status_code else ""
        head = f"{name}{status}: " if name else ""
        tail = f"\n  request id: {self.request_id}" if self.request_id else ""
        return head + super().__str__() + tail


class AuthenticationError(APIError):
    """The provider did not accept the key."""

    default_hint = "check the key; explain_route(model) names the variable it is read from"


class MissingKeyError(AuthenticationError):
    """No key is set for this provider. Nothing was sent."""


class PermissionDeniedError(APIError):
    """The key is valid and may not do this."""

    default_hint = "the key lacks the right to use this model or project; ask its owner or use another key"


class NotFoundError(APIError):
    """The provider knows no such model or address."""

    default_hint = "check the model name; explain_route(model) shows the host and the name that is sent"


class UnknownModelError(NotFoundError):
    """No provider is known for this model name. Nothing was sent."""


class BadRequestError(APIError):
    """The request can't be served as it is; sending it again does not help."""

    default_hint = "change the request as the message says; sending it again does not help"


class UnsupportedParamsError(BadRequestError):
    """The provider can't do what a parameter asks. Nothing was sent. `params` names the parameters."""

    params: Sequence[str] = ()


class ContextWindowExceededError(BadRequestError):
    """The messages are longer than the model's context window."""

    default_hint = "shorten the messages, or use a model with a longer context window"


class ContentPolicyViolationError(BadRequestError):
    """The provider refused the request on grounds of content."""

    default_hint = "change the messages, or name other models under content_policy in fallback.yaml"


class RateLimitError(APIError):
    """Too many requests or tokens for now; `retry_after` in seconds where the provider gave it."""

    default_hint = "wait (retry_after says how long), raise num_retries= and timeout=, or pass fallbacks=[...]"

    default_retryable = True


class QuotaExceededError(RateLimitError):
    """The account has no money or quota left; waiting a moment does not help."""

    default_retryable = False
    default_hint = "the account's quota or balance is used up; top it up or use another provider"


class Timeout(APIError):
    """The time allowed is over. `status_code` is 408 or 504 when the provider said so itself.

    `partial` is the text received so far, when a stream ran out of time.
    """

    default_retryable = True
    default_hint = "raise timeout= (seconds), or pass fallbacks=[...]"
    partial: str = ""


class APIConnectionError(APIError):
    """No connection to the provider, or it broke before the answer was whole."""

    default_hint = "check the network, proxies and api_base; explain_route(model) names the host"

    default_retryable = True


class InternalServerError(APIError):
    """The provider failed (5xx)."""

    default_hint = "try again later, or pass fallbacks=[...]"

    default_retryable = True


class ServiceUnavailableError(InternalServerError):
    """The provider is overloaded or down (503, 529)."""


class CircuitOpenError(ServiceUnavailableError):
    """Most of the model's last attempts failed, so it isn't asked; `retry_after` seconds until it is again."""

    default_hint = "insights.health() shows all models; pass fallbacks=[...], or turn it off by INSIGHTS_BREAKER=0"

    default_retryable = False


class APIResponseValidationError(APIError):
    """The answer isn't what the provider's format promises: not JSON, no choices, wrong types."""

    default_hint = "try again; if it stays so, check that api_base is an API of this provider's kind"

    default_retryable = True


class EmptyResponseError(APIResponseValidationError):
    """The answer is well-formed and finished, and there is nothing in it."""


class TruncatedStreamError(APIError):
    """A stream ended before the provider said it was done. `partial` is the text received so far."""

    default_hint = "ask again; error.partial is the text so far"

    default_retryable = True
    partial: str = ""


class AllModelsFailedError(InsightsError, ExceptionGroup[Exception]):
    """Every candidate of the chain failed. `exceptions` holds every attempt's own error, in the order they were made."""

    def __new__(cls, message: str, exceptions: Sequence[Exception]) -> AllModelsFailedError:
        return ExceptionGroup.__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
        self.hint = None  # `message` is the group's own, and can't be set

    def derive(self, excs: Sequence[Exception]) -> AllModelsFailedError:  # type: ignore[override]
        """The same group over fewer errors, as `split` and `except*` need it."""
        part = AllModelsFailedError(self.message, excs)
        part.trace = self.trace
        return part

    def __str__(self) -> str:
        rows = [_row(error) for error in self.exceptions]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [
            f"  {number}. {name:<{widths[0]}}  {kind:<{widths[1]}}  {status:>{widths[2]}}  {said}"
            for number, (name, kind, status, said) in enumerate(rows, 1)
        ]
        return "\n".join([self.message, *lines])

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), (self.message, list(self.exceptions)), self.__dict__)


def _row(error: Exception) -> tuple[str, str, str, str]:
    """Who failed, how, with which status, and what was said; hints are in the errors themselves."""
    said = getattr(error, "message", str(error)).splitlines() or [""]
    name = "/".join(part for part in (getattr(error, "provider", None), getattr(error, "model", None)) if part)
    return name or "-", type(error).__name__, str(getattr(error, "status_code", None) or "-"), said[0]
