"""Every parameter arrives in the provider's own form, or is refused before anything is sent. Nothing is dropped in silence."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from insights.core.errors import APIError, BadRequestError, UnsupportedParamsError
from insights.core.request import OPENAI_PARAMS
from tests.unit.adapters.loopback import Loopback
from tests.unit.adapters.models.asking import (
    CITY,
    FORCED,
    FUNCTION,
    JSON_SCHEMA,
    NEEDS,
    SCHEMA,
    TOOL,
    ask,
    camel,
    missing,
)
from tests.unit.adapters.models.expectations import CHOICES, NEUTRAL, OTHERS, OWN, TABLES, VALUES
from tests.unit.adapters.models.houses import PROVIDERS, model_of

CLAUDE, GEMINI, GPT = "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "openai/gpt-4o"
CODEX = "openai/gpt-5.3-codex"
THREE = (GPT, CLAUDE, GEMINI)

SENT = [(model, name) for model, table in TABLES.items() for name, (_, wanted) in table.items() if wanted is not None]
REFUSED = [(model, name) for model, table in TABLES.items() for name, (_, wanted) in table.items() if wanted is None]


def body_of(server: Loopback, model: str, messages: Any = "Hello", **params: Any) -> Any:
    request, _ = ask(server, model, messages, **params)
    return camel(request.body) if model.startswith(("gemini", "vertex")) else request.body


def streaming(name: str) -> dict[str, Any]:
    return {"stream": True} if name == "stream_options" else {}


def test_the_tables_name_every_parameter() -> None:
    assert set(VALUES) == OPENAI_PARAMS
    for table in TABLES.values():
        assert set(table) == OPENAI_PARAMS


@pytest.mark.parametrize(("model", "name"), SENT)
def test_it_arrives_in_the_documented_form(model: str, name: str, loopback: Loopback) -> None:
    value, wanted = TABLES[model][name]
    found = body_of(loopback, model, **{**NEEDS.get(name, {}), **streaming(name), name: value})
    assert not missing(found, wanted)


@pytest.mark.parametrize(("model", "name"), REFUSED)
def test_it_is_refused_before_anything_is_sent(model: str, name: str, loopback: Loopback) -> None:
    provider = model.partition("/")[0]
    given = {**streaming(name), name: VALUES[name]}
    with pytest.raises(UnsupportedParamsError, match=rf"(?s){provider}.*\b{name}\b") as caught:
        ask(loopback, model, **given)
    assert not loopback.received
    assert caught.value.params == (name,)
    assert (caught.value.provider, caught.value.model) == (provider, model.partition("/")[2])
    assert not caught.value.retryable


@pytest.mark.parametrize(("model", "name"), REFUSED)
def test_drop_params_drops_it_and_says_so(model: str, name: str, loopback: Loopback) -> None:
    plain = body_of(loopback, model, **streaming(name))
    request, found = ask(loopback, model, drop_params=True, **{**streaming(name), name: VALUES[name]})
    assert (camel(request.body) if model.startswith("gemini") else request.body) == plain
    assert [note for note in found.trace.notes if name in note and "dropped" in note]


@pytest.mark.parametrize("model", TABLES)
def test_drop_params_leaves_the_rest(model: str, loopback: Loopback) -> None:
    name = next(name for name, (_, wanted) in TABLES[model].items() if wanted is None)
    found = body_of(loopback, model, drop_params=True, max_tokens=777, **{name: VALUES[name]})
    assert not missing(found, TABLES[model]["max_tokens"][1])


# ---------------------------------------------------------------- tools


@pytest.mark.parametrize(("model", "choice", "wanted"), [(model, *row) for model, rows in CHOICES.items() for row in rows])
def test_every_form_of_tool_choice(model: str, choice: Any, wanted: dict[str, Any], loopback: Loopback) -> None:
    assert not missing(body_of(loopback, model, tools=[TOOL], tool_choice=choice), wanted)


def test_cohere_is_left_the_one_forced_tool(loopback: Loopback) -> None:
    """https://docs.cohere.com/reference/chat: tool_choice is REQUIRED or NONE."""
    other = {"type": "function", "function": {**FUNCTION, "name": "time"}}
    body = body_of(loopback, "cohere/command-a-03-2025", tools=[other, TOOL], tool_choice=FORCED)
    assert body["tool_choice"] == "REQUIRED"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]


def test_moonshot_gets_required_itself(loopback: Loopback) -> None:
    body = body_of(loopback, "moonshot/kimi-k2.7-code", tools=[TOOL], tool_choice="required")
    assert body["tool_choice"] == "required"
    assert [message["role"] for message in body["messages"]] == ["user"]


def weather(city: str, unit: Literal["C", "F"] = "C", days: int = 1) -> str:
    """The weather in a city.

    Args:
        city: its name in English.
        unit: of the temperature.
    """
    return f"{city} {unit} {days}"


WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "its name in English."},
        "unit": {"type": "string", "enum": ["C", "F"], "default": "C", "description": "of the temperature."},
        "days": {"type": "integer", "default": 1},
    },
    "required": ["city"],
}
TYPED_TOOLS = {
    GPT: {
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "The weather in a city.", "parameters": WEATHER_SCHEMA},
            }
        ]
    },
    CODEX: {"tools": [{"type": "function", "name": "weather", "parameters": WEATHER_SCHEMA}]},
    CLAUDE: {"tools": [{"name": "weather", "description": "The weather in a city.", "input_schema": WEATHER_SCHEMA}]},
    GEMINI: {"tools": [{"functionDeclarations": [{"name": "weather", "description": "The weather in a city."}]}]},
}


@pytest.mark.parametrize("model", TYPED_TOOLS)
def test_a_typed_function_as_tool(model: str, loopback: Loopback) -> None:
    body = body_of(loopback, model, tools=[weather])
    assert not missing(body, TYPED_TOOLS[model])
    if model == GEMINI:
        (declared,) = body["tools"][0]["functionDeclarations"]
        parameters = declared.get("parameters") or declared["parametersJsonSchema"]
        assert set(parameters["properties"]) == {"city", "unit", "days"}
        assert parameters["required"] == ["city"]


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather in Paris?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
]


def test_a_conversation_with_tools_for_openai(loopback: Loopback) -> None:
    assert body_of(loopback, GPT, CONVERSATION, tools=[TOOL])["messages"] == CONVERSATION


def test_a_conversation_with_tools_for_responses(loopback: Loopback) -> None:
    body = body_of(loopback, CODEX, CONVERSATION, tools=[TOOL])
    assert "Be brief." in json.dumps([body.get("instructions"), body["input"]])
    call, result = body["input"][-2:]
    assert not missing(call, {"type": "function_call", "call_id": "call_1", "name": "weather"})
    assert json.loads(call["arguments"]) == {"city": "Paris"}
    assert not missing(result, {"type": "function_call_output", "call_id": "call_1"})
    assert "18 degrees" in json.dumps(result["output"])


def test_a_conversation_with_tools_for_anthropic(loopback: Loopback) -> None:
    body = body_of(loopback, CLAUDE, CONVERSATION, tools=[TOOL])
    assert body["system"] in ("Be brief.", [{"type": "text", "text": "Be brief."}])
    asked, called, told = body["messages"]
    assert (asked["role"], called["role"], told["role"]) == ("user", "assistant", "user")
    assert not missing(
        called["content"][-1], {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}}
    )
    assert not missing(told["content"][0], {"type": "tool_result", "tool_use_id": "call_1"})
    assert "18 degrees" in json.dumps(told)


def test_a_conversation_with_tools_for_gemini(loopback: Loopback) -> None:
    body = body_of(loopback, GEMINI, CONVERSATION, tools=[TOOL])
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    asked, called, told = body["contents"]
    assert asked == {"role": "user", "parts": [{"text": "Weather in Paris?"}]}
    assert called["role"] == "model"
    assert not missing(called["parts"][-1], {"functionCall": {"name": "weather", "args": {"city": "Paris"}}})
    assert not missing(told["parts"][0], {"functionResponse": {"name": "weather"}})
    assert "18 degrees" in json.dumps(told)


# ---------------------------------------------------------------- response_format


class Reply(BaseModel):
    answer: str


@pytest.mark.parametrize("model", [GPT, CODEX, CLAUDE, GEMINI])
@pytest.mark.parametrize("given", [Reply, JSON_SCHEMA, SCHEMA], ids=["class", "openai", "schema"])
def test_response_format(model: str, given: Any, loopback: Loopback) -> None:
    request, _ = ask(loopback, model, response_format=given)
    body = camel(request.body) if model == GEMINI else request.body
    found = {
        GPT: lambda: body["response_format"]["json_schema"]["schema"],
        CODEX: lambda: body["text"]["format"]["schema"],
        CLAUDE: lambda: body["output_format"]["schema"],
        GEMINI: lambda: body["generationConfig"]["responseJsonSchema"],
    }[model]()
    assert not missing(found, {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]})
    if model == CLAUDE:  # "Structured outputs": output_format is taken with this beta header only
        assert "structured-outputs-2025-11-13" in request.headers["anthropic-beta"].split(",")


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (GPT, {"response_format": {"type": "json_object"}}),
        (CODEX, {"text": {"format": {"type": "json_object"}}}),
        (GEMINI, {"generationConfig": {"responseMimeType": "application/json"}}),
        ("ollama/llama3.3", {"format": "json"}),
        ("cohere/command-a-03-2025", {"response_format": {"type": "json_object"}}),
    ],
)
def test_json_without_a_schema(model: str, wanted: dict[str, Any], loopback: Loopback) -> None:
    assert not missing(body_of(loopback, model, response_format={"type": "json_object"}), wanted)


def test_one_value_arriving_is_no_leave_for_another(loopback: Loopback) -> None:
    """Anthropic has JSON with a schema and no JSON without; the one having arrived must not let the other vanish."""
    ask(loopback, CLAUDE, response_format=JSON_SCHEMA)
    loopback.says()
    with pytest.raises(UnsupportedParamsError, match="response_format"):
        ask(loopback, CLAUDE, response_format={"type": "json_object"})


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("temprature", "temperature"),
        ("temperatur", "temperature"),
        ("max_tokes", "max_tokens"),
        ("maxtokens", "max_tokens"),
        ("tool_choise", "tool_choice"),
        ("respons_format", "response_format"),
        ("reponse_format", "response_format"),
        ("reasoning_efort", "reasoning_effort"),
        ("frequency_penality", "frequency_penalty"),
        ("top_logprob", "top_logprobs"),
        ("sead", "seed"),
        ("stops", "stop"),
        ("tool", "tools"),
        ("time_out", "timeout"),
        ("num_retry", "num_retries"),
        ("fallback", "fallbacks"),
        ("extra_header", "extra_headers"),
        ("drop_param", "drop_params"),
        ("api_bas", "api_base"),
    ],
)
def test_a_misspelt_name(wrong: str, right: str, loopback: Loopback) -> None:
    for model in THREE:
        with pytest.raises(UnsupportedParamsError, match=wrong) as caught:
            ask(loopback, model, **{wrong: 1})
        assert f"{right!r}" in str(caught.value.hint)
        assert caught.value.params == (wrong,)
        assert not loopback.received


def test_a_misspelt_name_is_not_dropped_either(loopback: Loopback) -> None:
    with pytest.raises(UnsupportedParamsError, match="temprature"):
        ask(loopback, GPT, temprature=0, drop_params=True)


def test_a_misspelt_name_of_the_providers_own(loopback: Loopback) -> None:
    with pytest.raises(UnsupportedParamsError) as caught:
        ask(loopback, "perplexity/sonar", search_domain_filtr=["example.com"])
    assert "'search_domain_filter'" in str(caught.value.hint)


@pytest.mark.parametrize(("model", "given", "wanted"), OWN)
def test_a_providers_own_parameter(model: str, given: dict[str, Any], wanted: dict[str, Any], loopback: Loopback) -> None:
    assert not missing(body_of(loopback, model, **given), wanted)


# ---------------------------------------------------------------- every provider


@pytest.mark.parametrize("provider", PROVIDERS)
def test_neutral_values_are_never_an_error(provider: str, loopback: Loopback) -> None:
    model = f"{provider}/{model_of(provider)}"
    for name, value in NEUTRAL:
        _, found = ask(loopback, model, **{name: value})
        assert not [note for note in found.trace.notes if "dropped" in note], name


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p != "perplexity"])
def test_neutral_tool_settings_are_never_an_error(provider: str, loopback: Loopback) -> None:
    """Perplexity has no tools at all."""
    model = f"{provider}/{model_of(provider)}"
    for given in ({"tool_choice": "auto"}, {"parallel_tool_calls": True}):
        _, found = ask(loopback, model, tools=[TOOL], **given)
        assert not [note for note in found.trace.notes if "dropped" in note]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_dropped_in_silence(provider: str, loopback: Loopback) -> None:
    """With a parameter the body is another than without, or the call fails and names it."""
    model = f"{provider}/{model_of(provider)}"
    silent = []
    for name, value in VALUES.items():
        for tried in [value, *OTHERS.get(name, [])]:
            around = {**NEEDS.get(name, {}), **streaming(name)}
            try:
                plain, _ = ask(loopback, model, **around)
            except UnsupportedParamsError:
                around = {}
                plain, _ = ask(loopback, model)
            loopback.says()
            try:
                given, _ = ask(loopback, model, **{**around, name: tried})
            except BadRequestError as error:
                if name not in str(error) and not (name == "audio" and "audio" in str(error)):
                    silent.append(f"{name}={tried!r}: the error doesn't name it: {error}")
                if loopback.received:
                    silent.append(f"{name}={tried!r}: refused after it was sent")
                continue
            if given.body == plain.body:
                silent.append(f"{name}={tried!r}: no mark on the body")
    assert not silent, "\n".join(silent)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_either_name_of_the_limit_will_do(provider: str, name: str, loopback: Loopback) -> None:
    request, found = ask(loopback, f"{provider}/{model_of(provider)}", **{name: 777})
    assert b"777" in request.content
    assert not [note for note in found.trace.notes if "dropped" in note]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_extra_body_and_extra_headers_are_sent_as_they_are(provider: str, loopback: Loopback) -> None:
    request, _ = ask(
        loopback,
        f"{provider}/{model_of(provider)}",
        extra_body={"temperature": 0.125, "brand_new": {"deep": [1, {"deeper": True}]}},
        extra_headers={"X-Team": "blue"},
    )
    assert request.body["brand_new"] == {"deep": [1, {"deeper": True}]}
    assert request.body["temperature"] == 0.125
    assert request.headers["x-team"] == "blue"


def test_extra_body_reaches_into_nested_fields(loopback: Loopback) -> None:
    body = ask(loopback, GEMINI, temperature=0.25, extra_body={"generationConfig": {"topK": 3}})[0].body
    assert body["generationConfig"] == {"temperature": 0.25, "topK": 3}


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("model", [GPT, "groq/openai/gpt-oss-120b", "xai/grok-4", "azure/gpt-4o"])
def test_a_stream_asks_for_its_usage(model: str, loopback: Loopback) -> None:
    body = ask(loopback, model, stream=True)[0].body
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize("model", [CLAUDE, "ollama/llama3.3", "cohere/command-a-03-2025", "perplexity/sonar"])
def test_a_stream_of_those_without_stream_options(model: str, loopback: Loopback) -> None:
    body = ask(loopback, model, stream=True, stream_options={"include_usage": True})[0].body
    assert body["stream"] is True
    assert "stream_options" not in body


@pytest.mark.parametrize("model", [GEMINI, "vertex/gemini-3.5-flash", "bedrock/amazon.nova-pro-v1:0"])
def test_a_stream_of_those_that_are_asked_by_the_address(model: str, loopback: Loopback) -> None:
    request, found = ask(loopback, model, stream=True, stream_options={"include_usage": True})
    assert "stream" not in request.body
    assert "stream_options" not in request.body
    assert "stream" in request.target
    assert found.usage is not None


# ---------------------------------------------------------------- OpenAI's Responses


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "params", "path"),
    [
        (CODEX, {}, "/responses"),
        ("openai/responses/gpt-4o", {}, "/responses"),
        ("openai/gpt-5.4", {}, "/chat/completions"),
        ("openai/gpt-5.4", {"tools": [TOOL]}, "/chat/completions"),
        (GPT, {"tools": [TOOL]}, "/chat/completions"),
    ],
)
def test_which_address_a_model_is_asked_at(
    model: str, params: dict[str, Any], path: str, stream: bool, loopback: Loopback
) -> None:
    """With api_base= the host need not be OpenAI's, so tools alone lead nobody to /responses."""
    request, found = ask(loopback, model, stream=stream, **params)
    assert request.target == path
    assert found.text == "Hello there"
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (2000, 500)
    assert found.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, "/chat/completions"),
        ({"tools": [TOOL]}, "/responses"),
        ({"tools": [TOOL], "reasoning_effort": "none"}, "/chat/completions"),
    ],
)
def test_function_tools_lead_openais_own_newer_models_to_responses(
    params: dict[str, Any], path: str, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI, "Using GPT-5.4": function tools with reasoning go through /responses."""
    monkeypatch.setenv("OPENAI_API_BASE", loopback.url)
    request, _ = ask(loopback, "openai/gpt-5.4", api_base=None, **params)
    assert request.target == path


def test_responses_are_not_kept_unless_asked(loopback: Loopback) -> None:
    assert body_of(loopback, CODEX)["store"] is False
    assert body_of(loopback, CODEX, store=True)["store"] is True
    assert "store" not in body_of(loopback, GPT)


def test_a_responses_stream_is_not_asked_for_what_the_api_does_not_know(loopback: Loopback) -> None:
    """ "Create a model response": stream_options has only include_obfuscation."""
    body = body_of(loopback, CODEX, stream=True, stream_options={"include_usage": True})
    assert body["stream"] is True
    assert "stream_options" not in body


def test_sampling_in_responses_form(loopback: Loopback) -> None:
    body = body_of(loopback, "openai/responses/gpt-4o", temperature=0.25, top_p=0.4)
    assert (body["temperature"], body["top_p"]) == (0.25, 0.4)


# ---------------------------------------------------------------- errors are the caller's, not the network's


def test_what_is_no_json_is_refused(loopback: Loopback) -> None:
    for value in (float("nan"), float("inf"), object()):
        with pytest.raises(APIError, match="JSON"):
            ask(loopback, GPT, temperature=value)
    assert not loopback.received


def test_parameters_are_not_changed_under_the_caller(loopback: Loopback) -> None:
    tools, messages, schema = [json.loads(json.dumps(TOOL))], json.loads(json.dumps(CONVERSATION)), json.loads(json.dumps(CITY))
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for model in THREE:
        ask(loopback, model, messages, tools=tools, response_format=form)
    assert (tools, messages, schema) == ([TOOL], CONVERSATION, CITY)
