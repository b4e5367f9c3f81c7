"""What a command prints where something is wrong, and the exit code it ends with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from insights.cli.terminal import for_stream
from insights.core import errors
from insights.core.errors import InsightsError

FAILED = 1
"""The exit code where a call failed, or a check found something."""
WRONG = 2
"""The exit code for bad input, as for a wrong option."""

_INPUT: Final = (
    errors.ConfigError,
    errors.UnknownModelError,
    errors.MissingKeyError,
    errors.UnsupportedParamsError,
)
# The library's hints name arguments; whoever types a command has options.
_OPTIONS: Final = (
    (", or pass api_key=", ""),
    ("pass api_key= for this host", "name the host in a provider file (INSIGHTS_CONFIG_DIR): it is yours, and gets the key"),
    (", or pass api_base=", ", or pass --api-base"),
    ("pass fallbacks=[...]", "pass --fallback MODEL"),
    ("raise timeout= (seconds)", "raise --timeout (seconds)"),
    ("raise num_retries= and timeout=", "raise INSIGHTS_NUM_RETRIES and --timeout"),
    ("explain_route(model)", "`insights route MODEL`"),
    ("insights.health() shows all models; ", ""),
    ("; error.partial is the text so far", ""),
    (", or read r.text", ""),
    ("see model_list", "see `insights models`"),
)


def code_of(error: InsightsError) -> int:
    """`WRONG` for what was known before anything was sent, `FAILED` for the rest."""
    if isinstance(error, errors.AllModelsFailedError):
        codes = [code_of(each) if isinstance(each, InsightsError) else FAILED for each in error.exceptions]
        return WRONG if codes and all(code == WRONG for code in codes) else FAILED
    if isinstance(error, errors.BadRequestError) and error.status_code is None:
        return WRONG
    return WRONG if isinstance(error, _INPUT) else FAILED


def said(error: InsightsError) -> str:
    """An error in one line, and its hint in words of the command."""
    text = f"error: {error}"
    for theirs, ours in _OPTIONS:
        text = text.replace(theirs, ours)
    if isinstance(error, errors.CassetteMissingError):
        # The library's hint records a whole script anew; one question is added to what is there.
        text = re.sub(
            r"-> record it: .*", "-> record it: the same command with --record-mode auto, with the provider's key", text
        )
    return text


def complain(error: InsightsError) -> None:
    """Prints an error on stderr."""
    typer.echo(for_stream(said(error), sys.stderr), err=True, color=True)  # which leaves the text as it is


@contextmanager
def failing() -> Iterator[None]:
    """Prints an error of the library in one line and its hint, without a traceback, and ends with exit code 2."""
    try:
        yield
    except InsightsError as error:
        complain(error)
        raise typer.Exit(WRONG) from None


@contextmanager
def calling() -> Iterator[None]:
    """The same around a call: the exit code is 1, or 2 where it was known before anything was sent."""
    try:
        yield
    except InsightsError as error:
        complain(error)
        raise typer.Exit(code_of(error)) from None
