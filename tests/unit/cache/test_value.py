"""What is stored of an answer: what comes out is what went in, or nothing; and what may not go in."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator, model_validator

from insights.cache.value import VERSION, Stored, Unreadable, not_storable, pack, thaw, thaw_chunks, unpack
from insights.core.types import Choices, Chunk, Cost, Delta, Function, Message, ModelResponse, StreamingChoices, ToolCall

# JSON texts: what the answers and the chunks are, which have no line breaks and no half characters.
TEXTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(json.dumps)
TIMES = st.floats(0, 1e11, exclude_max=True, allow_subnormal=False)


def answered(text: str = "Hello!", finish_reason: str | None = "stop", **more: Any) -> ModelResponse:
    message = Message(content=text, **more.pop("message", {}))
    return ModelResponse(choices=[Choices(finish_reason=finish_reason, message=message)], **more)


def parsing(found: ModelResponse, parse_as: Any) -> ModelResponse:
    found._parse_as = parse_as
    return found


# ---------------------------------------------------------------- the form


@given(st.text(), TEXTS, st.lists(TEXTS), TIMES)
def test_packed_and_unpacked(key: str, answer: str, chunks: list[str], at: float) -> None:
    found = unpack(key, pack(key, answer, chunks, at=at))
    assert found == Stored(at, answer.encode(), f"[{','.join(chunks)}]".encode())


def test_the_form_is_readable() -> None:
    value = pack("the key", '{"a": 1}', ['{"b": 2}', '{"c": 3}'], at=1.5)
    head, answer, chunks = value.split(b"\n")
    data = b'{"a": 1}\n[{"b": 2},{"c": 3}]'
    assert json.loads(head) == {"v": VERSION, "at": 1.5, "sha256": hashlib.sha256(b"the key\n1.5\n" + data).hexdigest()}
    assert answer + b"\n" + chunks == data


@pytest.mark.parametrize("at", [0, 1, 1_700_000_000, 1.0, 0.1, 1e-7])
def test_any_time(at: float) -> None:
    assert unpack("k", pack("k", "{}", at=at)).at == at


@pytest.mark.parametrize("at", [-1, 1e300, 10**400])
def test_no_time(at: float) -> None:
    with pytest.raises(Unreadable):
        unpack("k", pack("k", "{}", at=at))


def test_half_a_character_is_not_packed() -> None:
    with pytest.raises(UnicodeEncodeError):
        pack("k", '"\ud83d"', at=1.0)


@given(TEXTS, st.lists(TEXTS, max_size=2), st.data())
def test_a_flipped_bit_is_seen(answer: str, chunks: list[str], data: st.DataObject) -> None:
    value = pack("k", answer, chunks, at=1234.5)
    spoilt = bytearray(value)
    spoilt[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = unpack("k", bytes(spoilt))
    except Unreadable:
        return
    assert found == unpack("k", value)


def test_every_bit_of_one_value() -> None:
    value = pack("k", '{"id": "x"}', ['{"id": "y"}'], at=1234.5)
    right, equal = unpack("k", value), 0
    for place in range(8 * len(value)):
        spoilt = bytearray(value)
        spoilt[place // 8] ^= 1 << place % 8
        try:
            found = unpack("k", bytes(spoilt))
        except Unreadable:
            continue
        assert found == right
        equal += 1
    assert equal < 8, "hardly any bit of it says nothing"


@given(TEXTS, st.integers(0, 300))
def test_a_piece_of_a_value_is_none(answer: str, length: int) -> None:
    value = pack("k", answer, at=1.0)
    if length < len(value):
        with pytest.raises(Unreadable):
            unpack("k", value[:length])
    with pytest.raises(Unreadable):
        unpack("k", value + b"x" * (length + 1))


@given(st.text(), st.text(), TEXTS)
def test_a_value_serves_its_own_key_only(one: str, other: str, answer: str) -> None:
    value = pack(one, answer, at=1.0)
    if one != other:
        with pytest.raises(Unreadable, match="damaged"):
            unpack(other, value)


def test_a_time_is_not_changed_unseen() -> None:
    """Who makes an answer look younger makes it serve longer than a caller allows."""
    value = pack("k", "{}", at=1000.0)
    with pytest.raises(Unreadable, match="damaged"):
        unpack("k", value.replace(b"1000.0", b"9000.0", 1))


@pytest.mark.parametrize(("version", "newer"), [(VERSION + 1, True), (99, True), (VERSION - 1, False), (0, False), (-1, False)])
def test_another_version(version: int, newer: bool) -> None:
    """Known by its number alone: whatever else has changed. A newer one is left where it is, for whom it is from."""
    with pytest.raises(Unreadable, match="a newer" if newer else "an older") as caught:
        unpack("k", json.dumps({"v": version}).encode() + b"\nwho knows")
    assert (caught.value.newer, caught.value.older) == (newer, not newer)
    assert str(caught.value) == caught.value.reason


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\n",
        b"{}\n{}",
        b"[]\n",
        b"null\n",
        b"2\n",
        b'"v"\n',
        b'{"v": "2"}\n',
        b'{"v": 2.0}\n',
        b'{"v": null}\n',
        b'{"v": 2}\nx',
        b'{"v": 2, "at": 1.0}\n{}\n[]',
        b'{"v": 2, "at": "1.0", "sha256": ""}\n{}\n[]',
        b'{"v": 2, "at": null, "sha256": null}\n{}\n[]',
        b'{"v": 2, "sha256": "%s"}\n{}\n[]' % hashlib.sha256(b"k\nNone\n{}\n[]").hexdigest().encode(),
        b"\xff\n",
        b"\x80\x04.",
        b"[" * 100_000,
        b'{"v":' * 100_000,
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_none_of_ours(value: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged") as caught:
        unpack("k", value)
    assert not caught.value.newer
    assert not caught.value.older


@given(st.binary())
def test_any_bytes_are_no_answer(value: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack("k", value)


# ---------------------------------------------------------------- thawing


def stored(answer: str | bytes, chunks: bytes = b"[]") -> Stored:
    return Stored(1.0, answer.encode() if isinstance(answer, str) else answer, chunks)


def test_an_answer_comes_back_as_it_was() -> None:
    first = answered("Hé\n", id="x", model="m", provider="openai", of_its_own={"a": [1]})
    found = thaw(stored(first.model_dump_json(exclude={"trace"})), None)
    assert found.cached
    assert found.model_dump(exclude={"cached", "cost"}) == first.model_dump(exclude={"cached", "cost"})
    assert found.cost == Cost(), "a hit costs nothing, also where the price is not known"


def test_what_it_cost_is_what_it_saves() -> None:
    cost = Cost(total=Decimal("0.0123"), input=Decimal("0.01"), output=Decimal("0.0023"), price_source="p", price_date="d")
    found = thaw(stored(answered(cost=cost).model_dump_json()), None)
    assert found.cost == Cost(saved=Decimal("0.0123"), price_source="p", price_date="d")
    assert found.cost_saved == Decimal("0.0123")
    assert found.cost.total == 0


def test_each_thaw_is_a_new_object() -> None:
    kept = stored(answered("Hello!").model_dump_json(), b"[{}]")
    thaw(kept, None).choices[0].message.content = "spoilt"
    thaw_chunks(kept)[0].id = "spoilt"
    assert thaw(kept, None).text == "Hello!"
    assert thaw_chunks(kept)[0].id is None


def test_it_is_parsed_as_this_call_wants_it() -> None:
    assert thaw(stored(answered('{"a": 1}').model_dump_json()), dict).parsed == {"a": 1}
    assert thaw(stored(answered('{"a": 1}').model_dump_json()), None).parsed is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b'{"choices": 1}',
        b'{"choices": [1]}',
        b'{"created": "x"}',
        b"\xff",
        b'{"id": 1}',
        b'{"cost": {"total": "x"}}',
        b'{"choices": [{"message": {"content": {}}}]}',
        b'{"a":' * 5000,
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_json_that_is_no_answer(answer: bytes) -> None:
    with pytest.raises(Unreadable, match="the stored answer is damaged"):
        thaw(stored(answer), None)


def test_chunks_come_back_as_they_were() -> None:
    chunks = [Chunk(id="x", choices=[StreamingChoices(delta=Delta(content=text))]) for text in "ab"]
    written = [chunk.model_dump_json(exclude_unset=True) for chunk in chunks]
    kept = unpack("k", pack("k", "{}", written, at=1.0))
    assert thaw_chunks(kept) == chunks
    assert thaw_chunks(unpack("k", pack("k", "{}", at=1.0))) == []


@pytest.mark.parametrize(
    "chunks", [b"", b"[", b"{}", b"null", b"[1]", b"[[]]", b'[{"choices": 1}]', b"\xff", b'[{"created": []}]']
)
def test_json_that_is_no_chunks(chunks: bytes) -> None:
    with pytest.raises(Unreadable, match="the stored chunks are damaged"):
        thaw_chunks(stored("{}", chunks))


# ---------------------------------------------------------------- what may be stored


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "function_call"])
def test_a_finished_answer_may(reason: str) -> None:
    assert not_storable(answered(finish_reason=reason)) is None


@pytest.mark.parametrize("reason", [None, "", "content_filter", "error", "cancelled", "STOP", "stop "])
def test_an_unfinished_or_filtered_one_may_not(reason: str | None) -> None:
    assert not_storable(answered(finish_reason=reason)) == f"finish_reason is {reason!r}"


def test_one_unfinished_choice_is_enough() -> None:
    found = answered()
    found.choices += [Choices(index=1, finish_reason="stop"), Choices(index=2, finish_reason="content_filter")]
    assert not_storable(found) == "finish_reason is 'content_filter'"
    assert not_storable(ModelResponse()) == "the answer has no choices"


class City(BaseModel):
    name: str


class Picky(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        if name == "Berlin":
            raise ValueError("not that one")
        raise RuntimeError("a mistake of the validator")


class Broken(BaseModel):
    @model_validator(mode="after")
    def _check(self) -> Broken:
        raise KeyError("a mistake of the validator")


NOT_ASKED_FOR = "the answer isn't what response_format asks for"


@pytest.mark.parametrize(
    ("text", "parse_as", "said"),
    [
        ('{"name": "Rom"}', City, None),
        ('{"name": "Rom"}', dict, None),
        ("[1]", dict, None),
        ('{"name": 1}', City, NOT_ASKED_FOR),
        ('{"name": "Ro', City, NOT_ASKED_FOR),
        ("", City, NOT_ASKED_FOR),
        ('{"name": "Ro', dict, NOT_ASKED_FOR),
        ("", dict, NOT_ASKED_FOR),
        ("Here you are: {}", dict, NOT_ASKED_FOR),
        ('{"name": "Berlin"}', Picky, NOT_ASKED_FOR),
        ('{"name": "Rom"}', Picky, NOT_ASKED_FOR),
        ("{}", Broken, NOT_ASKED_FOR),
        ("no JSON", None, None),
    ],
)
def test_what_was_asked_for(text: str, parse_as: Any, said: str | None) -> None:
    assert not_storable(parsing(answered(text), parse_as)) == said


def test_a_tool_call_comes_before_the_form() -> None:
    """A model that calls a tool first has not answered in the form yet, and is right."""
    call = ToolCall(id="1", function=Function(name="f", arguments="{}"))
    found = answered("", "tool_calls", message={"tool_calls": [call]})
    assert not_storable(parsing(found, City)) is None
    assert not_storable(parsing(answered("", "stop", message={"tool_calls": []}), City)) == NOT_ASKED_FOR


def test_a_cut_off_answer_in_a_form_may_not() -> None:
    assert not_storable(parsing(answered('{"name": "Ro', "length"), City)) == NOT_ASKED_FOR
    assert not_storable(parsing(answered('{"name": "Rom"}', "length"), City)) is None
