"""The common shape in which a recorded answer and the library's answer are compared.

Where the wire leaves room (a provider that says `stop` beside tool calls, a total that differs from its parts) a field
holds every value that is right; where the wire says nothing, an empty set means "not compared".
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

ANY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ToolCall:
    """A call by name and parsed arguments; arguments that are not JSON stay as the text they are."""

    name: str
    arguments: Any

    @classmethod
    def of(cls, name: object, arguments: object) -> ToolCall:
        if isinstance(arguments, str):
            with contextlib.suppress(ValueError):
                arguments = json.loads(arguments) if arguments.strip() else {}
        return cls(str(name or ""), {} if arguments is None else arguments)


@dataclass(frozen=True)
class Choice:
    """One of the n answers. `reasoning` is None where the wire has none or where it is not decidable."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: frozenset[str] = ANY
    reasoning: str | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class Tokens:
    """By OpenAI's convention. `input` and `output` hold the values that are right, `reasoning` None if untold."""

    input: frozenset[int]
    output: frozenset[int]
    cached: int = 0
    reasoning: int | None = None


@dataclass(frozen=True)
class Expected:
    """What the library should make of a recording.

    `errors` names the classes one of which should be raised; with `choices` beside them, either outcome is right.
    `usage` is None where the wire does not tell.
    """

    choices: tuple[Choice, ...] = ()
    usage: Tokens | None = None
    errors: tuple[str, ...] = ()
    statuses: frozenset[int] = frozenset()


@dataclass
class ChoiceBuilder:
    """Gathers one choice from blocks or deltas."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    finish: str | None = None
    keys: dict[object, object] = field(default_factory=dict)  # a reader's own note of which call a piece belongs to
    _calls: dict[object, tuple[list[str], list[Any]]] = field(default_factory=dict)

    def say(self, text: object) -> None:
        self.text.append(text if isinstance(text, str) else "")

    def think(self, text: object) -> None:
        self.reasoning.append(text if isinstance(text, str) else "")

    def refuse(self, text: object) -> None:
        self.refusal.append(text if isinstance(text, str) else "")

    def call(self, key: object, name: object = None, arguments: object = None) -> None:
        """Start or go on with the call that `key` names; text arguments are joined, others replace."""
        names, pieces = self._calls.setdefault(key, ([], []))
        if name:
            names[:] = [str(name)]
        if arguments is not None:
            pieces.append(arguments)

    def has_call(self, key: object) -> bool:
        return key in self._calls

    @property
    def said_something(self) -> bool:
        return bool("".join(self.text) or self._calls)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(ToolCall.of("".join(names), _joined(pieces)) for names, pieces in self._calls.values())

    def build(self, words: Mapping[str, str]) -> Choice:
        """The choice, its finish reason translated by `words`."""
        return Choice(
            text="".join(self.text),
            tool_calls=self.calls,
            finish=finish_words(self.finish, words, calls=bool(self._calls)),
            reasoning="".join(self.reasoning) or None,
            refusal="".join(self.refusal) or None,
        )


def finish_words(native: str | None, words: Mapping[str, str], *, calls: bool) -> frozenset[str]:
    """The OpenAI words that are right for a provider's word; an unknown word is not compared."""
    word = words.get((native or "").strip().lower())
    if word is None:
        return ANY
    if word == "function_call":
        return frozenset({word, "tool_calls"})
    return frozenset({word, "tool_calls"}) if calls and word == "stop" else frozenset({word})


def answer(builders: Iterable[ChoiceBuilder], words: Mapping[str, str], usage: Tokens | None) -> Expected:
    """The expectation for an answer that came whole. One that ends in a failure of the provider may be called one."""
    built = list(builders)
    told = allowing_empty(Expected(choices=tuple(builder.build(words) for builder in built), usage=usage))
    if any((builder.finish or "").lower() == "error" for builder in built):
        return Expected(told.choices, told.usage, errors=("APIError",))
    return told


def streamed(
    builders: Iterable[ChoiceBuilder], words: Mapping[str, str], usage: Tokens | None, *, closed: bool = False
) -> Expected:
    """The expectation for a stream: without a native finish reason it was cut, unless its end was marked otherwise."""
    built = list(builders)
    if any(builder.finish for builder in built):
        return answer(built, words, usage)
    if not any(builder.said_something for builder in built):
        return Expected(errors=("TruncatedStreamError", "APIResponseValidationError"))
    if not closed:
        return Expected(errors=("TruncatedStreamError",))
    return Expected(answer(built, words, usage).choices, usage, errors=("TruncatedStreamError",))


def allowing_empty(expected: Expected) -> Expected:
    """A finished answer with nothing in it may be called an error, except where the reason for it was given."""
    explained = {"length", "content_filter"}
    empty = all(not (c.text or c.tool_calls or c.refusal or c.finish & explained) for c in expected.choices)
    if not empty:
        return expected
    return Expected(expected.choices, expected.usage, errors=("APIResponseValidationError",))


def tokens(
    input_tokens: int | Iterable[int], output_tokens: int | Iterable[int], cached: int = 0, reasoning: int | None = None
) -> Tokens:
    return Tokens(_numbers(input_tokens), _numbers(output_tokens), cached, reasoning)


def number(value: object) -> int:
    """Providers write counts as 12, 12.0 or null."""
    return int(value) if isinstance(value, int | float) else 0


def first_number(document: Mapping[str, Any], *names: str) -> int:
    """The first of these fields that holds a number; a dot goes one level down."""
    for name in names:
        value: Any = document
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            return int(value)
    return 0


def _numbers(values: int | Iterable[int]) -> frozenset[int]:
    return frozenset({values} if isinstance(values, int) else values)


def _joined(pieces: list[Any]) -> Any:
    if pieces and all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    return next((piece for piece in reversed(pieces) if piece not in ("", None)), None)
