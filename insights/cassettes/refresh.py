"""Recording cassettes anew, by running the tests that recorded them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from insights.cassettes import modes
from insights.cassettes.check import cassette_files
from insights.cassettes.file import read_cassette
from insights.cassettes.shown import shown
from insights.core.errors import CassetteError


@dataclass
class Refresh:
    """What is to be run. `left` are files that no test is named in, or that can't be read, and why they stay as they are."""

    tests: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def command(self) -> list[str]:
        """The command that records them."""
        # Where pytest-recording is there, its option may stand in the project's own settings, and wins over the variable.
        option = ["--record-mode=rewrite"] if importlib.util.find_spec("pytest_recording") is not None else []
        return [sys.executable, "-m", "pytest", *option, *self.tests]

    def run(self, root: Path) -> tuple[int, list[str]]:
        """Runs it in pytest's root directory; each file is the old one or the new one, whatever fails.

        Returns:
            pytest's exit code, and the files that were not written anew.
        """
        before = {path: _state(path) for path in self.files}
        environment = {**os.environ, modes.VARIABLE: "refresh"}
        code = subprocess.run(self.command, cwd=root, env=environment, check=False).returncode
        same = [shown(path.absolute()) for path, state in before.items() if _state(path) == state]
        return code, same


def _state(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def plan_refresh(paths: Sequence[Path]) -> Refresh:
    """Which tests record these files.

    Raises:
        CassetteError: a path that isn't there; or it is CI, where nothing is recorded.
    """
    if modes.in_ci():
        raise CassetteError("CI is set, where cassettes are only replayed", hint="refresh them on your own machine, with a key")
    found = Refresh()
    for path in cassette_files(paths):
        try:
            content = read_cassette(path)
        except (CassetteError, FileNotFoundError) as error:
            found.left.append(str(error).partition("\n")[0])
            continue
        if not content.tests:
            command = content.recorded_from.get("command", f"what recorded it, with {modes.VARIABLE}=refresh")
            found.left.append(f"{shown(path.absolute())}: no test is named in it; run {command}")
            continue
        found.files.append(path)
        found.tests += [test for test in content.tests if test not in found.tests]
    return found
