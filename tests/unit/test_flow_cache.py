"""What is already known is not asked again: the cache seen from a call."""

from __future__ import annotations

import copy
import sqlite3
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from insights.cassettes.use import use_cassette
from insights.client import Client
from insights.core.config import Settings
from insights.core.effects import Emit, Opened
from insights.core.errors import (
    BadRequestError,
    CacheError,
    CacheMissError,
    InternalServerError,
    TruncatedStreamError,
    UnsupportedParamsError,
)

from .conftest import OPENAI_KEY
from .openai_wire import ROLE, answer, chunk, events, refusal
from .scripted import Played, Script, ask, ok, planned, refused, streamed

MISTRAL_MODEL = "mistral/mistral-small-latest"
NOTHING = Script()  # a script without steps fails the test at the first request


def rows(directory: Path) -> list[tuple[str, bytes]]:
    with sqlite3.connect(directory / "answers-v1" / "cache.db") as database:
        found: list[tuple[str, bytes]] = database.execute("select key, value from Cache").fetchall()
    database.close()
    return found


def spoil(directory: Path, value: object, mode: int = 1) -> None:
    """Writes another value over every row, past the store; 1 is diskcache's raw mode."""
    with sqlite3.connect(directory / "answers-v1" / "cache.db") as database:
        database.execute("update Cache set value = ?, mode = ?", (value, mode))
    database.close()


def test_the_second_call_is_not_sent(client: Client) -> None:
    first = ask(client, Script(ok(answer("Hello!"))))
    second = ask(client, NOTHING)
    assert (first.cached, second.cached) == (False, True)
    assert second.text == "Hello!"
    assert second.id == first.id
    assert second.usage == first.usage
    assert second.trace.cache == "hit"
    assert second.trace.attempts == []
    assert first.trace.cache.startswith("miss")


def test_what_a_hit_costs_and_saves(client: Client) -> None:
    first = ask(client, Script(ok(answer())))
    second = ask(client, NOTHING)
    assert first.cost is not None
    assert second.cost is not None
    assert (first.cost.total, first.cost_saved) == (Decimal("0.006"), Decimal(0))
    assert (second.cost.total, second.cost_saved) == (Decimal(0), Decimal("0.006"))
    assert second.cost.price_source == "the tests"


def test_a_hit_needs_no_key(client: Client, config_dir: Path, own_cache_dir: Path) -> None:
    ask(client, Script(ok(answer())))
    keyless = Client(Settings(config_dir=config_dir, cache_dir=own_cache_dir))
    assert ask(keyless, NOTHING).cached
    keyless.close()


def test_a_hit_is_a_fresh_object(client: Client) -> None:
    ask(client, Script(ok(answer("Hello!"))))
    ask(client, NOTHING).choices[0].message.content = "spoilt"
    assert ask(client, NOTHING).text == "Hello!"


def test_no_key_and_no_prompt_lies_in_the_store(client: Client, own_cache_dir: Path) -> None:
    ask(client, Script(ok(answer("Hello!"))), messages="a canary prompt")
    stored = rows(own_cache_dir)
    assert len(stored) == 1
    everything = b"".join(path.read_bytes() for path in own_cache_dir.rglob("*") if path.is_file())
    assert b"Hello!" in everything
    assert OPENAI_KEY.encode() not in everything
    assert b"canary" not in everything


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "Ho"},
        {"model": "openai/other-model"},
        {"temperature": 0.5},
        {"cache": {"namespace": "b"}},
        {"api_base": "https://api.openai.com/v2"},
        {"extra_body": {"x": 1}},
        {"extra_headers": {"OpenAI-Organization": "org"}},
        {"drop_params": True},
    ],
    ids=lambda value: next(iter(value)),
)
def test_another_request_is_another_answer(client: Client, other: dict[str, Any]) -> None:
    ask(client, Script(ok(answer("one"))))
    assert ask(client, Script(ok(answer("two"))), **copy.deepcopy(other)).text == "two"
    assert ask(client, NOTHING).text == "one"
    assert ask(client, NOTHING, **other).text == "two"


def test_the_same_namespace_is_the_same_answer(client: Client) -> None:
    ask(client, Script(ok(answer("a"))), cache={"namespace": "a"})
    assert ask(client, NOTHING, cache={"namespace": "a"}).text == "a"


@pytest.mark.parametrize("again", [{"timeout": 3}, {"num_retries": 0}, {"fallbacks": [MISTRAL_MODEL]}, {"api_key": "another"}])
def test_what_does_not_change_the_answer_does_not_change_the_key(client: Client, again: dict[str, Any]) -> None:
    ask(client, Script(ok(answer("one"))))
    assert ask(client, NOTHING, **again).cached


@pytest.mark.parametrize("off", [False, 0])
def test_cache_off(client: Client, own_cache_dir: Path, off: Any) -> None:
    ask(client, Script(ok(answer("one"))), cache=off)
    assert not (own_cache_dir / "answers-v1").exists()
    ask(client, Script(ok(answer("one"))))
    found = ask(client, Script(ok(answer("two"))), cache=off)
    assert (found.text, found.trace.cache) == ("two", "off")
    assert ask(client, NOTHING).text == "one"


def test_settings_turn_the_cache_off_and_a_call_on_again(config_dir: Path, own_cache_dir: Path) -> None:
    off = Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=own_cache_dir, cache=False))
    ask(off, Script(ok(answer("one"))))
    assert not (own_cache_dir / "answers-v1").exists()
    ask(off, Script(ok(answer("two"))), cache=True)
    assert ask(off, NOTHING, cache=True).text == "two"
    assert ask(off, Script(ok(answer("three")))).text == "three"
    off.close()


def test_refresh_asks_again_and_keeps_the_new_answer(client: Client) -> None:
    ask(client, Script(ok(answer("old"))))
    found = ask(client, Script(ok(answer("new"))), cache="refresh")
    assert (found.text, found.cached, found.trace.cache) == ("new", False, "refreshed")
    assert ask(client, NOTHING).text == "new"


def test_only_never_asks(client: Client) -> None:
    with pytest.raises(CacheMissError, match="openai/test-model") as raised:
        ask(client, NOTHING, cache="only", fallbacks=[MISTRAL_MODEL])
    assert raised.value.trace is not None
    assert raised.value.trace.attempts == []
    ask(client, Script(ok(answer("one"))))
    assert ask(client, NOTHING, cache="only").text == "one"


def test_a_dict_for_the_cache_takes_no_other_name(client: Client) -> None:
    with pytest.raises(BadRequestError, match="has no 'no-cache'") as raised:
        ask(client, NOTHING, cache={"namespace": "a", "no-cache": True})
    assert "'ttl' (seconds)" in str(raised.value.hint)


@pytest.mark.parametrize("wrong", ["yes", 2, [], "Only"])
def test_cache_takes_nothing_else(client: Client, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="cache must be"):
        ask(client, NOTHING, cache=wrong)


def test_an_answer_that_holds_the_key_is_not_stored(client: Client, own_cache_dir: Path) -> None:
    """A model may repeat what it was told, and a proxy what it was sent."""
    text = f"You are asking with {OPENAI_KEY}."
    found = ask(client, Script(ok(answer(text))))
    assert (found.text, found.cached) == (text, False)
    assert rows(own_cache_dir) == []
    assert ask(client, Script(ok(answer("two")))).text == "two"
    assert ask(client, NOTHING).text == "two"


def test_a_key_that_stands_in_for_none_is_no_secret(client: Client) -> None:
    """Servers of one's own want some key: any. That `x` occurs in an answer says nothing."""
    ask(client, Script(ok(answer("extra"))), api_key="x")
    assert ask(client, NOTHING, api_key="x").text == "extra"


def test_a_stream_that_holds_the_key_is_not_stored(client: Client, own_cache_dir: Path) -> None:
    played = Played(client, Script(streamed(events([OPENAI_KEY[:7], OPENAI_KEY[7:]]))))
    assert played.run().text == OPENAI_KEY
    assert rows(own_cache_dir) == []


def test_an_answer_with_half_a_character_is_not_stored(client: Client, own_cache_dir: Path) -> None:
    """JSON's escapes can say half of a surrogate pair, which no encoding can."""
    found = ask(client, Script(ok(answer("Hi \ud83d!"))))
    assert (found.text, found.cached) == ("Hi \ud83d!", False)
    assert "not cached: the answer holds characters that can't be stored" in found.trace.notes
    assert rows(own_cache_dir) == []
    assert ask(client, Script(ok(answer("two")))).text == "two"
    assert ask(client, NOTHING).text == "two"


def test_failures_are_not_stored(client: Client, own_cache_dir: Path) -> None:
    for step in (refused(500, refusal("error")), ok(answer("")), ok(b"<html>")):
        with pytest.raises(Exception, match="openai"):
            ask(client, Script(step), num_retries=0)
    assert rows(own_cache_dir) == []


def test_a_filtered_answer_is_not_stored(client: Client) -> None:
    ask(client, Script(ok(answer("par", finish="content_filter"))))
    assert ask(client, Script(ok(answer("whole")))).text == "whole"


def test_a_truncated_stream_is_not_stored(client: Client, own_cache_dir: Path) -> None:
    with pytest.raises(TruncatedStreamError):
        Played(client, Script(streamed([ROLE, chunk({"content": "Hel"})]))).run()
    assert rows(own_cache_dir) == []


def test_a_fallbacks_answer_is_stored_under_its_own_name(client: Client) -> None:
    script = Script(refused(500, refusal("error")), ok(answer("stood in")))
    ask(client, script, num_retries=0, fallbacks=[MISTRAL_MODEL])
    assert ask(client, NOTHING, MISTRAL_MODEL).text == "stood in"
    assert ask(client, Script(ok(answer("first")))).text == "first"


def test_a_fallback_is_looked_up_too(client: Client) -> None:
    ask(client, Script(ok(answer("known"))), MISTRAL_MODEL)
    found = ask(client, Script(refused(500, refusal("error"))), num_retries=0, fallbacks=[MISTRAL_MODEL])
    assert (found.text, found.cached, found.provider) == ("known", True, "mistral")
    assert [a.decision for a in found.trace.attempts] == ["next"]


# ---------------------------------------------------------------- streams


def test_a_stored_stream_serves_a_plain_call(client: Client) -> None:
    streamed_answer = Played(client, Script(streamed(events()))).run()
    plain = ask(client, NOTHING)
    assert (plain.text, plain.cached) == ("Hello!", True)
    assert plain.choices == streamed_answer.choices
    assert plain.usage == streamed_answer.usage


def test_a_stored_answer_serves_a_stream(client: Client) -> None:
    ask(client, Script(ok(answer("Hello!"))))
    played = Played(client, NOTHING)
    whole = played.run()
    assert played.text == "Hello!"
    assert played.opened == 1
    assert (whole.text, whole.cached) == ("Hello!", True)
    assert played.chunks[-1].choices[0].finish_reason == "stop"


def test_tool_calls_of_a_stored_answer_stream_too(client: Client) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    ask(client, Script(ok(answer(None, finish="tool_calls", tool_calls=[call]))))
    played = Played(client, NOTHING)
    whole = played.run()
    assert whole.choices[0].message.tool_calls is not None
    deltas = [d for c in played.chunks for choice in c.choices for d in choice.delta.tool_calls or ()]
    assert deltas == [{"index": 0, **call}]


def test_news_of_a_stored_stream(client: Client) -> None:
    ask(client, Script(ok(answer("Hello!"))))
    played = Played(client, NOTHING)
    news = []
    while (effect := played.flow.advance()) is not None:
        news.append(type(effect))
    assert news == [Opened, Emit]


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (b"", 1),
        (b"rubbish", 1),
        (b'{"v": 2}\n{}', 1),
        (b"[]\n{}", 1),
        (b'{"v": "2"}\n{}', 1),
    ],
    ids=str,
)
def test_a_damaged_row_is_a_miss(client: Client, own_cache_dir: Path, value: object, mode: int) -> None:
    ask(client, Script(ok(answer("one"))))
    spoil(own_cache_dir, value, mode)
    with pytest.warns(RuntimeWarning, match="insights asks again: the stored answer is damaged") as caught:
        found = ask(client, Script(ok(answer("two"))))
    assert len(caught) == 1
    assert (found.text, found.cached) == ("two", False)
    assert ask(client, NOTHING).text == "two"


class Boom:
    """Would leave a mark if it were unpickled."""

    marks: list[str] = []  # noqa: RUF012  # the point is that it is shared

    def __reduce__(self) -> tuple[Any, ...]:
        return Boom.marks.append, ("unpickled",)


def test_a_pickle_in_the_cache_is_not_run(client: Client, own_cache_dir: Path) -> None:
    import pickle

    ask(client, Script(ok(answer("one"))))
    spoil(own_cache_dir, pickle.dumps(Boom()), mode=4)  # diskcache's pickle mode
    with pytest.warns(RuntimeWarning, match="a row that was not written by insights"):
        found = ask(client, Script(ok(answer("two"))))
    assert found.text == "two"
    assert Boom.marks == []
    assert ask(client, NOTHING).text == "two"


def test_a_cache_that_cannot_be_used_costs_one_warning(config_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    settings = Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=tmp_path / "a-file", ledger=False)
    broken = Client(settings)
    with pytest.warns(RuntimeWarning, match="without its cache") as caught:
        assert ask(broken, Script(ok(answer("one")))).text == "one"
    assert len(caught) == 1
    assert str(tmp_path / "a-file") in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ask(broken, Script(ok(answer("two")))).text == "two"


def test_a_cache_that_cannot_be_used_where_warnings_are_errors(config_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    broken = Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=tmp_path / "a-file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("one", "two"):
            assert ask(broken, Script(ok(answer(text)))).text == text


def test_a_database_that_is_none(config_dir: Path, tmp_path: Path) -> None:
    directory = tmp_path / "answers"
    (directory / "answers-v1").mkdir(parents=True)
    (directory / "answers-v1" / "cache.db").write_bytes(b"this is not sqlite" * 100)
    broken = Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=directory))
    with pytest.warns(RuntimeWarning, match="it is set aside as") as caught:
        assert ask(broken, Script(ok(answer("one")))).text == "one"
    assert len(caught) == 1
    assert ask(broken, NOTHING).text == "one"
    assert [path.read_bytes()[:4] for path in (directory / "answers-v1").glob("cache.db.damaged-*")] == [b"this"]
    broken.close()


def test_close_and_use_again(client: Client) -> None:
    ask(client, Script(ok(answer("one"))))
    client.close()
    client.close()
    assert ask(client, NOTHING).text == "one"


def test_as_context_manager(client: Client) -> None:
    with client as same:
        ask(same, Script(ok(answer("one"))))
    assert ask(client, NOTHING).cached


def test_the_same_store_for_all_calls(client: Client) -> None:
    script = Script()
    assert planned(client, script).cache is planned(client, script, "mistral/x").cache
    assert planned(client, script, cache=False).cache is None


def test_a_failed_refresh_keeps_the_old_answer(client: Client) -> None:
    ask(client, Script(ok(answer("old"))))
    with pytest.raises(InternalServerError):
        ask(client, Script(refused(500, refusal("error"))), cache="refresh", num_retries=0)
    assert ask(client, NOTHING).text == "old"


# ---------------------------------------------------------------- the same request, said otherwise


class City(BaseModel):
    name: str
    country: str = "?"


@pytest.mark.parametrize(
    "same",
    [
        {"temperature": 1},
        {"temperature": 1.0, "top_p": 1, "n": 1},
        {"stop": []},
        {"tools": []},
        {"response_format": {"type": "text"}},
        {"sample": 0},
        {"api_base": "https://API.openai.com:443/v1/"},
        {"model": "openai/aliased"},
        {"messages": [{"content": "Hi", "role": "user"}]},
        {"messages": [{"content": "Hi", "role": "user", "name": None}]},
    ],
    ids=str,
)
def test_the_same_request_said_otherwise(client: Client, config_dir: Path, same: dict[str, Any]) -> None:
    file = config_dir / "openai.yaml"
    file.write_text(file.read_text().replace("context_window: 8000", "context_window: 8000\n      aliases: [aliased]"))
    ask(client, Script(ok(answer("one"))))
    assert ask(client, NOTHING, **same).cached


def test_a_bare_name_and_an_alias_are_the_model_they_lead_to(client: Client, config_dir: Path) -> None:
    (config_dir / "aliases.yaml").write_text("fast: openai/gpt-4o-mini\n")
    ask(client, Script(ok(answer("one"))), "openai/gpt-4o-mini")
    assert ask(client, NOTHING, "gpt-4o-mini").cached
    assert ask(client, NOTHING, "fast").cached


def test_a_default_is_one_at_its_own_host_only(client: Client) -> None:
    """What another server takes for a temperature that isn't given, nobody knows."""
    place = {"api_base": "http://127.0.0.1:9/v1", "api_key": "other"}
    ask(client, Script(ok(answer("none given"))), **place)
    assert ask(client, Script(ok(answer("one given"))), temperature=1, **place).text == "one given"
    assert ask(client, NOTHING, **place).text == "none given"


def test_a_class_and_its_schema(client: Client) -> None:
    ask(client, Script(ok(answer('{"name": "Rome", "country": "Italy"}'))), response_format=City)
    found = ask(client, NOTHING, response_format=City.model_json_schema())
    assert found.parsed == {"name": "Rome", "country": "Italy"}
    assert ask(client, NOTHING, response_format=City).parsed == City(name="Rome", country="Italy")


# ---------------------------------------------------------------- samples, ages, and why there was no answer


def test_samples_are_different_answers(client: Client) -> None:
    for number in range(3):
        script = Script(ok(answer(f"answer {number}")))
        ask(client, script, sample=number, temperature=0.7)
        assert "sample" not in script.sent()
    assert [ask(client, NOTHING, sample=n, temperature=0.7).text for n in range(3)] == ["answer 0", "answer 1", "answer 2"]
    assert ask(client, NOTHING, temperature=0.7).text == "answer 0"


@pytest.mark.parametrize("wrong", [-1, 1.5, "2", True])
def test_a_sample_is_a_number(client: Client, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="sample must be a whole number"):
        ask(client, NOTHING, sample=wrong)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock, to be moved: a list of one."""
    hands = [1_800_000_000.0]
    monkeypatch.setattr("time.time", lambda: hands[0])
    return hands


def test_an_answer_serves_for_its_time(client: Client, now: list[float]) -> None:
    ask(client, Script(ok(answer("one"))), cache={"ttl": 60})
    now[0] += 59
    assert ask(client, NOTHING).cached
    now[0] += 2
    found = ask(client, Script(ok(answer("two"))))
    assert (found.text, found.trace.cache) == ("two", "miss: the stored answer's time is over")
    now[0] += 10**9
    assert ask(client, NOTHING).text == "two"


def test_no_older_answer_serves_than_was_asked_for(client: Client, now: list[float]) -> None:
    ask(client, Script(ok(answer("old"))))
    now[0] += 3600
    found = ask(client, Script(ok(answer("new"))), cache={"ttl": 60})
    assert (found.text, found.trace.cache) == ("new", "miss: the stored answer is older than 60 s")
    assert ask(client, NOTHING).text == "new"


def test_the_settings_say_what_a_call_does_not(config_dir: Path, own_cache_dir: Path, now: list[float]) -> None:
    def client(**more: Any) -> Client:
        return Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=own_cache_dir, **more))

    ask(client(cache_namespace="a"), Script(ok(answer("a's"))))
    assert ask(client(cache_namespace="a", cache="only"), NOTHING).text == "a's"
    assert ask(client(), NOTHING, cache={"namespace": "a"}).text == "a's"
    with pytest.raises(CacheMissError):
        ask(client(cache="only"), NOTHING)
    assert ask(client(cache_namespace="a", cache="refresh"), Script(ok(answer("newer")))).text == "newer"
    now[0] += 100
    found = ask(client(cache_namespace="a", cache_ttl=50), Script(ok(answer("newest"))))
    assert (found.text, found.trace.cache) == ("newest", "miss: the stored answer is older than 50 s")


def test_a_dict_says_how_too(client: Client) -> None:
    ask(client, Script(ok(answer("old"))), cache={"namespace": "a"})
    assert ask(client, Script(ok(answer("new"))), cache={"namespace": "a", "mode": "refresh"}).text == "new"
    assert ask(client, NOTHING, cache={"namespace": "a", "mode": "only"}).text == "new"


def test_why_there_was_no_answer(client: Client) -> None:
    first = ask(client, Script(ok(answer("one"))), temperature=0)
    assert first.trace.cache == "miss: no answer is stored for this request"
    found = ask(client, Script(ok(answer("two"))), temperature=0.5, messages="Hi!")
    assert found.trace.cache == (
        "miss: no answer is stored for this request; the nearest one before differs in messages[0].content, temperature"
    )
    far = ask(
        client, Script(ok(answer("x"))), MISTRAL_MODEL, messages=[{"role": "system", "content": "x"}] * 9, seed=1, top_p=0
    )
    assert far.trace.cache == "miss: no answer is stored for this request"
    assert ask(client, Script(ok(answer("y"))), cache=False).trace.cache == "off"


def test_only_looks_at_every_model(client: Client) -> None:
    """What a fallback answered while the first one was down is what the cell showed."""
    ask(client, Script(ok(answer("stood in"))), MISTRAL_MODEL)
    assert ask(client, NOTHING, cache="only", fallbacks=[MISTRAL_MODEL]).text == "stood in"
    with pytest.raises(CacheMissError, match=f"no answer of any of these models is stored: openai/test-model, {MISTRAL_MODEL}"):
        ask(client, NOTHING, cache="only", fallbacks=[MISTRAL_MODEL], messages="Ho")


def test_an_answer_that_is_not_what_was_asked_for_is_not_stored(client: Client) -> None:
    found = ask(client, Script(ok(answer("I can't do that."))), response_format=City)
    assert found.trace.notes == ["not cached: the answer isn't what response_format asks for"]
    assert ask(client, Script(ok(answer('{"name": "Rome"}'))), response_format=City).parsed == City(name="Rome")
    assert ask(client, NOTHING, response_format=City).parsed == City(name="Rome")


def test_an_answer_of_a_newer_version_stays(client: Client, own_cache_dir: Path) -> None:
    ask(client, Script(ok(answer("one"))))
    newer = b'{"v": 99}\nsomething else'
    spoil(own_cache_dir, newer)
    with pytest.warns(RuntimeWarning, match="written by a newer insights"):
        found = ask(client, Script(ok(answer("two"))))
    assert ask(client, Script(ok(answer("two")))).text == "two", "without another warning"
    assert (found.text, found.trace.cache) == ("two", "miss: the stored answer was written by a newer insights")
    assert [value for _, value in rows(own_cache_dir)] == [newer]


def test_an_answer_of_an_older_version_is_replaced(client: Client, own_cache_dir: Path) -> None:
    ask(client, Script(ok(answer("one"))))
    spoil(own_cache_dir, b'{"v": 1}\n{}')
    assert ask(client, Script(ok(answer("two")))).trace.cache == "miss: the stored answer was written by an older insights"
    assert ask(client, NOTHING).text == "two"


def test_an_answer_under_another_key_is_damage(client: Client, own_cache_dir: Path) -> None:
    """Whoever can write the database can't make one request's answer another's by swapping rows."""
    ask(client, Script(ok(answer("one"))))
    stored = rows(own_cache_dir)[0][1]
    ask(client, Script(ok(answer("two"))), messages="Ho")
    spoil(own_cache_dir, stored)
    with pytest.warns(RuntimeWarning, match="the stored answer is damaged"):
        found = ask(client, Script(ok(answer("two"))), messages="Ho")
    assert (found.text, found.trace.cache) == ("two", "miss: the stored answer is damaged")


# ---------------------------------------------------------------- what can be asked of it


def test_what_it_saved_and_holds(client: Client) -> None:
    assert client.cache.stats().entries == 0
    ask(client, Script(ok(answer("one"))))
    for _ in range(3):
        ask(client, NOTHING)
    ask(client, NOTHING, stream=False)
    found = client.cache.stats()
    assert (found.hits, found.misses, found.entries) == (4, 1, 1)
    assert found.saved == 4 * Decimal("0.006")
    assert str(found).startswith("4 hits of 5 calls (80 %), $0.024 saved, 1 answers in ")


def test_answers_can_be_forgotten(client: Client) -> None:
    for model in ("openai/test-model", "openai/other-model", MISTRAL_MODEL):
        ask(client, Script(ok(answer(model))), model)
    assert client.cache.evict(model="openai/test-model") == 1
    assert ask(client, NOTHING, "openai/other-model").cached
    assert client.cache.evict(provider="openai") == 1
    assert ask(client, NOTHING, MISTRAL_MODEL).cached
    assert client.cache.clear() == 1
    assert client.cache.stats().entries == 0


@pytest.mark.parametrize("wrong", [{}, {"provider": "openai", "model": "gpt-4o"}, {"provider": "opnai"}])
def test_what_can_not_be_forgotten(client: Client, wrong: dict[str, str]) -> None:
    with pytest.raises(BadRequestError):
        client.cache.evict(**wrong)


def test_two_requests_explained(client: Client) -> None:
    one: dict[str, Any] = {"model": "openai/gpt-4o", "messages": "Hi", "response_format": City, "temperature": 1.0}
    same = {"messages": [{"role": "user", "content": "Hi"}], "model": "gpt-4o", "response_format": City.model_json_schema()}
    assert client.cache.explain(one, {**same, "stream": True, "timeout": 3, "cache": False}) == []
    assert client.cache.explain(one, {**same, "sample": 2, "cache": {"namespace": "b"}}) == ["namespace", "sample"]
    assert client.cache.explain(one, {**same, "messages": "Ho", "seed": 3}) == ["messages[0].content", "seed"]
    assert client.cache.explain(one, {**same, "model": "mistral/x", "extra_body": {"a": 1}}) == [
        "provider",
        "model",
        "api_base",
        "extra_body.a",
    ]
    with pytest.raises(BadRequestError, match="the request has no 'messages'"):
        client.cache.explain(one, {"model": "gpt-4o"})


# ---------------------------------------------------------------- what is not the same, and what costs no call


def test_a_default_is_one_at_home_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it one at a host that the environment names."""
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    ask(client, Script(ok(answer("none given"))))
    given: list[dict[str, Any]] = [{"temperature": 1}, {"parallel_tool_calls": True}, {"service_tier": "auto"}]
    for one in given:
        assert not ask(client, Script(ok(answer())), **one).cached
    assert ask(client, NOTHING, n=1, stop=[]).cached


def test_a_url_that_no_request_may_go_to_has_no_answers(client: Client) -> None:
    ask(client, Script(ok(answer())))
    for url in ("https://api.openai.com/v1?a=b", "https://user:pw@api.openai.com/v1", "https://api.openai.com/v1#x"):
        with pytest.raises(BadRequestError, match="api_base"):
            ask(client, NOTHING, api_base=url)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Cookie": "route=a"}, {"Cookie": "route=b"}),
        ({"X-A": "1", "x-a": "2"}, {"X-A": "0", "x-a": "2"}),
    ],
)
def test_headers_that_differ(client: Client, one: dict[str, str], other: dict[str, str]) -> None:
    ask(client, Script(ok(answer("one"))), extra_headers=one)
    assert ask(client, Script(ok(answer("other"))), extra_headers=other).text == "other"


def test_an_answers_message_is_the_same_however_it_came(client: Client) -> None:
    """What is taken off before a message is sent makes no other request."""
    plain = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    ask(client, Script(ok(answer())), messages=plain)
    full = [plain[0], {**plain[1], "annotations": [], "refusal": None}, plain[2]]
    assert ask(client, NOTHING, messages=full).cached


def test_a_class_that_can_not_read_a_stored_answer_asks_anew(client: Client) -> None:
    class Strict(City):
        model_config = ConfigDict(title="City")

        @field_validator("name")
        @classmethod
        def large(cls, name: str) -> str:
            assert len(name) > 4
            return name

    assert (
        client.cache.explain(
            {"model": "openai/test-model", "messages": "Hi", "response_format": City},
            {"model": "openai/test-model", "messages": "Hi", "response_format": Strict},
        )
        == []
    )
    ask(client, Script(ok(answer('{"name": "Rome"}'))), response_format=City)
    found = ask(client, Script(ok(answer('{"name": "Tokyo"}'))), response_format=Strict)
    assert found.parsed.name == "Tokyo"
    assert ask(client, NOTHING, response_format=Strict).parsed.name == "Tokyo"


def test_a_hit_of_unknown_price_costs_nothing(client: Client) -> None:
    assert ask(client, Script(ok(answer())), "openai/other-model").cost is None
    found = ask(client, NOTHING, "openai/other-model")
    assert found.cost is not None
    assert (found.cost.total, found.cost_saved) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    "where",
    [{"extra_headers": {"Authorization": "Bearer key-of-a-header"}}, {"extra_headers": {"X-My-Token": "key-of-a-header"}}],
)
def test_an_answer_that_holds_a_key_of_a_header_is_not_stored(client: Client, own_cache_dir: Path, where: Any) -> None:
    found = ask(client, Script(ok(answer("you said key-of-a-header"))), **where)
    assert found.trace.notes == ["not cached: the answer repeats the API key"]
    assert rows(own_cache_dir) == []


def test_a_model_whose_name_goes_on_is_another_one(client: Client) -> None:
    for model in ("openai/a", "openai/a/b"):
        ask(client, Script(ok(answer())), model)
    assert client.cache.evict(model="openai/a") == 1
    assert ask(client, NOTHING, "openai/a/b").cached


def test_a_dict_does_not_override_what_the_settings_say_of_asking(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", "only")
    with pytest.raises(CacheMissError):
        ask(client, NOTHING, cache={"namespace": "a"})
    monkeypatch.setenv("INSIGHTS_CACHE", "0")
    assert ask(client, Script(ok(answer())), cache={"ttl": 5}).trace.cache.startswith("off")


def test_two_clients_of_one_directory_have_one_limit(client: Client, config_dir: Path, own_cache_dir: Path) -> None:
    ask(client, Script(ok(answer())))
    small = Client(
        Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=own_cache_dir, cache_size_limit=200_000)
    )
    for number in range(12):
        ask(small, Script(ok(answer("x" * 50_000))), messages=str(number))
    assert small.cache.stats().size < 400_000
    assert small.cache.stats().size_limit == 200_000
    too_large = ask(small, Script(ok(answer("x" * 300_000))), messages="large")
    assert too_large.trace.notes == ["not cached: it could not be stored"]


def test_one_directory_under_two_names(config_dir: Path, own_cache_dir: Path) -> None:
    own_cache_dir.mkdir()
    link = own_cache_dir.parent / "link"
    link.symlink_to(own_cache_dir)
    one, other = (
        Client(Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=directory))
        for directory in (own_cache_dir, link)
    )
    assert planned(one, NOTHING).cache is planned(other, NOTHING).cache


def test_a_cache_that_can_not_be_used_is_said_in_the_trace(config_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a directory")
    settings = Settings(OPENAI_API_KEY=OPENAI_KEY, config_dir=config_dir, cache_dir=tmp_path / "a-file", ledger=False)
    broken = Client(settings)
    with pytest.warns(RuntimeWarning, match="without its cache"):
        ask(broken, Script(ok(answer())))
    assert ask(broken, Script(ok(answer()))).trace.cache.startswith("off: the cache can't be used: ")
    with pytest.raises(CacheError, match="the cache can't be used"):
        broken.cache.clear()


@pytest.mark.parametrize("wrong", ["x", None, [("model", "gpt-4o")]])
def test_what_is_no_request(client: Client, wrong: Any) -> None:
    with pytest.raises(BadRequestError, match="a request is a dict"):
        client.cache.explain(wrong, wrong)


def test_a_misspelt_parameter_is_told_by_explain(client: Client) -> None:
    one = {"model": "openai/gpt-4o", "messages": "Hi"}
    with pytest.raises(UnsupportedParamsError, match="temprature"):
        client.cache.explain(one, {**one, "temprature": 1})


def test_a_number_that_can_not_be_written(client: Client) -> None:
    with pytest.raises(BadRequestError, match="seed is a number of more than"):
        ask(client, NOTHING, seed=10**5000)


def test_what_a_cassette_answers_stays_inside(client: Client, tmp_path: Path) -> None:
    recorded = Path(__file__).parents[2] / "cassettes" / "openai" / "demo_answer.yaml"
    question: dict[str, Any] = {"messages": "Why is the sky blue?", "max_tokens": 200}
    with use_cassette(recorded):
        first = client.completion("openai/gpt-4o-mini", **question, cache=True)
        assert client.completion("openai/gpt-4o-mini", **question, cache=True).cached
    assert not first.cached
    with pytest.raises(CacheMissError):
        ask(client, NOTHING, "openai/gpt-4o-mini", **question, cache="only")
    with use_cassette(recorded):
        assert not client.completion("openai/gpt-4o-mini", **question, cache=True).cached
