"""What is said where a recording is missing: which file, what is nearest to the request, and the command that mends it."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from insights.cassettes import modes
from insights.cassettes.file import Interaction
from insights.cassettes.match import nearest
from insights.core.effects import WireCall
from insights.core.errors import CassetteMissingError, InsightsError


def missing(
    path: Path,
    call: WireCall,
    why: str,
    interactions: Sequence[Interaction] = (),
    *,
    exists: bool = True,
    given: bool = False,
) -> CassetteMissingError:
    """The error for a request that a cassette has no answer to.

    Args:
        why: what is wrong, in a few words.
        interactions: those of the file, to show the nearest one of.
        exists: whether there is such a file.
        given: whether the mode was given in the code, so that nothing outside of it changes it.
    """
    lines = [f"{shown(path)}: {why}: {call.method} {call.url} ({call.provider}/{call.model})"]
    near = nearest([(item.uri, item.body) for item in interactions], call.url, call.content) if interactions else None
    if near is not None and near[1]:
        index, differences = near
        lines.append(f"  nearest is recording {index + 1} of {len(interactions)}, which differs in")
        lines += [f"    {line}" for line in differences]
    return CassetteMissingError("\n".join(lines), hint=how_to_record(path, exists=exists, given=given, call=call))


def how_to_record(path: Path, *, exists: bool, given: bool = False, call: WireCall | None = None) -> str:
    """The command, or the change, that records a cassette.

    Args:
        exists: whether there is one, so that it has to be recorded anew.
        given: whether the mode was given in the code.
        call: what was asked; it says whose key is needed.
    """
    mode = "refresh" if exists else "record"
    test = current_test()
    script = sys.argv[0] if sys.argv else ""
    if given:
        command = f"use_cassette({shown(path)!r}, mode={mode!r})"
    elif test and modes.has_option:
        theirs = "rewrite" if exists else "once"
        command = f"pytest {shlex.quote(test)} --record-mode={theirs}"
    elif test:
        command = f"{modes.VARIABLE}={mode} pytest {shlex.quote(test)}"
    elif script.endswith(".py") and not _in_notebook():
        command = f"{modes.VARIABLE}={mode} python {shlex.quote(script)}"
    else:
        command = f"use_cassette({shown(path)!r}, mode={mode!r})"
    key = _key_of(call)
    text = f"record it: {command}" + (f"   (with {key} set)" if key else "")
    return f"{text}\n  -> not here: CI is set, where cassettes are only replayed" if modes.in_ci() else text


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    with contextlib.suppress(OSError):
        here = Path.cwd()
        if path.is_relative_to(here):
            return str(path.relative_to(here))
    return str(path)


def current_test() -> str:
    """The id of the pytest test that is running; empty outside of one."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _key_of(call: WireCall | None) -> str:
    """The variable that the provider's key is read from; empty where none is needed, or nobody knows."""
    if call is None:
        return ""
    from insights.catalog.loader import Catalog
    from insights.core.config import settings

    try:
        config = Catalog(settings).provider(call.provider)
    except (InsightsError, KeyError):
        return ""
    return config.env_key if config.key_required and settings.key(*config.key_names) is None else ""
