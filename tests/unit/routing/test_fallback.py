"""`fallback.yaml`, and which errors lead on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from insights.catalog.loader import Catalog
from insights.core import errors
from insights.core.config import Settings
from insights.core.errors import APIError, BadRequestError, ConfigError
from insights.routing.fallback import Fallbacks, given_chain, read_fallbacks


def read(directory: Path, text: str) -> Fallbacks:
    (directory / "fallback.yaml").write_text(text)
    return read_fallbacks(Catalog(Settings(config_dir=directory)))


def test_as_shipped_nobody_is_asked() -> None:
    assert read_fallbacks(Catalog()) == Fallbacks()


def test_a_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "default: [a/x, b/y]\nmodels:\n  openai/m: [c/z]\n  other: []\ncontext_window: [d/long]\ncontent_policy: [e/free]\n",
    )
    assert found.after("openai/m", "m") == ("c/z",)
    assert found.after("unknown", "openai/m") == ("c/z",)
    assert found.after("other") == ()
    assert found.after("unknown") == ("a/x", "b/y")
    assert found.because_of(errors.ContextWindowExceededError("x")) == (("d/long", {}),)
    assert found.because_of(errors.ContentPolicyViolationError("x")) == (("e/free", {}),)
    assert found.because_of(errors.RateLimitError("x")) == ()


@pytest.mark.parametrize("text", ["", "default:\nmodels:\n", "default: []\n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == Fallbacks()


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("defualt: [a/x]\n", 1, "no key 'defualt'", "did you mean 'default'?"),
        ("default: []\nzzz: []\n", 2, "no key 'zzz'", "keys are: default, models"),
        ("default: a/x\n", 1, "a chain is a list", None),
        ("default: [[a/x]]\n", 1, "a chain is a list", None),
        ("models:\n  m: a/x\n", 2, "a chain is a list", None),
        ("models: [a/x]\n", 1, "models must be a mapping", None),
        ("- a/x\n", 1, "fallback.yaml must be a mapping", None),
    ],
)
def test_a_mistake_says_where_it_is(tmp_path: Path, text: str, line: int, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert (raised.value.file, raised.value.line) == (str(tmp_path / "fallback.yaml"), line)
    assert message in raised.value.message
    assert hint is None or hint in str(raised.value.hint)


# The caller's to mend: key, rights, name, request. Another company may not get the prompt instead.
STAYS = {
    "APIError",
    "AuthenticationError",
    "MissingKeyError",
    "PermissionDeniedError",
    "NotFoundError",
    "UnknownModelError",
    "BadRequestError",
    "UnsupportedParamsError",
    "ContextWindowExceededError",
    "ContentPolicyViolationError",
}
CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, APIError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_which_errors_lead_on(cls: type[APIError]) -> None:
    assert Fallbacks().moves_on(cls("x")) is (cls.__name__ not in STAYS)


def test_the_chain_of_a_call() -> None:
    assert given_chain([]) == []
    assert given_chain(("a/x", {"model": "b/y", "temperature": 1})) == [("a/x", {}), ("b/y", {"temperature": 1})]


@pytest.mark.parametrize("given", ["a/x", {"model": "a/x"}, 3, {"a/x"}, [None], [{"temperature": 1}], [{"model": 3}]])
def test_no_chain(given: Any) -> None:
    with pytest.raises(BadRequestError, match="fallback"):
        given_chain(given)
