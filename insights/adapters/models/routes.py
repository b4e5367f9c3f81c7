"""Which provider a model name means, and by which rule.

In this order; the first that fits wins:

1. `provider/model`: exactly that, also for models the catalogue doesn't know (also litellm's `vertex_ai/`, ...).
2. an alias from `aliases.yaml`.
3. the longest of `PROVIDER_PREFIXES` that the name begins with (names without a slash); where none does, the longest prefix
   of the providers beside the shipped ones.
4. a name or alias that exactly one provider's catalogue has.

Everything else is an error that lists the nearest known names. A provider beside the shipped ones takes no name from them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from insights.core.errors import ConfigError, UnknownModelError

if TYPE_CHECKING:
    from insights.catalog.loader import Catalog
    from insights.catalog.nodes import Node


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

    def names(self, catalog: Catalog) -> list[str]:
        """All providers: those of the table, then those of the user's own files and of installed packages.

        Raises:
            ConfigError: one of those has a name that leads elsewhere.
        """
        others = catalog.others()
        for name in [name for name in others if name in self._spellings]:
            if catalog.is_package(name):  # as with one called like a shipped provider: nobody is led to it
                others.remove(name)
            else:
                raise ConfigError(
                    f"{name!r} is another name of {self._spellings[name]}, so no provider can be called so",
                    file=str(catalog.files(name)[-1]),
                    hint=f"call the file {self._spellings[name]}.yaml, or choose a name of its own",
                )
        return list(dict.fromkeys((*self._providers, *others)))

    def knows(self, provider: object, catalog: Catalog) -> bool:
        """Whether there is a provider of this name."""
        return isinstance(provider, str) and (provider in self._providers or provider in catalog.others())

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
        found = self._explicit(model, catalog) or self._alias(model, catalog) or self._prefix(model, catalog)
        return found or self._catalogued(model, catalog)

    def _explicit(self, model: str, catalog: Catalog) -> Route | None:
        head, slash, rest = model.partition("/")
        if not slash or not rest:
            return None
        if head in self._providers:
            return Route(head, rest, f"provider {head!r} is named")
        if head in self._spellings:
            return Route(self._spellings[head], rest, f"{head!r} is another name of provider {self._spellings[head]!r}")
        if head in catalog.others():
            return Route(head, rest, f"provider {head!r} is named")
        return None

    def _alias(self, model: str, catalog: Catalog) -> Route | None:
        node = read_aliases(catalog).get(model)
        if node is None:
            return None
        found = self._explicit(str(node.value), catalog)
        if found is None:
            raise node.error(f"alias {model!r} must lead to provider/model, got {node.value!r}", "e.g. openai/gpt-5-mini")
        return Route(found.provider, found.model_id, f"alias {model!r} -> {node.value!r}")

    def _prefix(self, model: str, catalog: Catalog) -> Route | None:
        if "/" in model:
            return None
        prefix = longest(self._prefixes, model)
        if prefix is not None:
            return Route(self._prefixes[prefix], model, f"prefix {prefix!r}")
        own = self.own_prefixes(catalog)
        prefix = longest(own, model)
        return None if prefix is None else Route(own[prefix], model, f"prefix {prefix!r}")

    def own_prefixes(self, catalog: Catalog) -> dict[str, str]:
        """The prefixes of providers beside the table's, and whose they are.

        Raises:
            ConfigError: one that could never win, because it begins with one of the table's.
        """
        found = catalog.other_prefixes()
        for prefix, place in found.items():
            covered = longest(self._prefixes, prefix)
            if covered is not None:
                raise ConfigError(
                    f"the prefix {prefix!r} begins with {covered!r}, which leads to {self._prefixes[covered]}",
                    file=place.file,
                    line=place.line,
                    hint=f"choose another, or write {place.provider}/model in calls",
                )
        return {prefix: place.provider for prefix, place in found.items()}

    def _catalogued(self, model: str, catalog: Catalog) -> Route:
        owners = [provider for provider in self.names(catalog) if catalog.provider(provider).model(model)]
        if len(owners) == 1:
            return Route(owners[0], model, f"only {owners[0]} has {model!r}")
        if owners:
            names = ", ".join(f"{provider}/{model}" for provider in owners)
            raise UnknownModelError(f"{len(owners)} providers have a model {model!r}", hint=f"say which: {names}")
        raise UnknownModelError(f"no provider is known for model {model!r}", hint=self._suggestion(model, catalog))

    def nearest(self, model: str, catalog: Catalog, limit: int = 3) -> list[str]:
        """Known names that look like `model`, as `provider/name`, the nearest first."""
        head, slash, rest = model.partition("/")
        names = self.names(catalog)
        wanted = (rest if slash and head in names else model).lower()
        scored = sorted(
            (
                (difflib.SequenceMatcher(None, wanted, name.lower()).ratio(), f"{provider}/{name}")
                for provider in names
                for name in catalog.provider(provider).models
            ),
            reverse=True,
        )
        return [full for score, full in scored[:limit] if score >= 0.6]

    def _suggestion(self, model: str, catalog: Catalog) -> str:
        head, _, rest = model.partition("/")
        names = self.names(catalog)
        first, colon, last = model.partition(":")
        if colon and last and first in names:  # as LangChain and others write it
            return f"did you mean {first}/{last}?"
        meant = difflib.get_close_matches(head.lower(), names, n=1, cutoff=0.7)
        if rest and meant:
            return f"did you mean {meant[0]}/{rest}?"
        near = self.nearest(model, catalog)
        if near:
            return f"nearest known names: {', '.join(near)}"
        return f"write provider/model; providers are {', '.join(names)}"


def longest(prefixes: Iterable[str], model: str) -> str | None:
    """The longest of the prefixes that a name begins with."""
    return max((prefix for prefix in prefixes if model.startswith(prefix)), key=len, default=None)


def canonical_name(model: str, provider: str, catalog: Catalog) -> str:
    """The provider's own name where `model` is an alias in its file."""
    info = catalog.provider(provider).model(model)
    return info.name if info else model


def read_aliases(catalog: Catalog) -> dict[str, Node]:
    """Aliases from `aliases.yaml`: the user's over the shipped ones."""
    from insights.catalog.nodes import read_yaml_once

    aliases: dict[str, Node] = {}
    for path in catalog.files("aliases"):
        for name, node in read_yaml_once(path).mapping("aliases.yaml").items():
            if not isinstance(node.value, str):
                raise node.error(f"alias {name!r} must lead to a text, provider/model")
            aliases[name] = node
    return aliases
