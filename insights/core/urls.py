"""Where a request may go: which URLs are fit for prompts and keys."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


class UnfitURL(ValueError):
    """Not a URL that a request may go to; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


_NEVER = frozenset('"\\<>{}|^`')  # RFC 3986 has them in no URL


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fit_url(url: str) -> str:
    """`url` without a slash at its end, if a request may go there.

    Raises:
        UnfitURL: not http(s), http to another machine, credentials or a query in the URL, or a link-local address.

    >>> fit_url("https://example.com/v1/")
    'https://example.com/v1'
    """
    shown = "(hidden)" if "@" in url else repr(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise UnfitURL(f"is no URL: {error if '@' not in url else '(hidden)'}", "e.g. https://example.com/v1") from None
    if (
        any(c.isspace() or not c.isprintable() or c in _NEVER for c in url.strip())
        or parts.scheme not in ("http", "https")
        or not host
    ):
        raise UnfitURL(f"must be a full URL, got {shown}", "e.g. https://example.com/v1")
    if "@" in parts.netloc:
        raise UnfitURL("carries a user name or password", "a key goes into the environment, or into api_key=")
    if "?" in url or "#" in url:
        raise UnfitURL("has a query", "give the URL up to its path")
    if parts.scheme == "http" and not is_loopback(host):
        raise UnfitURL(f"is plain http to {host}: the prompt would be readable on the way", "use https")
    address = _address(host)
    if address is not None and address.is_link_local:
        raise UnfitURL(f"is a link-local address, {host}", "use the provider's address")
    return url.strip().rstrip("/")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host's name is, in any of the spellings that systems take: `0xA9FEA9FE` is 169.254.169.254."""
    text = host.rstrip(".").partition("%")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except OSError:
            return None
    return getattr(found, "ipv4_mapped", None) or found
