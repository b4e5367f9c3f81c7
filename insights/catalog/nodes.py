"""Reads YAML into nodes that know where they stand.

PyYAML's own constructors are not used: they read `1e-6` as a string, `1:30` as 90, `NO` as False, keep the last of two
equal keys in silence, and turn prices into floats. Here each file is composed into nodes, every scalar stays the text it
was, and every complaint names file and line.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from insights.core.errors import ConfigError

MAX_BYTES: Final = 2_000_000  # the largest shipped file is some 50 kB
# What PyYAML takes values without a tag for; `!!python/...` has the same prefix as these.
_PLAIN_TAGS: Final = frozenset("str int float bool null timestamp value merge seq map".split())
MAX_DEPTH: Final = 100  # levels; provider files and cassettes have 7


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
    table: Mapping[str, Node], readers: Mapping[str, Callable[[Any], Any]], what: str, skip: tuple[str, ...] = ()
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
            raise node.error(f"{name}: {error}", getattr(error, "hint", None)) from None
    return values
