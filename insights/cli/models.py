"""`insights models` and `insights route`: what there is, and where a name leads."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from insights.cli import options
from insights.cli.failing import FAILED, failing
from insights.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from insights.catalog.loader import Catalog

MODELS_EPILOG = "Examples: insights models claude  |  insights models -c vision --max-input-price 0.5 --sort price --json"
ROUTE_EPILOG = "Example: insights route claude-haiku-4-5"
_UNITS = ("input", "output", "cached_input", "cache_write")


@dataclass(frozen=True)
class Row:
    """A model. Prices are USD per million tokens; None: not known."""

    model: str
    provider: str
    name: str
    aliases: tuple[str, ...]
    context_window: int | None
    max_output_tokens: int | None
    prices: dict[str, Decimal]
    capabilities: tuple[str, ...]
    deprecated_on: date | None
    source: str | None
    checked: date | None

    def price(self, kind: str) -> Decimal | None:
        """USD per million tokens."""
        return self.prices.get(kind)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: prices as exact texts."""
        found = asdict(self)
        prices = found.pop("prices")
        return {
            **found,
            "usd_per_million_tokens": {kind: _shown(prices[kind]) if kind in prices else None for kind in _UNITS},
            "deprecated_on": self.deprecated_on.isoformat() if self.deprecated_on else None,
            "checked": self.checked.isoformat() if self.checked else None,
        }

    def cells(self) -> list[str]:
        """For the table."""
        counts = ["?" if count is None else f"{count:,}" for count in (self.context_window, self.max_output_tokens)]
        prices = ["?" if (price := self.price(kind)) is None else _shown(price) for kind in ("input", "output")]
        until = [f"until {self.deprecated_on}"] if self.deprecated_on else []
        return [self.model, *counts, *prices, ", ".join([*self.capabilities, *until])]


def _shown(amount: Decimal) -> str:
    from insights.core.display import short

    return short(amount)


def _usd(text: str) -> Decimal:
    try:
        found = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or found < 0:
        raise typer.BadParameter(f"expected an amount of USD such as 0.50, got {text!r}")
    return found


def models(
    search: Annotated[
        list[str] | None,
        typer.Argument(metavar="SEARCH", help="Words that a name has, in any order; case doesn't matter."),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(autocompletion=options.provider_names, help="Only its models; may be given again.")
    ] = None,
    capability: Annotated[
        list[str] | None, typer.Option("--capability", "-c", help="Only models that can do it; may be given again.")
    ] = None,
    max_input_price: Annotated[
        Decimal | None,
        typer.Option(parser=_usd, metavar="USD", help="Per million tokens; models without a known price are out."),
    ] = None,
    max_output_price: Annotated[Decimal | None, typer.Option(parser=_usd, metavar="USD", help="Likewise.")] = None,
    min_context: Annotated[int | None, typer.Option(metavar="TOKENS", min=1, help="The context window, at least.")] = None,
    sort: Annotated[str, typer.Option(metavar="name|price|context", help="Cheapest or widest first.")] = "name",
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Also models whose last day is over.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """List the models of the catalogue, with today's prices in USD per million tokens. Others can be asked too, by
    provider/model: the catalogue only says what is known of them. The exit code is 1 where none fits."""
    with failing():
        from insights.catalog.loader import Catalog
        from insights.catalog.schema import CAPABILITIES
        from insights.core.config import settings
        from insights.doctor import providers

        catalog = Catalog(settings)
        known = providers(catalog)
        for name in provider or ():
            _one_of(name, known, "provider")
        for name in capability or ():
            _one_of(name, CAPABILITIES, "capability")
        _one_of(sort, ("name", "price", "context"), "order")
        everything = list(rows(catalog, provider or known))
    words = [word.lower() for words in search or () for word in words.split()]
    today = datetime.now(UTC).date()

    def fits(row: Row) -> bool:
        text = " ".join((row.model, *row.aliases)).lower()
        return (
            all(word in text for word in words)
            and set(capability or ()) <= set(row.capabilities)
            and _at_most(row.price("input"), max_input_price)
            and _at_most(row.price("output"), max_output_price)
            and (min_context is None or (row.context_window or 0) >= min_context)
            and (deprecated or row.deprecated_on is None or row.deprecated_on > today)
        )

    found = _sorted([row for row in everything if fits(row)], sort)
    if as_json:
        print_json([row.as_dict() for row in found])
    if not found:
        near = _near(words, everything)
        typer.echo("no model fits" + (f"; nearest names: {', '.join(near)}" if near else ""), err=True)
        raise typer.Exit(FAILED)
    if not as_json:
        figures = ("context", "max out", "in $/1M", "out $/1M")
        print_table(("model", *figures, "can do"), [row.cells() for row in found], right=figures)
        typer.echo(f"{len(found)} model{'s' * (len(found) != 1)}; prices of {today}, in USD per million tokens", err=True)


def _one_of(name: str, allowed: Sequence[str], what: str) -> None:
    from insights.core.errors import ConfigError

    if name not in allowed:
        near = difflib.get_close_matches(name.lower(), allowed, n=1, cutoff=0.4)
        raise ConfigError(
            f"there is no {what} {name!r}",
            hint=(f"did you mean {near[0]}? " if near else "") + f"it is one of {', '.join(allowed)}",
        )


def _at_most(price: Decimal | None, limit: Decimal | None) -> bool:
    return limit is None or (price is not None and price <= limit)


def _sorted(found: list[Row], by: str) -> list[Row]:
    def price(row: Row) -> tuple[bool, Decimal, Decimal, str]:
        asked, said = row.price("input"), row.price("output")
        return asked is None, asked or Decimal(0), said or Decimal(0), row.model

    if by == "price":
        return sorted(found, key=price)
    if by == "context":
        return sorted(found, key=lambda row: (-(row.context_window or 0), row.model))
    return sorted(found, key=lambda row: row.model)


def _near(words: Sequence[str], everything: Sequence[Row]) -> list[str]:
    wanted = "-".join(words)
    names = {name.lower(): row.model for row in everything for name in (row.name, row.model)} if wanted else {}
    return list(dict.fromkeys(names[name] for name in difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)))


def rows(catalog: Catalog, providers: Sequence[str]) -> Iterator[Row]:
    """The models of these providers, with today's prices."""
    from insights.adapters.models.routes import read_aliases
    from insights.catalog.pricing import prices_for

    today = datetime.now(UTC).date()
    others: dict[str, list[str]] = {}
    for alias, node in read_aliases(catalog).items():
        others.setdefault(str(node.value), []).append(alias)
    for provider in providers:
        for info in catalog.provider(provider).models.values():
            now, name = info.at(today), f"{provider}/{info.name}"
            prices = prices_for(now, 0)
            yield Row(
                model=name,
                provider=provider,
                name=info.name,
                aliases=(*info.aliases, *others.get(name, ())),
                context_window=info.context_window,
                max_output_tokens=info.max_output_tokens,
                prices={kind: prices[key] * 1000 for kind in _UNITS if (key := f"cost_{kind}_per_1k") in prices},
                capabilities=tuple(sorted(info.capabilities)),
                deprecated_on=info.deprecated_on,
                source=now.source,
                checked=now.checked,
            )


def route(
    model: Annotated[str, typer.Argument(help="As in a call.", autocompletion=options.model_names)],
    as_json: options.AsJson = False,
) -> None:
    """Say where a model's name leads: provider, host, the key's variable (never the key) and prices. Nobody is asked."""
    with failing():
        from insights.client import explain_route

        found = explain_route(model)
    if as_json:
        print_json(asdict(found))
    else:
        print(found)
