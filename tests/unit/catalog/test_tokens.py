"""Counts of texts and prompts, against figures that others published."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from insights.catalog.counting import vocabulary
from insights.catalog.tokens import count, longer_than, text_tokens
from insights.core.request import ChatRequest

# OpenAI's cookbook, "How to count tokens with tiktoken": the API said 129 for gpt-3.5-turbo and gpt-4, 124 for gpt-4o.
JARGON = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    },
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]
# The same page: the API said 105 for gpt-3.5-turbo and gpt-4, 101 for gpt-4o.
WEATHER = [
    {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]
WEATHER_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                    "unit": {
                        "type": "string",
                        "description": "The unit of temperature to return",
                        "enum": ["celsius", "fahrenheit"],
                    },
                },
                "required": ["location"],
            },
        },
    }
]


def said(*texts: str) -> list[dict[str, str]]:
    """A conversation that the user begins."""
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


WHO, WHEN = "Who is the creator of the programming language Ruby?", "What year did he create Ruby?"

# Usage as recorded by the tests of ruby_llm (spec/fixtures/vcr_cassettes/chat_basic_chat_functionality_*).
RUBY: list[tuple[str, str, list[dict[str, str]], int]] = [
    ("openai", "gpt-5-nano", said(WHO), 16),
    (
        "openai",
        "gpt-5-nano",
        said(
            WHO,
            "Yukihiro Matsumoto, commonly known as Matz, is the creator of the Ruby programming language "
            "(first released in 1995).",
            WHEN,
        ),
        63,
    ),
    ("openai", "gpt-4.1-nano", said("Who was Ruby's creator?"), 13),
    (
        "openai",
        "gpt-4.1-nano",
        said(
            "Who was Ruby's creator?",
            'Ruby was created by Yukihiro "Matz" Matsumoto, a Japanese computer scientist and programmer.',
            WHEN,
        ),
        50,
    ),
    ("anthropic", "claude-haiku-4-5", said(WHO), 17),
    (
        "anthropic",
        "claude-haiku-4-5",
        said(
            WHO,
            'Yukihiro Matsumoto, commonly known as "Matz," is the creator of the Ruby programming language. '
            "He designed and first released Ruby in 1995 in Japan.",
            WHEN,
        ),
        70,
    ),
    ("mistral", "mistral-small-latest", said("Who was Ruby's creator?"), 9),
    ("deepseek", "deepseek-chat", said(WHO), 14),
    ("gemini", "gemini-2.5-flash", said(WHO), 11),
    (
        "gemini",
        "gemini-2.5-flash",
        said(
            WHO,
            "The creator of the programming language Ruby is **Yukihiro Matsumoto**, who is often referred to by his "
            'nickname **"Matz"**.\n\nHe is a Japanese computer scientist who started developing Ruby in the mid-1990s and '
            "released the first public version in 1995.",
            WHEN,
        ),
        81,
    ),
    ("cohere", "command-a-03-2025", said(WHO), 505),
    ("perplexity", "sonar", said(WHO), 10),
]


@pytest.fixture
def no_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_folders", list)
    monkeypatch.setattr(vocabulary, "_loaded", {})


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-3.5-turbo", 129), ("gpt-4-0613", 129), ("gpt-4", 129), ("gpt-4o", 124), ("gpt-4o-mini", 124)],
)
@pytest.mark.parametrize("provider", ["openai", "azure"])
def test_the_cookbooks_messages(provider: str, model: str, tokens: int) -> None:
    found = count(provider, model, JARGON)
    assert (found.tokens, found.low, found.high, found.exact) == (tokens, tokens, tokens, True)


@pytest.mark.parametrize(("model", "tokens"), [("gpt-3.5-turbo", 105), ("gpt-4", 105), ("gpt-4o", 101), ("gpt-4o-mini", 101)])
@pytest.mark.parametrize("given_as", ["argument", "tools", "functions"])
def test_the_cookbooks_tools(model: str, tokens: int, given_as: str) -> None:
    tools: Any = WEATHER_TOOLS
    if given_as == "argument":
        found = count("openai", model, WEATHER, tools)
    else:
        listed = tools if given_as == "tools" else [tool["function"] for tool in tools]
        found = count("openai", model, WEATHER, params={given_as: listed})
    assert found.tokens == tokens
    assert found.low <= tokens <= found.high
    assert not found.exact


@pytest.mark.parametrize(("provider", "model", "messages", "tokens"), RUBY)
def test_recorded_conversations(provider: str, model: str, messages: list[dict[str, str]], tokens: int) -> None:
    found = count(provider, model, messages)
    assert found.low <= tokens <= found.high
    assert abs(found.tokens - tokens) <= max(3, tokens * 0.1)
    if provider == "openai":
        assert found.tokens == tokens


# The cookbook again, section 5.
@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 9, 8),
        ("tiktoken is great!", 6, 6),
        ("", 0, 0),
    ],
)
def test_plain_texts(text: str, old: int, new: int) -> None:
    assert text_tokens(text, "gpt-4") == text_tokens(text, "gpt-35-turbo") == old
    assert text_tokens(text, "gpt-4o") == text_tokens(text, "openai/gpt-5") == text_tokens(text) == new


@pytest.mark.parametrize("name", [vocabulary.ENCODING, vocabulary.OLD_ENCODING])
@given(text=st.text(max_size=200))
def test_texts_are_cut_as_tiktoken_cuts_them(name: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(next(iter(vocabulary._folders()))))
        theirs = tiktoken.get_encoding(name)
    assert vocabulary.tally(text, name).tokens == len(theirs.encode_ordinary(text))


@pytest.mark.parametrize(
    "params",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}},
        {"response_format": {"type": "json_object"}},
        {"web_search_options": {}, "modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
    ],
)
def test_what_may_cost_tokens_makes_it_inexact(params: dict[str, Any]) -> None:
    plain = count("openai", "gpt-4o", WEATHER)
    found = count("openai", "gpt-4o", WEATHER, params=params)
    assert plain.exact
    assert not found.exact
    assert found.high > plain.tokens


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "tool", "tool_call_id": "1", "content": "done"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "assistant", "content": "a", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
        {"role": "user", "content": "a" * 5000},
        {"role": "assistant", "content": "a", "reasoning_content": "I think so."},
        {"role": "user", "content": {"text": "a"}},
        "hello",
    ],
)
def test_messages_of_other_shapes_are_inexact(message: Any) -> None:
    found = count("openai", "gpt-4o", [*WEATHER, message])
    assert not found.exact
    assert found.low <= found.tokens <= found.high


@pytest.mark.parametrize("model", ["gpt-4o-audio-preview", "o3", "gpt-5-codex", "gpt-3.5-turbo-0301", "my-deployment"])
def test_models_that_nobody_measured_are_inexact(model: str) -> None:
    found = count("azure", model, WEATHER)
    assert not found.exact
    assert found.low < found.tokens < found.high


def test_a_router_is_not_openai() -> None:
    found = count("openrouter", "openai/gpt-4o", WEATHER)
    assert not found.exact
    assert found.tokens == count("openai", "gpt-4o", WEATHER).tokens


def test_thinking_and_schemas_cost_claude_more() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"b": {}}}}}
    plain = count("anthropic", "claude-sonnet-4-5", WEATHER).tokens
    assert count("anthropic", "claude-sonnet-4-5", WEATHER, params={"thinking": {"type": "enabled"}}).tokens > plain
    assert count("anthropic", "claude-sonnet-4-5", WEATHER, params={"response_format": schema}).tokens > plain
    assert count("anthropic", "claude-sonnet-4-5", WEATHER, WEATHER_TOOLS).tokens > plain + 300


def test_tools_may_be_nested() -> None:
    shape: dict[str, Any] = {
        "type": "object",
        "properties": {
            "people": {"type": "array", "items": {"type": "object", "properties": {"age": {"type": "integer"}}}},
            "any": {"type": "array"},
            "odd": 5,
            "both": {"type": ["string", "null"]},
            "empty": {"type": "object"},
        },
        "required": None,
    }
    tools = [{"type": "function", "function": {"name": "save", "parameters": shape}}]
    found = count("openai", "gpt-4o", WEATHER, tools)
    assert found.tokens > count("openai", "gpt-4o", WEATHER, [{"type": "function", "function": {"name": "save"}}]).tokens


KEYS = (
    "role content type text image_url url file file_data input_audio data name tool_calls function arguments function_call "
    "properties items enum parameters"
).split()
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=50)
    | st.sampled_from(["<|endoftext|>", "\ud800", "a\udfffb", "data:image/png;base64,AAAA", "data:,", "1" * 40]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
MODELS = st.sampled_from(
    ["gpt-4o", "gpt-5", "gpt-4.1-mini", "gpt-3.5-turbo", "claude-opus-4-8", "gemini-3-pro", "gpt-oss-20b", "llama-3.3-70b", "x"]
)


@given(model=MODELS, messages=ODD, tools=ODD, schema=ODD)
def test_nothing_is_too_odd(model: str, messages: Any, tools: Any, schema: Any) -> None:
    params = {"response_format": {"json_schema": {"schema": schema}}, "functions": tools}
    for provider in ("openai", "anthropic"):
        found = count(provider, model, [{"role": "user", "content": messages}, messages], tools, params=params)
        assert 0 <= found.low <= found.tokens <= found.high
        assert count(provider, model, messages).low >= 0


@given(model=MODELS, text=st.text(), more=st.text(min_size=1))
def test_more_text_is_not_less(model: str, text: str, more: str) -> None:
    """A text after another, in words of its own: tokens are never merged across them."""
    short = count("any", model, said(text + " "))
    long = count("any", model, said(text + " ", more))
    assert long.tokens >= short.tokens
    assert long.low >= short.low - 4
    assert long.high >= short.high


def test_a_circle_is_no_hang() -> None:
    tool: dict[str, Any] = {"name": "f"}
    tool["parameters"] = {"type": "object", "properties": {"again": tool}}
    tool["properties"] = tool["parameters"]["properties"]
    found = count("openai", "gpt-4o", [{"role": "user", "content": [tool]}], [{"function": tool}])
    assert found.high >= found.tokens


def test_a_text_to_others_is_estimated() -> None:
    assert text_tokens("word " * 1000, "claude-sonnet-4-5") == pytest.approx(1000, rel=0.15)
    assert text_tokens("word " * 1000, "anthropic/claude-sonnet-4-5") == text_tokens("word " * 1000, "claude-sonnet-4-5")


def test_special_tokens_are_text() -> None:
    assert text_tokens("<|endoftext|>", "gpt-4o") > 1
    assert text_tokens("\ud800") >= 1


@pytest.mark.usefixtures("no_vocabulary")
def test_without_a_vocabulary_bytes_are_counted_and_bounds_are_wide() -> None:
    found = count("openai", "gpt-4o", JARGON)
    assert not found.exact
    assert "bytes" in found.rule
    assert found.low < 124 < found.high
    assert found.low < found.tokens < found.high
    assert text_tokens("x" * 400) == 100


@pytest.mark.usefixtures("no_vocabulary")
def test_without_a_vocabulary_nothing_is_refused_for_its_length() -> None:
    assert not longer_than(ChatRequest("gpt-4o", [{"role": "user", "content": "a " * 500}]), 10)


def test_a_damaged_vocabulary_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(b"damaged")
    monkeypatch.setattr(vocabulary, "_folders", lambda: [tmp_path / "none", tmp_path])
    monkeypatch.setattr(vocabulary, "_loaded", {})
    assert vocabulary.encoding() is None
    assert (tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790").read_bytes() == b"damaged"


def test_without_litellm_the_users_own_folder_is_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert list(vocabulary._folders()) == [tmp_path]


@pytest.mark.parametrize("there", [True, False])
def test_no_vocabulary_is_ever_fetched(there: bool, tmp_path: Path, nothing_left_the_machine: list[str]) -> None:
    """In a process of its own, with the network guarded and folders that hold nothing; nor is litellm imported."""
    code = (
        "import json, sys\n"
        "import tests.network_guard as guard; guard.install()\n"
        "from insights.catalog.counting import vocabulary\n"
        + ("" if there else f"import pathlib\nvocabulary._folders = lambda: [pathlib.Path({str(tmp_path)!r})]\n")
        + "from insights.catalog.tokens import count\n"
        "found = count('openai', 'gpt-4', [{'role': 'user', 'content': 'hello'}])\n"
        "print(json.dumps([found.exact, guard.refused, 'litellm' in sys.modules, 'requests' in sys.modules]))"
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[3]), "TIKTOKEN_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    exact, refused, *imported = json.loads(done.stdout)
    assert exact is there
    assert not refused
    assert imported == [False, False]
    assert nothing_left_the_machine == []


def test_a_vocabulary_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def load(file: object, name: str) -> None:
        loads.append(name)
        time.sleep(0.05)

    monkeypatch.setattr(vocabulary, "_loaded", {})
    monkeypatch.setattr(vocabulary, "_load", load)
    threads = [threading.Thread(target=vocabulary.encoding) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [vocabulary.ENCODING]


def taken(text: str) -> float:
    """Least seconds of three counts."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        count("openai", "gpt-4o", [{"role": "user", "content": text}])
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("run", ["a", " ", "\n", "=", "漢", "1", "_", "é", "ab1", "a="])
def test_long_runs_take_no_longer_than_prose(run: str) -> None:
    """Measured beside each other: mere tiktoken, below 0.12, takes the square of the length for some of these."""
    prose = "The quick brown fox jumps over the lazy dog. " * 2500
    taken(prose)
    assert taken((run * 120_000)[:110_000]) < 40 * taken(prose)


def test_runs_too_long_for_tiktoken_are_counted() -> None:
    found = count("openai", "gpt-4o", [{"role": "user", "content": " " * 3_000_000}])
    assert not found.exact
    assert found.low <= found.tokens <= found.high


@given(text=st.text(alphabet="ab =\n", min_size=900, max_size=1500))
def test_cut_texts_are_whole(text: str) -> None:
    assert "".join(vocabulary._cut(text)) == text
    assert all(len(part) <= max(vocabulary.RUN * 2, len(text)) for part in vocabulary._cut(text))


@pytest.mark.parametrize("run", ["a", " ", "=", "_", "漢", "é"])
@pytest.mark.parametrize("before", [0, 1, 499, 500, 501, 1777])
@pytest.mark.parametrize("after", [0, 1, 700])
def test_every_long_run_is_cut(run: str, before: int, after: int) -> None:
    text = ("1x " * before)[:before] + run * (vocabulary.RUN + 2) + (" y2" * after)[:after]
    assert len(vocabulary._cut(text)) > 1


def test_what_is_cut_is_bounded_by_the_whole() -> None:
    text = "ab" * 20_000
    counter = vocabulary.encoding()
    found = vocabulary.tally(text)
    assert not found.whole
    assert found.low <= len(counter.encode_ordinary(text)) <= found.high


@pytest.mark.parametrize(("limit", "longer"), [(5, True), (9, False), (1000, False)])
def test_requests_longer_than_a_window(limit: int, longer: bool) -> None:
    # "tiktoken is great!" has 6 tokens, the role 1
    assert longer_than(ChatRequest("gpt-4o", [{"role": "user", "content": "tiktoken is great!"}]), limit) is longer
