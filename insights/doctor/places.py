"""The cache and the ledger on this machine: looked at, not touched."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from insights.cache.disk import DATABASE
from insights.cache.faults import is_damage
from insights.cache.folder import NETWORK, filesystem
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.doctor.finding import Finding
from insights.spending.ledger import FILE as LEDGER


def cache(settings: Settings) -> Iterator[Finding]:
    """Whether answers can be stored, and what is."""
    try:
        on, directory, limit = settings.cache, settings.cache_dir, settings.cache_size_limit
    except ConfigError:  # told among the settings
        return
    if on is False:
        yield Finding("cache", "note", "off: every call is paid for", "INSIGHTS_CACHE=1, or take INSIGHTS_CACHE=0 away")
    unfit = unusable(directory) or unusable(directory / "answers-v1")
    if unfit:
        hint = "INSIGHTS_CACHE_DIR names another directory; without it calls work, and nothing is stored"
        yield Finding("cache", "problem", unfit, hint)
        return
    database = directory / "answers-v1" / DATABASE
    if not database.exists():
        yield Finding("cache", "ok", f"{directory}: nothing is stored yet")
        return
    files = [path for path in database.parent.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    outcome, error = _count(database, "SELECT count(*) FROM Cache")
    if error is None:
        room = f"{size / 1e6:.1f} of at most {limit / 1e6:.0f} MB"
        yield Finding("cache", "ok", f"{directory}: {outcome} answer{'s' * (outcome != 1)} in {room}")
    elif is_damage(error):
        yield Finding(
            "cache",
            "problem",
            f"{database} is damaged: {error}",
            "the next call sets it aside (cache.db.damaged-...) and begins a new one; its answers are lost, no call fails",
        )
    else:
        yield Finding("cache", "problem", f"{database} can't be read: {error}", "see whether another program holds it")


def ledger(settings: Settings) -> Iterator[Finding]:
    """Whether what was spent can be read."""
    try:
        on, path = settings.ledger, settings.cache_dir / LEDGER
    except ConfigError:
        return
    if not on:
        yield Finding("ledger", "note", "off: what is spent isn't written down", "INSIGHTS_LEDGER=1")
    if not path.exists():
        if on and not unusable(path.parent):
            yield Finding("ledger", "ok", f"{path}: nothing is spent yet")
        return
    outcome, error = _count(path, "SELECT count(*) FROM entries")
    if error is None:
        yield Finding("ledger", "ok", f"{path}: {outcome} entr{'y' if outcome == 1 else 'ies'}")
    elif is_damage(error):
        hint = "the next call keeps it as ledger.sqlite3.damaged-..., and begins a new one"
        yield Finding("ledger", "problem", f"{path} is damaged: {error}", hint)
    else:
        yield Finding("ledger", "problem", f"{path} can't be read: {error}", "see whether another program holds it")


def unusable(directory: Path) -> str | None:
    """Why a directory can't serve, or could not be made; None where it can. By the rules of `insights.cache.folder`."""
    kind = filesystem(directory)
    if kind in NETWORK:
        return f"{directory} is on a network filesystem ({kind}), where SQLite's locks don't hold"
    there = directory
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        found = there.stat()
        if not stat.S_ISDIR(found.st_mode):
            return f"{there} is not a directory"
        if there == directory and hasattr(os, "geteuid"):
            if found.st_uid not in (os.geteuid(), 0):
                return f"{directory} belongs to user {found.st_uid}"
            if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
                return f"{directory} can be written to by everybody"
    except OSError as error:
        return f"{there} can't be looked at: {error.strerror}"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} can't be written to"
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".insights-", dir=there))  # some file systems refuse what their permissions allow
    except OSError as error:
        return f"{there} can't be written to: {error.strerror}"
    return None


def _count(path: Path, query: str) -> tuple[int, sqlite3.Error | None]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as connection:
            return int(connection.execute(query).fetchone()[0]), None
    except sqlite3.Error as error:
        return 0, error
