"""What the checks say about keys, and about the hosts that they are for."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from insights.core.errors import BadRequestError
from insights.doctor import Finding, keys

from .looking import files, looked, of


def test_one_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = of("keys", looked(provider="mistral"))
    assert (found.level, found.message, found.hint) == ("problem", "MISTRAL_API_KEY is not set", "export MISTRAL_API_KEY=...")
    (found,) = of("keys", looked(provider="ollama"))
    assert (found.level, found.message) == ("ok", "ollama: no key is needed")
    with pytest.raises(BadRequestError, match="there is no provider 'mistrall'"):
        looked(provider="mistrall")


def test_no_key_and_some(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = of("keys", looked())
    assert (found.level, found.message) == ("note", "no provider's key is set")
    monkeypatch.setenv("XAI_API_KEY", "xai-one")
    note, well = sorted(of("keys", looked()), key=lambda each: each.level)
    assert well.message == "xai: XAI_API_KEY is set"
    assert note.message.startswith("not set: ")
    assert "MISTRAL_API_KEY" in note.message
    assert "XAI_API_KEY" not in note.message


def test_nothing_is_missing_where_nothing_is_needed(tmp_path: Path) -> None:
    host = "vllm:\n  api_base: http://127.0.0.1:9/v1\n  key_required: false\n"
    assert of("keys", list(keys.keys(*_of(tmp_path, vllm=host), ["vllm", "nowhere"]))) == []


def _of(folder: Path, **texts: str) -> tuple[Any, Any]:
    from insights.catalog.loader import Catalog
    from insights.core.config import Settings

    settings = Settings(config_dir=files(folder, **texts))
    return settings, Catalog(settings)


@pytest.mark.parametrize(
    ("key", "said"),
    [("sk-\x00", "has characters in it that no key has"), ("sk-ü", "has characters in it"), ("'sk", "has quotes")],
)
def test_a_key_that_can_be_none(key: str, said: str) -> None:
    (found,) = of("keys", looked(OPENAI_API_KEY=key), "problem")
    assert f"openai: OPENAI_API_KEY is set, and {said}" in found.message
    assert found.hint == "set OPENAI_API_KEY to the key alone"


# ---------------------------------------------------------------- hosts


class Wire:
    """Connections that are not made: what was asked for, and how it ended."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error
        self.places: list[tuple[str, int]] = []

    def __call__(self, place: tuple[str, int], timeout: float) -> socket.socket:
        self.places.append(place)
        if self.error is not None:
            raise self.error
        return socket.socket()


def reached(monkeypatch: pytest.MonkeyPatch, error: OSError | None, **given: Any) -> tuple[Wire, list[Finding]]:
    wire = Wire(error)
    monkeypatch.setattr(socket, "create_connection", wire)
    found = of("hosts", looked(offline=False, provider=given.pop("provider", "openai"), **given))
    return wire, found


@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        (None, "ok", "openai: api.openai.com:443 can be reached"),
        (TimeoutError(), "problem", "openai: api.openai.com:443 can't be reached: no answer"),
        (OSError(113, "No route to host"), "problem", "openai: api.openai.com:443 can't be reached: No route to host"),
        (OSError("gone"), "problem", "openai: api.openai.com:443 can't be reached: gone"),
    ],
)
def test_a_host(error: OSError | None, level: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire, (found,) = reached(monkeypatch, error, OPENAI_API_KEY="sk-one")
    assert wire.places == [("api.openai.com", 443)]
    assert (found.level, found.message) == (level, said)
    assert ("HTTPS_PROXY" in str(found.hint)) is (error is not None)


def test_without_a_key_no_host_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, found = reached(monkeypatch, None)
    assert (wire.places, found) == ([], [])


@pytest.mark.parametrize("proxy", ["http://proxy.initech.example:3128", "proxy.initech.example:3128"])
def test_a_proxy_is_what_is_connected_to(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    wire, (found,) = reached(monkeypatch, None, OPENAI_API_KEY="sk-one")
    assert wire.places == [("proxy.initech.example", 3128)]
    assert found.level == "ok"


def test_a_base_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = files(tmp_path, openai="openai:\n  timeout: 3\n")
    monkeypatch.setattr(keys, "_base", lambda settings, catalog, name: "nonsense")
    wire, (found,) = reached(monkeypatch, None, OPENAI_API_KEY="sk-one", config_dir=own)
    assert (found.level, found.message) == ("problem", "openai: 'nonsense' is no full URL")
    assert wire.places == []
