"""What `configs/providers/*.yaml` may say, and the typed form it takes.

Every key is listed here once with the function that reads its value; a key that isn't listed is an error naming the
file, the line and the nearest key that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from insights.core.urls import fit_url

MODES: Final = ("chat", "responses", "responses_for_tools")
CAPABILITIES: Final = (
    "streaming",
    "tools",
    "parallel_tools",
    "json_schema",
    "vision",
    "pdf",
    "audio",
    "video",
    "reasoning",
    "prompt_caching",
    "web_search",
)  # fmt: skip

# Prices, all in USD. `per_1k` is per thousand tokens.
PRICES: Final = (
    "cost_input_per_1k",
    "cost_output_per_1k",
    "cost_cached_input_per_1k",
    "cost_cache_write_per_1k",
    "cost_cache_write_1h_per_1k",
    "cost_reasoning_per_1k",
    "cost_audio_input_per_1k",
    "cost_audio_output_per_1k",
    "cost_image_input_per_1k",
    "cost_image_output_per_1k",
    *(f"cost_{kind}_{part}_per_1k" for kind in ("batch", "flex", "priority") for part in ("input", "output", "cached_input")),
    "cost_per_request",
    # By how much of the web a request searches; providers' own words.
    *(f"cost_per_request_{size}" for size in ("low", "medium", "high")),
    "cost_per_web_search",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices of requests with more than `above` prompt tokens; they apply to the whole request."""

    above: int
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Change:
    """What a model costs from a day on; all of its prices, not only those that changed."""

    effective_from: date
    prices: Mapping[str, Decimal]
    tiers: tuple[Tier, ...] = ()
    source: str | None = None
    checked: date | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model: what it can do and what it costs. `prices` has what is known; `changes` are in the order of their days."""

    name: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    mode: str = "chat"
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    tiers: tuple[Tier, ...] = ()
    capabilities: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    effective_from: date | None = None
    deprecated_on: date | None = None
    source: str | None = None
    checked: date | None = None
    note: str | None = None
    changes: tuple[Change, ...] = ()

    def at(self, day: date) -> ModelInfo:
        """The model with the prices of a day: those of the last change until then. Before the first day there are none."""
        found = self
        for change in self.changes:
            if change.effective_from <= day:
                found = replace(
                    found,
                    prices=change.prices,
                    tiers=change.tiers,
                    effective_from=change.effective_from,
                    source=change.source or found.source,
                    checked=change.checked or found.checked,
                )
        if found.effective_from is not None and day < found.effective_from:
            return replace(found, prices={}, tiers=())
        return found


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider: where it is, which variable holds its key, and its models by name."""

    name: str
    api_base: str
    env_key: str
    env_key_aliases: tuple[str, ...] = ()
    key_required: bool = True
    hosts: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    timeout: float = 600.0
    models: Mapping[str, ModelInfo] = field(default_factory=dict)
    own_base: bool = False  # api_base comes from the user's own configuration, not from the shipped file

    @property
    def key_names(self) -> tuple[str, ...]:
        """The variables the key is read from, in order."""
        return (self.env_key, *self.env_key_aliases)

    def model(self, name: str) -> ModelInfo | None:
        """The model of this name or alias; None when the catalogue doesn't know it."""
        found = self.models.get(name)
        if found is None:
            found = next((info for info in self.models.values() if name in info.aliases), None)
        return found


def text(value: Any) -> str:
    """A non-empty string."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a text")
    return value


def maybe_text(value: Any) -> str:
    """A string, also the empty one."""
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of non-empty strings."""
    if not isinstance(value, list):
        raise ValueError("expected a list of texts")
    return tuple(text(item) for item in value)


def whole(value: Any) -> int:
    """A whole number above 0."""
    if not isinstance(value, str) or re.fullmatch(r"[0-9]+(?:_[0-9]+)*", value) is None or int(value) <= 0:
        raise ValueError(f"expected a whole number above 0, got {value!r}")
    return int(value)


def price(value: Any) -> Decimal:
    """A price in USD, read from its text so that no digit is lost; written out, because YAML reads 1e-6 as a string."""
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"expected a price in USD, got {value!r}") from None
    if "e" in value.lower() or not number.is_finite():
        raise ValueError(f"write the price out: {value!r} is {number:f}" if number.is_finite() else f"no price: {value!r}")
    if number.is_signed():
        raise ValueError(f"a price can't be negative: {value!r}")
    return number


def variable(value: Any) -> str:
    """The name of an environment variable."""
    found = text(value)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", found) is None:
        raise ValueError("expected the name of an environment variable, and found something else")  # a key, maybe
    return found


def variables(value: Any) -> tuple[str, ...]:
    """A list of such names."""
    return tuple(variable(item) for item in texts(value))


def base_url(value: Any) -> str:
    """A URL that prompts and keys may go to; empty where each user has one of their own."""
    found = maybe_text(value)
    if not found:
        return found
    for path in ("/chat/completions", "/completions"):
        if found.rstrip("/").endswith(path):
            raise ValueError(f"ends in {path}, which insights adds: leave it out")
    return fit_url(found)


def seconds(value: Any) -> float:
    """A number of seconds above 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"expected a number of seconds, got {value!r}") from None
    if not 0 < number < float("inf"):
        raise ValueError(f"expected a number of seconds above 0, got {value!r}")
    return number


def prefixes(value: Any) -> tuple[str, ...]:
    """How the names of a provider's models begin: two characters at least, small letters, no slash."""
    found = texts(value)
    for prefix in found:
        if len(prefix) < 2 or prefix != prefix.strip().lower() or "/" in prefix or any(c.isspace() for c in prefix):
            raise ValueError(f"a prefix is two characters or more, in small letters and without a slash, got {prefix!r}")
    if len(set(found)) < len(found):
        raise ValueError("a prefix is here twice")
    return found


def flag(value: Any) -> bool:
    """`true` or `false`, and none of YAML's other spellings."""
    if value not in ("true", "false"):
        raise ValueError(f"expected true or false, got {value!r}")
    return bool(value == "true")


def day(value: Any) -> date:
    """A date as 2026-01-31."""
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"expected a date like 2026-01-31, got {value!r}") from None


def one_of(*allowed: str) -> Callable[[Any], str]:
    """One of the given words."""

    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, got {value!r}")
        return str(value)

    return read


def capabilities(value: Any) -> frozenset[str]:
    """A list of the words in `CAPABILITIES`."""
    return frozenset(one_of(*CAPABILITIES)(item) for item in texts(value))


Reader = Callable[[Any], Any]

CHANGE_KEYS: Final[dict[str, Reader]] = {
    "effective_from": day,
    "source": text,
    "checked": day,
    **dict.fromkeys(PRICES, price),
}
TIER_KEYS: Final[dict[str, Reader]] = {"above": whole, **dict.fromkeys(PRICES, price)}
MODEL_KEYS: Final[dict[str, Reader]] = {
    "context_window": whole,
    "max_output_tokens": whole,
    "mode": one_of(*MODES),
    "capabilities": capabilities,
    "aliases": texts,
    "effective_from": day,
    "deprecated_on": day,
    "source": text,
    "checked": day,
    "note": text,
    **dict.fromkeys(PRICES, price),
}
PROVIDER_KEYS: Final[dict[str, Reader]] = {
    "api_base": base_url,
    "env_key": variable,
    "env_key_aliases": variables,
    "key_required": flag,
    "hosts": texts,
    "prefixes": prefixes,
    "timeout": seconds,
    "source": text,
    "checked": day,
}
