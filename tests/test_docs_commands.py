"""What the documentation has people type into a shell, or write into files, is right: options exist, targets exist, files load.

Commands that neither write nor ask anybody are run; of the others the words are parsed as the command itself would.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from insights.catalog.loader import Catalog
from insights.cli.app import app
from insights.core.config import Settings

REPO = Path(__file__).parents[1]
NAMES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "cassettes/README.md")
PAGES = sorted([*(REPO / name for name in NAMES), *(REPO / "docs").glob("**/*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>sh|yaml|toml)\n(?P<text>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^ *```.*?^ *```[ \t]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    +((?:insights|make|pip|\.venv/bin/\w+|[A-Z_]+=\S+ insights) ?.*)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
# These neither write nor ask a provider. `ask` only with a cassette.
_RUN = {
    ("models",), ("route",), ("cost",), ("spend",), ("doctor",), ("provider", "list"), ("provider", "show"), ("prices", "show"),
    ("cassettes", "show"), ("cache", "stats"), ("cache", "path"),
}  # fmt: skip


def fences(page: Path, kind: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [match["text"] for match in _FENCE.finditer(text) if match["kind"] == kind]


def commands(text: str) -> Iterator[list[str]]:
    """The programs that a piece of shell calls, each with its words."""
    begun = ""
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(begun + line, comments=True)
        except ValueError:  # a text in quotes goes on in the next line
            begun += f"{line}\n"
            continue
        begun = ""
        call: list[str] = []
        for word in [*words, "|"]:
            if word in ("|", "&&", ";", ">", "<"):
                while call and _ASSIGNMENT.fullmatch(call[0]):
                    call.pop(0)
                if call:
                    yield call
                call = []
            else:
                call.append(word)


def of_page(page: Path) -> list[list[str]]:
    text = page.read_text(encoding="utf-8")
    rest = _FENCED.sub("", text).replace("\\\n", " ")
    return [call for piece in (*fences(page, "sh"), *_INDENTED.findall(rest)) for call in commands(piece)]


CALLS = [(page, call) for page in PAGES for call in of_page(page)]


def parsed(words: list[str]) -> tuple[str, ...]:
    """The command that the words of `insights` lead to, which must take the rest of them."""
    command: Any = typer.main.get_command(app)
    path: list[str] = []
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            break
        path.append(words[0])
        assert words[0] in command.commands, f"there is no command {' '.join(path)!r}"
        command, words = command.commands[words[0]], words[1:]
    if path and "--help" not in words:
        try:
            command.make_context(" ".join(path), list(words))
        except Exception as error:  # typer's own copy of click has its own classes
            raise AssertionError(f"{' '.join(path)}: {error}") from None
    return tuple(path)


def checked(call: list[str]) -> None:
    program = Path(call[0]).name
    if program == "make":
        assert set(call[1:]) - {word for word in call if "=" in word} <= TARGETS
    elif program == "pip":
        for extras in re.findall(r"insights-llm\[([\w,]+)\]", " ".join(call)):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    elif program == "insights":
        parsed(call[1:])


@pytest.mark.parametrize(("page", "call"), CALLS, ids=[f"{p.relative_to(REPO)}: {' '.join(c)[:70]}" for p, c in CALLS])
def test_a_command(page: Path, call: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(call)
    if Path(call[0]).name != "insights":
        return
    for name in ("cassettes", "configs"):
        (tmp_path / name).symlink_to(REPO / name)
    monkeypatch.chdir(tmp_path)
    path = parsed(call[1:])
    offline = [*call[1:], "--offline"] if path == ("doctor",) and "--offline" not in call else call[1:]
    if any(word.endswith(".yaml") and not Path(word).exists() for word in call):
        return  # of the reader's own project
    if path in _RUN or (path == ("ask",) and "--cassette" in call):
        done = CliRunner().invoke(app, offline, input="" if path == ("ask",) else "Hello")
        assert done.exit_code in ((0, 1) if path == ("doctor",) else (0,)), done.output + done.stderr


def test_there_are_commands() -> None:
    assert len([call for _, call in CALLS if Path(call[0]).name == "insights"]) >= 30
    run = [call for _, call in CALLS if call[0] == "insights" and parsed(call[1:]) in _RUN]
    assert len(run) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_files_that_a_page_shows(page: Path, tmp_path: Path) -> None:
    for text in fences(page, "toml"):
        assert tomllib.loads(text)
    for number, text in enumerate(fences(page, "yaml")):
        data = yaml.safe_load(text)
        assert data
        folder = tmp_path / str(number) / "providers"
        folder.mkdir(parents=True)
        if text.startswith("# providers/"):
            (name,) = data
            assert text.startswith(f"# providers/{name}.yaml\n")
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
            assert Catalog(Settings(config_dir=folder.parent)).provider(name).name == name


# ---------------------------------------------------------------- that the above can fail


@pytest.mark.parametrize(
    "line",
    [
        "insights ask --no-such-option x",
        "insights nothing",
        "insights cassettes chek",
        "insights prices show",
        "make nothing",
        "pip install 'insights-llm[nothing]'",
        "cat x | insights ask --max-tokens many",
    ],
)
def test_a_wrong_command_is_seen(line: str) -> None:
    with pytest.raises(AssertionError):
        list(map(checked, commands(line)))
