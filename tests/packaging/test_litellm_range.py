"""The conformance tests under the oldest and the newest litellm that pyproject.toml allows.

Each has an environment of its own in .cache/litellm-range, made once (half a minute and a network) and used again until
the requirements change or `make clean` removes it.

    make test-range
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest

from tests.processes import REPO

pytestmark = pytest.mark.slow

ENVIRONMENTS = REPO / ".cache" / "litellm-range"


def requirements(end: str) -> list[str]:
    """What the environment of one end of the range holds: what a user installs, with all extras, and pytest."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    litellm = next(r for r in project["dependencies"] if r.startswith("litellm"))
    if end == "oldest":
        litellm = re.sub(r"^litellm>=([\d.]+),.*$", r"litellm==\1", litellm)
        assert "==" in litellm, litellm
    others = [r for r in project["dependencies"] if not r.startswith("litellm")]
    tools = [r for r in extras["dev"] if re.match(r"(pytest|hypothesis)\b", r)]
    return [litellm, *others, *extras["vertex"], *extras["bedrock"], *tools]


def environment(end: str, environ: dict[str, str]) -> Path:
    """The Python of an environment with that end's litellm; left alone if it is already what it should be."""
    wanted = requirements(end)
    folder = ENVIRONMENTS / end
    stamp, python = folder / "installed", folder / "bin" / "python"
    fingerprint = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    # pip goes back to the newest litellm whose own dependencies can all be had.
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stamp.write_text(fingerprint)
    return python


@pytest.mark.parametrize("end", ["oldest", "newest"])
def test_conformance(end: str, outer_environ: dict[str, str]) -> None:
    python = environment(end, outer_environ)
    version = subprocess.run(
        [str(python), "-c", "import importlib.metadata as m; print(m.version('litellm'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/conformance", "tests/test_cassettes.py"],
        cwd=REPO,
        env=outer_environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"litellm {version}\n{done.stdout}\n{done.stderr}"
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) > 0
    print(f"litellm {version}: {done.stdout.strip().splitlines()[-1]}")
