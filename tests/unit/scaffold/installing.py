"""A package of a provider, made by the command and installed where only those who are told look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Run, run_python
from tests.unit.cli.shell import insights, spawned

from .project import ROOT, arguments

PIP = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-compile", "--no-cache-dir")


@dataclass(frozen=True)
class Package:
    """Its folder, and the directory that it is installed in."""

    folder: Path
    target: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of somebody who has it."""
        return {"PYTHONPATH": os.pathsep.join([str(self.target), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}

    def python(self, *words: str, cwd: Path | str | None = None, **env: str) -> Run:
        """Runs Python with the package installed."""
        return run_python(*words, cwd=Path(cwd or self.folder), env={**self.env, **env})

    def tells(self, code: str, *words: str, cwd: Path | str | None = None, **env: str) -> Any:
        """What a script prints as JSON."""
        done = self.python("-c", "import asyncio, json, sys\nimport insights\n" + code, *words, cwd=cwd, **env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def command(self, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs the command with the package installed."""
        return spawned(*words, cwd=cwd or self.folder.parent, **{**self.env, **env})


def made(place: Path, name: str = "initech", *more: str, **changed: str) -> Package:
    """Has the command make a package in `place`, and pip build and install it, without a network."""
    done = insights(*arguments(name, "--out-of-tree", *more, **changed), cwd=place)
    assert done.returncode == 0, done.stderr
    package = Package(place / f"insights-{name.replace('_', '-')}", place / "target")
    assert {Path(line) for line in done.stdout.splitlines()} == {path for path in package.folder.rglob("*") if path.is_file()}
    built = run_python(*PIP, "--disable-pip-version-check", "--target", str(package.target), str(package.folder))
    assert built.returncode == 0, built.stdout + built.stderr
    return package


def ruff(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs ruff, keeping nothing."""
    command = [str(Path(sys.executable).with_name("ruff")), *words, "--no-cache"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
