"""Cassette files: vcrpy's YAML format, version 1, so that vcrpy can read ours and we can read vcrpy's.

Read with PyYAML's safe loader, whatever vcrpy would allow; written atomically, with allow-listed headers only, and not at
all when something in it has the shape of a key.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from insights._version import __version__
from insights.catalog.loader import yaml_loader
from insights.core.effects import WireCall
from insights.core.errors import CassetteError
from insights.core.intercept import Recorded
from insights.core.redact import SecretStr, redact

# What a replay needs of a response's head. Everything else may name accounts, sessions or machines.
KEPT_HEADERS: Final = ("content-type", "retry-after", "retry-after-ms", "x-request-id", "request-id", "x-should-retry")


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its response."""

    method: str
    uri: str
    body: bytes
    response: Recorded


def canonical_body(body: bytes) -> Any:
    """A request's body for comparing: JSON without regard to key order and white space, else the bytes."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def same_request(interaction: Interaction, call: WireCall) -> bool:
    """Whether a recording is of this request: method, scheme, host, path, query and canonical body."""
    if interaction.method != call.method:
        return False
    one, two = urlsplit(interaction.uri), urlsplit(call.url)
    if (one.scheme, one.netloc, one.path) != (two.scheme, two.netloc, two.path):
        return False
    if sorted(parse_qsl(one.query)) != sorted(parse_qsl(two.query)):
        return False
    return bool(canonical_body(interaction.body) == canonical_body(call.content))


def read_cassette(path: Path) -> list[Interaction]:
    """The interactions of a cassette.

    Raises:
        CassetteError: there is no such file, or it isn't a cassette.
    """
    import yaml

    try:
        data = yaml.load(path.read_bytes(), Loader=yaml_loader())  # noqa: S506  # a safe loader
    except FileNotFoundError:
        raise CassetteError(
            f"{path}: there is no such cassette",
            hint=f"record it: use_cassette({str(path)!r}, mode='record'), with a key set",
        ) from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise CassetteError(f"{path}: can't be read: {type(error).__name__}: {error}", hint="record it again") from None
    try:
        return [_interaction(item) for item in data["interactions"]]
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise CassetteError(
            f"{path}: not a cassette in vcrpy's format ({type(error).__name__}: {error})", hint="record it again"
        ) from None


def _interaction(item: Mapping[str, Any]) -> Interaction:
    request, response = item["request"], item["response"]
    body = _bytes((response.get("body") or {}).get("string"))
    headers = {str(name).lower(): _first(value) for name, value in (response.get("headers") or {}).items()}
    if headers.pop("content-encoding", "").lower() in ("gzip", "deflate") and body[:1] in (b"\x1f", b"\x78"):
        body = zlib.decompress(body, 47)
    pieces = _cut(body, response.get("pieces"))
    status = response["status"]
    code = status["code"] if isinstance(status, Mapping) else status
    return Interaction(request["method"], request["uri"], _bytes(request.get("body")), Recorded(int(code), headers, pieces))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()


def _first(value: Any) -> str:
    return str(value[0]) if isinstance(value, list) and value else str(value or "")


def _cut(body: bytes, lengths: Any) -> list[bytes]:
    """The body in the pieces it came in."""
    if not isinstance(lengths, list) or sum(lengths) != len(body):
        return [body] if body else []
    pieces, start = [], 0
    for length in lengths:
        pieces.append(body[start : start + length])
        start += length
    return pieces


def write_cassette(
    path: Path, interactions: Sequence[Interaction], recorded_from: Mapping[str, str], secrets: Iterable[SecretStr] = ()
) -> None:
    """Writes a cassette in one step.

    Args:
        secrets: the keys the recorded calls were made with, whatever their shape.

    Raises:
        CassetteError: a key would be in it; the old file is kept.
    """
    import yaml

    data = {
        "version": 1,
        "recorded_by": f"insights {__version__}",
        "recorded_from": dict(recorded_from) or {"what": "the hosts named in the requests"},
        "interactions": [_plain(item) for item in interactions],
    }
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    # Bytes that aren't text stand in the file as base64, which hides a key from a look at the file alone.
    binary = [body.decode("latin-1") for item in interactions for body in (item.body, b"".join(item.response.pieces))]
    if any(redact(part, *secrets) != part for part in (text, *binary)):
        raise CassetteError(
            f"{path}: not written: something in it has the shape of a key", hint="take the key out of the request"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CassetteError(f"{path}: can't be written: {error.strerror}", hint="choose another path") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _plain(item: Interaction) -> dict[str, Any]:
    response = item.response
    body = b"".join(response.pieces)
    return {
        "request": {"method": item.method, "uri": item.uri, "body": _readable(item.body), "headers": _kind(item.body)},
        "response": {
            "status": {"code": response.status, "message": ""},
            "headers": {name: [response.headers[name]] for name in KEPT_HEADERS if name in response.headers},
            "body": {"string": _readable(body)},
            **({"pieces": [len(piece) for piece in response.pieces]} if len(response.pieces) > 1 else {}),
        },
    }


def _kind(body: bytes) -> dict[str, list[str]]:
    """The one header vcrpy needs: without it it compares JSON bodies by their bytes."""
    return {} if isinstance(canonical_body(body), bytes) else {"content-type": ["application/json"]}


def _readable(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
