"""Two price lists that others keep, in the catalogue's own terms: litellm's map and genai-prices.

litellm is not imported for it: its map is a JSON file inside its package, and is read as one. genai-prices is an
independent list (`pip install genai-prices`); it is a tool of those who keep prices, not of those who ask models.

What the catalogue has no word for is not compared: prices by picture, second, page or character, storage, fine-tuning,
the searches of others than Anthropic (only its answers count them in a way that is priced here), litellm's cache writes
of batch and other tiers, and genai-prices' citation tokens.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

_THOUSAND: Final = Decimal(1000)
SIZES: Final = ("low", "medium", "high")
BASE: Final = 0  # the band of requests of any length; another band begins above so many prompt tokens

Figures = Mapping[str, Decimal]
"""Prices by the names of `schema.PRICES`, in their units: USD per 1000 tokens, per request, per search."""


@dataclass(frozen=True, slots=True)
class PeerModel:
    """What a peer says about one model: its figures by band, and where it has them from."""

    bands: Mapping[int, Figures]
    source: str
    note: str | None = None

    def figures(self, above: int) -> Figures:
        """The figures of requests with more than `above` prompt tokens; those without tiers are the ordinary ones."""
        found: dict[str, Decimal] = {}
        for begins in sorted(self.bands):
            if begins <= above:
                found.update(self.bands[begins])
        return found


@dataclass(frozen=True)
class Peer:
    """A price list of others, of one version, as of one day."""

    name: str
    version: str
    find: Callable[[str, str], PeerModel | None] = field(repr=False)
    """Provider and model as in the catalogue -> what the peer says, or None."""


def peers(on: date) -> list[Peer]:
    """Those that are installed, with their prices of a day (UTC)."""
    return [peer for peer in (litellm_map(), genai_prices(on)) if peer is not None]


NAMES: Final = ("litellm", "genai-prices")


# ---------------------------------------------------------------- litellm's map

# Provider -> what comes before a model's name in the map's keys, and which of the map's providers such a row may have.
_LITELLM: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "anthropic": (("",), r"anthropic"),
    "azure": (("azure/", "azure_ai/"), r"azure|azure_ai"),
    "bedrock": (("", "bedrock/"), r"bedrock|bedrock_converse"),
    "cerebras": (("cerebras/",), r"cerebras"),
    "cohere": (("", "cohere/", "cohere_chat/"), r"cohere|cohere_chat"),
    "deepseek": (("deepseek/",), r"deepseek"),
    "fireworks": (("fireworks_ai/",), r"fireworks_ai"),
    "gemini": (("gemini/",), r"gemini"),
    "groq": (("groq/",), r"groq"),
    "huggingface": (("huggingface/",), r"huggingface"),
    "mistral": (("mistral/",), r"mistral"),
    "moonshot": (("moonshot/",), r"moonshot"),
    "ollama": (("ollama/",), r"ollama"),
    "openai": (("", "openai/"), r"openai"),
    "openrouter": (("openrouter/",), r"openrouter"),
    "perplexity": (("perplexity/",), r"perplexity"),
    "together": (("together_ai/",), r"together_ai"),
    "vertex": (("", "vertex_ai/"), r"vertex_ai.*"),
    "xai": (("xai/",), r"xai"),
    "zai": (("zai/",), r"zai"),
}

_LITELLM_FIELDS: Final = {
    "input_cost_per_token": "cost_input_per_1k",
    "output_cost_per_token": "cost_output_per_1k",
    "cache_read_input_token_cost": "cost_cached_input_per_1k",
    "cache_creation_input_token_cost": "cost_cache_write_per_1k",
    "cache_creation_input_token_cost_above_1hr": "cost_cache_write_1h_per_1k",
    "output_cost_per_reasoning_token": "cost_reasoning_per_1k",
    "input_cost_per_audio_token": "cost_audio_input_per_1k",
    "output_cost_per_audio_token": "cost_audio_output_per_1k",
    "input_cost_per_image_token": "cost_image_input_per_1k",
    "output_cost_per_image_token": "cost_image_output_per_1k",
}
_LITELLM_TIERS: Final = {"batches": "batch", "flex": "flex", "priority": "priority"}
_LITELLM_KEY: Final = re.compile(r"(?P<name>.+?)(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?")


def litellm_map() -> Peer | None:
    """The map inside the installed litellm; None without one."""
    found = importlib.util.find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"
    if not path.is_file():
        return None
    rows = _litellm_rows(path)

    def find(provider: str, model: str) -> PeerModel | None:
        prefixes, owners = _LITELLM.get(provider, ((), ""))
        for prefix in prefixes:
            row = rows.get(prefix + model)
            if row is not None and re.fullmatch(owners, str(row.get("litellm_provider"))):
                return litellm_model(provider, row)
        return None

    return Peer("litellm", importlib.metadata.version("litellm"), find)


@lru_cache(maxsize=1)
def _litellm_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The map, with its numbers as they are written and not as floats."""
    rows: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    return rows


def litellm_model(provider: str, row: Mapping[str, Any]) -> PeerModel | None:
    """One row of litellm's map, whose prices are in USD per token; None where it has no price for input or output."""
    bands: dict[int, dict[str, Decimal]] = {BASE: {}}
    for key, value in row.items():
        match = _LITELLM_KEY.fullmatch(key)
        name = _LITELLM_FIELDS.get(match["name"]) if match else None
        if match is None or name is None or value is None:
            continue
        tier = _LITELLM_TIERS.get(match["tier"] or "")
        named = _of_tier(name, tier) if tier else name
        if named is not None:
            bands.setdefault(int(match["above"] or 0) * 1000, {})[named] = Decimal(value) * _THOUSAND
    if "cost_cached_input_per_1k" not in bands[BASE] and row.get("input_cost_per_token_cache_hit") is not None:
        bands[BASE]["cost_cached_input_per_1k"] = Decimal(row["input_cost_per_token_cache_hit"]) * _THOUSAND
    if row.get("input_cost_per_request") is not None:
        bands[BASE]["cost_per_request"] = Decimal(row["input_cost_per_request"])
    bands[BASE].update(_litellm_searches(provider, row.get("search_context_cost_per_query") or {}))
    if not {"cost_input_per_1k", "cost_output_per_1k"} & bands[BASE].keys():
        return None
    return PeerModel(bands, str(row.get("source") or "no source given"))


def _litellm_searches(provider: str, costs: Mapping[str, Any]) -> dict[str, Decimal]:
    """litellm's `search_context_cost_per_query`, in USD: of a request at Perplexity, of a search at Anthropic."""
    found = {size: Decimal(costs[name]) for size in SIZES if costs.get(name := f"search_context_size_{size}") is not None}
    if provider == "perplexity":
        return {f"cost_per_request_{size}": cost for size, cost in found.items()}
    if provider == "anthropic" and found:
        return {"cost_per_web_search": max(found.values())}
    return {}


def _of_tier(name: str, tier: str) -> str | None:
    part = name.removeprefix("cost_").removesuffix("_per_1k")
    return f"cost_{tier}_{part}_per_1k" if part in ("input", "output", "cached_input") else None


# ---------------------------------------------------------------- genai-prices

_GENAI: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vertex": "google",
    "xai": "x-ai",
    "zai": "zai",
}
_GENAI_FIELDS: Final = {
    "input_mtok": "cost_input_per_1k",
    "output_mtok": "cost_output_per_1k",
    "cache_read_mtok": "cost_cached_input_per_1k",
    "cache_write_mtok": "cost_cache_write_per_1k",
    "cache_write_1h_mtok": "cost_cache_write_1h_per_1k",
    "output_reasoning_mtok": "cost_reasoning_per_1k",
    "input_audio_mtok": "cost_audio_input_per_1k",
    "output_audio_mtok": "cost_audio_output_per_1k",
    "input_image_mtok": "cost_image_input_per_1k",
    "output_image_mtok": "cost_image_output_per_1k",
    "requests_kcount": "cost_per_request",
    "web_searches_kcount": "cost_per_web_search",
}
_GENAI_TIERS: Final = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}


def genai_prices(on: date) -> Peer | None:
    """genai-prices with its prices of a day; None where it isn't installed."""
    try:
        providers = importlib.import_module("genai_prices.data").providers
    except ImportError:
        return None
    by_id: dict[str, Any] = {provider.id: provider for provider in providers}

    def find(provider: str, model: str) -> PeerModel | None:
        theirs = by_id.get(_GENAI.get(provider, ""))
        row = None if theirs is None else theirs.find_model(model)
        if theirs is None or row is None:
            return None
        found = genai_model(provider, row, on)
        source = ", ".join(theirs.pricing_urls or ()) or "no source given"
        return PeerModel(found, source, row.price_comments) if found[BASE] else None

    return Peer("genai-prices", importlib.metadata.version("genai-prices"), find)


def genai_model(provider: str, row: Any, on: date) -> dict[int, dict[str, Decimal]]:
    """The figures of one of genai-prices' models, given there in USD per million tokens or per thousand requests.

    Where a price changes with the time of the day it is the dearest of the day, as in the catalogue.
    """
    hours = [datetime(on.year, on.month, on.day, hour, 30, tzinfo=UTC) for hour in range(24)]
    moment = max(hours, key=lambda at: _plain(row.get_prices(at).input_mtok))
    bands: dict[int, dict[str, Decimal]] = {BASE: {}}
    _take(bands, row.get_prices(moment), partial(_genai_name, provider))
    for tier, when in _GENAI_TIERS.items():
        for variant in reversed(row.price_variants or ()):  # the first of two wins
            if variant.when == when and (variant.constraint is None or variant.constraint.active(moment)):
                _take(bands, variant.prices, partial(_of_tier, tier=tier))
    return bands


def _genai_name(provider: str, name: str) -> str | None:
    if name == "cost_per_web_search":
        return name if provider == "anthropic" else None
    if name == "cost_per_request" and provider == "perplexity":
        return "cost_per_request_high"  # "the highest price shown", by its own comment
    return name


def _take(bands: dict[int, dict[str, Decimal]], prices: Any, called: Callable[[str], str | None]) -> None:
    for theirs, ours in _GENAI_FIELDS.items():
        value = vars(prices).get(theirs)
        name = called(ours)
        if value is None or name is None:
            continue
        steps: Iterable[Any] = getattr(value, "tiers", ())
        for above, figure in ((BASE, _plain(value)), *((step.start, step.price) for step in steps)):
            bands.setdefault(above, {})[name] = figure / _THOUSAND


def _plain(value: Any) -> Decimal:
    """A price without its tiers; 0 for none."""
    return Decimal(0) if value is None else getattr(value, "base", value)
