"""Whether a cassette replays or records, and who decides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from insights.core.errors import BadRequestError

MODES: Final = ("replay", "record", "refresh", "auto")
VARIABLE: Final = "INSIGHTS_RECORD_MODE"

# vcrpy's and pytest-recording's names for the same.
THEIRS: Final = {"none": "replay", "once": "record", "new_episodes": "auto", "all": "refresh", "rewrite": "refresh"}

_NO: Final = ("", "0", "false", "no", "off")

of_session: str | None = None
"""What the pytest session was started with (`--record-mode`), in these names; None where it didn't say."""


root: Path | None = None
"""Its root directory, from which the ids of its tests begin."""
has_option = False
"""Whether that session knows `--record-mode`, which is pytest-recording's."""


def in_ci() -> bool:
    """Whether this is a CI job: all known ones set `CI`."""
    return os.environ.get("CI", "").strip().lower() not in _NO


def named(mode: str) -> str:
    """The mode of a name, ours or vcrpy's.

    Raises:
        BadRequestError: there is none.
    """
    found = THEIRS.get(mode, mode) if isinstance(mode, str) else None  # type: ignore[redundant-expr]
    if found not in MODES:
        raise BadRequestError(f"a cassette's mode is one of {', '.join(MODES)}, got {mode!r}")
    return found


def resolve(given: str | None) -> str:
    """The mode in force: what the code says, else the pytest session, else `INSIGHTS_RECORD_MODE`, else replay; in CI replay.

    Raises:
        BadRequestError: a mode that doesn't exist, wherever it was given.
    """
    if given is not None:
        found = named(given)
    elif of_session is not None:
        found = of_session
    else:
        text = os.environ.get(VARIABLE, "").strip()
        try:
            found = named(text) if text else "replay"
        except BadRequestError as error:
            raise BadRequestError(f"{VARIABLE}: {error.message}", hint=f"correct {VARIABLE}") from None
    return "replay" if in_ci() else found
