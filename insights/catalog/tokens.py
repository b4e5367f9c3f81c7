"""How many tokens a text or a prompt has: offline, at once, and with honest bounds.

Exact for texts to OpenAI's models; elsewhere an estimate between bounds that hold for every recording there is. The
vocabularies are those that litellm brings along; without them bytes are counted, and the bounds are wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from insights.catalog.counting import families, openai, prompts
from insights.catalog.counting.prompts import texts
from insights.catalog.counting.vocabulary import ENCODING, tally
from insights.catalog.counting.vocabulary import encoding as _encoding

if TYPE_CHECKING:
    from insights.core.request import ChatRequest

# Arguments that may cost tokens of which no rule is known.
_COSTLY: Final = frozenset({"response_format", "web_search_options", "modalities", "audio", "prediction", "extra_body"})


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of a prompt as the provider counts them, cached ones included.

    The provider's own figure lies between `low` and `high`; all three are the same where it is `exact`. `rule` says how it
    was found.
    """

    tokens: int
    low: int
    high: int
    exact: bool
    rule: str


def count(provider: str, model: str, messages: Any, tools: Any = None, *, params: Mapping[str, Any] | None = None) -> Count:
    """Tokens of a prompt.

    Args:
        provider: As in `provider/model`; only `openai` and `azure` count as OpenAI itself.
        model: The provider's name of the model. Azure: of the deployment, which is taken for the model's.
        messages: In OpenAI's form; anything else is counted by the texts in it.
        tools: In OpenAI's form.
        params: Other arguments of the call; some cost tokens: `tools`, `functions`, `response_format`, `thinking`.
    """
    params = params or {}
    functions = prompts.functions(tools or params.get("tools"), params)
    schema = prompts.schema_of(params)
    ours = _openai(provider, model)
    vocabulary = openai.encoding_name(model) if ours else ENCODING
    prompt = prompts.take_apart(messages, model, vocabulary)
    counted = "bytes" if _encoding(vocabulary) is None else vocabulary
    if ours:
        span, exact = openai.total(model, prompt, functions, schema, vocabulary)
        if exact and (provider not in ("openai", "azure") or _COSTLY & {name for name, value in params.items() if value}):
            span, exact = span + openai.room(prompt), False
        rule = f"OpenAI's rules, {counted}"
    else:
        known = families.family(model)
        span, exact = families.others(known, prompt, functions, schema, thinking=bool(params.get("thinking"))), False
        rule = f"estimate for {known.name}, {counted}"
    tokens = max(math.ceil(span.tokens), 0)
    if exact:
        return Count(tokens, tokens, tokens, True, rule)
    low, high = max(math.floor(span.low), 0), math.ceil(span.high)
    return Count(tokens, min(low, tokens), max(high, tokens), False, rule)


def text_tokens(text: str, model: str = "") -> int:
    """Tokens of a plain text for a model; for one of unknown name, and for none, by o200k_base."""
    if not model or _openai("", model):
        return tally(text, openai.encoding_name(model)).tokens
    return math.ceil(families.estimate(tally(text), families.family(model)).tokens)


def longer_than(request: ChatRequest, limit: int) -> bool:
    """Whether a request's texts have more than `limit` tokens; False where that can't be counted.

    A text has no more tokens than bytes, so most requests need no counting.
    """
    said = [*texts(list(request.messages)), *texts(request.params.get("tools"))]
    if sum(len(text.encode("utf-8", "replace")) for text in said) <= limit:
        return False
    return _encoding() is not None and sum(tally(text).tokens for text in said) > limit


def _openai(provider: str, model: str) -> bool:
    """Is it a model of OpenAI's? A name of nobody's, at OpenAI or Azure, is one of theirs."""
    name = model.lower().rpartition("/")[2]
    if openai.NAMES.match(name):
        return True
    return provider in ("openai", "azure") and families.family(model) is families.ANY
