"""What an answer is: OpenAI's shapes under litellm's names, plus what insights adds (cost, provider, cached, trace).

Every model allows attribute and item access, keeps fields it doesn't know, and survives
`Model.model_validate_json(x.model_dump_json())` unchanged.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    localcontext,
)
from numbers import Integral
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from insights.core.display import answer_markdown
from insights.core.errors import APIResponseValidationError


class Model(BaseModel):
    """Base of all answer types: `x.field`, `x["field"]`, `x.get("field")` and `"field" in x` mean the same."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __contains__(self, name: str) -> bool:
        return name in type(self).model_fields or name in (self.model_extra or {})

    def get(self, name: str, default: Any = None) -> Any:
        """`x[name]`, or `default` where there is no such field."""
        return self[name] if name in self else default  # noqa: SIM401

    def keys(self) -> list[str]:
        """The names of all fields, the provider's own included."""
        return [*type(self).model_fields, *(self.model_extra or {})]


class Function(Model):
    """What a tool call calls. `arguments` is a JSON string, as the model wrote it."""

    name: str | None = None
    arguments: str = ""


class ToolCall(Model):
    """One call of a tool that the model asks for."""

    id: str | None = None
    type: str = "function"
    function: Function = Field(default_factory=Function)


class Message(Model):
    """An answer's message. Give it back in `messages` as it is to go on with the conversation."""

    role: str = "assistant"
    content: str | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class Choices(Model):
    """One of the `n` answers."""

    index: int = 0
    finish_reason: str | None = None
    message: Message = Field(default_factory=Message)
    logprobs: dict[str, Any] | None = None


class PromptTokensDetails(Model):
    """What the prompt tokens consist of. All of these are contained in `Usage.prompt_tokens`."""

    cached_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_audio_tokens: int = 0
    """Those of `audio_tokens` that are among `cached_tokens` too; likewise for images."""
    cached_image_tokens: int = 0


class CompletionTokensDetails(Model):
    """What the completion tokens consist of. All of these are contained in `Usage.completion_tokens`."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class Usage(Model):
    """Tokens, by OpenAI's convention for every provider: cached tokens count as prompt, reasoning as completion.

    `billed_prompt_tokens` and `billed_completion_tokens` are there where the provider bills others than it counts (Cohere
    leaves out its own instructions); None: it bills what it counts.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    billed_prompt_tokens: int | None = None
    billed_completion_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails = Field(default_factory=PromptTokensDetails)
    completion_tokens_details: CompletionTokensDetails = Field(default_factory=CompletionTokensDetails)


# Sums and differences of money are exact in it, whatever the caller's own context says.
EXACT: Final = Context(
    prec=200, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, DivisionByZero]
)
_QUOTIENT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


class Cost(Model):
    """What a call cost, in USD, exact; the buckets add up to `total`.

    `saved` is what a cached answer would have cost. `price_source` and `price_date` say where the prices come from.

    A cost is a number in use: it is compared, added, subtracted, multiplied and divided as its `total`, with int, float,
    Decimal and other costs, and what comes out is a `Decimal`. `sum(costs)`, `round(cost, 4)`, `abs(cost)`, `float(cost)`,
    `str(cost)` and `f"{cost:.6f}"` work; `cost.total` is the Decimal itself. A float stands for the number as it is written:
    0.1 is a tenth. Nothing depends on the caller's decimal context; only a quotient without an end is rounded, to 28 digits.

    Two costs are equal when all their fields are; a cost and a number are when `total` is that number. The hash is that of
    `total`, and changes with it: the same for equal costs, ints and Decimals, another for a float such as 0.1, which in binary
    is no tenth. A cost is always true, even one of 0: `if r.cost:` asks whether it is known, `r.cost == 0` whether it was free.

    `model_dump()` has Decimals; `model_dump(mode="json")`, which `json.dumps` takes, has their exact text.

    >>> cost = Cost(total=Decimal("0.0012"))
    >>> cost <= 0.0012, cost == cost.total, cost * 1000, sum([cost, cost], 0.0), round(cost, 3)
    (True, True, Decimal('1.2000'), Decimal('0.0024'), Decimal('0.001'))
    """

    total: Decimal = Decimal(0)
    input: Decimal = Decimal(0)
    cached_input: Decimal = Decimal(0)
    cache_write: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    reasoning: Decimal = Decimal(0)
    audio: Decimal = Decimal(0)
    image: Decimal = Decimal(0)
    request: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)
    currency: str = "USD"
    price_source: str | None = None
    price_date: str | None = None

    @staticmethod
    def _number(value: Any) -> Decimal | None:
        """What stands beside a cost; None: no number."""
        if isinstance(value, Cost):
            return value.total
        if isinstance(value, Decimal):
            return value
        if isinstance(value, Integral):  # NumPy's too
            return Decimal(int(value))
        return Decimal(float.__repr__(value)) if isinstance(value, float) else None

    def _with(self, other: Any, work: Callable[[Decimal, Decimal], Any]) -> Any:
        number = self._number(other)
        if number is None:
            return NotImplemented
        with localcontext(EXACT):
            return work(self.total, number)

    def __float__(self) -> float:
        return float(self.total)

    def __bool__(self) -> bool:
        return True

    def __format__(self, spec: str) -> str:
        with localcontext(EXACT):
            return format(self.total, spec) if spec else str(self)

    def __str__(self) -> str:
        return f"${self.total.normalize(EXACT.copy()):f}"

    def __hash__(self) -> int:
        return hash(self.total)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Cost):
            return super().__eq__(other)
        same: bool = self._with(other, operator.eq)
        return same

    def __lt__(self, other: Any) -> bool:
        less: bool = self._with(other, operator.lt)
        return less

    def __le__(self, other: Any) -> bool:
        less: bool = self._with(other, operator.le)
        return less

    def __gt__(self, other: Any) -> bool:
        more: bool = self._with(other, operator.gt)
        return more

    def __ge__(self, other: Any) -> bool:
        more: bool = self._with(other, operator.ge)
        return more

    def __add__(self, other: Any) -> Decimal:
        found: Decimal = self._with(other, operator.add)
        return found

    __radd__ = __add__  # so that sum() works

    def __sub__(self, other: Any) -> Decimal:
        found: Decimal = self._with(other, operator.sub)
        return found

    def __rsub__(self, other: Any) -> Decimal:
        found: Decimal = self._with(other, lambda ours, theirs: theirs - ours)
        return found

    def __mul__(self, other: Any) -> Decimal:
        found: Decimal = self._with(other, operator.mul)
        return found

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Decimal:
        found: Decimal = self._with(other, _quotient)
        return found

    def __rtruediv__(self, other: Any) -> Decimal:
        found: Decimal = self._with(other, lambda ours, theirs: _quotient(theirs, ours))
        return found

    def __neg__(self) -> Decimal:
        return self.total.copy_negate()

    def __abs__(self) -> Decimal:
        return self.total.copy_abs()

    def __round__(self, digits: int | None = None) -> Decimal | int:
        with localcontext(EXACT):
            return round(self.total) if digits is None else round(self.total, digits)


def _quotient(one: Decimal, other: Decimal) -> Decimal:
    exact = EXACT.copy()
    exact.clear_flags()
    found = exact.divide(one, other)
    return _QUOTIENT.copy().plus(found) if exact.flags[Inexact] else found


class Attempt(Model):
    """One request to one provider, or the reason why there was none.

    `started` is a Unix time; `duration`, `waited` (afterwards, before the next attempt) and `time_to_first_token` are seconds.
    `decision` says what came of it: `answer`, `retry`, `next` (the next candidate), `skip` (nothing was sent), `cancelled`,
    `stop`, or `pending` as long as it isn't over. `cost` is None where none is known. `breaker` is the state it was made in,
    see `insights.health`. `deployment` is the number of the key in `keys=[...]`, from 1.
    """

    model: str
    provider: str
    started: float
    waited: float = 0.0
    duration: float = 0.0
    time_to_first_token: float | None = None
    status_code: int | None = None
    error: str | None = None
    message: str | None = None
    decision: str = "answer"
    breaker: str = "closed"
    deployment: int | None = None
    cost: Cost | None = None


class Trace(Model):
    """How an answer came about: `cache` (`hit`, `miss`, `off` and why), every attempt, and notes such as dropped params."""

    attempts: list[Attempt] = Field(default_factory=list)
    cache: str = "off"
    notes: list[str] = Field(default_factory=list)
    duration: float = 0.0

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))  # what a notebook shows

    def __str__(self) -> str:
        lines = [f"cache: {self.cache}"]
        for a in self.attempts:
            outcome = f"{a.error or 'ok'} {a.status_code or ''}".rstrip() if a.error or a.decision == "answer" else "no answer"
            told = f" in {a.waited:.2f} s" if a.waited else f" ({a.message})" if a.decision == "skip" else ""
            breaker = "" if a.breaker == "closed" else f" [breaker {a.breaker}]"
            key = "" if a.deployment is None else f" #{a.deployment}"
            lines.append(f"{a.provider}/{a.model}{key}: {outcome} after {a.duration:.2f} s -> {a.decision}{told}{breaker}")
        return "\n".join(lines + [f"note: {note}" for note in self.notes])


class ModelResponse(Model):
    """One answer.

    `text` is the first choice's text, `parsed` the object asked for by `response_format`. `cost` is None when no price is
    known. `provider` and `model` say who answered, `cached` whether it came from the cache, `trace` how it came about.
    """

    id: str | None = None
    object: str = "chat.completion"
    created: int = 0
    model: str | None = None
    choices: list[Choices] = Field(default_factory=list)
    usage: Usage | None = None
    provider: str | None = None
    cached: bool = False
    cost: Cost | None = None
    trace: Trace = Field(default_factory=Trace)

    # Not a field: a class is no part of an answer's JSON.
    _parse_as: Any = PrivateAttr(default=None)

    @property
    def text(self) -> str:
        """The text of the first choice; empty when there is none."""
        return (self.choices[0].message.content or "") if self.choices else ""

    @property
    def cost_saved(self) -> Decimal:
        """USD that the cache saved; 0 when the answer isn't from the cache."""
        return self.cost.saved if self.cost else Decimal(0)

    @property
    def parsed(self) -> Any:
        """The object `response_format` asked for: an instance of its pydantic class, or plain JSON data for a schema.

        Raises:
            APIResponseValidationError: the text isn't JSON, or doesn't fit the class.
        """
        if self._parse_as is None:
            return None
        try:
            if self._parse_as is dict:
                return json.loads(self.text)
            return self._parse_as.model_validate_json(self.text)
        except (ValueError, ValidationError) as error:
            raise APIResponseValidationError(
                f"the answer isn't what response_format asks for: {error}",
                provider=self.provider,
                model=self.model,
                hint=f"ask again, or read r.text; finish_reason is {self.choices[0].finish_reason if self.choices else None!r}",
            ) from None

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ModelResponse) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        if "<locals>" in getattr(self._parse_as, "__qualname__", ""):  # pickle finds no class that a function made
            state = {**state, "__pydantic_private__": {**(state["__pydantic_private__"] or {}), "_parse_as": None}}
        return state

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        cost = "unknown" if self.cost is None else str(self.cost)
        return f"ModelResponse(model={self.model!r}, text={text!r}, cost={cost}, cached={self.cached})"

    def _repr_markdown_(self) -> str:
        return answer_markdown(self)


class Delta(Model):
    """What a chunk adds to a message."""

    role: str | None = None
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class StreamingChoices(Model):
    """A chunk's part of one of the `n` answers."""

    index: int = 0
    delta: Delta = Field(default_factory=Delta)
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Chunk(Model):
    """One piece of a streamed answer (OpenAI's `chat.completion.chunk`). `text` is what it adds to the first choice."""

    id: str | None = None
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str | None = None
    choices: list[StreamingChoices] = Field(default_factory=list)
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The text this chunk adds to the first choice; empty when it adds none."""
        return "".join(choice.delta.content or "" for choice in self.choices if choice.index == 0)

    def __str__(self) -> str:
        return self.text
