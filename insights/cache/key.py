"""From a request to the name under which its answer is stored: equal requests, equal keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from insights.core.request import ChatRequest, canonical_json

VERSION: Final = 1  # of the key's form; a new one makes all old answers unknown

_SECRET_WORDS: Final = ("key", "token", "secret", "credential", "authorization", "cookie")


def key_fields(
    request: ChatRequest,
    *,
    provider: str,
    model: str,
    base: str,
    options: Mapping[str, Any] | None = None,
    namespace: str = "",
) -> dict[str, Any]:
    """Everything that can change the answer, and no key. `stream` is not in it: a streamed answer serves a plain call too."""

    def harmless(name: str) -> bool:
        return not any(word in name.lower() for word in _SECRET_WORDS)

    headers = {name.lower(): value for name, value in request.extra_headers.items() if harmless(name)}
    return {
        "version": VERSION,
        "namespace": namespace,
        "provider": provider,
        "model": model,
        "base": base,
        "messages": list(request.messages),
        "params": {name: value for name, value in request.params.items() if name != "stream_options"},
        "extra_body": dict(request.extra_body),
        "extra_headers": headers,
        "options": {name: str(value) for name, value in (options or {}).items() if harmless(name)},
    }


def cache_key(fields: Mapping[str, Any]) -> str:
    """The sha256 of canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(fields).encode("utf-8", "surrogatepass")).hexdigest()
