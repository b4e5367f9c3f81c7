"""`use_cassette`: recorded responses in place of the network."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from insights.cassettes.file import Interaction, read_cassette, same_request, write_cassette
from insights.core import intercept
from insights.core.effects import WireCall
from insights.core.errors import BadRequestError, CassetteMissingError
from insights.core.intercept import Recorded
from insights.core.redact import SecretStr

MODES: Final = ("replay", "record")
F = TypeVar("F", bound=Callable[..., Any])


class Cassette:
    """A cassette in use: replays in order what was recorded, or records what comes."""

    def __init__(
        self, path: Path, mode: str, recorded_from: dict[str, str] | None = None, hosts: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.recording = mode == "record"
        self._recorded_from = recorded_from or {}
        self._hosts = hosts or {}
        self.interactions: list[Interaction] = [] if self.recording else read_cassette(path)
        self._played = [False] * len(self.interactions)
        self._lock = threading.Lock()
        self._secrets: set[SecretStr] = set()

    @property
    def play_count(self) -> int:
        """How many of the recorded responses were replayed."""
        return sum(self._played)

    def replay(self, call: WireCall) -> Recorded | None:
        """The first response not yet played that was recorded for this request."""
        if self.recording:
            return None
        with self._lock:
            for index, interaction in enumerate(self.interactions):
                if not self._played[index] and same_request(interaction, call):
                    self._played[index] = True
                    return interaction.response
        again = sum(same_request(interaction, call) for interaction in self.interactions)
        why = f"all {again} recordings of this request are played already" if again else "this request isn't in it"
        raise CassetteMissingError(
            f"{self.path}: {why}: {call.method} {call.url} ({call.provider}/{call.model})",
            hint=f"record it again: use_cassette({str(self.path)!r}, mode='record'), with a key set",
        )

    def record(self, call: WireCall, response: Recorded) -> None:
        """Keeps a response."""
        with self._lock:
            if call.secret is not None:
                self._secrets.add(call.secret)
            self.interactions.append(Interaction(call.method, self._public(call.url), call.content, response))

    def _public(self, url: str) -> str:
        """The URL the recording stands for, where a stand-in was asked in its place."""
        for asked, meant in self._hosts.items():
            if url.startswith(asked):
                return meant + url.removeprefix(asked)
        return url

    def save(self) -> None:
        """Writes what was recorded, in one step: the file is the old one or the new one, never half of one.

        Raises:
            CassetteError: something in it has the shape of a key; nothing is written.
        """
        write_cassette(self.path, self.interactions, self._recorded_from, self._secrets)


class use_cassette:
    """Recorded responses in place of the network, for everything inside the block. Also a decorator, sync and async.

    Args:
        path: the cassette's YAML file (vcrpy's format).
        mode: `"replay"` (no key needed, no network), or `"record"` (asks the real hosts, then writes the file).
        recorded_from: what the file says about its origin, e.g. `{"what": "local wire simulator", "version": "1"}`.
        hosts: while recording, base URL asked -> base URL the recording stands for, when a stand-in is asked.

    Inside the block the response cache is off unless a call asks for it.

    Raises:
        CassetteError: the file can't be read, or a key would have been written.
        CassetteMissingError: a request that isn't in the cassette.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: str = "replay",
        *,
        recorded_from: dict[str, str] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        if mode not in MODES:
            raise BadRequestError(f"a cassette's mode is one of {', '.join(MODES)}, got {mode!r}")
        self._path = Path(path)
        self._mode = mode
        self._recorded_from = recorded_from
        self._hosts = hosts
        self._stack: list[tuple[Cassette, ExitStack]] = []

    def __enter__(self) -> Cassette:
        cassette = Cassette(self._path, self._mode, self._recorded_from, self._hosts)
        stack = ExitStack()
        stack.enter_context(intercept.installed(cassette))
        self._stack.append((cassette, stack))
        return cassette

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        cassette, stack = self._stack.pop()
        stack.close()
        if kind is None and cassette.recording:
            cassette.save()

    async def __aenter__(self) -> Cassette:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        if isinstance(function, type):
            raise TypeError("use_cassette decorates functions, not classes")
        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def inside_async_generator(*args: Any, **kwargs: Any) -> Any:
                with self:
                    async for item in function(*args, **kwargs):
                        yield item

            return inside_async_generator  # type: ignore[return-value]
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def inside_generator(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return (yield from function(*args, **kwargs))

            return inside_generator  # type: ignore[return-value]
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def inside_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return inside_async  # type: ignore[return-value]

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]
