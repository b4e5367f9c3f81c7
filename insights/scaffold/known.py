"""What is known of a provider, wherever it comes from."""

from __future__ import annotations

from typing import Any

from insights.adapters.models.factory import PROVIDER_PREFIXES, ROUTER, Provider
from insights.catalog.loader import Catalog
from insights.catalog.others import installed
from insights.core.config import Settings


def told(name: str, settings: Settings) -> dict[str, Any]:
    """A provider: where it comes from, its host, whether its key is set (never the key), its prefixes and models.

    Raises:
        ConfigError: a mistake in its file.
    """
    catalog = Catalog(settings)
    config = catalog.provider(name)
    shipped = name in list(Provider)
    if config.prefixes:
        ROUTER.own_prefixes(catalog)  # which says where one can never win
    package = None if shipped else installed().get(name)
    is_set = settings.key(*config.key_names) is not None
    return {
        "provider": name,
        "from": "shipped" if shipped else f"package {package.packages[0]}" if package else "file",
        "files": [str(path) for path in catalog.files(name)[1 if shipped or package else 0 :]],
        "api_base": config.api_base,
        "key": f"{config.env_key} ({'set' if is_set else 'not set' if config.key_required else 'none needed'})",
        "prefixes": [*(prefix for prefix, owner in PROVIDER_PREFIXES.items() if owner == name), *config.prefixes],
        "timeout": config.timeout,
        "models": list(config.models),
    }
