"""How many tokens a text has, offline: tiktoken with the vocabularies that litellm brings along, never a download."""

from __future__ import annotations

import importlib.util
import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from insights.core.request import ChatRequest

ENCODING: Final = "o200k_base"  # OpenAI's since gpt-4o; others' vocabularies are of the same order of size
_mutex = threading.Lock()


@cache
def _encoding() -> Any:
    """tiktoken's encoding; None where its vocabulary isn't on this machine."""
    found = importlib.util.find_spec("litellm")
    places = found.submodule_search_locations if found is not None else None
    if not places:
        return None
    folder = Path(places[0], "litellm_core_utils", "tokenizers")
    with _mutex:
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = before or str(folder)
        try:
            import tiktoken

            return tiktoken.get_encoding(ENCODING)
        except Exception:  # no vocabulary: it would be downloaded, which no call asked for
            return None
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]


def texts(value: Any) -> list[str]:
    """The texts of messages or tools; what is no text (an image, a sound) is left out."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        skipped = ("image_url", "input_audio", "file", "image", "audio", "video_url")
        return [text for name, item in value.items() if name not in skipped for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


def longer_than(request: ChatRequest, limit: int) -> bool:
    """Whether a request's texts have more than `limit` tokens; False where that can't be counted.

    A text has no more tokens than bytes, so most requests need no counting.
    """
    said = [*texts(list(request.messages)), *texts(request.params.get("tools"))]
    if sum(len(text.encode("utf-8", "replace")) for text in said) <= limit:
        return False
    encoding = _encoding()
    return encoding is not None and sum(len(encoding.encode(text, disallowed_special=())) for text in said) > limit
