"""Proposes dated prices for a provider's file, from what its peers say. Nothing that is written there is changed.

The text is edited line by line, so that comments and layout stay; what comes out is read again by the loader, which must
find the new prices from their day on and the old ones until then.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from insights.catalog.disagreements import Disagreement, compare, number
from insights.catalog.loader import Catalog
from insights.catalog.nodes import yaml_loader
from insights.catalog.peers import BASE, Peer, PeerModel
from insights.catalog.price_check import Reviewed
from insights.catalog.schema import PRICES, ModelInfo
from insights.core.config import Settings
from insights.core.errors import ConfigError

_ONE_DAY: Final = timedelta(days=1)
Bands = dict[int, dict[str, Decimal]]


@dataclass(frozen=True)
class NewPrices:
    """What a model is to cost from a day on: all of its prices by band, and those of them that are new."""

    model: str
    effective_from: date
    bands: Mapping[int, Mapping[str, Decimal]]
    changed: tuple[str, ...]  # of the ordinary prices
    source: str
    checked: date

    def lines(self, indent: int) -> list[str]:
        """The item of `changes:`, from the column of its dash on."""
        pad = " " * indent
        base = self.bands[BASE]
        found = [f"{pad}- effective_from: {self.effective_from}"]
        found += [f"{pad}  {name}: {number(base[name])}" for name in PRICES if name in self.changed]
        tiers = [above for above in sorted(self.bands) if above != BASE]
        if tiers:
            found.append(f"{pad}  tiers:")
        for above in tiers:
            own = [(name, self.bands[above][name]) for name in PRICES if name in self.bands[above]]
            told = "".join(f", {name}: {number(value)}" for name, value in own if base.get(name) != value)
            found.append(f"{pad}    - {{above: {above}{told}}}")
        source = self.source.replace("\\", "\\\\").replace('"', '\\"')
        return [*found, f'{pad}  source: "{source}"', f"{pad}  checked: {self.checked}"]


@dataclass
class Proposal:
    """New text for one file, and what couldn't be proposed."""

    file: Path
    old: str
    new: str
    models: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def diff(self) -> str:
        """A unified diff; empty where there is nothing to change."""
        name = self.file.as_posix()
        old, new = self.old.splitlines(keepends=True), self.new.splitlines(keepends=True)
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(old, new, f"{name} (as it is)", f"{name} (proposed)")
        )


def propose(
    catalog: Catalog,
    provider: str,
    asked: Collection[Peer],
    *,
    effective_from: date,
    checked: date,
    reviewed: Reviewed | None = None,
    only: Collection[str] = (),
) -> list[Proposal]:
    """New dated prices for the models of a provider, where all peers that have a figure have the same and it isn't ours.

    Args:
        catalog: whose prices; each model is edited in the file that its row comes from.
        provider: its name.
        asked: the peers, as of `effective_from`.
        effective_from: the day from which the new prices hold, UTC.
        checked: today, as it is noted in the file.
        reviewed: disagreements that are explained there are left alone.
        only: names of models; default: all.

    Raises:
        ConfigError: a file can't be edited so.
    """
    found: dict[Path, Proposal] = {}
    config = catalog.provider(provider)
    for name in only:
        if name not in config.models:
            raise ConfigError(f"{provider} has no model {name!r} in its file")
    for info in config.models.values():
        if only and info.name not in only:
            continue
        new, notes = new_prices(provider, info, asked, effective_from, checked, reviewed)
        if new is None and not notes:
            continue
        path = _file_of(catalog, provider, info.name)
        if path not in found:
            text = path.read_bytes().decode("utf-8")
            found[path] = Proposal(path, text, text)
        proposal = found[path]
        proposal.notes += notes
        if new is not None:
            proposal.new = append_change(proposal.new, str(path), provider, new)
            proposal.models.append(info.name)
            _see(proposal.new, provider, info, new)
    return list(found.values())


def new_prices(
    provider: str, info: ModelInfo, asked: Collection[Peer], day: date, checked: date, reviewed: Reviewed | None
) -> tuple[NewPrices | None, list[str]]:
    """What the peers would change of a model from a day on, or None; and where they contradict each other."""
    now = info.at(day)
    rows = {peer: row for peer in asked if (row := peer.find(provider, info.name)) is not None}
    open_: dict[tuple[int, str], list[Disagreement]] = {}
    for peer, row in rows.items():
        for found in compare(provider, now, peer, row):
            if reviewed is None or not any(why.fits(found) for why in reviewed.explanations):
                open_.setdefault((found.above, found.field), []).append(found)
    bands: Bands = {BASE: dict(now.prices), **{tier.above: dict(tier.prices) for tier in now.tiers}}
    notes: list[str] = []
    taken: list[Disagreement] = []
    for (above, name), figures in sorted(open_.items()):
        said = _said(rows, above, name)
        if len(set(said.values())) > 1:
            told = ", ".join(f"{peer} {number(figure)}" for peer, figure in said.items())
            notes.append(f"{provider}/{info.name}: {figures[0].name}: {told}; ours {number(figures[0].ours)}: not proposed")
            continue
        taken.append(figures[0])
        if above not in bands:  # as those of the band below, as long as nobody says otherwise
            bands[above] = dict(bands[max(begins for begins in bands if begins < above)])
        bands[above][name] = figures[0].theirs
    if not taken:
        return None, notes
    last = info.changes[-1].effective_from if info.changes else info.effective_from
    if last is not None and last >= day:
        return None, [f"{provider}/{info.name}: has prices from {last} on: new ones must begin later", *notes]
    changed = tuple(dict.fromkeys(found.field for found in taken if found.above == BASE))
    stay = [name for name in bands[BASE] if name not in changed and changed and _of_a_tier(name)]
    if stay:
        notes.append(f"{provider}/{info.name}: no peer has a new figure for {', '.join(stay)}: they stay as they are")
    versions = dict.fromkeys(f"{found.their_source} via {_version(asked, found.peer)}" for found in taken)
    return NewPrices(info.name, day, bands, changed, "; ".join(versions), checked), notes


def _said(rows: Mapping[Peer, PeerModel], above: int, name: str) -> dict[str, Decimal]:
    return {peer.name: figures[name] for peer, row in rows.items() if name in (figures := row.figures(above))}


def _of_a_tier(name: str) -> bool:
    return name.startswith(("cost_batch_", "cost_flex_", "cost_priority_"))


def _version(asked: Collection[Peer], name: str) -> str:
    return next(f"{peer.name} {peer.version}" for peer in asked if peer.name == name)


def _file_of(catalog: Catalog, provider: str, model: str) -> Path:
    """The file that a model's row comes from: the last that has it."""
    for path in reversed(catalog.files(provider)):
        if _model_node(_compose(path.read_bytes().decode("utf-8"), str(path)), provider, model) is not None:
            return path
    raise ConfigError(f"{provider} has no model {model!r} in its file")


# ---------------------------------------------------------------- the text


def append_change(text: str, file: str, provider: str, new: NewPrices) -> str:
    """The text of a provider's file with one more item at the end of a model's `changes:`.

    Raises:
        ConfigError: the model isn't there, or isn't written line by line.
    """
    node = _model_node(_compose(text, file), provider, new.model)
    if node is None:
        raise ConfigError(f"{provider} has no model {new.model!r} in its file", file=file)
    line = node.start_mark.line + 1
    if node.id != "mapping" or node.flow_style or not node.value:
        raise ConfigError(f"model {new.model!r} isn't written line by line", file=file, line=line, hint="write it so first")
    indent = node.value[0][0].start_mark.column
    changes = next((value for key, value in node.value if key.value == "changes"), None)
    if changes is None:
        added = [" " * indent + "changes:", *new.lines(indent + 2)]
    elif changes.id != "sequence" or changes.flow_style or not changes.value:
        raise ConfigError("changes isn't a list with a line for each", file=file, line=changes.start_mark.line + 1)
    else:
        added = new.lines(changes.start_mark.column)
    end = "\r\n" if "\r\n" in text else "\n"
    rows = text.splitlines(keepends=True)
    last = _last_line(node if changes is None else changes)
    if not rows[last].endswith("\n"):
        rows[last] += end
    rows[last + 1 : last + 1] = [row + end for row in added]
    return "".join(rows)


def _compose(text: str, file: str) -> Any:
    import yaml

    try:
        return yaml.compose(text, Loader=yaml_loader())
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}", file=file) from None


def _model_node(root: Any, provider: str, model: str) -> Any:
    node = root
    for name in (provider, "models", model):
        if node is None or node.id != "mapping":
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node


def _last_line(node: Any) -> int:
    """The last line that a node is written on, counted from 0; comments and empty lines behind it are none of it."""
    if node.id == "scalar":
        # The mark of a text after `|` or `>` is where the next thing begins.
        return int(node.end_mark.line) - (node.style in ("|", ">") and node.end_mark.column == 0)
    if node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if node.id == "mapping" else last)


def _see(text: str, provider: str, old: ModelInfo, new: NewPrices) -> None:
    """Reads the proposed text as the library would.

    Raises:
        ConfigError: it isn't understood, or not as it was meant.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{provider}.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        read = Catalog(Settings(config_dir=folder)).provider(provider).models[new.model]
    then = read.at(new.effective_from)
    bands = {BASE: dict(then.prices), **{tier.above: dict(tier.prices) for tier in then.tiers}}
    before = new.effective_from - _ONE_DAY
    if bands != new.bands or read.at(before) != replace(old.at(before), changes=read.changes):
        raise ConfigError(f"{provider}/{new.model}: what was written isn't read as it was meant", hint="append it by hand")
