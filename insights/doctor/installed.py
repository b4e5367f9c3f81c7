"""What is installed, and what is set."""

from __future__ import annotations

import difflib
import inspect
import os
import platform
import re
from collections.abc import Iterator
from importlib import metadata
from typing import Final

from insights.core.config import Settings
from insights.core.errors import InsightsError
from insights.doctor.finding import Finding

PACKAGE: Final = "insights-llm"
_OTHERS: Final = ("INSIGHTS_MODEL", "INSIGHTS_RECORD_MODE")
"""Variables that aren't of `Settings`."""
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;()]*)\)?\s*(?:;(.*))?")
_BOUND: Final = re.compile(r"(>=|<=|==|!=|<|>)\s*([0-9.]+)")


def versions() -> Iterator[Finding]:
    """Whether the packages are there that this one needs, and in the range it declares. None of them is imported."""
    try:
        about = metadata.metadata(PACKAGE)
        required = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        yield Finding(
            "versions", "note", f"{PACKAGE} is not installed: which versions it needs isn't known", "pip install -e ."
        )
        return
    python, range_ = platform.python_version(), about["Requires-Python"] or ""
    if not inside(python, range_):
        yield Finding("versions", "problem", f"Python {python} is not {range_}", "use a Python that is")
    said = [f"Python {python}", f"insights {metadata.version(PACKAGE)}"]
    for line in required:
        match = _REQUIREMENT.fullmatch(line.strip())
        if match is None or (match[3] and "extra" in match[3] and "'cli'" not in match[3].replace('"', "'")):
            continue
        name, bounds = match[1], match[2].strip()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("versions", "problem", f"{name} is not installed", f"pip install '{name}{bounds}'")
            continue
        if inside(version, bounds):
            said.append(f"{name} {version}")
        else:
            yield Finding(
                "versions", "problem", f"{name} {version} is installed, {bounds} is needed", f"pip install '{name}{bounds}'"
            )
    yield Finding("versions", "ok", ", ".join(said))


def inside(version: str, bounds: str) -> bool:
    """Whether a version is in a range.

    >>> inside("1.106.2", ">=1.90.7,<1.110"), inside("1.110", "<1.110,>=1.90.7"), inside("3.11.1", ">=3.11")
    (True, False, True)
    """
    ours = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        theirs = _numbers(text)
        order = (ours > theirs) - (ours < theirs)
        if order not in {">=": (0, 1), "<=": (0, -1), "==": (0,), "!=": (1, -1), "<": (-1,), ">": (1,)}[sign]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else [0]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def known_variables() -> list[str]:
    """Every variable that is read and isn't a provider's."""
    settings = inspect.signature(Settings).parameters.values()
    return [*(f"INSIGHTS_{each.name.upper()}" for each in settings if each.kind is each.KEYWORD_ONLY), *_OTHERS]


def variables(settings: Settings) -> Iterator[Finding]:
    """Whether what is set can be read, and whether there is something set that nobody reads."""
    wrong = 0
    names = [name.removeprefix("INSIGHTS_").lower() for name in known_variables() if name not in _OTHERS]
    seen: set[str] = set()
    for name in names:
        try:
            getattr(settings, name)
        except InsightsError as error:
            if str(error) not in seen:  # a .env file that can't be read is every setting's
                seen.add(str(error))
                yield Finding("settings", "problem", *_said(error))
            wrong += 1
    from insights.cassettes.modes import resolve

    try:
        resolve(None)
    except InsightsError as error:
        yield Finding("settings", "problem", *_said(error))
        wrong += 1
    for name in sorted(os.environ):
        if name.startswith("INSIGHTS_") and name not in known_variables():
            near = difflib.get_close_matches(name, known_variables(), n=1, cutoff=0.85)
            hint = f"did you mean {near[0]}?" if near else None
            yield Finding("settings", "problem" if near else "note", f"nobody reads {name}", hint)
            wrong += bool(near)
    if not wrong:
        given = sorted(name for name in known_variables() if os.environ.get(name, "").strip())
        yield Finding("settings", "ok", f"set: {', '.join(given)}" if given else "all as they are by default")


def _said(error: InsightsError) -> tuple[str, str | None]:
    """An error's one line and its hint."""
    return str(error.args[0]), error.hint
