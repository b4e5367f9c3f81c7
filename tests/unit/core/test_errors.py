"""The tree of errors: what each carries, how it reads, and that it survives a pickle."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import traceback

import pytest

from insights.core import errors
from insights.core.errors import (
    AllModelsFailedError,
    APIError,
    BadRequestError,
    ConfigError,
    InsightsError,
    QuotaExceededError,
    RateLimitError,
    Timeout,
    TruncatedStreamError,
    UnsupportedParamsError,
)
from insights.core.types import Attempt, Trace

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, InsightsError)]
API_CLASSES = [cls for cls in CLASSES if issubclass(cls, APIError)]


def made(cls: type[InsightsError]) -> InsightsError:
    """An error of this class with everything it may carry."""
    if cls is AllModelsFailedError:
        return AllModelsFailedError("all 2 models failed", [Timeout("slow", provider="a"), ValueError("odd")])
    if cls is ConfigError:
        return ConfigError("wrong", file="openai.yaml", line=3, hint="mend it")
    if issubclass(cls, APIError):
        return cls(
            "no",
            provider="openai",
            model="m",
            status_code=429,
            request_id="req_1",
            retryable=True,
            retry_after=1.5,
            hint="try later",
        )
    return cls("no", hint="try later")


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_keeps_everything(cls: type[InsightsError], protocol: int) -> None:
    error = made(cls)
    error.trace = Trace(attempts=[Attempt(model="m", provider="openai", started=1.0)])
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is cls
    assert str(again) == str(error)
    assert again.trace == error.trace
    assert (again.message, again.hint) == (error.message, error.hint)
    for name in ("provider", "model", "status_code", "request_id", "retryable", "retry_after", "file", "line"):
        assert getattr(again, name, None) == getattr(error, name, None)


def test_a_pickled_group_keeps_its_errors() -> None:
    again = pickle.loads(pickle.dumps(made(AllModelsFailedError)))
    slow = f"a: slow\n  -> {Timeout.default_hint}"
    assert [(type(e), str(e)) for e in again.exceptions] == [(Timeout, slow), (ValueError, "odd")]


def test_what_a_pickle_keeps_besides() -> None:
    cut = TruncatedStreamError("cut")
    cut.partial = "so far"
    refused = UnsupportedParamsError("no")
    refused.params = ("logit_bias",)
    assert pickle.loads(pickle.dumps(cut)).partial == "so far"
    assert pickle.loads(pickle.dumps(refused)).params == ("logit_bias",)
    assert TruncatedStreamError("another").partial == ""


@pytest.mark.parametrize("cls", CLASSES)
def test_a_copy_is_equal_in_all_but_identity(cls: type[InsightsError]) -> None:
    error = made(cls)
    again = copy.copy(error)
    assert again is not error
    assert str(again) == str(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_can_be_raised_and_printed(cls: type[InsightsError]) -> None:
    with pytest.raises(cls) as raised:
        raise made(cls)
    assert raised.value.message in "".join(traceback.format_exception(raised.value))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The drawing says each class once, below the one it inherits from."""
    drawn: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^(?:    )?([│├└─ ]*)([A-Z]\w+(?:Error|Timeout)|Timeout)\b", line)
        if not found:
            continue
        depth, name = len(found[1]), found[2]
        path = [entry for entry in path if entry[0] < depth]
        if path:
            drawn[name] = path[-1][1]
        path.append((depth, name))
    assert drawn == {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES if cls is not InsightsError}


def test_the_text_of_an_api_error() -> None:
    error = RateLimitError("slow down", provider="openai", model="gpt", status_code=429, request_id="req_1", hint="wait")
    assert str(error) == "openai/gpt (429): slow down\n  -> wait\n  request id: req_1"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "no"),
        ({"provider": "openai"}, "openai: no"),
        ({"model": "gpt"}, "gpt: no"),
        ({"status_code": 500}, "no"),
        ({"provider": "openai", "status_code": 500}, "openai (500): no"),
    ],
)
def test_unknown_parts_are_left_out(given: dict[str, str], text: str) -> None:
    assert str(BadRequestError("no", hint="mend it", **given)) == f"{text}\n  -> mend it"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "wrong"),
        ({"file": "a.yaml"}, "a.yaml: wrong"),
        ({"file": "a.yaml", "line": 4}, "a.yaml:4: wrong"),
        ({"file": "a.yaml", "line": 4, "hint": "x"}, "a.yaml:4: wrong\n  -> x"),
    ],
)
def test_the_text_of_a_config_error(given: dict[str, str], text: str) -> None:
    assert str(ConfigError("wrong", **given)) == text  # type: ignore[arg-type]


# By the API references: rate limits, timeouts, 5xx and broken answers may pass; a client's mistakes and an empty purse don't.
RETRYABLE = {
    "RateLimitError",
    "Timeout",
    "APIConnectionError",
    "InternalServerError",
    "ServiceUnavailableError",
    "APIResponseValidationError",
    "EmptyResponseError",
    "TruncatedStreamError",
}


@pytest.mark.parametrize("cls", API_CLASSES)
def test_what_may_pass(cls: type[APIError]) -> None:
    assert cls("x").retryable is (cls.__name__ in RETRYABLE)
    assert cls("x", retryable=True).retryable is True
    assert cls("x", retryable=False).retryable is False


def test_hints() -> None:
    assert QuotaExceededError("x").hint == QuotaExceededError.default_hint
    assert QuotaExceededError("x", hint="mine").hint == "mine"
    assert InsightsError("x").hint is None


@pytest.mark.parametrize("cls", [cls for cls in API_CLASSES if cls is not APIError])
def test_every_error_says_what_to_do_next(cls: type[APIError]) -> None:
    error = cls("x")
    assert cls.default_hint
    assert error.hint == cls.default_hint
    assert str(error) == f"x\n  -> {cls.default_hint}"
    assert str(cls("x", hint="mine")) == "x\n  -> mine"


def test_a_hint_fits_its_error() -> None:
    """What mends one kind of failure doesn't mend another: these say what is particular to them."""
    said = {cls: str(cls.default_hint) for cls in API_CLASSES}
    assert "key" in said[errors.AuthenticationError]
    assert "wait" in said[RateLimitError]
    assert "wait" not in said[QuotaExceededError]
    assert "timeout=" in said[Timeout]
    assert "partial" in said[TruncatedStreamError]
    assert "shorten" in said[errors.ContextWindowExceededError]
    assert said[UnsupportedParamsError] == said[BadRequestError]


def test_a_group_reads_as_a_table() -> None:
    """One row for each error: what to do about it is in the errors themselves."""
    assert Timeout("slow").hint
    assert str(made(AllModelsFailedError)) == "all 2 models failed\n  1. a  Timeout     -  slow\n  2. -  ValueError  -  odd"


def test_a_group_shows_the_first_line_of_each_error() -> None:
    group = AllModelsFailedError(
        "all 3 models failed",
        [RateLimitError("slow\ndown", provider="a", request_id="req_1", status_code=429), ValueError(), ValueError("one\ntwo")],
    )
    assert str(group).splitlines() == [
        "all 3 models failed",
        "  1. a  RateLimitError  429  slow",
        "  2. -  ValueError        -  ",
        "  3. -  ValueError        -  one",
    ]


def test_a_group_can_be_split() -> None:
    group = made(AllModelsFailedError)
    assert isinstance(group, AllModelsFailedError)
    ours, others = group.split(Timeout)
    assert isinstance(ours, AllModelsFailedError)
    assert isinstance(others, AllModelsFailedError)
    assert [type(e) for e in ours.exceptions] == [Timeout]
    assert [type(e) for e in others.exceptions] == [ValueError]
    assert ours.message == "all 2 models failed"
    assert ours.hint is None


def test_a_group_is_never_empty() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        AllModelsFailedError("x", [])


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_says_what_it_is(cls: type[InsightsError]) -> None:
    assert inspect.getdoc(cls)
