"""The command and its groups. Only what a command needs is imported, when it is run: starting takes a tenth of a second."""

from __future__ import annotations

from typing import Annotated

import typer

from insights.cli.cassettes import app as cassettes
from insights.cli.prices import app as prices

app = typer.Typer(
    name="insights", help="One function in front of every LLM provider.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(cassettes, name="cassettes")
app.add_typer(prices, name="prices")


def _version(asked: bool) -> None:
    if asked:
        from insights._version import __version__

        print(f"insights {__version__}")
        raise typer.Exit


@app.callback()
def insights(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which, and exit.")] = False,
) -> None:
    """One function in front of every LLM provider."""
