"""What a command prints where something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from insights.core.errors import InsightsError

WRONG = 2
"""The exit code for bad input, as for a wrong option."""


@contextmanager
def failing() -> Iterator[None]:
    """Prints an error of the library in one line and its hint, without a traceback, and ends with exit code 2."""
    try:
        yield
    except InsightsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(WRONG) from None
