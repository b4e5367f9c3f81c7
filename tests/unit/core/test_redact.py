"""Keys stay out of texts, whoever put them there."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.core.errors import BadRequestError
from insights.core.redact import MASK, SecretStr, redact, secret

# Made up, in the forms that GitHub's secret scanning and the providers' own pages describe.
BODY = "AbCdEf0123456789"
KEYS = [
    "sk-" + BODY,
    "sk-proj-" + BODY + "_-x",
    "sk-ant-api03-" + BODY,
    "sk-or-v1-" + BODY.lower(),
    "gsk_" + BODY,
    "hf_" + BODY,
    "fw_" + BODY,
    "csk-" + BODY,
    "csk_" + BODY,
    "tgp_v1_" + BODY,
    "xai-" + BODY,
    "pplx-" + BODY,
    "AIza" + BODY,
    "ya29." + BODY,
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ASIA" + "ABCDEFGHIJKLMNOP",
    "eyJ" + BODY + "." + "eyJ" + BODY + "." + BODY,
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "around",
    ["{}", "Incorrect API key provided: {}.", '{{"key":"{}"}}', "x={}&y=1", "({})", "line\n{}\nline", "tab\t{}"],
)
def test_keys_by_their_shape(key: str, around: str) -> None:
    text = redact(around.format(key))
    assert text == around.format(MASK) or (key not in text and BODY not in text and MASK in text)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("before", ["my key:\n", "a\tb\t", "\r\n", 'in "quotes" ', "\u2028", "\x00"])
def test_keys_inside_json(key: str, before: str) -> None:
    """In JSON a line break before a key is a backslash and a letter, which must not hide where the key begins."""
    text = json.dumps({"content": before + key + " and more"})
    assert key not in redact(text)
    assert key not in redact(json.dumps(text))


def test_bearer_tokens_and_query_keys() -> None:
    assert redact("Authorization: Bearer abcdefgh12345678") == f"Authorization: Bearer {MASK}"
    assert redact("bearer abcdefgh12345678") == f"bearer {MASK}"
    assert redact("https://x.example/v1?key=abc&alt=sse") == f"https://x.example/v1?key={MASK}&alt=sse"
    assert redact("https://x.example/v1?alt=sse&key=abc") == f"https://x.example/v1?alt=sse&key={MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a plain sentence.",
        "risk-assessment and task-oriented",
        "sk-short",
        "AIza",
        "a key=value pair",
        "bearer of news",
        "https://x.example/v1?monkey=banana",
        "hf_x",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_known_secrets_of_any_shape() -> None:
    assert redact("wrong key 0123456789abcdef!", "0123456789abcdef") == f"wrong key {MASK}!"
    assert redact("wrong key 0123456789abcdef!", SecretStr("0123456789abcdef"), None, "") == f"wrong key {MASK}!"
    assert redact("abc is in abcabc", "abc") == "abc is in abcabc"  # too short to be a key, too common to be hidden


@given(st.text(), st.text(min_size=4, alphabet=st.characters(categories=["L", "N"])), st.text())
def test_a_known_secret_never_comes_through(before: str, value: str, after: str) -> None:
    hidden = redact(before + value + after, value)
    assert value not in hidden.replace(MASK, "")


class TestSecretStr:
    def test_it_does_not_show_itself(self) -> None:
        key = SecretStr("canary-key")
        for text in (repr(key), str(key), f"{key}", f"{key!r}", "%s" % key, repr([key]), repr({"k": key})):  # noqa: UP031
            assert "canary" not in text
        assert (repr(key), str(key)) == ("SecretStr('**********')", "**********")
        assert (repr(SecretStr("")), str(SecretStr(""))) == ("SecretStr('')", "")

    def test_it_has_the_interface_of_pydantics(self) -> None:
        key = SecretStr("canary-key")
        assert key.get_secret_value() == "canary-key"
        assert len(key) == 10
        assert key == SecretStr("canary-key")
        assert key != SecretStr("another")
        assert key != "canary-key"
        assert hash(key) == hash(SecretStr("canary-key"))
        assert not SecretStr("")

    def test_it_has_no_dict_to_look_into(self) -> None:
        assert not hasattr(SecretStr("canary-key"), "__dict__")

    def test_it_is_copied_but_not_pickled(self) -> None:
        key = SecretStr("canary-key")
        assert copy.copy(key) is key
        assert copy.deepcopy({"a": key})["a"] is key
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(key)


@pytest.mark.parametrize("empty", [None, "", "  ", SecretStr(""), SecretStr(" \n")])
def test_no_secret(empty: str | SecretStr | None) -> None:
    assert secret(empty) is None


def test_white_space_around_a_pasted_key() -> None:
    assert secret(" sk-x\n") == SecretStr("sk-x")
    assert secret(SecretStr("\tsk-x ")) == SecretStr("sk-x")


def test_pydantics_secret_is_one_too() -> None:
    assert secret(pydantic.SecretStr(" sk-x\n")) == SecretStr("sk-x")
    assert secret(pydantic.SecretStr("  ")) is None


@pytest.mark.parametrize("value", [3, 0, False, b"sk-canary", ["sk-canary"], pydantic.SecretBytes(b"sk-canary")])
def test_a_secret_is_a_text(value: Any) -> None:
    with pytest.raises(BadRequestError, match="a key must be a text") as raised:
        secret(value)
    assert "canary" not in str(raised.value)
