"""When a request is the recorded one: the same meaning, however it is written and whichever version of litellm wrote it.

Compared are the method, the URL and the body, in a canonical form that leaves out what says nothing: key order, white space,
escapes, the spelling of numbers, nulls, and ids that are made up anew on each run. Beside the body's, a recording of ours
has the fingerprint of the request as the library was asked for it, before litellm wrote it; either one is enough.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from insights.cache.key import ABSENT, changes, digest, plain_numbers
from insights.cassettes.scrub import SAID, is_credential_field, public_url
from insights.core.errors import BadRequestError
from insights.core.redact import MASK
from insights.core.request import canonical_json

# Names of what may count; vcrpy's, where it has them.
PARTS: Final = ("method", "scheme", "host", "port", "path", "query", "body")

_ROUND: Final = 60  # characters of a text shown around its first difference
_MOST_SHOWN: Final = 12  # differences; a request with more is simply another one
_MOST_COMPARED: Final = 5000  # recordings looked at for the nearest one

# Fields that hold the id of a tool call, in the providers' several spellings.
_CALL_IDS: Final = frozenset({"tool_call_id", "tool_use_id", "toolUseId", "call_id"})
# A thing with one of these beside its `id` is a tool call or its result; what stands below is the caller's own.
_CALL_MARKS: Final = frozenset({"function", "input", "arguments", "args", "response"})

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # what a terminal might obey


def canonical_body(body: bytes) -> Any:
    """A request's body for comparing: JSON data in canonical form, else the bytes."""
    try:
        return canonical_data(json.loads(body, parse_float=_finite, parse_constant=_finite))
    except (ValueError, RecursionError):  # no JSON, or deeper than these walks go
        return body


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"JSON has no {text}")
    return number


def canonical_data(data: Any) -> Any:
    """JSON data without what says nothing.

    >>> canonical_data({"b": 1.0, "a": None, "stream": False})
    {'b': 1}
    """
    data = plain_numbers(data)
    if not isinstance(data, Mapping):
        return _named_anew(data, None)
    names: dict[str, str] = {}
    return {
        name: _named_anew(value, names) if name in SAID else _named_anew({name: value}, None)[name]
        for name, value in data.items()
        if value is not None and not (name == "stream" and value is False)
    }


def _named_anew(value: Any, names: dict[str, str] | None) -> Any:
    """Without nulls. In what is said (`names` given) ids of tool calls are numbered as they appear, because some are made up
    on each run; beside it credentials are masked.
    """
    if isinstance(value, Mapping):
        call = any(mark in value for mark in _CALL_MARKS) and any(name in value for name in ("id", *_CALL_IDS))
        found: dict[str, Any] = {}
        for name, item in sorted(value.items(), key=lambda item: str(item[0])):  # ids are numbered whatever the order of keys
            if item is None:
                continue
            if isinstance(item, str) and names is not None and (name in _CALL_IDS or (call and name == "id")):
                found[name] = names.setdefault(item, f"call-{len(names) + 1}")
            elif isinstance(item, str) and names is None and is_credential_field(name):
                found[name] = MASK
            elif names is not None and call and name in _CALL_MARKS:
                found[name] = _without_nulls(item)
            else:
                found[name] = _named_anew(item, names)
        return found
    return [_named_anew(item, names) for item in value] if isinstance(value, list) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


class Matcher:
    """Says which requests are the same.

    Args:
        parts: the names of what counts, of `PARTS`.

    Raises:
        BadRequestError: a part there isn't.
    """

    def __init__(self, parts: Iterable[str] = PARTS) -> None:
        if not isinstance(parts, Iterable):
            raise BadRequestError(f"match_on is a list of names, got {parts!r}", hint=f"it takes {', '.join(PARTS)}")
        self._parts = frozenset([parts] if isinstance(parts, str) else map(str, parts))
        unknown = sorted(self._parts - frozenset(PARTS))
        if unknown:
            raise BadRequestError(f"match_on has no {unknown[0]!r}", hint=f"it takes {', '.join(PARTS)}")

    @property
    def reads_bodies(self) -> bool:
        """Whether what is asked counts."""
        return "body" in self._parts

    def head(self, method: str, url: str) -> list[str]:
        """What counts beside the body."""
        parts = urlsplit(public_url(url))
        try:
            port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        except ValueError:
            port = None
        said = {
            "method": method.upper(),
            "scheme": parts.scheme,
            "host": (parts.hostname or "").lower(),
            "port": str(port),
            "path": quote(parts.path, safe="/%:@!$&'()*+,;=~"),
            "query": canonical_json(sorted(parse_qsl(parts.query, keep_blank_values=True))),
        }
        return [value for name, value in said.items() if name in self._parts]

    def by_body(self, method: str, url: str, body: bytes) -> str:
        """The fingerprint of a request by its body."""
        head = self.head(method, url)
        if not self.reads_bodies:
            return digest(canonical_json(head))
        found = canonical_body(body)
        if isinstance(found, bytes):
            return digest(canonical_json([*head, "bytes", found.decode("latin-1")]))
        return digest(canonical_json([*head, "json", found]))

    def by_meaning(self, method: str, url: str, meaning: str) -> str:
        """The fingerprint of a request by the fingerprint of what it means."""
        return digest(canonical_json([*self.head(method, url), "meaning", meaning]))


def meaning_digest(meaning: Mapping[str, Any]) -> str:
    """The fingerprint of what is asked, in the library's own terms."""
    return digest(canonical_json(canonical_data(meaning)))


def nearest(recorded: Sequence[tuple[str, bytes]], url: str, body: bytes) -> tuple[int, list[str]] | None:
    """The recorded request nearest to one, and in what they differ, in lines to read; None where nothing is near.

    Args:
        recorded: URLs and bodies.
        url, body: those of the request that wasn't found.
    """
    asked = {"url": public_url(url), "body": _readable(body)}
    best: tuple[tuple[int, float], int, list[tuple[str, Any, Any]]] | None = None
    for index, (known_url, known_body) in enumerate(recorded[:_MOST_COMPARED]):
        known = {"url": public_url(known_url), "body": _readable(known_body)}
        try:
            found = list(changes(known, asked))
        except RecursionError:  # as deep as no request is
            continue
        score = len(found), -sum(map(_alike, found))
        if best is None or score < best[0]:
            best = score, index, found
    if best is None:
        return None
    _, index, found = best
    lines = [line for path, old, new in found[:_MOST_SHOWN] for line in _shown(path.removeprefix("body."), old, new)]
    if len(found) > _MOST_SHOWN:
        lines.append(f"... and {len(found) - _MOST_SHOWN} more")
    return index, lines


def _readable(body: bytes) -> Any:
    found = canonical_body(body)
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else found


def _alike(change: tuple[str, Any, Any]) -> float:
    _, old, new = change
    if not (isinstance(old, str) and isinstance(new, str)):
        return 0.0
    return difflib.SequenceMatcher(None, old[:2000], new[:2000]).quick_ratio()


def _shown(path: str, old: Any, new: Any) -> list[str]:
    """Two lines of a diff, cut to where the two values differ."""
    start = 0
    if isinstance(old, str) and isinstance(new, str):
        common = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        start = max(common - _ROUND // 2, 0)
    shown = _piece(old, start), _piece(new, start)
    if unicodedata.normalize("NFKC", shown[0]) == unicodedata.normalize("NFKC", shown[1]):
        shown = ascii(shown[0]), ascii(shown[1])  # they would look the same
    return [path, f"  - recorded: {shown[0]}", f"  + asked:    {shown[1]}"]


def _piece(value: Any, start: int) -> str:
    plain = value is ABSENT or isinstance(value, bytes)
    text = value if isinstance(value, str) else repr(value) if plain else json.dumps(value, ensure_ascii=False)
    end = start + 2 * _ROUND
    piece = text[start:end]
    if isinstance(value, str):
        piece = json.dumps(piece, ensure_ascii=False)
    piece = _CONTROLS.sub("?", piece)
    return f"{'...' if start else ''}{piece}{'...' if end < len(text) else ''}"
