"""Reads `configs/providers/*.yaml`: strictly, lazily, one provider's file at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from insights.catalog import others, schema
from insights.catalog.nodes import Node, read_keys, read_yaml
from insights.catalog.schema import Change, ModelInfo, ProviderConfig, Tier
from insights.core.config import Settings
from insights.core.errors import ConfigError

_PACKAGED: Final = Path(__file__).resolve().parent.parent / "_configs" / "providers"
_CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent / "configs" / "providers"


def shipped_directory() -> Path:
    """Where the provider files that come with insights lie: inside the wheel, or in a checkout beside the package."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


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


@dataclass(frozen=True, slots=True)
class _File:
    """What one provider file says, and on which lines."""

    values: Mapping[str, Any]
    models: Mapping[str, ModelInfo]
    lines: Mapping[str, int]


@lru_cache(maxsize=128)
def _read_provider(path: Path, state: tuple[int, int], name: str, shipped: Path) -> _File:
    root = read_yaml(path)
    tables = root.mapping("a provider file")
    if list(tables) != [name]:
        raise root.error(f"the file must have one top-level key, {name!r}", f"it has: {', '.join(tables) or 'none'}")
    table = tables[name].mapping(f"provider {name!r}")
    values = read_keys(table, schema.PROVIDER_KEYS, "a provider", skip=("models",))
    if name not in others.shipped_names(shipped):
        others.check_own(name, table, shipped)
    elif "prefixes" in values:
        raise table["prefixes"].error(f"the prefixes of {name} are fixed", "for a name of your own: aliases.yaml")
    inherited: dict[str, Any] = {key: values.pop(key) for key in ("source", "checked") if key in values}
    rows = table["models"].mapping("models") if "models" in table and table["models"].value is not None else {}
    lines = {key: node.line for key, node in table.items()}
    return _File(values, {model: _model(model, row, inherited) for model, row in rows.items()}, lines)


@dataclass(frozen=True, slots=True)
class OwnPrefix:
    """A prefix in the file of a provider that isn't shipped, and where it stands."""

    provider: str
    file: str
    line: int


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
        directories = self.directories
        found = [path for directory in directories if (path := directory / f"{name}.yaml").is_file()]
        if not found or found[0].parent != directories[0]:  # not shipped: maybe a package's
            package = others.installed().get(name)
            if package is not None:
                if not package.file.is_file():
                    raise package.broken(f"it has no file {package.file}")
                found.insert(0, package.file)
        return found

    def others(self) -> list[str]:
        """The names of providers beside the shipped ones: those of the user's own files, and of installed packages."""
        shipped, *own = self.directories
        names = others.shipped_names(shipped)
        found = {
            name for name in others.installed() if name not in names | others.NOT_PROVIDERS and others.NAME.fullmatch(name)
        }
        for directory in own:
            found |= others.own_files(directory, names).keys()
        return sorted(found)

    def is_package(self, name: str) -> bool:
        """Whether a provider beside the shipped ones is known only from an installed package."""
        shipped, *own = self.directories
        names = others.shipped_names(shipped)
        return name in others.installed() and not any(name in others.own_files(directory, names) for directory in own)

    def other_prefixes(self) -> dict[str, OwnPrefix]:
        """How models of those providers' are called.

        Raises:
            ConfigError: two have the same, or a mistake in one of the files.
        """
        found: dict[str, OwnPrefix] = {}
        for name in self.others():
            said = [(path, read) for path in self.files(name) if "prefixes" in (read := self._read(path, name)).values]
            for path, read in said[-1:]:  # key by key, the last file wins
                for prefix in read.values["prefixes"]:
                    place = OwnPrefix(name, str(path), read.lines["prefixes"])
                    other = found.setdefault(prefix, place)
                    if other.provider != name:
                        raise ConfigError(
                            f"the prefix {prefix!r} is also that of {other.provider}, in {other.file}:{other.line}",
                            file=place.file,
                            line=place.line,
                            hint="a prefix leads to one provider: take it out of one of the two",
                        )
        return found

    def _read(self, path: Path, name: str, shipped: Path | None = None) -> _File:
        about = path.stat()
        return _read_provider(path, (about.st_mtime_ns, about.st_size), name, shipped or shipped_directory())

    def provider(self, name: str) -> ProviderConfig:
        """One provider's configuration.

        Raises:
            ConfigError: no such file, or a mistake in it.
        """
        values: dict[str, Any] = {}
        models: dict[str, ModelInfo] = {}
        shipped = shipped_directory()
        for path in self.files(name):
            read = self._read(path, name, shipped)
            own = "api_base" in read.values and path.parent != shipped
            values.update(read.values, own_base=own or values.get("own_base", False))
            models.update(read.models)
        if not values:
            raise ConfigError(
                f"no configuration for provider {name!r}", file=str(self.directories[-1]), hint=f"add {name}.yaml there"
            )
        if "api_base" not in values:
            raise ConfigError(f"provider {name!r} needs 'api_base'", file=str(self.files(name)[-1]))
        if "env_key" not in values:
            values["env_key"] = others.variable_for(name)
            others.check_variable(name, values["env_key"], shipped, file=self.files(name)[-1])
        return ProviderConfig(name=name, models=models, **values)
