"""What is said where a recording is missing: which file, what is nearest to the request, and the command that mends it."""

from __future__ import annotations

import builtins
import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from insights.cassettes import modes
from insights.cassettes.file import Interaction
from insights.cassettes.match import nearest
from insights.cassettes.shown import current_test, shown
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
    shared: bool = False,
) -> CassetteMissingError:
    """The error for a request that a cassette has no answer to.

    Args:
        why: what is wrong, in a few words.
        interactions: those of the file, to show the nearest one of.
        exists: whether there is such a file.
        given: whether the mode was given in the code, so that nothing outside of it changes it.
        shared: whether other tests use the file too.
    """
    lines = [f"{shown(path)}: {why}: {call.method} {call.url} ({call.provider}/{call.model})"]
    near = nearest([(item.uri, item.body) for item in interactions], call.url, call.content) if interactions else None
    if near is not None and near[1]:
        index, differences = near
        lines.append(f"  nearest is recording {index + 1} of {len(interactions)}, which differs in")
        lines += [f"    {line}" for line in differences]
    return CassetteMissingError(
        "\n".join(lines), hint=how_to_record(path, exists=exists, given=given, call=call, shared=shared)
    )


def how_to_record(path: Path, *, exists: bool, given: bool = False, call: WireCall | None = None, shared: bool = False) -> str:
    """The command, or the change, that records a cassette.

    Args:
        exists: whether there is one, so that it has to be recorded anew.
        given: whether the mode was given in the code.
        call: what was asked; it says whose key is needed.
        shared: whether other tests use the file too, so that nothing may be taken out of it.
    """
    mode = "auto" if shared else "refresh" if exists else "record"
    test = current_test()
    if given:
        command = f"use_cassette({shown(path)!r}, mode={mode!r})"
    elif test and modes.has_option:
        theirs = next(name for name in ("once", "rewrite", "new_episodes") if modes.THEIRS[name] == mode)
        command = f"python -m pytest {shlex.quote(_test_from_here(test))} --record-mode={theirs}"
    elif test:
        command = f"{modes.VARIABLE}={mode} python -m pytest {shlex.quote(_test_from_here(test))}"
    elif len(sys.orig_argv) > 1 and sys.argv[:1] not in ([""], ["-c"], ["-"]) and not _in_notebook():
        command = f"{modes.VARIABLE}={mode} {shlex.join(['python', *map(_from_here, sys.orig_argv[1:])])}"
    else:
        command = f"use_cassette({shown(path)!r}, mode={mode!r})"
    key = _key_of(call)
    text = f"record it: {command}" + (f"   (with {key} set)" if key else "")
    return f"{text}\n  -> not here: CI is set, where cassettes are only replayed" if modes.in_ci() else text


def _test_from_here(test: str) -> str:
    """A pytest id, which begins at pytest's root directory, as it is to be typed here."""
    name, colons, rest = test.partition("::")
    path = modes.root / name if modes.root is not None else Path(name)
    with contextlib.suppress(OSError, ValueError):
        return os.path.relpath(path) + colons + rest if path.is_file() else test
    return test


def _from_here(argument: str) -> str:
    path = Path(argument)
    return shown(path) if path.is_absolute() and path.is_file() else argument


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules or hasattr(builtins, "get_ipython")


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
