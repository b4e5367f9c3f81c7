"""Images, files and sounds in messages: none is fetched by us, and none gets lost on its way into the body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from insights.core.errors import BadRequestError

if TYPE_CHECKING:
    from insights.adapters.models.wire import Wire

KINDS: Final = ("image_url", "file", "input_audio", "video_url", "audio_url", "document_url")
PLACES: Final = ("url", "file_data", "file_id", "data")


def parts_of(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every part of every message with its message's number; a text alone has no parts."""
    for index, message in enumerate(messages):
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, Mapping):
                yield index, part


def _written(text: str) -> bytes:
    """The end of a text as it stands in a JSON body."""
    return json.dumps(text[-64:], ensure_ascii=False)[1:-1].encode()


def media(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str, str, str]]:
    """Every image, file and sound: its message's number, its kind, the field its data or address is in, and that."""
    for index, part in parts_of(messages):
        for kind in KINDS:
            value = part.get(kind)
            fields = value if isinstance(value, Mapping) else {"url": value}
            for place in PLACES:
                found = fields.get(place)
                if isinstance(found, str):
                    yield index, kind, place, found.strip()


def refuse_remote_media(model: Wire, messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuses remote images and files where litellm would fetch them while it prepares the request.

    Raises:
        BadRequestError: naming the message.
    """
    for index, kind, place, value in media(messages):
        if value.lower().startswith(("http://", "https://")) and not model.takes_url(place, value):
            raise BadRequestError(
                f"messages[{index}] has a remote {kind}, and {model.provider} takes only the data itself",
                provider=model.provider,
                model=model.upstream,
                hint="read the file and pass it as a data: URL (data:image/png;base64,...)",
            )


def refuse_lost_parts(model: Wire, messages: Sequence[Mapping[str, Any]], content: bytes) -> None:
    """Refuses a request whose body lacks a part of a kind that OpenAI doesn't have: a misspelt one, or another provider's.

    Raises:
        BadRequestError: naming the message and the part's type.
    """
    for index, part in parts_of(messages):
        kind = part.get("type")
        if kind in ("text", "refusal", "thinking", "redacted_thinking") or any(name in part for name in KINDS):
            continue
        longest = max(_leaves(part), key=len, default="")
        if _written(longest) not in content:
            raise BadRequestError(
                f"messages[{index}] has a part of type {kind!r} that can't be sent to {model.provider}",
                provider=model.provider,
                model=model.upstream,
                hint="parts are text, image_url, file and input_audio, in OpenAI's form",
            )


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name != "type":
                yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def refuse_lost_media(model: Wire, messages: Sequence[Mapping[str, Any]], content: bytes) -> None:
    """Refuses a request whose body lacks an image, file or sound: litellm leaves out in silence what it can't place.

    Raises:
        BadRequestError: naming the message.
    """
    for index, kind, _, value in media(messages):
        head, encoded, data = value.rpartition(";base64,")
        if value.startswith("data:") and not encoded:
            continue  # percent-encoded text; it may well be written otherwise there
        if _written((data if head else value).rstrip("=")) not in content:
            raise BadRequestError(
                f"messages[{index}] has a part {kind!r} that can't be sent to {model.provider}",
                provider=model.provider,
                model=model.upstream,
                hint="leave it out, or use a model that takes it",
            )
