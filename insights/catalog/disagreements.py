"""Where the catalogue and a peer give different figures for the same thing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from insights.catalog.peers import BASE, Figures, Peer, PeerModel
from insights.catalog.schema import ModelInfo
from insights.core.display import short

# What is billed where a model has no price of its own for a bucket: the rule of `pricing.price_of`.
_OTHERWISE: Final = {
    "cost_cached_input_per_1k": "cost_input_per_1k",
    "cost_cache_write_per_1k": "cost_input_per_1k",
    "cost_cache_write_1h_per_1k": "cost_cache_write_per_1k",
    "cost_audio_input_per_1k": "cost_input_per_1k",
    "cost_image_input_per_1k": "cost_input_per_1k",
    "cost_reasoning_per_1k": "cost_output_per_1k",
    "cost_audio_output_per_1k": "cost_output_per_1k",
    "cost_image_output_per_1k": "cost_output_per_1k",
    **{f"cost_{tier}_cached_input_per_1k": f"cost_{tier}_input_per_1k" for tier in ("batch", "flex", "priority")},
    **dict.fromkeys(("cost_per_request", "cost_per_web_search"), ""),
}
_ZERO: Final = Decimal(0)


def billed(prices: Figures, name: str) -> Decimal | None:
    """What a bucket costs by these prices, also where it has none of its own; None where that isn't known."""
    while name and name not in prices:
        if name.startswith("cost_per_"):
            return _ZERO
        name = _OTHERWISE.get(name, "")
    return prices[name] if name else None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two figures for the same price of the same model."""

    provider: str
    model: str
    field: str  # a name of `schema.PRICES`
    above: int  # of requests with more prompt tokens than this
    peer: str
    theirs: Decimal
    ours: Decimal | None
    their_source: str
    source: str | None
    checked: date | None

    @property
    def name(self) -> str:
        """The price, as it is written in the reviewed file."""
        return self.field if self.above == BASE else f"{self.field} above {self.above}"

    @property
    def figures(self) -> str:
        """Their figure and ours, as they are written in the reviewed file."""
        return f"{number(self.theirs)} / {number(self.ours)}"

    def __str__(self) -> str:
        ours = f"ours {number(self.ours)} ({self.source}, checked {self.checked})"
        return f"{self.provider}/{self.model}: {self.name}: {self.peer} {number(self.theirs)} ({self.their_source}), {ours}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; figures are texts, so that no digit is lost."""
        return {
            "provider": self.provider,
            "model": self.model,
            "field": self.field,
            "above": self.above or None,
            "peer": self.peer,
            "theirs": number(self.theirs),
            "their_source": self.their_source,
            "ours": None if self.ours is None else number(self.ours),
            "source": self.source,
            "checked": None if self.checked is None else self.checked.isoformat(),
        }


def number(value: Decimal | None) -> str:
    """A figure written out, without zeros at its end; `none` for none."""
    return "none" if value is None else short(value)


def compare(provider: str, info: ModelInfo, peer: Peer, theirs: PeerModel) -> list[Disagreement]:
    """Where a peer's figures for a model aren't what the catalogue bills. `info` has the prices of the day.

    What the peer has no figure for is no disagreement. What the catalogue has no figure for is one, unless it bills the same.
    """
    found: list[Disagreement] = []
    own = {BASE: info.prices, **{tier.above: tier.prices for tier in info.tiers}}
    for above in sorted({*own, *theirs.bands}):
        here = own[max(begins for begins in own if begins <= above)]
        for name, figure in theirs.figures(above).items():
            ours = billed(here, name)
            if ours != figure:
                about = (theirs.source, info.source, info.checked)
                found.append(Disagreement(provider, info.name, name, above, peer.name, figure, ours, *about))
    return found
