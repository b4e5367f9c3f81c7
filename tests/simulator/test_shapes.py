"""Is the simulator like the real thing? Its answers to recorded requests have the recorded answers' shape.

Shape means: the names of the fields, their types, and the order of a stream's events. The recordings are of live APIs.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.conformance import recordings
from tests.conformance.recordings import Recording
from tests.simulator import BASES, Simulator
from tests.simulator.after import RECORDINGS
from tests.simulator.server import WIRES
from tests.simulator.shapes import Paths, ask, documents, paths, shapes

WITHOUT: Final = "the recordings are not, or not all, beside this checkout (INSIGHTS_RECORDINGS says where they are)"

# Where the recordings are whole enough to say what must be there; elsewhere they only say what may be.
COMPLETE: Final = frozenset({"openai", "anthropic", "gemini", "bedrock", "cohere", "ollama"})

# The wire of these is another than OpenAI's, which they speak as well.
NATIVE: Final = frozenset({"gemini", "ollama", "bedrock", "anthropic"})


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@functools.cache
def recorded() -> dict[str, Recording]:
    """The answers with status 200 of the wires that are simulated, by file."""
    root = recordings.folder()
    rows = [row for row in recordings.rows(root) if row["file"] in RECORDINGS] if root else []
    if not {row["file"] for row in rows} >= RECORDINGS:
        return {}  # what a field is like is known from all of them together
    found = {row["file"]: recordings.load(root, row) for row in rows if root and row["status"] == "200"}
    return {name: recording for name, recording in found.items() if url_of("", recording) and recording.request}


def url_of(simulator: str, recording: Recording) -> str | None:
    """Where the simulator speaks what was recorded."""
    provider, path = recording.provider, recording.path
    if provider not in BASES or not any(path.endswith(end) for end, _ in WIRES):
        return None
    if (provider in NATIVE and path.endswith("/chat/completions")) or "content_filter" in recording.row["scenario"]:
        return None
    return f"{simulator}/{provider}{path}{'?alt=sse' if ':stream' in path else ''}"


def parameters() -> list[Any]:
    names = sorted(recorded())
    return names or [pytest.param("", marks=pytest.mark.skip(reason=WITHOUT))]


@pytest.mark.parametrize("name", parameters())
def test_an_answer_has_the_recorded_shape(name: str, simulator: Simulator) -> None:
    recording = recorded()[name]
    url = url_of(simulator.url, recording)
    assert url is not None
    told = ask(url, recording.request)
    assert told.status == 200, told.body
    known = known_shapes(recording.provider, verb(recording), recording.streaming)
    for kind, (every, _) in shapes(told.documents).items():
        assert kind in known, f"no live answer has an event {kind!r}"
        there, needed = known[kind]
        assert not (more := set(every) - set(there)), f"{kind}: no live answer has {sorted(more)}"
        wrong = {path: (types, there[path]) for path, types in every.items() if not types <= there[path]}
        assert not wrong, f"{kind}: other types than the live ones: {wrong}"
        if recording.provider in COMPLETE:
            assert not (less := needed - set(every)), f"{kind}: every live answer has {sorted(less)}"


def known_shapes(provider: str, verb_: str, streaming: bool) -> dict[str, tuple[Paths, set[tuple[str, ...]]]]:
    """What the live answers of a provider look like. How a usage looks is known from any of them."""
    alike = [one for one in recorded().values() if (one.provider, verb(one)) == (provider, verb_)]
    same = [one for one in alike if one.streaming == streaming]
    known = shapes([found for one in same for found in documents(one.plain, content_type(one))])
    counted = shapes([found for one in alike for found in documents(one.plain, content_type(one))])
    for kind, (every, _) in known.items():
        usage = {path: types for path, types in counted[kind][0].items() if path[:1] == ("usage",)}
        for path, types in usage.items():
            every.setdefault(path, set()).update(types)
    return known


def verb(recording: Recording) -> str:
    return recording.path.rpartition("/")[2].rpartition(":")[2]


def content_type(recording: Recording) -> str:
    return recording.header("content-type")


@pytest.mark.parametrize("name", [p for p in parameters() if not isinstance(p, str) or recorded()[p].streaming])
def test_a_streams_events_come_in_the_recorded_order(name: str, simulator: Simulator) -> None:
    recording = recorded()[name]
    url = url_of(simulator.url, recording)
    assert url is not None
    told = ask(url, recording.request)
    assert order(told.documents) == order(list(documents(recording.plain, content_type(recording))))
    assert told.headers["content-type"].partition(";")[0] == content_type(recording).partition(";")[0]
    assert (b"data: [DONE]" in told.body) == (b"data: [DONE]" in recording.plain)


def order(told: list[tuple[str, Any]]) -> list[str]:
    """The kinds of events, repetitions told once."""
    return [kind for kind, _ in itertools.groupby(kind for kind, _ in told)]


ERRORS: Final[Mapping[str, str]] = {
    "openai/error_401_stream__mirascope.yaml": "bad_key",
    "openai/error_400_ctxlen__ruby_llm.yaml": "bad_request",
    "anthropic/error_401_stream__mirascope.yaml": "bad_key",
    "gemini/error_429__ruby_llm.yaml": "rate_limit",
    "gemini/error_404__braintrust-sdk-python.yaml": "not_found",
    "cohere/error_401__ruby_llm.yaml": "bad_key",
    "bedrock/error_403__dd-trace-py.yaml": "bad_key",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_the_recorded_shape(name: str) -> None:
    root = recordings.folder()
    if root is None:
        pytest.skip(WITHOUT)
    row = next((row for row in recordings.rows(root) if row["file"] == name), None)
    if row is None:
        pytest.skip(WITHOUT)
    recording = recordings.load(root, row)
    ends = {"invoke": "/converse"}
    end = next((wire for end, wire in WIRES if recording.path.endswith(end)), dict(WIRES).get(ends.get(verb(recording), "")))
    assert end is not None
    status, body = end.failure(ERRORS[name], "no", 48)
    assert status == recording.status
    there, here = dict(paths(json.loads(recording.plain))), dict(paths(body))
    for path in (("error", "code"), ("error", "param")):  # a name or nothing
        assert (path in here) == (path in there)
        here.pop(path, None)
        there.pop(path, None)
    assert here.items() <= there.items()
    assert set(there) <= {*here, *(path for path in there if "details" in path)}
