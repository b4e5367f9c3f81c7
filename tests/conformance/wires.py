"""Which wire format a recording speaks, and which model string and base make the library speak it too.

Decided by the recorded path, because one provider may have several: Ollama answers its own and OpenAI's, Google
its own and OpenAI's, OpenAI two of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote

from .recordings import Recording


class Wire(Enum):
    """A format of request and answer, by the end of the path that it is asked at."""

    OPENAI_CHAT = "/chat/completions"
    RESPONSES = "/responses"
    ANTHROPIC = "/messages"
    GEMINI = ":generateContent"
    CONVERSE = "/converse"
    INVOKE = "/invoke"
    OLLAMA = "/api/chat"
    COHERE = "/chat"


_ENDINGS = {
    **{wire.value: wire for wire in Wire},
    ":streamGenerateContent": Wire.GEMINI,
    "/converse-stream": Wire.CONVERSE,
    "/invoke-with-response-stream": Wire.INVOKE,
}

# Providers that are asked in OpenAI's format by their own name. Any other host that speaks it is "openai" with a base.
OPENAI_SPEAKERS = frozenset(
    {"openai", "mistral", "groq", "deepseek", "together", "openrouter", "xai", "perplexity", "cerebras", "fireworks"}
    | {"huggingface", "moonshot", "zai"}
)

_VERTEX = re.compile(r"/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/")
_AZURE = re.compile(r"/openai/deployments/(?P<deployment>[^/]+)/chat/completions$")
_MODEL_IN_PATH = re.compile(r"/models?/([^:]+):[A-Za-z]+$|/model/([^/]+)/[a-z-]+$")


@dataclass(frozen=True)
class Target:
    """How to reach a recording through the library; `base` goes after the address of the replaying server."""

    model: str
    base: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def wire_of(path: str) -> Wire | None:
    """The format spoken at `path`, or None when it is not a chat."""
    for ending, wire in sorted(_ENDINGS.items(), key=lambda item: -len(item[0])):
        if path.endswith(ending):
            return wire
    return None


def verb(path: str) -> str:
    """What is asked of the host, whatever version, project or model stands before it."""
    return re.split(r"[/:]", unquote(path.partition("?")[0]))[-1]


def model_of(recording: Recording) -> str:
    """The upstream name: in the path, in the body, or only in the index."""
    found = _MODEL_IN_PATH.search(recording.path)
    if found:
        return unquote(found.group(1) or found.group(2))
    named = (recording.request or {}).get("model") or unquote(recording.row.get("model", ""))
    return str(named).removeprefix("models/")


def target_of(recording: Recording, wire: Wire) -> Target:
    """Model string, base and provider arguments."""
    model, path, query = model_of(recording), recording.path, recording.query
    prefix = path[: -len(wire.value)]
    if wire is Wire.OPENAI_CHAT:
        return _openai(recording, model, prefix, query.get("api-version", "2024-10-21"))
    if wire is Wire.RESPONSES:
        return Target(f"openai/responses/{model}", prefix)
    if wire is Wire.ANTHROPIC:
        return Target(f"anthropic/{model}", path.removesuffix("/v1/messages").removesuffix("/messages"))
    if wire is Wire.GEMINI:
        return _google(path, model)
    if wire is Wire.COHERE:
        return Target(f"cohere/{model or 'command-r'}", prefix)
    if wire is Wire.OLLAMA:
        return Target(f"ollama/{model}", prefix)
    return Target(f"bedrock/invoke/{model}" if wire is Wire.INVOKE else f"bedrock/{model}")


def _openai(recording: Recording, model: str, prefix: str, version: str) -> Target:
    deployment = _AZURE.search(recording.path)
    if deployment:
        return Target(f"azure/{unquote(deployment['deployment'])}", arguments={"api_version": version})
    if recording.provider.startswith("azure") and prefix.endswith("/models"):
        return Target(f"azure/{model}", prefix, {"api_version": version})
    provider = recording.provider if recording.provider in OPENAI_SPEAKERS else "openai"
    return Target(f"{provider}/{model}", prefix)


def _google(path: str, model: str) -> Target:
    if "/publishers/" not in path:
        return Target(f"gemini/{model}", path.partition("/models/")[0])
    project = _VERTEX.search(path)
    where = {f"vertex_{name}": value for name, value in project.groupdict().items()} if project else {}
    return Target(f"vertex/{model}", "", where)
