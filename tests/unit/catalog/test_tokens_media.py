"""Tokens of images and files: the examples that providers publish, and sizes computed by hand."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.catalog.counting.media import size
from insights.catalog.tokens import count


def data_url(content: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def png(width: int, height: int) -> str:
    return data_url(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0" + b"\0" * 40)


def jpeg(width: int, height: int, before: bytes = b"", frame: int = 0xC0) -> str:
    start = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + before
    return data_url(start + bytes([0xFF, frame, 0, 17, 8]) + struct.pack(">HH", height, width) + b"\x03" * 20, "image/jpeg")


def webp(kind: bytes, rest: bytes) -> str:
    return data_url(b"RIFF\x64\0\0\0WEBP" + kind + b"\x58\0\0\0" + rest + b"\0" * 40, "image/webp")


EXIF = b"\xff\xe1" + struct.pack(">H", 30_002) + b"\xff\xc0" * 15_000  # a thumbnail's markers, which aren't the image's

SIZES = {
    "png": png(640, 480),
    "gif": data_url(b"GIF89a" + struct.pack("<HH", 640, 480) + b"\0" * 20, "image/gif"),
    "jpeg": jpeg(640, 480),
    "jpeg, progressive": jpeg(640, 480, frame=0xC2),
    "jpeg behind Exif": jpeg(640, 480, EXIF),
    "jpeg, padded": jpeg(640, 480, b"\xff\xff\xff\xfe\0\x04hi"),
    "webp, lossy": webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480)),
    "webp, lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
    "webp, extended": webp(b"VP8X", b"\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")),
    "plain base64": png(640, 480).partition(",")[2],
}


@pytest.mark.parametrize("url", SIZES.values(), ids=SIZES.keys())
def test_sizes_are_read_from_the_first_bytes(url: str) -> None:
    assert size(url) == (640, 480)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.com/a.png",
        "data:image/png;base64,",
        "data:image/png;base64",
        "data:image/png,%89PNG",
        "data:image/png;base64,****",
        data_url(b"\x89PNG\r\n\x1a\n"),
        png(0, 5),
        data_url(b"\xff\xd8\xff\xe0\0\x10JF"),
        data_url(b"\xff\xd8" + b"\0" * 50),
        data_url(b"RIFF\0\0\0\0WEBPVP9 " + b"\0" * 30),
        data_url(b"%PDF-1.7", "application/pdf"),
    ],
)
def test_what_has_no_size(url: str) -> None:
    assert size(url) is None


@given(st.binary(max_size=300), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF0000WEBPVP8X", b"\xff\xd8", b""]))
def test_no_header_is_too_odd(content: bytes, start: bytes) -> None:
    found = size(data_url(start + content))
    assert found is None or min(found) > 0


def image_tokens(provider: str, model: str, url: str, detail: str | None = None) -> tuple[int, int, int]:
    """What an image adds to a message: tokens, low, high."""
    image: dict[str, Any] = {"url": url, **({"detail": detail} if detail else {})}
    text = {"type": "text", "text": "What is this?"}
    with_image = count(provider, model, [{"role": "user", "content": [text, {"type": "image_url", "image_url": image}]}])
    without = count(provider, model, [{"role": "user", "content": [text, {"type": "text", "text": ""}]}])
    assert not with_image.exact
    assert with_image.low <= with_image.tokens <= with_image.high
    return with_image.tokens - without.tokens, with_image.low - without.low, with_image.high - without.high


# OpenAI's examples: 1024 x 1024 is 765 tokens, 2048 x 4096 is 1,105, low detail 85. The others by hand: 512 x 512 is one tile;
# 1 x 3000 is scaled to 2048 high, 4 tiles; 4000 x 4000 to 2048 and then to 768, 4 tiles.
@pytest.mark.parametrize(
    ("model", "width", "height", "detail", "tokens"),
    [
        ("gpt-4o", 1024, 1024, "high", 765),
        ("gpt-4o", 2048, 4096, "high", 1105),
        ("gpt-4o", 4096, 8192, "low", 85),
        ("gpt-4o", 512, 512, None, 255),
        ("gpt-4o", 1, 3000, "auto", 85 + 4 * 170),
        ("gpt-4o", 4000, 4000, None, 765),
        ("gpt-4.1", 1024, 1024, None, 765),
        ("gpt-4o-mini", 1024, 1024, "high", 2833 + 4 * 5667),
        ("gpt-5", 1024, 1024, "high", 70 + 4 * 140),
        ("o1", 1024, 1024, "high", 75 + 4 * 150),
        # "1024 x 1024 is 1,024 patches, 1800 x 2400 is 1,452": times the model's factor, rounded up.
        ("gpt-4.1-mini", 1024, 1024, None, 1659),
        ("gpt-4.1-mini", 1800, 2400, None, 2353),
        ("o4-mini", 1024, 1024, None, 1762),
        ("gpt-4.1-nano", 32, 33, None, 5),
    ],
)
def test_openais_images(model: str, width: int, height: int, detail: str | None, tokens: int) -> None:
    found, low, high = image_tokens("openai", model, png(width, height), detail)
    assert found == tokens
    assert low <= tokens <= high


# Anthropic's table: 200 x 200 some 54 tokens, 1000 x 1000 some 1,334, 1092 x 1092 some 1,590; larger ones are scaled down.
@pytest.mark.parametrize(
    ("model", "width", "height", "tokens"),
    [
        ("claude-sonnet-4-5", 200, 200, 54),
        ("claude-sonnet-4-5", 1000, 1000, 1334),
        ("claude-sonnet-4-5", 1092, 1092, 1590),
        ("claude-sonnet-4-5", 8000, 8000, 1600),
        ("claude-opus-4-8", 8000, 8000, 4784),
    ],
)
def test_claudes_images(model: str, width: int, height: int, tokens: int) -> None:
    found, low, high = image_tokens("anthropic", model, png(width, height))
    assert found == pytest.approx(tokens, abs=2)
    assert low <= tokens <= high


# Google: 258 where both sides are at most 384 px, above that 258 for each tile of 768 px; its example of 960 x 540 has 6.
@pytest.mark.parametrize(
    ("width", "height", "tokens", "most"),
    [(384, 384, 258, 258), (768, 768, 258, 258), (769, 1537, 6 * 258, 0), (960, 540, 516, 1548)],
)
def test_geminis_images(width: int, height: int, tokens: int, most: int) -> None:
    found, low, high = image_tokens("gemini", "gemini-2.5-flash", png(width, height))
    assert found == pytest.approx(tokens, abs=1)
    assert low <= 258
    assert high >= max(most, tokens)


@pytest.mark.parametrize(
    ("model", "least", "most"),
    [
        ("gpt-4o", 85, 85 + 8 * 170),
        ("gpt-4.1-mini", 1, 2489),
        ("gpt-5.4", 100, 10_000),
        ("claude-opus-4-8", 1, 4784),
        ("gemini-2.5-pro", 258, 258),
        ("gemini-3-pro-preview", 258, 1120),
        ("pixtral-large", 1, 4096),
    ],
)
def test_an_address_is_bounded(model: str, least: int, most: int) -> None:
    """The least and the most that an image of any size costs lie within the bounds."""
    _, low, high = image_tokens("openrouter", model, "https://example.com/a.png")
    assert low <= least
    assert high >= most


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "A" * 64_000, "format": "mp3"}},
        {"type": "input_audio", "input_audio": {}},
        {"type": "file", "file": {"file_data": data_url(b"%PDF-1.7 /Type /Page /Type /Pages /Type/Page", "application/pdf")}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": png(640, 480)}},
        {"type": "image_url", "image_url": png(640, 480)},
        {"type": "image_url", "image_url": None},
    ],
)
@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "llama-4-maverick"])
def test_other_media_are_bounded(part: dict[str, Any], model: str) -> None:
    found = count("openai", model, [{"role": "user", "content": [part]}])
    assert not found.exact
    assert 0 <= found.low < found.tokens < found.high


def test_pages_of_a_document_are_counted() -> None:
    def pdf(pages: int) -> int:
        url = data_url(b"%PDF-1.7 /Type /Pages " + b"/Type /Page " * pages, "application/pdf")
        return count(
            "gemini", "gemini-2.5-flash", [{"role": "user", "content": [{"type": "file", "file": {"file_data": url}}]}]
        ).tokens

    assert pdf(5) - pdf(2) == 3 * 258
