"""What a call writes into the ledger: one line for each attempt that was paid for, and nothing that was said."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.client import Client
from insights.core.config import Settings
from insights.core.display import short
from insights.core.effects import Blocking, Flow
from insights.core.errors import (
    AllModelsFailedError,
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    EmptyResponseError,
    Timeout,
    TruncatedStreamError,
)
from insights.spending import spending as module
from insights.spending.budget import Limits, budget, reserve
from insights.spending.entries import Entry
from insights.spending.ledger import Ledger, close_ledgers, open_ledger
from insights.spending.spending import Spending, given_tags, settled
from tests.processes import REPO
from tests.unit.both import Read, both
from tests.unit.both import ask as really_ask
from tests.unit.conftest import OPENAI_KEY
from tests.unit.loopback import Provider
from tests.unit.openai_wire import DONE, ROLE, USAGE, answer, chunk, events, refusal
from tests.unit.scripted import Played, Script, ask, ok, refused, streamed

PAID = Decimal("0.006")


@pytest.fixture
def ledger(own_cache_dir: Path) -> Ledger:
    return open_ledger(own_cache_dir)


def lines(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    return [(entry.kind, entry.model, None if entry.cost is None else short(entry.cost)) for entry in ledger.entries()]


def test_an_answer(client: Client, ledger: Ledger) -> None:
    found = ask(client, Script(ok(answer())), tags=["a", "b"])
    (entry,) = ledger.entries()
    assert found.cost is not None
    assert (entry.cost, entry.cost) == (PAID, found.cost.total)
    assert (entry.provider, entry.model, entry.kind, entry.calls, entry.tags) == (
        "openai",
        "test-model",
        "answer",
        1,
        ("a", "b"),
    )
    assert (entry.prompt_tokens, entry.completion_tokens) == (1000, 500)
    assert entry.time == found.trace.attempts[0].started


def test_attempts_that_are_not_paid_for(client: Client, ledger: Ledger) -> None:
    ask(client, Script(refused(500, refusal("oh")), ok(answer())), num_retries=1)
    assert lines(ledger) == [("answer", "test-model", "0.006")]
    with pytest.raises(AuthenticationError):
        ask(client, Script(refused(401, refusal("no"))), cache=False)
    assert len(lines(ledger)) == 1


def test_an_empty_answer_is_paid_for(client: Client, ledger: Ledger) -> None:
    ask(client, Script(ok(answer("")), ok(answer())), num_retries=1)
    assert lines(ledger) == [("failed", "test-model", "0.006"), ("answer", "test-model", "0.006")]


def test_a_refused_answer_is_paid_for(client: Client, ledger: Ledger) -> None:
    script = Script(ok(answer("", finish="content_filter")), ok(answer()))
    found = ask(client, script, content_policy_fallbacks=["mistral/mistral-small-latest"])
    assert [line[:2] for line in lines(ledger)] == [("failed", "test-model"), ("answer", "mistral-small-latest")]
    assert found.trace.attempts[0].cost is not None
    assert found.trace.attempts[0].cost.total == PAID


def test_fallbacks_that_all_fail(client: Client, ledger: Ledger) -> None:
    script = Script(ok(answer("")), ok(answer("")))
    with budget(usd=1) as money, pytest.raises(AllModelsFailedError):
        ask(client, script, num_retries=0, fallbacks=[{"model": "openai/test-model", "max_tokens": 500}], max_tokens=600)
    assert [kind for kind, _, _ in lines(ledger)] == ["failed", "failed"]
    assert (money.spent, money.reserved) == (2 * PAID, Decimal(0))


@both
def test_hedging(client: Client, provider: Provider, ledger: Ledger, awaiting: bool) -> None:
    slow = provider.will(answer("slow"), linger=True)
    provider.will(answer("quick"))
    with budget(usd=1) as money:
        found = really_ask(
            client, awaiting, "openai/test-model", max_tokens=500, api_base=provider.url, hedge_after=0.05, num_retries=0,
            fallbacks=[{"model": "openai/test-model", "max_tokens": 501, "api_base": provider.url, "api_key": "second"}],
        )  # fmt: skip
        assert slow.left.wait(10)
        assert found.text in ("slow", "quick")
        # The other one was sent too. What it costs nobody says; all that it can have cost counts.
        assert sorted(lines(ledger), key=str) == [("answer", "test-model", "0.006"), ("failed", "test-model", None)]
        assert money.reserved == 0
        assert money.spent > PAID


@both
def test_a_whole_stream(client: Client, provider: Provider, ledger: Ledger, awaiting: bool) -> None:
    provider.will(*events())
    read = Read().run(client, awaiting, "openai/test-model", api_base=provider.url, tags="s")
    assert read.response is not None
    assert read.response.cost is not None
    (entry,) = ledger.entries()
    assert (entry.kind, entry.cost, entry.prompt_tokens, entry.tags) == ("answer", read.response.cost.total, 1000, ("s",))


@both
def test_a_stream_that_is_left_early(client: Client, provider: Provider, ledger: Ledger, awaiting: bool) -> None:
    reply = provider.will(ROLE, chunk({"content": "Hel"}), linger=True)
    with budget(usd=1) as money:
        given: dict[str, Any] = {"stream": True, "api_base": provider.url, "max_tokens": 500}
        if awaiting:

            async def leave() -> None:
                async with await client.acompletion("openai/test-model", "Hi", **given) as stream:
                    async for _ in stream:
                        break

            asyncio.run(leave())
        else:
            with client.completion("openai/test-model", "Hi", **given) as stream:
                next(iter(stream))
        assert reply.left.wait(10)
    (entry,) = ledger.entries()
    assert (entry.kind, entry.cost) == ("failed", None), "it cost something, and nobody knows how much"
    assert entry.assumed == money.spent > Decimal("0.004")
    assert money.reserved == 0
    assert insights.spending.table.spend_table(ledger, "model").total.unknown == 1


def test_a_stream_that_says_nothing(client: Client, ledger: Ledger) -> None:
    with pytest.raises(insights.EmptyResponseError):
        Played(client, Script(streamed([ROLE, chunk({}, "stop"), USAGE, DONE])), num_retries=0).run()
    assert lines(ledger) == [("failed", "test-model", "0.006")]


def test_a_stream_that_is_cut(client: Client, ledger: Ledger) -> None:
    cut = APIConnectionError("the connection broke", provider="openai", model="test-model")
    with budget(usd=1) as money, pytest.raises(TruncatedStreamError):
        Played(client, Script(streamed([ROLE, chunk({"content": "Hel"})], cut)), num_retries=0, max_tokens=500).run()
    assert money.reserved == 0
    assert lines(ledger) == [("failed", "test-model", None)]
    assert money.spent > 0


# ---------------------------------------------------------------- what costs nothing


def test_hits_are_summed(client: Client, ledger: Ledger) -> None:
    first = ask(client, Script(ok(answer())))
    for tag in (None, "a", "a"):
        assert ask(client, Script(), tags=tag).cached
    assert first.cost is not None
    found = [(entry.kind, entry.calls, entry.saved, entry.tags) for entry in ledger.entries()]
    assert found == [("answer", 1, 0, ()), ("saved", 1, PAID, ()), ("saved", 2, 2 * PAID, ("a",))]
    assert insights.spend().total.saved == 3 * PAID


def test_a_replayed_cassette_writes_nothing(own_cache_dir: Path) -> None:
    with insights.use_cassette(REPO / "cassettes" / "openai" / "demo_answer.yaml"), budget(usd=1) as money:
        found = insights.completion("openai/gpt-4o-mini", "Why is the sky blue?", max_tokens=200)
    assert found.cost is not None
    assert money.spent == found.cost.total > 0, "but a block counts, so that a test can see it"
    assert not own_cache_dir.exists()
    with insights.use_cassette(REPO / "cassettes" / "openai" / "demo_answer.yaml"):
        given: dict[str, Any] = {"messages": "Why is the sky blue?", "max_tokens": 200, "cache": True}
        insights.completion("openai/gpt-4o-mini", **given)
        assert insights.completion("openai/gpt-4o-mini", **given).cached
    close_ledgers()
    assert not own_cache_dir.exists(), "nor does what its own cache saved"


def test_a_ledger_that_is_off(config_dir: Path, own_cache_dir: Path) -> None:
    client = Client(
        Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=own_cache_dir, ledger=False, cache=False)
    )
    with budget(usd=1) as money:
        ask(client, Script(ok(answer())), max_tokens=500)
    assert money.spent == PAID
    assert not own_cache_dir.exists()


def test_nothing_that_was_said_is_in_the_file(client: Client, provider: Provider, own_cache_dir: Path) -> None:
    provider.will(answer("canary-of-the-answer"))
    provider.will(answer("", finish="stop"))
    given: dict[str, Any] = {"api_base": provider.url, "num_retries": 0, "user": "canary-of-the-user", "cache": False}
    with budget(usd=1, per="day"):
        really_ask(client, False, "openai/test-model", "canary-of-the-prompt", max_tokens=9, **given)
        with pytest.raises(insights.EmptyResponseError):
            really_ask(client, False, "openai/test-model", "canary-of-the-prompt", max_tokens=9, **given)
        # In another process: closing a database's file here would let go of its locks.
        code = "import sys, pathlib; print(b''.join(p.read_bytes() for p in pathlib.Path(sys.argv[1]).rglob('ledger*')))"
        alive = subprocess.check_output([sys.executable, "-c", code, str(own_cache_dir)])
    close_ledgers()
    closed = b"".join(path.read_bytes() for path in own_cache_dir.rglob("ledger*"))
    for found in (alive, closed):
        assert b"test-model" in found
        for secret in (b"canary", OPENAI_KEY.encode(), provider.url.encode()):
            assert secret not in found


# ---------------------------------------------------------------- faults, and unknown prices


def test_no_call_fails_because_of_the_ledger(config_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    client = Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=tmp_path / "file", cache=False))
    with pytest.warns(RuntimeWarning, match="can't write its ledger"):
        ask(client, Script(ok(answer())))
    ask(client, Script(ok(answer())))
    (tmp_path / "file").unlink()
    found = open_ledger(tmp_path / "file")
    assert len(found.entries()) == 2, "what wasn't written is written later"


def test_an_unknown_price_is_none_and_said_once(client: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_unpriced", set())
    with pytest.warns(RuntimeWarning, match="no price is known for openai/unheard-of, so the cost of its answers is None"):
        first = ask(client, Script(ok(answer())), "openai/unheard-of", cache=False)
    again = ask(client, Script(ok(answer())), "openai/unheard-of", cache=False)  # another warning would be an error
    with pytest.warns(RuntimeWarning, match="openai/another"):
        ask(client, Script(ok(answer())), "openai/another", cache=False)
    assert first.cost is again.cost is None
    assert [entry.cost for entry in ledger.entries()] == [None] * 3
    total = insights.spend().total
    assert (total.unknown, total.cost) == (3, Decimal(0))


def test_warnings_as_errors_fail_no_call(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_unpriced", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ask(client, Script(ok(answer("fine"))), "openai/unheard-of").text == "fine"


# ---------------------------------------------------------------- tags, and calls that are given up


def test_tags(client: Client, ledger: Ledger) -> None:
    with budget(usd=1, tag="outer"), budget(usd=1, tag="inner"):
        ask(client, Script(ok(answer())), tags=["mine", "outer"], max_tokens=9)
    assert ledger.entries()[0].tags == ("mine", "outer", "inner")
    assert given_tags({"b", "a"}) == ("a", "b")
    for wrong in (7, [""], ["a", 7], {"a": 1}):
        with pytest.raises(BadRequestError, match="tags must be texts"):
            given_tags(wrong)


def test_a_call_given_up_while_it_reserves(ledger: Ledger) -> None:
    money = budget(usd=1, per="day")
    spending = Spending(ledger, Limits((money,)))
    for late in (False, True):
        flow = Flow(spending.hold(Decimal("0.5"), 60, "m"))
        effect = flow.advance()
        assert isinstance(effect, Blocking)
        if not late:
            effect.function()
        flow.fail(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            flow.advance()
        if late:
            effect.function()  # its thread's turn comes after all
        assert money.reserved == 0
        assert ledger.reserve([(Decimal(1), None)], Decimal(1), 0, ())[0], "nothing is held in the file"


def test_a_call_given_up_while_it_settles(ledger: Ledger) -> None:
    money = budget(usd=1)
    held = reserve(Limits((money,)), Decimal("0.5"), ledger, seconds=60)
    flow = Flow(settled(held, Entry(1.0, "answer", "p", "m", cost=Decimal("0.25"))))
    effect = flow.advance()
    assert isinstance(effect, Blocking)
    flow.fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        flow.advance()
    effect.function()
    assert (money.reserved, money.spent) == (Decimal(0), Decimal("0.25"))
    assert lines(ledger) == [("answer", "m", "0.25")]


# ---------------------------------------------------------------- what was sent, and nobody answered


@both
def test_what_timed_out_may_be_billed(client: Client, provider: Provider, ledger: Ledger, awaiting: bool) -> None:
    never = threading.Event()
    provider.will(answer("late"), wait=never)
    with budget(usd=1) as money, pytest.raises(Timeout):
        really_ask(
            client, awaiting, "openai/test-model", max_tokens=500, api_base=provider.url, attempt_timeout=0.2, num_retries=0
        )
    never.set()
    assert lines(ledger) == [("failed", "test-model", None)]
    assert money.spent > 0
    assert money.reserved == 0


@both
def test_what_never_left_is_free(client: Client, ledger: Ledger, awaiting: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with budget(usd=1) as money, pytest.raises(APIConnectionError):
        really_ask(client, awaiting, "openai/test-model", max_tokens=500, api_base=f"http://127.0.0.1:{port}", num_retries=0)
    assert lines(ledger) == []
    assert (money.spent, money.reserved) == (Decimal(0), Decimal(0))


def test_a_retry_that_does_not_fit_says_what_failed_before(client: Client, ledger: Ledger) -> None:
    with budget(usd="0.008"), pytest.raises(EmptyResponseError) as raised:
        ask(client, Script(ok(answer("")), ok(answer(""))), max_tokens=500, num_retries=2)
    assert raised.value.trace is not None
    assert any(note.startswith("not asked again: the budget of $0.008") for note in raised.value.trace.notes)
