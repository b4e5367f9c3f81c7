"""The hand-written answers, through the public API: kinds of answer of which there are few or no recordings."""

from __future__ import annotations

import pytest

from .calling import differences
from .recordings import Recording
from .samples_native import NATIVE_SAMPLES
from .samples_openai import OPENAI_SAMPLES
from .wires import wire_of


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("recording", [*OPENAI_SAMPLES, *NATIVE_SAMPLES], ids=lambda recording: recording.row["file"])
def test_sample_comes_out_as_written(recording: Recording, mode: str) -> None:
    wire = wire_of(recording.path)
    assert wire is not None
    found = differences(recording, wire, awaiting=mode == "async")
    assert not found, "\n".join([recording.row["file"], *found])
