"""What is wrong with cassettes: stale, unused, unreadable, or with a secret in them; and what mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from insights.cache.key import is_credential
from insights.cassettes.file import CassetteFile, read_cassette
from insights.cassettes.prices import deprecated_since, prices_today
from insights.cassettes.scrub import Scrubber, secrets_of_environment
from insights.cassettes.shown import shown
from insights.cassettes.usage import Usage, read_usage
from insights.catalog.nodes import yaml_loader
from insights.core.errors import CassetteError

OLD: Final = 180  # days; providers change models and answers, and half a year is long there

_MASKED: Final = re.compile(r"[^A-Za-z0-9]*|.*(?:\*\*|redact|scrub|filtered|dummy|fake|xxx).*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one file. `kind` is one word for scripts."""

    path: str
    kind: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}: {self.message}\n  -> {self.hint}"


@dataclass
class Report:
    """What a check found. `notes` say what couldn't be looked at."""

    files: int = 0
    recordings: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def cassette_files(paths: Sequence[Path]) -> list[Path]:
    """The YAML files among and below `paths`, sorted.

    Raises:
        CassetteError: there is no such path.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found |= {file for kind in ("*.yaml", "*.yml") for file in path.rglob(kind) if file.is_file()}
        elif path.exists():
            found.add(path)
        else:
            raise CassetteError(f"{path}: there is no such file or directory", hint="name a cassette, or a directory of them")
    return sorted(found)


def check_cassettes(
    paths: Sequence[Path], *, older_than: int = OLD, usage: Usage | None = None, now: datetime | None = None
) -> Report:
    """Looks at cassettes, without a network.

    Args:
        paths: files and directories.
        older_than: days; older recordings are a problem.
        usage: what pytest kept of its runs; default: what lies in the current directory or above.
        now: the time to compare with; default: the time.

    Raises:
        CassetteError: a path that isn't there.
    """
    moment = now or datetime.now(UTC)
    known = usage or read_usage(Path.cwd())
    report = Report()
    if known is None or not known.complete:
        report.notes.append(
            "which recordings are used isn't known: it is after a run of the whole suite with pytest (and this plugin), in "
            "which every test with a cassette passed"
        )
    scrubber = Scrubber(secrets_of_environment())
    for path in cassette_files(paths):
        report.files += 1
        report.problems += _secrets(path, scrubber)
        try:
            content = read_cassette(path)
        except (CassetteError, FileNotFoundError) as error:
            told = error.message.partition(": ")[2] if isinstance(error, CassetteError) else "it is gone"
            report.problems.append(_problem(path, "unreadable", told, "delete it, and record it again"))
            continue
        report.recordings += len(content.interactions)
        report.problems += [*_stale(path, content, moment, older_than), *_unused(path, content, known)]
    return report


def _problem(path: Path, kind: str, message: str, hint: str = "") -> Problem:
    return Problem(shown(path.absolute()), kind, message, hint or f"insights cassettes refresh {shown(path.absolute())}")


def _stale(path: Path, content: CassetteFile, now: datetime, older_than: int) -> Iterator[Problem]:
    ages = [age for item in content.interactions if (age := _days(item.recorded_at, now)) is not None]
    if ages and max(ages) > older_than:
        yield _problem(path, "old", f"recorded {max(ages)} days ago")
    seen: set[tuple[str, str]] = set()
    for item in content.interactions:
        model = item.provider, item.model
        if model in seen or not all(model):
            continue
        seen.add(model)
        gone = deprecated_since(*model, now.date())
        if gone is not None:
            yield _problem(
                path,
                "deprecated",
                f"{item.provider}/{item.model} is deprecated since {gone}",
                "ask another model, and record it again",
            )
        today = prices_today(*model)
        for name, price in item.prices.items():
            if name in today and today[name] != price:
                what = name.removeprefix("cost_").replace("_per_1k", "")
                yield _problem(
                    path,
                    "price",
                    f"{item.provider}/{item.model} cost {price} USD per 1,000 tokens ({what}) when recorded, now {today[name]}",
                )


def _days(recorded_at: str, now: datetime) -> int | None:
    try:
        moment = datetime.fromisoformat(recorded_at)
    except ValueError:
        return None
    return (now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).days


def _unused(path: Path, content: CassetteFile, usage: Usage | None) -> Iterator[Problem]:
    if usage is None:
        return
    found = usage.files().get(path.absolute())
    if found is None:
        if usage.complete:
            yield _problem(path, "unused", f"no test used it in the last full run ({usage.complete})", f"delete it: rm {path}")
        return
    used, total = found
    left = sorted(set(range(total)) - used)
    if left and total == len(content.interactions):
        numbers = ", ".join(str(index + 1) for index in left[:10]) + (", ..." if len(left) > 10 else "")
        yield _problem(path, "partly-played", f"{len(left)} of {total} recordings are never played: number {numbers}")


def _secrets(path: Path, scrubber: Scrubber) -> Iterator[Problem]:
    hint = "delete it, revoke the key, and record it again; what was pushed stays in the repository's history"
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return
    headers = sorted(set(_credential_headers(path)))
    if headers:
        yield _problem(path, "secret", f"it has headers that say who asked: {', '.join(headers)}", hint)
    elif scrubber.leaks(text) or _hidden(path, scrubber):
        yield _problem(path, "secret", "it has a key in it, or something in the shape of one", hint)


def _hidden(path: Path, scrubber: Scrubber) -> bool:
    """Whether there is a key behind escapes, compression or base64."""
    try:
        content = read_cassette(path)
    except (CassetteError, FileNotFoundError):
        return False
    for item in content.interactions:
        bodies = item.body, b"".join(item.response.pieces)
        if any(scrubber.leaks(body.decode("latin-1")) or scrubber.leaks_in_data(body) for body in bodies):
            return True
    return False


def _credential_headers(path: Path) -> Iterator[str]:
    """Headers with credentials and cookies in them, which other recorders keep."""
    import yaml

    try:
        data = yaml.load(path.read_bytes(), Loader=yaml_loader())  # noqa: S506  # a safe loader
        sides = [item[side].get("headers") or {} for item in data["interactions"] for side in ("request", "response")]
        pairs = [(str(name), value) for headers in sides if isinstance(headers, Mapping) for name, value in headers.items()]
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    for name, value in pairs:
        texts = [str(each) for each in (value if isinstance(value, list) else [value])]
        if is_credential(name) and not all(_MASKED.fullmatch(text) for text in texts):
            yield name.lower()
