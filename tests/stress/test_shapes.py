"""Large, odd and many-sided answers: what the cache gives is what the provider gave, whatever callers do to theirs."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import insights
from tests.loopback import Received
from tests.stress.sizes import tell
from tests.stress.upstream import Said, Upstream
from tests.unit.openai_wire import DONE, ROLE, USAGE, chunk, encoded, usage

PICTURE = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 400).decode()
CONVERSATION = [
    {"role": ("user", "assistant")[n % 2], "content": f"Message {n}: " + "words and words. " * 20} for n in range(199)
]
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}},
    }
    for name in ("weather", "time")
]
CALLS: list[dict[str, Any]] = [
    {
        "id": f"call_{n}",
        "type": "function",
        "function": {"name": TOOLS[n % 2]["function"]["name"], "arguments": f'{{"place": "Ü{n}"}}'},
    }
    for n in range(4)
]
LOGPROBS = {
    "content": [
        {
            "token": word,
            "logprob": -0.25,
            "bytes": list(word.encode()),
            "top_logprobs": [{"token": "x", "logprob": -3.5, "bytes": None}],
        }
        for word in ("Hel", "lo")
    ],
    "refusal": None,
}


def choice(index: int = 0, finish: str = "stop", logprobs: Any = None, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, "refusal": None, **message}
    return {"index": index, "message": said, "logprobs": logprobs, "finish_reason": finish}


def body(*choices: dict[str, Any], **more: Any) -> bytes:
    data = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1741569952, "model": "gpt-4o-2024-08-06"}
    return encoded({**data, "choices": choices, "usage": usage(cached=200, reasoning=100), "service_tier": "default", **more})


def many(*deltas: tuple[int, dict[str, Any]]) -> tuple[bytes, ...]:
    """Events of several choices."""
    events = []
    for index, delta in deltas:
        data = json.loads(chunk(delta).removeprefix(b"data: "))
        data["choices"][0]["index"] = index
        events.append(b"data: " + json.dumps(data).encode() + b"\n\n")
    return tuple(events)


def ends(*indexes: int) -> tuple[bytes, ...]:
    events = []
    for index in indexes:
        data = json.loads(chunk({}, "stop").removeprefix(b"data: "))
        data["choices"][0]["index"] = index
        events.append(b"data: " + json.dumps(data).encode() + b"\n\n")
    return (*events, USAGE, DONE)


def call_events() -> tuple[bytes, ...]:
    """Four calls at once, whose arguments come in turns and in pieces."""
    begun = [
        chunk({"tool_calls": [{"index": n, **call, "function": {**call["function"], "arguments": ""}}]})
        for n, call in enumerate(CALLS)
    ]
    pieces = [
        chunk({"tool_calls": [{"index": n, "function": {"arguments": call["function"]["arguments"][at : at + 5]}}]})
        for at in range(0, 20, 5)
        for n, call in enumerate(CALLS)
    ]
    return (ROLE, *begun, *pieces, chunk({}, "tool_calls"), USAGE, DONE)


@dataclass(frozen=True)
class Shape:
    """A question, its answer whole and its answer as events."""

    whole: bytes
    events: tuple[bytes, ...]
    messages: Any = "Hello"
    params: dict[str, Any] = field(default_factory=dict)


LONG = "All work and no play. ☃ " * (5_000_000 // 26)
SHAPES = {
    "text": Shape(body(choice(content="Hello!")), (ROLE, *(chunk({"content": c}) for c in "Hello! ☃😀"), *ends(0))),
    "conversation": Shape(
        body(choice(content="Hello!")),
        (ROLE, chunk({"content": "Hello!"}), *ends(0)),
        [*CONVERSATION, {"role": "user", "content": "And now?"}],
    ),
    "5 MB": Shape(
        body(choice(content=LONG)),
        (ROLE, *(chunk({"content": LONG[at : at + 50_000]}) for at in range(0, len(LONG), 50_000)), *ends(0)),
    ),
    "tool calls": Shape(body(choice(finish="tool_calls", tool_calls=CALLS)), call_events(), params={"tools": TOOLS}),
    "image": Shape(
        body(choice(content="A picture.")),
        (ROLE, chunk({"content": "A picture."}), *ends(0)),
        [{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]}],  # noqa: E501
    ),
    "n=2": Shape(
        body(choice(0, content="one"), choice(1, content="two")),
        (*many((0, {"role": "assistant", "content": "o"}), (1, {"role": "assistant", "content": "t"})),
         *many((1, {"content": "wo"}), (0, {"content": "ne"})), *ends(1, 0)),
        params={"n": 2},
    ),
    "reasoning": Shape(
        body(choice(content="42", reasoning_content="6 times 7")),
        (ROLE, chunk({"reasoning_content": "6 times"}), chunk({"reasoning_content": " 7"}), chunk({"content": "42"}), *ends(0)),
    ),
    "logprobs": Shape(
        body(choice(content="Hello", logprobs=LOGPROBS)),
        (ROLE, chunk({"content": "Hel"}), chunk({"content": "lo"}), *ends(0)),
        params={"logprobs": True, "top_logprobs": 1},
    ),
    "unknown fields": Shape(
        body(choice(content="Hello", annotations=[{"type": "url_citation", "deep": {"deeper": [1, None, 2.5]}}]), system_fingerprint="fp"),  # noqa: E501
        (ROLE, chunk({"content": "Hello", "something_new": {"a": [1]}}), *ends(0)),
    ),
}  # fmt: skip
every_shape = pytest.mark.parametrize("shape", list(SHAPES.values()), ids=list(SHAPES))
COMPARED = ("id", "object", "created", "model", "provider", "choices", "usage", "service_tier", "system_fingerprint")


def parts(response: Any) -> dict[str, Any]:
    """All of an answer but what says how it came about."""
    dumped = response.model_dump()
    return {name: dumped.get(name) for name in COMPARED}


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Iterator[Upstream]:
    shape: Shape = request.getfixturevalue("shape")

    def script(received: Received, number: int) -> Said:
        return Said(events=shape.events) if received.body.get("stream") else Said(shape.whole)

    with Upstream(script) as running:
        yield running


class Calls:
    """One question, asked again and again; between two calls everything in memory is forgotten."""

    def __init__(self, upstream: Upstream, shape: Shape, directory: Path) -> None:
        self._given = upstream.given(messages=shape.messages, **shape.params)
        self._directory = directory

    def whole(self) -> Any:
        with insights.Client(cache_dir=self._directory) as client:
            return client.completion(**copy.deepcopy(self._given))

    def stream(self, **more: Any) -> tuple[list[Any], Any]:
        with insights.Client(cache_dir=self._directory) as client:
            found = client.completion(stream=True, **copy.deepcopy(self._given), **more)
            return list(found), found.response


@pytest.fixture
def calls(upstream: Upstream, shape: Shape, own_cache_dir: Path) -> Calls:
    return Calls(upstream, shape, own_cache_dir)


def spoil(thing: Any) -> None:
    """What a caller may do to what it got, all the way down."""
    for name in list(thing.keys()):
        value = thing[name]
        for item in value if isinstance(value, list) else [value]:
            if hasattr(item, "keys") and not isinstance(item, dict):
                spoil(item)
            elif isinstance(item, dict):
                item.clear()
        if isinstance(value, list):
            value.clear()
        elif isinstance(value, str):
            thing[name] = "spoiled"


@every_shape
def test_whole(calls: Calls, upstream: Upstream) -> None:
    first = calls.whole()
    before = parts(first)
    assert not first.cached
    spoil(first)
    assert parts(first) != before
    for _ in range(2):
        hit = calls.whole()
        assert hit.cached
        assert parts(hit) == before
        spoil(hit)
    assert upstream.count == 1


@every_shape
def test_stream(calls: Calls, upstream: Upstream) -> None:
    """The very same chunks, in their number and their boundaries."""
    chunks, whole = calls.stream()
    before = [copy.deepcopy(one.model_dump()) for one in chunks]
    expected = parts(whole)
    assert len(chunks) >= 3
    for one in (*chunks, whole):
        spoil(one)
    assert [one.model_dump() for one in chunks] != before
    for _ in range(2):
        again, hit = calls.stream()
        assert hit.cached
        assert [one.model_dump() for one in again] == before
        assert parts(hit) == expected
        for one in (*again, hit):
            spoil(one)
    assert upstream.count == 1


@every_shape
def test_a_caller_that_spoils_a_chunk_on_the_way(calls: Calls, upstream: Upstream, own_cache_dir: Path, shape: Shape) -> None:
    """Before the next one is there, and so before the answer is put together."""
    given = upstream.given(messages=shape.messages, **shape.params)
    texts = []
    with insights.Client(cache_dir=own_cache_dir) as client:
        found = client.completion(stream=True, **given)
        for one in found:
            texts.append(one.text)
            spoil(one)
    again, hit = calls.stream()
    assert hit.cached
    assert [one.text for one in again] == texts
    assert hit.text == "".join(texts)
    assert upstream.count == 1


@every_shape
def test_a_whole_answer_as_a_stream(calls: Calls, upstream: Upstream) -> None:
    first = calls.whole()
    chunks, hit = calls.stream(stream_options={"include_usage": True})
    assert hit.cached
    assert parts(hit) == parts(first)
    assert "".join(one.text for one in chunks) == first.text
    for wanted in first.choices:
        deltas = [one for piece in chunks for one in piece.choices if one.index == wanted.index]
        assert "".join(one.delta.content or "" for one in deltas) == (wanted.message.content or "")
        assert "".join(one.delta.reasoning_content or "" for one in deltas) == (wanted.message.reasoning_content or "")
        assert deltas[-1].finish_reason == wanted.finish_reason
        assert [one.logprobs for one in deltas if one.logprobs] == ([wanted.logprobs] if wanted.logprobs else [])
        said = [call for one in deltas for call in one.delta.tool_calls or ()]
        expected = [{"index": n, **call.model_dump()} for n, call in enumerate(wanted.message.tool_calls or ())]
        assert said == expected
    assert chunks[-1].usage == first.usage
    assert upstream.count == 1


@every_shape
def test_a_stream_as_a_whole_answer(calls: Calls, upstream: Upstream) -> None:
    _, first = calls.stream()
    hit = calls.whole()
    assert hit.cached
    assert parts(hit) == parts(first)
    assert upstream.count == 1


@pytest.mark.parametrize("shape", [SHAPES["5 MB"]], ids=["5 MB"])
def test_five_megabytes_are_five_megabytes(calls: Calls, upstream: Upstream) -> None:
    first = calls.whole()
    assert calls.whole().text == first.text == LONG
    tell(f"{len(SHAPES)} shapes, whole and streamed; the largest {len(LONG.encode()) / 1e6:.1f} MB")
