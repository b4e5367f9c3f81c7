"""A total deadline for blocking HTTP.

httpx's timeouts are per read, so a server that drips one byte a second would hold a call for ever. Here every connect, TLS
step, read and write of httpcore is cut to the time left. (Awaiting code needs none of it: `asyncio.timeout` does it.)
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

_deadline: ContextVar[float | None] = ContextVar("insights_deadline", default=None)


class DeadlineStream:
    """An httpcore network stream whose every read and write is cut to the time left: httpx's timeouts are per read,
    so a server that drips one byte a second would hold a call for ever."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, size: int, timeout: float | None = None) -> Any:
        with _watched(self._stream):
            return self._stream.read(size, _cut(timeout))

    def write(self, data: bytes, timeout: float | None = None) -> Any:
        with _watched(self._stream):
            return self._stream.write(data, _cut(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> DeadlineStream:
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, _cut(timeout)))


class DeadlineBackend:
    """An httpcore network backend whose connects and streams are cut to the time left."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> DeadlineStream:
        addresses = _resolved(host, port, _cut(timeout))
        if not addresses:
            raise OSError(f"{host} has no address")
        # One after the other, as `socket.create_connection` does, but all within the time; the last one's error counts.
        for address in addresses[:-1]:
            with contextlib.suppress(Exception):
                return DeadlineStream(self._backend.connect_tcp(address, port, _cut(timeout), **options))
        return DeadlineStream(self._backend.connect_tcp(addresses[-1], port, _cut(timeout), **options))


def _resolved(host: str, port: int, timeout: float | None) -> list[str]:
    """The addresses of a host; in a thread, because looking one up can't be bounded otherwise."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(list(dict.fromkeys(str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))))
        except Exception as error:  # a name that no encoding can say, for one
            found.put(error if isinstance(error, OSError) else OSError(f"{host!r} is no host name"))

    threading.Thread(target=look_up, daemon=True, name="insights-dns").start()
    import httpcore

    try:
        addresses = found.get(timeout=timeout)
    except queue.Empty:
        raise httpcore.ConnectTimeout("deadline") from None
    if isinstance(addresses, OSError):
        raise httpcore.ConnectError(str(addresses)) from None
    return addresses


class Cancel:
    """Stops the blocking HTTP of another thread: what it waits for is shut, what it would begin fails."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._mutex = threading.Lock()
        self._waiting: Any = None

    @property
    def done(self) -> bool:
        """Whether it has been called."""
        return self._event.is_set()

    def __call__(self) -> None:
        with self._mutex:
            self._event.set()
            waiting = self._waiting
            if waiting is not None:
                with contextlib.suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Waits, but not beyond the call."""
        self._event.wait(seconds)

    def watch(self, waiting: Any) -> None:
        """From now on the thread waits for this socket, or for none."""
        with self._mutex:
            self._waiting = waiting


_cancel: ContextVar[Cancel | None] = ContextVar("insights_cancel", default=None)


@contextlib.contextmanager
def cancellable(cancel: Cancel) -> Iterator[None]:
    """All blocking HTTP inside the block can be stopped by `cancel()` from another thread."""
    token = _cancel.set(cancel)
    try:
        yield
    finally:
        _cancel.reset(token)


@contextlib.contextmanager
def _watched(stream: Any) -> Iterator[None]:
    cancel = _cancel.get()
    if cancel is None:
        yield
        return
    cancel.watch(stream.get_extra_info("socket"))
    try:
        if cancel.done:
            import httpcore

            raise httpcore.ReadError("cancelled")
        yield
    finally:
        cancel.watch(None)


def _cut(timeout: float | None) -> float | None:
    until = _deadline.get()
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        import httpcore

        raise httpcore.ReadTimeout("deadline")
    return left if timeout is None else min(left, timeout)


def pause(seconds: float) -> None:
    """Waits, in place of HTTP that would take so long: not beyond the deadline, and not where it is stopped.

    Raises:
        TimeoutError: the deadline came first.
    """
    if seconds <= 0:
        return
    until, cancel = _deadline.get(), _cancel.get()
    left = seconds if until is None else min(until - time.monotonic(), seconds)
    (cancel.wait if cancel is not None else time.sleep)(max(left, 0.0))
    if left < seconds:
        raise TimeoutError("deadline")


@contextlib.contextmanager
def deadline(until: float | None) -> Iterator[None]:
    """Bounds all blocking HTTP inside the block to `until`, a `time.monotonic()` moment; None bounds nothing."""
    token = _deadline.set(until)
    try:
        yield
    finally:
        _deadline.reset(token)
