"""`use_cassette`: recorded responses in place of the network."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from insights.cassettes import guard, modes, watched
from insights.cassettes.file import Interaction
from insights.cassettes.inject import Fault, Injected, cut_short, read_faults
from insights.cassettes.match import PARTS, Matcher
from insights.cassettes.missing import how_to_record, missing
from insights.cassettes.scrub import secrets_of, secrets_of_environment
from insights.cassettes.shown import shown
from insights.cassettes.tape import Tape
from insights.core import intercept
from insights.core.effects import Recorded, WireCall
from insights.core.errors import BadRequestError, CassetteError, CassetteMissingError, InsightsError, MissingKeyError

F = TypeVar("F", bound=Callable[..., Any])

PLACEHOLDER: Final = "{provider}"


class Cassette:
    """A cassette in use: replays in order what was recorded, or records what comes. `use_cassette` makes it."""

    def __init__(
        self,
        path: str,
        mode: str,
        *,
        given: bool = False,
        matcher: Matcher | None = None,
        faults: Mapping[int, Fault] | None = None,
        realtime: bool = False,
        block_network: bool = True,
        recorded_from: Mapping[str, str] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        self.mode = mode
        self.realtime = realtime
        self._path, self._given = path, given
        self._matcher = matcher or Matcher()
        self._faults = dict(faults or {})
        self._recorded_from = recorded_from or {}
        self._hosts = hosts or {}
        self._lock = threading.Lock()
        self._asked = 0
        self._secrets: set[str] = set()
        self._tapes: dict[Path, Tape] = {}
        self._streams: weakref.WeakSet[intercept.Unfinished] = weakref.WeakSet()
        self.keeps: Callable[[Path], bool] = lambda path: False
        """Whether a file is added to, in the modes that otherwise begin anew."""
        self.owns: Callable[[Tape], None] = lambda tape: None
        """Sees that a file may be used at all."""
        self.missed: list[CassetteMissingError] = []
        """The recordings that were missing."""
        self.mixed = False
        """Whether a call of another block came here, or one of this block went to another."""
        self.shared = False
        """Whether other tests use the file too."""
        self.not_written: list[str] = []
        """What was recorded and not kept, and why."""
        if PLACEHOLDER not in path:
            tape = self._tape(Path(path))
            if mode == "replay" and not tape.exists:
                raise CassetteMissingError(
                    f"{shown(tape.path)}: there is no such cassette", hint=how_to_record(tape.path, exists=False, given=given)
                )
            self.replaying = not tape.records
        else:
            self.replaying = mode == "replay"
        self.recording = not self.replaying
        self.blocks_network = block_network and self.replaying

    def _tape(self, path: Path) -> Tape:
        found = self._tapes.get(path)
        if found is None:
            found = Tape(path, self.mode, self._matcher, keeps=self.keeps(path))
            self.owns(found)
            self._tapes[path] = found
        return found

    def _tape_of(self, call: WireCall) -> Tape:
        return self._tape(Path(self._path.replace(PLACEHOLDER, call.provider)))

    @property
    def tapes(self) -> list[Tape]:
        """The files in use."""
        return list(self._tapes.values())

    @property
    def interactions(self) -> list[Interaction]:
        """What is recorded: what was read from the file, and what has been added since."""
        return [item for tape in self.tapes for item in (*tape.content.interactions, *tape.saved, *tape.added)]

    @property
    def play_count(self) -> int:
        """How many of the recorded responses were replayed."""
        return sum(len(tape.played) for tape in self.tapes)

    @property
    def all_played(self) -> bool:
        """Whether every recorded response was replayed."""
        return all(len(tape.played) == len(tape.content.interactions) for tape in self.tapes)

    def replay(self, call: WireCall) -> Recorded | None:
        """The first response not yet played that was recorded for this request; None where it is to be asked for.

        Raises:
            CassetteMissingError: there is none, and nothing may go out.
        """
        call = replace(call, url=self._public(call.url))
        meant = intercept.own()
        if isinstance(meant, Cassette) and meant is not self:
            self.mixed = meant.mixed = True
        with self._lock:
            self._asked += 1
            tape = self._tape_of(call)
            fault = self._faults.get(self._asked)
            injected = fault.answer(call) if fault is not None else None
            if injected is not None:
                return injected
            if fault is not None and tape.replays:
                index = tape.find(call)
                if index is not None:
                    tape.used.add(index)
                    return self._paced(cut_short(tape.content.interactions[index].response, call))
            found = tape.play(call) if tape.replays else None
            if found is not None:
                return self._paced(found)
            if tape.records:
                return None
            times = tape.times_recorded(call)
            why = "this request isn't in it"
            if times:
                why = f"all {times} recordings of this request are played already" if times > 1 else "it is played already"
            elif not tape.exists:
                why = "there is no such cassette"
            known = [] if times else tape.content.interactions
            raise self._missing(tape, call, why, known)

    def _missing(self, tape: Tape, call: WireCall, why: str, known: Sequence[Interaction]) -> CassetteMissingError:
        error = missing(tape.path, call, why, known, exists=tape.exists, given=self._given, shared=self.shared)
        self.missed.append(error)
        return error

    def _paced(self, response: Recorded) -> Recorded:
        return response if self.realtime else replace(response, seconds=())

    def record(self, call: WireCall, response: Recorded) -> None:
        """Keeps a response."""
        with self._lock:
            tape = self._tape_of(call)
            if tape.records:
                self._secrets |= secrets_of(call)
                tape.add(call, response, self._public(call.url))

    def missing(self, call: WireCall, error: MissingKeyError) -> InsightsError:
        """What is raised for a request that isn't recorded, and that lacks a key for going out."""
        if self.mode != "auto":
            return error
        tape = self._tape_of(call)
        why = f"this request isn't in it, and {error.message}, so it can't be recorded"
        return self._missing(tape, call, why, tape.content.interactions)

    def opened(self, stream: intercept.Unfinished) -> None:
        """Remembers a response whose pieces are still to come: it may still be read when the block ends."""
        self._streams.add(stream)

    def _public(self, url: str) -> str:
        """The URL the recording stands for, where a stand-in was asked in its place."""
        for asked, meant in self._hosts.items():
            rest = url.removeprefix(asked.rstrip("/"))
            if rest != url and rest[:1] in ("", "/", "?"):
                return meant.rstrip("/") + rest
        return url

    def save(self) -> None:
        """Writes what was recorded, in one step: each file is the old one or the new one, never half of one.

        Raises:
            CassetteError: a key would be in it, or it can't be written; nothing is lost.
        """
        failed: CassetteError | None = None
        secrets = self._secrets | secrets_of_environment()
        for tape in self.tapes:
            try:
                tape.save(self._recorded_from, secrets)
            except CassetteError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def finish(self, error: BaseException | None) -> None:
        """Writes what was recorded, as far as it is good.

        Where the block failed, files that were there stay as they were. A new one is written all the same if it wasn't a
        call that failed: then only what was made of the answers is wrong, and they needn't be paid for again.

        Raises:
            CassetteError: as `save`; or another cassette had some of the calls.
        """
        for stream in list(self._streams):
            stream.left()  # what is read later on is not in the file: a replay will say so
        if self.mixed and self.recording and (self.mode != "auto" or any(tape.added for tape in self.tapes)):
            mixed = CassetteError(
                f"{self._path}: not written: another cassette was in use at the same time, and one got the calls of both",
                hint="end the inner block first; tasks that run at once share one cassette, around all of them",
            )
            if error is None:
                raise mixed
            self.not_written.append(str(mixed))
            error.add_note(str(mixed))
        elif error is None or isinstance(error, GeneratorExit):  # a decorated generator of which no more is wanted
            self.save()
        elif any(tape.added for tape in self.tapes):
            bad = _of_a_call(error)
            for tape in self.tapes:
                if tape.added and (bad or tape.exists):
                    self.not_written.append(
                        f"{shown(tape.path)}: not written, because what used it failed while it was recorded"
                    )
                    tape.added = []
            try:
                self.save()
            except CassetteError as other:
                self.not_written.append(str(other))
            for note in self.not_written:
                error.add_note(note)


def _of_a_call(error: BaseException) -> bool:
    """Whether what was recorded may be bad, or half of it missing: a call failed, or everything was given up."""
    from asyncio import CancelledError

    if isinstance(error, BaseExceptionGroup) and not isinstance(error, InsightsError):
        return any(map(_of_a_call, error.exceptions))
    return isinstance(error, InsightsError | KeyboardInterrupt | CancelledError)


class use_cassette:
    """Recorded responses in place of the network, for everything inside the block. Also a decorator, sync and async.

    Args:
        path: the cassette's YAML file (vcrpy's format). With `{provider}` in it there is one file for each provider asked.
        mode: `"replay"`: no key needed, no network; what isn't recorded is a `CassetteMissingError`. `"record"`: asks the
            providers and writes the file, if it isn't there; else replays it. `"refresh"`: records anew. `"auto"`: replays
            what is there, and records what is missing, if there is a key. Also vcrpy's names for the same. Default: what
            pytest's `--record-mode` says, else `INSIGHTS_RECORD_MODE`, else replay. Where `CI` is set, always replay.
        inject: faults on replay, one entry for each request, None for none: a status such as 429, `"timeout"`,
            `"connection"`, `"cut"`, or a `Fault`; or a mapping of the request's number (from 1) to one. A fault uses up
            no recording. (While recording nothing is cut.)
        realtime: whether answers take the time they took when they were recorded, piece by piece; and waits are waited.
        match_on: what of a request counts: `method`, `scheme`, `host`, `port`, `path`, `query`, `body`. Default: all.
        block_network: whether other connections than to this machine are refused while the cassette replays.
        recorded_from: what the file says about its origin, e.g. `{"what": "local wire simulator", "version": "1"}`.
        hosts: base URL asked -> base URL the recording stands for, when a stand-in is asked.

    Inside the block the response cache is off unless a call asks for it, and then it is one of the cassette's own; circuit
    breakers and retry budgets are its own too, and retries don't wait while it replays.

    Raises:
        BadRequestError: a mode, a fault or a `match_on` that doesn't exist.
        CassetteError: the file can't be read; at the end of the block: a key would have been written.
        CassetteMissingError: there is no such file, or (raised by the call) the request isn't in it.
        NetworkBlockedError: raised where something else wants to reach another machine.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: str | None = None,
        *,
        inject: Injected = (),
        realtime: bool = False,
        match_on: Iterable[str] = PARTS,
        block_network: bool = True,
        recorded_from: Mapping[str, str] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise BadRequestError(f"a cassette is named by its path, got {type(path).__name__}")
        if mode is not None:
            modes.named(mode)
        self._path, self._mode = os.fspath(path), mode
        self.mode_is_given = mode is not None
        self._options: dict[str, Any] = {
            "matcher": Matcher(match_on),
            "faults": read_faults(inject),
            "realtime": realtime,
            "block_network": block_network,
            "recorded_from": recorded_from,
            "hosts": hosts,
        }
        self._stack: list[tuple[Cassette, ExitStack]] = []

    def __enter__(self) -> Cassette:
        # In full: the block may change the directory.
        path = os.path.abspath(os.path.expanduser(self._path))
        cassette = Cassette(path, modes.resolve(self._mode), given=self.mode_is_given, **self._options)
        if cassette.blocks_network:
            guard.install()
        stack = ExitStack()
        stack.enter_context(intercept.installed(cassette))
        self._stack.append((cassette, stack))
        return cassette

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        cassette, stack = self._stack.pop()
        for other in intercept.inside(cassette):
            if isinstance(other, Cassette):  # it ends after the block it is in: it has had the calls of both
                other.mixed = cassette.mixed = True
        stack.close()
        try:
            cassette.finish(error)
        finally:
            for watcher in watched.watchers:
                watcher(cassette)

    async def __aenter__(self) -> Cassette:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _again(self) -> use_cassette:
        """The same for one more call of a decorated function, which may be under way several times."""
        made = copy.copy(self)
        made._stack = []
        return made

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again(), contextlib.suppress(StopAsyncIteration):
                items = function(*args, **kwargs)
                item = await anext(items)
                while True:
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await items.aclose()
                        raise
                    except BaseException as error:  # whoever reads it throws into it
                        item = await items.athrow(error)
                    else:
                        item = await items.asend(sent)

        return inside

    def __call__(self, function: F) -> F:
        if isinstance(function, type):
            raise TypeError("use_cassette decorates functions, not classes")
        if inspect.isasyncgenfunction(function):
            return self._around_async_generator(function)  # type: ignore[return-value]
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def inside_generator(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return (yield from function(*args, **kwargs))

            return inside_generator  # type: ignore[return-value]
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def inside_async(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return inside_async  # type: ignore[return-value]

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]
