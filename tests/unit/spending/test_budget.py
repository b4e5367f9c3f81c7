"""Budgets: what doesn't fit isn't sent, whoever calls, from wherever."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.client import Client
from insights.core.config import Settings
from insights.core.display import short
from insights.core.errors import (
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ConfigError,
    LedgerError,
)
from insights.spending.budget import RUN, Limits, budget, in_force, reserve
from tests.unit.conftest import OPENAI_KEY
from tests.unit.openai_wire import answer, refusal
from tests.unit.scripted import Script, ask, ok, refused

ASKED: dict[str, Any] = {"max_tokens": 500, "cache": False}  # 1,000 tokens of prompt and 500 of answer are $0.006


def no(client: Client, error: type[BaseException] = BudgetExceededError, **given: Any) -> BaseException:
    """A call that isn't sent."""
    script = Script(ok(answer()))
    with pytest.raises(error) as raised:
        ask(client, script, **{**ASKED, **given})
    assert script.calls == [], "it was sent"
    return raised.value


def yes(client: Client, **given: Any) -> None:
    ask(client, Script(ok(answer())), **{**ASKED, **given})


def test_what_does_not_fit_is_not_sent(client: Client) -> None:
    with budget(usd=0.0105) as money:
        assert money.left == Decimal("0.0105")
        yes(client)
        assert (money.spent, money.reserved, money.left) == (Decimal("0.006"), Decimal(0), Decimal("0.0045"))
        yes(client, max_tokens=100)
        error = no(client)
    assert isinstance(error, BudgetExceededError)
    assert (error.limit, error.spent, error.reserved, error.per, error.tag) == (
        money.usd,
        Decimal("0.012"),
        Decimal(0),
        "run",
        None,
    )
    assert error.asked is not None
    assert error.asked > Decimal("0.004")
    assert "the budget of $0.0105 has nothing left, and a call of openai/test-model may cost $0.0" in error.message
    assert error.trace is not None
    assert [attempt.decision for attempt in error.trace.attempts] == ["skip"]
    yes(client)  # the block is over


def test_a_reservation_is_given_back_where_a_call_fails(client: Client) -> None:
    with budget(usd=0.006) as money:
        with pytest.raises(AuthenticationError):
            ask(client, Script(refused(401, refusal("no"))), **ASKED)
        assert (money.spent, money.reserved) == (Decimal(0), Decimal(0))
        yes(client)


def test_blocks_inside_of_blocks_all_hold(client: Client) -> None:
    with budget(usd=0.013, tag="outer") as outer:
        with budget(usd=1, tag="inner") as inner:
            yes(client)
            yes(client)
            error = no(client)
            assert (outer.spent, inner.spent) == (Decimal("0.012"), Decimal("0.012"))
        assert isinstance(error, BudgetExceededError)
        assert (error.tag, inner.reserved, outer.reserved) == ("outer", Decimal(0), Decimal(0))
        with budget(usd=0.001):
            assert isinstance(error := no(client), BudgetExceededError)
            assert error.limit in (Decimal("0.013"), Decimal("0.001"))
    with budget(usd=1) as outer, budget(usd=0.001) as inner:
        no(client)
        assert (outer.reserved, inner.reserved) == (Decimal(0), Decimal(0)), (
            "what the inner one refused, the outer one has back"
        )


def test_the_same_block_twice_counts_once(client: Client) -> None:
    with (money := budget(usd=1)), money:
        yes(client)
    assert money.spent == Decimal("0.006")
    with money:
        yes(client)
    assert money.spent == Decimal("0.012")


def test_an_unknown_price_fits_no_budget(client: Client) -> None:
    with budget(usd=100):
        assert "isn't known" in str(no(client, model="openai/nobody-knows"))


def test_a_candidate_that_does_not_fit_is_passed_over(client: Client) -> None:
    with budget(usd=0.008):
        script = Script(ok(answer()))
        found = ask(client, script, max_tokens=7000, cache=False, fallbacks=[{"model": "openai/test-model", "max_tokens": 500}])
        assert [attempt.decision for attempt in found.trace.attempts] == ["skip", "answer"]
        assert len(script.calls) == 1
        no(client, BudgetExceededError, fallbacks=["openai/other-model"])  # refused for money, all of them


# ---------------------------------------------------------------- who is in which block


def test_threads_begun_inside(client: Client) -> None:
    with budget(usd=0.007) as money:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(yes, client).result()
            pool.submit(no, client).result()
        assert money.spent == Decimal("0.006")

        def own() -> tuple[budget, ...]:
            with budget(usd=1) as other:
                assert in_force() == (other,)
            return in_force()

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(own).result() == (money,)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_force).result() == ()


def test_tasks_with_budgets_of_their_own(client: Client) -> None:
    async def one(turn: asyncio.Barrier) -> Decimal:
        async with budget(usd=0.007) as money:
            await turn.wait()
            yes(client)
            await turn.wait()
            no(client)
            return money.spent

    async def both() -> Any:
        turn = asyncio.Barrier(2)
        async with budget(usd=0.02) as outer:
            found = await asyncio.gather(one(turn), one(turn))
            assert outer.spent == Decimal("0.012")
        return found

    assert asyncio.run(both()) == [Decimal("0.006")] * 2


def test_generators_that_are_left_in_any_order() -> None:
    def block(money: budget) -> Iterator[None]:
        with money:
            yield

    one, two = budget(usd=1), budget(usd=2)
    first, second = block(one), block(two)
    next(first)
    next(second)
    assert in_force() == (one, two)
    first.close()  # type: ignore[attr-defined]
    assert in_force() == (two,)
    second.close()  # type: ignore[attr-defined]
    assert in_force() == ()


def test_a_block_that_is_left_in_another_context() -> None:
    async def block(money: budget) -> AsyncIterator[None]:
        with money:
            yield

    async def main() -> None:
        money = budget(usd=1)
        generator = block(money)
        await anext(generator)
        assert in_force() == (money,)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]
        assert in_force() == ()

    asyncio.run(main())
    money = budget(usd=1)
    elsewhere = contextvars.copy_context()
    elsewhere.run(money.__enter__)
    assert in_force() == ()
    money.__exit__(None, None, None)
    assert elsewhere.run(in_force) == ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_has_nothing_under_way() -> None:
    with budget(usd=1) as money:
        held = reserve(Limits((money,), Decimal(1)), Decimal("0.75"), None, seconds=60)
        number = os.fork()
        if not number:
            os._exit(0 if money.reserved == RUN.reserved == 0 else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0
        assert money.reserved == RUN.reserved == Decimal("0.75")
        held.settle(Decimal("0.5"))
        held.settle(Decimal("0.5"))
        assert (money.spent, money.reserved) == (Decimal("0.5"), Decimal(0))


@given(st.lists(st.decimals(0, 10**9, places=12), max_size=20))
def test_sums_are_exact_in_any_context(amounts: list[Decimal]) -> None:
    money = budget(usd=10**12)
    with decimal.localcontext() as context:
        context.prec = 3
        for amount in amounts:
            reserve(Limits((money,)), amount, None, seconds=60).settle(amount)
    assert money.spent == sum(amounts, Decimal(0))
    assert money.reserved == 0
    assert money.left == 10**12 - sum(amounts, Decimal(0))


# ---------------------------------------------------------------- settings


def settings_of(config_dir: Path, cache_dir: Path, **more: Any) -> Settings:
    return Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=cache_dir, **more)


@pytest.fixture
def limited(config_dir: Path, own_cache_dir: Path) -> Callable[..., Client]:
    return lambda **more: Client(settings_of(config_dir, own_cache_dir, **more))


def test_a_run(limited: Callable[..., Client]) -> None:
    client, other = limited(budget_per_run=0.013), limited(budget_per_run="0.02")
    yes(client)
    yes(client)
    no(client)
    yes(other)  # of which there is one in a process
    assert isinstance(error := no(other), BudgetExceededError)
    assert (error.limit, error.spent, error.per) == (Decimal("0.02"), Decimal("0.018"), "run")


def test_a_day(limited: Callable[..., Client]) -> None:
    client, other = limited(budget_per_day=0.013), limited()
    yes(client)
    yes(other)  # without a limit it is written all the same
    assert isinstance(error := no(client), BudgetExceededError)
    assert (error.limit, error.spent, error.per, error.reserved) == (Decimal("0.013"), Decimal("0.012"), "day", Decimal(0))
    assert "a day (budget_per_day, INSIGHTS_BUDGET_PER_DAY) has $0.001 left" in error.message


def test_a_block_per_day(client: Client) -> None:
    yes(client, tags="mine")
    with budget(usd=0.013, per="day", tag="mine") as money:
        assert money.left == Decimal("0.013")
        yes(client)
        assert isinstance(error := no(client), BudgetExceededError)
        assert (error.per, error.tag, money.spent, money.reserved) == ("day", "mine", Decimal("0.006"), Decimal(0))
    with budget(usd=0.013, per="day", tag="other"):
        yes(client)


def test_a_day_needs_the_ledger(limited: Callable[..., Client], tmp_path: Path) -> None:
    error = no(limited(budget_per_day=1, ledger=False), LedgerError)
    assert "INSIGHTS_LEDGER" in str(error)
    (tmp_path / "file").write_text("no directory")
    broken = Client(settings_of(tmp_path / "config", tmp_path / "file", budget_per_day=1))
    assert "can't be read" in str(no(broken, LedgerError))


def test_the_environment(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_BUDGET_PER_RUN", "0.007")
    yes(client)
    no(client)
    monkeypatch.setenv("INSIGHTS_BUDGET_PER_RUN", "1")
    monkeypatch.setenv("INSIGHTS_BUDGET_PER_DAY", "0.007")
    assert isinstance(error := no(client), BudgetExceededError)
    assert error.per == "day"
    monkeypatch.setenv("INSIGHTS_BUDGET_PER_DAY", "a lot")
    assert "INSIGHTS_BUDGET_PER_DAY" in str(no(client, ConfigError))


@pytest.mark.parametrize("name", ["budget_per_run", "budget_per_day"])
@pytest.mark.parametrize("wrong", [-1, "nan", "inf", "two", True, float("nan")])
def test_settings_that_are_no_amounts(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}=.* is no amount of USD"):
        Settings(**{name: wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd": -1},
        {"usd": "nan"},
        {"usd": True},
        {"usd": None},
        {"usd": 1, "per": "week"},
        {"usd": 1, "tag": " "},
        {"usd": 1, "tag": 7},
    ],
)
def test_what_is_no_budget(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        budget(**wrong)


def test_how_it_looks() -> None:
    assert repr(budget(usd=0.10, tag="a")) == "budget(usd=0.1, per='run', tag='a', spent=0, reserved=0)"
    assert [short(Decimal(text)) for text in ("100", "0.00000010", "1E+2", "-0.50")] == ["100", "0.0000001", "100", "-0.5"]
