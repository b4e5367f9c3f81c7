"""OpenAI's vocabularies, read from the files that litellm brings along: never a download.

tiktoken's own loader fetches a vocabulary that it doesn't find, or whose file it finds damaged. So the files are read here,
and tiktoken is given what is in them.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ENCODING: Final = "o200k_base"  # OpenAI's since gpt-4o; others' vocabularies are of the same order of size
OLD_ENCODING: Final = "cl100k_base"

# How tiktoken (0.14, tiktoken_ext/openai_public.py) cuts a text into pieces before it looks them up.
_UPPER: Final = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER: Final = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_REST: Final = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_OLD: Final = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


@dataclass(frozen=True)
class _File:
    """Where tiktoken looks for it (the sha1 of its address), what is in it (sha256), how it cuts, what it adds."""

    name: str
    digest: str
    pattern: str
    special: dict[str, int]


_FILES: Final = {
    ENCODING: _File(
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        f"{_UPPER}*{_LOWER}+{_SHORT}|{_UPPER}+{_LOWER}*{_SHORT}|{_REST}",
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    OLD_ENCODING: _File(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        _OLD,
        {"<|endoftext|>": 100257},
    ),
}

# Bytes of one token: about 4 in English. The longest tokens of o200k_base, runs of spaces, have 128.
BYTES_EACH: Final = 4
BYTES_MOST: Final = 128

# tiktoken below 0.12 takes time with the square of a piece that nothing cuts, and every version gives up on a million spaces
# in a row. So longer runs than this are cut, which may cost a token at each cut.
RUN: Final = 1000
_RUNS: Final = re.compile(rf"(?<![^\W\d_])[^\W\d_]{{{RUN},}}|(?<!\s)\s{{{RUN},}}|(?<![^\w\s])(?<!_)(?:[^\w\s]|_){{{RUN},}}")
_RUN: Final = re.compile(r"[^\W\d_]+|\s+|(?:[^\w\s]|_)+")
_DIGITS: Final = bytes(set(range(256)) - set(b"0123456789"))
_WIDE: Final = bytes(range(128))


_loaded: dict[str, Any] = {}
_mutex = threading.Lock()


def encoding(name: str = ENCODING) -> Any:
    """tiktoken's encoding of this name; None where its vocabulary isn't on this machine, or is damaged.

    Loading takes some 0.2 s, once in a process, whichever thread comes first.
    """
    if name not in _loaded:
        with _mutex:
            if name not in _loaded:
                _loaded[name] = _load(_FILES[name], name)
    return _loaded[name]


def _load(file: _File, name: str) -> Any:
    for folder in _folders():
        try:
            content = (folder / file.name).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == file.digest:
            import tiktoken

            ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, content.splitlines())}
            return tiktoken.Encoding(name, pat_str=file.pattern, mergeable_ranks=ranks, special_tokens=file.special)
    return None


def _folders() -> Iterable[Path]:
    found = importlib.util.find_spec("litellm")
    for place in (found.submodule_search_locations if found is not None else None) or ():
        yield Path(place, "litellm_core_utils", "tokenizers")
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of a text: its tokens, and what other vocabularies cut finer than OpenAI's do."""

    tokens: int = 0
    low: int = 0  # the same as `tokens` where a vocabulary counted
    high: int = 0
    wide: int = 0  # bytes of characters outside ASCII
    digits: int = 0
    whole: bool = True  # counted by a vocabulary, in one piece

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.tokens + other.tokens,
            self.low + other.low,
            self.high + other.high,
            self.wide + other.wide,
            self.digits + other.digits,
            self.whole and other.whole,
        )


def tally(text: str, name: str = ENCODING) -> Tally:
    """Count a text by the vocabulary `name`; by its bytes where there is none. Special tokens are text like other text."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half a pair of surrogates: no UTF-8 of it, so it can't be sent as it is either
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        data = text.encode()
    wide, digits = len(data.translate(None, _WIDE)), len(data.translate(None, _DIGITS))
    counter = encoding(name)
    if counter is None:
        least = -(-len(data) // BYTES_MOST)
        return Tally(-(-len(data) // BYTES_EACH), least, len(data), wide, digits, whole=not data)
    pieces = _cut(text)
    tokens = sum(len(counter.encode_ordinary(piece)) for piece in pieces)
    cuts = len(pieces) - 1
    return Tally(tokens, max(tokens - 2 * cuts, 0), tokens + cuts, wide, digits, whole=not cuts)


def _cut(text: str) -> list[str]:
    """The text, or its parts where a run in it is longer than `RUN` characters."""
    half = RUN // 2  # a longer run fills one of these; looking at their beginnings is cheap
    for start in range(0, len(text) - half + 1, half):
        found = _RUN.match(text, start, start + half)
        if found is not None and found.end() == start + half:
            break
    else:
        return [text]
    pieces, start = [], 0
    for run in _RUNS.finditer(text):
        for end in range(run.start() + RUN, run.end(), RUN):
            pieces.append(text[start:end])
            start = end
    return [*pieces, text[start:]]
