"""Reads `configs/providers/*.yaml`: strictly, lazily, one provider's file at a time.

PyYAML's own constructors are not used: they read `1e-6` as a string, `1:30` as 90, `NO` as False, keep the last of two
equal keys in silence, and turn prices into floats. Here each file is composed into nodes, every scalar stays the text it
was, and every complaint names file and line.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from insights.catalog import schema
from insights.catalog.schema import Change, ModelInfo, ProviderConfig, Reader, Tier
from insights.core.config import Settings
from insights.core.errors import ConfigError

_PACKAGED: Final = Path(__file__).resolve().parent.parent / "_configs" / "providers"
_CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent / "configs" / "providers"

MAX_BYTES: Final = 2_000_000  # the largest shipped file is some 50 kB
# What PyYAML takes values without a tag for; `!!python/...` has the same prefix as these.
_PLAIN_TAGS: Final = frozenset("str int float bool null timestamp value merge seq map".split())
MAX_DEPTH: Final = 100  # levels; provider files and cassettes have 7


def shipped_directory() -> Path:
    """Where the provider files that come with insights lie: inside the wheel, or in a checkout beside the package."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@lru_cache(maxsize=1)
def yaml_loader() -> Any:
    """PyYAML's safe loader, for files nested no deeper than `MAX_DEPTH`: the one in C would run out of stack and crash."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class ShallowLoader(base):  # type: ignore[misc]  # whichever there is
        depth = 0

        def descend_resolver(self, parent: Any, index: Any) -> None:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels")
            super().descend_resolver(parent, index)

        def ascend_resolver(self) -> None:
            self.depth -= 1
            super().ascend_resolver()

    return ShallowLoader


class Node:
    """A piece of a YAML file that knows where it stands."""

    __slots__ = ("file", "line", "value")

    def __init__(self, value: Any, file: str, line: int) -> None:
        self.value: str | list[Node] | dict[str, Node] | None = value
        self.file = file
        self.line = line

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        """A complaint about this place."""
        return ConfigError(message, file=self.file, line=self.line, hint=hint)

    def mapping(self, what: str) -> dict[str, Node]:
        """The keys below this node, which must have some."""
        if not isinstance(self.value, dict):
            raise self.error(f"{what} must be a mapping of names to values")
        return self.value

    def plain(self) -> Any:
        """Strings, lists and dicts without their places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def read_yaml(path: Path) -> Node:
    """A YAML file as nodes.

    Raises:
        ConfigError: unreadable, not YAML, a duplicate key, an alias or a tag; with file and line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"larger than {MAX_BYTES} bytes", file=str(path))
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't be read: {error}", file=str(path)) from None
    import yaml

    try:
        root = yaml.compose(source, Loader=yaml_loader())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(
            f"not YAML: {error.problem}",
            file=str(path),
            line=line,
            hint="check indentation (spaces, no tabs) and quotes",
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"not YAML: {error}", file=str(path)) from None
    if root is None:
        return Node({}, str(path), 1)
    return _convert(root, str(path), set())


def read_yaml_once(path: Path) -> Node:
    """`read_yaml`, and again only when the file has changed: for the small files that every call looks into."""
    about = path.stat()
    return _remembered(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=16)
def _remembered(path: Path, modified: int, size: int) -> Node:
    return read_yaml(path)


def _convert(node: Any, file: str, seen: set[int]) -> Node:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise ConfigError("YAML anchors and aliases are not used here", file=file, line=line, hint="write the value out")
    seen.add(id(node))
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
        raise ConfigError(f"YAML tags are not used here: {node.tag}", file=file, line=line, hint="remove the tag")
    if node.id == "sequence":
        return Node([_convert(item, file, seen) for item in node.value], file, line)
    if node.id == "scalar":
        empty = node.value in ("", "~", "null") and node.tag.endswith(":null")
        return Node(None if empty else node.value, file, line)
    table: dict[str, Node] = {}
    for key, value in node.value:
        if key.id != "scalar":
            raise ConfigError("a key must be a plain text", file=file, line=key.start_mark.line + 1)
        if key.value in table:
            raise ConfigError(
                f"{key.value!r} is here twice (first on line {table[key.value].line})",
                file=file,
                line=key.start_mark.line + 1,
                hint="keep one of the two",
            )
        table[key.value] = _convert(value, file, seen)
    return Node(table, file, line)


def read_keys(
    table: Mapping[str, Node], readers: Mapping[str, Reader], what: str, skip: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Values of a table by their readers; an unknown key or a wrong value is an error with its place."""
    values: dict[str, Any] = {}
    for name, node in table.items():
        if name in skip:
            continue
        reader = readers.get(name)
        if reader is None:
            near = difflib.get_close_matches(name, [*readers, *skip], n=1, cutoff=0.5)
            raise node.error(
                f"{what} has no key {name!r}",
                f"did you mean {near[0]!r}?" if near else "keys are: " + ", ".join([*readers, *skip]),
            )
        try:
            values[name] = reader(node.plain())
        except ValueError as error:
            raise node.error(f"{name}: {error}") from None
    return values


def _model(name: str, node: Node, inherited: Mapping[str, Any]) -> ModelInfo:
    table = node.mapping(f"model {name!r}")
    values = {**inherited, **read_keys(table, schema.MODEL_KEYS, "a model", skip=("tiers", "changes"))}
    prices = {key: values.pop(key) for key in schema.PRICES if key in values}
    tiers = _tiers(table, prices)
    changes = _changes(table, prices, tiers, values.get("effective_from"))
    return ModelInfo(name=name, prices=prices, tiers=tiers, changes=changes, **values)


def _rows(table: Mapping[str, Node], name: str) -> list[Node]:
    if name not in table:
        return []
    rows = table[name].value
    if not isinstance(rows, list):
        raise table[name].error(f"{name} must be a list")
    return rows


def _tiers(table: Mapping[str, Node], prices: Mapping[str, Decimal]) -> tuple[Tier, ...]:
    tiers: list[Tier] = []
    for row in _rows(table, "tiers"):
        tier = read_keys(row.mapping("a tier"), schema.TIER_KEYS, "a tier")
        if "above" not in tier:
            raise row.error("a tier needs 'above': the number of prompt tokens it begins after")
        above = tier.pop("above")
        tiers.append(Tier(above, {**prices, **tier}))
    return tuple(sorted(tiers, key=lambda t: t.above))


def _changes(
    table: Mapping[str, Node], prices: Mapping[str, Decimal], tiers: tuple[Tier, ...], since: date | None
) -> tuple[Change, ...]:
    """Dated prices, each with all that it doesn't change. A list of tiers, where a change has one, is a new list."""
    found: list[Change] = []
    for row in _rows(table, "changes"):
        own = row.mapping("a change")
        values = read_keys(own, schema.CHANGE_KEYS, "a change", skip=("tiers",))
        day = values.pop("effective_from", None)
        if day is None:
            raise row.error("a change needs 'effective_from': the day its prices begin")
        last = found[-1].effective_from if found else since
        if last is not None and day <= last:
            raise row.error(
                f"changes must be in the order of their days: {day} comes after {last}", "append the new one at the end"
            )
        about = {name: values.pop(name) for name in ("source", "checked") if name in values}
        prices = {**prices, **values}
        tiers = _tiers(own, prices) if "tiers" in own else tiers
        if tiers and values and "tiers" not in own:
            raise row.error("this model has tiers: a change of its prices must say what those cost", "write its tiers too")
        found.append(Change(day, prices, tiers, **about))
    return tuple(found)


@lru_cache(maxsize=128)
def _read_provider(path: Path, modified: int, name: str) -> tuple[dict[str, Any], dict[str, ModelInfo]]:
    root = read_yaml(path)
    tables = root.mapping("a provider file")
    if list(tables) != [name]:
        raise root.error(f"the file must have one top-level key, {name!r}", f"it has: {', '.join(tables) or 'none'}")
    table = tables[name].mapping(f"provider {name!r}")
    values = read_keys(table, schema.PROVIDER_KEYS, "a provider", skip=("models",))
    inherited: dict[str, Any] = {key: values.pop(key) for key in ("source", "checked") if key in values}
    rows = table["models"].mapping("models") if "models" in table and table["models"].value is not None else {}
    return values, {model: _model(model, row, inherited) for model, row in rows.items()}


class Catalog:
    """The provider files: the user's directory over the shipped one, key by key and model by model."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self.derived: dict[str, Any] = {}
        """What others made of the files, to be made again when those have changed."""

    @property
    def directories(self) -> list[Path]:
        """Where provider files are looked for; later ones win.

        Raises:
            ConfigError: the configured directory doesn't exist.
        """
        own = self._settings.config_dir
        if own is None:
            return [shipped_directory()]
        if not own.is_dir():
            raise ConfigError("the configuration directory doesn't exist", file=str(own), hint="correct INSIGHTS_CONFIG_DIR")
        return [shipped_directory(), own, own / "providers"]

    def files(self, name: str) -> list[Path]:
        """The files called `name`.yaml that exist, in order of precedence; later ones win."""
        return [path for directory in self.directories if (path := directory / f"{name}.yaml").is_file()]

    def provider(self, name: str) -> ProviderConfig:
        """One provider's configuration.

        Raises:
            ConfigError: no such file, or a mistake in it.
        """
        values: dict[str, Any] = {}
        models: dict[str, ModelInfo] = {}
        shipped = shipped_directory()
        for path in self.files(name):
            more, rows = _read_provider(path, path.stat().st_mtime_ns, name)
            values.update(more, own_base="api_base" in more and path.parent != shipped)
            models.update(rows)
        if not values:
            raise ConfigError(
                f"no configuration for provider {name!r}", file=str(self.directories[-1]), hint=f"add {name}.yaml there"
            )
        for key in ("api_base", "env_key"):
            if key not in values:
                raise ConfigError(f"provider {name!r} needs {key!r}", file=str(self.files(name)[-1]))
        return ProviderConfig(name=name, models=models, **values)
