"""`insights cassettes`: look at recordings, see what is wrong with them, record them anew."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from insights.cli.failing import failing

FOLDER = Path("cassettes")

app = typer.Typer(help="Recordings that stand in for live APIs.", no_args_is_help=True)


def _folder() -> Path:
    """The project's cassettes, also from one of its other directories."""
    from insights.cassettes.usage import read_usage

    usage = None if FOLDER.exists() else read_usage(Path.cwd())
    return FOLDER if usage is None else usage.root / FOLDER


Paths = Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="Cassettes or directories. Default: cassettes")]


@app.command(epilog="Example: insights cassettes check --older-than 90")
def check(
    paths: Paths = None,
    older_than: Annotated[int, typer.Option(metavar="DAYS", min=0, help="Recordings older than this are a problem.")] = 180,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List cassettes that are unused, partly played, old, unreadable, that have a secret in them, or whose model is deprecated
    or costs something else now. The exit code is 1 where there is one."""
    with failing():
        from insights.cassettes.check import check_cassettes

        report = check_cassettes(paths or [_folder()], older_than=older_than)
    if as_json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        for problem in report.problems:
            print(problem)
        for note in report.notes:
            print(f"note: {note}")
        found = f"{len(report.problems)} problem{'s' * (len(report.problems) != 1)}" if report.problems else "nothing wrong"
        files = f"{report.files} cassette{'s' * (report.files != 1)}"
        print(f"{files} with {report.recordings} recording{'s' * (report.recordings != 1)}: {found}")
    raise typer.Exit(1 if report.problems else 0)


@app.command(epilog="Example: insights cassettes show cassettes/openai/test_answer.yaml")
def show(
    file: Annotated[Path, typer.Argument(help="A cassette.")],
    full: Annotated[bool, typer.Option("--full", help="Print whole prompts and answers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print prompts, answers, usage and cost of a cassette. Costs are at today's prices, in USD."""
    with failing():
        from insights.cassettes.show import read_shown

        rows = read_shown(file)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from insights.cassettes.show import inert
    from insights.core.display import short

    table = Table(title=inert(str(file)))
    for name in ("#", "model", "prompt", "answer", "tokens", "cost"):
        table.add_column(name, overflow="fold", no_wrap=name in ("#", "tokens"))
    longest = None if full else 100
    for row in rows:
        answer = row.answer if row.status < 300 else f"{row.status} {row.answer}"
        tokens = "" if row.prompt_tokens is None else f"{row.prompt_tokens} + {row.completion_tokens}"
        cost = "" if row.cost is None else f"${short(row.cost)}"
        # As Text, so that nothing in an answer is taken for markup.
        cells = str(row.number), row.model, inert(row.prompt, longest), inert(answer, longest), tokens, cost
        table.add_row(*map(Text, cells))
    known = [row.cost for row in rows if row.cost is not None]
    count = f"{len(rows)} recording{'s' * (len(rows) != 1)}"
    table.caption = f"{count}, ${short(sum(known, Decimal(0)))}" if known else count
    Console().print(table)


@app.command(epilog="Example: OPENAI_API_KEY=... insights cassettes refresh cassettes/openai/test_answer.yaml")
def refresh(
    paths: Paths = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command, and run nothing.")] = False,
) -> None:
    """Record cassettes anew, by running the tests that recorded them. It needs the providers' keys, and costs what the calls
    cost. A test that fails leaves its cassette as it was. The exit code is pytest's; 1 where a file had to be left alone."""
    with failing():
        from insights.cassettes import modes
        from insights.cassettes.refresh import plan_refresh
        from insights.cassettes.usage import read_usage

        plan = plan_refresh(paths or [_folder()])
        usage = read_usage(Path.cwd())
    for line in plan.left:
        typer.echo(line, err=True)
    if not plan.tests:
        typer.echo("nothing to refresh")
        raise typer.Exit(1 if plan.left else 0)
    print(f"{modes.VARIABLE}=refresh {shlex.join(['python', *plan.command[1:]])}", flush=True)
    if dry_run:
        return
    code, same = plan.run(usage.root if usage is not None else Path.cwd())
    for name in same:
        typer.echo(f"{name}: not recorded anew: its test failed, or its code names the mode itself", err=True)
    raise typer.Exit(code or (1 if plan.left or same else 0))
