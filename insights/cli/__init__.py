"""The `insights` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command. It needs the extra `cli`; without it the exit code is 1."""
    try:
        import typer  # noqa: F401  # only to see whether it is there
    except ImportError:
        print("The insights command needs its extra: pip install 'insights-llm[cli]'", file=sys.stderr)
        sys.exit(1)
    from insights.cli.app import app

    app()
