"""Every recording of a live provider is a cassette: it loads whole, and replays without a key as what the provider said.

The recordings lie beside the checkout (or where INSIGHTS_RECORDINGS says) and are described by their INDEX.csv alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

import insights
from insights.cassettes.file import read_cassette
from insights.core import intercept
from insights.core.effects import Recorded, WireCall

from . import recordings
from .calling import Outcome, arguments, call
from .compare import answer_differences, chunk_differences, error_differences
from .expected import expected
from .recordings import Recording
from .wires import Wire, wire_of

ROOT = recordings.folder()
ROWS = recordings.rows(ROOT) if ROOT else []
MODES = {"sync": False, "async": True}

WHOLE = ("method", "scheme", "host", "port", "path", "query", "body")
WITHOUT_BODY = WHOLE[:-1]
# Recordings of which less counts than `WITHOUT_BODY`. Each entry says why.
LOOSER: dict[str, tuple[str, ...]] = {
    # Recorded at http://0.0.0.0:4000: plain http goes to no other machine, so it is asked at 127.0.0.1.
    "litellm_proxy/chat_plain__dd-trace-py.yaml": ("method", "scheme", "port", "path", "query"),
    # Google's own client said in the query that it wants JSON.
    "vertex/error_400__opentelemetry-python-contrib.yaml": ("method", "scheme", "host", "port", "path"),
    "gemini/error_403__langchaingo.yaml": ("method", "scheme", "host", "port", "path"),
}

_loaded: set[str] = set()
_tried: set[str] = set()
_wrong: set[str] = set()
_replayed: dict[str, set[str]] = {mode: set() for mode in MODES}
_by_body: set[str] = set()

pytestmark = pytest.mark.skipif(
    ROOT is None, reason="no recordings: neither INSIGHTS_RECORDINGS nor ../shared/recordings has an INDEX.csv"
)
every_row = pytest.mark.parametrize("row", ROWS, ids=[row["file"].removesuffix(".yaml") for row in ROWS])


def path_of(row: dict[str, str]) -> Path:
    assert ROOT is not None
    return ROOT / row["file"]


def raw(row: dict[str, str]) -> list[dict[str, Any]]:
    """The interactions as YAML gives them."""
    with path_of(row).open(encoding="utf-8") as handle:
        found: list[dict[str, Any]] = yaml.load(handle, Loader=yaml.CSafeLoader)["interactions"]  # the safe loader, in C
    return found


def header_of(response: dict[str, Any], name: str) -> str:
    pairs = recordings._headers(response.get("headers") or {})
    return next((value for key, value in pairs if key.lower() == name), "")


@every_row
def test_a_recording_loads(row: dict[str, str]) -> None:
    """Each of its interactions, with the body that the server meant, whatever compression it was sent in."""
    found = read_cassette(path_of(row)).interactions
    wanted = raw(row)
    assert len(found) == len(wanted) == int(row["interactions"])
    for mine, theirs in zip(found, wanted, strict=True):
        response = theirs["response"]
        body = recordings._response_bytes(response)
        assert b"".join(mine.response.pieces) == recordings.decompressed(body, header_of(response, "content-encoding"))
        assert mine.response.status == recordings._status(theirs)
        assert mine.response.headers.get("content-type", "") == header_of(response, "content-type")
        assert "content-encoding" not in mine.response.headers
        assert (mine.method, mine.uri) == (theirs["request"]["method"], theirs["request"]["uri"])
    _loaded.add(row["file"])


class Counting:
    """An interceptor around another, which sees what was asked."""

    realtime = recording = False
    replaying = True

    def __init__(self, inner: intercept.Interceptor) -> None:
        self.inner, self.calls = inner, list[WireCall]()
        self.missing, self.record, self.opened = inner.missing, inner.record, inner.opened

    def replay(self, call: WireCall) -> Recorded | None:
        self.calls.append(call)
        return self.inner.replay(call)


def replayed(row: dict[str, str], recording: Recording, wire: Wire, parts: tuple[str, ...], *, awaiting: bool) -> Outcome:
    """What a call without a key gets from the file; where the described exchange isn't the first, it is asked so often."""
    origin = urlsplit(recording.uri)
    given = arguments(recording, wire, f"{origin.scheme}://{origin.netloc}".replace("//0.0.0.0:", "//127.0.0.1:"))
    del given["api_key"]
    with insights.use_cassette(path_of(row), mode="replay", match_on=parts) as tape:
        at = next(
            number
            for number, item in enumerate(tape.interactions)
            if (item.uri, item.response.status) == (recording.uri, recording.status)
            and b"".join(item.response.pieces) == recording.plain
        )
        with intercept.installed(seen := Counting(tape)):
            for _ in range(at + 1):
                outcome = call(given, awaiting=awaiting)
        assert len(seen.calls) == at + 1, "a call sent more than one request"
        assert not any(asked.secret for asked in seen.calls)
    return outcome


def differences(outcome: Outcome, recording: Recording) -> list[str]:
    wanted = expected(recording)
    if outcome.error is not None:
        return error_differences(outcome.error, wanted)
    if outcome.response is None:
        return ["the stream ended without stream.response"]
    found = answer_differences(outcome.response, wanted)
    return found + (chunk_differences(outcome.chunks, outcome.response) if recording.streaming else [])


@every_row
@pytest.mark.parametrize("mode", MODES)
def test_a_recording_replays(row: dict[str, str], mode: str) -> None:
    """At the recorded address. Bodies are compared where the library says the same as the recorded client did."""
    assert ROOT is not None
    recording = recordings.load(ROOT, row)
    wire = wire_of(recording.path)
    assert wire is not None, f"no format of chats that is known: {recording.path}"
    _tried.add(row["file"])
    _wrong.add(row["file"])
    outcome = replayed(row, recording, wire, WHOLE, awaiting=MODES[mode])
    by_body = not isinstance(outcome.error, insights.CassetteMissingError)
    if not by_body:
        outcome = replayed(row, recording, wire, LOOSER.get(row["file"], WITHOUT_BODY), awaiting=MODES[mode])
    found = differences(outcome, recording)
    assert not found, "\n".join([row["file"], *found])
    _wrong.discard(row["file"])
    _replayed[mode].add(row["file"])
    if by_body:
        _by_body.add(row["file"])


def test_summary(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Says how many load and replay; runs last, over what ran before it in this process."""
    right = {file for file in _tried - _wrong if any(file in files for files in _replayed.values())}
    summary = (
        f"{len(_loaded)} of {len(ROWS)} recordings load, {len(right)} of {len(_tried)} replay"
        f" ({len(right & _by_body)} of them with every part of the request compared, the others without its body)"
    )
    record_property("cassettes of recordings", summary)
    with capsys.disabled():
        print(f"\n{summary}" + "".join(f"\n  not: {file}" for file in sorted(_tried - right)))
    assert not _wrong
