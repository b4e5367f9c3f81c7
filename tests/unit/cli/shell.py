"""The command as a person runs it: in this process, in one of its own, and in a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final, Self
from unittest import mock

import pytest

from insights import client
from insights.cli import main
from insights.routing.breaker import BREAKERS
from insights.routing.retry import BUDGETS
from insights.routing.spread import SPREAD
from insights.spending.budget import RUN
from insights.spending.ledger import close_ledgers

PATIENCE: Final = 60.0  # seconds until a test that waits for a text is called broken
KEY: Final = "sk-canary-0123456789abcdef"
REPO: Final = Path(__file__).parents[3]

# Makes the terminal on stdin the one whose Ctrl-C counts, hears it (what is started in a shell's background doesn't, nor do its
# children), and goes on as the command.
_AT_A_TERMINAL: Final = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def environment(**more: str) -> dict[str, str]:
    """This process's (key-free) environment, and `more`."""
    return {**os.environ, "PYTHONPATH": str(REPO), "TERM": "xterm", "PYTHONUNBUFFERED": "", **more}


def spawned(*arguments: str, stdin: bytes | str = b"", cwd: Path | str = REPO, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, with pipes. No key may ever be seen in what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "insights", *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        env=environment(**env),
        cwd=cwd,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return _seen(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Typed(io.TextIOWrapper):
    """What comes in. On a terminal a line that is no more than `\\x03` is Ctrl-C."""

    def __init__(self, content: bytes, terminal: bool) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]  # as typeshed has it for TextIOWrapper
        line = super().readline(size)
        if self._terminal and line == "\x03\n":
            raise KeyboardInterrupt
        return line


class Shown(io.TextIOWrapper):
    """What goes out."""

    def __init__(self, terminal: bool) -> None:
        self.content = io.BytesIO()
        super().__init__(self.content, encoding="utf-8", newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def insights(
    *arguments: str, stdin: bytes | str = b"", cwd: Path | str = REPO, terminal: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command in this process, as in one of its own: it knows nothing of what was done here, and leaves nothing.

    `terminal` names the streams that say they are one: "in", "out", "err".
    """
    content = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = Shown("out" in terminal.split()), Shown("err" in terminal.split())
    with _as_a_process(environment(**env), cwd):
        streams = {"stdin": Typed(content, "in" in terminal.split()), "stdout": out, "stderr": err}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**streams, "argv": ["insights", *arguments], "excepthook": sys.excepthook}.items():
                patch.setattr(sys, name, value)
            patch.setitem(sys.modules, "__main__", ModuleType("__main__"))  # or the help says how the tests were started
            with pytest.raises(SystemExit) as ended:
                main()
    code = ended.value.code
    assert isinstance(code, int | None)
    return _seen(["insights", *arguments], code or 0, out.content.getvalue().decode(), err.content.getvalue().decode())


def _seen(words: list[str], code: int, out: str, err: str) -> subprocess.CompletedProcess[str]:
    assert KEY not in out + err
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(words, code, out, err)


@contextlib.contextmanager
def _as_a_process(env: Mapping[str, str], cwd: Path | str) -> Iterator[None]:
    """An environment, a current directory and a default client of its own; what is said once may be said again."""
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, env, clear=True),
        mock.patch.object(client, "_default", None),
        warnings.catch_warnings(),
    ):
        for category in (UserWarning, RuntimeWarning):  # which are said, and here no errors
            warnings.simplefilter("default", category)
        _forget()
        try:
            yield
        finally:
            if client._default is not None:
                client._default.close()
            close_ledgers()
            _forget()


def _forget() -> None:
    for known in (BREAKERS, BUDGETS, SPREAD):
        known.reset()
    RUN.spent = RUN.reserved = Decimal(0)


class Terminal:
    """The command in a pseudo-terminal: what is typed, and what is seen."""

    def __init__(self, *arguments: str, cwd: Path = REPO, env: Mapping[str, str] | None = None) -> None:
        import pty

        self.seen = ""
        self._from = 0
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(  # without a fork of ours: other threads of a test run may hold locks
            [sys.executable, "-c", _AT_A_TERMINAL, sys.executable, "-m", "insights", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env=environment(**(env or {})),
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._fd)

    def interrupt(self, text: str) -> None:
        """Presses Ctrl-C until a text is there: one that comes between two reads is seen with the next key only."""
        for _ in range(int(PATIENCE)):
            self.type("\x03")
            try:
                self.expect(text, patience=1.0)
                return
            except AssertionError:
                continue
        self.expect(text)

    def expect(self, text: str, patience: float = PATIENCE) -> str:
        """Reads until a text is there, behind what was expected before; what came until then."""
        deadline = time.monotonic() + patience
        while (found := self.seen.find(text, self._from)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} didn't come; seen: {self.seen[self._from :]!r}")
        begun, self._from = self._from, found + len(text)
        return self.seen[begun : self._from]

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
        try:
            piece = os.read(self._fd, 65536) if ready else b""
        except OSError:  # Linux's way to say that the other end is closed
            piece = b""
        # Without what readline asks a terminal to do, such as to tell pasting from typing.
        self.seen += re.sub(r"\x1b\[\?[0-9;]*[hl]", "", piece.decode("utf-8", "replace")).replace("\r", "")
        return bool(piece)

    def type(self, text: str) -> None:
        """Types a text; `\\x03` is Ctrl-C, `\\x04` Ctrl-D."""
        os.write(self._fd, text.encode())

    def end(self) -> int:
        """Waits for the end; the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        code = self._process.wait(PATIENCE)
        assert KEY not in self.seen
        assert "Traceback" not in self.seen, self.seen
        return code
