"""A short tour of insights that needs no key and no network: `make demo`.

Every answer is replayed from `cassettes/`, which were recorded from this project's wire simulator, not from live models. What
the tour says is checked while it runs; where something isn't so, it ends with an error.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel

import insights
from insights import completion, use_cassette

CASSETTES = Path(__file__).resolve().parents[1] / "cassettes"
STYLE = "Answer in one short sentence, in plain words, without numbers.\n" * 72


class City(BaseModel):
    city: str
    country: str
    population: int


def check(fact: bool, otherwise: str) -> None:
    if not fact:
        raise SystemExit(f"demo: {otherwise}")


def no_network(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"demo: something wants the network: {event} {arguments[-1]!r}")


def heading(text: str) -> None:
    print(f"\n{text}")


def three_providers() -> None:
    heading("One function, three providers")
    for model in ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"):
        provider = model.partition("/")[0]
        with use_cassette(CASSETTES / provider / "demo_answer.yaml") as cassette:
            r = completion(model, "Why is the sky blue?", max_tokens=200)
        check(r.provider == provider and cassette.play_count == 1, f"{model} was not answered by its cassette")
        check(r.cost is not None and r.usage is not None and r.cost.total > 0, f"{model} has no cost")
        assert r.usage is not None
        print(f"  {model:<27} {r.cost!s:<11} {r.usage.prompt_tokens:>2} + {r.usage.completion_tokens:>2} tokens  {r.text}")


def a_stream() -> None:
    heading("A stream, as its chunks arrive (| marks where one ends)")
    with use_cassette(CASSETTES / "anthropic" / "demo_stream.yaml"):
        stream = completion("anthropic/claude-haiku-4-5", "Write three lines about the sea.", max_tokens=200, stream=True)
        print("  ", end="")
        seen = []
        for chunk in stream:
            if chunk.text:
                seen.append(chunk.text)
                print(chunk.text.replace("\n", "\n  "), end="|", flush=True)
    whole = stream.response
    print(f"\n  whole answer: {len(seen)} chunks, {whole.cost}, finish_reason={whole.choices[0].finish_reason}")
    check(len(seen) > 3 and "".join(seen) == whole.text, "the chunks are not the answer")


def structured_output() -> None:
    heading("An answer as a pydantic object")
    with use_cassette(CASSETTES / "openai" / "demo_schema.yaml"):
        r = completion("openai/gpt-4o-mini", "Describe Tokyo.", response_format=City)
    check(isinstance(r.parsed, City), "the answer is no City")
    print(f"  {r.parsed!r}")


def costs() -> None:
    heading("What a call cost, to the last digit (a long prompt that the provider had cached, a model that reasons)")
    with use_cassette(CASSETTES / "openai" / "demo_costs.yaml"):
        r = completion(
            "openai/gpt-5-mini",
            [{"role": "system", "content": STYLE}, {"role": "user", "content": "How do plants eat?"}],
        )
    cost, usage = r.cost, r.usage
    assert cost is not None
    assert usage is not None
    cached, reasoning = usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens
    rows: list[tuple[str, int, Decimal]] = [
        ("input", usage.prompt_tokens - cached, cost.input),
        ("cached input", cached, cost.cached_input),
        ("output", usage.completion_tokens - reasoning, cost.output),
        ("reasoning", reasoning, cost.reasoning),
        ("total", usage.total_tokens, cost.total),
    ]
    for name, tokens, dollars in rows:
        print(f"  {name:<12} {tokens:>5} tokens  ${dollars:.8f}")
    check(cached > 0 and reasoning > 0, "no token was cached, or none was for reasoning")
    check(sum((row[2] for row in rows[:-1]), Decimal(0)) == cost.total, "the parts of the cost don't add up")
    print(f"  prices as of {cost.price_date}")


def a_cache_hit() -> None:
    heading("The same call twice: the second comes from the cache")
    with use_cassette(CASSETTES / "openai" / "demo_cache.yaml") as cassette:
        for turn in ("first", "second"):
            begun = time.perf_counter()
            r = completion("openai/gpt-4o-mini", "How do plants eat?", cache=True)
            took = (time.perf_counter() - begun) * 1000
            check(r.cached == (turn == "second"), f"the {turn} answer has cached={r.cached}")
            assert r.cost is not None
            print(
                f"  {turn:<6}  cached={r.cached!s:<5}  {took:6.1f} ms  cost {r.cost!s:<9}  saved ${r.cost_saved.normalize():f}"
            )
        check(cassette.play_count == 1, f"the cassette was asked {cassette.play_count} times")
        check(r.cost is not None and r.cost.total == 0 and r.cost_saved > 0, "the cached answer was billed")
    print(f"  the cassette was asked {cassette.play_count} time")


def a_fallback() -> None:
    heading("A provider that says 429 (come back in 120 s), and a fallback that answers")
    with use_cassette(CASSETTES / "anthropic" / "demo_fallback.yaml"):
        r = completion("anthropic/claude-haiku-4-5", "How do plants eat?", max_tokens=200, fallbacks=["openai/gpt-4o-mini"])
    print(f"  {r.provider}/{r.model}: {r.text}")
    for line in str(r.trace).splitlines():
        print(f"    {line}")
    errors = [attempt.error for attempt in r.trace.attempts]
    check(r.provider == "openai" and errors == ["RateLimitError", None], f"the fallback went another way: {r.trace}")


def main() -> None:
    # The tour is the same on every machine: no key, no setting and no network takes part.
    for name in list(os.environ):
        if re.fullmatch(r"INSIGHTS_.*|.*_API_(KEY|BASE)", name):
            del os.environ[name]
    sys.addaudithook(no_network)
    print(f"insights {insights.__version__}: a tour without a key and without a network")
    print("Answers are replayed from cassettes/: recorded from this project's simulator, not from live models.")
    with tempfile.TemporaryDirectory(prefix="insights-demo-") as directory:
        os.environ["INSIGHTS_CACHE_DIR"] = directory
        three_providers()
        a_stream()
        structured_output()
        costs()
        a_cache_hit()
        a_fallback()
        insights.client.default_client().close()
    print("\nAll of it as said.")


if __name__ == "__main__":
    main()
