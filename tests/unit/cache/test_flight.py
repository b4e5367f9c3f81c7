"""Of identical calls at once one flies, and the others are woken by its end."""

from __future__ import annotations

import asyncio
import threading

from insights.cache.flight import IDLE, Flight, Flights


def test_one_flies_and_the_others_wait() -> None:
    flights = Flights()
    flight, ours = flights.enter("a", streaming=False)
    assert ours
    assert flights.enter("a", streaming=True) == (flight, False)
    other, ours = flights.enter("b", streaming=True)
    assert ours
    assert other is not flight
    assert (flight.streaming, other.streaming) == (False, True)
    assert flight.thread == threading.get_ident()
    assert not flight.landed.done()


def test_after_the_end_the_next_one_flies() -> None:
    flights = Flights()
    flight, _ = flights.enter("a", streaming=False)
    flights.leave("a", flight, b"value")
    assert flight.landed.result(0) == b"value"
    again, ours = flights.enter("a", streaming=False)
    assert ours
    assert again is not flight
    flights.leave("a", again, None)
    assert again.landed.result(0) is None


def test_who_leaves_ends_its_own_flight_only() -> None:
    flights = Flights()
    stranger = Flight(streaming=False)
    flight, _ = flights.enter("a", streaming=False)
    flights.leave("a", stranger, b"of another")
    assert flights.enter("a", streaming=False) == (flight, False)
    assert not flight.landed.done()
    assert stranger.landed.result(0) == b"of another"


def test_of_many_threads_one_flies() -> None:
    flights, all_in = Flights(), threading.Barrier(8)
    flown: list[int] = []
    got: list[bytes | None] = []
    wrong: list[BaseException] = []

    def call(number: int) -> None:
        try:
            all_in.wait(30)
            flight, ours = flights.enter("a", streaming=False)
            all_in.wait(30)  # nobody lands before all are in
            if ours:
                flown.append(number)
                flights.leave("a", flight, f"by {number}".encode())
            got.append(flight.landed.result(30))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(flown) == 1
    assert got == [f"by {flown[0]}".encode()] * 8


def test_a_waiter_that_is_cancelled_cancels_nobody_else() -> None:
    flights = Flights()
    flight, _ = flights.enter("a", streaming=False)
    assert not flight.landed.cancel()

    async def two_wait() -> tuple[bool, bytes | None]:
        one, two = asyncio.wrap_future(flight.landed), asyncio.wrap_future(flight.landed)
        one.cancel()
        flights.leave("a", flight, b"value")
        return one.cancelled(), await two

    assert asyncio.run(two_wait()) == (True, b"value")


def test_a_stream_that_nobody_reads() -> None:
    """Only the caller's silence counts: a provider may take as long as it likes."""
    flight = Flight(streaming=True)
    assert not flight.stuck(1e9)
    flight.handed = 100.0
    assert not flight.stuck(100.0)
    assert not flight.stuck(100.0 + IDLE / 2)
    assert flight.stuck(100.0 + IDLE)
    flight.handed = None
    assert not flight.stuck(1e9)
