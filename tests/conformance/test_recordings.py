"""Every recording of a live provider, through the public API: text, tool calls, usage and errors as on the wire.

The recordings lie beside the checkout (or where INSIGHTS_RECORDINGS says) and are described by their INDEX.csv alone,
so that a new file there is a new test here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import recordings
from .calling import differences
from .wires import wire_of

ROOT = recordings.folder()
ROWS = recordings.rows(ROOT) if ROOT else []
MODES = {"sync": False, "async": True}

# Recording -> why the library cannot do better yet. Each entry is reviewed, and fails as soon as it is not needed.
KNOWN_GAPS: dict[str, str] = {}

_passed: set[tuple[str, str]] = set()
_tried: set[tuple[str, str]] = set()


def _parameters() -> list[object]:
    return [
        pytest.param(
            row,
            mode,
            id=f"{row['file'].removesuffix('.yaml')}-{mode}",
            marks=[pytest.mark.xfail(reason=KNOWN_GAPS[row["file"]])] if row["file"] in KNOWN_GAPS else [],
        )
        for row in ROWS
        for mode in MODES
    ]


pytestmark = pytest.mark.skipif(
    ROOT is None, reason="no recordings: neither INSIGHTS_RECORDINGS nor ../shared/recordings has an INDEX.csv"
)


@pytest.mark.parametrize(("row", "mode"), _parameters())
def test_recording_comes_out_as_recorded(row: dict[str, str], mode: str) -> None:
    assert ROOT is not None
    recording = recordings.load(ROOT, row)
    wire = wire_of(recording.path)
    if wire is None:
        pytest.skip(f"no format of chats that is known: {recording.path}")
    try:
        assert recording.plain is not None
    except recordings.UnreadableRecording as error:
        pytest.skip(str(error))
    _tried.add((row["file"], mode))
    found = differences(recording, wire, awaiting=MODES[mode])
    assert not found, "\n".join([row["file"], *found])
    _passed.add((row["file"], mode))


def test_summary(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Says how many recordings came out right; runs last, over what ran before it in this process."""
    files = {file for file, _ in _tried}
    right = {file for file in files if all((file, mode) in _passed for mode in MODES if (file, mode) in _tried)}
    summary = f"{len(right)} of {len(files)} recordings pass"
    record_property("recordings", summary)
    with capsys.disabled():
        print(f"\n{summary}" + "".join(f"\n  not: {file}" for file in sorted(files - right)))
    assert files - right <= set(KNOWN_GAPS)
