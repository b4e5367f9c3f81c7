"""What a caller writes, in canonical form."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from insights.core.errors import BadRequestError, UnsupportedParamsError
from insights.core.request import (
    ELSEWHERE,
    INSTEAD,
    MEANT,
    NEUTRAL,
    NOWHERE,
    OPENAI_PARAMS,
    PLACES,
    as_list,
    build_request,
    canonical_json,
    check_names,
    normal_messages,
    plain,
)
from insights.core.types import Choices, Message, ModelResponse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
OBJECT = st.dictionaries(st.text(), JSON)


@given(OBJECT, st.randoms())
def test_the_order_of_keys_does_not_matter(data: dict[str, Any], random: Any) -> None:
    names = list(data)
    random.shuffle(names)
    assert canonical_json({name: data[name] for name in names}) == canonical_json(data)


@given(JSON)
def test_canonical_json_is_json(data: Any) -> None:
    assert json.loads(canonical_json(data)) == data


@given(JSON, JSON)
def test_other_data_is_other_json(one: Any, two: Any) -> None:
    assert (canonical_json(one) == canonical_json(two)) == (json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True))


@given(JSON)
def test_json_data_is_plain_already(data: Any) -> None:
    assert plain(data, "x") == data


def test_what_is_given_is_copied() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    metadata = {"a": {"b": "c"}}
    request = build_request("m", [message], {"metadata": metadata}, extra_body={"x": metadata})
    message["content"][0]["text"] = "changed"  # type: ignore[index]
    metadata["a"]["b"] = "changed"
    assert "changed" not in request.canonical
    assert request.messages[0]["content"] == [{"type": "text", "text": "Hi"}]


def test_a_request_is_immutable_and_keeps_the_prompt_out_of_its_repr() -> None:
    request = build_request("m", "canary prompt", {}, extra_headers={"Authorization": "Bearer canary-key"})
    assert "canary" not in repr(request)
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.model = "other"  # type: ignore[misc]  # that it is frozen is the point


def test_model_and_headers_are_not_in_the_canonical_form() -> None:
    one = build_request("one", "Hi", {"temperature": 1}, extra_headers={"X-A": "1"})
    two = build_request("two", "Hi", {"temperature": 1}, stream=True)
    assert one.canonical == two.canonical
    assert one.canonical == ('{"extra_body":{},"messages":[{"content":"Hi","role":"user"}],"params":{"temperature":1}}')
    assert one.canonical != build_request("one", "Hi", {"temperature": 1}, extra_body={"a": 1}).canonical


def test_none_is_not_given() -> None:
    assert build_request("m", "Hi", {"temperature": None, "tools": None, "response_format": None}).params == {}


def test_names_are_stripped_and_headers_are_text() -> None:
    request = build_request(" m ", "Hi", {}, extra_headers={"X-N": 3})  # type: ignore[dict-item]
    assert (request.model, request.extra_headers) == ("m", {"X-N": "3"})


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    "given",
    ["Hi", {"role": "user", "content": "Hi"}, [{"role": "user", "content": "Hi"}], ({"role": "user", "content": "Hi"},)],
)
def test_ways_to_write_a_prompt(given: Any) -> None:
    assert normal_messages(given) == [{"role": "user", "content": "Hi"}]


def test_a_generator_of_messages() -> None:
    assert len(normal_messages({"role": "user", "content": str(n)} for n in range(3))) == 3


def test_empty_fields_are_left_out_but_an_assistants_content_is_not() -> None:
    """OpenAI's reference: an assistant message may have `content: null` when it has tool calls."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = normal_messages([{"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}])
    assert found == [{"role": "assistant", "content": None, "tool_calls": [call]}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "messages is empty"),
        (None, "messages must be a list, got NoneType"),
        (3, "messages must be a list, got int"),
        (b"Hi", "messages must be a list, got bytes"),
        (["Hi"], r"messages\[0\] must be a message, got str"),
        ([{"role": "user", "content": "Hi"}, 7], r"messages\[1\] must be a message, got int"),
        ([{"content": "Hi"}], r"messages\[0\] has no 'role'"),
        ([{"role": None, "content": "Hi"}], r"messages\[0\] has no 'role'"),
        ([{"role": "user", "content": float("nan")}], r"messages\[0\]\['content'\] is nan"),
        ([{"role": "user", "content": b"png"}], r"messages\[0\]\['content'\] is a bytes"),
        ([{"role": "user", "content": [{"image": object()}]}], r"messages\[0\]\['content'\]\[0\]\['image'\] is a object"),
    ],
)
def test_what_is_no_message(given: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        normal_messages(given)


@pytest.mark.parametrize(
    "content", [3, True, 1.5, {"type": "text", "text": "Hi"}, [], ["Hi"], [{"type": "text", "text": "Hi"}, "Ho"], [None]]
)
def test_content_of_another_kind(content: Any) -> None:
    """OpenAI's reference: `content` is a text or an array of parts, and an array has at least one."""
    with pytest.raises(BadRequestError, match=r"messages\[1\]: content must be a text or a list of parts") as raised:
        normal_messages([{"role": "system", "content": "Be."}, {"role": "user", "content": content}])
    assert "image_url" in str(raised.value.hint)


def test_a_message_that_contains_itself() -> None:
    message: dict[str, Any] = {"role": "user", "content": "Hi"}
    message["me"] = [message]
    with pytest.raises(BadRequestError, match=r"messages\[0\] contains itself"):
        normal_messages([message])


@pytest.mark.parametrize(
    "whole",
    [
        ModelResponse(choices=[Choices(message=Message(content="Hello!"))]),
        {"id": "x", "choices": [{"message": {"role": "assistant", "content": "Hello!"}}]},
        Choices(message=Message(content="Hello!")),
    ],
    ids=["ours", "dict", "choice"],
)
def test_a_whole_answer_in_place_of_its_message(whole: Any) -> None:
    with pytest.raises(BadRequestError, match=r"messages\[1\] has no 'role'") as raised:
        normal_messages([{"role": "user", "content": "Hi"}, whole])
    assert raised.value.hint == "of an answer r, append r.choices[0].message"
    with pytest.raises(BadRequestError) as raised:
        normal_messages([{"content": "Hi"}])
    assert raised.value.hint == "roles are system, developer, user, assistant, tool"


def test_a_hint_for_bytes() -> None:
    with pytest.raises(BadRequestError) as raised:
        plain(b"", "image")
    assert raised.value.hint is not None
    assert "data: URL" in raised.value.hint


# ---------------------------------------------------------------- values


class Point(BaseModel):
    x: int
    y: int | None = None


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        # Sorted by their JSON, so that kinds that don't compare don't matter: '"a"' < '1' < 'null'.
        ({"a", 1, None}, ["a", 1, None]),
        ({(2, 3), "b"}, ["b", [2, 3]]),
        (Point(x=1), {"x": 1}),
        ([Point(x=1, y=2)], [{"x": 1, "y": 2}]),
        ({1: "a"}, {"1": "a"}),
        (True, True),
    ],
)
def test_values_as_json(value: Any, data: Any) -> None:
    assert plain(value, "x") == data


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), [float("nan")], {"a": (float("inf"),)}])
def test_numbers_that_json_does_not_have(value: Any) -> None:
    with pytest.raises(BadRequestError, match="JSON can't say"):
        plain(value, "x")


@pytest.mark.parametrize("value", [object(), 1j, b"x", lambda: None])
def test_values_without_json(value: Any) -> None:
    with pytest.raises(BadRequestError, match="no JSON form"):
        build_request("m", "Hi", {"metadata": {"a": value}})


@pytest.mark.parametrize("value", ["f", {"type": "function"}, b"f", 3])
def test_a_list_is_a_list(value: Any) -> None:
    with pytest.raises(BadRequestError, match="tools must be a list"):
        build_request("m", "Hi", {"tools": value})
    assert as_list((1, 2), "x") == [1, 2]


@pytest.mark.parametrize("value", ["x", 3, ["a"], [("a", 1)]])
@pytest.mark.parametrize("name", ["extra_body", "extra_headers"])
def test_a_dict_is_a_dict(name: str, value: Any) -> None:
    with pytest.raises(BadRequestError, match=f"{name} must be a dict, got {type(value).__name__}"):
        build_request("m", "Hi", {}, **{name: value})


@pytest.mark.parametrize("value", ["x", True, ["include_usage"]])
def test_stream_options_are_a_dict(value: Any) -> None:
    with pytest.raises(BadRequestError, match=f"stream_options must be a dict, got {type(value).__name__}"):
        build_request("m", "Hi", {"stream_options": value}, stream=True)


def test_headers_of_none_are_not_given() -> None:
    request = build_request("m", "Hi", {}, extra_headers={"X-A": None, "X-B": ""})  # type: ignore[dict-item]
    assert request.extra_headers == {"X-B": ""}


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("wrong", "right"), [("temprature", "temperature"), ("max_token", "max_tokens"), ("tool_choise", "tool_choice")]
)
def test_a_misspelt_name(wrong: str, right: str) -> None:
    with pytest.raises(UnsupportedParamsError, match=wrong) as raised:
        check_names(["temperature", wrong], (), "openai", ())
    assert raised.value.hint is not None
    assert f"did you mean '{right}'?" in raised.value.hint
    assert (raised.value.params, raised.value.provider) == ((wrong,), "openai")


def test_options_are_suggested_and_native_names_are_known() -> None:
    with pytest.raises(UnsupportedParamsError) as raised:
        check_names(["num_retry"], (), "openai", ("num_retries",))
    assert "num_retries" in str(raised.value.hint)
    check_names(["top_k", "my_own_thing"], ("top_k",), "anthropic", ())
    check_names(sorted(OPENAI_PARAMS), (), "openai", ())


@pytest.mark.parametrize(("wrong", "right"), sorted(MEANT.items()))
def test_names_of_other_libraries(wrong: str, right: str) -> None:
    with pytest.raises(UnsupportedParamsError, match=f"there is no parameter '{wrong}'") as raised:
        check_names([wrong], (), "openai", ())
    assert str(raised.value.hint).startswith(f"did you mean {right!r}? ")
    assert raised.value.params == (wrong,)


@pytest.mark.parametrize(("wrong", "instead"), sorted(INSTEAD.items()))
def test_what_litellm_takes_beside_parameters(wrong: str, instead: str) -> None:
    """Sent on, it would be a field of the body that the provider refuses, or worse, doesn't."""
    with pytest.raises(UnsupportedParamsError, match=f"there is no parameter '{wrong}'") as raised:
        check_names([wrong], (), "openai", ())
    assert f"here it is {instead}." in str(raised.value.hint)


@pytest.mark.parametrize("wrong", sorted([*NOWHERE, *(place + "secret_thing" for place in PLACES)]))
def test_arguments_of_other_clients_go_into_no_body(wrong: str) -> None:
    """Some are credentials."""
    with pytest.raises(UnsupportedParamsError, match=f"there is no parameter '{wrong}'") as raised:
        check_names([wrong], (), "openai", ())
    assert str(raised.value.hint).startswith("leave it out. ")
    assert raised.value.params == (wrong,)
    check_names([wrong], (wrong,), "openai", ())  # where the provider has it, it is one


def test_names_that_several_providers_have() -> None:
    assert {"top_k", "min_p", "repetition_penalty"} == ELSEWHERE
    check_names(sorted(ELSEWHERE), (), "openai", ())
    assert not ELSEWHERE & OPENAI_PARAMS
    assert not (set(MEANT) | set(INSTEAD) | NOWHERE) & (OPENAI_PARAMS | ELSEWHERE)


def test_neutral_values_are_openais_defaults() -> None:
    """The defaults of "Create chat completion" in OpenAI's API reference."""
    assert OPENAI_PARAMS.issuperset(NEUTRAL)
    for name, value in {"temperature": 1, "top_p": 1, "n": 1, "frequency_penalty": 0, "presence_penalty": 0}.items():
        assert value in NEUTRAL[name]


@pytest.mark.parametrize("place", ["metadata", "extra_body"])
def test_what_contains_itself_is_no_json(place: str) -> None:
    cycle: dict[str, Any] = {}
    cycle["again"] = cycle
    params: dict[str, Any] = {"metadata": cycle} if place == "metadata" else {}
    extra: Any = {"extra_body": cycle} if place == "extra_body" else {}
    with pytest.raises(BadRequestError, match=f"{place} contains itself"):
        build_request("gpt-5-mini", "hi", params, **extra)
