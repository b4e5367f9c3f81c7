"""Providers beside the shipped ones: a file in the user's own directory, or an installed package.

A file `providers/acme.yaml` in `INSIGHTS_CONFIG_DIR` is all that a host with OpenAI's API needs. A package names its adapter
in the entry point group `insights.providers`, and has `acme.yaml` beside the module. Neither takes anything from a shipped
provider: its name, the prefixes of its models and the variable of its key stay its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from insights.catalog.nodes import Node
from insights.core.errors import ConfigError

GROUP: Final = "insights.providers"
NOT_PROVIDERS: Final = frozenset({"aliases", "fallback"})
"""Files beside the providers' that are something else."""
NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
NAME_RULE: Final = "small letters, digits, _ and - between them, a letter first"


@dataclass(frozen=True, slots=True)
class Installed:
    """A provider that installed packages bring; more than one package is one too many."""

    name: str
    entries: tuple[EntryPoint, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """The names of the packages."""
        return tuple(entry.dist.name if entry.dist else entry.module for entry in self.entries)

    @property
    def file(self) -> Path:
        """Its provider file, beside its module.

        Raises:
            ConfigError: several packages bring it, or its module isn't there.
        """
        if len(self.entries) > 1:
            raise ConfigError(
                f"{len(self.entries)} packages bring a provider {self.name!r}: {', '.join(self.packages)}", hint="uninstall one"
            )
        from importlib.util import find_spec

        module = self.entries[0].module
        top, *inner = module.split(".")
        spec = find_spec(top)  # of the outermost package: to find what is inside, Python would import it
        if spec is None:
            raise self.broken(f"there is no module {top}")
        if not spec.submodule_search_locations:
            return Path(spec.origin or top).with_name(f"{self.name}.yaml")
        beside = Path(next(iter(spec.submodule_search_locations))).joinpath(*inner)
        return (beside if beside.is_dir() else beside.parent) / f"{self.name}.yaml"

    def load(self) -> Any:
        """What the entry point names.

        Raises:
            ConfigError: it can't be imported.
        """
        try:
            return self.entries[0].load()
        except Exception as error:  # whatever a module does when it is imported
            raise self.broken(f"{type(error).__name__}: {error}") from error

    def broken(self, why: str) -> ConfigError:
        """A complaint about the package."""
        return ConfigError(
            f"the package {self.packages[0]} brings the provider {self.name!r}, which can't be used: {why}",
            hint=f"mend the package or uninstall it: {self.entries[0].group} = {self.entries[0].value}",
        )


@lru_cache(maxsize=1)
def installed() -> Mapping[str, Installed]:
    """The providers of installed packages. The packages are looked through once in a process, and none is imported."""
    found: dict[str, Installed] = {}
    for entry in entry_points(group=GROUP):
        known = found.get(entry.name)
        found[entry.name] = Installed(entry.name, (*(known.entries if known else ()), entry))
    return found


@lru_cache(maxsize=8)
def shipped_names(directory: Path) -> frozenset[str]:
    """The providers whose files are shipped."""
    return frozenset(path.stem for path in directory.glob("*.yaml")) - NOT_PROVIDERS


_VARIABLES: Final = re.compile(r"^  env_key(?:_aliases)?:(.*)$", re.MULTILINE)


@lru_cache(maxsize=8)
def shipped_variables(directory: Path) -> Mapping[str, str]:
    """Variable of a key -> the shipped provider whose it is. Read from the files' text: twenty files parsed would take long."""
    return {
        variable: name
        for name in sorted(shipped_names(directory), reverse=True)
        for said in _VARIABLES.findall((directory / f"{name}.yaml").read_text(encoding="utf-8"))
        for variable in re.findall(r"\w+", said.partition("#")[0])
    }


def own_files(directory: Path, shipped: frozenset[str]) -> dict[str, Path]:
    """The provider files of providers that aren't shipped, by name.

    In a directory called `providers` that is every file with a provider's name; elsewhere those that have it inside too.
    """
    found = {}
    for path in sorted(directory.glob("*.yaml")):
        name = path.stem
        if name in shipped or name in NOT_PROVIDERS or not NAME.fullmatch(name):
            continue
        if directory.name == "providers" or _names_itself(path):
            found[name] = path
    return found


def _names_itself(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(rf"^{re.escape(path.stem)}:", text, re.MULTILINE) is not None


def check_own(name: str, table: Mapping[str, Node], directory: Path) -> None:
    """Sees that the file of a provider that isn't shipped takes nothing from one that is.

    Raises:
        ConfigError: a variable that holds a shipped provider's key.
    """
    for key in ("env_key", "env_key_aliases"):
        node = table.get(key)
        items = [] if node is None else node.value if isinstance(node.value, list) else [node]
        for item in items:
            if item.value is not None:
                check_variable(name, str(item.value), directory, file=Path(item.file), line=item.line)


def check_variable(name: str, variable: str, directory: Path, *, file: Path, line: int | None = None) -> None:
    """Sees that a variable isn't that of a shipped provider's key.

    Raises:
        ConfigError: it is.
    """
    problem = taken(variable, directory)
    if problem is not None:
        own = variable_for(name)
        hint = f"name a variable of its own by env_key, such as {own if own != variable else f'MY_{own}'}"
        raise ConfigError(problem, file=str(file), line=line, hint=hint)


# Credentials that adapters of shipped providers read beside their keys, and those of tools that lie in many environments.
_FOREIGN: Final = (
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "GCLOUD_",
    "GCP_",
    "CLOUDSDK_",
    "VERTEX_",
    "VERTEXAI_",
    "GITHUB_",
    "GH_",
    "INSIGHTS_",
)
_KEYLIKE: Final = re.compile(r"KEY|TOKEN|SECRET|AUTH|CREDENTIAL|PASSWORD", re.IGNORECASE)


def taken(variable: str, directory: Path) -> str | None:
    """Why the key of a provider that isn't shipped can't be in a variable; None where it can."""
    owner = shipped_variables(directory).get(variable)
    if owner is not None:
        return f"{variable} holds the key of {owner}, which goes to the hosts of {owner} only"
    if variable.upper().startswith(_FOREIGN):
        return f"{variable} is for credentials of {variable.partition('_')[0]}, which go nowhere else"
    return None if _KEYLIKE.search(variable) else f"{variable} is no variable for a key, by its name"


def variable_for(name: str, what: str = "API_KEY") -> str:
    """A variable of a provider, by convention.

    >>> variable_for("my-host")
    'MY_HOST_API_KEY'
    """
    return f"{name.upper().replace('-', '_')}_{what}"
