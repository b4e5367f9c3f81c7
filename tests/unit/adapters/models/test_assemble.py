"""Chunks to the whole answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.adapters.models.assemble import Assembler
from insights.core.chunks import chunks_of
from insights.core.types import Chunk, ModelResponse


def chunk(*choices: dict[str, Any], **fields: Any) -> Chunk:
    return Chunk.model_validate({"id": "c-1", "created": 7, "model": "m-1", "choices": list(choices), **fields})


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "finish_reason": finish}


def assembled(*chunks: Chunk) -> ModelResponse:
    into = Assembler("acme", "asked-model")
    for one in chunks:
        into.add(one)
    return into.response()


def call(index: int | None, name: str | None = None, arguments: str = "", **fields: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {**place, **fields, "function": {"name": name, "arguments": arguments}}


def calls(found: ModelResponse) -> list[tuple[str | None, str | None, str]]:
    return [(c.id, c.function.name, c.function.arguments) for c in found.choices[0].message.tool_calls or ()]


def test_text_and_finish() -> None:
    found = assembled(
        chunk(delta(role="assistant", content="")),
        chunk(delta(content="Hello")),
        chunk(delta(content=" there")),
        chunk(delta(finish="stop")),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
    )
    assert (found.text, found.choices[0].finish_reason, found.choices[0].message.role) == ("Hello there", "stop", "assistant")
    assert (found.id, found.created, found.model, found.provider) == ("c-1", 7, "m-1", "acme")
    assert found.usage is not None
    assert found.usage.total_tokens == 5


def test_two_choices_do_not_mix() -> None:
    found = assembled(
        chunk(delta(0, content="a"), delta(1, content="x")),
        chunk(delta(1, content="y")),
        chunk(delta(0, content="b", finish="length")),
        chunk(delta(1, finish="stop")),
    )
    assert [(c.index, c.message.content, c.finish_reason) for c in found.choices] == [(0, "ab", "length"), (1, "xy", "stop")]


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), min_size=1, max_size=30))
def test_every_choice_gets_its_own_words(said: list[tuple[int, str]]) -> None:
    found = assembled(*(chunk(delta(index, content=text)) for index, text in said))
    for choice in found.choices:
        assert (choice.message.content or "") == "".join(text for index, text in said if index == choice.index)
    assert [choice.index for choice in found.choices] == sorted({index for index, _ in said})


def test_parallel_tools_interleaved() -> None:
    found = assembled(
        chunk(delta(tool_calls=[call(0, "weather", id="a"), call(1, "time", id="b")])),
        chunk(delta(tool_calls=[call(1, None, '{"zo')])),
        chunk(delta(tool_calls=[call(0, None, '{"city')])),
        chunk(delta(tool_calls=[call(0, None, '": 1}'), call(1, None, 'ne": 2}')])),
        chunk(delta(finish="tool_calls")),
    )
    assert calls(found) == [("a", "weather", '{"city": 1}'), ("b", "time", '{"zone": 2}')]
    assert found.choices[0].finish_reason == "tool_calls"


def test_tools_without_an_index_come_whole() -> None:
    found = assembled(
        chunk(delta(tool_calls=[call(None, "weather", "{}", id="a")])),
        chunk(delta(tool_calls=[call(None, "time", "{}", id="b")])),
    )
    assert calls(found) == [("a", "weather", "{}"), ("b", "time", "{}")]


def test_a_piece_without_index_and_id_goes_on_with_the_last() -> None:
    found = assembled(
        chunk(delta(tool_calls=[call(None, "weather", "{", id="a")])),
        chunk(delta(tool_calls=[call(None, None, "}")])),
    )
    assert calls(found) == [("a", "weather", "{}")]


def test_a_first_piece_without_index_and_id() -> None:
    assert calls(assembled(chunk(delta(tool_calls=[call(None, "weather", "{}")])))) == [(None, "weather", "{}")]


def test_calls_with_neither_index_nor_id() -> None:
    """Each names its function, so each is a call of its own; what names none goes on with the last."""
    found = assembled(
        chunk(delta(tool_calls=[call(None, "weather", '{"a": 1}', id="")])),
        chunk(delta(tool_calls=[call(None, "time", '{"b":', id="")])),
        chunk(delta(tool_calls=[call(None, None, " 2}")])),
    )
    assert [row[1:] for row in calls(found)] == [("weather", '{"a": 1}'), ("time", '{"b": 2}')]


def test_calls_out_of_order() -> None:
    found = assembled(*(chunk(delta(tool_calls=[call(index, "weather", id=f"t{index}")])) for index in (2, 0, 1)))
    assert calls(found) == [("t0", "weather", "{}"), ("t1", "weather", "{}"), ("t2", "weather", "{}")]


def test_every_call_under_index_0() -> None:
    """Seen in the wild: the id tells them apart, and pieces without one belong to the last."""
    found = assembled(
        chunk(delta(tool_calls=[call(0, "weather", '{"a"', id="a")])),
        chunk(delta(tool_calls=[call(0, None, ": 1}")])),
        chunk(delta(tool_calls=[call(0, "time", '{"b"', id="b")])),
        chunk(delta(tool_calls=[call(0, None, ": 2}")])),
    )
    assert calls(found) == [("a", "weather", '{"a": 1}'), ("b", "time", '{"b": 2}')]


def test_a_normal_end_with_tools_is_called_tool_calls() -> None:
    """Cohere, Gemini and Ollama say `stop` then; OpenAI's word for it is `tool_calls`."""
    found = assembled(chunk(delta(tool_calls=[call(0, "weather", "{}", id="a")])), chunk(delta(finish="stop")))
    assert found.choices[0].finish_reason == "tool_calls"
    cut = assembled(chunk(delta(tool_calls=[call(0, "weather", "{", id="a")])), chunk(delta(finish="length")))
    assert cut.choices[0].finish_reason == "length"


def test_fields_of_a_call_that_are_not_openais_are_kept() -> None:
    found = assembled(chunk(delta(tool_calls=[call(0, "weather", "{}", id="a", thought_signature="s")])))
    assert found["choices"][0]["message"]["tool_calls"][0]["thought_signature"] == "s"


def test_refusal_and_reasoning() -> None:
    found = assembled(
        chunk(delta(reasoning_content="Hm")),
        chunk(delta(reasoning_content="m.")),
        chunk(delta(refusal="I can't ")),
        chunk(delta(refusal="help.")),
    )
    message = found.choices[0].message
    assert (message.reasoning_content, message.refusal, message.content) == ("Hmm.", "I can't help.", None)


def test_logprobs_grow() -> None:
    one = {"token": "a", "logprob": -0.1, "top_logprobs": []}
    two = {"token": "b", "logprob": -0.2, "top_logprobs": []}
    found = assembled(
        chunk({**delta(content="a"), "logprobs": {"content": [one], "refusal": None}}),
        chunk({**delta(content="b"), "logprobs": {"content": [two], "refusal": None}}),
    )
    assert found.choices[0].logprobs == {"content": [one, two], "refusal": None}


def test_unknown_fields_grow_too() -> None:
    found = assembled(
        chunk(delta(citations=["u1"], meta={"a": 1}, note="x", flag=1), system_fingerprint="fp"),
        chunk(delta(citations=["u2"], meta={"b": 2}, note="y", flag=2), system_fingerprint="fp2"),
        chunk(delta(flag=None)),
    )
    message = found.choices[0].message
    assert (message["citations"], message["meta"], message["note"]) == (["u1", "u2"], {"a": 1, "b": 2}, "xy")
    assert message["flag"] == 2
    assert found["system_fingerprint"] == "fp2"


def test_fields_of_a_choice_are_kept() -> None:
    found = assembled(chunk({**delta(content="a"), "native_finish_reason": "eos"}))
    assert found.choices[0]["native_finish_reason"] == "eos"


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"role": "assistant"}, False),
        ({"content": ""}, False),
        ({"content": "a"}, True),
        ({"refusal": "a"}, True),
        ({"reasoning_content": "a"}, True),
        ({"tool_calls": [call(0, "weather")]}, True),
    ],
)
def test_what_counts_as_content(fields: dict[str, Any], seen: bool) -> None:
    into = Assembler("acme", "m")
    assert not into.has_content
    into.add(chunk(delta(**fields)))
    assert into.has_content is seen


def test_nothing_came() -> None:
    found = assembled()
    assert (found.choices, found.text, found.model) == ([], "", "asked-model")


def test_an_answer_in_one_piece_and_back() -> None:
    whole = assembled(
        chunk(delta(0, content="a", reasoning_content="r", tool_calls=[call(0, "weather", "{}", id="a")], finish="stop")),
        chunk(delta(1, content="b", finish="length")),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
    )
    again = assembled(*chunks_of(whole))
    assert again.choices == whole.choices
    assert again.usage == whole.usage
