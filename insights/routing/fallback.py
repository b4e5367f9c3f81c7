"""Who is asked next: chains from `fallback.yaml` or the call, and which errors lead on.

    default: [openai/gpt-5-mini]             # after any model that has no chain of its own
    models:
      claude-haiku-4-5: [gemini/gemini-2.5-flash]
    context_window: [gemini/gemini-2.5-pro]  # when the messages are too long for the model asked
    content_policy: []                       # when the provider refuses the content

The shipped file names nobody: a prompt goes to no company that the user didn't name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from insights.catalog.loader import Catalog, Node, read_yaml_once
from insights.core import errors
from insights.core.errors import APIError, BadRequestError

KEYS: Final = ("default", "models", "context_window", "content_policy")

# After these, another candidate may well succeed. Authentication, permission and bad requests are the caller's to mend.
MOVES_ON: Final = (
    errors.RateLimitError,
    errors.Timeout,
    errors.APIConnectionError,
    errors.InternalServerError,
    errors.APIResponseValidationError,
    errors.TruncatedStreamError,
)


@dataclass(frozen=True)
class Fallbacks:
    """The lists of `fallback.yaml`."""

    default: tuple[str, ...] = ()
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context_window: tuple[str, ...] = ()
    content_policy: tuple[str, ...] = ()

    def after(self, *names: str) -> tuple[str, ...]:
        """The chain of a model, known by any of these names."""
        return next((self.models[name] for name in names if name in self.models), self.default)

    def because_of(self, error: APIError) -> tuple[str, ...]:
        """The list for this kind of failure."""
        if isinstance(error, errors.ContextWindowExceededError):
            return self.context_window
        return self.content_policy if isinstance(error, errors.ContentPolicyViolationError) else ()


def read_fallbacks(catalog: Catalog) -> Fallbacks:
    """The user's `fallback.yaml` over the shipped one, key by key.

    Raises:
        ConfigError: a mistake in a file, with its line.
    """
    values: dict[str, Any] = {}
    for path in catalog.files("fallback"):
        for name, node in read_yaml_once(path).mapping("fallback.yaml").items():
            if name not in KEYS:
                near = difflib.get_close_matches(name, KEYS, n=1)
                raise node.error(
                    f"fallback.yaml has no key {name!r}",
                    f"did you mean {near[0]!r}?" if near else f"keys are: {', '.join(KEYS)}",
                )
            if name == "models":
                values[name] = {m: _names(row) for m, row in node.mapping("models").items()} if node.value is not None else {}
            else:
                values[name] = _names(node)
    return Fallbacks(**values)


def _names(node: Node) -> tuple[str, ...]:
    names = node.plain() or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise node.error("a chain is a list of model names, e.g. [openai/gpt-5-mini]")
    return tuple(names)


def moves_on(error: APIError) -> bool:
    """Whether the next candidate of a chain is asked after this error."""
    return isinstance(error, MOVES_ON)


def given_chain(fallbacks: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    """The call's `fallbacks=[...]`: names, or dicts with `model` and parameters that replace the call's.

    Raises:
        BadRequestError: something that is neither.
    """
    if isinstance(fallbacks, str | Mapping) or not isinstance(fallbacks, Sequence):
        raise BadRequestError("fallbacks must be a list of model names", hint='e.g. fallbacks=["openai/gpt-5-mini"]')
    chain: list[tuple[str, dict[str, Any]]] = []
    for item in fallbacks:
        if isinstance(item, str):
            chain.append((item, {}))
        elif isinstance(item, Mapping) and isinstance(item.get("model"), str):
            chain.append((item["model"], {name: value for name, value in item.items() if name != "model"}))
        else:
            raise BadRequestError(f"a fallback is a model name or a dict with 'model', got {type(item).__name__}")
    return chain
