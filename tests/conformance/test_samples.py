"""The hand-written answers, through the public API: kinds of answer of which there are few or no recordings."""

from __future__ import annotations

import pytest

from .calling import differences
from .recordings import Recording
from .samples_native import NATIVE_SAMPLES
from .samples_odd_bedrock import BEDROCK_ODDITIES
from .samples_odd_hosts import HOST_ODDITIES
from .samples_odd_native import NATIVE_ODDITIES
from .samples_openai import OPENAI_SAMPLES
from .samples_review import REVIEWED
from .wires import wire_of

# Sample -> why the library does not do better. Each entry is reviewed, and fails as soon as it is not needed.
KNOWN_GAPS: dict[str, str] = {}

SAMPLES = [*OPENAI_SAMPLES, *NATIVE_SAMPLES, *HOST_ODDITIES, *NATIVE_ODDITIES, *BEDROCK_ODDITIES, *REVIEWED]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(
            sample,
            id=sample.row["file"],
            marks=[pytest.mark.xfail(reason=KNOWN_GAPS[sample.row["file"]])] if sample.row["file"] in KNOWN_GAPS else [],
        )
        for sample in SAMPLES
    ],
)
def test_sample_comes_out_as_written(recording: Recording, mode: str) -> None:
    wire = wire_of(recording.path)
    assert wire is not None
    found = differences(recording, wire, awaiting=mode == "async")
    assert not found, "\n".join([recording.row["file"], *found])
