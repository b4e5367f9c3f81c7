"""What the documentation shows, runs: docstrings' examples, and the Python blocks of README.md and docs/.

A fence says how its block is run:

    ```python                          as it is, without keys and without network
    ```python cassette=openai/plain    inside that cassette of cassettes/
    ```python no-run                   only compiled

The blocks of one file run in order and share their names, as a reader would type them. A text block right behind a
block, fenced with ```output, is what the block prints.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import importlib
import inspect
import io
import os
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import insights
from insights import use_cassette

REPO = Path(__file__).parents[1]
PAGES = sorted(path for path in (REPO / "README.md", *(REPO / "docs").glob("**/*.md")) if path.is_file())
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(insights.__path__, "insights.") if not module.name.endswith("__main__")
)
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>python[^\n]*|output)\n(?P<code>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL
)
_WORDS = re.compile(r"no-run|cassette=[\w./-]+")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, how it is run, and what it prints (None: not said)."""

    line: int
    code: str
    cassette: str | None = None
    runs: bool = True
    prints: str | None = None


def blocks(text: str) -> list[Block]:
    """The Python blocks of a Markdown page."""
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        indent, info = match["indent"], match["info"].split()
        code = "".join(line.removeprefix(indent) for line in match["code"].splitlines(keepends=True))
        line = text[: match.start()].count("\n") + 2
        if info[0] == "output":
            if found:
                last = found.pop()
                found.append(Block(last.line, last.code, last.cassette, last.runs, code))
            continue
        wrong = [word for word in info[1:] if not _WORDS.fullmatch(word)]
        if info[0] != "python" or wrong:
            raise ValueError(
                f"line {line - 1}: a Python block is 'python', 'python no-run' or 'python cassette=...', not {info}"
            )
        cassette = next((word.partition("=")[2] for word in info if word.startswith("cassette=")), None)
        found.append(Block(line, code, cassette, "no-run" not in info))
    return found


def compiled(block: Block, page: Path) -> CodeType:
    """The code, with the page's own line numbers in its tracebacks; `await` is allowed at the top."""
    code: CodeType = compile(
        "\n" * (block.line - 1) + block.code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    return code


def run(block: Block, page: Path, names: dict[str, Any], cassettes: Path = REPO / "cassettes") -> None:
    """Runs a block, and compares what it prints with what the page says it does."""
    code = compiled(block, page)
    if not block.runs:
        return
    out = io.StringIO()
    with contextlib.ExitStack() as stack:
        if block.cassette is not None:
            stack.enter_context(use_cassette(cassettes / f"{block.cassette}.yaml"))
        stack.enter_context(contextlib.redirect_stdout(out))
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, names))  # noqa: S307  # the code of our own pages
        else:
            exec(code, names)
    if block.prints is not None:
        checker = doctest.OutputChecker()
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert checker.check_output(block.prints, out.getvalue(), options), (
            f"{page}:{block.line} printed:\n{out.getvalue()}\nthe page says:\n{block.prints}"
        )


@pytest.fixture
def clean_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A current directory that looks like the checkout, an environment that is put back, a default client of its own."""
    for name in ("cassettes", "configs", "docs"):
        if (REPO / name).exists():
            (tmp_path / name).symlink_to(REPO / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("insights.client._default", None)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("clean_room")
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_there_are_examples_in_docstrings() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 5


@pytest.mark.usefixtures("clean_room")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_a_page(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        run(block, page, names)


# ---------------------------------------------------------------- that the above can fail

PAGE = """\
Text.

```python
x = 1
print("a", x)
```

```output
a 1
```

```python no-run
raise SystemExit
```

1. In a list:

   ```python cassette=openai/plain
   if x:
       y = 2
   ```

```sh
not python
```
"""


def test_blocks_are_found() -> None:
    one, two, three = blocks(PAGE)
    assert one == Block(4, 'x = 1\nprint("a", x)\n', prints="a 1\n")
    assert (two.runs, two.line) == (False, 13)
    assert (three.cassette, three.code) == ("openai/plain", "if x:\n    y = 2\n")


@pytest.mark.parametrize("info", ["python norun", "python cassette=", "python3", "python no-run loudly"])
def test_a_misspelt_fence_is_an_error(info: str) -> None:
    with pytest.raises(ValueError, match="a Python block is"):
        blocks(f"```{info}\nx = 1\n```\n")


def test_names_are_shared_and_awaiting_is_allowed(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    for block in blocks("```python\nimport asyncio\nx = 1\n```\n```python\nawait asyncio.sleep(0)\nx += 1\n```\n"):
        run(block, tmp_path / "page.md", names)
    assert names["x"] == 2


def test_other_output_is_an_error(tmp_path: Path) -> None:
    (block,) = blocks("```python\nprint('one')\n```\n\n```output\ntwo\n```\n")
    with pytest.raises(AssertionError, match="the page says"):
        run(block, tmp_path / "page.md", {})


def test_code_that_is_not_run_must_still_be_code(tmp_path: Path) -> None:
    (block,) = blocks("\n\n```python no-run\nx = = 1\n```\n")
    with pytest.raises(SyntaxError) as raised:
        run(block, tmp_path / "page.md", {})
    assert raised.value.lineno == 4


def test_a_cassette_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (block,) = blocks("```python cassette=openai/none\nx = 1\n```\n")
    with pytest.raises(insights.CassetteError, match="no such cassette"):
        run(block, tmp_path / "page.md", {}, cassettes=tmp_path)
