"""Faults in place of recorded answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from insights import Fault, use_cassette
from insights.cassettes.inject import KINDS, cut_short, read_faults
from insights.client import Client
from insights.core.effects import Recorded
from insights.core.errors import (
    APIConnectionError,
    BadRequestError,
    CassetteMissingError,
    InternalServerError,
    RateLimitError,
    Timeout,
    TruncatedStreamError,
)
from tests.unit.both import Read, ask, both
from tests.unit.cassettes.tools import MODEL, call, handmade, interaction, prompt, streamed, texts
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer, events

way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def tape(path: Path) -> Path:
    """One plain answer and one stream."""
    return handmade(path, interaction(pieces=[answer("Hello!")]), interaction(streamed(), events()))


def text_of(client: Client, awaiting: bool, stream: bool, **params: Any) -> str:
    if stream:
        return Read().run(client, awaiting, MODEL, **params).text
    return ask(client, awaiting, MODEL, **params).text


@both
@way
@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (429, RateLimitError, "injected by use_cassette"),
        (500, InternalServerError, "injected"),
        (Fault(503, message="too much to do"), InternalServerError, "too much to do"),
        ("timeout", Timeout, "injected"),
        (Fault("connection"), APIConnectionError, "injected"),
    ],
)
def test_each_kind(
    keyless: Client, tmp_path: Path, awaiting: bool, stream: bool, fault: Any, error: type[Exception], words: str
) -> None:
    with use_cassette(tape(tmp_path / "c.yaml"), inject=[fault]) as cassette:
        with pytest.raises(error, match=words) as raised:
            text_of(keyless, awaiting, stream, num_retries=0)
        assert (getattr(raised.value, "provider", ""), getattr(raised.value, "model", "")) == ("openai", "test-model")
        assert cassette.play_count == 0
        assert text_of(keyless, awaiting, stream) == "Hello!"  # the recording is still there


@both
def test_a_whole_answer_that_is_cut(keyless: Client, tmp_path: Path, awaiting: bool) -> None:
    with use_cassette(tape(tmp_path / "c.yaml"), inject=["cut"]) as cassette:
        with pytest.raises(APIConnectionError, match="before the whole answer had come"):
            ask(keyless, awaiting, MODEL, num_retries=0)
        assert cassette.play_count == 0
        assert ask(keyless, awaiting, MODEL).text == "Hello!"


@both
@pytest.mark.parametrize("as_one", [False, True])
def test_a_stream_that_is_cut(keyless: Client, tmp_path: Path, awaiting: bool, as_one: bool) -> None:
    pieces = [b"".join(events(["Hello, ", "world", "!"]))] if as_one else events(["Hello, ", "world", "!"])
    headers = {"content-type": "text/event-stream"}
    path = handmade(tmp_path / "c.yaml", interaction(streamed(), pieces, headers=headers))
    read = Read()
    with use_cassette(path, inject=[Fault("cut")]):
        with pytest.raises(TruncatedStreamError):
            read.run(keyless, awaiting, MODEL)
        assert read.text
        assert "Hello, world!".startswith(read.text)
        assert Read().run(keyless, awaiting, MODEL).text == "Hello, world!"


@both
@way
def test_a_retry_meets_the_next_entry(keyless: Client, tmp_path: Path, awaiting: bool, stream: bool) -> None:
    with use_cassette(tape(tmp_path / "c.yaml"), inject=[429, "timeout", None, 500]) as cassette:
        assert text_of(keyless, awaiting, stream, num_retries=2) == "Hello!"
        with pytest.raises(InternalServerError):
            text_of(keyless, awaiting, stream, num_retries=0)
        assert cassette.play_count == 1


def test_a_mapping_names_the_requests(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml", *[interaction(pieces=[answer("Hello!")])] * 2)
    with use_cassette(path, inject={2: 429}) as cassette:
        assert keyless.completion(MODEL, "Hi").text == "Hello!"
        with pytest.raises(RateLimitError):
            keyless.completion(MODEL, "Hi", num_retries=0)
        assert keyless.completion(MODEL, "Hi").text == "Hello!"
        assert cassette.all_played


@both
@way
def test_a_fallback_chain(keyless: Client, tmp_path: Path, awaiting: bool, stream: bool) -> None:
    body = streamed() if stream else prompt()
    other = interaction(body.replace(b"test-model", b"other-model"), events() if stream else [answer("Hello!")])
    with use_cassette(handmade(tmp_path / "c.yaml", other), inject=[503]) as cassette:
        chain = {"fallbacks": ["openai/other-model"], "num_retries": 0}
        if stream:
            found = Read().run(keyless, awaiting, MODEL, **chain).response
            assert found is not None
        else:
            found = ask(keyless, awaiting, MODEL, **chain)
        assert cassette.all_played
    assert found.text == "Hello!"
    assert [(a.model, a.status_code) for a in found.trace.attempts] == [("test-model", 503), ("other-model", 200)]


def test_retry_after_is_told(keyless: Client, tmp_path: Path) -> None:
    fault = Fault(429, retry_after=7.5)
    with use_cassette(tape(tmp_path / "c.yaml"), inject=[fault]), pytest.raises(RateLimitError) as raised:
        keyless.completion(MODEL, "Hi", num_retries=0)
    assert raised.value.retry_after == 7.5


def test_what_is_not_recorded_can_be_refused_but_not_cut(keyless: Client, tmp_path: Path) -> None:
    path = handmade(tmp_path / "c.yaml", interaction(prompt("else")))
    with use_cassette(path, inject=[500, "cut"]):
        with pytest.raises(InternalServerError):
            keyless.completion(MODEL, "Hi", num_retries=0)
        with pytest.raises(CassetteMissingError):
            keyless.completion(MODEL, "Hi", num_retries=0)


def test_while_recording_nothing_is_cut(client: Client, provider: Provider, tmp_path: Path) -> None:
    provider.will(answer("Hello!"))
    with use_cassette(tmp_path / "c.yaml", "record", inject=["cut"]):
        client.completion(MODEL, "Hi", api_base=provider.url)
    assert texts(tmp_path / "c.yaml") == ["Hello!"]


def test_a_cut_answer_counts_as_used(keyless: Client, tmp_path: Path) -> None:
    """A recording that only serves to be cut is no leftover."""
    with use_cassette(tape(tmp_path / "c.yaml"), inject=["cut"]) as cassette:
        with pytest.raises(APIConnectionError):
            keyless.completion(MODEL, "Hi", num_retries=0)
        assert cassette.tapes[0].usage() == ({0}, 2)


# ---------------------------------------------------------------- what may be given


@pytest.mark.parametrize("wrong", [200, 399, 600, True, 429.0, "reset", "", b"cut", [429], {"kind": 429}])
def test_a_fault_there_is_not(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="inject has no fault") as raised:
        use_cassette(tmp_path / "c.yaml", inject=[None, wrong])
    assert all(kind in str(raised.value.hint) for kind in ("400 to 599", *KINDS))


@pytest.mark.parametrize("wrong", ["timeout", b"cut", 429, None, {429}, iter([429]), Fault(429)])
def test_no_list_of_faults(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="inject is a list with one entry for each request"):
        use_cassette(tmp_path / "c.yaml", inject=wrong)


@pytest.mark.parametrize("number", [0, -1, "1", 1.0])
def test_no_number_of_a_request(tmp_path: Path, number: Any) -> None:
    with pytest.raises(BadRequestError, match="inject counts requests from 1, got"):
        use_cassette(tmp_path / "c.yaml", inject={number: 429})


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_status_asks_to_wait(kind: str) -> None:
    with pytest.raises(BadRequestError, match="has no retry_after"):
        Fault(kind, retry_after=1)


def test_what_is_read() -> None:
    assert read_faults(()) == {}
    assert read_faults([None, 400, None, "cut"]) == {2: Fault(400), 4: Fault("cut")}
    assert read_faults({3: Fault(599)}) == {3: Fault(599)}


@pytest.mark.parametrize(
    ("kind", "pieces", "kept", "fails"),
    [
        ("application/json", [b"abcdef"], [b"abc"], True),
        ("application/json", [], [b""], True),
        ("text/event-stream", [b"abcdef"], [b"abc"], False),
        ("application/vnd.amazon.eventstream", [b"ab", b"cd", b"ef"], [b"ab", b"cd"], False),
        ("application/x-ndjson", [b"a", b"bcdef"], [b"a"], False),
        ("application/json", [b"abcdef", b"g"], [b"abcdef"], False),
        ("", [b"", b"ab"], [b""], False),
    ],
)
def test_the_first_half(kind: str, pieces: list[bytes], kept: list[bytes], fails: bool) -> None:
    found = cut_short(Recorded(200, {"content-type": kind}, pieces, (0.1, 0.2)), call())
    assert found.pieces == kept
    assert isinstance(found.fault, APIConnectionError) == fails
