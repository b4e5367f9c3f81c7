"""Options that several commands have, and what a shell completes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def model_names(incomplete: str) -> list[str]:
    """What a model's name that begins so may become; nothing where that can't be told. Never an error: a shell is waiting."""
    try:
        from insights.adapters.models.routes import read_aliases
        from insights.catalog.loader import Catalog
        from insights.core.config import settings
        from insights.doctor import providers

        catalog = Catalog(settings)
        names = [f"{provider}/{name}" for provider in providers(catalog) for name in catalog.provider(provider).models]
        return [name for name in (*read_aliases(catalog), *names) if name.startswith(incomplete)]
    except Exception:
        return []


def provider_names(incomplete: str) -> list[str]:
    """The providers whose names begin so; see `model_names`."""
    try:
        from insights.catalog.loader import Catalog
        from insights.core.config import settings
        from insights.doctor import providers

        return [name for name in providers(Catalog(settings)) if name.startswith(incomplete)]
    except Exception:
        return []


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, alone on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the answer and errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say model, cost and time on stderr, also where that is no terminal.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        autocompletion=model_names,
        help="provider/model, or an alias. Default: INSIGHTS_MODEL.",
    ),
]
System = Annotated[str | None, typer.Option("--system", "-s", metavar="TEXT", help="What the model is told first.")]
MaxTokens = Annotated[int | None, typer.Option(metavar="N", min=1, help="The longest answer, in tokens.")]
Temperature = Annotated[float | None, typer.Option(metavar="NUMBER", help="The provider's; 0 varies least.")]
Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", help="For everything, retries and fallbacks included.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither look into the cache nor store the answer.")]
ApiBase = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Another host that speaks the provider's format. Keys of the environment don't go to hosts of others.",
    ),
]
Cassette = Annotated[Path | None, typer.Option(metavar="FILE", help="Replay this recording; no key and no network.")]
RecordMode = Annotated[
    str | None,
    typer.Option(
        metavar="MODE", help="Of the cassette: replay, record, refresh or auto. Default: INSIGHTS_RECORD_MODE, else replay."
    ),
]
Fallbacks = Annotated[
    list[str] | None,
    typer.Option("--fallback", metavar="MODEL", autocompletion=model_names, help="Asked next; may be given again."),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="NAME", help="For `insights spend --by tag`; may be given again.")
]
