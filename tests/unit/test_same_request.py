"""However messages are written, the request is the same: the same canonical JSON, the same bytes on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

import insights
from insights.client import Client
from insights.core.request import build_request

from .loopback import Provider
from .openai_wire import answer, encoded

TEXT = "Grüße <b>&</b> 🙂 \u2028 end"
ASSISTANT = "What is the weather?"


class Turn(BaseModel):
    """A caller's own class."""

    role: Literal["user", "assistant", "system"]
    content: str
    name: str | None = None


class Part(BaseModel):
    """A part of a message, likewise."""

    type: str = "text"
    text: str


class TurnOfParts(BaseModel):
    role: str
    content: list[Part]


class ChatCompletionMessage(BaseModel):
    """Like the openai package's class of this name: unknown fields allowed, many fields None."""

    model_config = ConfigDict(extra="allow")

    role: Literal["assistant"]
    content: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None
    function_call: dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class ToDict:
    """Not pydantic, but dumps like it."""

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {"role": "user", "content": TEXT}


# Each of these is one user message.
PROMPTS: dict[str, Any] = {
    "text": TEXT,
    "dict": {"role": "user", "content": TEXT},
    "dicts": [{"role": "user", "content": TEXT}],
    "keys in another order": [{"content": TEXT, "role": "user"}],
    "with None": [{"role": "user", "content": TEXT, "name": None}],
    "tuple": ({"role": "user", "content": TEXT},),
    "pydantic": [Turn(role="user", content=TEXT)],
    "one pydantic": Turn(role="user", content=TEXT),
    "ours": [insights.Message(role="user", content=TEXT)],
    "dumps": [ToDict()],
}

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
# Each of these is the same conversation with a tool call in it.
CONVERSATIONS: dict[str, Callable[[], list[Any]]] = {
    "dicts": lambda: [{"role": "assistant", "content": ASSISTANT, "tool_calls": [CALL]}],
    "an answer's message": lambda: [
        insights.Message.model_validate({"content": ASSISTANT, "tool_calls": [CALL], "refusal": None})
    ],
    "built by hand": lambda: [
        insights.Message(
            content=ASSISTANT,
            tool_calls=[
                insights.ToolCall(id="call_1", function=insights.Function(name="weather", arguments='{"city": "Paris"}'))
            ],
        )
    ],
    "like openai's": lambda: [ChatCompletionMessage(role="assistant", content=ASSISTANT, tool_calls=[CALL])],
    "openai's as a dict": lambda: [ChatCompletionMessage(role="assistant", content=ASSISTANT, tool_calls=[CALL]).model_dump()],
}

ANTHROPIC = encoded(
    {
        "id": "msg_013Zva2CMHLNnjNjJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "Hello!"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
)
GEMINI = encoded(
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello!"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    }
)
WIRES = [
    pytest.param("openai/test-model", answer(), id="openai"),
    pytest.param("anthropic/claude-haiku-4-5", ANTHROPIC, id="anthropic"),
    pytest.param("gemini/gemini-2.5-flash", GEMINI, id="gemini"),
]


# Each of these is an assistant's message that has only tool calls.
SILENT: dict[str, Any] = {
    "dict": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    "with None": {"role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL]},
    "ours": insights.Message.model_validate({"content": None, "tool_calls": [CALL]}),
    "like openai's": ChatCompletionMessage(role="assistant", tool_calls=[CALL]),
}


def conversation(name: str) -> list[Any]:
    return [{"role": "user", "content": TEXT}, *CONVERSATIONS[name](), RESULT]


@pytest.mark.parametrize("name", PROMPTS)
def test_one_canonical_form_of_a_prompt(name: str) -> None:
    assert build_request("m", PROMPTS[name], {}).canonical == build_request("m", TEXT, {}).canonical


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_one_canonical_form_of_a_conversation(name: str) -> None:
    assert build_request("m", conversation(name), {}).canonical == build_request("m", conversation("dicts"), {}).canonical


@pytest.mark.parametrize("name", SILENT)
def test_one_canonical_form_of_tool_calls_alone(name: str) -> None:
    wanted = [{"role": "assistant", "content": None, "tool_calls": [CALL]}]
    assert list(build_request("m", [SILENT[name]], {}).messages) == wanted


@pytest.mark.parametrize(("model", "body"), WIRES)
def test_the_same_bytes_of_tool_calls_alone(client: Client, provider: Provider, model: str, body: bytes) -> None:
    for message in SILENT.values():
        provider.will(body)
        messages = [{"role": "user", "content": TEXT}, message, RESULT]
        client.completion(model, messages, api_base=provider.url, api_key="k", cache=False, max_tokens=100, tools=[TOOL])
    assert len({asked.content for asked in provider.received}) == 1


def test_fields_of_parts_that_are_none_are_left_out() -> None:
    class Picture(BaseModel):
        type: str = "image_url"
        image_url: dict[str, str] | None = None
        text: str | None = None

    class Turn(BaseModel):
        role: str = "user"
        content: list[Picture]

    (found,) = build_request("m", Turn(content=[Picture(image_url={"url": "data:,"})]), {}).messages
    assert found["content"] == [{"type": "image_url", "image_url": {"url": "data:,"}}]


def test_parts_as_dicts_and_as_objects() -> None:
    dicts = [{"role": "user", "content": [{"type": "text", "text": TEXT}]}]
    objects = [TurnOfParts(role="user", content=[Part(text=TEXT)])]
    mixed = [{"role": "user", "content": (Part(text=TEXT),)}]
    assert len({build_request("m", form, {}).canonical for form in (dicts, objects, mixed)}) == 1


@pytest.mark.parametrize(("model", "body"), WIRES)
def test_the_same_bytes_of_a_prompt(client: Client, provider: Provider, model: str, body: bytes) -> None:
    forms = [form for name, form in PROMPTS.items() if name != "keys in another order"]  # JSON objects have no order
    for form in forms:
        provider.will(body)
        client.completion(model, form, api_base=provider.url, api_key="k", cache=False, max_tokens=100)
    assert len(provider.received) == len(forms)
    first = provider.received[0]
    assert {(asked.target, asked.content) for asked in provider.received} == {(first.target, first.content)}
    assert TEXT.encode() in first.content


@pytest.mark.parametrize(("model", "body"), WIRES)
def test_the_same_bytes_of_a_conversation(client: Client, provider: Provider, model: str, body: bytes) -> None:
    for name in CONVERSATIONS:
        provider.will(body)
        client.completion(
            model, conversation(name), api_base=provider.url, api_key="k", cache=False, max_tokens=100, tools=[TOOL]
        )
    assert len({asked.content for asked in provider.received}) == 1
    for words in ("Grüße", ASSISTANT, "Paris", "rain"):
        assert words in str(provider.received[0].body)


def test_any_form_is_answered_from_the_cache(client: Client, provider: Provider) -> None:
    provider.will(answer())
    client.completion("openai/test-model", TEXT, api_base=provider.url)
    for form in PROMPTS.values():
        assert client.completion("openai/test-model", form, api_base=provider.url).cached


def test_tools_as_schema_and_as_function(client: Client, provider: Provider) -> None:
    def weather(city: str) -> str:
        return city

    schema = {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for tool in (schema, weather):
        provider.will(answer())
        client.completion("openai/test-model", TEXT, api_base=provider.url, cache=False, tools=[tool])
    assert provider.received[0].body == provider.received[1].body


def test_what_a_caller_gave_is_left_alone(client: Client, provider: Provider) -> None:
    import copy

    messages, tools = conversation("dicts"), [copy.deepcopy(TOOL)]
    before = copy.deepcopy((messages, tools))
    for model, body in ((p.values[0], p.values[1]) for p in WIRES):
        provider.will(body)  # type: ignore[arg-type]  # pytest types parameters as objects
        client.completion(str(model), messages, api_base=provider.url, api_key="k", cache=False, max_tokens=100, tools=tools)
    assert (messages, tools) == before
