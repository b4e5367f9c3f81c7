"""What a call and the settings say about the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from insights.core.config import Settings
from insights.core.errors import BadRequestError

CacheControl = bool | Literal["refresh", "only"] | Mapping[str, Any] | None
"""What `cache=` takes."""

LONGEST: Final = 1e10  # seconds; three centuries
_FIELDS: Final = ("ttl", "namespace", "mode")
_FORMS: Final = "it takes 'ttl' (seconds), 'namespace' (a text) and 'mode' ('refresh' or 'only')"


@dataclass(frozen=True, slots=True)
class Control:
    """What a call does with the cache.

    `read` and `only` say whether a stored answer serves, and whether nothing else may. `ttl` is the age in seconds up to
    which an answer serves, and for which a new one is stored; None for ever. `sample` is which of several answers to the same
    request this is. `note` is what the trace says to begin with.
    """

    on: bool = True
    read: bool = True
    only: bool = False
    ttl: float | None = None
    namespace: str = ""
    sample: int = 0
    note: str = "miss"


OFF: Final = Control(on=False, note="off")


def control(given: CacheControl, sample: Any, settings: Settings, *, inside_cassette: bool) -> Control:
    """What the call says, else the settings.

    Inside a cassette there is none unless the call asks for it: a test must not pass because of what lies on this machine.

    Raises:
        BadRequestError: something `cache=` or `sample=` doesn't take.
    """
    which = _whole(sample)
    mode: Any = given
    fields: dict[str, Any] = {}
    if isinstance(given, Mapping):
        fields = _fields(given)
        mode = fields.pop("mode", settings.cache)  # how long and whose says nothing of whether to ask
    elif given is None:
        mode = False if inside_cassette else settings.cache
    if mode not in (True, False, "refresh", "only"):
        raise BadRequestError(f"cache must be True, False, 'refresh', 'only' or a dict, got {given!r}")
    note = "refreshed" if mode == "refresh" else "miss"
    if not mode:
        note = "off" if given is not None else "off: inside a cassette" if inside_cassette else "off: by the settings"
    return Control(
        on=bool(mode),
        read=mode != "refresh",
        only=mode == "only",
        ttl=fields.get("ttl", settings.cache_ttl),
        namespace=fields.get("namespace", settings.cache_namespace),
        sample=which,
        note=note,
    )


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in given if name not in _FIELDS]
    if unknown:
        raise BadRequestError(f"cache={{...}} has no {unknown[0]!r}", hint=_FORMS)
    fields = {name: value for name, value in given.items() if value is not None}
    ttl, namespace = fields.get("ttl", 1), fields.get("namespace", "")
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl <= LONGEST:
        raise BadRequestError(f"cache={{'ttl': ...}} must be a number of seconds above 0, got {ttl!r}", hint=_FORMS)
    if not isinstance(namespace, str):
        raise BadRequestError(f"cache={{'namespace': ...}} must be a text, got {type(namespace).__name__}", hint=_FORMS)
    if fields.get("mode", True) not in (True, "refresh", "only"):
        raise BadRequestError(f"cache={{'mode': ...}} must be 'refresh' or 'only', got {fields['mode']!r}", hint=_FORMS)
    return fields


def _whole(sample: Any) -> int:
    if sample is None:
        return 0
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 0:
        raise BadRequestError(
            f"sample must be a whole number from 0, got {sample!r}", hint="sample=1, sample=2, ... are different answers"
        )
    return sample
