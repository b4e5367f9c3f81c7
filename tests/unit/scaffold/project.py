"""A copy of this project, the command for a provider called Initech, and what it changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from typer.testing import Result

from tests.unit.cli.shell import spawned

ROOT: Final = Path(__file__).resolve().parents[3]
COPIED: Final = ("insights", "configs", "cassettes", "tests", "docs", "pyproject.toml", "README.md")
INITECH: Final = {
    "--api-base": "https://api.initech.example/v1",
    "--env-key": "INITECH_API_KEY",
    "--model": "model-1",
    "--context": "128000",
    "--input-per-1k": "0.0123",
    "--output-per-1k": "0.0456",
}


def arguments(name: str | None = "initech", *more: str, **changed: str | None) -> list[str]:
    """The arguments of `provider add`, all of them; `changed` gives an option another value, or None to leave it out."""
    given: dict[str, str | None] = {**INITECH, **{f"--{key.replace('_', '-')}": value for key, value in changed.items()}}
    options = [part for key, value in given.items() if value is not None for part in (key, value)]
    return ["provider", "add", *([] if name is None else [name]), *options, *more]


def copy_project(folder: Path) -> Path:
    """Copies what the project is made of."""
    skip = shutil.ignore_patterns("__pycache__", ".*", "_configs")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=skip)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_in(copy: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a copy's own command in it."""
    return spawned(*words, cwd=copy, PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1", **env)


def git(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs git, without anybody's settings."""
    plain = ["-c", "core.autocrlf=false", "-c", "user.name=a", "-c", "user.email=a@example.test"]
    command = ["git", *plain, *words]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and directory below, with when it was changed and how long it is."""
    return {
        os.path.join(where, name): (found.st_mtime_ns, found.st_size)
        for where, folders, files in os.walk(folder)
        if "__pycache__" not in where
        for name in (*folders, *files)
        if name != "__pycache__"
        for found in (os.stat(os.path.join(where, name)),)
    }


def contents(folder: Path) -> dict[str, bytes]:
    """The files below, without what a version control keeps."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"__pycache__", ".git"} & set(path.relative_to(folder).parts)
    }


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """The files that are new, gone or another text."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def refused_in(done: Result) -> str:
    """What the command says on stderr, after it is seen to say no more than an error and its hint."""
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line != "trying it in a copy of the checkout"]
    assert [line for line in lines if line.startswith("error: ")] == lines[:1]
    assert all(line.startswith("  -> ") for line in lines[1:]), lines
    assert 1 <= len(lines) <= 2
    return "\n".join(lines)
