"""No network while a cassette replays. In child processes without the guard of these tests, which would be there first."""

from __future__ import annotations

import _socket
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.cassettes import guard
from insights.core.errors import NetworkBlockedError
from tests.unit.cassettes.tools import handmade
from tests.unit.loopback import Provider

NOWHERE = "192.0.2.1"  # RFC 5737: for documentation, and nobody's

CHILD = """
import asyncio, os, socket, sys, tempfile, threading, urllib.request
from insights import use_cassette
from insights.core.errors import NetworkBlockedError

path, port = sys.argv[1], int(sys.argv[2])
socket.setdefaulttimeout(0.2)

def udp(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (host, 9))

def sendmsg(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendmsg([b"x"], [], 0, (host, 9))

def connect_ex(host):
    with socket.socket() as sock:
        sock.settimeout(0.2)
        sock.connect_ex((host, 9))

async def opened(host, to):
    _, writer = await asyncio.open_connection(host, to)
    writer.close()

def in_a_thread(host):
    caught = []
    def run():
        try:
            socket.create_connection((host, 9))
        except BaseException as error:
            caught.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]

WAYS = {
    "urllib": lambda host: urllib.request.urlopen(f"http://{host}/x", timeout=0.2),
    "asyncio": lambda host: asyncio.run(asyncio.wait_for(opened(host, 9), 0.2)),
    "create_connection": lambda host: socket.create_connection((host, 9), 0.2),
    "connect_ex": connect_ex,
    "udp": udp,
    "sendmsg": sendmsg,
    "thread": in_a_thread,
    "getaddrinfo": lambda host: socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST),
    "gethostbyname": lambda host: socket.gethostbyname(host),
    "gethostbyname_ex": lambda host: socket.gethostbyname_ex(host),
}

def outcomes(host, *left_out):
    found = {}
    for name, way in WAYS.items():
        if name in left_out:
            continue
        try:
            way(host)
            found[name] = "let through"
        except NetworkBlockedError as error:
            found[name] = str(error)
        except Exception as error:
            reason = getattr(error, "reason", None)
            found[name] = str(reason) if isinstance(reason, NetworkBlockedError) else "let through"
    return found
"""


def child(tmp_path: Path, script: str, port: int = 0, **environ: str) -> str:
    """Runs a script in a process of its own."""
    path = handmade(tmp_path / "c.yaml")
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD + textwrap.dedent(script), str(path), str(port)],
        env={**plain, **environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("host", "left_out"),
    # A name that is given to a socket itself is looked up before any audit event is raised; only the connection is refused.
    [(NOWHERE, ()), ("nobody.invalid", ("connect_ex", "udp", "sendmsg"))],
    ids=["address", "name"],
)
def test_every_way_out_is_refused(tmp_path: Path, host: str, left_out: tuple[str, ...]) -> None:
    script = f"""
        with use_cassette(path):
            found = outcomes({host!r}, *{left_out!r})
        for name, said in found.items():
            print(name, said.splitlines()[0])
    """
    lines = child(tmp_path, script, PYTEST_CURRENT_TEST="tests/test_a.py::test_b (call)").splitlines()
    assert len(lines) == 10 - len(left_out)
    for line in lines:
        assert host in line, line
        assert "no network while a cassette replays (in tests/test_a.py::test_b)" in line


def test_nothing_is_refused_where_no_cassette_replays(tmp_path: Path) -> None:
    script = f"""
        def free():
            return set(outcomes({NOWHERE!r}).values()) == {{"let through"}}

        print(free())
        with use_cassette(path):
            print(free())
        print(free())  # the hook is there now, and does nothing
        with use_cassette(path, block_network=False):
            print(free())
        with use_cassette(path + ".new", mode="record"):
            print(free())
        with use_cassette(path, mode="refresh"):
            print(free())
        with use_cassette(path, mode="auto"):
            print(free())
        with use_cassette(path):
            with use_cassette(path + ".new", mode="record"):
                print(free())  # the innermost counts
            print(free())
    """
    assert child(tmp_path, script).split() == "True False True True True True True True False".split()


def test_this_machine_is_let_through(tmp_path: Path) -> None:
    script = """
        name = os.path.join(os.path.dirname(path), "s")
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(name)
        unix.listen()
        with use_cassette(path):
            for host in ("127.0.0.1", "localhost"):
                socket.create_connection((host, port)).close()
                asyncio.run(opened(host, port))
                try:
                    urllib.request.urlopen(f"http://{host}:{port}/")
                except urllib.error.HTTPError as error:
                    print(error.code)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(name)
            one, other = socket.socketpair()
            one.send(b"x")
            print(other.recv(1))
            udp("127.0.0.1")
            asyncio.run(asyncio.sleep(0))  # an event loop has a pair of sockets of its own
        print("all of it")
    """
    with Provider() as provider:
        assert child(tmp_path, script, int(provider.url.rpartition(":")[2])).split() == [
            "501",
            "501",
            "b'x'",
            "all",
            "of",
            "it",
        ]


# ---------------------------------------------------------------- in this process


def test_the_test_is_named(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with use_cassette(handmade(tmp_path / "c.yaml")), socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(NetworkBlockedError) as raised:
            _socket.socket.connect(sock, (NOWHERE, 443))  # below the guard of these tests
    assert str(raised.value).splitlines() == [
        f"{NOWHERE}:443: no network while a cassette replays (in {request.node.nodeid})",
        "  -> take the request out, or let it pass with use_cassette(..., block_network=False)",
    ]


def test_one_hook_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[Any] = []
    monkeypatch.setattr(sys, "addaudithook", added.append)
    monkeypatch.setattr(guard, "_hooked", False)
    guard.install()
    guard.install()
    assert len(added) == 1


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        b"",
        "localhost",
        "LOCALHOST.",
        b"localhost",
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "::1%lo",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "ip6-loopback",
    ],
)
def test_here(host: Any) -> None:
    assert guard.is_here(host)
    guard.refuse((host, 80))


@pytest.mark.parametrize(
    "host", ["example.com", b"example.com", NOWHERE, "::ffff:192.0.2.1", "2001:db8::1", "localhost.example"]
)
def test_not_here(host: Any) -> None:
    assert not guard.is_here(host)
    name = host.decode() if isinstance(host, bytes) else host
    with pytest.raises(NetworkBlockedError) as raised:
        guard.refuse((host, 80))
    assert raised.value.message.startswith(f"{name}:80: ")
    with pytest.raises(NetworkBlockedError) as raised:
        guard.refuse((host,))
    assert raised.value.message.startswith(f"{name}: ")


@pytest.mark.parametrize("address", ["/run/a.sock", b"\0abstract", None, ()])
def test_what_is_no_address_of_a_network(address: Any) -> None:
    guard.refuse(address)


def test_outside_of_a_test_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(NetworkBlockedError) as raised:
        guard.refuse((NOWHERE, 80))
    assert raised.value.message == f"{NOWHERE}:80: no network while a cassette replays"


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="Linux only")
def test_the_kernel_is_this_machine(tmp_path: Path) -> None:
    with use_cassette(handmade(tmp_path / "c.yaml")), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as sock:
        sock.connect((0, 0))
