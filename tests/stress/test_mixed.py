"""Everything at once to one directory, by processes of threads: no error, no warning, and never a wrong or an old value."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.stress import children as children_module
from tests.stress.children import children
from tests.stress.sizes import SIZES, WHICH, tell


@pytest.mark.parametrize(
    "closes",
    ["open all the time", "closing"],
)
def test_mixed_operations(closes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if WHICH == "full":
        monkeypatch.setattr(children_module, "PATIENCE", 3600.0)
    directory = tmp_path / "cache"
    processes, threads, operations = SIZES.mixing_processes, SIZES.mixing_threads, SIZES.mixing_operations
    counts: Counter[str] = Counter()
    errors: list[str] = []
    wrong: list[str] = []
    warned: list[str] = []
    with children(processes, "mixer", str(directory), str(threads), str(operations), closes) as mixers:
        for mixer in mixers:
            assert mixer.hear() == "ready"
        started = time.monotonic()
        for mixer in mixers:
            mixer.tell("go")
        for mixer in mixers:
            said = mixer.hear()
            counts.update(said["counts"])
            errors += said["errors"]
            wrong += said["wrong"]
            warned += said["warnings"]
        seconds = time.monotonic() - started
        noise = "".join(mixer.complaints() for mixer in mixers)
    with closing(sqlite3.connect(directory / "answers-v1" / "cache.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    tell(
        f"{processes} processes x {threads} threads ({closes}): {counts['operations']} operations ({counts['hits']} hits, "
        f"{counts['kept']} writes), {len(errors)} errors, {len(wrong)} wrong values, {len(warned)} warnings, {seconds:.0f} s"
    )
    assert counts["operations"] == processes * threads * operations
    assert counts["hits"] > 0
    assert counts["forgotten"] > 0
    assert not errors, errors[:5]
    assert not wrong, wrong[:5]
    assert not warned, warned[:5]
    assert not noise
