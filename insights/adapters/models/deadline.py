"""A total deadline for blocking HTTP.

httpx's timeouts are per read, so a server that drips one byte a second would hold a call for ever. Here every connect, TLS
step, read and write of httpcore is cut to the time left. (Awaiting code needs none of it: `asyncio.timeout` does it.)
"""

from __future__ import annotations

import contextlib
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
        return self._stream.read(size, _cut(timeout))

    def write(self, data: bytes, timeout: float | None = None) -> Any:
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
        return DeadlineStream(self._backend.connect_tcp(host, port, _cut(timeout), **options))


def _cut(timeout: float | None) -> float | None:
    until = _deadline.get()
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        import httpcore

        raise httpcore.ReadTimeout("deadline")
    return left if timeout is None else min(left, timeout)


@contextlib.contextmanager
def deadline(until: float | None) -> Iterator[None]:
    """Bounds all blocking HTTP inside the block to `until`, a `time.monotonic()` moment; None bounds nothing."""
    token = _deadline.set(until)
    try:
        yield
    finally:
        _deadline.reset(token)
