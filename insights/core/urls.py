"""Where a request may go: which URLs are fit for prompts and keys."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


class UnfitURL(ValueError):
    """Not a URL that a request may go to; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


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
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise UnfitURL(f"is no URL: {error}", "e.g. https://example.com/v1") from None
    if parts.scheme not in ("http", "https") or not host:
        shown = "(hidden)" if parts.username else url
        raise UnfitURL(f"must be a full URL, got {shown!r}", "e.g. https://example.com/v1")
    if parts.username or parts.password:
        raise UnfitURL("carries a user name or password", "pass api_key=")
    if parts.query or parts.fragment:
        raise UnfitURL("has a query", "give the URL up to its path")
    if parts.scheme == "http" and not is_loopback(host):
        raise UnfitURL(f"is plain http to {host}: the prompt would be readable on the way", "use https")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_link_local:
        raise UnfitURL(f"is a link-local address, {host}", "use the provider's address")
    return url.rstrip("/")
