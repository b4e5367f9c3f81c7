"""Keeps keys out of reprs, logs, errors and files."""

from __future__ import annotations

import re
from typing import Any, Final

from insights.core.errors import BadRequestError

MASK: Final = "**********"

# Shapes of keys that providers hand out. Their own error texts quote them ("Incorrect API key provided: sk-..."), so an
# error body is not safe to repeat as it is. Sources: the providers' key formats as published by GitHub secret scanning.
_KEY_SHAPES: Final = re.compile(
    r"""
    # Where a key begins: at a word's edge, or behind an escape of JSON or YAML ("\nsk-..." is a key on a line of its own).
    (?: (?<!\w) | (?<=\\[0abefnrtvNLP_]) | (?<=\\u[0-9A-Fa-f]{4}) | (?<=\\x[0-9A-Fa-f]{2}) )
    (?:
        sk-[A-Za-z0-9_*-]{8,}            # OpenAI, Anthropic, DeepSeek, OpenRouter, Moonshot
      | (?:gsk|hf|fw|csk|tgp_v1)_[A-Za-z0-9_*-]{8,}  # Groq, Hugging Face, Fireworks, Cerebras, Together
      | (?:xai|pplx|csk)-[A-Za-z0-9*-]{8,}           # xAI, Perplexity, Cerebras
      | AIza[A-Za-z0-9_*-]{10,}          # Google
      | ya29\.[A-Za-z0-9_.*-]{8,}        # Google OAuth
      | (?:AKIA|ASIA)[A-Z0-9]{12,}       # AWS
      | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*   # JWT
    )
    | (?<=[Bb]earer\ )[A-Za-z0-9._~+/=*-]{8,}
    | (?<=[?&]key=)[^&\s"']+
    """,
    re.VERBOSE | re.ASCII,
)
SHORTEST: Final = 4  # characters; a shorter "key" would turn up everywhere


class SecretStr:
    """A string that doesn't show itself. The interface of `pydantic.SecretStr`, without importing pydantic (0.2 s).

    >>> key = SecretStr("sk-123456789")
    >>> key
    SecretStr('**********')
    >>> key.get_secret_value()
    'sk-123456789'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """The string itself."""
        return self._value

    def __repr__(self) -> str:
        return f"SecretStr({MASK!r})" if self._value else "SecretStr('')"

    def __str__(self) -> str:
        return MASK if self._value else ""

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> SecretStr:
        return self

    def __deepcopy__(self, memo: object) -> SecretStr:
        return self

    def __reduce__(self) -> tuple[type[SecretStr], tuple[str]]:
        raise TypeError("a SecretStr is not pickled: the key would lie in the pickle as plain text")


def secret(value: Any) -> SecretStr | None:
    """`value` as a SecretStr; None and the empty string give None, white space around a pasted key is dropped."""
    reveal = getattr(value, "get_secret_value", None)  # pydantic's SecretStr has it too
    text = reveal() if callable(reveal) else value
    if text is not None and not isinstance(text, str):
        raise BadRequestError(f"a key must be a text, got {type(text).__name__}")
    text = (text or "").strip()
    return SecretStr(text) if text else None


def redact(text: str, *secrets: SecretStr | str | None) -> str:
    """`text` with the given secrets, and everything that has the shape of a provider's key, replaced by asterisks.

    >>> redact("Incorrect API key provided: sk-abcdefgh12345.")
    'Incorrect API key provided: **********.'
    """
    for item in secrets:
        value = item.get_secret_value() if isinstance(item, SecretStr) else item
        if value and len(value) >= SHORTEST:
            text = text.replace(value, MASK)
    return _KEY_SHAPES.sub(MASK, text)


def key_spans(text: str) -> list[tuple[int, int]]:
    """Where in `text` something has the shape of a provider's key: beginnings and ends."""
    return [match.span() for match in _KEY_SHAPES.finditer(text) if match[0] != MASK]
