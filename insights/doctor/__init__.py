"""What may be wrong with an installation, found out without asking a provider: behind `insights doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from insights.core.errors import BadRequestError, ConfigError, InsightsError
from insights.doctor.finding import Finding, Level

if TYPE_CHECKING:
    from insights.catalog.loader import Catalog
    from insights.core.config import Settings

__all__ = ["Finding", "Level", "examine", "example_model", "keys_set", "providers"]


def providers(catalog: Catalog) -> list[str]:
    """The names of all providers; the shipped ones where the user's own can't be told."""
    from insights.adapters.models.factory import Provider, provider_names

    try:
        return provider_names(catalog)
    except ConfigError:
        return [provider.value for provider in Provider]


def keys_set(settings: Settings, catalog: Catalog) -> Mapping[str, str]:
    """The providers whose key is set, and the variable it is read from; providers whose files are broken are left out."""
    found: dict[str, str] = {}
    for name in providers(catalog):
        try:
            config = catalog.provider(name)
        except InsightsError:
            continue
        variable = next((each for each in config.key_names if settings.key(each) is not None), None)
        if variable is not None:
            found[name] = variable
    return found


def example_model(catalog: Catalog, known: Mapping[str, str]) -> str:
    """A model for an example: of a provider whose key is set, if there is one."""
    for name in known:
        for info in catalog.provider(name).models.values():
            if info.deprecated_on is None:
                return f"{name}/{info.name}"
    return "openai/gpt-5-mini"


def examine(settings: Settings, *, offline: bool = False, provider: str | None = None) -> list[Finding]:
    """Looks at versions, settings, provider files, keys, hosts, cache and ledger. Nothing is changed, and no key is sent.

    Args:
        offline: whether hosts are left alone. Otherwise a connection is opened, and closed, to each whose key is set.
        provider: look at the keys and hosts of this provider only.

    Raises:
        BadRequestError: there is no such provider.
    """
    from insights.catalog.loader import Catalog
    from insights.doctor import files, installed, keys, places

    catalog = Catalog(settings)
    found = [*installed.versions(), *installed.variables(settings)]
    try:
        catalog.directories  # noqa: B018  # which looks whether the user's is there
    except ConfigError as error:
        from insights.core.config import Settings as Plain

        found.append(Finding("configuration", "problem", error.message, error.hint))
        catalog = Catalog(Plain(config_dir=files.shipped()))
    names = providers(catalog)
    if provider is not None and provider not in names:
        raise BadRequestError(f"there is no provider {provider!r}", hint=f"providers are {', '.join(names)}")
    asked = names if provider is None else [provider]
    found += files.configuration(settings, catalog)
    found += keys.model(settings, catalog)
    found += keys.keys(settings, catalog, asked, named=provider is not None)
    found += [] if offline else keys.hosts(settings, catalog, asked)
    found += places.cache(settings)
    found += places.ledger(settings)
    return list(dict.fromkeys(found))
