"""Cassettes of other hands: vcrpy's, and what others do to them."""

from __future__ import annotations

import base64
import gzip
import sys
import types
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from insights import use_cassette
from insights.cassettes.file import read_cassette
from insights.client import Client
from insights.core.effects import Recorded
from insights.core.errors import CassetteError
from tests.unit.cassettes.tools import CHAT, MODEL, prompt
from tests.unit.openai_wire import answer

URL = "https://x.example/v1/chat"


def foreign(path: Path, uri: str = URL, asked: str = "{}", **response: Any) -> Path:
    """A file as vcrpy writes it."""
    item = {
        "request": {"method": "POST", "uri": uri, "body": asked, "headers": {"Accept": ["*/*"]}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "answer"}, **response},
    }
    path.write_text(yaml.safe_dump({"interactions": [item], "version": 1}))
    return path


def response_of(path: Path) -> Recorded:
    (found,) = read_cassette(path).interactions
    return found.response


def test_vcrpys_form(tmp_path: Path) -> None:
    (found,) = read_cassette(foreign(tmp_path / "c.yaml", headers={"Content-Type": ["application/json"]})).interactions
    assert (found.method, found.uri, found.body) == ("POST", URL, b"{}")
    assert found.response == Recorded(200, {"content-type": "application/json"}, [b"answer"])


@pytest.mark.parametrize("status", [{"code": 429, "message": "Too Many Requests"}, 429, "429"])
def test_statuses(tmp_path: Path, status: Any) -> None:
    assert response_of(foreign(tmp_path / "c.yaml", status=status)).status == 429


@pytest.mark.parametrize("value", ["3", ["3"], [b"3"], b"3"])
def test_headers(tmp_path: Path, value: Any) -> None:
    headers = {"Retry-After": value, "X-Empty": [], "X-None": None}
    found = response_of(foreign(tmp_path / "c.yaml", headers=headers)).headers
    assert found["retry-after"] == "3"


@pytest.mark.parametrize(
    "body",
    [{"string": "answer"}, {"string": b"answer"}, {"base64_string": b"answer"}, "answer", b"answer"],
    ids=["text", "bytes", "vcrpy's old base64", "no mapping", "no mapping, bytes"],
)
def test_bodies(tmp_path: Path, body: Any) -> None:
    assert response_of(foreign(tmp_path / "c.yaml", body=body)).pieces == [b"answer"]


@pytest.mark.parametrize("body", [None, {}, {"string": None}, {"string": ""}])
def test_empty_bodies(tmp_path: Path, body: Any) -> None:
    assert response_of(foreign(tmp_path / "c.yaml", body=body)).pieces == []


@pytest.mark.parametrize("pieces", [[1, 2], [100], "all", [], {"a": 1}])
def test_lengths_that_do_not_fit_are_ignored(tmp_path: Path, pieces: Any) -> None:
    assert response_of(foreign(tmp_path / "c.yaml", pieces=pieces)).pieces == [b"answer"]


# ---------------------------------------------------------------- compression


def without_trailer(data: bytes) -> bytes:
    """gzip as a stream that was flushed and never ended."""
    made = zlib.compressobj(wbits=31)
    return made.compress(data) + made.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("name", "squeeze"),
    [
        ("gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("deflate", zlib.compress),
        ("gzip", without_trailer),
        ("", gzip.compress),
    ],
    ids=["gzip", "in capitals", "deflate", "without its trailer", "without a header"],
)
def test_compressed_bodies_are_read(tmp_path: Path, name: str, squeeze: Any) -> None:
    path = foreign(tmp_path / "c.yaml", headers={"Content-Encoding": [name]}, body={"string": squeeze(b"answer")})
    assert response_of(path) == Recorded(200, {}, [b"answer"])


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "identity", "nobody knows"])
def test_a_header_over_a_plain_body(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "c.yaml", headers={"Content-Encoding": name})
    assert response_of(path) == Recorded(200, {}, [b"answer"])


@pytest.mark.parametrize(("name", "module"), [("br", "brotli"), ("br", "brotlicffi"), ("zstd", "zstandard")])
def test_what_another_package_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    """None of these is a dependency; which one is there is used."""
    for known in ("brotli", "brotlicffi", "zstandard"):
        monkeypatch.setitem(sys.modules, known, None)
    stand_in = types.ModuleType(module)
    monkeypatch.setattr(stand_in, "decompress", lambda data: data[:0:-1], raising=False)
    monkeypatch.setitem(sys.modules, module, stand_in)
    path = foreign(tmp_path / "c.yaml", headers={"Content-Encoding": [name]}, body={"string": b"\xffrewsna"})
    assert response_of(path).pieces == [b"answer"]


def test_what_no_package_reads_is_named_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("brotli", "brotlicffi"):
        monkeypatch.setitem(sys.modules, known, None)
    path = foreign(tmp_path / "c.yaml", headers={"Content-Encoding": ["br"]}, body={"string": b"\xffx"})
    with pytest.raises(CassetteError, match="pip install brotli"):
        read_cassette(path)


def test_damaged_compression(tmp_path: Path) -> None:
    damaged = gzip.compress(b"answer")[:-9] + b"x" * 9
    foreign(tmp_path / "c.yaml", headers={"Content-Encoding": ["gzip"]}, body={"string": damaged})
    with pytest.raises(CassetteError, match="not a cassette"):
        read_cassette(tmp_path / "c.yaml")


# ---------------------------------------------------------------- AWS's event stream


def frame(payload: bytes) -> bytes:
    """One frame of Amazon's event stream encoding, without headers."""
    head = (16 + len(payload)).to_bytes(4, "big") + bytes(4)
    head += zlib.crc32(head).to_bytes(4, "big")
    return head + payload + zlib.crc32(head + payload).to_bytes(4, "big")


FRAMES = frame(b'{"a": "\xc3\xa4"}') + frame(b"x")


@pytest.mark.parametrize(
    "body",
    [
        FRAMES,
        FRAMES.decode("latin-1"),
        base64.b64encode(FRAMES).decode(),
        base64.encodebytes(FRAMES).decode(),
    ],
    ids=["bytes", "one character a byte", "base64", "base64 in lines"],
)
def test_event_streams_that_were_kept_as_text(tmp_path: Path, body: Any) -> None:
    assert response_of(foreign(tmp_path / "c.yaml", body={"string": body})).pieces == [FRAMES]


@pytest.mark.parametrize("text", ["AAAA is no base64", "AAAAAAAA", "AAAA" * 8, "\x00 text", "\x00" * 16, "\x00🙂"])
def test_texts_that_look_like_event_streams(tmp_path: Path, text: str) -> None:
    assert response_of(foreign(tmp_path / "c.yaml", body={"string": text})).pieces == [text.encode()]


def test_a_foreign_file_answers_by_the_body_alone(keyless: Client, tmp_path: Path) -> None:
    """Written by hand, with the header of a compression that nothing has; whoever asks in the same words gets it."""
    asked = prompt().decode()
    body = {"string": answer("Grüße").decode()}
    path = foreign(tmp_path / "c.yaml", CHAT, asked, headers={"content-encoding": ["br"]}, body=body)
    with use_cassette(path) as cassette:
        assert keyless.completion(MODEL, "Hi").text == "Grüße"
        assert cassette.all_played
