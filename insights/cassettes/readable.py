"""JSON set for reading, without a change of what it says: not a number's digits, not the order, not a field given twice."""

from __future__ import annotations

import json
import re
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")
_INDENT: Final = "  "


def indented(text: str) -> str:
    """JSON objects and arrays over several lines; any other text as it is.

    >>> print(indented('{"a":[1.50,{}],"b":"x: y"}'))
    {
      "a": [
        1.50,
        {}
      ],
      "b": "x: y"
    }
    """
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    out: list[str] = []
    depth, last = 0, ""
    for token in _TOKEN.findall(text):
        if token in ("}", "]"):
            depth -= 1
            if last not in ("{", "["):
                out.append("\n" + _INDENT * depth)
        elif last in ("{", "[", ","):
            out.append("\n" + _INDENT * depth)
        out.append(_shown(token) if token[0] == '"' else ": " if token == ":" else token)
        if token in ("{", "["):
            depth += 1
        last = token
    return "".join(out)


def _shown(token: str) -> str:
    """A string with its letters in place of their escapes, where they can be shown."""
    if not _ESCAPE.search(token):
        return token
    value = json.loads(token)
    return json.dumps(value, ensure_ascii=False) if value.isprintable() else token
