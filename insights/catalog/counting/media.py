"""How many tokens images, sounds and documents in messages are, by the rules that providers publish.

The size of an image is read from its own first bytes, as they stand in a data URL. What only an address names is not
fetched: it is bounded.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from dataclasses import dataclass
from typing import Any, Final

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A number of tokens that is known within bounds."""

    tokens: float = 0
    low: float = 0
    high: float = 0

    def __add__(self, other: Span) -> Span:
        return Span(self.tokens + other.tokens, self.low + other.low, self.high + other.high)


# OpenAI, "Images and vision": tokens of an image at low detail and of each 512 px tile at high, by beginning of the name.
TILES: Final = (
    ("gpt-4o-mini", 2833, 5667),
    ("computer-use-preview", 65, 129),
    ("gpt-5", 70, 140),
    ("o1", 75, 150),
    ("o3", 75, 150),
    ("gpt-4", 85, 170),
    ("chatgpt-4o", 85, 170),
)
# The same page: models that count patches of 32 px, at most 1536, each so many tokens. gpt-5-mini is billed at 1.2 instead
# (measured by users of OpenAI's forum): that is the lower bound's.
PATCHES: Final = (
    ("gpt-4.1-mini", 1.62),
    ("gpt-4.1-nano", 2.46),
    ("o4-mini", 1.72),
    ("gpt-5-mini", 1.62),
    ("gpt-5-nano", 2.46),
)
MOST_PATCHES: Final = 1536
# Later models than gpt-5.1 take up to 10,000 patches, if asked for the original; what they bill is not published for all.
UNKNOWN_OPENAI: Final = Span(1000, 60, 25_000)

# Tokens of a second of sound: OpenAI 10, Gemini 32; of a byte at most, at 1 kB a second, which speech codecs reach.
SOUND_PER_BYTE: Final = Span(0.002, 0, 0.04)


def image(model: str, url: Any, detail: Any = None) -> Span:
    """Tokens of one image: `url` is an address or a data URL, `detail` OpenAI's `low`, `high` or `auto`."""
    found = size(url) if isinstance(url, str) else None
    name = model.lower().rpartition("/")[2]
    if "claude" in name:
        return claude(found, name)
    if "gemini" in name:
        return gemini(found, name)
    if re.match(r"gpt-|o\d|chatgpt|computer-use", name):
        return openai(found, name, detail)
    # Published rules of others lie between 28 px patches (Qwen, 1 token each) and Llama's tiles of 1,601 tokens, at most 5.
    if found is None:
        return Span(1000, 1, 16_384)
    area = found[0] * found[1]
    return Span(min(area / 750, 3000), min(area / 4000, 60), max(1601 * 5, min(area / 200, 16_384)))


def openai(found: Size | None, name: str, detail: Any = None) -> Span:
    """By tiles of 512 px or patches of 32 px, as the model's name says; an unknown model's are bounded only."""
    each = next((each for start, each in PATCHES if name.startswith(start)), None)
    if each is not None:
        most = MOST_PATCHES * each
        if found is None:
            return Span(most / 2, 1, most)
        tokens = _patches(found) * each
        low = 1 if detail == "low" else min(_patches((found[0] - 32, found[1] - 32)) * 1.2, tokens)
        return Span(tokens, low, min(tokens * 1.25 + 60, most * 1.05))
    if re.match(r"gpt-5\.[2-9]|gpt-[6-9]", name):
        return UNKNOWN_OPENAI
    base, tile = next(((base, tile) for start, base, tile in TILES if name.startswith(start)), (85, 170))
    if detail == "low":
        return Span(base, base, base)
    if found is None:
        return Span(base + 4 * tile, base, base + 16 * tile)
    tokens = base + tile * _tiles(found)
    # A pixel more or less after scaling can be a row of tiles; `auto` may be taken for `low`.
    low = base if detail in (None, "auto") else base + tile * _tiles((found[0] - 2, found[1] - 2))
    return Span(tokens, min(low, tokens), base + tile * _tiles((found[0] + 2, found[1] + 2), 770))


def _tiles(found: Size, short: float = 768) -> int:
    """Tiles of 512 px after scaling into 2048 x 2048 and then to a short side of 768; never up (a recording shows it)."""
    width, height = max(found[0], 1), max(found[1], 1)
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, short / (min(width, height) * scale))
    return max(math.ceil(width * scale / 512 - 1e-9), 1) * max(math.ceil(height * scale / 512 - 1e-9), 1)


def _patches(found: Size) -> int:
    """Patches of 32 px; an image of more than 1536 is scaled down to fit in them."""
    width, height = max(found[0], 1), max(found[1], 1)
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    if patches <= MOST_PATCHES:
        return patches
    scale = math.sqrt(32 * 32 * MOST_PATCHES / (width * height))
    across, down = width * scale / 32, height * scale / 32
    scale *= min(math.floor(across) / across, math.floor(down) / down)
    return min(math.ceil(width * scale / 32 - 1e-9) * math.ceil(height * scale / 32 - 1e-9), MOST_PATCHES)


def claude(found: Size | None, name: str) -> Span:
    """Anthropic, "Vision": width x height / 750 after scaling to a long side of 1568 px and some 1,600 tokens.

    Models from Opus 4.7 on: 2576 px and 4,784 tokens. Measured: 6 % above the rule.
    """
    older = re.search(r"claude-(3|instant|(sonnet|haiku|opus)-4($|@|-[0156]($|[-@])|-2\d{7}))", name)
    side, most = (1568, 1600) if older else (2576, 4784)
    if found is None:
        return Span(1500, 1, most * 1.1)
    width, height = found
    scale = min(1.0, side / max(width, height, 1))
    tokens = min(width * height * scale * scale / 750, most)
    return Span(tokens, min(tokens * 0.85, 1500), tokens * 1.15 + 60)


def gemini(found: Size | None, name: str) -> Span:
    """Google, "Understand and count tokens": 258 up to 384 px, above that 258 for each tile of 768 px.

    Gemini 3 counts by resolution instead: 1,120 by default, 2,240 at the most. Whole images are billed as one tile at times.
    """
    three = "gemini-3" in name or "gemini-4" in name
    if found is None:
        return Span(1120, 60, 2240) if three else Span(258, 258, 258 * 16)
    small = max(found) <= 384
    tiles = 1 if small else math.ceil(found[0] / 768) * math.ceil(found[1] / 768)
    # Tiles are cut smaller too, down to two thirds of the short side.
    unit = max(min(math.floor(min(found) / 1.5), 768), 256)
    most = max(tiles, 1 if small else math.ceil(found[0] / unit) * math.ceil(found[1] / unit))
    return Span(1120, 60, max(2240, 258 * most)) if three else Span(258 * tiles, 258, 258 * most + 4)


def sound(data: Any) -> Span:
    """Tokens of a sound, from its length in base64: 16 kB a second at 32 tokens, and wide bounds."""
    length = len(data) * 3 / 4 if isinstance(data, str) else 100_000
    return Span(length * SOUND_PER_BYTE.tokens, 0, length * SOUND_PER_BYTE.high + 60)


def document(model: str, data: Any) -> Span:
    """Tokens of a file: an image's, or those of a PDF's pages (Anthropic says 1,500 to 3,000 each, Google 258)."""
    if not isinstance(data, str):
        return Span(2000, 1, 200_000)
    if size(data):
        return image(model, data)
    content = _content(data, len(data))
    pages = len(re.findall(rb"/Type\s*/Page\b", content)) or 1
    each = 258 if "gemini" in model else 2000 if "claude" in model else 500
    return Span(pages * each, 1, pages * 6000 + len(content))


def size(url: str) -> Size | None:
    """Width and height of an image in a data URL (or in plain base64): PNG, JPEG, GIF or WebP; None for anything else."""
    head = _content(url, 64)
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return _whole(struct.unpack(">II", head[16:24]))
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return _whole(struct.unpack("<HH", head[6:10]))
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp(head)
        if head[:2] == b"\xff\xd8":
            return _jpeg(_content(url, 2_000_000))
    except (struct.error, IndexError):
        return None
    return None


def _content(url: str, length: int) -> bytes:
    """The first `length` bytes of what a data URL holds, or none."""
    if url[:5].lower() == "data:":
        comma = url.find(",", 0, 500)
        if comma < 0 or ";base64" not in url[:comma].lower():
            return b""
        start = comma + 1
    else:
        start = 0
    wanted = url[start : start + (length + 2) // 3 * 4]
    try:
        return base64.b64decode(wanted[: len(wanted) // 4 * 4] or b"", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _whole(pair: tuple[int, ...]) -> Size | None:
    return (pair[0], pair[1]) if pair[0] > 0 and pair[1] > 0 else None


def _webp(head: bytes) -> Size | None:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return _whole((width & 0x3FFF, height & 0x3FFF))
    return None


def _jpeg(data: bytes) -> Size | None:
    """The size in the frame header, behind the markers that come before it."""
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return _whole((width, height))
        else:
            place += 2 + int(struct.unpack(">H", data[place + 2 : place + 4])[0])
    return None
