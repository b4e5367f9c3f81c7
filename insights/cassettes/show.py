"""What is in a cassette, for reading: who was asked what, what came back, and what it cost."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from insights.cassettes.file import Interaction, read_cassette
from insights.cassettes.shown import shown
from insights.core.display import short
from insights.core.errors import APIError, CassetteError, InsightsError

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.core.types import ModelResponse

_TEXT_FIELDS: Final = ("text", "content", "parts", "output", "arguments", "input", "thinking")


@dataclass(frozen=True)
class Shown:
    """One recording. `cost` is in USD at today's prices; None where it isn't known."""

    number: int
    recorded_at: str
    model: str
    status: int
    prompt: str
    answer: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: Decimal | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "cost": None if self.cost is None else short(self.cost)}


def read_shown(path: Path) -> list[Shown]:
    """The recordings of a cassette. (litellm is imported: it reads the providers' answers.)

    Raises:
        CassetteError: there is no such cassette, or it can't be read.
    """
    try:
        content = read_cassette(path)
    except FileNotFoundError:
        raise CassetteError(
            f"{shown(path.absolute())}: there is no such cassette", hint="see `insights cassettes check`"
        ) from None
    return [_shown(number, item) for number, item in enumerate(content.interactions, 1)]


def _shown(number: int, item: Interaction) -> Shown:
    name = f"{item.provider}/{item.model}" if item.provider else urlsplit(item.uri).hostname or ""
    about = number, item.recorded_at, name, item.response.status
    prompt = prompt_of(item.body)
    try:
        found = _answer(item)
    except APIError as error:
        return Shown(*about, prompt, f"{type(error).__name__}: {error.message}")
    except (InsightsError, ValueError, KeyError, TypeError):
        # Another recorder's file, or a provider that isn't known: what came is shown as it came.
        return Shown(*about, prompt, b"".join(item.response.pieces).decode("utf-8", "replace"))
    cost = None if found.cost is None else found.cost.total
    usage = found.usage
    asked, answered = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    return Shown(*about, prompt, _said(found), asked, answered, cost)


def _said(found: ModelResponse) -> str:
    said = []
    for choice in found.choices:
        said += [choice.message.content or ""]
        said += [f"{call.function.name}({call.function.arguments})" for call in choice.message.tool_calls or ()]
    return "\n".join(filter(None, said))


def _answer(item: Interaction) -> ModelResponse:
    from insights.adapters.models import transport
    from insights.adapters.models.decoder import StreamDecoder
    from insights.adapters.models.egress import Endpoint
    from insights.catalog.pricing import price_of
    from insights.core.effects import WireAnswer
    from insights.core.request import build_request

    transport.load()
    body = b"".join(item.response.pieces)
    model = _model(item)
    streams = body.lstrip()[:1] not in (b"{", b"[") and item.response.status < 300
    request = build_request(item.model, "-", {}, stream=streams)
    where = Endpoint(model.base, None, None)
    prepared = model.prepare(request, where)
    if streams:
        decoder = StreamDecoder(model, prepared, where)
        decoder.headers = item.response.headers
        for piece in item.response.pieces:
            deque(decoder.feed(piece), maxlen=0)
        deque(decoder.end(), maxlen=0)
        found = decoder.response()
    else:
        found = model.parse(prepared, WireAnswer(item.response.status, item.response.headers, body), where)
    if found.usage is not None and model.info is not None:
        tier = found.get("service_tier")
        found.cost = price_of(model.info, found.usage, str(tier) if tier else None)
    return found


def _model(item: Interaction) -> LiteLLMChatModel:
    from insights.adapters.models.factory import ModelFactory
    from insights.catalog.loader import Catalog
    from insights.core.config import settings
    from insights.core.request import build_request

    name = item.model
    if urlsplit(item.uri).path.endswith("/responses") and not name.startswith("responses/"):
        name = f"responses/{name}"
    parts = urlsplit(item.uri)
    catalog = Catalog(settings)
    provider = item.provider
    base = None if catalog.provider(provider).api_base else f"{parts.scheme}://{parts.netloc}"
    model: LiteLLMChatModel = ModelFactory._create_adapter(name, provider, settings=settings, catalog=catalog, api_base=base)
    return model.lane(build_request(name, "-", {}))


# ---------------------------------------------------------------- prompts


def prompt_of(body: bytes) -> str:
    """What a request asks, whichever provider's form it has: one line for each message, with who says it.

    >>> prompt_of(b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}')
    'user: Hi'
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    if not isinstance(data, Mapping):
        return body.decode("utf-8", "replace")
    return "\n".join(f"{role}: {' '.join(text.split())}" for role, text in _messages(data) if text)


def _messages(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("system", "instructions", "system_instruction", "systemInstruction"):
        yield "system", _text(data.get(name))
    for name in ("messages", "contents", "input"):
        listed = data.get(name)
        if isinstance(listed, str):
            yield "user", listed
        for message in listed if isinstance(listed, list) else ():
            if isinstance(message, Mapping):
                yield str(message.get("role") or "user"), _text(message)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(_text, value)))
    if isinstance(value, Mapping):
        return " ".join(filter(None, (_text(value.get(name)) for name in _TEXT_FIELDS)))
    return ""


_MOST_LINES: Final = 12
_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def inert(text: str, longest: int | None = None) -> str:
    """A text that no terminal obeys, each of its lines cut to `longest` characters, and it to a dozen lines."""
    lines = _CONTROLS.sub("?", text).split("\n")
    if longest is not None:
        lines = [line if len(line) <= longest else f"{line[: longest - 3]}..." for line in lines]
        lines = lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES // 2], "...", *lines[-_MOST_LINES // 2 :]]
    return "\n".join(lines)
