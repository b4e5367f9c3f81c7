"""One model under several keys or deployments: whose turn it is.

Round robin by what each has left, as its provider says with every answer. One that said "too many requests" has its turn
last until it may be asked again. The rotation is nginx's smooth weighted round robin, which never sends a burst to one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from insights.core.errors import BadRequestError

FIELDS: Final = ("api_key", "api_base", "model", "weight")

# What is left of what is allowed, by OpenAI's, Groq's and Anthropic's guides on rate limits.
_SHARES: Final = (
    *((f"x-ratelimit-remaining-{what}", f"x-ratelimit-limit-{what}") for what in ("requests", "tokens")),
    *((f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-limit") for what in ("requests", "tokens")),
)
_LEAST: Final = 0.01  # of its weight: one with nothing left is asked now and then, or it would never be heard of again


@dataclass(frozen=True)
class Deployment:
    """A key, and where it counts. `name` says which it is without saying the key."""

    name: str
    change: Mapping[str, Any]
    """What it changes of the call: `api_key`, `api_base`, `model`."""
    weight: float = 1.0
    number: int = 1

    @property
    def elsewhere(self) -> bool:
        """Whether it is another host or model, and not just another key."""
        return bool(set(self.change) - {"api_key"})


@dataclass
class _Turn:
    current: float = 0.0
    share: float = 1.0
    resting_until: float = 0.0


class Spread:
    """Whose turn it is, for all deployments of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    def order(self, deployments: Sequence[Deployment]) -> list[Deployment]:
        """The deployments, the one whose turn it is first; the others in case it fails."""
        with self._mutex:
            now = self._clock()
            turns = {each.name: self._turns.setdefault(each.name, _Turn()) for each in deployments}
            awake = [each for each in deployments if turns[each.name].resting_until <= now]
            for each in awake:
                turns[each.name].current += each.weight * max(turns[each.name].share, _LEAST)
            awake.sort(key=lambda each: -turns[each.name].current)
            if awake:
                turns[awake[0].name].current -= sum(each.weight * max(turns[each.name].share, _LEAST) for each in awake)
            resting = [each for each in deployments if each not in awake]
            resting.sort(key=lambda each: turns[each.name].resting_until)
            return [*awake, *resting]

    def learn(self, name: str, headers: Mapping[str, str]) -> None:
        """What an answer's headers say is left."""
        shares = []
        for left, limit in _SHARES:
            try:
                shares.append(min(max(float(headers[left]) / float(headers[limit]), 0.0), 1.0))
            except (KeyError, ValueError, ZeroDivisionError):
                continue
        if shares:
            with self._mutex:
                self._turns.setdefault(name, _Turn()).share = min(shares)

    def rest(self, name: str, seconds: float) -> None:
        """It was told to come back later."""
        with self._mutex:
            self._turns.setdefault(name, _Turn()).resting_until = self._clock() + seconds

    def reset(self) -> None:
        """Forgets everything."""
        self._turns.clear()


SPREAD: Final = Spread()
"""That of this process."""


def given_keys(keys: Any, provider: str) -> list[Deployment]:
    """The call's `keys=[...]`: keys, or dicts of `api_key`, `api_base`, `model` and `weight`.

    Raises:
        BadRequestError: something that is neither; a key is never quoted.
    """
    if isinstance(keys, str | Mapping) or not isinstance(keys, Sequence) or not keys:
        raise BadRequestError("keys must be a list of API keys", hint="or of dicts with api_key, api_base, model, weight")
    return [_deployment(item, provider, number) for number, item in enumerate(keys, 1)]


def _deployment(item: Any, provider: str, number: int) -> Deployment:
    change = dict(item) if isinstance(item, Mapping) else {"api_key": item}
    for name in change:
        if name not in FIELDS:
            raise BadRequestError(f"keys=[{{...}}] has no {name!r}", hint=f"it takes {', '.join(FIELDS)}")
    weight = change.pop("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise BadRequestError("a weight must be a number above 0")
    key = change.get("api_key")
    text = key if key is None or isinstance(key, str) else getattr(key, "get_secret_value", lambda: key)()
    for name in ("api_base", "model"):
        if not isinstance(change.get(name), str | None):
            raise BadRequestError(f"{name} of a key must be a text, got {type(change[name]).__name__}")
    if text is not None and isinstance(text, str) and not text.strip():
        raise BadRequestError("one of keys= is empty", hint="leave it out, or set the variable it is from")
    if not isinstance(text, str | None) or not change or (text is None and set(change) == {"api_key"}):
        raise BadRequestError(f"a key must be a text, got {type(key).__name__}")
    said = f"{provider} {change.get('model')} {change.get('api_base')} {text}"
    return Deployment(hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16], change, float(weight), number)
