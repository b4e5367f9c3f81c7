"""What a model costs today, as a recording keeps it: a test that looks at costs is stale when that changes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from insights.catalog.loader import Catalog
from insights.catalog.schema import ModelInfo
from insights.core.config import settings
from insights.core.errors import InsightsError

KEPT: Final = ("cost_input_per_1k", "cost_output_per_1k")


def model_info(provider: str, model: str) -> ModelInfo | None:
    """The catalogue's row of a model; None where there is none."""
    try:
        return Catalog(settings).provider(provider).model(model)
    except (InsightsError, KeyError):
        return None


def prices_today(provider: str, model: str) -> dict[str, str]:
    """What a model costs, in USD per 1,000 tokens; what isn't known is left out."""
    info = model_info(provider, model)
    prices = {} if info is None else info.at(datetime.now(UTC).date()).prices
    return {name: f"{prices[name]:f}" for name in KEPT if name in prices}


def deprecated_since(provider: str, model: str, today: date) -> date | None:
    """Since when a model is deprecated; None where it isn't, as far as the catalogue knows."""
    info = model_info(provider, model)
    gone = None if info is None else info.deprecated_on
    return gone if gone is not None and gone <= today else None
