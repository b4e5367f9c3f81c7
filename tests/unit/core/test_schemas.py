"""Python types to JSON schema."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from insights.core.errors import BadRequestError
from insights.core.request import build_request
from insights.core.schemas import parameters_schema, response_format, strict_schema, tool_schema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str
    count: int = 1


class Thing(BaseModel):
    """A thing."""

    title: str
    parts: list[Part] = Field(default_factory=list)
    best: Part | None = None


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object schema with properties, at any depth."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" and "properties" in schema else []
    return own + [found for item in schema.values() for found in objects(item)]


def names(schema: Any) -> set[str]:
    """Every keyword used, at any depth."""
    if isinstance(schema, list):
        return {name for item in schema for name in names(item)}
    return set(schema) | {name for item in schema.values() for name in names(item)} if isinstance(schema, dict) else set()


def test_a_pydantic_class_as_openais_strict_mode_wants_it() -> None:
    """OpenAI, "Structured model outputs": all fields required, `additionalProperties: false` in every object."""
    form, parse_as = response_format(Thing)
    assert parse_as is Thing
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == ("json_schema", "Thing", True)
    schema = form["json_schema"]["schema"]
    assert len(objects(schema)) == 2
    for found in objects(schema):
        assert found["additionalProperties"] is False
        assert sorted(found["required"]) == sorted(found["properties"])
    assert "default" not in names(schema)


def test_strict_reaches_every_corner() -> None:
    part = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}

    def fresh() -> dict[str, Any]:
        return {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}

    schema = strict_schema(
        {
            "type": "object",
            "properties": {
                "one": fresh(),
                "many": {"type": "array", "items": fresh()},
                "either": {"anyOf": [fresh(), {"type": "null"}]},
                "all": {"allOf": [fresh()]},
                "pair": {"type": "array", "prefixItems": [fresh(), fresh()]},
            },
            "$defs": {"D": fresh()},
        }
    )
    assert part == fresh()
    assert len(objects(schema)) == 8
    assert all(
        found["additionalProperties"] is False and found["required"] == list(found["properties"]) for found in objects(schema)
    )
    assert "default" not in names(schema)


def test_a_property_called_default_is_not_a_default() -> None:
    class Setting(BaseModel):
        default: str
        title: str

    schema = response_format(Setting)[0]["json_schema"]["schema"]
    assert sorted(schema["properties"]) == ["default", "title"]
    assert sorted(schema["required"]) == ["default", "title"]


def test_a_name_that_openai_takes() -> None:
    class Made(BaseModel):
        a: int

    Made.__name__ = "Page[Größe] " + "x" * 80
    name = response_format(Made)[0]["json_schema"]["name"]
    assert name.startswith("Page_Gr__e__")
    assert len(name) == 64


@pytest.mark.parametrize(
    ("form", "parse_as"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, dict),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}, dict),
    ],
)
def test_openais_own_form_stays(form: dict[str, Any], parse_as: Any) -> None:
    assert response_format(form) == (form, parse_as)


@pytest.mark.parametrize(
    "schema", [{"type": "object", "properties": {}}, {"properties": {"a": {}}, "title": "T"}, {"$ref": "#/$defs/A"}]
)
def test_a_bare_schema(schema: dict[str, Any]) -> None:
    form, parse_as = response_format(schema)
    assert parse_as is dict
    assert form == {
        "type": "json_schema",
        "json_schema": {"name": schema.get("title", "answer"), "schema": schema},
    }


@pytest.mark.parametrize("value", ["json", 3, [Thing], Thing(title="x"), int])
def test_no_response_format(value: Any) -> None:
    with pytest.raises(BadRequestError, match="response_format must be"):
        response_format(value)


def test_an_unknown_kind_of_response_format() -> None:
    with pytest.raises(BadRequestError, match="type 'xml'"):
        response_format({"type": "xml"})


def test_a_request_keeps_the_class_beside_its_schema() -> None:
    request = build_request("m", "Hi", {"response_format": Thing})
    assert request.parse_as is Thing
    assert request.params["response_format"]["json_schema"]["name"] == "Thing"
    assert "Thing" in request.canonical


# ---------------------------------------------------------------- tools


def weather(city: str, unit: Literal["c", "f"] = "c", days: int | None = None) -> str:
    """The weather of a city.

    For today or later.

    Args:
        city: the city's name,
        unit (str): Celsius or Fahrenheit.
        days: how many days ahead.

    Returns:
        A sentence.
    """
    return f"{city} {unit} {days}"


def test_a_typed_function() -> None:
    tool = tool_schema(weather)
    assert tool["type"] == "function"
    function = tool["function"]
    assert function["name"] == "weather"
    assert function["description"] == "The weather of a city.\n\nFor today or later."
    parameters = function["parameters"]
    assert (parameters["type"], parameters["required"]) == ("object", ["city"])
    assert parameters["properties"]["city"] == {"type": "string", "description": "the city's name,"}
    assert parameters["properties"]["unit"] == {
        "type": "string",
        "enum": ["c", "f"],
        "default": "c",
        "description": "Celsius or Fahrenheit.",
    }
    assert parameters["properties"]["days"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    assert "title" not in names(parameters)


def test_a_function_without_words_or_parameters() -> None:
    def now() -> str:
        return "now"

    assert tool_schema(now) == {
        "type": "function",
        "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
    }


def test_a_function_with_classes_of_its_own() -> None:
    def paint(thing: Part, colour: Colour) -> None:
        """Paints."""

    parameters = parameters_schema(paint)
    assert set(parameters["$defs"]) == {"Part", "Colour"}
    assert parameters["required"] == ["thing", "colour"]


def test_a_method_has_no_self() -> None:
    class Shop:
        def price(self, name: str) -> int:
            """A price."""
            return len(name)

    assert list(parameters_schema(Shop().price)["properties"]) == ["name"]


def test_a_pydantic_class_as_tool() -> None:
    tool = tool_schema(Thing)
    assert (tool["function"]["name"], tool["function"]["description"]) == ("Thing", "A thing.")
    assert list(tool["function"]["parameters"]["properties"]) == ["title", "parts", "best"]


@pytest.mark.parametrize("tool", [{"type": "function", "function": {"name": "f"}}, {"type": "web_search_20250305"}])
def test_a_tool_in_openais_or_the_providers_form_stays(tool: dict[str, Any]) -> None:
    assert tool_schema(tool) == tool
    assert tool_schema(tool) is not tool


def untyped(city, unit: str) -> None:  # type: ignore[no-untyped-def]  # what this is about
    """No type."""


def spread(*cities: str) -> None:
    """Any number."""


def keywords(**cities: str) -> None:
    """Any name."""


def positional(city: str, /) -> None:
    """By place."""


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        (untyped, "parameter 'city' of tool 'untyped' has no type"),
        (spread, r"takes \*cities"),
        (keywords, r"takes \*\*cities"),
        (positional, "only fill named parameters"),
        ("weather", "a tool must be"),
        (None, "a tool must be"),
    ],
)
def test_what_is_no_tool(tool: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        tool_schema(tool)


def test_a_signature_that_cannot_be_read() -> None:
    def lost(city: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821  # what this is about
        """Lost."""

    with pytest.raises(BadRequestError, match="signature of tool 'lost'"):
        tool_schema(lost)
