"""Cassette files: what is in them, and that it comes back as it was."""

from __future__ import annotations

import gc
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from insights.cassettes.file import CassetteFile, Interaction, read_cassette, write_cassette
from insights.cassettes.readable import indented
from insights.cassettes.scrub import is_text
from insights.core.effects import Recorded
from insights.core.errors import CassetteError
from tests.unit.cassettes.tools import CHAT, interaction, raw


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
    one = interaction(b"{}", pieces)
    write_cassette(tmp_path / "deep" / "c.yaml", CassetteFile([one, one]))
    assert read_cassette(tmp_path / "deep" / "c.yaml").interactions == [one, one]


# What YAML has a meaning for, or no place for.
ODD = st.text(st.sampled_from("ab \n\r\t:#-{}[]'\"\\%|>&*!?,\x00\x7f\x85\ufeff\u2028\u2029\ufffe🙂"), max_size=12)


@example([b"\x1f\x8b"], b"")  # as gzip begins
@given(st.lists(ODD.map(str.encode) | st.binary(max_size=8), max_size=4), ODD.map(str.encode) | st.binary(max_size=8))
def test_any_bytes_come_back(pieces: list[bytes], body: bytes) -> None:
    one = Interaction("POST", CHAT, body, Recorded(200, {}, pieces))
    with tempfile.TemporaryDirectory() as folder:
        write_cassette(Path(folder, "c.yaml"), CassetteFile([one]))
        (found,) = read_cassette(Path(folder, "c.yaml")).interactions
    whole = b"".join(pieces)
    assert found.body == (indented(body.decode()).encode() if is_text(body) else body)
    assert b"".join(found.response.pieces) == (indented(whole.decode()).encode() if is_text(whole) else whole)
    if len(pieces) > 1 and b"".join(found.response.pieces) == whole:
        assert found.response.pieces == pieces


def test_json_is_set_for_reading_and_says_the_same(tmp_path: Path) -> None:
    body = rb'{"a":[1.50,{}],"b":"\u00e4\u0000","b":"twice"}'
    write_cassette(tmp_path / "c.yaml", CassetteFile([interaction(body, [body[:5], body[5:]], seconds=(0.25, 0.5))]))
    text = (tmp_path / "c.yaml").read_text()
    assert "    1.50,\n" in text
    assert "ä" not in text  # a string with what can't be shown stays as it was
    (found,) = read_cassette(tmp_path / "c.yaml").interactions
    assert json.loads(found.body) == json.loads(body)
    assert [json.loads(piece) for piece in found.response.pieces] == [json.loads(body)]  # no place of the cuts is left
    assert found.response.seconds == (0.5,)
    assert raw(tmp_path / "c.yaml")["interactions"][0]["request"]["headers"] == {"content-type": ["application/json"]}


def test_a_stream_keeps_its_pieces_and_their_times(tmp_path: Path) -> None:
    one = interaction(b"not json", [b"data: 1\n\n", b"data: 2\n\n"], seconds=(0.1, 0.25))
    write_cassette(tmp_path / "c.yaml", CassetteFile([one]))
    assert read_cassette(tmp_path / "c.yaml").interactions == [one]
    item = raw(tmp_path / "c.yaml")["interactions"][0]
    assert item["response"]["pieces"] == [9, 9]
    assert item["insights"] == {"seconds": [0.1, 0.25]}
    assert item["request"]["headers"] == {}
    assert "pieces: [9, 9]" in (tmp_path / "c.yaml").read_text()  # side by side, or a long stream fills the screen


def test_a_stream_left_early_says_so_at_its_end(tmp_path: Path) -> None:
    left = interaction(pieces=[b"data: 1\n\n", b"data: 2\n\n"])
    left = replace(left, response=replace(left.response, fault=LookupError()))
    write_cassette(tmp_path / "c.yaml", CassetteFile([left]))
    (found,) = read_cassette(tmp_path / "c.yaml").interactions
    assert isinstance(found.response.fault, CassetteError)
    assert "left early" in str(found.response.fault)


def test_the_file_says_where_it_is_from(tmp_path: Path) -> None:
    whole = CassetteFile(
        [interaction(b"{}", [b"x"])],
        {"what": "a test", "version": "3"},
        "somebody 1.0",
        ("tests/test_a.py::test_b", "tests/test_a.py::test_c"),
    )
    write_cassette(tmp_path / "c.yaml", whole)
    assert read_cassette(tmp_path / "c.yaml") == whole
    data = raw(tmp_path / "c.yaml")
    assert list(data) == ["version", "recorded_by", "recorded_from", "tests", "interactions"]
    assert data["version"] == 1
    write_cassette(tmp_path / "d.yaml", CassetteFile([]))
    data = raw(tmp_path / "d.yaml")
    assert data["recorded_from"]["what"]
    assert data["recorded_by"].startswith("insights ")
    assert "tests" not in data
    assert read_cassette(tmp_path / "d.yaml").interactions == []


def test_the_file_says_who_was_asked_when_and_for_what(tmp_path: Path) -> None:
    told: dict[str, Any] = {"provider": "openai", "model": "m", "meaning": "0" * 64, "recorded_at": "2026-01-31T12:00:00Z"}
    one = replace(interaction(b"{}", [b"x"]), **told)
    write_cassette(tmp_path / "c.yaml", CassetteFile([one]))
    assert read_cassette(tmp_path / "c.yaml").interactions == [one]
    assert told.items() <= raw(tmp_path / "c.yaml")["interactions"][0]["insights"].items()


def test_only_harmless_headers_are_kept(tmp_path: Path) -> None:
    headers = {
        "content-type": "application/json",
        "retry-after": "3",
        "set-cookie": "canary",
        "openai-organization": "canary",
        "x-request-id": "req_1",
        "date": "canary",
    }
    write_cassette(tmp_path / "c.yaml", CassetteFile([interaction(pieces=[b"x"], status=429, headers=headers)]))
    (found,) = read_cassette(tmp_path / "c.yaml").interactions
    assert found.response.headers == {"content-type": "application/json", "retry-after": "3", "x-request-id": "req_1"}
    assert found.response.status == 429
    assert "canary" not in (tmp_path / "c.yaml").read_text()


def test_the_garbage_collector_is_left_as_it_was(tmp_path: Path) -> None:
    write_cassette(tmp_path / "c.yaml", CassetteFile([interaction()]))
    read_cassette(tmp_path / "c.yaml")
    assert gc.isenabled()
    gc.disable()
    try:
        read_cassette(tmp_path / "c.yaml")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_cassette(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_an_empty_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(CassetteError, match=r"c\.yaml: it is empty") as raised:
        read_cassette(tmp_path / "c.yaml")
    assert raised.value.hint == "delete it, and record it again"


@pytest.mark.parametrize(
    "text",
    [
        "text",
        "[]",
        "interactions:",
        "interactions: 3",
        "interactions: [3]",
        "interactions: [{}]",
        "interactions: [{request: {}, response: {}}]",
        "interactions: [{request: {method: POST, uri: x}, response: {status: {code: abc}}}]",
        "interactions: [{request: {method: POST, uri: x, body: 3}, response: {status: 200}}]",
        "interactions: [{request: {method: POST, uri: 'http://[x'}, response: {status: 200}}]",
        "interactions: [{request: {method: POST, uri: x}, response: {status: 200, body: {string: x}, pieces: [a]}}]",
        "interactions: [{request: {method: POST, uri: x}, response: {status: 200}, insights: {seconds: [a]}}]",
        "{interactions: [], recorded_from: text}",
        "interactions: [",
        "interactions: !!python/object/apply:os.system [':']",
        "interactions: !!python/name:os.system",
        "[" * 50_000,
    ],
    ids=range(17),
)
def test_what_is_no_cassette(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(CassetteError, match=r"c\.yaml: (not a cassette|can't be read)") as raised:
        read_cassette(tmp_path / "c.yaml")
    assert raised.value.hint == "record it again"


def test_a_status_without_end(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("interactions: [{request: {method: POST, uri: x}, response: {status: .inf}}]")
    with pytest.raises(CassetteError):
        read_cassette(tmp_path / "c.yaml")


def test_damaged_text_and_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_bytes(b"interactions: \xff\xff")
    (tmp_path / "e.yaml").mkdir()
    for name in ("d.yaml", "e.yaml"):
        with pytest.raises(CassetteError, match="can't be read"):
            read_cassette(tmp_path / name)


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd")]
)
def test_which_one_is_at_fault_is_said(tmp_path: Path, number: int, said: str) -> None:
    items: list[Any] = [interaction()] * number
    items[-1] = interaction(b'{"a": "sk-%s"}' % (b"a1" * 8))
    with pytest.raises(CassetteError, match=f"its {said} request"):
        write_cassette(tmp_path / "c.yaml", CassetteFile(items))
