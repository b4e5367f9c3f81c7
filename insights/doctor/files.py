"""The provider files, aliases.yaml and fallback.yaml: every mistake in them, with its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from insights.catalog import loader, schema
from insights.catalog.loader import Catalog
from insights.catalog.nodes import Node, read_keys, read_yaml
from insights.catalog.others import NOT_PROVIDERS
from insights.core.config import Settings
from insights.core.errors import ConfigError, InsightsError
from insights.doctor.finding import Finding


def shipped() -> Path:
    """Where the files lie that come with the package."""
    return loader.shipped_directory()


def configuration(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """What is wrong in the shipped files and in the user's."""
    count, wrong = 0, 0
    directories = catalog.directories
    for directory in dict.fromkeys(directories):
        if not directory.is_dir():
            continue
        for path in sorted(directory.glob("*.yaml")):
            count += 1
            for error in _of_file(path, catalog, settings):
                wrong += 1
                yield _problem(error)
        for path in sorted(directory.glob("*.yml")):
            yield Finding("configuration", "note", f"{path}: nobody reads it", "files are called NAME.yaml")
    for error in _of_providers(catalog):
        wrong += 1
        yield _problem(error)
    if not wrong:
        own = f", {directories[1]} before the shipped ones" if len(directories) > 1 and directories[1] != shipped() else ""
        yield Finding("configuration", "ok", f"{count} files are well{own}")


def _problem(error: InsightsError) -> Finding:
    return Finding("configuration", "problem", str(error.args[0]), error.hint)


def _of_providers(catalog: Catalog) -> Iterator[InsightsError]:
    """What can be seen only where a provider's files are laid over each other, and which of them nobody reads."""
    from insights.adapters.models.factory import ROUTER, provider_names

    try:
        names = provider_names(catalog)
    except ConfigError as error:
        yield error
        return
    for name in names:
        try:
            catalog.provider(name)
        except ConfigError as error:
            if error.line is None:  # mistakes with a line have been told
                yield error
    try:
        ROUTER.own_prefixes(catalog)
    except ConfigError as error:
        if "prefix" in error.message:
            yield error
    for directory in catalog.directories[1:]:
        for path in sorted(directory.glob("*.yaml")):
            if path.stem not in (*names, *NOT_PROVIDERS):
                near = difflib.get_close_matches(path.stem, [*names, *NOT_PROVIDERS], n=1, cutoff=0.6)
                yield ConfigError(
                    f"there is no provider {path.stem!r}: nobody reads this file",
                    file=str(path),
                    hint=f"did you mean {near[0]}.yaml?" if near else "a provider's file has one top-level key, its name",
                )


def _of_file(path: Path, catalog: Catalog, settings: Settings) -> list[InsightsError]:
    try:
        root = read_yaml(path)
        if path.stem == "aliases":
            return list(_aliases(root, catalog))
        if path.stem == "fallback":
            return list(_fallbacks(root, settings))
        try:
            catalog._read(path, path.stem)
        except ConfigError as first:
            return list(_of_provider(root, path.stem)) or [first]
    except InsightsError as error:
        return [error]
    return []


def _of_provider(root: Node, name: str) -> Iterator[InsightsError]:
    """Each wrong key of a file, where reading it as a whole ends at the first."""
    table = root.value.get(name) if isinstance(root.value, dict) else None
    if table is None or not isinstance(table.value, dict):
        return
    for key, node in table.value.items():
        if key != "models":
            yield from _of_key(key, node, schema.PROVIDER_KEYS, "a provider", ("models",))
    models = table.value.get("models")
    for model, row in (models.value if models is not None and isinstance(models.value, dict) else {}).items():
        found: list[InsightsError] = []
        for key, node in (row.value if isinstance(row.value, dict) else {}).items():
            found += _of_key(key, node, schema.MODEL_KEYS, "a model", ("tiers", "changes"))
        if not found:
            try:
                loader._model(model, row, {})
            except ConfigError as error:
                found.append(error)
        yield from found


def _of_key(key: str, node: Node, readers: Any, what: str, skip: tuple[str, ...]) -> list[InsightsError]:
    try:
        read_keys({key: node}, readers, what, skip=skip)
    except ConfigError as error:
        return [error]
    return []


def _aliases(root: Node, catalog: Catalog) -> Iterator[InsightsError]:
    from insights.adapters.models.factory import ROUTER

    for name, node in root.mapping("aliases.yaml").items():
        if not isinstance(node.value, str):
            yield node.error(f"alias {name!r} must lead to a text, provider/model")
            continue
        try:
            found = ROUTER.find(node.value, catalog)
        except InsightsError as error:
            yield node.error(f"alias {name!r} leads nowhere: {error.args[0]}", error.hint)
            continue
        if node.value.partition("/")[0] != found.provider and "another name" not in found.rule:
            yield node.error(f"alias {name!r} must lead to provider/model, got {node.value!r}", "e.g. openai/gpt-5-mini")


def _fallbacks(root: Node, settings: Settings) -> Iterator[InsightsError]:
    from insights.planning import Planner
    from insights.routing import fallback

    check = Planner(settings).check_name
    for name, node in root.mapping("fallback.yaml").items():
        try:
            fallback._read([Node({name: node}, root.file, root.line)], check)
        except InsightsError as error:
            yield error
