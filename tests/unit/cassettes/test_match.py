"""Which requests are the same, whoever writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.cassettes.match import PARTS, Matcher, canonical_body, canonical_data, meaning_digest, nearest
from insights.core.errors import BadRequestError

URL = "https://x.example/v1/chat"
BODY = b'{"a": 1, "b": [2]}'

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(2**52), 2**52) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.booleans() | NUMBERS | WORDS
JSON = st.recursive(SCALARS | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))


def encoded(data: Any) -> bytes:
    return json.dumps(data).encode("utf-8")


def fingerprint(body: Any) -> str:
    return Matcher().by_body("POST", URL, body if isinstance(body, bytes) else encoded(body))


def conversation(ids: tuple[str, str] = ("call_1", "call_2"), **changed: Any) -> dict[str, Any]:
    """A conversation in which two tools were called, in OpenAI's form."""
    first, second = ids
    calls = [
        {"id": first, "type": "function", "function": {"name": "f", "arguments": changed.pop("arguments", '{"city": "Rome"}')}},
        {"id": second, "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]
    return {
        "model": "m",
        "messages": [
            {"role": "user", "content": changed.pop("content", "What is the weather?")},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": first, "content": "sun"},
            {"role": "tool", "tool_call_id": second, "content": "rain"},
        ],
        **changed,
    }


@st.composite
def written_anew(draw: st.DrawFn, value: Any) -> Any:
    """The same data with its keys in another order, whole numbers spelled the other way, and nulls beside them."""
    if isinstance(value, dict):
        items = [(name, draw(written_anew(item))) for name, item in draw(st.permutations(list(value.items())))]
        unused = draw(st.lists(WORDS.filter(lambda name: name not in value), max_size=2))
        return dict([*items, *((name, None) for name in unused)])
    if isinstance(value, list):
        return [draw(written_anew(item)) for item in value]
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value) and abs(value) < 2**53
    return draw(st.sampled_from([int(value), float(value)])) if whole else value


@given(st.data(), st.dictionaries(WORDS, JSON, max_size=5))
def test_the_same_data_written_otherwise(data: st.DataObject, body: dict[str, Any]) -> None:
    anew = data.draw(written_anew(body))
    indent = data.draw(st.sampled_from([None, 0, 2, "\t"]))
    separators = data.draw(st.sampled_from([(",", ":"), (" , ", " : ")]))
    text = json.dumps(anew, indent=indent, separators=separators, ensure_ascii=data.draw(st.booleans()))
    assert fingerprint(text.encode()) == fingerprint(body)
    assert meaning_digest(anew) == meaning_digest(body)


@given(st.data(), WORDS, WORDS)
def test_ids_of_tool_calls_are_made_up(data: st.DataObject, first: str, second: str) -> None:
    if first != second:
        anew = data.draw(written_anew(conversation((first, second))))
        assert fingerprint(anew) == fingerprint(conversation())
        assert meaning_digest(anew) == meaning_digest(conversation())


def test_which_call_a_result_is_for_counts() -> None:
    swapped = conversation()
    swapped["messages"][2]["tool_call_id"], swapped["messages"][3]["tool_call_id"] = "call_2", "call_1"
    assert fingerprint(swapped) != fingerprint(conversation())
    assert fingerprint(conversation(("same", "same"))) != fingerprint(conversation())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}, {"tool_use_id": "a", "content": "x"}]},
            {"content": [{"type": "tool_use", "id": "b", "name": "f", "input": {}}, {"tool_use_id": "b", "content": "x"}]},
        ),
        (
            {"content": [{"toolUse": {"toolUseId": "a", "input": {}}}, {"toolResult": {"toolUseId": "a"}}]},
            {"content": [{"toolUse": {"toolUseId": "b", "input": {}}}, {"toolResult": {"toolUseId": "b"}}]},
        ),
        (
            {
                "contents": [
                    {"parts": [{"functionCall": {"id": "a", "args": {}}}, {"functionResponse": {"id": "a", "response": {}}}]}
                ]
            },
            {
                "contents": [
                    {"parts": [{"functionCall": {"id": "b", "args": {}}}, {"functionResponse": {"id": "b", "response": {}}}]}
                ]
            },
        ),
        (
            {"input": [{"id": "fc_1", "call_id": "c_1", "arguments": "{}"}]},
            {"input": [{"arguments": "{}", "call_id": "c_2", "id": "fc_2"}]},
        ),
    ],
    ids=["Anthropic", "Bedrock", "Gemini", "two ids in another order"],
)
def test_ids_in_the_providers_forms(one: Any, other: Any) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_ids_in_the_form_of_openais_responses() -> None:
    def body(name: str) -> dict[str, Any]:
        call = {"type": "function_call", "call_id": name, "name": "f", "arguments": "{}"}
        return {"model": "m", "input": [call, {"type": "function_call_output", "call_id": name, "output": "x"}]}

    assert fingerprint(body("a")) == fingerprint(body("b"))


def test_an_id_among_a_tools_own_arguments_counts() -> None:
    def body(name: str) -> dict[str, Any]:
        return {"content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"id": name, "call_id": "c", "input": 1}}]}

    assert fingerprint(body("a")) != fingerprint(body("b"))
    assert fingerprint({"messages": [{"id": "a"}]}) != fingerprint({"messages": [{"id": "b"}]})


@st.composite
def one_character_changed(draw: st.DrawFn) -> tuple[str, str]:
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
    place = draw(st.integers(0, len(text) - 1))
    other = draw(st.characters(exclude_categories=["Cs"]).filter(lambda letter: letter != text[place]))
    return text, text[:place] + other + text[place + 1 :]


@given(one_character_changed())
def test_a_changed_character_is_another_request(pair: tuple[str, str]) -> None:
    one, other = pair
    assert fingerprint(conversation(content=one)) != fingerprint(conversation(content=other))
    assert meaning_digest(conversation(content=one)) != meaning_digest(conversation(content=other))
    arguments = [json.dumps({"city": text}) for text in pair]
    assert len({fingerprint(conversation(arguments=text)) for text in arguments}) == 2
    bodies = [{"content": [{"id": "t", "name": "f", "input": {"city": text}}]} for text in pair]
    assert len({fingerprint(body) for body in bodies}) == 2


@given(SCALARS, SCALARS)
def test_a_changed_parameter_is_another_request(one: Any, other: Any) -> None:
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    assert (fingerprint(conversation(temperature=one)) == fingerprint(conversation(temperature=other))) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [(True, 1), (False, 0), ("1", 1), ([], {}), ("", 0), ([1], 1), ([None], []), (0.1, 0.10000001), (2**53, 2**53 + 1)],
)
def test_values_that_python_takes_for_another(one: Any, other: Any) -> None:
    assert fingerprint({"a": one}) != fingerprint({"a": other})
    assert meaning_digest({"a": one}) != meaning_digest({"a": other})


def test_a_stream_is_another_request_and_no_stream_goes_without_saying() -> None:
    assert fingerprint(conversation(stream=True)) != fingerprint(conversation())
    assert fingerprint(conversation(stream=False)) == fingerprint(conversation())
    assert fingerprint({"a": {"stream": False}}) != fingerprint({"a": {}})
    assert meaning_digest({"stream": True}) != meaning_digest({"stream": False})


def test_whoever_asks() -> None:
    """A key in a body is not in the file, so that it can't count."""
    assert fingerprint({"a": 1, "api_key": "one"}) == fingerprint({"a": 1, "api_key": "two"})
    assert fingerprint({"a": 1, "api_key": "one"}) != fingerprint({"a": 1})
    assert fingerprint({"api_key": 1}) != fingerprint({"api_key": 2})


def test_bodies_that_are_no_json() -> None:
    assert canonical_body(b'{"a": 1}') == {"a": 1}
    assert canonical_body(b"\xff") == b"\xff"
    assert canonical_body(b"[" * 100_000) == b"[" * 100_000
    assert fingerprint(b"not json") == fingerprint(b"not json")
    assert len({fingerprint(body) for body in (b"not json", b"", b"\xff", b'"not json"', b"{}")}) == 5
    assert canonical_data([{"stream": False}]) == [{"stream": False}]


def test_half_a_character() -> None:
    assert fingerprint(rb'{"a": "\ud800"}') != fingerprint(rb'{"a": "\ud801"}')


@pytest.mark.parametrize("number", [b"NaN", b"1e999"])
def test_numbers_that_json_lacks(number: bytes) -> None:
    assert fingerprint(b'{"a": %s}' % number) != fingerprint(b'{"a": 1}')


def test_deep_data() -> None:
    assert fingerprint(b"[" * 600 + b"]" * 600) != fingerprint(b"[" * 599 + b"]" * 599)


# ---------------------------------------------------------------- beside the body


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (URL + "?a=1&b=2", URL + "?b=2&a=1"),
        (URL, "https://X.example:443/v1/chat"),
        (URL + "?key=abc", URL),
        ("https://mine.openai.azure.com/x", "https://yours.openai.azure.com/x"),
        ("https://x.example:99999/", "https://x.example:99998/"),
    ],
    ids=["order", "port and case", "key", "resource", "no port at all"],
)
def test_the_same_url(one: str, other: str) -> None:
    assert Matcher().by_body("POST", one, BODY) == Matcher().by_body("post", other, BODY)
    assert Matcher().by_meaning("POST", one, "m") == Matcher().by_meaning("POST", other, "m")


@pytest.mark.parametrize(
    ("method", "url", "part"),
    [
        ("GET", URL, "method"),
        ("POST", "http://x.example:443/v1/chat", "scheme"),
        ("POST", "https://y.example/v1/chat", "host"),
        ("POST", "https://x.example:8443/v1/chat", "port"),
        ("POST", URL + "/x", "path"),
        ("POST", URL + "?a=1", "query"),
        ("POST", URL + "?a=", "query"),
    ],
)
def test_another_url(method: str, url: str, part: str) -> None:
    assert Matcher().by_body(method, url, BODY) != Matcher().by_body("POST", URL, BODY)
    assert Matcher().by_meaning(method, url, "m") != Matcher().by_meaning("POST", URL, "m")
    less = Matcher(name for name in PARTS if name != part)
    assert less.by_body(method, url, BODY) == less.by_body("POST", URL, BODY)


def test_the_body_may_not_count() -> None:
    some = Matcher(["method", "host"])
    assert not some.reads_bodies
    assert Matcher("body").reads_bodies
    assert some.by_body("POST", URL, b"x") == some.by_body("POST", URL + "/else", b"y")
    assert Matcher("body").by_body("GET", "http://z/", BODY) == Matcher("body").by_body("POST", URL, BODY)


@pytest.mark.parametrize("parts", ["headers", ["method", "headers"]])
def test_a_part_there_is_not(parts: Any) -> None:
    with pytest.raises(BadRequestError, match="match_on has no 'headers'") as raised:
        Matcher(parts)
    assert all(part in str(raised.value.hint) for part in PARTS)


def test_nothing_is_near_where_there_is_nothing() -> None:
    assert nearest([], URL, BODY) is None
    assert nearest([(URL, BODY)], URL, BODY) == (0, [])
