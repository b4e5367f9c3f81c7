"""A new provider outside of insights: a small package of its own, or no more than a file."""

from __future__ import annotations

from pathlib import Path

from insights._version import __version__
from insights.catalog.loader import Catalog
from insights.core.config import Settings
from insights.core.errors import ConfigError
from insights.scaffold import texts
from insights.scaffold.asked import NewProvider
from insights.scaffold.changes import Changes


def plan_package(new: NewProvider, folder: Path) -> Changes:
    """A package that brings the provider, in a folder of its own.

    Raises:
        ConfigError: the folder exists and isn't empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError("exists already, and is not overwritten", file=str(folder), hint="name another with --into")
    changes = Changes(folder)
    changes.create(texts.package(new, __version__))
    return changes


def plan_file(new: NewProvider, settings: Settings) -> Changes:
    """The provider as a file in the user's own directory, for a host with OpenAI's API.

    Raises:
        ConfigError: there is no such directory, or the file exists.
    """
    own = settings.config_dir
    if own is None:
        raise ConfigError("--yaml-only: no directory for it is named", hint="set INSIGHTS_CONFIG_DIR to one")
    if new.litellm_prefix is not None:
        raise ConfigError("--litellm-prefix: a file alone is for hosts with OpenAI's API", hint="use --out-of-tree")
    _ = Catalog(settings).directories  # which says where it isn't there
    changes = Changes(own / "providers")
    changes.create({f"{new.name}.yaml": texts.provider_file(new, prefixes=True)})
    return changes
