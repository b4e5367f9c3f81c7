"""Compares the whole catalogue with its peers, and tells which disagreements somebody has looked at and explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from insights.catalog import schema
from insights.catalog.disagreements import Disagreement, billed, compare, number
from insights.catalog.loader import Catalog
from insights.catalog.nodes import Node, read_keys, read_yaml
from insights.catalog.peers import NAMES, Peer
from insights.catalog.schema import ModelInfo

FILE: Final = Path(__file__).resolve().parent.parent.parent / "configs" / "price_disagreements.yaml"
"""The reviewed explanations. They lie in the repository and are not part of the package."""

CATCH_UP: Final = timedelta(days=90)  # how long another list may take to follow a change of prices


@dataclass(frozen=True)
class Explanation:
    """Why some figures differ, and which: those that are named, or whose relation is."""

    provider: str
    peer: str
    models: tuple[str, ...]  # patterns, as of file names
    fields: tuple[str, ...]  # likewise, of `Disagreement.name`
    figures: frozenset[str]  # "theirs / ours"; empty where the relation is given
    ratios: frozenset[Fraction]  # theirs divided by ours
    reason: str
    day: date
    file: str
    line: int

    def fits(self, found: Disagreement) -> bool:
        """Whether it is about these two figures, and they are still the ones that were looked at."""
        if (self.provider, self.peer) != (found.provider, found.peer):
            return False
        if not any(fnmatchcase(found.model, model) for model in self.models):
            return False
        if not any(fnmatchcase(found.name, name) for name in self.fields):
            return False
        if found.figures in self.figures:
            return True
        return bool(found.ours) and Fraction(found.theirs) / Fraction(found.ours or 1) in self.ratios


@dataclass(frozen=True)
class Reviewed:
    """The reviewed file: for which versions of the peers it holds, of which day, and its explanations."""

    file: Path
    versions: Mapping[str, str]
    day: date
    explanations: tuple[Explanation, ...]


def _one_or_more(value: Any) -> tuple[str, ...]:
    return schema.texts(value) if isinstance(value, list) else (schema.text(value),)


def _ratios(value: Any) -> frozenset[Fraction]:
    try:
        return frozenset(Fraction(item) for item in _one_or_more(value))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"expected a ratio like 2 or 10/11, got {value!r}") from None


def _pairs(value: Any) -> frozenset[str]:
    pairs = frozenset(_one_or_more(value))
    for pair in pairs:
        theirs, slash, ours = pair.partition(" / ")
        if not slash or number(schema.price(theirs)) != theirs:
            raise ValueError(f"expected 'theirs / ours', got {pair!r}")
        if ours != "none" and number(schema.price(ours)) != ours:
            raise ValueError(f"expected 'theirs / ours' with a price or none, got {pair!r}")
    return pairs


_KEYS: Final[dict[str, schema.Reader]] = {
    "provider": schema.text,
    "peer": schema.one_of(*NAMES),
    "models": _one_or_more,
    "fields": _one_or_more,
    "figures": _pairs,
    "ratio": _ratios,
    "reason": schema.text,
    "date": schema.day,
}
_HEAD: Final[dict[str, schema.Reader]] = {**dict.fromkeys(NAMES, schema.text), "reviewed": schema.day}


def read_reviewed(path: Path) -> Reviewed:
    """The file of explanations.

    Raises:
        ConfigError: unreadable, or a mistake in it; with file and line.
    """
    root = read_yaml(path)
    table = root.mapping("the file of explanations")
    head = read_keys(table, _HEAD, "the file of explanations", skip=("explained",))
    if len(head) < len(_HEAD):
        raise root.error("the file needs the versions and the day it was reviewed for: " + ", ".join(_HEAD))
    rows = table["explained"].value if "explained" in table else []
    if not isinstance(rows, list):
        raise table["explained"].error("explained must be a list")
    day = head.pop("reviewed")
    return Reviewed(path, head, day, tuple(_explanation(row) for row in rows))


def _explanation(row: Node) -> Explanation:
    values = read_keys(row.mapping("an explanation"), _KEYS, "an explanation")
    missing = [name for name in ("provider", "peer", "models", "fields", "reason", "date") if name not in values]
    if missing:
        raise row.error(f"an explanation needs {', '.join(missing)}")
    if ("figures" in values) == ("ratio" in values):
        raise row.error("an explanation needs either figures ('theirs / ours') or their ratio (theirs divided by ours)")
    return Explanation(
        values["provider"],
        values["peer"],
        values["models"],
        values["fields"],
        values.get("figures", frozenset()),
        values.get("ratio", frozenset()),
        values["reason"],
        values["date"],
        Path(row.file).name,
        row.line,
    )


# ---------------------------------------------------------------- the whole check


@dataclass
class Report:
    """What a comparison of the catalogue with its peers found."""

    on: date
    models: int = 0
    compared: dict[str, int] = field(default_factory=dict)  # models that the peer has, by peer
    figures: dict[str, int] = field(default_factory=dict)  # figures that it gives for them, by peer
    unexplained: list[Disagreement] = field(default_factory=list)
    explained: list[tuple[Disagreement, Explanation]] = field(default_factory=list)
    behind: list[Disagreement] = field(default_factory=list)  # the peer still has our price of before a recent change
    stale: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether every disagreement is explained and every explanation is of one."""
        return not self.unexplained and not self.stale

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        explained = [{**found.as_dict(), "reason": why.reason, "date": why.day.isoformat()} for found, why in self.explained]
        return {
            "on": self.on.isoformat(),
            "models": self.models,
            "peers": {
                name: {"compared": count, "lacking": self.models - count, "figures": self.figures[name]}
                for name, count in self.compared.items()
            },
            "unexplained": [found.as_dict() for found in self.unexplained],
            "explained": explained,
            "behind": [found.as_dict() for found in self.behind],
            "stale": self.stale,
            "notes": self.notes,
        }


def check(catalog: Catalog, providers: Iterable[str], asked: Iterable[Peer], reviewed: Reviewed | None, on: date) -> Report:
    """Compares every model of the catalogue with every peer, at the prices of a day (UTC)."""
    report = Report(on)
    asked = list(asked)
    for peer in asked:
        report.compared[peer.name] = report.figures[peer.name] = 0
    used: set[tuple[int, str]] = set()
    for provider in providers:
        for info in catalog.provider(provider).models.values():
            report.models += 1
            for peer in asked:
                theirs = peer.find(provider, info.name)
                if theirs is None:
                    continue
                report.compared[peer.name] += 1
                report.figures[peer.name] += sum(len(theirs.figures(above)) for above in theirs.bands)
                for found in compare(provider, info.at(on), peer, theirs):
                    if not _file(found, report, reviewed, used):
                        (report.behind if _is_behind(found, info, on) else report.unexplained).append(found)
    _say_of_versions(report, asked, reviewed)
    for why in reviewed.explanations if reviewed else ():
        unused = [part for part in (*why.models, *why.fields, *sorted(why.figures)) if (why.line, part) not in used]
        if unused and why.peer in report.compared:
            what = f"{why.provider} and {why.peer}: there is no such disagreement any more"
            report.stale.append(f"{why.file}:{why.line}: {what}: {', '.join(unused)}")
    return report


def _say_of_versions(report: Report, asked: Iterable[Peer], reviewed: Reviewed | None) -> None:
    versions = {peer.name: peer.version for peer in asked}
    report.notes += [f"{name} is not installed: nothing is compared with it" for name in NAMES if name not in versions]
    if reviewed is None:
        report.notes.append("no file of explanations: every disagreement is printed")
        return
    for name, version in reviewed.versions.items():
        if versions.get(name, version) != version:
            report.notes.append(f"the explanations were written for {name} {version}; this is {versions[name]}")


def _is_behind(found: Disagreement, info: ModelInfo, on: date) -> bool:
    """Whether the peer has what the catalogue had before a change of the last `CATCH_UP`: its list has no days, or is older."""
    begun = [change.effective_from for change in info.changes if on - CATCH_UP < change.effective_from <= on]
    if not begun:
        return False
    before = info.at(begun[0] - timedelta(days=1))
    prices = [before.prices, *(tier.prices for tier in before.tiers if tier.above <= found.above)][-1]
    return billed(prices, found.field) == found.theirs


def _file(found: Disagreement, report: Report, reviewed: Reviewed | None, used: set[tuple[int, str]]) -> bool:
    fitting = [why for why in (reviewed.explanations if reviewed else ()) if why.fits(found)]
    if fitting:
        report.explained.append((found, fitting[0]))
    for why in fitting:
        used.update((why.line, model) for model in why.models if fnmatchcase(found.model, model))
        used.update((why.line, name) for name in why.fields if fnmatchcase(found.name, name))
        used.add((why.line, found.figures))
    return bool(fitting)
