"""What goes out: to a terminal, and to anything else."""

from __future__ import annotations

import io
import json
import sys
import warnings

import pytest

from insights.cli import terminal
from insights.cli.failing import code_of
from insights.core import errors

from .shell import Shown, insights


def seated(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """A terminal, which is all that there is. Not a fixture: pytest puts its own streams there when a test begins."""
    shown = Shown(terminal=True)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, shown)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    return shown


def seen(shown: Shown) -> str:
    shown.flush()
    return shown.content.getvalue().decode()


def test_who_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seated(monkeypatch)
    closed = io.StringIO()
    closed.close()
    assert terminal.is_terminal(seat)
    assert not any(terminal.is_terminal(stream) for stream in (None, closed, io.StringIO()))


def test_a_terminal_is_given_nothing_to_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seated(monkeypatch)
    terminal.write("one\r\ntwo\x1b[31m\x9b\tthree")
    assert seen(seat) == "one\ntwo?[31m?\tthree"


@pytest.mark.parametrize(
    ("env", "shown"), [({}, "\x1b[2mnote\x1b[0m\n"), ({"NO_COLOR": "1"}, "note\n"), ({"TERM": "dumb"}, "note\n")]
)
def test_a_note_is_dim_where_that_can_be(env: dict[str, str], shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seated(monkeypatch)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    terminal.note("note")
    assert seen(seat) == shown


def test_json_is_plain_for_a_terminal_and_for_other_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seated(monkeypatch)
    terminal.print_json({"a": "Käse"})
    assert json.loads(seen(seat)) == {"a": "Käse"}
    assert seen(seat).isascii()
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", pipe)
    terminal.print_json({"a": "→"})
    pipe.seek(0)
    assert json.loads(pipe.read()) == {"a": "→"}


def test_a_table_is_folded_to_a_terminal_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seated(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.print_table(
        ("name", "words", "$"), [("[red]one[/red]", "words " * 20, "1,000"), ("two\x1b[1m", "", "2")], right=["$"]
    )
    text = seen(seat)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("words") == 1 + 20
    for whole in ("[red]one[/red]", "1,000", "two?[1m"):
        assert whole in text
    assert "\x1b" not in text


def test_a_table_in_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    seat = seated(monkeypatch)
    terminal.print_table(("name",), [])
    assert "\x1b[1m" in seen(seat)


def test_a_table_elsewhere_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_table(("name", "$"), [("a\nb", "1"), ("c", "1,000")], right=["$"])
    assert capsys.readouterr().out == "name      $\na b       1\nc     1,000\n"


def test_warnings_are_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    monkeypatch.setattr(sys, "stderr", err)  # which can't be given another way to write what it has no letters for
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        terminal.settle()
        warnings.warn("the cache is full", RuntimeWarning, stacklevel=1)
        terminal.write("Käse")
    assert err.getvalue() == "warning: the cache is full\n"
    written = sys.stdout.buffer
    assert isinstance(written, io.BytesIO)
    assert written.getvalue() == b"K\\xe4se"


def test_which_exit_code_an_error_has() -> None:
    early, late = errors.ConfigError("no"), errors.RateLimitError("no", status_code=429)
    assert (code_of(early), code_of(late), code_of(errors.BadRequestError("no"))) == (2, 1, 2)
    assert code_of(errors.BadRequestError("no", status_code=400)) == 1
    assert code_of(errors.AllModelsFailedError("all", [early, early])) == 2
    assert code_of(errors.AllModelsFailedError("all", [early, late])) == 1
    assert code_of(errors.AllModelsFailedError("all", [early, ValueError("no")])) == 1


def test_clearing_the_cache_is_asked_for(online: dict[str, str]) -> None:
    insights("ask", "-m", "quick", "Hello", **online)
    for answer, code, said in (("n\n", 1, "nothing was forgotten"), ("y\n", 0, "1 answer forgotten")):
        done = insights("cache", "clear", stdin=answer, terminal="in out err", **online)
        assert done.returncode == code
        assert "Forget 1 answer? [y/N]" in done.stderr + done.stdout
        assert said in done.stderr + done.stdout
