"""Images, files and sounds: each in the provider's own form, none fetched while preparing, none lost in silence.

That nothing is fetched is seen twice: the guard of tests/conftest.py fails a test that looked up a host, and the addresses
here are under `.test`, which nobody has.
"""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest

from insights.core.errors import BadRequestError
from tests.unit.adapters.loopback import Loopback
from tests.unit.adapters.models.asking import ask, camel, missing
from tests.unit.adapters.models.houses import PROVIDERS, model_of

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()
WAV = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0").decode()
IMAGE_DATA = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
IMAGE_URL = {"type": "image_url", "image_url": {"url": "https://pictures.test/cat.png"}}
IMAGE_BARE_URL = {"type": "image_url", "image_url": "https://pictures.test/cat.png"}
IMAGE_PLAIN_HTTP = {"type": "image_url", "image_url": {"url": "http://pictures.test/cat.png"}}
PDF_DATA = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
PDF_URL = {"type": "file", "file": {"file_id": "https://papers.test/a.pdf"}}
PDF_DATA_URL = {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://papers.test/a.pdf"}}
FILE_ID = {"type": "file", "file": {"file_id": "file-abc123"}}
SOUND = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
VIDEO_URL = {"type": "video_url", "video_url": {"url": "https://films.test/a.mp4"}}

GPT, CODEX, CLAUDE = "openai/gpt-4o", "openai/gpt-5.3-codex", "anthropic/claude-sonnet-4-5"
GEMINI, NOVA, LLAMA = "gemini/gemini-2.5-flash", "bedrock/amazon.nova-pro-v1:0", "ollama/llama3.3"

# What preparing a request for them would fetch: their APIs take the data itself, and litellm would get it.
ONLY_DATA = ("gemini", "vertex", "bedrock", "ollama")


def saying(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]


def part_sent(server: Loopback, model: str, part: dict[str, Any]) -> Any:
    """The last part of the last message, as the provider got it."""
    body = camel(ask(server, model, saying(part))[0].body) if model == GEMINI else ask(server, model, saying(part))[0].body
    message = (body.get("messages") or body.get("contents") or body["input"])[-1]
    return (message.get("content") or message["parts"])[-1] if model != LLAMA else message


@pytest.mark.parametrize(
    ("model", "part", "wanted"),
    [
        # OpenAI, "Images and vision", "File inputs", "Audio".
        (GPT, IMAGE_DATA, IMAGE_DATA),
        (GPT, IMAGE_URL, IMAGE_URL),
        (GPT, IMAGE_BARE_URL, IMAGE_URL),
        (GPT, PDF_DATA, PDF_DATA),
        (GPT, FILE_ID, FILE_ID),
        (GPT, SOUND, SOUND),
        # The same guides, tab "Responses".
        (CODEX, IMAGE_DATA, {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}),
        (CODEX, IMAGE_URL, {"type": "input_image", "image_url": "https://pictures.test/cat.png"}),
        (
            CODEX,
            PDF_DATA,
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        ),
        (CODEX, FILE_ID, {"type": "input_file", "file_id": "file-abc123"}),
        # Anthropic, "Vision" and "PDF support".
        (CLAUDE, IMAGE_DATA, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}),
        (CLAUDE, IMAGE_URL, {"type": "image", "source": {"type": "url", "url": "https://pictures.test/cat.png"}}),
        (CLAUDE, IMAGE_BARE_URL, {"type": "image", "source": {"type": "url", "url": "https://pictures.test/cat.png"}}),
        (CLAUDE, PDF_DATA, {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}),
        (CLAUDE, PDF_URL, {"type": "document", "source": {"type": "url", "url": "https://papers.test/a.pdf"}}),
        # Google, "Image understanding", "Document understanding", "Audio understanding".
        (GEMINI, IMAGE_DATA, {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (GEMINI, PDF_DATA, {"inlineData": {"mimeType": "application/pdf", "data": PDF}}),
        (GEMINI, SOUND, {"inlineData": {"mimeType": "audio/wav", "data": WAV}}),
        # Amazon, ImageBlock and DocumentBlock of the Converse API.
        (NOVA, IMAGE_DATA, {"image": {"format": "png", "source": {"bytes": PNG}}}),
        (NOVA, PDF_DATA, {"document": {"format": "pdf", "source": {"bytes": PDF}}}),
        # Ollama, /api/chat: base64 beside the text.
        (LLAMA, IMAGE_DATA, {"images": [PNG]}),
    ],
)
def test_it_arrives_in_the_documented_form(
    model: str, part: dict[str, Any], wanted: dict[str, Any], loopback: Loopback
) -> None:
    assert not missing(part_sent(loopback, model, part), wanted)


@pytest.mark.parametrize("provider", ONLY_DATA)
@pytest.mark.parametrize("part", [IMAGE_URL, IMAGE_BARE_URL, IMAGE_PLAIN_HTTP, PDF_URL, PDF_DATA_URL, VIDEO_URL])
def test_a_remote_file_is_refused_where_litellm_would_fetch_it(provider: str, part: dict[str, Any], loopback: Loopback) -> None:
    with pytest.raises(BadRequestError, match=r"messages\[1\] has a remote") as caught:
        ask(loopback, f"{provider}/{model_of(provider)}", [{"role": "system", "content": "x"}, *saying(part)])
    assert "data:" in str(caught.value.hint)
    assert (caught.value.provider, caught.value.retryable) == (provider, False)
    assert not loopback.received


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p not in ONLY_DATA])
def test_a_remote_image_goes_as_its_address_everywhere_else(provider: str, loopback: Loopback) -> None:
    request, _ = ask(loopback, f"{provider}/{model_of(provider)}", saying(IMAGE_URL))
    assert "https://pictures.test/cat.png" in json.dumps(request.body)


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p not in (*ONLY_DATA, "anthropic")])
def test_an_address_is_no_file_id(provider: str, loopback: Loopback) -> None:
    with pytest.raises(BadRequestError):
        ask(loopback, f"{provider}/{model_of(provider)}", saying(PDF_URL))
    assert not loopback.received


@pytest.mark.parametrize("part", [PDF_DATA_URL, IMAGE_PLAIN_HTTP])
def test_what_litellm_would_fetch_for_anthropic(part: dict[str, Any], loopback: Loopback) -> None:
    with pytest.raises(BadRequestError, match="remote"):
        ask(loopback, CLAUDE, saying(part))
    assert not loopback.received


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("part", [IMAGE_DATA, PDF_DATA, SOUND, VIDEO_URL, FILE_ID], ids=lambda part: part["type"])
def test_it_is_sent_or_refused_and_never_left_out(provider: str, part: dict[str, Any], loopback: Loopback) -> None:
    """DeepSeek, Ollama, Anthropic, Mistral: litellm sends their requests without the parts it can't place."""
    data = {"image_url": PNG, "input_audio": WAV, "video_url": "https://films.test/a.mp4"}.get(part["type"])
    data = data or (PDF if part is PDF_DATA else "file-abc123")
    with contextlib.suppress(BadRequestError):
        request, _ = ask(loopback, f"{provider}/{model_of(provider)}", saying(part))
        assert data in json.dumps(request.body)
        return
    assert not loopback.received


def test_a_lost_part_is_named(loopback: Loopback) -> None:
    with pytest.raises(BadRequestError, match=r"messages\[0\] has a part 'input_audio'"):
        ask(loopback, CLAUDE, saying(SOUND))


def test_text_in_a_data_url_is_not_looked_for(loopback: Loopback) -> None:
    """Percent-encoded text may be written in another way on the wire."""
    part = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain,hello%20there"}}
    assert part_sent(loopback, GPT, part) == part
