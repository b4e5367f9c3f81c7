"""Equal requests, equal keys; other requests, other keys, and it can be said why; and nothing secret in them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insights.cache.key import VERSION, cache_key, differences, key_fields
from insights.core.request import build_request, canonical_json

from .tools import stress

PLACES = ("provider", "model", "base", "options", "namespace", "sample", "drop_params", "defaults")


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
        {"headers": {}},
        {"extra_body": {}},
        {"sample": 0},
        {"namespace": ""},
        {"drop_params": False},
        {"defaults": {"temperature": 1}},
        {"messages": [{"role": "user", "content": "Hi", "name": None}]},
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
        {"sample": 1},
        {"drop_params": True},
        {"messages": [{"role": "user", "content": "Hi", "name": ""}]},
        {"messages": [{"role": "user", "content": "Hi", "extra": {"a": None}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Hi"}]},
        {"headers": {"X-Team": ""}},
        {"my_own": {}},
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


# ---------------------------------------------------------------- one spelling for one meaning


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0, -0.0), (0, 0.0), (-3, -3.0), (2**53 - 1, float(2**53 - 1))])
def test_a_whole_number_has_one_spelling(one: int, other: float) -> None:
    assert key(temperature=one) == key(temperature=other)
    assert key(my_own={"a": [one]}) == key(my_own={"a": [other]})
    assert key(extra_body={"a": one}) == key(extra_body={"a": other})
    assert key([{"role": "user", "content": "Hi", "a": one}]) == key([{"role": "user", "content": "Hi", "a": other}])


ALL_DIFFERENT = [
    0,
    1,
    True,
    False,
    "1",
    "",
    0.5,
    1.5,
    1e-7,
    -1,
    None,
    [],
    [1],
    [True],
    ["1"],
    {},
    {"a": 1},
    [[]],
    [None],
    2**53,
]
ALL_DIFFERENT += [2**53 + 1, 1e300, "true", "null", {"a": None}, {"1": 1}]


def test_what_python_calls_equal_is_not_all_the_same() -> None:
    """True is 1 for Python, and not for a provider."""
    nested = [fields(my_own={"x": value}) for value in ALL_DIFFERENT]
    assert len({cache_key(one) for one in nested}) == len(ALL_DIFFERENT)
    for index, one in enumerate(nested):
        for place, other in enumerate(nested):
            assert bool(differences(one, other)) is (index != place)


def test_a_large_float_is_not_taken_for_an_integer() -> None:
    """From 2**53 on a float stands for several integers."""
    assert key(my_own=float(2**60)) != key(my_own=2**60)
    assert key(my_own=float(2**60)) == key(my_own=float(2**60))


NEUTRAL: dict[str, Any] = {
    "n": 1,
    "stop": [],
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "logprobs": False,
    "logit_bias": {},
    "metadata": {},
    "modalities": ["text"],
    "response_format": {"type": "text"},
    "store": False,
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_default_that_is_every_providers(name: str) -> None:
    given = {name: NEUTRAL[name]}
    assert key(**given, defaults={}) == key(defaults={}) == key()
    assert fields(**given, defaults={}) == fields()
    anywhere = name in ("n", "stop", "tools", "logit_bias", "metadata")
    assert (key(**given) == key()) is anywhere, "what somebody else's server takes for it nobody knows"


@pytest.mark.parametrize(
    "said",
    [
        {"n": 2},
        {"n": True},
        {"stop": ["x"]},
        {"stop": ""},
        {"tool_choice": "none"},
        {"parallel_tool_calls": False},
        {"parallel_tool_calls": 1},
        {"logprobs": True},
        {"logprobs": 0},
        {"logit_bias": {"1": 2}},
        {"modalities": ["text", "audio"]},
        {"modalities": []},
        {"store": True},
        {"store": 0},
        {"temperature": 1},
        {"top_p": 1},
        {"frequency_penalty": 0},
        {"presence_penalty": 0},
        {"service_tier": "auto"},
    ],
    ids=str,
)
def test_what_is_no_default_everywhere(said: dict[str, Any]) -> None:
    """OpenAI's default temperature is 1, and other providers have others."""
    assert key(**said) != key()


def test_defaults_of_one_provider() -> None:
    defaults = {"temperature": 1, "my_own": {"a": 1}, "n": 3}
    same: list[dict[str, Any]] = [{"temperature": 1}, {"temperature": 1.0}, {"my_own": {"a": 1}}, {"n": 3}]
    for said in same:
        assert key(defaults=defaults, **said) == key(defaults=defaults)
    other: list[dict[str, Any]] = [{"temperature": True}, {"temperature": 0}, {"my_own": {"a": 2}}, {"n": 1}]
    for said in other:
        assert key(defaults=defaults, **said) != key(defaults=defaults)
    assert key(defaults=defaults, seed=1) == key(seed=1), "they are not in the key themselves"


def test_one_stop_is_a_list_of_one() -> None:
    assert key(stop="x") == key(stop=["x"])
    assert key(stop="xy") != key(stop=["x", "y"])
    assert key(my_own="x") != key(my_own=["x"])


def test_a_message_without_and_with_nothing() -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    assert key([call]) == key([{**call, "content": None}])
    assert key([call]) != key([{**call, "content": ""}])


@pytest.mark.parametrize(
    "same",
    [
        "https://x.example/",
        "https://x.example//",
        "https://X.Example",
        "HTTPS://x.example",
        "https://x.example:443",
        "https://x.example:443/",
    ],
)
def test_one_base_url_in_many_spellings(same: str) -> None:
    assert key(base=same) == key(base="https://x.example")


@pytest.mark.parametrize(
    "other",
    [
        "http://x.example",
        "https://x.example:80",
        "https://x.example:8443",
        "https://x.example/v1",
        "https://y.example",
        "https://x.example.org",
        "https://x.example:99999",
        "https://[x",
    ],
)
def test_another_base_url(other: str) -> None:
    assert key(base=other) != key(base="https://x.example")


def test_the_port_that_goes_without_saying() -> None:
    assert key(base="http://localhost:80/v1") == key(base="http://localhost/v1/")
    assert key(base="http://localhost:443") != key(base="http://localhost")
    assert key(base="https://x.example/V1") != key(base="https://x.example/v1"), "a path has case"


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "name", ["X-My-Key", "my-token", "X-Tenant-Secret", "X-Password", "my-credential", "Cookie", "X-Authorization"]
)
def test_a_header_that_looks_secret(name: str) -> None:
    """It may say which tenant asks, so it is in the key; what it says is nobody else's to read."""
    one, two = fields(headers={name: "canary one"}), fields(headers={name: "canary two"})
    assert cache_key(one) != cache_key(two)
    assert cache_key(one) != key()
    assert cache_key(one) == key(headers={name.upper(): "canary one"})
    assert "canary" not in repr(one)
    assert one["extra_headers"] == {name.lower(): "sha256:" + hashlib.sha256(b"canary one").hexdigest()}
    assert differences(one, two) == [f"extra_headers.{name.lower()}"]


def test_half_a_character_in_a_header_that_looks_secret() -> None:
    assert key(headers={"X-My-Key": "\ud83d"}) != key(headers={"X-My-Key": "\ud83e"})


CREDENTIALS = """Authorization Proxy-Authorization API-Key X-API-Key X-Goog-API-Key X-Auth-Token X-Amz-Security-Token
Ocp-Apim-Subscription-Key""".split()


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_header_that_says_who_asks(name: str) -> None:
    assert key(headers={name: "canary"}) == key() == key(headers={name.lower(): "other"})


# ---------------------------------------------------------------- what the fields are, and how they differ


def test_the_fields() -> None:
    found = fields(seed=7, extra_body={"a": 1}, headers={"X-Team": "a"}, options={"region": "eu"}, sample=2, namespace="n")
    assert found == {
        "version": VERSION,
        "namespace": "n",
        "sample": 2,
        "provider": "openai",
        "model": "m",
        "api_base": "https://x.example",
        "drop_params": False,
        "messages": [{"role": "user", "content": "Hi"}],
        "params": {"seed": 7},
        "extra_body": {"a": 1},
        "extra_headers": {"x-team": "a"},
        "options": {"region": "eu"},
    }
    assert cache_key(found) == hashlib.sha256(canonical_json(found).encode()).hexdigest()


def test_a_new_form_of_the_key_knows_no_old_answers() -> None:
    found = fields()
    assert cache_key({**found, "version": VERSION + 1}) != cache_key(found)
    assert differences(found, {**found, "version": VERSION + 1}) == ["version"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"messages": "Ho"}, ["messages[0].content"]),
        ({"messages": [{"role": "user", "content": "Hi", "name": "a"}]}, ["messages[0].name"]),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Ho"}]}, ["messages[1]"]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}, ["messages[0].content"]),
        ({"temperature": 0.5}, ["temperature"]),
        ({"a": {"b": [1, {"c": 3}]}}, ["a.b[1].c"]),
        ({"a": {"b": [1]}}, ["a.b[1]"]),
        ({"a": {"b": [True, {"c": 2}]}}, ["a.b[0]"]),
        ({"a": {"b": [1.0, {"c": 2.0}]}}, []),
        ({"a": {}}, ["a.b"]),
        ({"a": None}, ["a"]),
        ({"a": []}, ["a"]),
        ({"extra_body": {"x": 1}}, ["extra_body.x"]),
        ({"headers": {"X-Team": "a"}}, ["extra_headers.x-team"]),
        ({"options": {"region": "eu"}}, ["options.region"]),
        ({"provider": "azure", "model": "n", "base": "https://y.example"}, ["provider", "model", "api_base"]),
        ({"namespace": "n", "sample": 1, "drop_params": True}, ["namespace", "sample", "drop_params"]),
        ({"seed": 1, "top_p": 0.5}, ["seed", "top_p"]),
        ({"params": 1}, ["params"]),
    ],
    ids=str,
)
def test_how_they_differ(other: dict[str, Any], named: list[str]) -> None:
    base: dict[str, Any] = {"a": {"b": [1, {"c": 2}]}}
    one, two = fields(**base), fields(**{**base, **other})
    assert differences(one, two) == named
    assert sorted(differences(two, one)) == sorted(named)
    assert (cache_key(one) == cache_key(two)) is (named == [])


# ---------------------------------------------------------------- any request

EXAMPLES = stress("EXAMPLES", 200)

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(-1e6, 1e6),
    st.text(max_size=8),
)
NAMES = st.text("abcdefgh_XYZ-é", min_size=1, max_size=5)
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)
BODIES = st.dictionaries(NAMES, DATA, max_size=3)
TEXT = st.text(max_size=12)

PARTS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}),
        st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": TEXT})}),
    ),
    min_size=1,
    max_size=2,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"id": TEXT, "type": st.just("function"), "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT})}
    ),
    max_size=2,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXT | PARTS},
        optional={
            "name": TEXT,
            "tool_calls": CALLS,
            "tool_call_id": TEXT,
            "of_its_own": DATA.filter(lambda data: data is not None),
        },
    ),
    min_size=1,
    max_size=3,
)
SCHEMAS = st.fixed_dictionaries({"type": st.just("object"), "description": TEXT, "properties": BODIES})
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": TEXT, "description": TEXT, "parameters": SCHEMAS}),
        }
    ),
    min_size=1,
    max_size=2,
)
FORMATS = st.fixed_dictionaries(
    {"type": st.just("json_schema"), "json_schema": st.fixed_dictionaries({"name": TEXT, "schema": SCHEMAS})}
)
GIVEN = DATA.filter(lambda data: data is not None)  # None says "not given"
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "max_tokens": st.integers(1, 10**6),
        "n": st.integers(2, 9),
        "seed": st.integers(),
        "stop": st.lists(TEXT, min_size=1, max_size=3),
        "logit_bias": st.dictionaries(NAMES, st.integers(-100, 100), min_size=1, max_size=2),
        "user": TEXT,
        "tools": TOOLS,
        "response_format": FORMATS,
        "params": GIVEN,
        "a_providers_own": GIVEN,
        "another": GIVEN,
    },
)
REQUESTS = st.fixed_dictionaries(
    {
        "provider": st.sampled_from(["openai", "azure"]),
        "model": TEXT,
        "base": st.sampled_from(["https://x.example", "https://x.example/v1", "http://localhost:8080"]),
        "namespace": TEXT,
        "sample": st.integers(0, 9),
        "drop_params": st.booleans(),
        "options": st.dictionaries(st.sampled_from(["region", "vertex_project", "api_version"]), TEXT),
        "headers": st.dictionaries(st.sampled_from(["X-Team", "anthropic-beta", "X-My-Key", "HTTP-Referer"]), TEXT),
        "extra_body": BODIES,
        "messages": MESSAGES,
        "params": PARAMS,
    }
)


def of_request(request: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in request.items() if name != "params"}
    return fields(**rest, **request["params"])


# A part's type decides what a part is, and a tool's what is done to it: these are not changed.
FIXED = ("type",)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be changed: at each leaf, and at each container that is empty."""
    if isinstance(data, dict) and data:
        for name, value in data.items():
            if name not in FIXED:
                yield from places(value, (*path, name))
    elif isinstance(data, list) and data:
        for index, value in enumerate(data):
            yield from places(value, (*path, index))
    else:
        yield path


def changed(value: Any) -> Any:
    """Another value, which means something else too."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 0.75
    return "x" if value is None else [*value, "x"] if isinstance(value, list) else {**value, "x": 1}


def changed_at(data: Any, path: tuple[Any, ...]) -> Any:
    """A copy in which one thing is another."""
    if not path:
        return changed(data)
    made = copy.copy(data)
    made[path[0]] = changed_at(data[path[0]], path[1:])
    return made


def said_of(path: tuple[Any, ...], value: Any) -> str:
    """How `differences` should name a place in a request."""
    first = {"base": "api_base", "headers": "extra_headers"}.get(path[0], path[0])
    rest = [step.lower() if path[0] == "headers" else step for step in path[1:]]
    if isinstance(value, list):
        rest.append(0)
    elif isinstance(value, dict):
        rest.append("x")
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)
    return said.removeprefix(".") if first == "params" else first + said


BUSY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@BUSY
@given(REQUESTS, st.data())
def test_one_thing_changed_is_another_key(request: dict[str, Any], data: st.DataObject) -> None:
    """And it is told which: exactly one difference, by its name."""
    able = [path for path in places(request) if path not in ((), ("params",), ("messages",))]
    path = data.draw(st.sampled_from(able), label="changed")
    other = changed_at(request, path)
    value: Any = request
    for step in path:
        value = value[step]
    one, two = of_request(request), of_request(other)
    assert cache_key(one) != cache_key(two)
    assert differences(one, two) == differences(two, one) == [said_of(path, value)]


@BUSY
@given(REQUESTS, GIVEN, st.sampled_from(["params", "extra_body", "headers", "options", "messages"]))
def test_one_thing_more_is_another_key(request: dict[str, Any], value: Any, where: str) -> None:
    """Nothing that is given is overlooked, known by name or not."""
    other = copy.deepcopy(request)
    if where == "messages":
        other["messages"][-1]["never_heard_of"] = value
        named = f"messages[{len(request['messages']) - 1}].never_heard_of"
    else:
        other[where]["never_heard_of"] = value if where in ("params", "extra_body") else "x"
        named = {"params": "", "headers": "extra_headers."}.get(where, f"{where}.") + "never_heard_of"
    one, two = of_request(request), of_request(other)
    assert cache_key(one) != cache_key(two)
    assert differences(one, two) == differences(two, one) == [named]


def shuffled(data: Any, draw: Any) -> Any:
    """The same, with the keys of every dict in another order."""
    if isinstance(data, dict):
        return {name: shuffled(data[name], draw) for name in draw(st.permutations(list(data)))}
    return [shuffled(item, draw) for item in data] if isinstance(data, list) else data


@BUSY
@given(REQUESTS, st.data())
def test_another_order_is_the_same_key(request: dict[str, Any], data: st.DataObject) -> None:
    other = shuffled(request, data.draw)
    one, two = of_request(request), of_request(other)
    assert cache_key(one) == cache_key(two)
    assert differences(one, two) == []
