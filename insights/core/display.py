"""How an answer shows itself in a notebook: its text rendered, and one quiet line below."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from decimal import Decimal

    from insights.core.types import ModelResponse

_FENCE: Final = re.compile(r"(`{3,})[^`]*")
_SPAN: Final = re.compile(r"(`[^`]+`)")


def short(amount: Decimal) -> str:
    """An amount, written out, without zeros at its end, whatever the caller's decimal context.

    >>> from decimal import Decimal
    >>> short(Decimal("0.00021000"))
    '0.00021'
    """
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def inert(text: str) -> str:
    """Markdown whose HTML is shown instead of run: an answer is data. Code already shows `<` as it is.

    Only what is code by every rule of CommonMark counts: fences that begin a line, and backticks in pairs of one on lines
    without a table. Behind anything less certain all is escaped, so that nothing can pass itself off as code.

    >>> inert("a <script>x</script> `<b>`")
    'a &lt;script>x&lt;/script> `<b>`'
    """
    shown: list[str] = []
    fence, fences_certain, spans_certain = "", True, True
    for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text):
        bare = line.rstrip("\r\n")
        opening = _FENCE.fullmatch(bare) if fences_certain and not fence else None
        if fence or opening:
            closed = fence and re.fullmatch(rf" {{0,3}}{fence}`*[ \t]*", bare)
            fence, spans_certain = opening[1] if opening else "" if closed else fence, True
            shown.append(line)
            continue
        fences_certain = fences_certain and "```" not in bare and "~~~" not in bare
        spans_certain = spans_certain or not bare.strip()  # no span goes beyond a blank line
        spans_certain = spans_certain and not re.search(r"``|\\`|\|", bare) and bare.count("`") % 2 == 0
        parts = _SPAN.split(line) if spans_certain else [line]
        shown += (part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))
    return "".join(shown)


def summary_line(response: ModelResponse) -> str:
    """`provider/model · $0.000123 · 1.20 s · 12 + 34 tokens`; unknown parts are left out or called so."""
    parts = ["/".join(part for part in (response.provider, response.model) if part)]
    if response.cached:
        parts.append(f"cached, saved ${response.cost_saved.normalize():f}" if response.cost else "cached")
    else:
        parts.append("cost unknown" if response.cost is None else str(response.cost))
    if response.trace.duration:
        parts.append(f"{response.trace.duration:.2f} s")
    if response.usage:
        parts.append(f"{response.usage.prompt_tokens} + {response.usage.completion_tokens} tokens")
    return " · ".join(part for part in parts if part)


def answer_markdown(response: ModelResponse) -> str:
    """The Markdown a notebook shows for an answer."""
    message = response.choices[0].message if response.choices else None
    body = [response.text or (message.refusal if message else None) or ""]
    for call in (message.tool_calls if message else None) or ():
        body.append(f"`{call.function.name}({call.function.arguments})`")
    text = "\n\n".join(part for part in body if part)
    return f"{inert(text)}\n\n<sub>{inert(summary_line(response))}</sub>"
