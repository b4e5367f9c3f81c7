"""`insights doctor`: what may be wrong on this machine, and what to do about it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from insights.cli import options
from insights.cli.failing import FAILED, failing
from insights.cli.terminal import for_stream, print_json

EPILOG = "Examples: insights doctor  |  insights doctor --offline --json  |  insights doctor --provider openai"


def doctor(
    as_json: options.AsJson = False,
    offline: Annotated[bool, typer.Option("--offline", help="Don't try whether hosts can be reached.")] = False,
    provider: Annotated[
        str | None,
        typer.Option(autocompletion=options.provider_names, help="Only its key and host; it is a problem without one."),
    ] = None,
) -> None:
    """Look at versions, settings, provider files, keys, hosts, cache and ledger. No key is printed or sent, and nothing is
    changed. The exit code is 1 where there is a problem."""
    with failing():
        from insights.core.config import settings
        from insights.doctor import examine

        found = examine(settings, offline=offline, provider=provider)
    problems = [each for each in found if each.level == "problem"]
    if as_json:
        print_json({"problems": len(problems), "findings": [asdict(each) for each in found]})
    else:
        for each in found:
            line = f"{each.level:<7}  {each.area}: {each.message}"
            print(for_stream(line + (f"\n{'':9}-> {each.hint}" if each.hint else ""), sys.stdout))
        print(f"{len(problems)} problem{'s' * (len(problems) != 1)}" if problems else "nothing is wrong")
    raise typer.Exit(FAILED if problems else 0)
