"""Several flows side by side, the first that has something to say wins: what hedging is made of.

A blocking flow can only run beside another in a thread of its own, and can only be stopped there by shutting the sockets it
waits for. An awaiting one is a task, and is cancelled.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any, Final

from insights.adapters.models.deadline import Cancel, cancellable
from insights.core.effects import (
    NEWS,
    AsyncPerformer,
    Effect,
    Flow,
    Opened,
    Performer,
    Race,
    RaceResult,
    Sleep,
    StreamClosed,
    aclose,
    adrive,
    close,
)

PATIENCE: Final = 0.1  # seconds; one that can't be stopped (it is importing litellm) is left to itself


def race(effect: Race, performer: Performer) -> RaceResult:
    """Runs a race in threads; the winner's flow goes on in the caller's."""
    finished: queue.Queue[tuple[int, Effect | None, BaseException | None]] = queue.Queue()
    cancels: list[Cancel] = []
    threads: list[threading.Thread] = []
    result = RaceResult()

    def run(index: int, cancel: Cancel) -> None:
        with cancellable(cancel):
            try:
                finished.put((index, _to_content(effect.flows[index], performer, cancel), None))
            except BaseException as error:
                finished.put((index, None, error))

    def start() -> None:
        cancels.append(Cancel())
        threads.append(threading.Thread(target=run, args=(len(threads), cancels[-1]), daemon=True, name="insights-hedge"))
        threads[-1].start()

    try:
        start()
        while True:
            more = len(cancels) < len(effect.flows)
            try:
                index, news, error = finished.get(timeout=effect.after if more else None)
            except queue.Empty:
                start()
                continue
            if _ends(result, len(cancels), index, news, error):
                return result
    finally:
        losers = [index for index in range(len(threads)) if index != result.winner]
        for index in losers:
            cancels[index]()
        for index in losers:
            threads[index].join(PATIENCE)  # it ends as soon as its socket is shut; what it came to is in the trace then
            if not threads[index].is_alive():
                close(effect.flows[index], performer)  # it may have had its say, just too late


def _to_content(flow: Flow[Any], performer: Performer, cancel: Cancel) -> Effect | None:
    """Drives a flow until it has content for the caller, or has returned."""
    while (effect := flow.advance()) is not None:
        if isinstance(effect, Opened):
            continue  # the winner's is told when it has won
        if isinstance(effect, NEWS):
            return effect
        try:
            if isinstance(effect, Sleep):
                cancel.wait(effect.seconds)
                flow.succeed(None)
            else:
                flow.succeed(performer.perform(effect))
        except BaseException as error:
            flow.fail(error)
        if cancel.done:
            flow.fail(StreamClosed())
    return None


async def arace(effect: Race, performer: AsyncPerformer) -> RaceResult:
    """Runs a race in tasks; the winner's flow goes on in the caller's."""
    result = RaceResult()
    tasks: list[asyncio.Task[Effect | None]] = []

    def start() -> None:
        tasks.append(asyncio.create_task(_ato_content(effect.flows[len(tasks)], performer)))

    try:
        start()
        while True:
            running = [task for task in tasks if not task.done()]
            more = len(tasks) < len(effect.flows)
            done, _ = await asyncio.wait(running, timeout=effect.after if more else None, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                start()
                continue
            for index in sorted(tasks.index(task) for task in done):
                error = tasks[index].exception()
                if _ends(result, len(tasks), index, None if error else tasks[index].result(), error):
                    return result
    finally:
        losers = [index for index in range(len(tasks)) if index != result.winner]
        for index in losers:
            tasks[index].cancel()
        await asyncio.gather(*(tasks[index] for index in losers), return_exceptions=True)
        for index in losers:
            await aclose(effect.flows[index], performer)  # it may have had its say, just too late


async def _ato_content(flow: Flow[Any], performer: AsyncPerformer) -> Effect | None:
    while isinstance(news := await adrive(flow, performer), Opened):
        pass
    return news


def _ends(result: RaceResult, started: int, index: int, news: Effect | None, error: BaseException | None) -> bool:
    """Notes how one came in; whether that ends the race: it has won, or there is nobody left running."""
    result.started = started
    if error is None:
        result.winner, result.news = index, news
        return True
    result.errors.append(error)
    return len(result.errors) == started
