"""Equal requests, equal keys; and nothing secret in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.cache.key import cache_key, key_fields
from insights.core.request import build_request

PLACES = ("provider", "model", "base", "options", "namespace")


def fields(messages: Any = "Hi", headers: dict[str, str] | None = None, **others: Any) -> dict[str, Any]:
    where: dict[str, Any] = {"provider": "openai", "model": "m", "base": "https://x.example"}
    where.update({name: others.pop(name) for name in PLACES if name in others})
    stream, extra = others.pop("stream", False), others.pop("extra_body", None)
    return key_fields(build_request("m", messages, others, stream=stream, extra_headers=headers, extra_body=extra), **where)


def key(*args: Any, **kwargs: Any) -> str:
    return cache_key(fields(*args, **kwargs))


def test_a_key_is_a_digest() -> None:
    assert len(key()) == 64
    assert int(key(), 16) > 0


@pytest.mark.parametrize(
    "same",
    [
        {"messages": [{"content": "Hi", "role": "user"}]},
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"temperature": None},
        {"headers": {"X-Api-Key": "a"}},
        {"headers": {"Authorization": "Bearer a"}},
        {"headers": {"Cookie": "a"}},
        {"options": {"vertex_credentials": "a"}},
        {"options": {}},
    ],
    ids=str,
)
def test_the_same_key(same: dict[str, Any]) -> None:
    assert key(**same) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "Ho"},
        {"messages": [{"role": "system", "content": "Hi"}]},
        {"temperature": 0},
        {"temperature": 1.5},
        {"seed": 1},
        {"extra_body": {"a": 1}},
        {"headers": {"anthropic-beta": "x"}},
        {"provider": "azure"},
        {"model": "n"},
        {"base": "https://y.example"},
        {"namespace": "n"},
        {"options": {"api_version": "2024"}},
    ],
    ids=str,
)
def test_another_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_all_these_keys_differ() -> None:
    given_params: list[dict[str, Any]] = [
        {"a": 1},
        {"a": "1"},
        {"a": True},
        {"a": [1]},
        {"a": None, "b": 1},
        {"a": {}},
        {"a": {"b": 1}},
    ]
    assert len({key(**p) for p in given_params}) == len(given_params)


def test_names_of_headers_have_no_case() -> None:
    assert key(headers={"X-Team": "a"}) == key(headers={"x-team": "a"})
    assert key(headers={"X-Team": "a"}) != key(headers={"X-Team": "b"})


def test_nothing_secret_is_in_a_key() -> None:
    found = fields(
        headers={"X-Api-Key": "canary", "Proxy-Authorization": "canary", "X-Auth-Token": "canary", "X-Secret": "canary"},
        options={"vertex_credentials": "canary", "aws_secret_access_key": "canary", "vertex_project": "p"},
    )
    assert "canary" not in repr(found)
    assert found["options"] == {"vertex_project": "p"}


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    assert key(text) == key(text)
    assert key(text + "x") != key(text)


def test_half_a_surrogate_pair_has_a_key_too() -> None:
    assert key("\ud83d") != key("\ud83e")
