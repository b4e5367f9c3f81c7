"""`explain_route`: what a call would do, said before it does it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from insights.adapters.models.egress import endpoint
from insights.core.errors import InsightsError
from insights.core.request import ChatRequest

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.adapters.models.routes import Route
    from insights.core.config import Settings


@dataclass(frozen=True)
class RouteExplanation:
    """Where a model name leads. `key_set` says whether a key was found, never which; prices are USD per 1,000 tokens."""

    model: str
    provider: str
    rule: str
    url: str
    host: str
    key_variable: str
    key_set: bool
    key_from: str | None
    prices: dict[str, str]
    price_source: str | None
    price_date: str | None
    context_window: int | None
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    problem: str | None = None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # what a notebook shows

    def __str__(self) -> str:
        price = ", ".join(
            f"{name.removeprefix('cost_').removesuffix('_per_1k')} {value}" for name, value in self.prices.items()
        )
        key = (
            f"set, from {self.key_from}{', but not sent' * bool(self.problem)}"
            if self.key_set
            else "not set"
            if self.problem
            else "none needed"
        )
        checked = f" (checked {self.price_date})" if self.price_date else ""
        rows = {
            "model": f"{self.provider}/{self.model}",
            "rule": self.rule,
            "url": self.url,
            "key": f"{self.key_variable} ({key})",
            "price": f"{price} USD per 1k tokens{checked}" if price else "unknown",
            "context": f"{self.context_window:,} tokens" if self.context_window else "unknown",
            "problem": self.problem,
        }
        return "\n".join(f"{name:>8}: {value}" for name, value in rows.items() if value)


def explain(route: Route, model: LiteLLMChatModel, settings: Settings) -> RouteExplanation:
    """The explanation of a route and the adapter it leads to."""
    config, info = model.config, model.info
    problem = where = None
    url = ""
    try:
        where = endpoint(config, settings, base=model.base, api_key=model._api_key, required=model.key_required)
    except InsightsError as error:
        problem = error.message
    key_from = where.key_from if where else next((name for name in config.key_names if settings.key(name) is not None), None)
    with contextlib.suppress(InsightsError):
        url = model.lane(ChatRequest(model=model.model_id, messages=[])).url(model.base, False)
    return RouteExplanation(
        model=model.upstream,
        provider=model.provider,
        rule=route.rule,
        url=url,
        host=urlsplit(url).hostname or "",
        key_variable=config.env_key,
        key_set=key_from is not None,
        key_from=key_from,
        prices={name: f"{value:f}" for name, value in (info.prices if info else {}).items()},
        price_source=info.source if info else None,
        price_date=info.checked.isoformat() if info and info.checked else None,
        context_window=info.context_window if info else None,
        max_output_tokens=info.max_output_tokens if info else None,
        capabilities=tuple(sorted(info.capabilities)) if info else (),
        problem=problem,
    )
