"""Streams that nobody reads and nobody closes, and streams that only keep the connection alive."""

from __future__ import annotations

import asyncio
import gc

import insights
from insights.core.errors import Timeout
from tests.faults.calling import MODELS, both_ways, call, family
from tests.faults.leftovers import linux, sockets_to, soon
from tests.faults.server import Connection, misbehaving

FORGOTTEN = 20


def first_words(connection: Connection) -> None:
    connection.head("Content-Type: text/event-stream")
    for event in family("openai").events()[:2]:
        connection.send(event)


def words_and_silence(connection: Connection) -> None:
    first_words(connection)
    connection.hang()


def words_and_comments(connection: Connection) -> None:
    first_words(connection)
    while not connection.server.over.wait(0.02):
        connection.send(b": still here\n\n")


@linux
@both_ways
def test_a_stream_that_was_forgotten_gives_its_connection_back(awaiting: bool) -> None:
    with misbehaving(words_and_silence) as server, insights.Client(cache=False) as client:
        port = int(server.url.rpartition(":")[2])

        def nobody_is_connected() -> bool:
            gc.collect()
            return sockets_to(port) == 0

        async def forget() -> bool:
            for _ in range(FORGOTTEN):
                await client.acompletion(MODELS["openai"], "Hello", stream=True, api_base=server.url, api_key="key-0123456789")
            for _ in range(500):
                if nobody_is_connected():
                    return True
                await asyncio.sleep(0.01)
            return False

        if awaiting:
            assert asyncio.run(forget())
        else:
            for _ in range(FORGOTTEN):
                client.completion(MODELS["openai"], "Hello", stream=True, api_base=server.url, api_key="key-0123456789")
            assert soon(nobody_is_connected)
        assert len(server.requests) == FORGOTTEN


@both_ways
def test_a_comment_is_no_news(awaiting: bool) -> None:
    with misbehaving(words_and_comments) as server:
        outcome = call("openai", server.url, awaiting=awaiting, stream=True, stream_idle_timeout=0.3, timeout=60)
    assert isinstance(outcome.error, Timeout)
    assert outcome.error.partial == "".join(outcome.texts) != ""
    assert outcome.seconds < 30
