"""Conversations that change providers, parts and parameters of one provider given to another, and what an own host gets."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

import insights
from insights.adapters.models import transport
from insights.adapters.models.egress import Endpoint
from insights.adapters.models.factory import ModelFactory
from insights.adapters.models.history import ANSWER_FIELDS
from insights.core.errors import BadRequestError, InsightsError, UnsupportedParamsError
from insights.core.redact import SecretStr
from insights.core.request import build_request
from tests.unit.adapters.loopback import Loopback, as_json
from tests.unit.adapters.models.asking import JSON_SCHEMA, KEY, TOOL, ask, missing
from tests.unit.adapters.models.houses import PROVIDERS, model_of

GPT, CLAUDE, GEMINI = "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"
Json = dict[str, Any]


def own(model: str, messages: Any = "Hello", drop_params: bool = False, **params: Any) -> tuple[str, Json, list[str]]:
    """URL, body and notes of a request to the provider's own host; nothing is sent."""
    transport.load()
    request = build_request(model, messages, params)
    made = ModelFactory.create(model, api_key=KEY).lane(request)
    prepared = made.prepare(request, Endpoint(made.base, SecretStr(KEY), None), drop_params)
    return prepared.call.url, json.loads(prepared.call.content), prepared.notes


def tried(server: Loopback, provider: str, messages: Any) -> tuple[str, InsightsError | None]:
    """What was sent, as a text, or why nothing was."""
    server.says()
    try:
        request, _ = ask(server, f"{provider}/{model_of(provider)}", messages)
    except InsightsError as error:
        return "", error
    return json.dumps(request.body), None


# ---------------------------------------------------------------- the role `developer`

DEVELOPER = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


def test_openai_itself_knows_developers() -> None:
    for model in (GPT, "openai/gpt-5.3-codex"):
        _, body, _ = own(model, DEVELOPER)
        assert (body.get("messages") or body["input"])[0]["role"] == "developer"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_all_others_know_a_system(provider: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, f"{provider}/{model_of(provider)}", copy.deepcopy(DEVELOPER))
    assert "developer" not in json.dumps(request.body)
    assert "Be brief." in json.dumps(request.body)
    system, _ = ask(loopback, f"{provider}/{model_of(provider)}", [{"role": "system", "content": "Be brief."}, DEVELOPER[1]])
    assert request.body == system.body


# ---------------------------------------------------------------- an earlier answer

SIGNED = "call_1__thought__c2lnbmF0dXJl"
ANSWERED: Json = {
    "role": "assistant",
    "content": "Let me see.",
    "reasoning_content": "secret-reasoning",
    "thinking_blocks": [{"type": "thinking", "thinking": "secret-thinking", "signature": "secret-signature"}],
    "provider_specific_fields": {"thought_signatures": ["secret-fields"]},
    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,secretimage"}}],
    "reasoning": "secret-router",
    "reasoning_details": [{"type": "reasoning.text", "text": "secret-details"}],
    "annotations": [{"type": "url_citation", "url_citation": {"url": "https://secret-note.test"}}],
    "tool_calls": [
        {
            "index": 0,
            "id": SIGNED,
            "type": "function",
            "provider_specific_fields": {"thought_signature": "secret-call"},
            "function": {
                "name": "weather",
                "arguments": '{"city": "Paris"}',
                "provider_specific_fields": {"thought_signature": "secret-function"},
            },
        }
    ],
}
HISTORY: list[Json] = [
    {"role": "user", "content": "Is it raining in Paris?"},
    ANSWERED,
    {"role": "tool", "tool_call_id": SIGNED, "content": "sunny"},
]
PLAIN_OPENAI = [p for p in PROVIDERS if p in ("openai", "azure", "groq", "mistral", "xai", "together", "cerebras")]


@pytest.mark.parametrize("provider", PLAIN_OPENAI)
def test_what_another_provider_left_behind_is_taken_off(provider: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, f"{provider}/{model_of(provider)}", copy.deepcopy(HISTORY), tools=[TOOL])
    assert "secret" not in json.dumps(request.body)
    assert "__thought__" not in json.dumps(request.body)
    _, said, result = request.body["messages"]
    assert not set(said) & set(ANSWER_FIELDS)
    (call,) = said["tool_calls"]
    assert "index" not in call
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Paris"}'}
    assert call["id"] == result["tool_call_id"]
    assert said["content"] == "Let me see."


@pytest.mark.parametrize("provider", ["openai", "mistral", "cohere", "anthropic"])
def test_an_id_keeps_its_own_part(provider: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, f"{provider}/{model_of(provider)}", copy.deepcopy(HISTORY), tools=[TOOL])
    assert "__thought__" not in json.dumps(request.body)
    assert json.dumps(request.body).count('"call_1"') == 2


# Field of an answer -> its words above, and who takes them back.
GOES_BACK = {
    "reasoning_content": ("secret-reasoning", {"bedrock", "deepseek", "fireworks", "moonshot", "zai"}),
    "thinking_blocks": ("secret-signature", {"anthropic", "bedrock"}),
    "reasoning": ("secret-router", {"openrouter"}),
    "reasoning_details": ("secret-details", {"openrouter"}),
    "provider_specific_fields": ("secret-fields", {"gemini", "vertex"}),
    "a call's": ("secret-call", {"gemini", "vertex"}),
    "a function's": ("secret-function", {"gemini", "vertex"}),
    "images": ("secretimage", set()),
    "annotations": ("secret-note", set()),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_provider_gets_another_ones_fields(provider: str, loopback: Loopback) -> None:
    tools: Json = {} if provider == "perplexity" else {"tools": [TOOL]}
    request, _ = ask(loopback, f"{provider}/{model_of(provider)}", copy.deepcopy(HISTORY), **tools)
    text = json.dumps(request.body)
    leaked = {name for name, (words, takers) in GOES_BACK.items() if words in text and provider not in takers}
    assert not leaked


@pytest.mark.parametrize("provider", ["deepseek", "moonshot", "zai", "fireworks"])
def test_thoughts_go_back_to_who_wants_them(provider: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, f"{provider}/{model_of(provider)}", copy.deepcopy(HISTORY), tools=[TOOL])
    assert request.body["messages"][1]["reasoning_content"] == "secret-reasoning"


def test_openrouters_thoughts_go_back_to_it(loopback: Loopback) -> None:
    request, _ = ask(loopback, "openrouter/x/y", copy.deepcopy(HISTORY), tools=[TOOL])
    assert not missing(request.body["messages"][1], {n: ANSWERED[n] for n in ("reasoning", "reasoning_details")})


def test_anthropics_thoughts_go_back_with_their_signature(loopback: Loopback) -> None:
    request, _ = ask(loopback, CLAUDE, copy.deepcopy(HISTORY), tools=[TOOL])
    assert request.body["messages"][1]["content"][0] == ANSWERED["thinking_blocks"][0]


def test_geminis_signature_goes_back_to_it(loopback: Loopback) -> None:
    messages = copy.deepcopy(HISTORY)
    del messages[1]["tool_calls"][0]["provider_specific_fields"]
    del messages[1]["tool_calls"][0]["function"]["provider_specific_fields"]
    request, _ = ask(loopback, "gemini/gemini-3-pro-preview", messages, tools=[TOOL])
    assert "c2lnbmF0dXJl" in json.dumps(request.body)


def test_the_callers_messages_stay_as_they_are(loopback: Loopback) -> None:
    messages = copy.deepcopy(HISTORY)
    ask(loopback, GPT, messages, tools=[TOOL])
    assert messages == HISTORY


def test_a_call_without_arguments_goes_back_as_an_object(loopback: Loopback) -> None:
    messages = copy.deepcopy(HISTORY)
    messages[1]["tool_calls"][0]["function"]["arguments"] = ""
    request, _ = ask(loopback, GPT, messages, tools=[TOOL])
    assert request.body["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"


# ---------------------------------------------------------------- parts that nobody can place

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
FOREIGN_IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
MISSPELT = {"type": "txt", "text": "the words that would be lost"}


def saying(*parts: Json) -> list[Json]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("part", "words"), [(FOREIGN_IMAGE, PNG), (MISSPELT, MISSPELT["text"])], ids=["image", "txt"])
def test_a_part_is_sent_or_refused(provider: str, part: Json, words: str, loopback: Loopback) -> None:
    sent, refused = tried(loopback, provider, saying(part))
    if refused is None:
        assert words in sent
        return
    assert isinstance(refused, BadRequestError)
    assert refused.provider == provider
    assert words not in str(refused)
    assert not loopback.received


@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "bedrock/amazon.nova-pro-v1:0"])
@pytest.mark.parametrize("part", [FOREIGN_IMAGE, MISSPELT], ids=["image", "txt"])
def test_a_lost_part_is_named(model: str, part: Json, loopback: Loopback) -> None:
    with pytest.raises(BadRequestError, match=rf"messages\[0\].*'{part['type']}'"):
        ask(loopback, model, saying(part))
    assert not loopback.received


def test_mistral_takes_documents_and_sound(loopback: Loopback) -> None:
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}}
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    request, _ = ask(loopback, "mistral/mistral-small-latest", saying(file, sound))
    assert request.body["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi0xLjQ="},
        sound,
    ]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_error_quotes_the_prompt(provider: str, loopback: Loopback) -> None:
    """litellm's texts end with "Received Messages=[...]"."""
    secret = "the prompt that nobody else may read"
    broken = [{"type": "image_url", "image_url": {"url": f"data:nonsense {secret}"}}, {"type": "text", "text": secret}]
    for messages in (
        [{"role": "user", "content": broken}],
        [{"role": "tool", "tool_call_id": "none", "content": secret}],
        [{"role": "assistant", "content": secret}, {"role": "function", "name": "x", "content": secret}],
    ):
        _, refused = tried(loopback, provider, messages)
        if refused is not None:
            assert secret not in f"{refused!s} {refused!r} {refused.args}"
            assert "received messages" not in str(refused).lower()


def test_litellms_text_ends_before_the_messages(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    from insights.adapters.models import wire

    def refuse(*_: Any) -> Any:
        raise ValueError("Invalid first message. If you want, ... Received Messages=[{'content': 'a quoted prompt'}]")

    monkeypatch.setattr(wire.Wire, "body", refuse)
    with pytest.raises(BadRequestError, match="Invalid first message") as caught:
        ask(loopback, GPT, "another")
    assert "quoted" not in str(caught.value)


# ---------------------------------------------------------------- headers, hosts and parameters


@pytest.mark.parametrize("name", ["authorization", "AUTHORIZATION", "Authorization"])
def test_the_callers_headers_come_in_place_of_ours(name: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, GPT, extra_headers={name: "Bearer other", "content-TYPE": "application/json; charset=utf-8"})
    assert request.headers["authorization"] == "Bearer other"
    assert request.headers["content-type"] == "application/json; charset=utf-8"


def test_one_header_of_a_name() -> None:
    transport.load()
    request = build_request(GPT, "Hello", {}, extra_headers={"AUTHORIZATION": "Bearer other", "content-type": "text/plain"})
    made = ModelFactory.create(GPT, api_key=KEY)
    headers = made.prepare(request, Endpoint(made.base, SecretStr(KEY), None)).call.headers
    names = [header.lower() for header in headers]
    assert sorted(names) == sorted(set(names))
    assert {n.lower(): v for n, v in headers.items()}["authorization"] == "Bearer other"


@pytest.mark.parametrize("model", ["gpt-9-codex", "gpt-5.9-pro", "o7-pro", "o9-deep-research", "computer-use-next"])
def test_unknown_names_that_speak_only_responses(model: str, loopback: Loopback) -> None:
    assert own(f"openai/{model}")[0] == "https://api.openai.com/v1/responses"
    request, _ = ask(loopback, f"openai/{model}")  # somebody else's host
    assert request.target.endswith("/chat/completions")


@pytest.mark.parametrize("model", ["gpt-9", "gpt-9-mini", "my-prose-model"])
def test_other_unknown_names_chat(model: str) -> None:
    assert own(f"openai/{model}")[0] == "https://api.openai.com/v1/chat/completions"


@pytest.mark.parametrize("tail", ["", "/v1", "/v1/"])
def test_anthropics_base_with_and_without_its_version(tail: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, CLAUDE, api_base=loopback.url + tail)
    assert request.target == "/v1/messages"


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [("any", {"type": "any"}), ({"type": "tool", "name": "weather"}, {"type": "tool", "name": "weather"})],
)
def test_anthropics_own_words_for_a_forced_tool(choice: Any, wanted: Json, loopback: Loopback) -> None:
    request, _ = ask(loopback, CLAUDE, tools=[TOOL], tool_choice=choice)
    assert not missing(request.body["tool_choice"], wanted)


def test_anthropic_without_effort(loopback: Loopback) -> None:
    request, _ = ask(loopback, CLAUDE, reasoning_effort="none")
    plain, _ = ask(loopback, CLAUDE)
    assert request.body == plain.body
    assert "thinking" not in request.body


def test_anthropics_own_metadata(loopback: Loopback) -> None:
    request, _ = ask(loopback, CLAUDE, metadata={"user_id": "u-7"})
    assert request.body["metadata"] == {"user_id": "u-7"}


@pytest.mark.parametrize(("name", "value"), [("top_k", 20), ("min_p", 0.1), ("repetition_penalty", 1.1)])
def test_what_openai_has_not_and_its_like_have(name: str, value: Any, loopback: Loopback) -> None:
    with pytest.raises(UnsupportedParamsError, match=name) as caught:
        own(GPT, **{name: value})
    assert caught.value.params == (name,)
    _, body, notes = own(GPT, drop_params=True, **{name: value})
    assert name not in body
    assert [note for note in notes if name in note]
    request, _ = ask(loopback, GPT, **{name: value})
    assert request.body[name] == value


@pytest.mark.parametrize("name", ["aws_web_identity_token", "client_secret", "azure_ad_token", "vertex_key", "tenant_id"])
@pytest.mark.parametrize("model", [GPT, CLAUDE, GEMINI])
@pytest.mark.parametrize("drop", [False, True])
def test_credentials_by_other_names_are_never_in_a_body(model: str, name: str, drop: bool, loopback: Loopback) -> None:
    with pytest.raises(InsightsError) as caught:
        ask(loopback, model, drop_params=drop, **{name: "hush-hush-hush"})
    assert "hush" not in str(caught.value)
    assert not loopback.received


def test_an_empty_list_of_tools_is_not_sent(loopback: Loopback) -> None:
    request, _ = ask(loopback, GPT, tools=[])
    assert "tools" not in request.body


def test_a_schema_goes_to_every_claude(loopback: Loopback) -> None:
    request, _ = ask(loopback, CLAUDE, response_format=JSON_SCHEMA)
    assert '"answer"' in json.dumps(request.body)


def test_a_parameter_of_the_providers_own_survives_the_drop_of_another(loopback: Loopback) -> None:
    loopback.says(as_json({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}))
    given: dict[str, Any] = {"api_base": loopback.url, "api_key": KEY, "cache": False}
    found = insights.completion("gemini/gemini-2.5-flash", "Hello", user="me", whole_new_thing=7, drop_params=True, **given)
    assert "dropped user" in " ".join(found.trace.notes)
    assert loopback.only.body["whole_new_thing"] == 7
