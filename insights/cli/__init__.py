"""The `insights` command."""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    """Runs the command. It needs the extra `cli`; without it the exit code is 1."""
    try:
        import typer  # noqa: F401  # only to see whether it is there
    except ImportError:
        print("The insights command needs its extra: pip install 'insights-llm[cli]'", file=sys.stderr)
        sys.exit(1)
    code: str | int | None = 0
    try:
        from insights.cli.app import app
        from insights.cli.terminal import settle

        settle()
        app()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
    except OSError as error:  # a full disk, for one
        code = _unwritten(error)
    code = _flushed(code)
    sys.exit(code)


def _flushed(code: str | int | None) -> str | int | None:
    """Writes what waits, and sees that nothing is tried again at the end where nobody reads any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                _unwritten(error)
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or 1
    return code


def _unwritten(error: OSError) -> int:
    """Says what the system refused, if it can still be said; the exit code."""
    with contextlib.suppress(OSError, ValueError):
        where = f" {error.filename}" if error.filename else ""
        print(f"error: the system refuses{where}: {error.strerror or error}", file=sys.stderr)
    return 1
