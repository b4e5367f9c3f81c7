"""`insights cache`: what the response cache holds and saved, and how it forgets."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from insights.cli import options
from insights.cli.failing import FAILED, WRONG, calling, failing
from insights.cli.terminal import is_terminal, print_json

app = typer.Typer(help="The answers that are stored on this machine.", no_args_is_help=True)


@app.command(epilog="Example: insights cache stats --json")
def stats(as_json: options.AsJson = False) -> None:
    """Say how often the cache had the answer, what that saved, and what it holds."""
    with calling():
        from insights import cache
        from insights.core.display import short

        found = cache.stats()
    if as_json:
        print_json({**asdict(found), "saved": short(found.saved)})
        return
    asked = found.hits + found.misses
    print(f"hits: {found.hits} of {asked} calls" + (f" ({100 * found.hits / asked:.0f} %)" if asked else ""))
    print(f"saved: ${short(found.saved)}")
    print(f"answers: {found.entries}, {found.size / 1e6:.1f} of {found.size_limit / 1e6:.0f} MB")
    print(f"directory: {found.directory}")


@app.command(epilog="Example: insights cache clear --yes")
def clear(yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False) -> None:
    """Forget every answer, of every model and namespace. What was spent stays in the ledger."""
    with failing():
        from insights import cache
        from insights.core.errors import ConfigError

        if not yes and not is_terminal(sys.stdin):
            raise ConfigError("nobody can be asked whether all answers may go: stdin is no terminal", hint="pass --yes")
    with calling():
        if not yes:
            count = cache.stats().entries
            if not typer.confirm(f"Forget {count} answer{'s' * (count != 1)}?", err=True):
                typer.echo("nothing was forgotten", err=True)
                raise typer.Exit(FAILED)
        count = cache.clear()
    print(f"{count} answer{'s' * (count != 1)} forgotten")


@app.command(epilog="Examples: insights cache evict --model gpt-5-mini  |  insights cache evict --provider openai")
def evict(
    provider: Annotated[str | None, typer.Option(autocompletion=options.provider_names, help="All of its models.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", autocompletion=options.model_names, help="As in a call.")
    ] = None,
) -> None:
    """Forget the answers of a provider, or of one model."""
    if (provider is None) == (model is None):
        typer.echo("error: pass either --provider or --model\n  -> `insights cache clear` forgets everything", err=True)
        raise typer.Exit(WRONG)
    with calling():
        from insights import cache

        count = cache.evict(provider=provider, model=model)
    print(f"{count} answer{'s' * (count != 1)} forgotten")


@app.command(epilog='Example: du -sh "$(insights cache path)"')
def path() -> None:
    """Print the directory of the cache and of the ledger."""
    with failing():
        from insights.core.config import settings

        found = settings.cache_dir
    print(found)
