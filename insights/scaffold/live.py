"""One real call for each capability of a provider's model, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from insights._version import __version__
from insights.cassettes.use import use_cassette
from insights.catalog.loader import Catalog
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import InsightsError
from insights.scaffold.contract import WEATHER

MAX_TOKENS: Final = 256
"""Of each answer: enough for a model that thinks first, and not dear."""
_CITY: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "city",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
            "required": ["city", "country"],
            "additionalProperties": False,
        },
    },
}
# Capability -> what is asked to see it; one that isn't here shows in no single call.
CALLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "plain": {"messages": "What is the capital of France? One word."},
    "streaming": {"messages": "Count from one to five.", "stream": True},
    "tools": {"messages": "What is the weather like in Paris?", "tools": [WEATHER]},
    "json_schema": {"messages": "Describe Tokyo.", "response_format": _CITY},
}


@dataclass(frozen=True)
class Live:
    """One real call: what came of it, what it cost in USD (None: unknown), and where it is recorded."""

    capability: str
    said: str
    cost: Decimal | None
    file: Path
    problem: str | None = None


def calls(provider: str, model: str, settings: Settings, folder: Path) -> Iterator[Live]:
    """Makes the calls, one after another, each recorded into `folder/provider/live_{capability}.yaml`."""
    config = Catalog(settings).provider(provider)
    info = config.model(model)
    can = frozenset({"streaming"}) if info is None else info.capabilities
    about = {
        "what": f"the live API of {provider}, {config.api_base or 'at its own address'}",
        "version": f"as of {datetime.now(UTC).date().isoformat()}",
        "command": f"insights provider check {provider}",
        "insights": __version__,
    }
    client = Client(settings)
    for capability, asked in CALLS.items():
        if capability != "plain" and capability not in can:
            continue
        path = folder / provider / f"live_{capability}.yaml"
        try:
            with use_cassette(path, mode="refresh", recorded_from=about):
                found = _asked(client, f"{provider}/{model}", asked)
        except InsightsError as error:
            yield Live(capability, "", None, path, str(error))
            continue
        calls_made = found.choices[0].message.tool_calls or []
        said = found.text or ", ".join(call.function.name for call in calls_made)
        missing = capability == "tools" and not calls_made
        yield Live(
            capability,
            said,
            None if found.cost is None else found.cost.total,
            path,
            "it answered in words, and called no tool" if missing else None,
        )


def _asked(client: Client, model: str, asked: Mapping[str, Any]) -> Any:
    given = {"max_tokens": MAX_TOKENS, "fallbacks": [], "timeout": 120, **asked}
    found: Any = client.completion(model, **given)
    if not given.get("stream"):
        return found
    for _ in found:
        pass
    return found.response
