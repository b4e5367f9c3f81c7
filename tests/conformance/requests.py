"""A recorded request as arguments of `completion`.

The translation says the same thing, not the same bytes: the wire request that the library makes of it is the library's
affair, and what comes back is the recording in any case. An odd body (none at all, say) becomes a plain hello.
"""

from __future__ import annotations

from collections.abc import Callable

from . import ask_anthropic, ask_bedrock, ask_cohere, ask_gemini, ask_ollama, ask_openai
from .asked import Asked, Json
from .recordings import HTTP_ERROR, Recording
from .wires import Wire

_TRANSLATORS: dict[Wire, Callable[[Json], Asked]] = {
    Wire.OPENAI_CHAT: ask_openai.chat,
    Wire.RESPONSES: ask_openai.responses,
    Wire.ANTHROPIC: ask_anthropic.messages,
    Wire.GEMINI: ask_gemini.generate_content,
    Wire.CONVERSE: ask_bedrock.converse,
    Wire.INVOKE: ask_bedrock.invoke,
    Wire.OLLAMA: ask_ollama.chat,
    Wire.COHERE: ask_cohere.chat,
}


def asked(recording: Recording, wire: Wire) -> Asked:
    """What the recorded client asked for. A body that cannot be understood is a hello."""
    if not recording.request:
        return Asked()
    try:
        return _TRANSLATORS[wire](recording.request)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        if recording.status < HTTP_ERROR:
            raise
        return Asked()  # recorded on purpose to be refused: what was wrong with it can't be said in OpenAI's words
