"""Bytes to events: whatever the pieces, the events are the same."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.adapters.models.frames import AWSFrames, Frames, Inflater, LineFrames, SSEFrames
from insights.core.errors import APIResponseValidationError
from tests.unit.adapters.answers import aws_event, aws_exception, aws_frame


def events(frames: Frames, *pieces: bytes) -> list[dict[str, Any]]:
    return [*itertools.chain.from_iterable(frames.feed(piece) for piece in pieces), *frames.end()]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


PLACES = st.lists(st.integers(0, 10_000), max_size=40)
# Everything a model may say, with what a careless reader takes for the end of a line or of the stream.
WORDS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(
        ["\u2028", "\u2029", "\u0085", "[DONE]", "data: [DONE]\n\n", "\r\n", "\x0b\x0c", "\x1c\x1d\x1e", ": x", "🎉", ""]
    ),
)
EVENTS = st.lists(st.fixed_dictionaries({"text": WORDS, "n": st.integers()}), max_size=8)


def as_sse(data: dict[str, Any], newline: bytes, *, ascii_only: bool) -> bytes:
    text = json.dumps(data, ensure_ascii=ascii_only).encode()
    return newline.join([b": a comment", b"event: message", b"id: 7", b"data: " + text, b"", b""])


@given(EVENTS, PLACES, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_sse_in_any_pieces(wanted: list[dict[str, Any]], places: list[int], newline: bytes, ascii_only: bool) -> None:
    body = b"".join(as_sse(event, newline, ascii_only=ascii_only) for event in wanted)
    body += b"data: [DONE]" + newline * 2
    assert events(SSEFrames(), *cut(body, places)) == wanted


@given(EVENTS, PLACES, st.booleans())
def test_lines_in_any_pieces(wanted: list[dict[str, Any]], places: list[int], ascii_only: bool) -> None:
    body = b"".join(json.dumps(event, ensure_ascii=ascii_only).encode() + b"\n" for event in wanted)
    assert events(LineFrames(), *cut(body, places)) == wanted


@given(EVENTS, PLACES)
def test_aws_frames_in_any_pieces(wanted: list[dict[str, Any]], places: list[int]) -> None:
    body = b"".join(aws_event("contentBlockDelta", event) for event in wanted)
    assert events(AWSFrames(), *cut(body, places)) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'data: {"a": 1}\n\n', [{"a": 1}]),
        (b'data:{"a": 1}\n\n', [{"a": 1}]),
        (b'data: {"a":\ndata: 1}\n\n', [{"a": 1}]),  # lines of one event are joined by a newline
        (b'data: {"a": 1}\n\ndata: {"a": 2}', [{"a": 1}, {"a": 2}]),  # the last blank line left out
        (b'data: {"a": 1}\n\ndata: {"a":', [{"a": 1}]),  # half an event
        (b'data: {"a": 1}\n\ndata: {"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b": ping\n\n", []),
        (b"event: ping\n\n", []),
        (b"data:\n\n", []),
        (b"data: \n\n", []),
        (b"data: [DONE]\n\n", []),
        (b'data: {"a": "[DONE]"}\n\n', [{"a": "[DONE]"}]),
        (b'data: [DONE]\n\ndata: {"a": 1}\n\n', [{"a": 1}]),
        (b"\n\n\n", []),
        (b"retry: 3000\n\n", []),
        (b"<html>\n\n</html>", []),
        (b"", []),
    ],
)
def test_sse(body: bytes, wanted: list[dict[str, Any]]) -> None:
    assert events(SSEFrames(), body) == wanted


def test_events_come_with_the_piece_that_completes_them() -> None:
    frames = SSEFrames()
    assert list(frames.feed(b'data: {"a": 1}\n')) == []
    assert list(frames.feed(b"\n")) == [{"a": 1}]


@pytest.mark.parametrize("frames", [SSEFrames, LineFrames])
@pytest.mark.parametrize("text", [b"{nonsense}", b"[1]", b"7", b'"x"', b"null", b"[" * 60_000, b"\xff\xfe"])
def test_an_event_that_is_no_json_object(frames: type[Frames], text: bytes) -> None:
    body = (b"data: " if frames is SSEFrames else b"") + text + b"\n\n"
    with pytest.raises(APIResponseValidationError, match="not") as caught:
        events(frames(), body)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\r\n\r\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\n{"a": ', [{"a": 1}]),
        (b"\n\n", []),
        (b"", []),
    ],
)
def test_lines(body: bytes, wanted: list[dict[str, Any]]) -> None:
    assert events(LineFrames(), body) == wanted


# ---------------------------------------------------------------- Amazon's frames


def test_an_exception_frame() -> None:
    (found,) = events(AWSFrames(), aws_exception("throttlingException", "slow down"))
    assert found == {"error": {"type": "throttlingException", "message": "slow down"}}


def test_an_error_frame() -> None:
    """Errors have code and message in the headers, and no payload."""
    frame = aws_frame(b"", **{":message-type": "error", ":error-code": "InternalError", ":error-message": "sorry"})
    assert events(AWSFrames(), frame) == [{"error": {"type": "InternalError", "message": "sorry"}}]


def test_wrapped_bytes() -> None:
    """InvokeModelWithResponseStream puts the model's own JSON into `bytes`, in base64."""
    inner = base64.b64encode(json.dumps({"completion": "Hi"}).encode()).decode()
    assert events(AWSFrames(), aws_event("chunk", {"bytes": inner})) == [{"completion": "Hi"}]


@pytest.mark.parametrize("place", [3, 9, -1, -20])
def test_a_damaged_frame(place: int) -> None:
    frame = bytearray(aws_event("contentBlockDelta", {"delta": {"text": "Hello there"}}))
    frame[place] ^= 0x01
    with pytest.raises(APIResponseValidationError, match="damaged"):
        # Another length in the prelude makes the reader wait for more; the checksum of the prelude tells.
        events(AWSFrames(), bytes(frame), aws_event("messageStop", {"stopReason": "end_turn"}))


def test_half_a_frame_gives_nothing() -> None:
    frame = aws_event("contentBlockDelta", {"delta": {"text": "Hello"}})
    assert events(AWSFrames(), frame, frame[:-5]) == [{"delta": {"text": "Hello"}}]


# ---------------------------------------------------------------- compression

PLAIN = b'{"choices": []}' * 50


def inflated(encoding: str, *pieces: bytes) -> bytes:
    inflater = Inflater(encoding)
    return b"".join(inflater.feed(piece) for piece in pieces)


@given(PLACES, st.sampled_from(["gzip", "x-gzip", "GZIP", " gzip ", "deflate"]))
def test_compressed_in_any_pieces(places: list[int], encoding: str) -> None:
    packed = zlib.compress(PLAIN) if encoding == "deflate" else gzip.compress(PLAIN)
    assert inflated(encoding, *cut(packed, places)) == PLAIN


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "", "identity", "br"])
def test_a_plain_body_whatever_the_header_says(encoding: str) -> None:
    assert inflated(encoding, PLAIN[:7], PLAIN[7:]) == PLAIN


def test_damaged_compression() -> None:
    packed = bytearray(gzip.compress(PLAIN))
    packed[12:20] = b"\xff" * 8
    with pytest.raises(APIResponseValidationError, match="compression"):
        inflated("gzip", bytes(packed))


def test_no_bytes_decide_nothing() -> None:
    assert inflated("gzip", b"", gzip.compress(PLAIN)) == PLAIN
