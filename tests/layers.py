"""Who imports whom, read from the source without running it, and what the plan of the house says about it.

    errors, types, request, config  <-  catalog, cache, routing, spend  <-  adapters  <-  flow  <-  client
                                    <-  batch, notebook, cassettes, integrations, cli

Imports inside functions count like others. Imports under `if TYPE_CHECKING:` count for the direction of an arrow, not
for circles: they never run. The package's own `__init__` stands above everything and may refer to all of it, lazily; so does
that of a room which is a door for users.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = "insights"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"_version", "core"}),
    frozenset({"catalog", "cache", "routing", "spending"}),
    frozenset({"adapters"}),
    frozenset({"flow", "attempts", "plan"}),
    frozenset({"client", "planning", "caching", "streaming", "explain"}),
    frozenset({"batch", "notebook", "cassettes", "costs", "integrations", "doctor", "scaffold", "cli", "__main__"}),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

# Rooms whose `__init__` is a door for users, like the package's own: it may refer to what stands above, inside functions.
DOORSTEPS = frozenset({"insights.cache"})

TRANSPORT = "insights.adapters.models.transport"
# Package -> the only module that may import it.
DOORS: dict[str, str | None] = {"litellm": TRANSPORT, "openai": None}

# Imported by every call, a cache hit and a missing key among them: these stay free of what is slow to import.
LIGHT = tuple(f"insights.core.{name}" for name in ("errors", "request", "config", "redact", "effects"))
HEAVY = frozenset({"pydantic", "pydantic_settings", "httpx", "yaml", "litellm"})
CORE_NEVER = frozenset({"yaml", "httpx", "litellm"})
PYDANTIC_IN_CORE = "insights.core.types"


@dataclass(frozen=True)
class Import:
    """One name a module asks for, and how."""

    module: str  # who imports
    target: str  # what, dotted and absolute
    line: int
    typing_only: bool = False  # under `if TYPE_CHECKING:`
    inside_function: bool = False

    @property
    def package(self) -> str:
        return self.target.partition(".")[0]

    @property
    def at_import(self) -> bool:
        """Does importing the module run this?"""
        return not (self.typing_only or self.inside_function)

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def read_tree(folder: Path) -> tuple[dict[str, Path], list[Import]]:
    """The modules under `folder`, the directory of the package `insights`, and everything they import."""
    modules = {_module_name(path, folder): path for path in sorted(folder.rglob("*.py"))}
    imports: list[Import] = []
    for name, path in modules.items():
        reader = _Reader(name, path.name == "__init__.py", modules.keys())
        reader.visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
        imports += reader.found
    return modules, imports


def _module_name(path: Path, folder: Path) -> str:
    parts = (ROOT, *path.relative_to(folder).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Reader(ast.NodeVisitor):
    def __init__(self, module: str, is_package: bool, known: Collection[str]) -> None:
        self.module, self.known = module, known
        self.package = module if is_package else module.rpartition(".")[0]
        self.found: list[Import] = []
        self.typing_depth = self.function_depth = 0

    def add(self, target: str, line: int) -> None:
        self.found.append(Import(self.module, target, line, self.typing_depth > 0, self.function_depth > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self.absolute("." * node.level + (node.module or ""))
        for alias in node.names:
            # `from insights.core import errors` asks for a module, `from insights.core.errors import X` for a name.
            whole = f"{base}.{alias.name}"
            self.add(whole if whole in self.known else base, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func).rpartition(".")[2]
        target = _leading_text(node.args[0]) if node.args else ""
        # `find_spec("a.b")` imports `a` on the way; `find_spec("a")` imports nothing.
        if name in {"import_module", "__import__"} or (name == "find_spec" and "." in target):
            target = self.absolute(target).rstrip(".")
            if target:
                self.add(target, node.lineno)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            self.generic_visit(node)
            return
        self.typing_depth += 1
        for child in node.body:
            self.visit(child)
        self.typing_depth -= 1
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self.function_depth += 1
        self.generic_visit(node)
        self.function_depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef

    def absolute(self, name: str) -> str:
        stripped = name.lstrip(".")
        dots = len(name) - len(stripped)
        if not dots:
            return name
        parents = self.package.split(".")
        base = ".".join(parents[: len(parents) - dots + 1])
        return f"{base}.{stripped}" if stripped else base


def _leading_text(node: ast.expr) -> str:
    """The text an expression begins with: all of a literal, the literal start of an f-string or of a sum."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values:
        return _leading_text(node.values[0])
    if isinstance(node, ast.BinOp):
        return _leading_text(node.left)
    return ""


def room(module: str) -> str:
    """insights.cache.key -> cache; the package itself -> ''."""
    return module.partition(".")[2].partition(".")[0]


def strangers(modules: dict[str, Path]) -> list[str]:
    """Rooms that the plan doesn't have: give them a layer before giving them code."""
    rooms = sorted({room(module) for module in modules} - {""} - LEVEL.keys())
    return [f"insights.{name} has no layer: put it into LAYERS in tests/layers.py" for name in rooms]


def wrong_way(imports: list[Import]) -> list[str]:
    """Arrows that go up, and what the package's `__init__` does not do lazily."""
    problems = []
    for item in imports:
        if item.package != ROOT:
            continue
        here, there = room(item.module), room(item.target)
        if item.module in DOORSTEPS:
            if item.at_import:
                problems.append(f"{item} while it is imported: refer to it lazily")
        elif here == "":
            if item.at_import and there not in {"", "_version"}:
                problems.append(f"{item} while it is imported: refer to it lazily")
        elif there == "":
            problems.append(f"{item}, which stands above it")
        elif LEVEL.get(there, len(LAYERS)) > LEVEL.get(here, -1):
            problems.append(f"{item}: the arrow goes up")
    return problems


def circles(modules: dict[str, Path], imports: list[Import]) -> list[str]:
    """Circles between modules, and between rooms (which may be circles although no two modules make one)."""
    between_modules: dict[str, set[str]] = {}
    between_rooms: dict[str, set[str]] = {}
    for item in imports:
        if item.package != ROOT or item.typing_only or "" in (room(item.module), room(item.target)):
            continue
        if item.module in DOORSTEPS and item.inside_function:
            continue
        target = _nearest(item.target, modules)
        if target != item.module:
            between_modules.setdefault(item.module, set()).add(target)
        if room(item.module) != room(item.target):
            between_rooms.setdefault(room(item.module), set()).add(room(item.target))
    found = [*_cycles(between_modules), *_cycles(between_rooms)]
    return [f"circle: {' -> '.join(cycle)}" for cycle in found]


def _nearest(target: str, modules: dict[str, Path]) -> str:
    while target not in modules and "." in target:
        target = target.rpartition(".")[0]
    return target


def _cycles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """One circle for every arrow that closes one on a walk through the graph."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> Iterator[list[str]]:
        if node in path:
            yield [*path[path.index(node) :], node]
        elif node not in done:
            for following in sorted(graph.get(node, ())):
                yield from walk(following, [*path, node])
            done.add(node)

    for start in sorted(graph):
        yield from walk(start, [])


def wrong_door(imports: list[Import]) -> list[str]:
    """litellm anywhere but in the transport, openai anywhere."""
    return [
        f"{item}: {'nobody may' if DOORS[item.package] is None else f'only {DOORS[item.package]} may'}"
        for item in imports
        if item.package in DOORS and item.module != DOORS[item.package]
    ]


def heavy_core(modules: dict[str, Path], imports: list[Import]) -> list[str]:
    """What would make `insights.core` slow to import, straight away or by way of another module."""
    problems = []
    for item in imports:
        if room(item.module) != "core":
            continue
        if item.package in CORE_NEVER and not item.typing_only:
            problems.append(f"{item}: never in core")
        elif item.package == "pydantic" and item.at_import and item.module != PYDANTIC_IN_CORE:
            problems.append(f"{item} while it is imported: only {PYDANTIC_IN_CORE} may")
    for start in LIGHT:
        if start in modules:
            problems += [f"{start} is to stay light: {chain}" for chain in _heavy_chains(start, modules, imports)]
    return problems


def _heavy_chains(start: str, modules: dict[str, Path], imports: list[Import]) -> Iterator[str]:
    by_module: dict[str, list[Import]] = {}
    for item in imports:
        if item.at_import:
            by_module.setdefault(item.module, []).append(item)
    seen: set[str] = set()
    waiting = [(start, start)]
    while waiting:
        module, chain = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        # Importing a module runs the `__init__` of the packages it lies in.
        parent = module.rpartition(".")[0]
        if parent in modules:
            waiting.append((parent, f"{chain} -> {parent}"))
        for item in by_module.get(module, ()):
            if item.package in HEAVY:
                yield f"{chain} -> {item.target} (line {item.line})"
            elif item.package == ROOT:
                target = _nearest(item.target, modules)
                waiting.append((target, f"{chain} -> {target}"))


def check(folder: Path) -> list[str]:
    """Everything that is wrong with the imports of the package in `folder`."""
    modules, imports = read_tree(folder)
    return [
        *strangers(modules),
        *wrong_way(imports),
        *circles(modules, imports),
        *wrong_door(imports),
        *heavy_core(modules, imports),
    ]
