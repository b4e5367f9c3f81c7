"""A new provider in a checkout of insights: its module, its row, its files, its cassette, its line in the documentation.

All is made in a copy of the checkout first. There its cassette is recorded and the table of providers written, by the copy's
own code; so what is wrong shows before anything here has changed, and `--dry-run` shows all that would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from insights.core.errors import ConfigError
from insights.scaffold import texts
from insights.scaffold.asked import NewProvider
from insights.scaffold.changes import Changes

FACTORY: Final = "insights/adapters/models/factory.py"
FALLBACK: Final = "configs/providers/fallback.yaml"
TABLE: Final = "docs/providers.md"
# What the copy needs to record a cassette and to write the table of providers.
_COPIED: Final = ("insights", "configs", "cassettes", "tests", "docs", "pyproject.toml", "README.md")
_NOBODY: Final = "http://127.0.0.1:9"  # where nothing listens: what is tried must not leave this machine
_PATIENCE: Final = 300  # seconds for one command; importing litellm takes some of them on a slow disk


def find_checkout() -> Path:
    """The checkout that the running code is from.

    Raises:
        ConfigError: it is an installed package, or the current directory is in another checkout.
    """
    root = Path(__file__).resolve().parents[2]
    if not _is_checkout(root):
        raise ConfigError(
            "this insights is an installed package: a provider is added to it by a package or a file of its own",
            hint="add --out-of-tree, or --yaml-only for a file in INSIGHTS_CONFIG_DIR",
        )
    here = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if _is_checkout(folder)), root)
    if here.resolve() != root:
        raise ConfigError(
            f"you are in {here}, but this command is that of {root}",
            hint=f"run the checkout's own: cd {here} && make install && .venv/bin/insights provider add ...",
        )
    return root


def _is_checkout(folder: Path) -> bool:
    return all(
        (folder / name).exists() for name in (FACTORY, "pyproject.toml", "configs/providers", "tests/record_cassettes.py")
    )


def plan(new: NewProvider, root: Path, trying: Callable[[], None] = lambda: None) -> Changes:
    """All changes that a new provider makes to a checkout; nothing is written yet.

    Args:
        trying: called before it is tried in the copy, which takes some seconds.

    Raises:
        ConfigError: a file exists already, or the provider doesn't work in the copy.
    """
    changes = Changes(root)
    changes.create(
        {
            f"insights/adapters/models/{new.name}.py": texts.adapter(new),
            f"configs/providers/{new.name}.yaml": texts.provider_file(new, prefixes=False),
        }
    )
    if (root / "cassettes" / new.name).exists():
        raise ConfigError("exists already, and is not overwritten", file=str(root / "cassettes" / new.name))
    changes.change(FACTORY, with_row(_read(root, FACTORY), new))
    if new.fallback:
        changes.change(FALLBACK, with_stand_in(_read(root, FALLBACK), f"{new.name}/{new.model}"))
    trying()
    with tempfile.TemporaryDirectory(prefix="insights-provider-") as folder:
        copy = Path(folder).resolve()
        _copy(root, copy)
        for name, text in changes.new.items():
            (copy / name).write_text(text, encoding="utf-8", newline="\n")
        _run(copy, "-m", "tests.record_cassettes", "--only", new.name)
        _run(copy, "docs/providers_table.py")
        changes.create(
            {
                path.relative_to(copy).as_posix(): path.read_text(encoding="utf-8")
                for path in sorted((copy / "cassettes" / new.name).glob("*.yaml"))
            }
        )
        changes.change(TABLE, _read(copy, TABLE))
    return changes


def with_row(source: str, new: NewProvider) -> str:
    """The factory with a row for the provider, and its prefixes."""
    member = new.name.upper()
    rows = list(re.finditer(r'^    [A-Z0-9_]+ = "[a-z0-9_]+"\n', source, re.MULTILINE))
    start = source.find("PROVIDER_PREFIXES: Final")
    end = source.find("\n}\n", start)
    if not rows or start < 0 or end < 0:
        raise ConfigError("has no table of providers that could be added to", file=FACTORY, hint="add the row by hand")
    added = list(new.prefixes)
    if new.litellm_prefix not in (None, new.name) and not _is_a_name(source, str(new.litellm_prefix)):
        added.append(f"{new.litellm_prefix}/")
    table = "".join(f'    "{prefix}": Provider.{member},\n' for prefix in added)
    last = rows[-1].end()
    return source[:last] + f'    {member} = "{new.name}"\n' + source[last : end + 1] + table + source[end + 1 :]


def _is_a_name(source: str, name: str) -> bool:
    return f'= "{name}"\n' in source or f'"{name}/":' in source


def with_stand_in(source: str, model: str) -> str:
    """`fallback.yaml` with one more model at the end of the chain that follows every model."""
    found = re.search(r"^default: \[(.*)\](.*)$", source, re.MULTILINE)
    if found is None:
        raise ConfigError("its default chain isn't on one line, default: [...]", file=FALLBACK, hint=f"add {model} by hand")
    chain = ", ".join(filter(None, (found[1].strip(), model)))
    return source[: found.start()] + f"default: [{chain}]{found[2]}" + source[found.end() :]


def _read(root: Path, name: str) -> str:
    return (root / name).read_bytes().decode("utf-8")


def _copy(root: Path, copy: Path) -> None:
    skip = shutil.ignore_patterns("__pycache__", ".*", "_configs")
    for name in _COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=skip)
        elif (root / name).exists():
            shutil.copy(root / name, copy / name)


def _run(copy: Path, *arguments: str) -> None:
    """Runs Python in the copy, with no setting or key of this machine.

    Raises:
        ConfigError: it fails, with the last line of what it said.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(("INSIGHTS_", "PYTEST_")) and name != "CI"}
    env |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "INSIGHTS_CACHE_DIR": str(copy / ".cache")}
    env |= {"HTTP_PROXY": _NOBODY, "HTTPS_PROXY": _NOBODY, "ALL_PROXY": _NOBODY, "NO_PROXY": "127.0.0.1,localhost"}
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=copy, env=env, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{' '.join(arguments)} took longer than {_PATIENCE} seconds; nothing was written") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = next((line for line in reversed(said) if re.match(r"[\w.]*(Error|Exception)\b", line)), said[-1] if said else "")
        raise ConfigError(f"the new provider doesn't work, so nothing was written: {why}", hint="correct the arguments")


def run_contract(name: str) -> bool:
    """Runs the checkout's tests of one provider; True where they pass.

    Raises:
        ConfigError: there is no checkout, whose tests know every shipped provider.
    """
    root = find_checkout()
    suites = ("tests/unit/adapters/models/test_contract.py", "tests/unit/test_configs.py", "tests/test_cassettes.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *suites, "-q", "--no-header", "-k", name, "-p", "no:cacheprovider"],
        cwd=root,
        check=False,
    )
    return done.returncode == 0
