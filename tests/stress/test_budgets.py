"""Budgets that many want at once, and a ledger whose writers are killed: nothing is overspent, and nothing paid is lost."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.spending.entries import Entry
from insights.spending.ledger import FILE, Ledger
from tests.loopback import Received
from tests.stress.children import children
from tests.stress.sizes import SIZES, WHICH, tell
from tests.stress.upstream import Said, Upstream
from tests.unit.conftest import OPENAI_YAML
from tests.unit.openai_wire import answer, usage

EACH = Decimal("0.004016")  # 8 tokens of prompt, and 500 of answer, as is asked for
TEN = 10 * EACH
KILLS = 50 if WHICH == "full" else 2
PROCESSES = 8 if WHICH == "full" else 3


def told(completion: int) -> Any:
    """A script of answers of so many tokens."""

    def script(request: Received, number: int) -> Said:
        return Said(json.dumps({**json.loads(answer(f"answer {number}")), "usage": usage(8, completion)}).encode())

    return script


@pytest.fixture(autouse=True)
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "openai.yaml").write_text(OPENAI_YAML.replace("test-model", "gpt-4o-mini"))
    monkeypatch.setenv("INSIGHTS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr("insights.client._default", None)


def given(upstream: Upstream) -> dict[str, Any]:
    return upstream.given(model="openai/gpt-4o-mini", max_tokens=500, cache=False, timeout=60)


def spent(directory: Path) -> Decimal:
    return sum((entry.cost or entry.assumed for entry in Ledger(directory).entries()), Decimal(0))


def in_threads(calls: int, arguments: dict[str, Any]) -> int:
    start = threading.Barrier(calls)

    def one(number: int) -> bool:
        start.wait(60)
        try:
            insights.completion(messages="Hi", **arguments)
        except insights.BudgetExceededError:
            return False
        return True

    with ThreadPoolExecutor(calls) as pool:
        return sum(pool.map(one, range(calls)))


def in_tasks(calls: int, arguments: dict[str, Any]) -> int:
    async def all_of_them() -> int:
        asked = [insights.acompletion(messages="Hi", **arguments) for _ in range(calls)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        strange = [
            each for each in found if isinstance(each, BaseException) and not isinstance(each, insights.BudgetExceededError)
        ]
        assert not strange
        return sum(not isinstance(each, BaseException) for each in found)

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("per", ["run", "day"])
@pytest.mark.parametrize("at_once", [in_threads, in_tasks])
@pytest.mark.parametrize("completion", [500, 100])
def test_a_hundred_calls_with_money_for_ten(own_cache_dir: Path, at_once: Any, per: Any, completion: int) -> None:
    with Upstream(told(completion)) as upstream:
        gate = upstream.hold(*range(1, 11)) if completion < 500 else None
        if gate is not None:  # nobody has an answer before all that may be sent are
            threading.Timer(1.0, gate.set).start()
        with insights.budget(usd=100), insights.budget(usd=TEN, per=per) as money:
            answered = at_once(100, given(upstream))
        tell(f"100 calls at once, {at_once.__name__}, a {per}'s money for 10: {upstream.count} sent, ${money.spent} of ${TEN}")
        assert answered == upstream.count
        assert upstream.count == 10 if completion == 500 else upstream.count >= 10
        assert money.spent == sum((e.cost for e in Ledger(own_cache_dir).entries() if e.cost is not None), Decimal(0)) <= TEN
        assert money.reserved == 0


def test_processes_share_a_day(own_cache_dir: Path) -> None:
    with Upstream(told(500)) as upstream:
        wish = {"given": given(upstream), "budget": {"usd": str(TEN), "per": "day"}, "calls": 12, "name": "p"}
        with children(PROCESSES, "spender", json.dumps(wish)) as started:
            assert [child.line() for child in started] == [b"ready"] * PROCESSES
            for child in started:
                child.tell("go")
            answered = [child.hear() for child in started]
        tell(
            f"{PROCESSES} processes with 12 calls each, money for 10: {upstream.count} sent, ${spent(own_cache_dir)} of ${TEN}"
        )
        assert sum(answered) == upstream.count == 10
        assert spent(own_cache_dir) == TEN


def test_who_is_killed_holds_nothing(own_cache_dir: Path) -> None:
    with Upstream(told(500)) as upstream:
        gate = upstream.hold(1)
        wish = {"given": given(upstream), "budget": {"usd": str(EACH), "per": "day"}, "calls": None, "name": "held"}
        with children(1, "spender", json.dumps(wish)) as (holder,), insights.budget(usd=EACH, per="day"):
            upstream.wait_for(1)
            with pytest.raises(insights.BudgetExceededError) as raised:
                insights.completion(messages="Hi", **given(upstream))
            assert (raised.value.reserved, raised.value.spent) == (EACH, Decimal(0))
            assert holder.kill() == -signal.SIGKILL
            begun = time.perf_counter()
            insights.completion(messages="Hi", **given(upstream))
            tell(f"a killed holder's money was spent {time.perf_counter() - begun:.3f} s later, of the 60 s of its call")
            gate.set()
    with closing(sqlite3.connect(own_cache_dir / FILE)) as file:
        assert file.execute("SELECT COUNT(*) FROM reservations").fetchone() == (0,)


def test_kill_9(own_cache_dir: Path) -> None:
    dice = random.Random(9)
    acknowledged: list[str] = []
    with Upstream(told(500)) as upstream:
        for turn in range(KILLS):
            budget = {"usd": 1000, "per": ("day", "run")[turn % 2]}
            wish = {"given": given(upstream), "budget": budget, "calls": None, "name": f"t{turn}"}
            with children(1, "spender", json.dumps(wish)) as (writer,):
                for _ in range(dice.randint(5, 60)):
                    line = writer.line()
                    assert line is not None, writer.complaints()
                    acknowledged.append(line.decode())
                time.sleep(dice.uniform(0, 0.01))  # somewhere in one of the next calls, and not always at the same place
                assert writer.kill() == -signal.SIGKILL, "it was not at work any more"
                while (line := writer.line()) is not None:
                    acknowledged.append(line.decode())
        sent = upstream.count
    entries = Ledger(own_cache_dir).entries()
    kept = Counter(tag for entry in entries for tag in entry.tags)
    lost = [name for name in acknowledged if kept[name] != 1]
    with closing(sqlite3.connect(own_cache_dir / FILE)) as file:
        whole = file.execute("PRAGMA integrity_check").fetchall()
    tell(
        f"{KILLS} spenders killed: {len(acknowledged)} answers returned, {len(lost)} lost; "
        f"{len(entries)} entries of {sent} requests"
    )
    assert whole == [("ok",)]
    assert lost == []
    assert max(kept.values()) == 1
    assert len(acknowledged) <= len(entries) <= sent


def _together(directory: Path, count: int, entry: Entry) -> None:
    ledgers = [Ledger(directory) for _ in range(SIZES.heirs)]  # as of several processes
    with ThreadPoolExecutor(SIZES.threads) as pool:
        list(pool.map(lambda number: ledgers[number % len(ledgers)].add(entry), range(count)))
    for ledger in ledgers:
        ledger.close()


def test_ledgers_of_one_file_at_once(own_cache_dir: Path) -> None:
    count = 2000 if WHICH == "full" else 200
    _together(own_cache_dir, count, Entry(1.0, "answer", "p", "m", cost=EACH))
    assert spent(own_cache_dir) == count * EACH
