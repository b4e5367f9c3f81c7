"""One cassette file in use: which recordings have been played, and what has been recorded since."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from insights._version import __version__
from insights.cassettes.file import CassetteFile, Interaction, read_cassette, write_cassette
from insights.cassettes.match import Matcher, meaning_digest
from insights.cassettes.prices import prices_today
from insights.cassettes.shown import current_test
from insights.cassettes.writing import alone
from insights.core.effects import Recorded, WireCall
from insights.core.errors import CassetteError


class Tape:
    """The recordings of one file, each played once, equal ones in their order.

    Args:
        path: the file.
        mode: of `modes.MODES`; `record` with a file that is there replays it.
        matcher: which requests are the same.
        keeps: whether what is recorded comes after what is there, in the modes that otherwise begin anew.

    Raises:
        CassetteError: there is a file, and it can't be read.
    """

    def __init__(self, path: Path, mode: str, matcher: Matcher, *, keeps: bool = False) -> None:
        self.path = path
        self.content = CassetteFile([])
        try:
            if "\0" in str(path):
                raise ValueError("it has a null byte")
            self.exists = path.exists()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CassetteError(f"{path}: no path of a file: {why}", hint="choose another path") from None
        if self.exists and not path.is_file():  # a device, a pipe, a directory: known before anything is asked for
            raise CassetteError(f"{path}: can't be read: it is no file", hint="choose another path")
        if self.exists and mode != "refresh":
            self.content = read_cassette(path)
        anew = keeps and mode in ("record", "refresh")
        self.replays = not anew and (mode in ("replay", "auto") or (mode == "record" and self.exists))
        self.records = anew or mode in ("refresh", "auto") or (mode == "record" and not self.exists)
        self._keeps = anew
        self.added: list[Interaction] = []
        self.saved: list[Interaction] = []
        """What was recorded and is written."""
        self.played: set[int] = set()
        self.used: set[int] = set()
        """Those that were of use: played, or cut short on purpose."""
        self._matcher = matcher
        self._waiting: dict[str, deque[int]] = {}
        for index, item in enumerate(self.content.interactions):
            for name in self._names(item.method, item.uri, item.body, item.meaning):
                self._waiting.setdefault(name, deque()).append(index)

    def _names(self, method: str, uri: str, body: bytes, meaning: str) -> list[str]:
        found = [self._matcher.by_body(method, uri, body)]
        if meaning and self._matcher.reads_bodies:
            found.append(self._matcher.by_meaning(method, uri, meaning))
        return found

    def _asked(self, call: WireCall) -> list[str]:
        meaning = "" if call.meaning is None else meaning_digest(call.meaning)
        return self._names(call.method, call.url, call.content, meaning)

    def find(self, call: WireCall) -> int | None:
        """The first recording of this request that hasn't been played."""
        found = []
        for name in self._asked(call):
            waiting = self._waiting.get(name, deque())
            while waiting and waiting[0] in self.played:
                waiting.popleft()
            found += [waiting[0]] if waiting else []
        return min(found, default=None)

    def play(self, call: WireCall) -> Recorded | None:
        """Its response, which is played now."""
        index = self.find(call)
        if index is None:
            return None
        self.played.add(index)
        self.used.add(index)
        return self.content.interactions[index].response

    def times_recorded(self, call: WireCall) -> int:
        """How often this request was recorded, played or not."""
        names = set(self._asked(call))
        return sum(bool(names & set(self._names(i.method, i.uri, i.body, i.meaning))) for i in self.content.interactions)

    def add(self, call: WireCall, response: Recorded, url: str) -> None:
        """Keeps a response of the network. `url` is what the file says was asked."""
        meaning = "" if call.meaning is None else meaning_digest(call.meaning)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        prices = prices_today(call.provider, call.model)
        self.added.append(
            Interaction(call.method, url, call.content, response, call.provider, call.model, meaning, now, prices)
        )

    def save(self, recorded_from: Mapping[str, str], secrets: Iterable[str]) -> None:
        """Writes what was recorded: after what was there in the mode `auto`, in its place otherwise.

        Raises:
            CassetteError: a key would be in it, or it can't be written; the old file is kept.
        """
        if not self.added:
            return
        with alone(self.path):
            # Read again: another process may have added to it since.
            adds = (self.replays or self._keeps) and self.path.exists()
            kept = read_cassette(self.path) if adds else CassetteFile(self.saved)
            content = CassetteFile(
                [*kept.interactions, *self.added],
                dict(recorded_from) or kept.recorded_from,
                f"insights {__version__}",
                tuple(dict.fromkeys((*kept.tests, *filter(None, [current_test()])))),
            )
            write_cassette(self.path, content, secrets)
        self.saved, self.added = [*self.saved, *self.added], []

    def recorded_by_tests(self) -> tuple[str, ...]:
        """The tests that recorded what is in the file now; none where it can't be read."""
        if self.content.interactions or not self.exists:
            return self.content.tests
        with contextlib.suppress(CassetteError, FileNotFoundError):
            return read_cassette(self.path).tests
        return ()

    def usage(self) -> tuple[set[int], int]:
        """Which recordings of the file were used, and how many there are."""
        known, all_of_them = len(self.content.interactions), len(self.content.interactions) + len(self.saved)
        return self.used | set(range(known, all_of_them)), all_of_them
