"""How an answer shows itself in a notebook: its text rendered, and one quiet line below."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from insights.core.types import ModelResponse

_CODE: Final = re.compile(r"(^```.*?(?:^```[ \t]*$|\Z)|(?<!`)`[^`\n]+`(?!`))", re.DOTALL | re.MULTILINE)


def inert(text: str) -> str:
    """Markdown whose HTML is shown instead of run: an answer is data. Code spans already show `<` as it is.

    >>> inert("a <script>x</script> `<b>`")
    'a &lt;script>x&lt;/script> `<b>`'
    """
    parts = _CODE.split(text)
    return "".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))


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
