"""Cassette files: vcrpy's YAML format, version 1, so that vcrpy can read ours and we can read vcrpy's.

Read with PyYAML's safe loader, whatever vcrpy would allow; written atomically, scrubbed, and not at all when a key is left.
What vcrpy doesn't know (who was asked, when, and what for) stands under `insights`, beside the request and the response.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import importlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from insights._version import __version__
from insights.cassettes.readable import indented
from insights.cassettes.scrub import Scrubber, is_text, public_body, public_name, public_url
from insights.cassettes.writing import write_text
from insights.catalog.nodes import yaml_loader
from insights.core.effects import Recorded
from insights.core.errors import CassetteError

_LIVE: Final = {"what": "the hosts named in the requests"}


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its response. `recorded_at` is a UTC time in ISO 8601, `meaning` a fingerprint; see `match.py`."""

    method: str
    uri: str
    body: bytes
    response: Recorded
    provider: str = ""
    model: str = ""
    meaning: str = ""
    recorded_at: str = ""
    prices: Mapping[str, str] = field(default_factory=dict)
    """What the model cost then, in USD per 1,000 tokens."""


@dataclass(frozen=True, slots=True)
class CassetteFile:
    """What a file holds. `tests` are the pytest ids of the tests that recorded it, if some did."""

    interactions: list[Interaction]
    recorded_from: Mapping[str, str] = field(default_factory=dict)
    recorded_by: str = ""
    tests: tuple[str, ...] = ()


def read_cassette(path: Path) -> CassetteFile:
    """What a cassette holds.

    Raises:
        FileNotFoundError: there is no such file.
        CassetteError: it can't be read, or isn't a cassette.
    """
    import yaml

    try:
        with _no_collecting():
            data = yaml.load(path.read_bytes(), Loader=yaml_loader())  # noqa: S506  # a safe loader
    except FileNotFoundError:
        raise
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise CassetteError(f"{path}: can't be read: {type(error).__name__}: {error}", hint="record it again") from None
    if data is None:
        raise CassetteError(f"{path}: it is empty", hint="delete it, and record it again")
    try:
        return CassetteFile(
            [_interaction(item) for item in data["interactions"]],
            {str(name): str(value) for name, value in (data.get("recorded_from") or {}).items()},
            str(data.get("recorded_by") or ""),
            tuple(map(str, data.get("tests") or ())),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, zlib.error) as error:
        raise CassetteError(
            f"{path}: not a cassette in vcrpy's format ({type(error).__name__}: {error})", hint="record it again"
        ) from None


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """Without garbage collection: thousands of new objects set it off again and again, and each time it looks through all that
    litellm has loaded. What a file is read into has no circles."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _interaction(item: Mapping[str, Any]) -> Interaction:
    request, response, ours = item["request"], item["response"], item.get("insights") or {}
    urlsplit(request["uri"])  # a ValueError for what is none
    status = response["status"]
    body = _bytes(response.get("body"))
    headers = {str(name).lower(): _first(value) for name, value in (response.get("headers") or {}).items()}
    body = _decompressed(body, headers.pop("content-encoding", ""))
    early = "the recording ends here: this stream was left early when it was recorded"
    found = Recorded(
        int(status["code"] if isinstance(status, Mapping) else status),
        headers,
        _cut(body, response.get("pieces")),
        tuple(float(each) for each in ours.get("seconds") or ()),
        CassetteError(early, hint="record it again, reading the stream to its end") if ours.get("left_early") else None,
    )
    return Interaction(
        str(request["method"]),
        str(request["uri"]),
        _bytes(request.get("body")),
        found,
        **{name: str(ours.get(name) or "") for name in ("provider", "model", "meaning", "recorded_at")},
        prices={str(name): str(value) for name, value in (ours.get("prices") or {}).items()},
    )


def _bytes(body: Any) -> bytes:
    """A body in any of the ways vcrpy and other recorders write it."""
    if isinstance(body, Mapping):
        body = body.get("string", body.get("base64_string"))
    if isinstance(body, bytes):
        return body
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError(f"a body is a {type(body).__name__}")
    return _event_stream(body) or body.encode("utf-8", "surrogatepass")


def _event_stream(text: str) -> bytes | None:
    """AWS's binary event stream, which recorders that keep text only write as base64 or one character a byte."""
    try:
        if text[:1] == "\x00":
            data = text.encode("latin-1")
        elif text[:4] == "AAAA":  # base64 of the first bytes of a length
            data = base64.b64decode("".join(text.split()), validate=True)
        else:
            return None
    except ValueError:
        return None
    # A frame begins with its length, the length of its headers and a checksum over both (Amazon's event stream encoding).
    framed = len(data) >= 12 and zlib.crc32(data[:8]) == int.from_bytes(data[8:12])
    return data if framed else None


def _decompressed(body: bytes, coding: str) -> bytes:
    """A body without its compression; many cassettes have the header over a plain body, or the other way round."""
    coding = coding.strip().lower()
    if body[:3] == b"\x1f\x8b\x08" and len(body) >= 10:  # as long as the header is
        return zlib.decompressobj(31).decompress(body)  # a stream that was flushed may lack its trailer
    if coding == "deflate" and body[:1] == b"\x78":
        return zlib.decompressobj().decompress(body)
    return _by_package(body, coding) if coding in _PACKAGES and not is_text(body) else body


_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {"br": ("brotli", "brotlicffi"), "zstd": ("zstandard",)}


def _by_package(body: bytes, coding: str) -> bytes:
    for name in _PACKAGES[coding]:
        try:
            return bytes(importlib.import_module(name).decompress(body))
        except ImportError:
            continue
        except Exception as error:  # each of them has its own
            raise ValueError(f"a body is said to be compressed with {coding}, and isn't: {error}") from None
    raise ValueError(f"a body is compressed with {coding}: pip install {_PACKAGES[coding][0]}")


def _first(value: Any) -> str:
    value = value[0] if isinstance(value, list) and value else value or ""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _cut(body: bytes, lengths: Any) -> list[bytes]:
    """The body in the pieces it came in."""
    if not isinstance(lengths, list) or sum(lengths) != len(body) or min(lengths, default=0) < 0:
        return [body] if body else []
    pieces, start = [], 0
    for length in lengths:
        pieces.append(body[start : start + length])
        start += length
    return pieces


# ---------------------------------------------------------------- writing


def public(item: Interaction, scrubber: Scrubber) -> Interaction:
    """An interaction as it may be written."""
    response = scrubber.response(item.response, item.body)
    return replace(
        item, uri=public_url(item.uri), body=public_body(item.body), response=response, model=public_name(item.model)
    )


def write_cassette(path: Path, content: CassetteFile, secrets: Iterable[str] = ()) -> None:
    """Writes a cassette in one step, without keys and ids of accounts.

    Args:
        secrets: known keys, whatever their shape; see `Scrubber`.

    Raises:
        CassetteError: a key would be left in it, or it can't be written. The old file is kept.
    """
    import yaml

    scrubber = Scrubber(secrets)
    items = [public(item, scrubber) for item in content.interactions]
    data = {
        "version": 1,
        "recorded_by": content.recorded_by or f"insights {__version__}",
        "recorded_from": dict(content.recorded_from) or _LIVE,
        **({"tests": list(content.tests)} if content.tests else {}),
        "interactions": [_plain(item) for item in items],
    }
    text = yaml.dump(data, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=120)
    for number, item in enumerate(items, 1):
        whole = b"".join(item.response.pieces)
        # Bytes that aren't text stand in the file as base64, which hides a key from a look at the file alone.
        asked = item.uri, item.body.decode("latin-1")
        _see(path, f"in its {_nth(number)} request", scrubber.what_leaks(*asked) or scrubber.hidden(item.body))
        told = whole.decode("latin-1"), *item.response.headers.values()
        _see(path, f"in its {_nth(number)} answer", scrubber.what_leaks(*told) or scrubber.hidden(whole))
    # The id of a test may well have the shape of a key: "test_models[xai-grok-4-fast]".
    beside = scrubber.what_leaks(_TESTS.sub("", text, count=1)) or next(filter(scrubber.knows, content.tests), "")
    _see(path, "somewhere", beside and "a key")
    write_text(path, text)


_TESTS: Final = re.compile(r"^tests:\n(?:[- ] .*\n)+", re.MULTILINE)


def _see(path: Path, where: str, what: str) -> None:
    """Refuses what must not be written.

    Raises:
        CassetteError: there is something.
    """
    if what:
        hint = "take it out of the prompt, the parameters or the tools; the file is as it was"
        raise CassetteError(f"{path}: not written: {where} is {what}", hint=hint)


def _nth(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _dumper() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class BlockDumper(base):  # type: ignore[misc]  # whichever there is
        """Writes texts of several lines as such, and numbers side by side."""

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def items(dumper: Any, value: list[Any]) -> Any:
        flow = bool(value) and all(isinstance(each, int | float) for each in value)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)

    BlockDumper.add_representer(str, text)
    BlockDumper.add_representer(list, items)
    return BlockDumper


def _plain(item: Interaction) -> dict[str, Any]:
    response = item.response
    whole = b"".join(response.pieces)
    body, pieces = _readable(whole), [len(piece) for piece in response.pieces]
    ours: dict[str, Any] = {name: getattr(item, name) for name in ("provider", "model", "recorded_at", "meaning")}
    ours["prices"] = dict(item.prices)
    seconds = list(response.seconds)
    if isinstance(body, str) and body.encode() != whole:  # set anew, for reading: no stream
        pieces, seconds = [], seconds[-1:]
    ours |= {"seconds": seconds, "left_early": response.fault is not None}
    ours = {name: value for name, value in ours.items() if value}
    is_json = isinstance(_readable(item.body), str) and _is_json(item.body)
    return {
        "request": {
            "method": item.method,
            "uri": item.uri,
            "body": _readable(item.body),
            # The one header vcrpy needs: without it it compares JSON bodies by their bytes.
            "headers": {"content-type": ["application/json"]} if is_json else {},
        },
        "response": {
            "status": {"code": response.status, "message": ""},
            "headers": {name: [value] for name, value in response.headers.items()},
            "body": {"string": body},
            **({"pieces": pieces} if len(pieces) > 1 else {}),
        },
        **({"insights": ours} if ours else {}),
    }


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


# What YAML can't hold as text, or not as it is: it would come back as something else, or not at all.
_NOT_IN_YAML: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _readable(body: bytes) -> str | bytes:
    """A body as text where it is one, JSON with line breaks and indents."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    return body if _NOT_IN_YAML.search(text) else indented(text)
