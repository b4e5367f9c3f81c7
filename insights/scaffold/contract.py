"""What every provider must do, checked against a host on this machine: no key, no network.

The providers in a checkout are checked by its tests, which know every wire. This is for those beside them: a provider file of
the user's own, or an installed package.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from insights.adapters.models.factory import ModelFactory
from insights.cassettes import modes
from insights.cassettes.use import use_cassette
from insights.catalog.loader import Catalog
from insights.client import Client
from insights.core.config import Settings
from insights.core.errors import APIError, AuthenticationError, InsightsError, RateLimitError
from insights.core.urls import is_loopback
from insights.scaffold.stand_in import (
    ANSWER,
    ARGUMENTS,
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    TOOL,
    StandIn,
    stand_in,
)

_KEY: Final = "insights-check-0123456789"
_QUESTION: Final = "What is the capital of France?"
WEATHER: Final = {
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@dataclass(frozen=True)
class Result:
    """One part of the contract; `problem` is None where it is kept."""

    what: str
    problem: str | None = None


class Broken(Exception):
    """A part of the contract that isn't kept."""


def model_to_check(provider: str, settings: Settings) -> str:
    """The model that a provider is checked with: the first of its file.

    Raises:
        ConfigError: a mistake in the file. UnknownModelError: it has no model.
    """
    config = Catalog(settings).provider(provider)
    return next(iter(config.models), "some-model")


def check_contract(provider: str, settings: Settings) -> Iterator[Result]:
    """Checks a provider with OpenAI's wire, part by part.

    Raises:
        ConfigError: its file or its package can't be used at all.
    """
    with stand_in() as host, tempfile.TemporaryDirectory(prefix="insights-check-") as folder:
        check = _Check(provider, settings, host, Path(folder))
        for what, part in check.parts():
            host.requests.clear()
            host.refusals.clear()
            try:
                part()
            except (Broken, InsightsError) as error:
                yield Result(what, str(error).splitlines()[0])
            except Exception as error:  # an adapter may do anything
                yield Result(what, f"{type(error).__name__}: {error}")
            else:
                yield Result(what)


class _Check:
    def __init__(self, provider: str, settings: Settings, host: StandIn, folder: Path) -> None:
        self.provider = provider
        self.host = host
        self.folder = folder
        self.config = Catalog(settings).provider(provider)
        ModelFactory.adapter_class(provider)
        self.model = model_to_check(provider, settings)
        self.info = self.config.model(self.model)
        self.client = Client(Settings(config_dir=settings.config_dir, cache=False, ledger=False, cache_dir=folder / "cache"))

    def parts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "an answer", self.answer
        yield "the same, awaited", self.awaited
        yield "a stream", self.stream
        if self.info is not None and "tools" in self.info.capabilities:
            yield "tools", self.tools
        yield "the key in its header and nowhere else", self.key
        if not is_loopback(urlsplit(self.config.api_base).hostname or ""):  # else this machine is its own host
            yield "no key of the environment to another host", self.no_key
        yield "refusals are typed", self.refusals
        yield "a price to the digit" if self._prices() else "an unknown price, said so", self.price
        yield "stands in for another", self.stands_in
        if not modes.in_ci():  # where nothing is recorded
            yield "recorded and replayed without a key", self.cassette

    def call(self, **more: Any) -> Any:
        return self.client.completion(f"{self.provider}/{self.model}", _QUESTION, **{**self._given(), **more})

    def _given(self) -> dict[str, Any]:
        return {"api_base": self.host.url, "api_key": _KEY, "num_retries": 0, "fallbacks": [], "timeout": 60}

    def answer(self) -> None:
        found = self.call()
        _same("the text", found.text, ANSWER)
        _same("the provider", found.provider, self.provider)
        _same("the finish reason", found.choices[0].finish_reason, "stop")
        asked = json.loads(self.host.requests[0][2])
        _same("the model that was asked for", asked.get("model"), self.model)
        if _QUESTION not in json.dumps(asked.get("messages")):
            raise Broken("the prompt didn't arrive")

    def awaited(self) -> None:
        async def asked() -> Any:
            return await self.client.acompletion(f"{self.provider}/{self.model}", _QUESTION, **self._given())

        _same("the text", asyncio.run(asked()).text, ANSWER)

    def stream(self) -> None:
        stream = self.call(stream=True)
        _same("the text", "".join(chunk.text for chunk in stream), ANSWER)
        usage = stream.response.usage
        _same("the tokens", (usage.prompt_tokens, usage.completion_tokens), (PROMPT_TOKENS, COMPLETION_TOKENS))

    def tools(self) -> None:
        calls = self.call(tools=[WEATHER]).choices[0].message.tool_calls or []
        _same(
            "the tool calls", [(call.function.name, json.loads(call.function.arguments)) for call in calls], [(TOOL, ARGUMENTS)]
        )

    def key(self) -> None:
        self.call()
        path, headers, body = self.host.requests[0]
        places = [name for name, value in headers.items() if _KEY in value]
        if len(places) != 1 or _KEY in path or _KEY.encode() in body:
            where = [*places, *(["the URL"] if _KEY in path else []), *(["the body"] if _KEY.encode() in body else [])]
            raise Broken(f"the key is in {', '.join(where) or 'no header'}")

    def no_key(self) -> None:
        given: dict[str, Any] = {name: _KEY for name in self.config.key_names if name.endswith(("_API_KEY", "_TOKEN"))}
        client = Client(Settings(**given, config_dir=self.client.settings.config_dir, cache=False, ledger=False))
        client.completion(f"{self.provider}/{self.model}", _QUESTION, api_base=self.host.url, num_retries=0, fallbacks=[])
        if any(_KEY in value for _, headers, _ in self.host.requests for value in headers.values()):
            raise Broken("the key of the environment went to a host that isn't the provider's")

    def refusals(self) -> None:
        for status, kind in ((401, AuthenticationError), (429, RateLimitError)):
            self.host.refusals.append(status)
            try:
                self.call()
            except kind:
                continue
            except APIError as error:
                raise Broken(f"status {status} became {type(error).__name__}") from None
            raise Broken(f"status {status} was no error")

    def _prices(self) -> bool:
        return self.info is not None and {"cost_input_per_1k", "cost_output_per_1k"} <= self.info.prices.keys()

    def price(self) -> None:
        cost = self.call().cost
        if not self._prices():
            _same("the cost", cost, None)
            return
        assert self.info is not None
        prices = self.info.at(_today()).prices
        said = prices["cost_input_per_1k"] * PROMPT_TOKENS + prices["cost_output_per_1k"] * COMPLETION_TOKENS
        per_request = prices.get("cost_per_request", Decimal(0))
        _same("the cost", None if cost is None else cost.total, said / 1000 + per_request)

    def stands_in(self) -> None:
        self.host.refusals.append(500)
        place = {"api_base": self.host.url, "api_key": _KEY}
        found = self.call(fallbacks=[{"model": f"{self.provider}/{self.model}", **place}])
        _same("the number of attempts", len(found.trace.attempts), 2)

    def cassette(self) -> None:
        path = self.folder / "check.yaml"
        with use_cassette(path, mode="record", recorded_from={"what": "a host on this machine (insights provider check)"}):
            self.call()
        with use_cassette(path, mode="replay"):
            again = self.call(api_key=None)
        _same("the text", again.text, ANSWER)
        if _KEY in path.read_text(encoding="utf-8"):
            raise Broken("the key is in the cassette")


def _same(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Broken(f"{what}: {found!r} instead of {wanted!r}")


def _today() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC).date()
