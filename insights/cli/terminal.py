"""What goes out: texts that no terminal obeys, tables that lose nothing, JSON that stands alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final, TextIO

# All controls but the tab and the end of a line. A terminal obeys the others, as it does those from 0x80 on.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits there."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def harmless(text: str) -> str:
    """A text that no terminal obeys, with its tabs and its lines.

    >>> harmless("a\\tb\\x1b[31mc")
    'a\\tb?[31mc'
    """
    return _CONTROLS.sub("?", text.replace("\r\n", "\n"))


def for_stream(text: str, stream: TextIO) -> str:
    """A text as it is for a pipe or a file; harmless for a terminal."""
    return harmless(text) if is_terminal(stream) else text


def write(text: str) -> None:
    """Writes to stdout, at once."""
    sys.stdout.write(for_stream(text, sys.stdout))
    sys.stdout.flush()


def note(text: str) -> None:
    """A line on stderr, dim where that is a terminal with colours."""
    dim = is_terminal(sys.stderr) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    shown = for_stream(text, sys.stderr)
    sys.stderr.write(f"\x1b[2m{shown}\x1b[0m\n" if dim else f"{shown}\n")
    sys.stderr.flush()


def tells_more(quiet: bool, verbose: bool) -> bool:
    """Whether what is beside the answer is told: somebody is there to read it, or it was asked for."""
    return not quiet and (verbose or is_terminal(sys.stderr))


def print_json(value: Any) -> None:
    """JSON, alone on stdout."""
    plain = is_terminal(sys.stdout) or (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(json.dumps(value, indent=2, ensure_ascii=plain))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table: folded to a terminal's width where that leaves names and figures whole, and as wide as it needs to be elsewhere.

    Args:
        right: the columns that are set to the right.
    """
    least = _least_width(columns, rows, right)
    if not is_terminal(sys.stdout) or least > shutil.get_terminal_size().columns:
        _print_plain([columns, *rows], [name in right for name in columns])
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        whole = index == 0 or name in right  # names and figures; other texts may be folded
        longest = max((len(row[index]) for row in rows), default=0)
        table.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=whole,
            min_width=longest if whole else min(longest, FOLDED),
        )
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))  # as Text, so that nothing is taken for markup
    console = Console(color_system=None) if "NO_COLOR" in os.environ else Console()
    console.print(table)


FOLDED: Final = 24
"""The least width of a column that may be folded."""


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> int:
    widths = [max(len(name), *(len(row[index]) for row in rows), 0) for index, name in enumerate(columns)]
    whole = [index == 0 or name in right for index, name in enumerate(columns)]
    return sum(w if kept else min(w, FOLDED) for w, kept in zip(widths, whole, strict=True)) + 3 * len(columns)


def _print_plain(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Rows below each other, nothing cut, for other programs and for files."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(right))]
    for row in rows:
        cells = zip((harmless(cell).replace("\n", " ") for cell in row), widths, right, strict=True)
        print("  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in cells).rstrip())


def _warned(message: Warning | str, *about: Any, **more: Any) -> None:
    sys.stderr.write(for_stream(f"warning: {message}", sys.stderr) + "\n")


def settle() -> None:
    """Sees that what can't be written in the stream's encoding is no error, and that warnings are said in a line."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # until the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _warned
