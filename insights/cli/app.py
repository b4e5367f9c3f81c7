"""The command and its groups. Only what a command needs is imported, when it is run: starting takes a tenth of a second."""

from __future__ import annotations

from typing import Annotated

import typer

from insights.cli import ask, chat, costs, doctor, models
from insights.cli.cache import app as cache
from insights.cli.cassettes import app as cassettes
from insights.cli.prices import app as prices
from insights.cli.provider import app as provider

app = typer.Typer(
    name="insights",
    help="One function in front of every LLM provider.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(epilog=ask.EPILOG, short_help="Ask a model one thing.")(ask.ask)
app.command(epilog=chat.EPILOG, short_help="Talk with a model.")(chat.chat)
app.command(epilog=models.MODELS_EPILOG, short_help="Models: prices, limits, what they can do.")(models.models)
app.command(epilog=models.ROUTE_EPILOG, short_help="Where a model's name leads.")(models.route)
app.command(epilog=costs.COST_EPILOG, short_help="What a call may cost.")(costs.cost)
app.command(epilog=costs.SPEND_EPILOG, short_help="What was spent.")(costs.spend)
app.command(epilog=doctor.EPILOG, short_help="What may be wrong, and what to do.")(doctor.doctor)
app.add_typer(cache, name="cache")
app.add_typer(cassettes, name="cassettes")
app.add_typer(prices, name="prices")
app.add_typer(provider, name="provider")


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
