"""No network while a cassette replays: what isn't recorded must not be fetched behind its back.

An audit hook (PEP 578) sees every connection and every look-up that Python's own `socket` makes, whichever library asks for
it, and nothing has to be patched. What opens sockets in C (grpc, pycurl, uvloop) it doesn't see; and where `connect` is given a
name, its address is looked up before the hook is asked.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import Any, Final

from insights.core import intercept
from insights.core.errors import NetworkBlockedError

_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", ""})
# Audit events of the module `socket` (library reference, "Audit events table"), and where the host stands in them.
_ADDRESS_AT: Final = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
_NAME_AT: Final = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.gethostbyaddr": 0}
_hooked = False


def install() -> None:
    """Begins to watch; a hook can't be taken away again, but does nothing while no cassette blocks the network."""
    global _hooked
    if not _hooked:
        _hooked = True
        _hook.__cantrace__ = True  # type: ignore[attr-defined]  # or coverage and debuggers would go blind in it
        sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event[:7] == "socket." and (event in _ADDRESS_AT or event in _NAME_AT):
        cassette = intercept.innermost()
        if cassette is not None and getattr(cassette, "blocks_network", False):
            if event in _NAME_AT:
                refuse((args[_NAME_AT[event]],))
            elif args[0].family in (socket.AF_INET, socket.AF_INET6):
                refuse(args[_ADDRESS_AT[event]])


def refuse(address: Any) -> None:
    """Lets this machine pass, and nobody else.

    Raises:
        NetworkBlockedError: naming the host, and the test that wants to go there.
    """
    if not isinstance(address, tuple) or not address or is_here(address[0]):
        return  # a path of a Unix socket, for one
    host = address[0].decode("ascii", "replace") if isinstance(address[0], bytes) else str(address[0])
    port = f":{address[1]}" if len(address) > 1 else ""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    raise NetworkBlockedError(
        f"{host}{port}: no network while a cassette replays" + (f" (in {test})" if test else ""),
        hint="take the request out, or let it pass with use_cassette(..., block_network=False)",
    )


def is_here(host: Any) -> bool:
    """Whether a host is this machine, or none at all."""
    if host is None:
        return True
    text = (host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)).rstrip(".").lower()
    if text in _NAMES:
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback or address.is_unspecified
