"""What a cassette shows of itself: prompts, answers, usage and cost, whoever was asked."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from insights.cassettes.file import CassetteFile, write_cassette
from insights.cassettes.show import inert, prompt_of, read_shown
from insights.core.effects import Recorded
from insights.core.errors import CassetteError
from tests.record_cassettes import FOLDER, MODELS
from tests.unit.cassettes.hygiene import recording, written


def test_a_row(tmp_path: Path) -> None:
    (row,) = read_shown(written(tmp_path / "c.yaml", recording("Why?", "Because.")))
    assert (row.number, row.model, row.status) == (1, "openai/gpt-4o-mini", 200)
    assert (row.prompt, row.answer) == ("user: Why?", "Because.")
    assert (row.prompt_tokens, row.completion_tokens) == (1000, 100)
    # 1,000 tokens at 0.15 USD and 100 at 0.60 USD a million: OpenAI's price list.
    assert row.cost == Decimal("0.00021")
    assert json.loads(json.dumps(row.as_dict()))["cost"] == "0.00021"


@pytest.mark.parametrize("provider", MODELS)
def test_every_providers_wire(provider: str) -> None:
    (row,) = read_shown(FOLDER / provider / "plain.yaml")
    assert row.prompt == "user: What is the capital of France?"
    assert row.answer == "The capital of France is Paris."
    assert row.model.startswith(f"{provider}/")
    assert row.prompt_tokens
    assert row.completion_tokens


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_streams_and_tools(provider: str) -> None:
    (row,) = read_shown(FOLDER / provider / "stream.yaml")
    assert row.answer.startswith("Grey water, white foam,")
    assert row.completion_tokens
    (row,) = read_shown(FOLDER / provider / "tools.yaml")
    assert row.answer.replace(" ", "") == 'get_weather({"city":"Paris"})'


def test_another_wire_of_the_same_provider() -> None:
    (row,) = read_shown(FOLDER / "openai" / "responses.yaml")
    assert row.answer == "The capital of France is Paris."


def test_a_refusal_is_shown_as_what_it_was() -> None:
    refused, answered = read_shown(FOLDER / "anthropic" / "demo_fallback.yaml")
    assert (refused.status, refused.cost) == (429, None)
    assert refused.answer.startswith("RateLimitError: ")
    assert answered.cost is not None


def test_what_nobody_can_read_is_shown_as_it_came(tmp_path: Path) -> None:
    odd = replace(recording(), provider="", model="", response=Recorded(200, {}, [b"who knows"]))
    unknown = replace(recording(), provider="nobody", response=Recorded(200, {}, [b"{}"]))
    write_cassette(tmp_path / "c.yaml", CassetteFile([odd, unknown]))
    rows = read_shown(tmp_path / "c.yaml")
    assert [(row.model, row.answer) for row in rows] == [
        ("api.openai.com", "who knows"),
        ("nobody/gpt-4o-mini", "{}"),
    ]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="no such cassette"):
        read_shown(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"messages": [{"role": "user", "content": "Hi\nthere"}]}, "user: Hi there"),
        (
            {"system": "Be brief.", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
            "system: Be brief.\nuser: Hi",
        ),
        (
            {"system": [{"text": "A"}], "messages": [{"role": "user", "content": [{"text": "B"}, {"image": {}}]}]},
            "system: A\nuser: B",
        ),
        ({"contents": [{"parts": [{"text": "Hi"}]}], "systemInstruction": {"parts": [{"text": "S"}]}}, "system: S\nuser: Hi"),
        ({"input": "Hi", "instructions": "S"}, "system: S\nuser: Hi"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, 3]}, "user: Hi"),
        ({"messages": [{"role": "assistant", "content": None}]}, ""),
        ([1], "[1]"),
        ({}, ""),
    ],
)
def test_prompts_of_every_form(body: object, shown: str) -> None:
    assert prompt_of(json.dumps(body).encode()) == shown


def test_a_prompt_that_is_no_json() -> None:
    assert prompt_of(b"plain \xff") == "plain \ufffd"


def test_no_terminal_obeys_it() -> None:
    assert inert("\x1b[31mred\x07\x9b\ttext\n") == "?[31mred???text\n"
    assert inert("a" * 10, 8) == "aaaaa..."
    lines = inert("\n".join(map(str, range(100))), 8).split("\n")
    assert (lines[0], lines[6], lines[-1], len(lines)) == ("0", "...", "99", 13)
