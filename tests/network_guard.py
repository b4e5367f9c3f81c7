"""Refuses every address but loopback, for the whole test process, and remembers who tried.

The refusal is a RuntimeError and not an OSError, so that no retry loop takes it for a broken network. Code that
swallows it anyway is caught afterwards: `refused` keeps each attempt, and tests/conftest.py fails the test.

Only the standard library is imported here, so that a child process can install the guard before anything else:

    python -c "import tests.network_guard as g; g.install(); ..."
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})

refused: list[str] = []
_originals: dict[tuple[Any, str], Any] = {}


class NetworkRefused(RuntimeError):
    """A test tried to reach something that is not on this machine."""


def is_loopback(host: object) -> bool:
    """True for what cannot leave the machine: loopback addresses and names, and no host at all (an address to bind)."""
    if host is None:
        return True
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return False
    name = host.rstrip(".").lower()
    if name in LOOPBACK_NAMES or name == "":
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _refuse(action: str, host: object) -> NetworkRefused:
    test = os.environ.get("PYTEST_CURRENT_TEST", "no test (import, collection or a child process)")
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    message = (
        f"{action} {text!r} refused: tests talk to loopback only. Test: {test}. "
        "Serve the answer from 127.0.0.1 or replay a recording."
    )
    refused.append(message)
    return NetworkRefused(message)


def _check_address(sock: socket.socket, action: str, address: object) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return  # AF_UNIX and the like stay on the machine
    host = address[0] if isinstance(address, tuple) and address else address
    if not is_loopback(host):
        raise _refuse(action, host)


def _guarded_method(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        _check_address(self, f"socket.{name} to", address)
        return original(self, address)

    def sendto(self: socket.socket, data: Any, *rest: Any) -> Any:
        _check_address(self, "socket.sendto", rest[-1] if rest else None)
        return original(self, data, *rest)

    def sendmsg(self: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> Any:
        if address is None:
            return original(self, buffers, ancdata, flags)
        _check_address(self, "socket.sendmsg to", address)
        return original(self, buffers, ancdata, flags, address)

    guarded: dict[str, Callable[..., Any]] = {"sendto": sendto, "sendmsg": sendmsg}
    return guarded.get(name, connect)


def _guarded_lookup(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_loopback(host):
            raise _refuse(f"socket.{name} of", host)
        return original(host, *args, **kwargs)

    return lookup


def install() -> None:
    """Put the guard in place; a second call changes nothing."""
    if _originals:
        return
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        _replace(socket.socket, name, _guarded_method)
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        _replace(socket, name, _guarded_lookup)


def _replace(owner: Any, name: str, guard: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name, None)
    if original is None:  # sendmsg is not everywhere
        return
    _originals[owner, name] = original
    setattr(owner, name, guard(name, original))
