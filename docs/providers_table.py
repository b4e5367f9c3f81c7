"""Writes docs/providers.md from the code and the provider files: `python docs/providers_table.py`; `make docs` does it too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the package isn't installed

from insights.adapters.models.factory import PROVIDER_PREFIXES, ModelFactory, Provider
from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.schema import CAPABILITIES, ProviderConfig

PAGE: Final = Path(__file__).with_name("providers.md")
COMMAND: Final = "python docs/providers_table.py"

TEXT: Final = """\
# Providers

<!-- Made by `{command}`: don't edit it here. -->

Write `provider/model`, or a name that begins in a way only one provider's names do: [Routing](routing.md) has the rules. Each
key is read from its variable and goes to the hosts of its own provider only.

{table}

What each provider's parameters, streams and answers look like is translated; what it can't do is an error before the request
(`UnsupportedParamsError`). A host with an API like OpenAI's that isn't in the list: `completion("openai/<model>",
api_base="http://localhost:8000/v1", ...)`, with `api_key=` where it isn't this machine; or
[a file of your own](routing.md#a-provider-of-your-own), which gives it a name, a key and prices. What needs code is in
[Adding a provider](adding-a-provider.md).
"""
NOTES: Final = """\
Base URLs can be set by `{PROVIDER}_API_BASE` or `api_base=`. Where none is given, the provider has no address of its own:
Azure's is your resource's, Bedrock's follows from the region (`AWS_REGION`)."""


class _Shipped(Catalog):
    """The provider files as they come with the package, whatever this machine's settings say."""

    @property
    def directories(self) -> list[Path]:
        return [shipped_directory()]


def table() -> str:
    """Two tables in Markdown: how each provider is reached, and what the models in its catalogue can do."""
    catalog = _Shipped()
    configs = {provider: catalog.provider(provider) for provider in Provider}
    reached = [_reached(provider, config) for provider, config in configs.items()]
    can = [_can(provider, config) for provider, config in configs.items()]
    return "\n".join(
        [
            "## How they are reached",
            "",
            *_rows(["provider", "names that lead to it", "key", "base URL", "options of its own"], reached),
            "",
            NOTES,
            "",
            "## What their models can do",
            "",
            "How many models the catalogue has, and how many of them can do what, by the provider files, which name their",
            "sources. A model that isn't in them can be called all the same; its cost is unknown then.",
            "",
            *_rows(["provider", "models", *(word.replace("_", " ") for word in CAPABILITIES)], can),
        ]
    )


def _reached(provider: Provider, config: ProviderConfig) -> list[str]:
    prefixes = [prefix for prefix, owner in PROVIDER_PREFIXES.items() if owner is provider]
    names = [f"`{provider}/`", *(f"`{prefix}{'' if prefix.endswith('/') else '*'}`" for prefix in prefixes)]
    keys = ", ".join(f"`{name}`" for name in config.key_names)
    options = ModelFactory.adapter_class(provider).options
    return [
        f"`{provider}`",
        ", ".join(names),
        keys if config.key_required else f"none needed ({keys})",
        f"`{config.api_base}`" if config.api_base else "",
        ", ".join(f"`{option}`" for option in options),
    ]


def _can(provider: Provider, config: ProviderConfig) -> list[str]:
    models = config.models.values()
    counts = [sum(word in model.capabilities for model in models) for word in CAPABILITIES]
    return [f"`{provider}`", str(len(models)), *(str(count) if count else "" for count in counts)]


def _rows(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def page() -> str:
    """The whole page."""
    return TEXT.format(command=COMMAND, table=table())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
