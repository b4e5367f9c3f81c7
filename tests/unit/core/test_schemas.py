"""Python types to JSON schema."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel

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
        },
        {},
    )
    assert part == fresh()
    assert len(objects(schema)) == 8
    assert all(
        found["additionalProperties"] is False and found["required"] == list(found["properties"]) for found in objects(schema)
    )
    assert "default" not in names(schema)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]


def strict_of(cls: type[BaseModel]) -> dict[str, Any]:
    """The schema that is sent for a class, which is sent as strict."""
    form, _ = response_format(cls)
    assert form["json_schema"]["strict"] is True
    schema: dict[str, Any] = form["json_schema"]["schema"]
    return schema


def test_a_reference_with_words_of_its_own_is_written_out() -> None:
    """OpenAI refuses "$ref cannot have keywords {'description'}": what is referred to stands in its place."""

    class Order(BaseModel):
        main: Part = Field(description="the one that matters")
        other: Part

    properties = strict_of(Order)["properties"]
    assert properties["main"] == {
        "description": "the one that matters",
        "title": "Part",
        "type": "object",
        "properties": {"name": {"title": "Name", "type": "string"}, "count": {"title": "Count", "type": "integer"}},
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    assert properties["other"] == {"$ref": "#/$defs/Part"}


def test_a_written_out_reference_shares_nothing_with_its_definition() -> None:
    definitions = {"A": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}}
    found = strict_schema({"$ref": "#/$defs/A", "description": "mine"}, definitions)
    assert found["properties"] == {"a": {"type": "string"}}
    assert definitions["A"]["properties"] == {"a": {"type": "string", "default": "x"}}
    assert "required" not in definitions["A"]


def test_a_discriminated_union() -> None:
    """OpenAI's strict mode knows `anyOf` and neither `oneOf` nor `discriminator`."""

    class Home(BaseModel):
        pet: Cat | Dog = Field(discriminator="kind")

    schema = strict_of(Home)
    assert schema["properties"]["pet"]["anyOf"] == [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    assert not names(schema) & {"oneOf", "discriminator"}
    assert schema["$defs"]["Cat"]["required"] == ["kind", "lives"]


def with_dict() -> type[BaseModel]:
    class Counts(BaseModel):
        counts: dict[str, int]

    return Counts


def with_bare_dict() -> type[BaseModel]:
    class Loose(BaseModel):
        anything: dict  # type: ignore[type-arg]  # what this is about

    return Loose


def with_extra() -> type[BaseModel]:
    class Open(BaseModel, extra="allow"):
        a: int

    return Open


def with_dict_inside() -> type[BaseModel]:
    class Inner(BaseModel):
        many: list[dict[str, str]] = Field(default_factory=list)

    class Outer(BaseModel):
        inner: Inner | None = None

    return Outer


@pytest.mark.parametrize("make", [with_dict, with_bare_dict, with_extra, with_dict_inside])
def test_free_keys_cannot_be_strict(make: Callable[[], type[BaseModel]]) -> None:
    """Strict mode wants `additionalProperties: false` everywhere, which would forbid what the class is for."""
    cls = make()
    form, parse_as = response_format(cls)
    assert parse_as is cls
    assert form == {"type": "json_schema", "json_schema": {"name": cls.__name__, "schema": cls.model_json_schema()}}


@pytest.mark.parametrize(("inside", "said"), [(list[int], "array"), (Cat | Dog, "a union"), (str, "string")])
def test_a_root_model_is_no_object(inside: Any, said: str) -> None:
    cls: Any = RootModel[inside]
    with pytest.raises(BadRequestError, match=f"isn't an object but {said}") as raised:
        response_format(cls)
    assert raised.value.hint == "put it into a model with one field"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "string"},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"enum": ["a", "b"]},
    ],
)
def test_a_bare_schema_of_something_else_than_an_object(schema: dict[str, Any]) -> None:
    form, parse_as = response_format(schema)
    assert form == {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    assert parse_as is dict


@pytest.mark.parametrize(
    ("title", "name"), [("My answer: v1.0", "My_answer__v1_0"), ("Größe", "Gr__e"), ("x" * 70, "x" * 64), ("a-b_c", "a-b_c")]
)
def test_the_title_of_a_bare_schema_as_a_name(title: str, name: str) -> None:
    """OpenAI: "a-z, A-Z, 0-9, or contain underscores and dashes, with a maximum length of 64"."""
    form, _ = response_format({"type": "object", "properties": {}, "title": title})
    assert form["json_schema"]["name"] == name


class Inner(BaseModel):
    count: int = 1
    note: str | None = None


class Outer(BaseModel):
    """Something with a description."""

    name: str
    inner: Inner
    many: list[Inner] = []


class Chain(BaseModel):
    value: int
    rest: Chain | None = None


@pytest.mark.parametrize("cls", [Inner, Outer, Chain])
def test_a_class_and_its_schema_ask_for_the_same(cls: type[BaseModel]) -> None:
    schema = cls.model_json_schema()
    before = copy.deepcopy(schema)
    assert response_format(schema) == (response_format(cls)[0], dict)
    assert schema == before, "what was given is not ours to change"


def test_what_leaves_values_open_cannot_be_strict() -> None:
    class Anything(BaseModel):
        value: Any

    assert "strict" not in response_format(Anything)[0]["json_schema"]


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
    "schema",
    [
        {"properties": {"a": {}}, "title": "T"},
        {"$ref": "#/$defs/A"},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "minProperties": 1},
    ],
)
def test_a_bare_schema_that_strict_mode_does_not_take(schema: dict[str, Any]) -> None:
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


class Undescribed(BaseModel):
    city: str


def test_a_pydantic_class_without_words_has_no_description() -> None:
    """Not the docstring it inherits, which describes pydantic."""
    function = tool_schema(Undescribed)["function"]
    assert set(function) == {"name", "parameters"}


def test_words_beside_the_type() -> None:
    def find(
        city: Annotated[str, Field(description="the city's name")],
        limit: Annotated[int, Field(description="how many", ge=1)] = 5,
    ) -> None:
        """Finds."""

    parameters = parameters_schema(find)
    assert parameters["required"] == ["city"]
    assert parameters["properties"] == {
        "city": {"type": "string", "description": "the city's name"},
        "limit": {"type": "integer", "description": "how many", "minimum": 1, "default": 5},
    }


def test_parameters_with_any_name() -> None:
    """Names that a pydantic model has attributes of, or takes for its own, are ordinary names of parameters."""

    def odd(schema: str, copy: bool, json: str, _x: int, model_config: str, model_dump: float = 0.5) -> None:
        """Odd."""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parameters = parameters_schema(odd)
    assert {name: item["type"] for name, item in parameters["properties"].items()} == {
        "schema": "string",
        "copy": "boolean",
        "json": "string",
        "_x": "integer",
        "model_config": "string",
        "model_dump": "number",
    }
    assert parameters["required"] == ["schema", "copy", "json", "_x", "model_config"]


class Asking:
    """Can be called, and has no name."""

    def __call__(self, city: str) -> str:
        return city


@pytest.mark.parametrize(
    "tool", [lambda city: city, functools.partial(weather, unit="c"), Asking()], ids=["lambda", "partial", "object"]
)
def test_a_tool_has_a_name(tool: Any) -> None:
    with pytest.raises(BadRequestError, match="a tool needs a name") as raised:
        tool_schema(tool)
    assert raised.value.hint == "write it as a function: def ..."


class Handle:
    """A class that pydantic knows nothing of."""


@pytest.mark.parametrize("kind", [Handle, Callable[[int], int], list[Handle]])
def test_a_type_without_a_schema(kind: Any) -> None:
    def use(thing: Any) -> None:
        """Uses."""

    use.__annotations__["thing"] = kind
    with pytest.raises(BadRequestError, match="parameters of tool 'use' have no JSON schema") as raised:
        tool_schema(use)
    assert "\n" not in raised.value.message


class Tree(BaseModel):
    """A class that contains itself, with a word on each branch."""

    name: str
    kids: list[Annotated[Tree, Field(description="a kid")]]


def test_a_class_that_contains_itself() -> None:
    form, read_as = response_format(Tree)
    schema = form["json_schema"]["schema"]
    assert read_as is Tree
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["name", "kids"], False)
    # Written out once, then a bare reference: OpenAI takes nothing beside a $ref, and there is no end to writing it out.
    inner = schema["properties"]["kids"]["items"]
    assert inner["properties"]["kids"]["items"] == {"$ref": "#/$defs/Tree"}
    assert schema["$defs"]["Tree"]["additionalProperties"] is False


def test_examples_are_no_schemas() -> None:
    class Example(BaseModel):
        kind: str = Field(examples=[{"type": "object"}])

    assert response_format(Example)[0]["json_schema"]["strict"] is True


def test_defaults_of_any_kind_stay() -> None:
    def tool(ids: list[int] = [1, 2], far: bool = False, near: str | None = None) -> None:  # noqa: B006
        """A tool."""

    properties = tool_schema(tool)["function"]["parameters"]["properties"]
    assert (properties["ids"]["default"], properties["far"]["default"]) == ([1, 2], False)
    assert "default" not in properties["near"]
