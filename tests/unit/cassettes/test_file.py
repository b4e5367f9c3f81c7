"""Cassette files: what is in them, what never gets in, and what is read of other hands' files."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from insights.cassettes.file import Interaction, canonical_body, read_cassette, same_request, write_cassette
from insights.core.effects import WireCall
from insights.core.errors import CassetteError
from insights.core.effects import Recorded
from insights.core.redact import SecretStr

URL = "https://x.example/v1/chat"
KEY = "sk-" + "AbCdEf0123456789"
BODY = b'{"a": 1, "b": [2]}'


def interaction(body: bytes = BODY, pieces: list[bytes] | None = None, url: str = URL, **headers: str) -> Interaction:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Interaction("POST", url, body, Recorded(200, named, [b"answer"] if pieces is None else pieces))


def foreign(path: Path, **response: Any) -> Path:
    """A file as vcrpy writes it."""
    item = {
        "request": {"method": "POST", "uri": URL, "body": BODY.decode(), "headers": {"Accept": ["*/*"]}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "answer"}, **response},
    }
    path.write_text(yaml.safe_dump({"interactions": [item], "version": 1}))
    return path


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"one"],
        [b"o", b"ne", b"\n"],
        ["Grüße 🙂".encode()[:3], "Grüße 🙂".encode()[3:]],
        [b"\xff\xfe", b"\x00"],
        [b"", b"x"],
    ],
    ids=["none", "one", "three", "inside a letter", "binary", "an empty one"],
)
def test_written_and_read(tmp_path: Path, pieces: list[bytes]) -> None:
    one = interaction(pieces=pieces, content_type="text/event-stream")
    write_cassette(tmp_path / "deep" / "c.yaml", [one, one], {"what": "a test"})
    found = read_cassette(tmp_path / "deep" / "c.yaml")
    assert found == [one, one]


def test_the_file_says_where_it_is_from(tmp_path: Path) -> None:
    write_cassette(tmp_path / "c.yaml", [interaction()], {"what": "a test", "version": "3"})
    data = yaml.safe_load((tmp_path / "c.yaml").read_text())
    assert data["version"] == 1
    assert data["recorded_from"] == {"what": "a test", "version": "3"}
    assert data["recorded_by"].startswith("insights ")
    write_cassette(tmp_path / "d.yaml", [], {})
    assert yaml.safe_load((tmp_path / "d.yaml").read_text())["recorded_from"]["what"]
    assert read_cassette(tmp_path / "d.yaml") == []


def test_only_harmless_headers_are_kept(tmp_path: Path) -> None:
    headers = {
        "content-type": "application/json",
        "retry-after": "3",
        "set-cookie": "canary",
        "openai-organization": "canary",
        "x-request-id": "req_1",
        "date": "canary",
    }
    write_cassette(tmp_path / "c.yaml", [Interaction("POST", URL, BODY, Recorded(429, headers, [b"x"]))], {})
    (found,) = read_cassette(tmp_path / "c.yaml")
    assert found.response.headers == {"content-type": "application/json", "retry-after": "3", "x-request-id": "req_1"}
    assert found.response.status == 429
    assert "canary" not in (tmp_path / "c.yaml").read_text()


@pytest.mark.parametrize(
    "leaking",
    [
        interaction(body=b'{"messages": [{"content": "my key is %s"}]}' % KEY.encode()),
        interaction(body=b'{"messages": [{"content": "my key:\\n%s"}]}' % KEY.encode()),
        interaction(pieces=[b"You sent " + KEY.encode()]),
        interaction(pieces=[b"You sent " + KEY[:9].encode(), KEY[9:].encode()]),
        interaction(pieces=[b"\xff You sent " + KEY.encode()]),
        interaction(body=b"\xff " + KEY.encode()),
        interaction(url=URL + "?key=abc"),
        interaction(x_request_id=KEY),
    ],
    ids=["prompt", "behind a newline", "answer", "across pieces", "binary answer", "binary request", "query", "header"],
)
def test_a_key_is_not_written_and_the_old_file_stays(tmp_path: Path, leaking: Interaction) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("the old file")
    with pytest.raises(CassetteError, match="shape of a key") as raised:
        write_cassette(path, [interaction(), leaking], {})
    assert KEY not in str(raised.value)
    assert path.read_text() == "the old file"
    assert [item.name for item in tmp_path.iterdir()] == ["c.yaml"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.mkdir()  # a directory can't be replaced by a file
    with pytest.raises(OSError, match=r"c\.yaml"):
        write_cassette(path, [interaction()], {})
    assert [item.name for item in tmp_path.iterdir()] == ["c.yaml"]


# ---------------------------------------------------------------- other hands' files


def test_vcrpys_form(tmp_path: Path) -> None:
    (found,) = read_cassette(foreign(tmp_path / "c.yaml", headers={"Content-Type": ["application/json"]}))
    assert found == interaction(content_type="application/json")


@pytest.mark.parametrize("status", [{"code": 429, "message": "Too Many Requests"}, 429, "429"])
def test_statuses(tmp_path: Path, status: Any) -> None:
    assert read_cassette(foreign(tmp_path / "c.yaml", status=status))[0].response.status == 429


@pytest.mark.parametrize(("name", "squeeze"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)])
def test_compressed_bodies_are_read(tmp_path: Path, name: str, squeeze: Any) -> None:
    path = foreign(tmp_path / "c.yaml", headers={"Content-Encoding": [name]}, body={"string": squeeze(b"answer")})
    (found,) = read_cassette(path)
    assert found.response == Recorded(200, {}, [b"answer"])


def test_a_header_over_a_plain_body(tmp_path: Path) -> None:
    (found,) = read_cassette(foreign(tmp_path / "c.yaml", headers={"Content-Encoding": "gzip"}))
    assert found.response == Recorded(200, {}, [b"answer"])


@pytest.mark.parametrize("body", [None, {}, {"string": None}, {"string": ""}])
def test_empty_bodies(tmp_path: Path, body: Any) -> None:
    assert read_cassette(foreign(tmp_path / "c.yaml", body=body))[0].response.pieces == []


@pytest.mark.parametrize("pieces", [[1, 2], [100], "all", [], {"a": 1}])
def test_lengths_that_do_not_fit_are_ignored(tmp_path: Path, pieces: Any) -> None:
    assert read_cassette(foreign(tmp_path / "c.yaml", pieces=pieces))[0].response.pieces == [b"answer"]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="no such cassette") as raised:
        read_cassette(tmp_path / "none.yaml")
    assert "mode='record'" in str(raised.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "[]",
        "interactions:",
        "interactions: 3",
        "interactions: [3]",
        "interactions: [{}]",
        "interactions: [{request: {}, response: {}}]",
        "interactions: [{request: {method: POST, uri: x}, response: {status: {code: abc}}}]",
        "interactions: [{request: {method: POST, uri: x}, response: {status: 200, body: text}}]",
        "interactions: [{request: {method: POST, uri: x}, response: {status: 200, body: {string: x}, pieces: [a]}}]",
        "interactions: [",
        "interactions: !!python/object/apply:os.system [':']",
        "interactions: !!python/name:os.system",
        "[" * 50_000,
    ],
    ids=range(15),
)
def test_what_is_no_cassette(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(CassetteError, match=r"c\.yaml: (not a cassette|can't be read)"):
        read_cassette(tmp_path / "c.yaml")


def test_damaged_compression_and_damaged_text(tmp_path: Path) -> None:
    foreign(
        tmp_path / "c.yaml", headers={"Content-Encoding": ["gzip"]}, body={"string": gzip.compress(b"answer")[:-9] + b"x" * 9}
    )
    with pytest.raises(CassetteError, match="not a cassette"):
        read_cassette(tmp_path / "c.yaml")
    (tmp_path / "d.yaml").write_bytes(b"interactions: \xff\xff")
    with pytest.raises(CassetteError, match="can't be read"):
        read_cassette(tmp_path / "d.yaml")
    (tmp_path / "e.yaml").mkdir()
    with pytest.raises(CassetteError, match="can't be read"):
        read_cassette(tmp_path / "e.yaml")


# ---------------------------------------------------------------- which request it is


def call(url: str = URL, content: bytes = BODY, method: str = "POST") -> WireCall:
    return WireCall(url, {"Authorization": "Bearer x"}, content, method)


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        (interaction(), call()),
        (interaction(), call(content=b'{"b":[2],"a":1}')),
        (interaction(url=URL + "?a=1&b=2"), call(URL + "?b=2&a=1")),
        (interaction(body=b"not json"), call(content=b"not json")),
    ],
)
def test_the_same_request(recorded: Interaction, asked: WireCall) -> None:
    assert same_request(recorded, asked)


@pytest.mark.parametrize(
    "asked",
    [
        call(method="GET"),
        call("http://x.example/v1/chat"),
        call("https://y.example/v1/chat"),
        call("https://x.example:8443/v1/chat"),
        call(URL + "/x"),
        call(URL + "?a=1"),
        call(content=b'{"a": 1, "b": [3]}'),
        call(content=b"not json"),
        call(content=b""),
    ],
)
def test_another_request(asked: WireCall) -> None:
    assert not same_request(interaction(), asked)


def test_bodies() -> None:
    assert canonical_body(b'{"a": 1}') == {"a": 1}
    assert canonical_body(b"\xff") == b"\xff"


ODD_KEY = "0123456789-of-no-known-shape"


@pytest.mark.parametrize(
    "leaking",
    [
        interaction(body=b'{"a": "%s"}' % ODD_KEY.encode()),
        interaction(pieces=[b"You sent " + ODD_KEY[:9].encode(), ODD_KEY[9:].encode()]),
        interaction(pieces=[b"\xff " + ODD_KEY.encode()]),
        interaction(url=f"{URL}?token={ODD_KEY}"),
        interaction(x_request_id=ODD_KEY),
    ],
    ids=["request", "across pieces", "binary answer", "query", "header"],
)
def test_the_very_key_that_was_used_is_not_written(tmp_path: Path, leaking: Interaction) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("the old file")
    with pytest.raises(CassetteError, match="not written") as raised:
        write_cassette(path, [interaction(), leaking], {}, [SecretStr("another-key"), SecretStr(ODD_KEY)])
    assert path.read_text() == "the old file"
    assert [file.name for file in tmp_path.iterdir()] == ["c.yaml"]
    assert ODD_KEY not in str(raised.value)
    write_cassette(path, [leaking], {}, [SecretStr("another-key")])  # only because of that key
    assert read_cassette(path) == [leaking]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    path = tmp_path / "a-file" / "deep" / "c.yaml"
    with pytest.raises(CassetteError, match="can't be written") as raised:
        write_cassette(path, [interaction()], {})
    assert raised.value.message.startswith(f"{path}: ")
    assert raised.value.hint == "choose another path"
