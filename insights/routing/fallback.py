"""Who is asked next: chains from `fallback.yaml` or the call, and which errors lead on.

    default: [openai/gpt-5-mini]             # after any model that has no chain of its own
    models:
      claude-haiku-4-5: [gemini/gemini-2.5-flash]
    context_window: [gemini/gemini-2.5-pro]  # when the messages are too long for the model asked
    content_policy: []                       # when the provider refuses the content
    fallback_on: [authentication]            # errors that would otherwise be the caller's to mend
    keys:                                    # several keys or deployments of one model, in turn
      openai/gpt-5-mini:
        - env_key: OPENAI_API_KEY
        - {env_key: OPENAI_API_KEY_2, weight: 2}

The shipped file names nobody: a prompt goes to no company that the user didn't name.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from insights.catalog.loader import Catalog, shipped_directory
from insights.catalog.nodes import Node, read_yaml_once
from insights.core import errors
from insights.core.errors import APIError, BadRequestError, InsightsError

KEYS: Final = ("default", "models", "context_window", "content_policy", "fallback_on", "keys")
KEY_FIELDS: Final = ("env_key", "api_base", "model", "weight")

# After these, another candidate may well succeed. Authentication, permission and bad requests are the caller's to mend.
MOVES_ON: Final = (
    errors.RateLimitError,
    errors.Timeout,
    errors.APIConnectionError,
    errors.InternalServerError,
    errors.APIResponseValidationError,
    errors.TruncatedStreamError,
)

# What a chain may add to them.
ON_DEMAND: Final[Mapping[str, type[APIError]]] = {
    "authentication": errors.AuthenticationError,
    "permission": errors.PermissionDeniedError,
    "not_found": errors.NotFoundError,
    "bad_request": errors.BadRequestError,
}


Other = tuple[str, Mapping[str, Any]]
"""A model to ask next, and what it changes of the call."""


@dataclass(frozen=True)
class Fallbacks:
    """The lists of `fallback.yaml`, or those of the call. Models are known by `provider/model`."""

    default: tuple[str, ...] = ()
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    context_window: tuple[Other, ...] = ()
    content_policy: tuple[Other, ...] = ()
    fallback_on: tuple[str, ...] = ()
    keys: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    default_is_shipped: bool = False
    """Whether `default` is of the shipped file: nobody wrote those names, so they count only where their key is set."""

    def after(self, *names: str) -> tuple[str, ...]:
        """The chain of a model, known by any of these names."""
        return next((self.models[name] for name in names if name in self.models), self.default)

    def because_of(self, error: APIError) -> tuple[Other, ...]:
        """The list for this kind of failure."""
        if isinstance(error, errors.ContextWindowExceededError):
            return self.context_window
        return self.content_policy if isinstance(error, errors.ContentPolicyViolationError) else ()

    def moves_on(self, error: APIError) -> bool:
        """Whether the next candidate of the chain is asked after this error."""
        return isinstance(error, (*MOVES_ON, *(ON_DEMAND[word] for word in self.fallback_on)))


Check = Callable[[str], str]


def read_fallbacks(catalog: Catalog, check: Check = str) -> Fallbacks:
    """The user's `fallback.yaml` over the shipped one, key by key; read anew when a file has changed.

    Args:
        check: the `provider/model` of a name; raises an `InsightsError` for one that leads to no model.

    Raises:
        ConfigError: a mistake in a file, with its line.
    """
    files = tuple(read_yaml_once(path) for path in catalog.files("fallback"))
    known: tuple[tuple[Node, ...], Fallbacks] | None = catalog.derived.get("fallbacks")
    if known is None or known[0] != files:  # nodes are equal only to themselves
        known = catalog.derived["fallbacks"] = files, _read(files, check)
    return known[1]


def _read(files: Sequence[Node], check: Check) -> Fallbacks:
    values: dict[str, Any] = {}
    for file in files:
        for name, node in file.mapping("fallback.yaml").items():
            if name not in KEYS:
                near = difflib.get_close_matches(name, KEYS, n=1)
                raise node.error(
                    f"fallback.yaml has no key {name!r}",
                    f"did you mean {near[0]!r}?" if near else f"keys are: {', '.join(KEYS)}",
                )
            if name == "models":
                rows = node.mapping("models") if node.value is not None else {}
                values[name] = {_checked(model, row, check): _names(row, check) for model, row in rows.items()}
            elif name == "keys":
                rows = node.mapping("keys") if node.value is not None else {}
                values[name] = {_checked(model, row, check): _keys(row, check) for model, row in rows.items()}
            elif name == "fallback_on":
                values[name] = _names(node, _word)
            else:
                found = _names(node, check)
                if name == "default":
                    values["default_is_shipped"] = bool(found) and Path(node.file).parent == shipped_directory()
                values[name] = found if name == "default" else tuple((other, {}) for other in found)
    return Fallbacks(**values)


def _names(node: Node, check: Check) -> tuple[str, ...]:
    items = node.value if node.value is not None else []
    found: list[str] = []
    for item in items if isinstance(items, list) else [node]:
        if item is node or not isinstance(item.value, str):
            raise node.error("a chain is a list of model names, e.g. [openai/gpt-5-mini]")
        _checked(item.value, item, check)
        found.append(item.value)
    return tuple(found)


def _keys(node: Node, check: Check) -> tuple[Mapping[str, Any], ...]:
    found: list[Mapping[str, Any]] = []
    for item in node.value if isinstance(node.value, list) else [node]:
        row = item.plain()
        if not isinstance(row, dict):
            raise item.error("keys are a list of tables with env_key, api_base, model, weight")
        for name in row:
            if name not in KEY_FIELDS:
                raise item.error(f"keys have no {name!r}", f"they have {', '.join(KEY_FIELDS)}")
        for name in ("env_key", "api_base", "model"):
            if not isinstance(row.get(name, ""), str) or (name == "env_key" and not row.get(name, "A").isupper()):
                raise item.error(f"{name} of a key must be a text, and env_key a variable's name, got {row[name]!r}")
        if not set(row) - {"weight"}:
            raise item.error("a key needs env_key, api_base or model")
        if "model" in row:
            _checked(row["model"], item, check)
        try:
            weight = float(row.get("weight", 1))
        except (TypeError, ValueError):
            weight = 0.0
        if not 0 < weight < float("inf"):
            raise item.error("a weight must be a number above 0")
        found.append({**row, "weight": weight})
    return tuple(found)


def _checked(name: str, node: Node, check: Check) -> str:
    try:
        return check(name)
    except InsightsError as error:
        raise node.error(error.args[0], error.hint) from None


def _word(word: str) -> str:
    if word not in ON_DEMAND:
        raise BadRequestError(f"fallback_on has no {word!r}", hint=f"it takes {', '.join(ON_DEMAND)}")
    return word


def given_words(words: Any) -> tuple[str, ...]:
    """The call's `fallback_on=[...]`.

    Raises:
        BadRequestError: something it doesn't take.
    """
    if isinstance(words, str) or not isinstance(words, Sequence) or not all(isinstance(word, str) for word in words):
        raise BadRequestError("fallback_on must be a list of words", hint=f"it takes {', '.join(ON_DEMAND)}")
    for word in words:
        _word(word)
    return tuple(words)


def given_chain(fallbacks: Sequence[Any], name: str = "fallbacks") -> list[tuple[str, dict[str, Any]]]:
    """The call's `fallbacks=[...]`: names, or dicts with `model` and parameters that replace the call's.

    Raises:
        BadRequestError: something that is neither.
    """
    if isinstance(fallbacks, str | Mapping) or not isinstance(fallbacks, Sequence):
        raise BadRequestError(f"{name} must be a list of model names", hint=f'e.g. {name}=["openai/gpt-5-mini"]')
    chain: list[tuple[str, dict[str, Any]]] = []
    for item in fallbacks:
        if isinstance(item, str):
            chain.append((item, {}))
        elif isinstance(item, Mapping) and isinstance(item.get("model"), str):
            chain.append((item["model"], {key: value for key, value in item.items() if key != "model"}))
        else:
            raise BadRequestError(f"a fallback is a model name or a dict with 'model', got {type(item).__name__}")
    return chain
