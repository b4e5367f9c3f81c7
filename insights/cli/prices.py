"""`insights prices`: what models cost, whether other price lists agree, and what would bring a file up to date."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from insights.cli.failing import failing

if TYPE_CHECKING:
    from insights.catalog.price_check import Report, Reviewed
    from insights.catalog.schema import ModelInfo

app = typer.Typer(help="What models cost, in USD, and where the figures are from.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Explained = Annotated[Path | None, typer.Option(metavar="FILE", help="Explained disagreements. Default: the repository's.")]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected a date like 2026-01-31, got {text!r}") from None


Day = Annotated[date | None, typer.Option(parser=_day, metavar="DATE", help="The day (UTC), as 2026-01-31. Default: today.")]


@app.command(epilog="Example: insights prices check --all")
def check(
    all_: Annotated[bool, typer.Option("--all", help="Print explained disagreements too, with their reasons.")] = False,
    on: Day = None,
    explained: Explained = None,
    as_json: AsJson = False,
) -> None:
    """Compare every model's prices with litellm's price map and with genai-prices, where these are installed. The exit code is
    1 where figures differ and nobody has explained why, and where an explanation is of no difference any more."""
    with failing():
        from insights.catalog.loader import Catalog
        from insights.catalog.peers import peers
        from insights.catalog.price_check import check as compared
        from insights.core.config import settings

        day = on or _today()
        catalog = Catalog(settings)
        report = compared(catalog, _providers(), peers(day), _reviewed(explained), day)
    if as_json:
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        _print(report, all_)
    raise typer.Exit(0 if report.well else 1)


def _print(report: Report, everything: bool) -> None:
    for found in report.unexplained:
        print(found)
    for line in report.stale:
        print(line)
    if everything:
        for found, why in report.explained:
            print(f"{found}\n  explained ({why.day}): {why.reason}")
    for note in report.notes:
        print(f"note: {note}")
    for name, count in report.compared.items():
        differ = [found for found in report.unexplained if found.peer == name]
        known = [found for found, _ in report.explained if found.peer == name]
        behind = [found for found in report.behind if found.peer == name]
        print(
            f"{name}: {count} of {report.models} models compared, {report.models - count} not in it; "
            f"{report.figures[name]} figures, {len(known)} differ and are explained, {len(differ)} are not"
            + (f", {len(behind)} are still ours of before a recent change" if behind else "")
        )
    if report.stale:
        print(f"{len(report.stale)} explanations of what is no longer so")


@app.command(epilog="Example: insights prices update gemini --effective-from 2027-01-01 --from genai-prices")
def update(
    provider: Annotated[str | None, typer.Argument(metavar="PROVIDER", help="Default: all.")] = None,
    effective_from: Day = None,
    peer: Annotated[str | None, typer.Option("--from", metavar="PEER", help="Ask only litellm, or only genai-prices.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be given again.")] = None,
    explained: Explained = None,
    write: Annotated[bool, typer.Option("--write", help="Write the files. Otherwise only the diff is printed.")] = False,
) -> None:
    """Print a diff that appends dated prices where the price lists agree with each other and not with the file. What is written
    there already stays; explained disagreements are left alone."""
    with failing():
        from insights.catalog.loader import Catalog
        from insights.catalog.peers import NAMES, peers
        from insights.catalog.price_update import propose
        from insights.core.config import settings
        from insights.core.errors import ConfigError

        if peer is not None and peer not in NAMES:
            raise ConfigError(f"no price list {peer!r}", hint="it is one of " + ", ".join(NAMES))
        if provider is not None and provider not in _providers():
            raise ConfigError(f"no provider {provider!r}", hint="providers are: " + ", ".join(_providers()))
        day = effective_from or _today()
        asked = [found for found in peers(day) if peer in (None, found.name)]
        if not asked:
            raise ConfigError(f"{peer or 'no price list'} is not installed", hint="pip install genai-prices")
        about: dict[str, Any] = {"effective_from": day, "checked": _today(), "reviewed": _reviewed(explained)}
        catalog = Catalog(settings)
        names = [provider] if provider else _providers()
        found = [one for name in names for one in propose(catalog, name, asked, only=model or (), **about)]
        for proposal in found:
            for note in proposal.notes:
                typer.echo(f"note: {note}", err=True)
            print(proposal.diff, end="")
        changed = [proposal for proposal in found if proposal.models]
        if write:
            for proposal in changed:
                _write(proposal.file, proposal.old, proposal.new)
    count = sum(len(proposal.models) for proposal in changed)
    if not count:
        typer.echo("nothing to propose", err=True)
    elif write:
        typer.echo(f"{count} models changed in {len(changed)} files", err=True)
    else:
        typer.echo(f"{count} models in {len(changed)} files; --write writes them", err=True)


def _write(path: Path, old: str, new: str) -> None:
    from insights.cassettes.writing import alone, write_text
    from insights.catalog.loader import shipped_directory
    from insights.core.errors import ConfigError

    if path.parent == shipped_directory() and path.parent.parent.name == "_configs":
        raise ConfigError(
            "this file belongs to the installed package", file=str(path), hint="put your own beside INSIGHTS_CONFIG_DIR"
        )
    with alone(path):
        if path.read_bytes().decode("utf-8") != old:
            raise ConfigError("the file has changed meanwhile", file=str(path), hint="run the command again")
        write_text(path, new)


@app.command(epilog="Example: insights prices show claude-haiku-4-5 --on 2026-01-31")
def show(model: Annotated[str, typer.Argument(help="As in a call.")], on: Day = None, as_json: AsJson = False) -> None:
    """Print what a model costs today or on another day, in USD, where that is from and when it was checked."""
    with failing():
        from insights.adapters.models.factory import ROUTER
        from insights.catalog.loader import Catalog
        from insights.core.config import settings
        from insights.core.errors import ConfigError

        day = on or _today()
        catalog = Catalog(settings)
        route = ROUTER.route(model, catalog)
        info = catalog.provider(route.provider).model(route.model_id)
        if info is None:
            raise ConfigError(f"{route.provider} has no model {route.model_id!r} in its file: its prices aren't known")
    told = _told(str(route.provider), info, day)
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    print(f"{told['provider']}/{told['model']} on {day}, in USD")
    if not told["prices"]:
        print("  no price is known")
    for name, value in told["prices"].items():
        print(f"  {name}: {value}")
    for tier in told["tiers"]:
        print(f"  above {tier['above']} prompt tokens:")
        for name, value in tier["prices"].items():
            print(f"    {name}: {value}")
    for name in ("effective_from", "source", "checked", "note"):
        if told[name] is not None:
            print(f"{name}: {told[name]}")
    for change in told["later"]:
        print(f"changes on {change}: see --on {change}")


def _told(provider: str, info: ModelInfo, day: date) -> dict[str, Any]:
    from insights.catalog.disagreements import number

    now = info.at(day)
    first = info.changes[0].effective_from if info.changes else None
    since = now.effective_from if first is None or first <= day else info.effective_from
    return {
        "provider": provider,
        "model": info.name,
        "on": day.isoformat(),
        "prices": {name: number(value) for name, value in now.prices.items()},
        "tiers": [
            {"above": tier.above, "prices": {name: number(v) for name, v in tier.prices.items() if now.prices.get(name) != v}}
            for tier in now.tiers
        ],
        "effective_from": None if since is None else since.isoformat(),
        "source": now.source,
        "checked": None if now.checked is None else now.checked.isoformat(),
        "note": info.note,
        "later": [change.effective_from.isoformat() for change in info.changes if change.effective_from > day],
    }


def _today() -> date:
    return datetime.now(UTC).date()


def _providers() -> list[str]:
    from insights.adapters.models.factory import Provider

    return [provider.value for provider in Provider]


def _reviewed(path: Path | None) -> Reviewed | None:
    """The file that was named, which must be there, or the repository's, which an installed package hasn't."""
    from insights.catalog.price_check import FILE, read_reviewed

    if path is None and not FILE.is_file():
        return None
    return read_reviewed(path or FILE)
