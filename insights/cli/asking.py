"""From what was typed and piped to the arguments of a call."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from insights.cli.failing import WRONG, complain
from insights.cli.terminal import is_terminal
from insights.core.errors import BadRequestError, ConfigError, InsightsError

if TYPE_CHECKING:
    from insights.core.types import ModelResponse

# How files of the kinds begin that providers take (https://www.iana.org/assignments/media-types, "image").
_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_TYPES: Final = frozenset("object array string number integer boolean null".split())


def chosen_model(given: str | None) -> str:
    """The model that was named: by the option, or `INSIGHTS_MODEL`.

    Raises:
        ConfigError: none was; none is chosen for anybody.
    """
    from insights.core.config import settings

    named = (given or "").strip() or settings.variable("INSIGHTS_MODEL")
    if named:
        return named
    from insights.catalog.loader import Catalog
    from insights.doctor import example_model, keys_set

    catalog = Catalog(settings)
    known = keys_set(settings, catalog)
    keys = f"keys are set for {', '.join(known)}" if known else "no provider's key is set"
    raise ConfigError(
        "no model is named",
        hint=f"pass --model provider/model, such as --model {example_model(catalog, known)}, or set INSIGHTS_MODEL; {keys}",
    )


def piped() -> str | None:
    """What comes through a pipe or from a file; None where stdin is a terminal.

    Raises:
        ConfigError: it is no text.
    """
    if sys.stdin is None or is_terminal(sys.stdin):
        return None
    source: Any = getattr(sys.stdin, "buffer", None)
    try:
        text = sys.stdin.read() if source is None else source.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"stdin is no UTF-8 text (byte {error.start})", hint="an image goes with --image FILE") from None
    return str(text).rstrip("\r\n")


def prompt_of(words: Sequence[str]) -> str:
    """The prompt: the arguments, what was piped, or one above the other.

    Raises:
        ConfigError: there is neither.
    """
    instruction = " ".join(words).strip()
    found = "\n\n".join(part for part in (instruction, piped() or "") if part.strip())
    if not found:
        raise ConfigError(
            "there is no prompt", hint='e.g. insights ask "Why is the sky blue?", or: cat notes.txt | insights ask "Summarise"'
        )
    return found


def content_of(prompt: str, images: Sequence[str]) -> Any:
    """A user message's content.

    Raises:
        ConfigError: a file that isn't there, or is no image.
    """
    if not images:
        return prompt
    pictures = [{"type": "image_url", "image_url": {"url": image_url(name)}} for name in images]
    return [{"type": "text", "text": prompt}, *pictures]


def image_url(name: str) -> str:
    """An address as it is, a file as a data: URL.

    Raises:
        ConfigError: no such file, or none of an image that providers take.
    """
    if name.lower().startswith(("https://", "http://", "data:image/")):
        return name
    try:
        content = Path(name).expanduser().read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"can't be read: {getattr(error, 'strerror', None) or error}", file=name, hint="see --image"
        ) from None
    kind = next((kind for start, kind in _IMAGES if content.startswith(start)), None)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise ConfigError("this is no image", file=name, hint="PNG, JPEG, GIF and WebP are what providers take")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def schema_of(given: str) -> dict[str, Any]:
    """A JSON schema, from a file or as it was typed.

    Raises:
        ConfigError: no such file, no JSON, or no schema.
    """
    inline = given.lstrip().startswith(("{", "["))
    place = "--schema" if inline else given
    try:
        text = given if inline else Path(given).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, RuntimeError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"can't be read: {said}", file=place, hint="a file with a JSON schema, or the schema itself"
        ) from None
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"not JSON: {error.msg} (column {error.colno})", file=place, line=error.lineno) from None
    except RecursionError:
        raise ConfigError("not JSON: nested too deeply", file=place) from None
    _check_schema(schema, place)
    return dict(schema)


def _check_schema(schema: Any, place: str) -> None:
    from insights.core.schemas import response_format

    try:
        if not isinstance(schema, Mapping):
            raise BadRequestError(f"a JSON schema is an object, got {type(schema).__name__}")
        inner = schema.get("json_schema") if schema.get("type") == "json_schema" else None
        _walk(inner.get("schema") if isinstance(inner, Mapping) else schema, "")
        response_format(schema)
    except BadRequestError as error:
        hint = 'e.g. {"type": "object", "properties": {"city": {"type": "string"}}}'
        raise ConfigError(error.message, file=place, hint=hint) from None
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise ConfigError("this is no JSON schema", file=place) from None


def _walk(schema: Any, path: str) -> None:
    """Sees that every type is one of JSON's: a provider would say so after the request, in words of its own."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise BadRequestError(f"{path or 'the schema'} must be a schema, got {json.dumps(schema)[:60]}")
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _TYPES:
            raise BadRequestError(f"{path + '.' if path else ''}type is {kind!r}: it is one of {', '.join(sorted(_TYPES))}")
    for name in ("properties", "$defs"):
        parts = schema.get(name, {})
        if not isinstance(parts, Mapping):
            raise BadRequestError(f"{path + '.' if path else ''}{name} must be an object of schemas")
        for key, part in parts.items():
            _walk(part, f"{path + '.' if path else ''}{name}.{key}")
    if "items" in schema:
        _walk(schema["items"], f"{path + '.' if path else ''}items")


@contextmanager
def cassette(file: Path | None, mode: str | None) -> Iterator[None]:
    """The block inside a cassette, if one is named. A cassette that can't be used is bad input."""
    if file is None:
        if mode is not None:
            complain(ConfigError("--record-mode is of a cassette", hint="pass --cassette FILE too"))
            raise typer.Exit(WRONG)
        yield
        return
    from insights.cassettes.use import use_cassette

    try:
        used = use_cassette(file, mode)
        used.__enter__()
    except InsightsError as error:
        complain(error)
        raise typer.Exit(WRONG) from None
    try:
        yield
    except BaseException as error:
        used.__exit__(type(error), error, error.__traceback__)
        raise
    used.__exit__(None, None, None)


def told(response: ModelResponse) -> str:
    """One line about an answer: who gave it, what it cost, how long it took, and what came before."""
    from insights.core.display import summary_line

    parts = [summary_line(response)]
    answered = f"{response.provider}/{response.model}"
    failed = [a for a in response.trace.attempts if a.error]
    others = dict.fromkeys(f"{a.provider}/{a.model} ({a.error})" for a in failed)
    if others:
        fallback = any(f"{a.provider}/{a.model}" != answered for a in failed)
        parts.append(("fallback after " if fallback else "after ") + ", ".join(others))
    if response.choices and response.choices[0].finish_reason == "length":
        parts.append("cut off at the longest answer")
    return " · ".join(parts)
