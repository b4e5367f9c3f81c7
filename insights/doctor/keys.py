"""Which keys are set, never what they are, and whether the hosts they are for can be reached."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from insights.catalog.loader import Catalog
from insights.catalog.schema import ProviderConfig
from insights.core.config import Settings
from insights.core.errors import ConfigError, InsightsError
from insights.core.urls import is_loopback
from insights.doctor.finding import Finding

PATIENCE: Final = 3.0  # seconds for one connection


def _config(catalog: Catalog, name: str) -> ProviderConfig | None:
    try:
        return catalog.provider(name)
    except ConfigError:  # which is told among the files
        return None


def _variable(settings: Settings, config: ProviderConfig) -> str | None:
    """The variable that a provider's key is read from; None where none is set."""
    try:
        return next((name for name in config.key_names if settings.key(name) is not None), None)
    except ConfigError:  # a .env file that can't be read, which is told among the settings
        return None


def keys(settings: Settings, catalog: Catalog, names: Sequence[str], *, named: bool = False) -> Iterator[Finding]:
    """Whether keys are set, and whether they look as if they were pasted with something else.

    Args:
        named: whether somebody asked for just these: then a key that is missing is a problem.
    """
    missing: list[str] = []
    anywhere = False
    for name in names:
        config = _config(catalog, name)
        if config is None:
            continue
        variable = _variable(settings, config)
        problem = _problem(settings, catalog, name) if variable is not None or named else None
        if variable is None:
            if config.key_required and (problem is not None or not named):
                missing.append(config.env_key)
            elif named:
                yield Finding("keys", "ok", f"{name}: no key is needed")
            continue
        anywhere = True
        if problem is not None:
            yield Finding("keys", "problem", f"{name}: {problem}", f"see `insights route {name}/MODEL`")
            continue
        key = settings.key(variable)
        wrong = _looks_wrong(os.environ.get(variable, ""), key.get_secret_value() if key else "")
        if wrong:
            yield Finding("keys", "problem", f"{name}: {variable} is set, and {wrong}", f"set {variable} to the key alone")
        else:
            yield Finding("keys", "ok", f"{name}: {variable} is set")
    if named and missing:
        yield Finding("keys", "problem", f"{missing[0]} is not set", f"export {missing[0]}=...")
    elif missing and not anywhere:
        yield Finding("keys", "note", "no provider's key is set", f"e.g. export {missing[0]}=...; see `insights route MODEL`")
    elif missing:
        yield Finding("keys", "note", f"not set: {', '.join(missing)}")


def _problem(settings: Settings, catalog: Catalog, name: str) -> str | None:
    """What would stop a call to this provider before it is sent."""
    from insights.adapters.models.routes import Route
    from insights.explain import explain
    from insights.planning import Planner

    planner = Planner(settings)
    planner.catalog = catalog
    try:
        return explain(Route(name, "-", ""), planner.adapter("-", name, {}), settings).problem
    except InsightsError as error:
        return error.message


def model(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Whether the model that `insights ask` takes where none is named leads anywhere."""
    from insights.adapters.models.factory import ROUTER

    try:
        name = settings.variable("INSIGHTS_MODEL")
    except ConfigError:  # a .env file that can't be read, which is told among the settings
        return
    try:
        if name is not None:
            ROUTER.find(name, catalog)
    except InsightsError as error:
        yield Finding("settings", "problem", f"INSIGHTS_MODEL: {error.message}", error.hint)


def _looks_wrong(written: str, key: str) -> str | None:
    """What is wrong with a key, without a word of it."""
    if written and written.strip() == key and written != key and ("\n" in written or "\r" in written):
        return "has an end of line around it"
    if written and written.strip() == key and written != key:
        return "has white space around it"
    if key[:1] in "'\"" or key[-1:] in "'\"":
        return "has quotes around it"
    if any(char.isspace() for char in key):
        return "has white space in it"
    return None if key.isascii() and key.isprintable() else "has characters in it that no key has"


def hosts(settings: Settings, catalog: Catalog, names: Sequence[str]) -> list[Finding]:
    """Whether the hosts can be reached of providers whose key is set, and of those that need none. No key is sent."""
    found: list[Finding] = []
    places: dict[tuple[str, int], list[str]] = {}
    for name in names:
        config = _config(catalog, name)
        if config is None or (config.key_required and _variable(settings, config) is None):
            continue
        try:
            url = _base(settings, catalog, name)
            place = _place(url)
        except (InsightsError, ValueError) as error:
            hint = error.hint if isinstance(error, InsightsError) else None
            said = error.args[0] if error.args else error
            found.append(Finding("hosts", "problem", f"{name}: {said}", hint))
            continue
        places.setdefault(place, []).append(name)
    if places:
        with ThreadPoolExecutor(max_workers=min(len(places), 16)) as pool:
            found += pool.map(lambda item: _reached(item[0], ", ".join(item[1])), places.items())
    return found


def _base(settings: Settings, catalog: Catalog, name: str) -> str:
    from insights.planning import Planner

    planner = Planner(settings)
    planner.catalog = catalog
    return str(planner.adapter("-", name, {}).base)


def _place(url: str) -> tuple[str, int]:
    """Where a connection goes: to the host, or to the proxy in between."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host:
        raise ValueError(f"{url!r} is no full URL")
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not is_loopback(host) and not proxy_bypass(host):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host = parts.hostname or ""
    return host, parts.port or (443 if parts.scheme == "https" else 80)


def _reached(place: tuple[str, int], names: str) -> Finding:
    host, port = place
    where = f"{names}: {host}:{port}"
    try:
        socket.create_connection(place, timeout=PATIENCE).close()
    except OSError as error:
        if is_loopback(host):
            return Finding("hosts", "note", f"{where}: nobody listens there", "start the server, if you mean to use it")
        said = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return Finding(
            "hosts", "problem", f"{where} can't be reached: {said}", "see to the network, the proxy (HTTPS_PROXY) or api_base"
        )
    return Finding("hosts", "ok", f"{where} can be reached")
