"""Where a request goes, and which key may go along.

A key from the environment or from Settings goes to its provider's own hosts only: those of the shipped provider file, or
of a provider file the user wrote. To any other host goes only a key that the call itself names.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from insights.catalog.schema import ProviderConfig
from insights.core.config import Settings
from insights.core.errors import BadRequestError, MissingKeyError
from insights.core.redact import SecretStr, secret
from insights.core.urls import UnfitURL, fit_url, is_loopback


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The base URL of a call and the key for it; `key` is None where none is sent. `key_from` names where it is from."""

    base: str
    key: SecretStr | None
    key_from: str | None

    @property
    def bearer(self) -> dict[str, str]:
        """The key as a bearer token's header; no header without a key."""
        return {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}

    @property
    def host(self) -> str:
        """The host name the request goes to."""
        return urlsplit(self.base).hostname or ""


def check_url(url: str, provider: str) -> str:
    """`url` without a slash at its end, if a request may go there.

    Raises:
        BadRequestError: it may not; see `insights.core.urls`.
    """
    try:
        return fit_url(url)
    except UnfitURL as error:
        raise BadRequestError(f"api_base {error}", provider=provider, hint=error.hint) from None


def owns(config: ProviderConfig, host: str) -> bool:
    """Whether `host` is the provider's own, by its file. On this machine each port is another's: see `endpoint`."""
    own = (urlsplit(config.api_base).hostname or "", *config.hosts)
    return any(name and fnmatchcase(host, name) for name in own)


def endpoint(
    config: ProviderConfig,
    settings: Settings,
    *,
    base: str,
    api_key: str | SecretStr | None = None,
    required: bool = True,
) -> Endpoint:
    """The base URL and the key of a call.

    Args:
        base: where the call goes.
        api_key: the key given in the call; goes wherever the call goes.
        required: whether a call without a key makes no sense.

    Raises:
        MissingKeyError: no key is set, naming the variable; nothing was sent.
        BadRequestError: a base no request may go to.
    """
    base = check_url(base, config.name)
    host = urlsplit(base).hostname or ""
    own = owns(config, host) and (not is_loopback(host) or urlsplit(base).port == urlsplit(config.api_base).port)
    key = secret(api_key)
    if key is not None:
        return Endpoint(base, key, "api_key=")
    if own:
        for name in config.key_names:
            key = settings.key(name)
            if key is not None:
                return Endpoint(base, key, name)
    if not required or not config.key_required or is_loopback(host):
        return Endpoint(base, None, None)
    if not own:
        raise MissingKeyError(
            f"{host} is not a host of {config.name}, so {config.env_key} is not sent there",
            provider=config.name,
            hint="pass api_key= for this host",
        )
    raise MissingKeyError(
        f"{config.env_key} is not set",
        provider=config.name,
        hint=f"set {config.env_key} in the environment, or pass api_key=",
    )
