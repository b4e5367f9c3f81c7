"""What a notebook shows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from insights.core.display import answer_markdown, inert, summary_line
from insights.core.types import Choices, Cost, Function, Message, ModelResponse, ToolCall, Trace, Usage


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain *words*", "plain *words*"),
        ("<b>bold</b>", "&lt;b>bold&lt;/b>"),
        ("a <script>alert(1)</script>", "a &lt;script>alert(1)&lt;/script>"),
        ("1 < 2 and `a < b`", "1 &lt; 2 and `a < b`"),
        ("```python\nif a < b:\n    pass\n```\n<i>", "```python\nif a < b:\n    pass\n```\n&lt;i>"),
        ("```\nnever <closed>", "```\nnever <closed>"),
        ("`<a>` <b> `<c>`", "`<a>` &lt;b> `<c>`"),
        ("`a\n\n`<b>` <i>", "`a\n\n`<b>` &lt;i>"),
        ("````\n```\n<a>\n````\n<b>", "````\n```\n<a>\n````\n&lt;b>"),
        ("```\r\n<a>\r\n```\r\n<b>", "```\r\n<a>\r\n```\r\n&lt;b>"),
        ("", ""),
    ],
)
def test_html_is_shown_not_run(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "`not\ncode` <img src=x> `code`",
        "``not closed` <img src=x>",
        r"\`<img src=x>\`",
        "```a`b\n<img src=x>",
        "```\ncode\n````\n<img src=x>",
        "```\ncode\n  ```\n<img src=x>",
        "~~~\n```\n~~~\n<img src=x>",
        " ```\n```\n<img src=x>",
        "- ```\n  ```\n<img src=x>",
        "```\rcode\r```\r<img src=x>",
        "| `a | b` `<img src=x>` |",
    ],
)
def test_what_only_looks_like_code(text: str) -> None:
    """By CommonMark (4.5, 6.1) the tag is outside of all code here, whatever the backticks around it look like."""
    assert "<img" not in inert(text)


def answer(**fields: object) -> ModelResponse:
    return ModelResponse.model_validate({"provider": "openai", "model": "gpt", **fields})


def test_the_quiet_line() -> None:
    found = answer(
        cost=Cost(total=Decimal("0.000123")), trace=Trace(duration=1.204), usage=Usage(prompt_tokens=12, completion_tokens=34)
    )
    assert summary_line(found) == "openai/gpt · $0.000123 · 1.20 s · 12 + 34 tokens"


def test_what_is_unknown() -> None:
    assert summary_line(answer()) == "openai/gpt · cost unknown"
    assert summary_line(ModelResponse()) == "cost unknown"


def test_from_the_cache() -> None:
    assert summary_line(answer(cached=True)) == "openai/gpt · cached"
    assert summary_line(answer(cached=True, cost=Cost(saved=Decimal("0.0100")))) == "openai/gpt · cached, saved $0.01"


def test_an_answer() -> None:
    found = answer(choices=[Choices(message=Message(content="**Hi** <b>"))])
    assert found._repr_markdown_() == answer_markdown(found) == "**Hi** &lt;b>\n\n<sub>openai/gpt · cost unknown</sub>"


def test_a_refusal_and_tool_calls() -> None:
    assert answer_markdown(answer(choices=[Choices(message=Message(refusal="No."))])).startswith("No.\n\n<sub>")
    calls = [ToolCall(function=Function(name="f", arguments='{"a": 1}'))]
    found = answer(choices=[Choices(message=Message(content="Wait.", tool_calls=calls))])
    assert answer_markdown(found).startswith('Wait.\n\n`f({"a": 1})`\n\n<sub>')
    assert answer_markdown(ModelResponse()) == "\n\n<sub>cost unknown</sub>"


def test_a_model_name_is_data_too() -> None:
    assert "<img" not in answer_markdown(answer(model="<img src=x>"))
