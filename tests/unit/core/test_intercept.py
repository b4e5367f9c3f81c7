"""Where a cassette steps in."""

from __future__ import annotations

import contextvars
import threading

import pytest

from insights.core import intercept
from insights.core.effects import Recorded, WireCall
from insights.core.errors import InsightsError, MissingKeyError

CALL = WireCall("https://x.example/v1", {}, b"{}")


class Stream:
    """A response still being read."""

    was_left = False

    def left(self) -> None:
        self.was_left = True


class Tape:
    """The smallest thing that is an interceptor."""

    realtime = False

    def __init__(self, recording: bool = False) -> None:
        self.recording = recording
        self.replaying = not recording
        self.kept: list[Recorded] = []

    def replay(self, call: WireCall) -> Recorded | None:
        return None if self.recording else Recorded(200, {}, [call.content])

    def record(self, call: WireCall, response: Recorded) -> None:
        self.kept.append(response)

    def opened(self, stream: intercept.Unfinished) -> None:
        stream.left()

    def missing(self, call: WireCall, error: MissingKeyError) -> InsightsError:
        return error


def test_without_one() -> None:
    assert not intercept.active()
    assert not intercept.recording()
    assert not intercept.replaying()
    assert intercept.innermost() is None
    assert intercept.replay(CALL) is None
    assert intercept.opened(Stream()) is None
    assert intercept.own() is None


def test_the_innermost_counts() -> None:
    outer, inner = Tape(recording=True), Tape()
    with intercept.installed(outer):
        assert (intercept.active(), intercept.recording(), intercept.replaying()) == (True, True, False)
        assert intercept.innermost() is outer
        assert intercept.replay(CALL) is None
        with intercept.installed(inner):
            assert intercept.innermost() is inner
            assert (intercept.recording(), intercept.replaying()) == (False, True)
            assert intercept.replay(CALL) == Recorded(200, {}, [b"{}"])
            assert intercept.inside(outer) == [inner]
            assert intercept.inside(inner) == []
            assert intercept.own() is inner
        assert intercept.own() is outer
        stream = Stream()
        assert intercept.opened(stream) is outer
        assert stream.was_left
    assert intercept.inside(outer) == []
    assert intercept.own() is None
    assert not intercept.active()


def test_blocks_may_end_in_any_order() -> None:
    first, second = Tape(), Tape()
    one, two = intercept.installed(first), intercept.installed(second)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert intercept.innermost() is second
    two.__exit__(None, None, None)
    assert not intercept.active()


def test_it_leaves_with_an_error_too() -> None:
    with pytest.raises(LookupError), intercept.installed(Tape()):
        raise LookupError
    assert not intercept.active()


def test_threads_inside_are_covered() -> None:
    seen = []
    with intercept.installed(Tape()):
        thread = threading.Thread(target=lambda: seen.append(intercept.replay(CALL)))
        thread.start()
        thread.join()
    assert seen == [Recorded(200, {}, [b"{}"])]


def test_code_that_was_started_in_another_block() -> None:
    """One is innermost, and the other the one it runs in; a block that is over is nobody's."""
    outer, inner = Tape(), Tape()
    with intercept.installed(outer):
        started = contextvars.copy_context()
        with intercept.installed(inner):
            assert started.run(intercept.own) is outer
            assert started.run(intercept.innermost) is inner
    assert started.run(intercept.own) is None
