"""The pytest plugin: one fixture, `insights_cassette`, beside pytest-recording's marks and options.

A test that asks for the fixture, or is marked `vcr` or `insights_cassette`, gets its answers from
`cassettes/{provider}/{test name}.yaml`. `--record-mode` (pytest-recording's) says whether they are recorded.

Nothing of insights is imported for tests that don't use it: pytest loads this module in every run.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from insights.cassettes import modes
from insights.cassettes.shown import shown
from insights.cassettes.usage import CACHE_KEY, Uses, merged
from insights.core.errors import CassetteError

if TYPE_CHECKING:
    from insights.cassettes.tape import Tape
    from insights.cassettes.use import Cassette

_PACKAGE: Final = Path(__file__).parents[1]
_written: Final = pytest.StashKey[set[Path]]()
MARK: Final = "insights_cassette"
LONGEST: Final = 200  # characters of a file's name; filesystems allow 255 bytes

_clash: Final = pytest.StashKey[str]()
_outcome: Final = pytest.StashKey[BaseException | None]()
_uses: Final = pytest.StashKey[Uses]()
_partial: Final = pytest.StashKey[bool]()
_OUTPUT: Final = "insights_cassettes"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the setting of where cassettes lie."""
    parser.addini("insights_cassette_dir", "where cassettes lie, from pytest's root directory", default="cassettes")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known, and the mode of the session."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(name=None, /, **options): the test's answers come from cassettes/{{provider}}/{{name}}.yaml; "
        "options are those of insights.use_cassette",
    )
    given = config.getoption("--record-mode", default=None)
    modes.has_option = hasattr(config.option, "record_mode")  # however pytest-recording was loaded
    modes.of_session = modes.named(given) if given else None
    modes.root = config.rootpath
    config.stash[_uses], config.stash[_partial], config.stash[_written] = {}, False, set()


def pytest_unconfigure() -> None:
    """Forgets the mode of the session."""
    modes.of_session, modes.has_option, modes.root = None, False, None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Says where `--record-mode` has no effect."""
    if modes.of_session in (None, "replay") or not modes.in_ci():
        return []
    return [
        f"insights: CI is set, so cassettes are only replayed, whatever --record-mode={config.getoption('--record-mode')} says"
    ]


# ---------------------------------------------------------------- names


def cassette_name(item: pytest.Item) -> str:
    """The name of a test's cassettes: its class and its own, with its parameters, as a file may be called."""
    given = _given_name(item)
    cls = getattr(item, "cls", None)
    name = given.removesuffix(".yaml") if given else f"{cls.__name__}.{item.name}" if cls else item.name
    safe = re.sub(r'[<>?%*:|"\'/\\{}\x00-\x1f]', "-", name).lstrip(".") or "-"
    if len(safe.encode()) > LONGEST:
        safe = f"{safe.encode()[: LONGEST - 20].decode(errors='ignore')}...{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return safe


def _given_name(item: pytest.Item) -> str | None:
    """What a mark calls the cassette."""
    marks = (item.get_closest_marker(MARK), item.get_closest_marker("default_cassette"))
    return next((str(mark.args[0]) for mark in marks if mark is not None and mark.args and mark.args[0]), None)


def _directory(config: pytest.Config) -> Path:
    return config.rootpath / str(config.getini("insights_cassette_dir"))


def _uses_cassette(item: pytest.Item) -> bool:
    return MARK in getattr(item, "fixturenames", ()) or any(item.get_closest_marker(mark) for mark in (MARK, "vcr"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sees that no two tests write the same file.

    Raises:
        pytest.UsageError: naming both.
    """
    seen: dict[str, pytest.Item] = {}
    for item in filter(_uses_cassette, items):
        if _given_name(item) is not None:
            continue  # named by hand: shared on purpose
        name = cassette_name(item)
        other = seen.setdefault(name, item)
        if other is not item and _asks_for_ours(item) and _asks_for_ours(other):
            text = (
                f"two tests would have the same cassettes, {name}.yaml: {other.nodeid} and {item.nodeid}. "
                f"Rename one, or name its cassette: @pytest.mark.{MARK}('another_name')"
            )
            if not hasattr(config, "workerinput"):
                raise pytest.UsageError(text)
            item.stash[_clash] = other.stash[_clash] = text  # of a worker of pytest-xdist nobody would hear it


def _asks_for_ours(item: pytest.Item) -> bool:
    return MARK in getattr(item, "fixturenames", ()) or item.get_closest_marker(MARK) is not None


# ---------------------------------------------------------------- fixtures


@pytest.fixture
def insights_cassette_config() -> dict[str, Any]:
    """Options of `insights.use_cassette` for every cassette; to be overridden, like pytest-recording's `vcr_config`."""
    return {}


@pytest.fixture
def insights_cassette(request: pytest.FixtureRequest, insights_cassette_config: dict[str, Any]) -> Iterator[Cassette | None]:
    """The test's cassette. Its answers come from `cassettes/{provider}/{test name}.yaml`; None under `--disable-recording`."""
    if request.config.getoption("--disable-recording", default=False):
        yield None
        return
    if _clash in request.node.stash:
        pytest.fail(request.node.stash[_clash], pytrace=False)
    from insights.cassettes.use import PLACEHOLDER, use_cassette

    mark = request.node.get_closest_marker(MARK)
    options = {**insights_cassette_config, **(mark.kwargs if mark is not None else {})}
    options.pop("name", None)
    allow_missing = options.pop("allow_missing", False)
    mode = options.pop("mode", None) or _mode_of_vcr(request)
    if not _asks_for_ours(request.node):
        options.setdefault("block_network", False)  # marked for vcrpy, which has a say in that
    path = _directory(request.config) / PLACEHOLDER / f"{cassette_name(request.node)}.yaml"
    try:
        tape = use_cassette(path, mode if modes.of_session is None else None, **options)
    except TypeError as error:
        raise pytest.UsageError(f"{request.node.nodeid}: {MARK}: {str(error).partition('() ')[2] or error}") from None
    tape.mode_is_given = False  # the command line has the last word
    cassette = tape.__enter__()
    cassette.shared = _given_name(request.node) is not None
    if cassette.shared:  # what another test of this run has recorded into the same file stays in it
        cassette.keeps = request.config.stash[_written].__contains__
    else:
        cassette.owns = lambda tape: _see_whose(tape, request)
    try:
        yield cassette
    finally:
        # A test without an outcome was interrupted: half of its answers are no recording.
        failed = request.node.stash.get(_outcome, KeyboardInterrupt("interrupted"))
        tape.__exit__(type(failed) if failed is not None else None, failed, None)
        for kept in cassette.not_written:
            request.node.add_report_section("teardown", "insights", kept)
        request.config.stash[_written] |= {used.path for used in cassette.tapes if used.saved}
    if failed is None and cassette.missed and not allow_missing:
        # The test passed all the same: it, or what it tests, has caught the error.
        pytest.fail(f"a recording was missing, and the test passed without it:\n{cassette.missed[0]}", pytrace=False)


def _see_whose(tape: Tape, request: pytest.FixtureRequest) -> None:
    """Refuses the file of another test that happens to have the same name.

    Raises:
        CassetteError: naming both.
    """
    test = request.node.nodeid
    for other in tape.recorded_by_tests():
        if other != test and _is_there(other, request.config.rootpath):
            raise CassetteError(
                f"{shown(tape.path)} is the cassette of {other}, and {test} would have it too",
                hint=f"rename one of them, or name its cassette: @pytest.mark.{MARK}('another_name')",
            )


def _is_there(test: str, root: Path) -> bool:
    """Whether there still is a test of this id, as far as its file tells."""
    name, _, rest = test.partition("::")
    function = rest.partition("[")[0].rpartition("::")[2]
    try:
        text = (root / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(rf"\bdef {re.escape(function)}\b", text) is not None


@pytest.fixture(autouse=True)
def _insights_cassette_of_marked(request: pytest.FixtureRequest) -> None:
    # Also for tests that name the fixture: automatic ones come first, so that other fixtures have the cassette too.
    if _uses_cassette(request.node):
        request.getfixturevalue(MARK)


def _mode_of_vcr(request: pytest.FixtureRequest) -> str | None:
    """The mode that the marks and the `vcr_config` of pytest-recording name."""
    marks = list(request.node.iter_markers("vcr"))
    if not marks or not modes.has_option:
        return None
    found = dict(request.getfixturevalue("vcr_config"))
    for mark in reversed(marks):
        found.update(mark.kwargs)
    mode = found.get("record_mode")
    return None if mode is None else str(getattr(mode, "value", mode))


def _is_cassettes(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    return isinstance(excinfo.value, CassetteError)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers why a test failed, for its cassette; of an error that a cassette raises only the test's own lines are shown."""
    if call.excinfo is not None and isinstance(call.excinfo.value, CassetteError):
        for entry in call.excinfo.traceback:
            if Path(entry.path).is_relative_to(_PACKAGE):
                entry.frame.f_globals.setdefault("__tracebackhide__", _is_cassettes)
    report = yield  # unittest's failures come into `call` in here
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, pytest.fail.Exception):
        error = AssertionError(str(error))  # pytest.fail() says what an assert would
    if call.when == "setup" and _outcome in item.stash:
        del item.stash[_outcome]  # of an earlier try, where failing tests are run again
    if call.when == "call" or (call.when == "setup" and error is not None):
        item.stash[_outcome] = error
    if report.outcome != "passed" and not hasattr(report, "wasxfail") and _uses_cassette(item):
        item.config.stash[_partial] = True
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_recording_configure(vcr: Any) -> None:
    """vcrpy patches the HTTP libraries that insights sends with: what insights records itself is none of its business."""
    inner = vcr.get_merged_config

    def get_merged_config(**options: Any) -> dict[str, Any]:
        from insights.core.intercept import SENDING

        found: dict[str, Any] = inner(**options)
        before = found["before_record_request"]
        found["before_record_request"] = lambda request: None if SENDING.get() else before(request)
        return found

    vcr.get_merged_config = get_merged_config


# ---------------------------------------------------------------- what was used


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begins to note which tests use which recordings."""
    from insights.cassettes import watched

    watched.watchers.append(lambda cassette: _note(session.config, cassette))


def _note(config: pytest.Config, cassette: Any) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    if test:
        files = config.stash[_uses].setdefault(test, {})
        for tape in cassette.tapes:
            used, total = tape.usage()
            if total:
                name = os.path.relpath(tape.path, config.rootpath)
                files[name] = sorted({*files.get(name, ([], 0))[0], *used}), total


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Notes that not every test is run."""
    for item in filter(_uses_cassette, items):
        item.config.stash[_partial] = True


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over what a worker of pytest-xdist noted."""
    tests, partial = getattr(node, "workeroutput", {}).get(_OUTPUT, ({}, True))
    node.config.stash[_partial] |= partial
    for test, files in tests.items():
        node.config.stash[_uses][test] = files


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keeps what was noted, for `insights cassettes check`."""
    from insights.cassettes import watched

    watched.watchers.clear()
    config = session.config
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = config.stash[_uses], config.stash[_partial]
        return
    cache = getattr(config, "cache", None)
    if cache is None or not config.stash[_uses]:
        return
    # A test that was left out, skipped or failed might have used more: what nobody used can't be told from such a run.
    every = (
        config.args_source is not pytest.Config.ArgsSource.ARGS
        and not config.stash[_partial]
        and not any(config.getoption(name, default=None) for name in ("lf", "stepwise", "ignore", "ignore_glob"))
        and exitstatus in (0, 1)
        and not session.shouldstop
        and not session.shouldfail
    )
    complete = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if every else ""
    cache.set(CACHE_KEY, merged(cache.get(CACHE_KEY, None), config.stash[_uses], complete=complete))
