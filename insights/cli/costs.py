"""`insights cost` and `insights spend`: what a call may cost, and what calls did cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from insights.cli import options
from insights.cli.failing import calling, failing
from insights.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from insights.costs import Estimate

COST_EPILOG = (
    'Examples: insights cost gpt-5-mini claude-haiku-4-5 --prompt "Why is the sky blue?" --max-tokens 200  |  '
    "insights cost gpt-5-mini < prompt.txt  |  insights cost gpt-5-mini --tokens 100000"
)
SPEND_EPILOG = "Examples: insights spend  |  insights spend --by day --since 7d"
_SPANS = {"h": "hours", "d": "days", "w": "weeks"}


def cost(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", autocompletion=options.model_names, help="As in a call.")],
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Default: what is piped.")] = None,
    tokens: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="A prompt of so many tokens, instead of a text.")
    ] = None,
    max_tokens: options.MaxTokens = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what a call may cost with each of these models, cheapest first, in USD. Nothing is sent.

    At least: the prompt read from the provider's cache, and no answer. At most: the longest answer that is possible."""
    with failing():
        from insights.cli.asking import piped
        from insights.core.errors import ConfigError
        from insights.costs import estimate

        if prompt is not None and tokens is not None:
            raise ConfigError("--prompt and --tokens exclude each other")
        limits = {} if max_tokens is None else {"max_tokens": max_tokens}
        if tokens is not None:
            found = [_of_tokens(model, tokens, max_tokens) for model in models]
        else:
            text = prompt if prompt is not None else piped()
            if not text:
                raise ConfigError("there is no prompt", hint="--prompt TEXT, --tokens N, or: insights cost MODEL < prompt.txt")
            found = [estimate(model, text, **limits) for model in models]
    found.sort(key=lambda each: (each.high is None, each.high or Decimal(0), each.low is None, each.low or Decimal(0)))
    if as_json:
        print_json([_estimate(each) for each in found])
        return
    figures = ("prompt tokens", "answer tokens, at most", "at least, $", "at most, $")
    print_table(("model", *figures), [_cells(each) for each in found], right=figures)


def _of_tokens(model: str, tokens: int, most: int | None) -> Estimate:
    """What a prompt of so many tokens may cost."""
    from decimal import localcontext

    from insights.catalog.pricing import price_of
    from insights.core.types import EXACT, Usage
    from insights.costs import Estimate, _found

    provider, name, info = _found(model)

    def price(cached: int, answered: int) -> Decimal | None:
        details = {"cached_tokens": cached}
        usage = Usage.model_validate(
            {"prompt_tokens": tokens, "completion_tokens": answered, "total_tokens": tokens + answered}
            | {"prompt_tokens_details": details}
        )
        with localcontext(EXACT):
            found = None if info is None else price_of(info, usage)
        return None if found is None else found.total

    own = None if info is None else info.max_output_tokens
    longest = min(limits) if (limits := [each for each in (most, own) if each is not None]) else None
    low = _least(price(tokens, 0), price(0, 0))
    high = None if longest is None else price(0, longest)
    return Estimate(f"{provider}/{name}", low, high, tokens, tokens, tokens, True, longest)


def _least(*amounts: Decimal | None) -> Decimal | None:
    return min((each for each in amounts if each is not None), default=None)


def _usd(amount: Decimal | None) -> str | None:
    from insights.core.display import short

    return None if amount is None else short(amount)


def _estimate(found: Estimate) -> dict[str, Any]:
    return {**asdict(found), "low": _usd(found.low), "high": _usd(found.high)}


def _cells(found: Estimate) -> Sequence[str]:
    count = f"{found.prompt_tokens:,}"
    if not found.exact:
        count = f"about {count} ({found.prompt_tokens_low:,} to {found.prompt_tokens_high:,})"
    longest = "no limit is known" if found.max_completion_tokens is None else f"{found.max_completion_tokens:,}"
    unknown = "no price is known" if found.low is None else "not known"
    return found.model, count, longest, _usd(found.low) or unknown, _usd(found.high) or unknown


def spend(
    by: Annotated[str, typer.Option(metavar="model|provider|day|tag", help="What a line is of. Days are UTC.")] = "model",
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE|7d", help="From a day (UTC) on, or so many hours, days or weeks back: 12h, 7d, 4w."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what was spent from this machine, in USD: failed attempts that were paid for too, and what the cache saved."""
    with calling():
        from insights.costs import spend as spent
        from insights.spending.table import COLUMNS

        span = re.fullmatch(r"(\d{1,6})([hdw])", since or "")
        found = spent(by, timedelta(**{_SPANS[span[2]]: int(span[1])}) if span else since)
    if as_json:
        lines = [{**asdict(row), "cost": _usd(row.cost), "saved": _usd(row.saved)} for row in (*found, found.total)]
        print_json({"by": by, "rows": lines[:-1], "total": lines[-1]})
        return
    if not found:
        print("nothing is spent" + (f" since {since}" if since else ""))
        return
    table = [row.cells() for row in found] + ([found.total.cells()] if len(found) > 1 else [])
    print_table((by, *(name.replace("_", " ") for name in COLUMNS)), table, right=[name.replace("_", " ") for name in COLUMNS])
