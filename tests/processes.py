"""Python in a process of its own: for what only a fresh interpreter can show."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """How a child process ended."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float  # wall time, the interpreter's start included


def run_python(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path = REPO,
    timeout: float = 120,
    python: str | Path = sys.executable,
) -> Run:
    """Run `python *arguments` with this process's (key-free) environment and `env` on top, and wait for it."""
    start = time.perf_counter()
    done = subprocess.run(
        [str(python), *arguments],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, time.perf_counter() - start)


def loaded(modules: str, packages: tuple[str, ...]) -> list[str]:
    """Those of `packages` that are among `modules`, a text of dotted names separated by white space."""
    roots = {name.partition(".")[0] for name in modules.split()}
    return [package for package in packages if package in roots]
