"""What `cache=`, `sample=` and the settings take, and what they don't."""

from __future__ import annotations

from typing import Any

import pytest

from insights.cache.control import OFF, Control, control
from insights.core.config import Settings
from insights.core.errors import BadRequestError, ConfigError

ON = Control()
REFRESH = Control(read=False, note="refreshed")
ONLY = Control(only=True)


def said(given: Any = None, sample: Any = None, settings: Settings | None = None, *, inside_cassette: bool = False) -> Control:
    return control(given, sample, settings or Settings(), inside_cassette=inside_cassette)


def test_nothing_said_is_on() -> None:
    assert said() == ON == Control(on=True, read=True, only=False, ttl=None, namespace="", sample=0, note="miss")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (True, ON),
        (False, OFF),
        ("refresh", REFRESH),
        ("only", ONLY),
        ({}, ON),
        ({"ttl": 60}, Control(ttl=60)),
        ({"ttl": 0.5}, Control(ttl=0.5)),
        ({"ttl": None}, ON),
        ({"namespace": "team"}, Control(namespace="team")),
        ({"namespace": ""}, ON),
        ({"namespace": None}, ON),
        ({"mode": "refresh"}, REFRESH),
        ({"mode": "only"}, ONLY),
        ({"mode": True}, ON),
        ({"mode": None}, ON),
        (
            {"mode": "refresh", "ttl": 60, "namespace": "team"},
            Control(read=False, ttl=60, namespace="team", note="refreshed"),
        ),
    ],
    ids=repr,
)
def test_what_it_takes(given: Any, meant: Control) -> None:
    assert said(given) == meant
    assert said(given, inside_cassette=True) == meant, "a call that asks for the cache has it inside a cassette too"


def test_what_is_given_is_not_changed() -> None:
    given = {"mode": "refresh", "ttl": 60, "namespace": None}
    said(given)
    assert given == {"mode": "refresh", "ttl": 60, "namespace": None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("on", "cache must be True, False, 'refresh', 'only' or a dict, got 'on'"),
        ("", "cache must be True"),
        ("REFRESH", "cache must be True"),
        (2, "cache must be True"),
        (60.0, "cache must be True"),
        ([], "cache must be True"),
        (["refresh"], "cache must be True"),
        ({"tll": 60}, "has no 'tll'"),
        ({"ttl": 60, "sample": 1}, "has no 'sample'"),
        ({"size_limit": None}, "has no 'size_limit'"),
        ({"ttl": 0}, "a number of seconds above 0, got 0"),
        ({"ttl": -1}, "above 0, got -1"),
        ({"ttl": "60"}, "above 0, got '60'"),
        ({"ttl": True}, "above 0, got True"),
        ({"ttl": float("inf")}, "above 0, got inf"),
        ({"ttl": float("nan")}, "above 0, got nan"),
        ({"ttl": [1]}, "above 0"),
        ({"namespace": 1}, "must be a text, got int"),
        ({"namespace": b"team"}, "must be a text, got bytes"),
        ({"namespace": ["a"]}, "must be a text, got list"),
        ({"mode": "off"}, "must be 'refresh' or 'only', got 'off'"),
        ({"mode": False}, "must be 'refresh' or 'only', got False"),
        ({"mode": ["only"]}, "must be 'refresh' or 'only'"),
    ],
    ids=repr,
)
def test_what_it_does_not_take(given: Any, message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        said(given)
    assert message in str(caught.value)


@pytest.mark.parametrize(("sample", "meant"), [(None, 0), (0, 0), (1, 1), (10**12, 10**12)])
def test_samples(sample: Any, meant: int) -> None:
    assert said(sample=sample).sample == meant
    assert said(False, sample).sample == meant


@pytest.mark.parametrize("sample", [-1, True, False, 1.0, "1", [1], {}], ids=repr)
def test_what_is_no_sample(sample: Any) -> None:
    with pytest.raises(BadRequestError, match="sample must be a whole number from 0"):
        said(sample=sample)
    with pytest.raises(BadRequestError, match="sample must be a whole number from 0"):
        said(False, sample)


# ---------------------------------------------------------------- the settings


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", Control(on=False, note="off: by the settings")),
        ("false", Control(on=False, note="off: by the settings")),
        ("No", Control(on=False, note="off: by the settings")),
        ("OFF", Control(on=False, note="off: by the settings")),
        ("1", ON),
        ("true", ON),
        ("yes", ON),
        ("on", ON),
        ("", ON),
        (" ", ON),
        ("refresh", REFRESH),
        ("Refresh", REFRESH),
        ("only", ONLY),
        ("ONLY", ONLY),
    ],
)
def test_the_environment_says(monkeypatch: pytest.MonkeyPatch, text: str, meant: Control) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", text)
    assert said() == meant
    assert said(True) == ON
    assert said("only") == ONLY
    how_long = said({"ttl": 5})
    assert (how_long.on, how_long.read, how_long.only) == (meant.on, meant.read, meant.only), (
        "it says nothing of whether to ask"
    )
    assert how_long.ttl == 5
    assert said({"ttl": 5, "mode": True}).on
    assert said(False) == OFF


def test_what_the_environment_may_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", "maybe")
    with pytest.raises(ConfigError, match="INSIGHTS_CACHE='maybe' is neither yes nor no, nor refresh or only"):
        said()
    assert said(True) == ON


@pytest.mark.parametrize(
    ("given", "meant"),
    [(True, ON), (False, Control(on=False, note="off: by the settings")), ("refresh", REFRESH), ("only", ONLY)],
)
def test_settings_come_before_the_environment(monkeypatch: pytest.MonkeyPatch, given: Any, meant: Control) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE", "only" if given != "only" else "refresh")
    assert said(settings=Settings(cache=given)) == meant


def test_inside_a_cassette_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    off = Control(on=False, note="off: inside a cassette")
    assert said(inside_cassette=True) == off
    monkeypatch.setenv("INSIGHTS_CACHE", "refresh")
    assert said(inside_cassette=True) == off
    assert said(settings=Settings(cache=True), inside_cassette=True) == off
    assert said(True, inside_cassette=True) == ON
    assert said(False, inside_cassette=True) == OFF


def test_the_time_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE_TTL", "90.5")
    assert said().ttl == 90.5
    assert said(settings=Settings(cache_ttl=10)).ttl == 10
    assert said({"ttl": 5}).ttl == 5
    assert said({"ttl": None}).ttl == 90.5
    assert said("refresh").ttl == 90.5


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_what_is_no_time(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE_TTL", text)
    with pytest.raises(ConfigError, match="cache_ttl"):
        said()
    with pytest.raises(ConfigError, match="cache_ttl"):
        said(settings=Settings(cache_ttl=float(text) if text != "soon" else -1))


def test_the_namespace_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTS_CACHE_NAMESPACE", "everybody")
    assert said().namespace == "everybody"
    assert said(settings=Settings(cache_namespace="team")).namespace == "team"
    assert said({"namespace": "me"}).namespace == "me"
    assert said({"namespace": ""}).namespace == ""
    assert said({"namespace": None}).namespace == "everybody"
    assert said({"ttl": 5}).namespace == "everybody"
