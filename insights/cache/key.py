"""From a request to the name under which its answer is stored: equal requests, equal keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from insights.core.request import NEUTRAL, ChatRequest, canonical_json

VERSION: Final = 2  # of the key's form; a new one makes all old answers unknown

# Headers that say who asks. They decide whether there is an answer, not which: tenants are kept apart by `namespace`.
_CREDENTIALS: Final = frozenset(
    """authorization proxy-authorization api-key x-api-key x-goog-api-key x-auth-token x-amz-security-token
    ocp-apim-subscription-key""".split()
)
_SECRET_WORDS: Final = ("key", "token", "secret", "credential", "authorization", "cookie", "password")

# Values that mean the same as leaving the parameter out, whoever answers.
_EMPTY: Final = {name: NEUTRAL[name] for name in ("n", "stop", "tools", "logit_bias", "metadata")}
# And those that mean it at every provider the library knows, at the provider's own host. What another server takes for a
# parameter that isn't given, nobody knows. What is a default of one provider only (a temperature of 1, say) is in its file.
_USUAL: Final = {
    name: NEUTRAL[name] for name in ("tool_choice", "parallel_tool_calls", "logprobs", "modalities", "response_format", "store")
}
_EXACT_INT: Final = 2**53  # up to here every whole float is exactly one int


def key_fields(
    request: ChatRequest,
    *,
    provider: str,
    model: str,
    base: str,
    options: Mapping[str, Any] | None = None,
    namespace: str = "",
    sample: int = 0,
    drop_params: bool = False,
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that can change the answer, and no key.

    `stream` is not in it: a streamed answer serves a plain call too.

    Args:
        request: what is asked.
        provider, model, base: who is asked, and where.
        options: what else says where the model is (a region, a project).
        namespace: whose answers these are.
        sample: which of several answers to the same request.
        drop_params: whether parameters may have been left out.
        defaults: what the provider takes for a parameter that isn't given; given so, it is left out. None where the request
            doesn't go to the provider itself.
    """
    neutral = {**_EMPTY, **({} if defaults is None else _USUAL), **{n: (value,) for n, value in (defaults or {}).items()}}
    return {
        "version": VERSION,
        "namespace": namespace,
        "sample": sample,
        "provider": provider,
        "model": model,
        "api_base": _plain_base(base),
        "drop_params": drop_params,
        "messages": [
            {name: plain_numbers(value) for name, value in message.items() if value is not None} for message in request.messages
        ],
        "params": {
            name: plain_numbers(_listed(name, value))
            for name, value in request.params.items()
            if name != "stream_options" and not _says_nothing(value, neutral.get(name, ()))
        },
        "extra_body": plain_numbers(request.extra_body),
        "extra_headers": _headers(request.extra_headers),
        "options": {name: str(value) for name, value in (options or {}).items() if not looks_secret(name)},
    }


def is_credential(name: str) -> bool:
    """Whether a header of this name says who asks, or may do so."""
    return name.lower() in _CREDENTIALS or looks_secret(name)


def looks_secret(name: str) -> bool:
    """Whether a header or an option of this name may hold a credential."""
    return any(word in name.lower() for word in _SECRET_WORDS)


def cache_key(fields: Mapping[str, Any]) -> str:
    """The sha256 of canonical JSON, in hex."""
    return digest(canonical_json(fields))


def digest(text: str) -> str:
    """The sha256 of a text, in hex; half a character counts as one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The names of the fields in which two requests differ, as paths; empty where they have the same key.

    >>> differences({"params": {"n": 1, "messages": ["Hi"]}}, {"params": {"n": 2, "messages": ["Hi", "Ho"]}})
    ['n', 'messages[1]']
    """
    return [path.removeprefix("params.") for path, _, _ in changes(a, b)]


ABSENT: Final = type("Absent", (), {"__repr__": lambda self: "(absent)", "__slots__": ()})()
"""Stands for what one of two values compared doesn't have."""


def changes(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two pieces of JSON data differ: the path, what the first has there, what the second has; `ABSENT` for nothing."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in [*a, *(name for name in b if name not in a)]:
            inner = f"{path}.{name}" if path else str(name)
            if name in a and name in b:
                yield from changes(a[name], b[name], inner)
            else:
                yield inner, a.get(name, ABSENT), b.get(name, ABSENT)
    elif isinstance(a, list) and isinstance(b, list):
        for index in range(max(len(a), len(b))):
            inner = f"{path}[{index}]"
            if index < min(len(a), len(b)):
                yield from changes(a[index], b[index], inner)
            else:
                yield inner, (a[index] if index < len(a) else ABSENT), (b[index] if index < len(b) else ABSENT)
    elif canonical_json(a) != canonical_json(b):  # Python calls True and 1 equal
        yield path, a, b


def plain_numbers(value: Any) -> Any:
    """JSON data in which a whole number has one spelling: 1.0 is 1."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT_INT else value
    if isinstance(value, Mapping):
        return {name: plain_numbers(item) for name, item in value.items()}
    return [plain_numbers(item) for item in value] if isinstance(value, list) else value


def _listed(name: str, value: Any) -> Any:
    return [value] if name == "stop" and isinstance(value, str) else value


def _says_nothing(value: Any, neutral: tuple[Any, ...]) -> bool:
    return any(value == usual and isinstance(value, bool) == isinstance(usual, bool) for usual in neutral)


def _headers(headers: Mapping[str, str]) -> dict[str, str | list[str]]:
    """Names in lower case; one given in two spellings is sent twice, so both its values count."""
    found: dict[str, list[str]] = {}
    for spelling, value in headers.items():
        name = spelling.lower()
        if name not in _CREDENTIALS:
            # What looks secret may change the answer whatever it is for; what it holds is nobody else's to read.
            found.setdefault(name, []).append(f"sha256:{digest(value)}" if looks_secret(name) else value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _plain_base(base: str) -> str:
    """A base URL in one spelling: the host in lower case, no port that goes without saying, no slash at the end."""
    try:
        parts = urlsplit(base)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return base  # no request goes there
    host = f"[{host}]" if ":" in host else host
    if port is not None and port != {"https": 443, "http": 80}.get(parts.scheme):
        host = f"{host}:{port}"
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/")
