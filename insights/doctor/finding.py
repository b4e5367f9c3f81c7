"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do about it. A `note` is nothing wrong."""

    area: str
    level: Level
    message: str
    hint: str | None = None
