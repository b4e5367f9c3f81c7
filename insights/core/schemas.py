"""Python types to JSON schema: tools from typed functions, `response_format` from pydantic classes."""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from insights.core.errors import BadRequestError


def response_format(value: Any) -> tuple[Any, Any]:
    """OpenAI's `response_format`, and the class to read the answer with (`dict` for JSON without one).

    Args:
        value: a pydantic class, a bare JSON schema, or OpenAI's own form.
    """
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        schema = _with_root(value.model_json_schema())
        if schema.get("type") != "object":
            raise BadRequestError(
                f"response_format {value.__name__} isn't an object but {schema.get('type', 'a union')}",
                hint="put it into a model with one field",
            )
        return _json_schema(str(schema.get("title") or value.__name__), schema), value
    if not isinstance(value, Mapping):
        raise BadRequestError(
            f"response_format must be a pydantic class, a JSON schema or OpenAI's form, got {type(value).__name__}"
        )
    kind = value.get("type")
    if kind in ("json_schema", "json_object", "text"):
        return dict(value), (None if kind == "text" else dict)
    if kind in _JSON_TYPES or any(word in value for word in ("properties", "$ref", "anyOf", "enum")):
        # The same request as the class it may be from; the name is the class's, which is the schema's title.
        schema = _with_root(copy.deepcopy(dict(value)))
        return _json_schema(str(schema.get("title") or "answer"), schema), dict
    raise BadRequestError(
        f"response_format has type {kind!r}", hint="use text, json_object, json_schema, or give the JSON schema itself"
    )


_JSON_TYPES = ("object", "array", "string", "number", "integer", "boolean")


def _name(text: str) -> str:
    """A name as OpenAI allows it: letters, digits, underscores and dashes, 64 at most."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:64]


def _with_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Writes the root out where it is a reference: pydantic's way to say that a class contains itself."""
    root = schema.get("$ref", "").rpartition("/")[2]
    if root in schema.get("$defs", {}):
        del schema["$ref"]
        schema.update(copy.deepcopy(schema["$defs"][root]))
    return schema


def _json_schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The strict form where the schema can be made strict: an object, whose keys and values are all laid down."""
    if schema.get("type") != "object" or _is_free(schema):
        return {"type": "json_schema", "json_schema": {"name": _name(name), "schema": schema}}
    strict = strict_schema(schema, copy.deepcopy(schema.get("$defs", {})))
    return {"type": "json_schema", "json_schema": {"name": _name(name), "schema": strict, "strict": True}}


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas inside a schema."""
    for name in ("properties", "$defs"):
        yield from schema.get(name, {}).values()
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from schema.get(name, ())
    if isinstance(schema.get("items"), dict):
        yield schema["items"]


# OpenAI's guide "Structured model outputs", section "Supported schemas": what strict mode doesn't take.
_UNSUPPORTED = frozenset(
    """not dependentRequired dependentSchemas if then else patternProperties unevaluatedProperties propertyNames minProperties
    maxProperties unevaluatedItems contains minContains maxContains uniqueItems""".split()
)
_KINDS = ("type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")


def _is_free(schema: Any) -> bool:
    """Whether it leaves keys or values open (a dict field, Any), or says what strict mode can't."""
    if not isinstance(schema, Mapping) or _UNSUPPORTED & schema.keys() or not any(kind in schema for kind in _KINDS):
        return True
    open_ended = schema.get("additionalProperties") not in (None, False)
    bare = schema.get("type") == "object" and "properties" not in schema
    return open_ended or bare or any(_is_free(part) for part in _parts(schema))


def strict_schema(
    schema: dict[str, Any], definitions: Mapping[str, Any], inside: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """A schema as OpenAI's strict mode wants it: every property required, no others allowed, no defaults, nothing beside a
    `$ref`, `anyOf` for `oneOf`.

    The rules are those of OpenAI's guide "Structured model outputs", section "Supported schemas".

    Args:
        schema: changed in place.
        definitions: the `$defs` as they were at first.
        inside: definitions being written out already; a reference to one of them stays a reference.
    """
    name = schema.get("$ref", "").rpartition("/")[2]
    if name and len(schema) > 1:
        if name in inside or name not in definitions:
            kept = schema["$ref"]
            schema.clear()
            schema["$ref"] = kept
        else:
            inside |= {name}
            schema.pop("$ref")
            for key, value in copy.deepcopy(definitions[name]).items():
                schema.setdefault(key, value)
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
        schema.pop("discriminator", None)
    if schema.get("type") == "object" and "properties" in schema:
        schema["additionalProperties"] = False
        schema["required"] = list(schema["properties"])
    for part in _parts(schema):
        strict_schema(part, definitions, inside)
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
        return _function(tool.__name__, schema.pop("description", None), schema)
    if callable(tool):
        name = getattr(tool, "__name__", "")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise BadRequestError(f"a tool needs a name, and {tool!r} has none", hint="write it as a function: def ...")
        return _function(name, _summary(tool), parameters_schema(tool))
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
    """The JSON schema of a typed function's parameters.

    Raises:
        BadRequestError: a parameter that a model can't fill: without a type, without a name, of a type with no schema.
    """
    from typing import NotRequired

    from pydantic import Field, TypeAdapter
    from pydantic.errors import PydanticUserError
    from pydantic_core import PydanticSerializationError, to_jsonable_python
    from typing_extensions import TypedDict

    name = function.__name__
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, ValueError, TypeError) as error:
        raise BadRequestError(f"the signature of tool {name!r} can't be read: {error}") from None
    about = _described(function)
    fields: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for label, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise BadRequestError(f"tool {name!r} takes {parameter}: a model can only fill named parameters")
        if parameter.annotation is parameter.empty:
            raise BadRequestError(f"parameter {label!r} of tool {name!r} has no type", hint=f"write {label}: str, for example")
        kind = parameter.annotation
        if label in about:
            kind = Annotated[kind, Field(description=about[label])]
        if parameter.default is not parameter.empty:
            kind, defaults[label] = NotRequired[kind], parameter.default
        fields[label] = kind
    try:
        # A TypedDict and not a model: a parameter may have any name, also one that models have an attribute of.
        schema: dict[str, Any] = TypeAdapter(TypedDict(name, fields)).json_schema()  # type: ignore[operator]
    except (PydanticUserError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise BadRequestError(f"the parameters of tool {name!r} have no JSON schema: {said}") from None
    properties = schema.setdefault("properties", {})
    for label, item in properties.items():
        item.pop("title", None)
        if label in defaults and defaults[label] is not None:
            with contextlib.suppress(PydanticSerializationError):
                item.setdefault("default", to_jsonable_python(defaults[label]))
    return schema
