"""Python children with pipes of their own: told what to do on stdin, and killed whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from tests.processes import REPO

PATIENCE: Final = 120.0  # seconds until a child that says nothing is called hung


class Child:
    """A module of this package in a process of its own: `python -m tests.stress.<module>`."""

    def __init__(self, module: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        # A file and not a pipe: a child that writes much to stderr must not wait for anybody to read it.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", f"tests.stress.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=REPO,
            env={**os.environ, **(env or {})},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._into, self._out = self._process.stdin, self._process.stdout
        self._pending = b""

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def tell(self, order: Any) -> None:
        """Gives it one line of JSON."""
        self._into.write(json.dumps(order).encode() + b"\n")
        self._into.flush()

    def line(self) -> bytes | None:
        """Its next whole line, or None at its end."""
        until = time.monotonic() + PATIENCE
        while b"\n" not in self._pending:
            if not select.select([self._out], [], [], max(until - time.monotonic(), 0))[0]:
                raise AssertionError(f"a child has said nothing for {PATIENCE:g} s: {self.complaints()}")
            piece = os.read(self._out.fileno(), 2**16)
            if not piece:
                return None
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def hear(self) -> Any:
        """The JSON it says next."""
        line = self.line()
        assert line is not None, f"a child ended: {self.complaints()}"
        return json.loads(line)

    def kill(self) -> int:
        """SIGKILL; how it ended."""
        self._process.send_signal(signal.SIGKILL)
        return self._process.wait()

    def complaints(self) -> str:
        """The end of what it wrote to stderr."""
        # Through a descriptor of its own offset the child's next write would go elsewhere.
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), 4000, max(size - 4000, 0)).decode("utf-8", "replace")

    def end(self) -> None:
        """Kills it where it still lives, and closes its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):  # what it was told last and never read
            self._into.close()
        self._out.close()
        self._errors.close()


@contextlib.contextmanager
def children(count: int, module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[list[Child]]:
    """So many of them; none outlives the block."""
    started: list[Child] = []
    try:
        for number in range(count):
            started.append(Child(module, str(number), *arguments, env=env))  # one by one: all that started are ended
        yield started
    finally:
        for child in started:
            child.end()
