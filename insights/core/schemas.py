"""Python types to JSON schema: tools from typed functions, `response_format` from pydantic classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from insights.core.errors import BadRequestError


def response_format(value: Any) -> tuple[Any, Any]:
    """OpenAI's `response_format`, and the class to read the answer with (`dict` for JSON without one).

    Args:
        value: a pydantic class, a bare JSON schema, or OpenAI's own form.
    """
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        schema = strict_schema(value.model_json_schema())
        name = re.sub(r"[^A-Za-z0-9_-]", "_", value.__name__)[:64]
        return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}, value
    if not isinstance(value, Mapping):
        raise BadRequestError(
            f"response_format must be a pydantic class, a JSON schema or OpenAI's form, got {type(value).__name__}"
        )
    kind = value.get("type")
    if kind in ("json_schema", "json_object", "text"):
        return dict(value), (None if kind == "text" else dict)
    if kind == "object" or "properties" in value or "$ref" in value:
        return {
            "type": "json_schema",
            "json_schema": {"name": str(value.get("title", "answer")), "schema": dict(value)},
        }, dict
    raise BadRequestError(
        f"response_format has type {kind!r}", hint="use text, json_object, json_schema, or give the JSON schema itself"
    )


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as OpenAI's strict mode wants it: every property required, no others allowed, no defaults.

    The rules are those of OpenAI's guide "Structured model outputs", section "Supported schemas".
    """
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
        schema["required"] = list(schema["properties"])
    for name in ("properties", "$defs"):
        for item in schema.get(name, {}).values():
            strict_schema(item)
    for name in ("anyOf", "allOf", "prefixItems"):
        for item in schema.get(name, ()):
            strict_schema(item)
    if isinstance(schema.get("items"), dict):
        strict_schema(schema["items"])
    schema.pop("default", None)
    return schema


def tool_schema(tool: Any) -> dict[str, Any]:
    """OpenAI's form of a tool.

    Args:
        tool: OpenAI's form itself, a provider's own built-in tool (a dict with `type`), a pydantic class, or a typed
            function, whose signature gives the parameters and whose docstring the description.

    Raises:
        BadRequestError: a parameter without a type, or something that is no tool.
    """
    if isinstance(tool, Mapping):
        return dict(tool)
    if isinstance(tool, type) and hasattr(tool, "model_json_schema"):
        schema = tool.model_json_schema()
        return _function(tool.__name__, schema.pop("description", None) or _summary(tool), schema)
    if callable(tool):
        return _function(tool.__name__, _summary(tool), parameters_schema(tool))
    raise BadRequestError(f"a tool must be a dict, a typed function or a pydantic class, got {type(tool).__name__}")


def _function(name: str, description: str | None, parameters: dict[str, Any]) -> dict[str, Any]:
    parameters.pop("title", None)
    about = {"description": description} if description else {}
    return {"type": "function", "function": {"name": name, **about, "parameters": parameters}}


def _summary(thing: Any) -> str | None:
    """The docstring up to its `Args:`; those lines describe single parameters."""
    text = inspect.getdoc(thing) or ""
    return re.split(r"\n\s*(?:Args|Arguments|Parameters|Returns|Raises):?\s*\n", text)[0].strip() or None


def _described(function: Callable[..., Any]) -> dict[str, str]:
    """The lines of a docstring's `Args:` section, by parameter."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"\n\s*(?:Args|Arguments):\s*\n(.*?)(?:\n\s*\n|\n\S|\Z)", text, re.DOTALL)
    lines = section.group(1) if section else ""
    return {m[1]: m[2].strip() for m in re.finditer(r"^\s*(\w+)\s*(?:\([^)]*\))?:\s*(.+)$", lines, re.MULTILINE)}


def parameters_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """The JSON schema of a typed function's parameters."""
    from pydantic import Field, create_model

    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, ValueError, TypeError) as error:
        raise BadRequestError(f"the signature of tool {function.__name__!r} can't be read: {error}") from None
    about = _described(function)
    fields: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise BadRequestError(f"tool {function.__name__!r} takes {parameter}: a model can only fill named parameters")
        if parameter.annotation is parameter.empty:
            raise BadRequestError(
                f"parameter {name!r} of tool {function.__name__!r} has no type",
                hint=f"write def {function.__name__}({name}: str, ...)",
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (parameter.annotation, Field(default, description=about.get(name)))
    schema: dict[str, Any] = create_model(function.__name__, **fields).model_json_schema()
    for item in schema.get("properties", {}).values():
        item.pop("title", None)
    schema.setdefault("properties", {})
    return schema
