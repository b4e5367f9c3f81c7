"""What an answer is: access, and round trips through JSON that change nothing."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from insights.core.errors import APIResponseValidationError
from insights.core.types import (
    Attempt,
    Choices,
    Chunk,
    Cost,
    Delta,
    Function,
    Message,
    ModelResponse,
    StreamingChoices,
    ToolCall,
    Trace,
    Usage,
)


def whole() -> ModelResponse:
    """An answer with everything in it: OpenAI's fields, a provider's own, exact costs, and a trace."""
    return ModelResponse.model_validate(
        {
            "id": "chatcmpl-1",
            "created": 1741569952,
            "model": "gpt-4o-audio",
            "provider": "openai",
            "system_fingerprint": "fp_1",
            "citations": [{"url": "https://x.example", "score": 0.1}],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "native_finish_reason": "tool_use",
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "refusal": None,
                        "audio": {"id": "audio_1", "data": "UklGRg==", "expires_at": 1, "transcript": "Hi"},
                        "annotations": [],
                        "tool_calls": [
                            {
                                "id": "call_1",
                                "type": "function",
                                "function": {"name": "f", "arguments": '{"a": "ü\u2028"}', "strict": True},
                                "extra_content": {"google": {"thought_signature": "abc"}},
                            }
                        ],
                    },
                    "logprobs": {
                        "content": [{"token": "Hi", "logprob": -0.31725305, "bytes": [72, 105], "top_logprobs": []}],
                        "refusal": None,
                    },
                }
            ],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "text_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 2, "accepted_prediction_tokens": 1},
                "queue_time": 0.027,
            },
            "cost": {"total": "0.000000000000000000123456789", "input": "1E-10", "saved": "0.10"},
            "trace": {"attempts": [{"model": "m", "provider": "openai", "started": 1.25}], "notes": ["a note"]},
        }
    )


def test_json_and_back() -> None:
    one = whole()
    two = ModelResponse.model_validate_json(one.model_dump_json())
    assert two == one
    assert two.model_dump() == one.model_dump()
    assert two.cost is not None
    assert two.cost.total == Decimal("0.000000000000000000123456789")
    assert two["citations"][0]["score"] == 0.1
    assert two.choices[0]["native_finish_reason"] == "tool_use"
    assert two.choices[0].message["audio"]["transcript"] == "Hi"
    assert two.choices[0].logprobs is not None
    assert two.choices[0].logprobs["content"][0]["logprob"] == -0.31725305
    assert two.choices[0].message.tool_calls is not None
    assert two.choices[0].message.tool_calls[0]["extra_content"] == {"google": {"thought_signature": "abc"}}
    assert two.usage is not None
    assert two.usage["queue_time"] == 0.027


def test_pickle_and_back() -> None:
    assert pickle.loads(pickle.dumps(whole())) == whole()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MONEY = st.decimals(min_value=0, max_value=10**6, allow_nan=False, places=18)


@given(text=st.text() | st.none(), extra=JSON, total=MONEY, finish=st.sampled_from(["stop", "length", None]))
def test_any_answer_survives_json(text: str | None, extra: Any, total: Decimal, finish: str | None) -> None:
    one = ModelResponse.model_validate(
        {
            "choices": [{"message": {"content": text, "house": extra}, "finish_reason": finish, "x": extra}],
            "cost": {"total": total},
            "field_nobody_knows": extra,
        }
    )
    assert ModelResponse.model_validate_json(one.model_dump_json()) == one


def test_other_answers_are_not_equal() -> None:
    one, two = whole(), whole()
    assert one == two
    two.choices[0].message["audio"]["transcript"] = "Ho"
    assert one != two
    assert one != one.model_dump()
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


# ---------------------------------------------------------------- access


def test_attribute_and_item_are_the_same() -> None:
    found = whole()
    assert found["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "f"
    assert found.choices[0].message.tool_calls is not None
    assert found.choices[0].message.tool_calls[0].function.name == "f"
    assert found["system_fingerprint"] == found.get("system_fingerprint") == "fp_1"
    found["model"] = "other"
    found["own"] = 1
    assert (found.model, found["own"]) == ("other", 1)


def test_fields_that_are_not_there() -> None:
    found = whole()
    with pytest.raises(KeyError, match="nothing"):
        found["nothing"]
    assert found.get("nothing") is None
    assert found.get("nothing", 7) == 7
    assert "nothing" not in found
    assert "choices" in found
    assert "citations" in found
    assert "model_dump" not in found


def test_as_a_mapping() -> None:
    usage = Usage(prompt_tokens=1, queue_time=2.0)  # type: ignore[call-arg]  # a provider's own field
    assert dict(usage)["prompt_tokens"] == 1
    assert dict(usage)["queue_time"] == 2.0
    assert {**usage}["total_tokens"] == 0
    assert set(usage.keys()) == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "billed_prompt_tokens",
        "billed_completion_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "queue_time",
    }


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (ModelResponse(), ""),
        (ModelResponse(choices=[Choices()]), ""),
        (ModelResponse(choices=[Choices(message=Message(content="one")), Choices(message=Message(content="two"))]), "one"),
    ],
)
def test_text(answer: ModelResponse, text: str) -> None:
    assert answer.text == str(answer) == text


def test_repr_is_short() -> None:
    found = ModelResponse(model="m", choices=[Choices(message=Message(content="x" * 100))])
    assert repr(found) == "ModelResponse(model='m', text='" + "x" * 59 + "…', cost=unknown, cached=False)"
    found = ModelResponse(model="m", choices=[Choices(message=Message(content="y" * 60))], cost=Cost(total=Decimal("0.5")))
    assert repr(found) == "ModelResponse(model='m', text='" + "y" * 60 + "', cost=$0.5, cached=False)"


# ---------------------------------------------------------------- parsed


class City(BaseModel):
    name: str


def parsed_of(text: str, parse_as: Any) -> Any:
    found = ModelResponse(provider="openai", choices=[Choices(message=Message(content=text), finish_reason="stop")])
    found._parse_as = parse_as
    return found.parsed


def test_parsed() -> None:
    assert parsed_of('{"name": "Paris"}', City) == City(name="Paris")
    assert parsed_of('{"name": "Paris"}', dict) == {"name": "Paris"}
    assert parsed_of("[1]", dict) == [1]
    assert parsed_of("anything", None) is None


@pytest.mark.parametrize(("text", "parse_as"), [("Paris", City), ('{"town": "Paris"}', City), ("Paris", dict), ("", dict)])
def test_parsed_that_does_not_fit(text: str, parse_as: Any) -> None:
    with pytest.raises(APIResponseValidationError, match="response_format") as raised:
        parsed_of(text, parse_as)
    assert raised.value.provider == "openai"
    assert "'stop'" in str(raised.value.hint)


def test_parsed_of_nothing() -> None:
    found = ModelResponse()
    found._parse_as = dict
    with pytest.raises(APIResponseValidationError):
        _ = found.parsed


# ---------------------------------------------------------------- money and traces


@pytest.mark.parametrize(
    ("total", "text"),
    [("0", "$0"), ("0.000123", "$0.000123"), ("1E-10", "$0.0000000001"), ("100", "$100"), ("0.10", "$0.1"), ("1E+3", "$1000")],
)
def test_money_is_written_out(total: str, text: str) -> None:
    assert str(Cost(total=Decimal(total))) == text


def test_money_as_a_number() -> None:
    assert float(Cost(total=Decimal("0.25"))) == 0.25
    assert ModelResponse().cost_saved == 0
    assert ModelResponse(cost=Cost(saved=Decimal("0.1"))).cost_saved == Decimal("0.1")


def test_a_trace_reads_as_a_story() -> None:
    trace = Trace(
        cache="miss",
        attempts=[
            Attempt(
                model="m", provider="a", started=1, duration=1.234, status_code=429, error="RateLimitError", decision="retry"
            ),
            Attempt(model="m", provider="a", started=1, duration=0.5, error="Timeout", decision="next"),
            Attempt(model="n", provider="b", started=1, duration=2, status_code=200),
            Attempt(model="n", provider="c", started=1),
        ],
        notes=["dropped seed"],
    )
    assert str(trace).splitlines() == [
        "cache: miss",
        "a/m: RateLimitError 429 after 1.23 s -> retry",
        "a/m: Timeout after 0.50 s -> next",
        "b/n: ok 200 after 2.00 s -> answer",
        "c/n: ok after 0.00 s -> answer",
        "note: dropped seed",
    ]


# ---------------------------------------------------------------- chunks


def test_the_text_of_a_chunk_is_the_first_choices() -> None:
    piece = Chunk(
        choices=[
            StreamingChoices(index=1, delta=Delta(content="other")),
            StreamingChoices(index=0, delta=Delta(content="mine")),
            StreamingChoices(index=0, delta=Delta(role="assistant")),
        ]
    )
    assert piece.text == str(piece) == "mine"
    assert Chunk().text == ""


def test_defaults_are_not_shared() -> None:
    one, two = ModelResponse(), ModelResponse()
    one.trace.notes.append("mine")
    one.choices.append(Choices())
    assert (two.trace.notes, two.choices) == ([], [])


def test_a_tool_call_by_hand() -> None:
    call = ToolCall(id="1", function=Function(name="f", arguments="{}"))
    assert Message(tool_calls=[call]).model_dump(exclude_none=True) == {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_costs_are_figures() -> None:
    one, two = Cost(total=Decimal("0.0012")), Cost(total=Decimal("0.5"))
    assert sum([one, two]) == Decimal("0.5012")
    assert one + two == two + one == Decimal("0.5012")
    assert f"{one:.3f} {two}" == "0.001 $0.5"
    assert one < two > one
    assert one < 0.01 < two


def test_an_answer_read_with_a_class_of_a_function_can_be_pickled() -> None:
    class Here(BaseModel):
        name: str

    answer = ModelResponse(choices=[Choices(message=Message(content='{"name": "x"}'))])
    answer._parse_as = Here
    again = pickle.loads(pickle.dumps(answer))
    assert again == answer
    assert again.parsed is None
    assert answer.parsed == Here(name="x")
