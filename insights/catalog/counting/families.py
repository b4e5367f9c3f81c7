"""What families of models make of a prompt: estimates with bounds.

The constants are measured on recordings of live answers, whose own count of the prompt is the truth, cached tokens included:
46 recordings of 14 families, median error 4 %, 95th percentile 33 %. The 28 of them that are text alone: median 3 %, and 6
tokens at the most, which is much of a short prompt. The others have tools, schemas or images: median 5 %, 95th percentile
38 %, because nobody publishes what becomes of tools. Bounds are wider than anything measured, because few prompts were.
`make bench` says today's figures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from insights.catalog.counting.media import Span
from insights.catalog.counting.prompts import Prompt, as_json
from insights.catalog.counting.vocabulary import Tally, tally

_TEXT: Final = Span(1.05, 0.75, 1.6)
_ONCE: Final = Span(5, 0, 120)
_EACH: Final = Span(4, 0, 8)
_TOOLS: Final = Span(100, 0, 900)
_SCHEMA: Final = Span(1.5, 0.3, 4.5)
_ANSWER: Final = Span(1.8, 0, 5)


@dataclass(frozen=True, slots=True)
class Family:
    """What a family of models makes of a prompt, in tokens; `text`, `schema` and `answer` are per token of o200k_base."""

    name: str
    model: str  # a regular expression of the model's name
    text: Span = _TEXT
    once: Span = _ONCE  # what stands in front: a template's beginning, a system prompt of the host's own
    each: Span = _EACH  # around a message
    tools: Span = _TOOLS  # the instructions that tools bring along
    schema: Span = _SCHEMA  # of the JSON of tools
    answer: Span = _ANSWER  # of the JSON schema that an answer is to follow


# The first whose expression is found in the model's name. Bounds of `once` are what system prompts of hosts have been.
FAMILIES: Final = (
    # Anthropic's tables of tools: 264 to 346 tokens of instructions (530 for Opus 3); measured 590 from 4.5 on, and the
    # tables have up to 804 for later ones. Tokenizers since Opus 4.7 cut up to a third finer.
    Family("Claude", r"(opus|sonnet|haiku)-4-[5-9]|claude-[a-z]+-[5-9](\D|$)", Span(1.08, 0.8, 2.2), Span(6, 2, 50),
           Span(3, 0, 8), Span(540, 140, 900), Span(1.1, 0.5, 3), Span(2.2, 0, 5)),
    Family("Claude", "claude", Span(1.08, 0.8, 1.7), Span(6, 2, 50), Span(3, 0, 8), Span(310, 140, 700), Span(1.1, 0.5, 3),
           Span(2.2, 0, 5)),
    # The schema of an answer isn't counted.
    Family("Gemini", "gemini", Span(1.04, 0.8, 1.5), Span(0, 0, 4), Span(0.3, 0, 3), Span(0, 0, 100), Span(0.4, 0, 2), Span()),
    # The harmony format has a system message of its own with some 65 tokens.
    Family("gpt-oss", "gpt-oss", Span(1, 0.99, 1.01), Span(64, 0, 100), Span(4, 3, 12), Span(30, 0, 150), Span(0.7, 0.2, 2)),
    # From 3.1 on the template says today's date: some 30 tokens.
    Family("Llama", r"llama-?[34][.-]?[1-9](?!b|\d*b)|llama-?4", once=Span(30, 1, 60), each=Span(5, 3, 8)),
    Family("Llama 3", "llama", once=Span(5, 0, 60), each=Span(5, 3, 8)),
    Family("DeepSeek", "deepseek", Span(1.02, 0.75, 1.6), Span(3, 0, 40), Span(2, 0, 10), Span(110, 0, 900), Span(2.2, 0.5, 5)),
    Family("Mistral", "magistral", once=Span(300, 0, 800), each=Span(2, 0, 6)),
    Family("Mistral", "(mis|mix|minis|codes|devs)tral|pixtral|voxtral", once=Span(2, 0, 40), each=Span(2, 0, 6),
           tools=Span(10, 0, 300), schema=Span(1, 0.3, 3)),
    # `tokens`, not `billed_units`: Cohere's own prompt counts in the first and isn't billed.
    Family("Command", "command-a-reasoning", once=Span(1000, 0, 1400), each=Span(4, 0, 10), tools=Span(350, 0, 1200)),
    Family("Command", "command", once=Span(490, 0, 800), each=Span(4, 0, 10), tools=Span(300, 0, 1200)),
    Family("Grok", "grok-[4-9]", once=Span(140, 0, 400), tools=Span(80, 0, 600), schema=Span(1.2, 0.3, 4)),
    Family("Grok", "grok", Span(1.02, 0.75, 1.5), Span(2, 0, 20), Span(4, 0, 8), Span(80, 0, 600), Span(1.2, 0.3, 4)),
    Family("Sonar", "sonar", once=Span(0, 0, 10), each=Span(0, 0, 5)),
    Family("GLM", r"\bglm", once=Span(6, 0, 60)),
    Family("Qwen", r"qwe?n|qwq", once=Span(4, 0, 60), each=Span(5, 0, 10), tools=Span(190, 0, 900), schema=Span(1.5, 0, 4.5)),
    Family("Gemma", "gemma", once=Span(6, 0, 40), each=Span(5, 0, 10)),
    Family("Nova", "nova", Span(1, 0.75, 1.6), Span(0, 0, 20), Span(0, 0, 6)),
)  # fmt: skip
ANY: Final = Family("others", "")


def family(model: str) -> Family:
    """The family of a model that isn't OpenAI's own."""
    name = model.lower()
    return next((known for known in FAMILIES if re.search(known.model, name)), ANY)


def estimate(text: Tally, known: Family) -> Span:
    """What a family makes of a text. Other vocabularies cut digits one by one, and some cut what isn't ASCII to bytes."""
    finer = 0.0 if known.text.high < 1.02 else text.wide / 2 + text.digits * 0.7
    return Span(
        text.tokens * known.text.tokens,
        max(text.low * known.text.low - min(text.wide * 0.1, text.low * 0.4), 0),
        text.high * known.text.high + finer,
    )


def others(known: Family, prompt: Prompt, tools: list[Mapping[str, Any]], schema: Any, *, thinking: bool = False) -> Span:
    """Tokens of a prompt by a family's measured constants."""
    count, calls = prompt.messages, prompt.calls
    found = estimate(prompt.text, known) + known.once + prompt.media
    found += Span(count * known.each.tokens, count * known.each.low, count * known.each.high)
    found += Span(12 * calls, 0, 60 * calls)
    if thinking and known.name == "Claude":
        found += Span(28, 0, 20)  # one recording
    if tools:
        size = tally(as_json([{"type": "function", "function": tool} for tool in tools])).tokens
        found += known.tools + Span(size * known.schema.tokens, size * known.schema.low, size * known.schema.high)
    if schema is not None:
        size = tally(as_json(schema)).tokens
        found += Span(size * known.answer.tokens, size * known.answer.low, 200 + size * max(known.answer.high, 1))
    return found
