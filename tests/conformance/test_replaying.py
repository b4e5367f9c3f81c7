"""The tests' own hands: that recordings are found and opened, said again as requests, and served as they were."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from . import recordings
from .recordings import Recording
from .requests import asked
from .samples_native import NATIVE_SAMPLES
from .samples_odd_bedrock import BEDROCK_ODDITIES
from .samples_odd_hosts import HOST_ODDITIES
from .samples_odd_native import NATIVE_ODDITIES
from .samples_openai import OPENAI_SAMPLES
from .server import Replay, pieces, sent_body, sent_headers, strings
from .wires import Wire, target_of, verb, wire_of

WRITTEN = [*OPENAI_SAMPLES, *NATIVE_SAMPLES, *HOST_ODDITIES, *NATIVE_ODDITIES, *BEDROCK_ODDITIES]
SAMPLES = {recording.row["file"]: recording for recording in WRITTEN}
PATH = "/v1/chat/completions"


@pytest.mark.parametrize("name", ["openai/text", "openai/busy", "bedrock/tool", "ollama/text"])
def test_what_is_served_is_what_was_recorded(name: str) -> None:
    recording = SAMPLES[name]
    with Replay(recording) as replay:
        connection = http.client.HTTPConnection(urlsplit(replay.url).netloc)
        for _ in range(2):
            connection.request("POST", recording.path, b'{"a": ["b", {"c": "d"}]}', {"Authorization": "Bearer k"})
            response = connection.getresponse()
            assert (response.status, response.read()) == (recording.status, recording.body)
        connection.close()
    assert [verb(request.target) for request in replay.received] == [verb(recording.path)] * 2
    assert replay.received[0].headers["authorization"] == "Bearer k"
    assert strings(replay.received[0]) == ["b", "d"]


def test_an_event_stream_is_found_in_whatever_way_it_was_stored(tmp_path: Path) -> None:
    body = SAMPLES["bedrock/text"].body
    stored = ["!!binary " + base64.b64encode(body).decode(), json.dumps(base64.b64encode(body).decode())]
    stored.append(json.dumps(body.decode("latin-1")))
    for number, text in enumerate(stored):
        cassette = tmp_path / f"{number}.yaml"
        cassette.write_text(
            "interactions:\n- request: {method: POST, uri: 'https://h/model/m/converse-stream', body: null}\n"
            f"  response: {{status: {{code: 200, message: OK}}, headers: {{}}, body: {{string: {text}}}}}\n",
            encoding="utf-8",
        )
        row = {"file": cassette.name, "status": "200", "streaming": "y", "provider": "bedrock"}
        assert recordings.load(tmp_path, row).body == body, number


def test_the_exchange_that_the_index_describes_is_taken(tmp_path: Path) -> None:
    def exchange(status: int, text: str) -> dict[str, Any]:
        request = {"method": "POST", "uri": f"https://h{PATH}", "body": '{"stream": true}'}
        return {"request": request, "response": {"status": {"code": status}, "headers": {}, "body": {"string": text}}}

    cassette = {"version": 1, "interactions": [exchange(500, "a"), exchange(429, "b"), exchange(429, "c")]}
    (tmp_path / "x.yaml").write_text(json.dumps(cassette), encoding="utf-8")  # JSON is YAML
    row = {"file": "x.yaml", "status": "429", "streaming": "y", "request": f"POST {PATH}"}
    assert recordings.load(tmp_path, row).body == b"b"


def test_streams_are_cut_inside_characters_and_lose_nothing() -> None:
    for recording in SAMPLES.values():
        cut = pieces(recording.body)
        assert b"".join(cut) == recording.body
        assert cut == pieces(recording.body)
    text = SAMPLES["openai/text"]
    assert any(piece[-1] >= 0xC0 for piece in pieces(text.body))
    assert len(pieces(text.body)) > 5


def test_the_server_names_a_coding_only_where_the_bytes_have_it() -> None:
    plain = dataclasses.replace(SAMPLES["openai/broken"], headers=(("Content-Encoding", "gzip"), ("X-Kept", "1")))
    assert sent_headers(plain, plain.body) == [("X-Kept", "1")]
    scenario = plain.row | {"scenario": "chat_gzip_header_but_plain_body"}
    telling = dataclasses.replace(plain, row=scenario)
    assert ("Content-Encoding", "gzip") in sent_headers(telling, telling.body)
    array = SAMPLES["gemini/array"]
    assert sent_body(array, "/x:streamGenerateContent?alt=sse").startswith(b"data: ")
    assert sent_body(array, "/x:streamGenerateContent") == array.body


@pytest.mark.parametrize(
    ("path", "wire", "last"),
    [
        ("/v1/chat/completions", Wire.OPENAI_CHAT, "completions"),
        ("/v2/chat", Wire.COHERE, "chat"),
        ("/api/chat", Wire.OLLAMA, "chat"),
        ("/model/a.b%3A0/converse-stream", Wire.CONVERSE, "converse-stream"),
        ("/model/x/invoke-with-response-stream", Wire.INVOKE, "invoke-with-response-stream"),
        ("/v1beta/models/g:streamGenerateContent", Wire.GEMINI, "streamGenerateContent"),
        ("/v1/messages", Wire.ANTHROPIC, "messages"),
        ("/v1/embeddings", None, "embeddings"),
    ],
)
def test_a_wire_is_told_by_its_path(path: str, wire: Wire | None, last: str) -> None:
    assert wire_of(path) is wire
    assert verb(path) == last


@pytest.mark.parametrize("body", [None, {}, {"messages": None}, {"messages": []}, {"contents": [], "input": None}])
@pytest.mark.parametrize("wire", list(Wire))
def test_an_odd_request_becomes_a_hello(wire: Wire, body: dict[str, Any] | None) -> None:
    recording = Recording({}, "https://h/x", body, 200, (), b"")
    assert asked(recording, wire).arguments()["messages"] == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_request_keeps_its_words_and_tools(name: str) -> None:
    recording = SAMPLES[name]
    wire = wire_of(recording.path)
    assert wire is not None
    arguments = asked(recording, wire).arguments()
    assert "Hauptstadt" in asked(recording, wire).last_words()
    told = {**arguments, **arguments.get("extra_body", {})}  # a provider's own tools are told in its own words
    assert ("tools" in told) is bool({"tools", "toolConfig"} & set(recording.request or {}))
    assert target_of(recording, wire).model
