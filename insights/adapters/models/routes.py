"""Which provider a model name means, and by which rule.

In this order; the first that fits wins:

1. `provider/model`: exactly that, also for models the catalogue doesn't know (also litellm's `vertex_ai/`, ...).
2. an alias from `aliases.yaml`.
3. the longest of `PROVIDER_PREFIXES` that the name begins with (names without a slash).
4. a name or alias that exactly one provider's catalogue has.

Everything else is an error that lists the nearest known names.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insights.core.errors import UnknownModelError

if TYPE_CHECKING:
    from insights.catalog.loader import Catalog, Node


@dataclass(frozen=True, slots=True)
class Route:
    """Where a name leads: the provider, its own name of the model, and the rule that decided."""

    provider: str
    model_id: str
    rule: str


class Router:
    """The rules over a table of providers and prefixes."""

    def __init__(self, providers: Sequence[str], prefixes: Mapping[str, str]) -> None:
        self._providers = tuple(str(provider) for provider in providers)
        self._spellings = {prefix[:-1]: str(p) for prefix, p in prefixes.items() if prefix.endswith("/")}
        self._prefixes = {prefix: str(p) for prefix, p in prefixes.items() if not prefix.endswith("/")}

    def route(self, model: str, catalog: Catalog) -> Route:
        """The route of a model name.

        Raises:
            UnknownModelError: no rule fits, or several providers have the name.
            ConfigError: an alias that leads nowhere, or a broken file.
        """
        found = self.find(model, catalog)
        return Route(found.provider, canonical_name(found.model_id, found.provider, catalog), found.rule)

    def find(self, model: str, catalog: Catalog) -> Route:
        """The route by the name as it is written; only rules that need them read the provider files. Raises as `route`."""
        return self._explicit(model) or self._alias(model, catalog) or self._prefix(model) or self._catalogued(model, catalog)

    def _explicit(self, model: str) -> Route | None:
        head, slash, rest = model.partition("/")
        if not slash or not rest:
            return None
        if head in self._providers:
            return Route(head, rest, f"provider {head!r} is named")
        if head in self._spellings:
            return Route(self._spellings[head], rest, f"{head!r} is another name of provider {self._spellings[head]!r}")
        return None

    def _alias(self, model: str, catalog: Catalog) -> Route | None:
        node = read_aliases(catalog).get(model)
        if node is None:
            return None
        found = self._explicit(str(node.value))
        if found is None:
            raise node.error(f"alias {model!r} must lead to provider/model, got {node.value!r}", "e.g. openai/gpt-5-mini")
        return Route(found.provider, found.model_id, f"alias {model!r} -> {node.value!r}")

    def _prefix(self, model: str) -> Route | None:
        if "/" in model:
            return None
        prefix = max((p for p in self._prefixes if model.startswith(p)), key=len, default=None)
        return None if prefix is None else Route(self._prefixes[prefix], model, f"prefix {prefix!r}")

    def _catalogued(self, model: str, catalog: Catalog) -> Route:
        owners = [provider for provider in self._providers if catalog.provider(provider).model(model)]
        if len(owners) == 1:
            return Route(owners[0], model, f"only {owners[0]} has {model!r}")
        if owners:
            names = ", ".join(f"{provider}/{model}" for provider in owners)
            raise UnknownModelError(f"{len(owners)} providers have a model {model!r}", hint=f"say which: {names}")
        raise UnknownModelError(f"no provider is known for model {model!r}", hint=self._suggestion(model, catalog))

    def nearest(self, model: str, catalog: Catalog, limit: int = 3) -> list[str]:
        """Known names that look like `model`, as `provider/name`, the nearest first."""
        head, slash, rest = model.partition("/")
        wanted = (rest if slash and head in self._providers else model).lower()
        scored = sorted(
            (
                (difflib.SequenceMatcher(None, wanted, name.lower()).ratio(), f"{provider}/{name}")
                for provider in self._providers
                for name in catalog.provider(provider).models
            ),
            reverse=True,
        )
        return [full for score, full in scored[:limit] if score >= 0.6]

    def _suggestion(self, model: str, catalog: Catalog) -> str:
        head, _, rest = model.partition("/")
        meant = difflib.get_close_matches(head.lower(), self._providers, n=1, cutoff=0.7)
        if rest and meant:
            return f"did you mean {meant[0]}/{rest}?"
        near = self.nearest(model, catalog)
        if near:
            return f"nearest known names: {', '.join(near)}"
        return f"write provider/model; providers are {', '.join(self._providers)}"


def canonical_name(model: str, provider: str, catalog: Catalog) -> str:
    """The provider's own name where `model` is an alias in its file."""
    info = catalog.provider(provider).model(model)
    return info.name if info else model


def read_aliases(catalog: Catalog) -> dict[str, Node]:
    """Aliases from `aliases.yaml`: the user's over the shipped ones."""
    from insights.catalog.loader import read_yaml_once

    aliases: dict[str, Node] = {}
    for path in catalog.files("aliases"):
        for name, node in read_yaml_once(path).mapping("aliases.yaml").items():
            if not isinstance(node.value, str):
                raise node.error(f"alias {name!r} must lead to a text, provider/model")
            aliases[name] = node
    return aliases
