"""What the checks say, for tests of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from insights.core.config import Settings
from insights.doctor import Finding, examine


def looked(*, offline: bool = True, provider: str | None = None, **given: Any) -> list[Finding]:
    """What is found with these settings, and this process's environment."""
    return examine(Settings(**given), offline=offline, provider=provider)


def of(area: str, found: list[Finding], level: str | None = None) -> list[Finding]:
    """The findings about one thing."""
    return [each for each in found if each.area == area and level in (None, each.level)]


def files(folder: Path, **texts: str) -> Path:
    """A user's directory with these files."""
    (folder / "providers").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder
