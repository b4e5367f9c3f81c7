"""Servers of one's own: what is said when nothing listens, that no key goes along, and the answers that such servers send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from insights.adapters.models.exchange import _how_to_serve, typed
from insights.client import Client
from insights.core.config import Settings
from insights.core.effects import WireCall
from insights.core.errors import APIConnectionError
from tests.unit.adapters.answers import TEXT, OpenAIChat, sse
from tests.unit.adapters.loopback import Answer, Loopback, as_json, streamed
from tests.unit.both import Read, ask, both

MODEL = "mine/local-7b"
START = "start the server, or correct api_base"


@pytest.fixture
def closed() -> Iterator[int]:
    """A port of this machine on which nothing listens, and that nobody else gets meanwhile: bound, and never listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def client_of(base: str, directory: Path, **settings: Any) -> Client:
    (directory / "providers").mkdir(exist_ok=True)
    (directory / "providers" / "mine.yaml").write_text(
        f'mine:\n  api_base: "{base}"\n  key_required: false\n  models:\n    local-7b:\n'
        "      cost_input_per_1k: 0.001\n      cost_output_per_1k: 0.002\n"
    )
    return Client(Settings(config_dir=directory, cache=False, num_retries=0, **settings))


@pytest.fixture
def client(tmp_path: Path, loopback: Loopback) -> Iterator[Client]:
    """A client whose provider `mine` is the server, without a key; priced."""
    with client_of(loopback.url, tmp_path) as made:
        yield made


# ---------------------------------------------------------------- nothing listens


@both
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", [MODEL, "openai/local-7b", "ollama/local-7b"])
def test_nothing_listens(tmp_path: Path, closed: int, awaiting: bool, stream: bool, model: str) -> None:
    base = f"http://127.0.0.1:{closed}"
    given = {} if model == MODEL else {"api_base": base}
    read = Read().run if stream else ask
    with client_of(base, tmp_path) as client, pytest.raises(APIConnectionError) as caught:
        read(client, awaiting, model, **given)
    assert caught.value.message == f"nothing listens at {base}: the connection was refused"
    assert caught.value.hint == START
    assert (caught.value.provider, caught.value.model) == (model.partition("/")[0], "local-7b")
    assert caught.value.unsent


def test_a_path_and_a_key_are_not_part_of_it(tmp_path: Path, closed: int) -> None:
    base = f"http://127.0.0.1:{closed}"
    with client_of(f"{base}/some/path/v1", tmp_path) as client, pytest.raises(APIConnectionError) as caught:
        client.completion(MODEL, "Hi", api_key="hush-hush-0123456789")
    assert caught.value.message == f"nothing listens at {base}: the connection was refused"
    assert "hush-hush" not in str(caught.value)


def test_somebody_else_answers_instead(tmp_path: Path, closed: int, loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    with client_of(f"http://127.0.0.1:{closed}", tmp_path) as client:
        found = client.completion(
            MODEL, "Hi", fallbacks=[{"model": "openai/stand-in", "api_base": loopback.url, "api_key": "a-key-0123456"}]
        )
    assert (found.text, found.provider) == (TEXT, "openai")
    assert "nothing listens at" in str(found.trace.attempts[0].message)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://localhost:11434/v1/chat/completions", "start Ollama (ollama serve), or correct api_base"),
        ("http://127.0.0.1:8000/v1/chat/completions", "start vLLM (vllm serve MODEL), or correct api_base"),
        ("http://[::1]:8080/v1/chat/completions", "start llama.cpp (llama-server -m MODEL.gguf), or correct api_base"),
        ("http://127.0.0.1:1234/v1/chat/completions", "start LM Studio (lms server start), or correct api_base"),
        ("http://127.0.0.1:8001/v1/chat/completions", START),
        ("http://127.0.0.1/v1/chat/completions", START),
    ],
)
def test_what_would_start_it(url: str, hint: str) -> None:
    assert _how_to_serve(url) == hint
    address = url.removesuffix("/v1/chat/completions")
    with pytest.raises(APIConnectionError) as caught, typed(WireCall(url, {}, b"", provider="mine", model="m")):
        raise httpx.ConnectError("All connection attempts failed") from ConnectionRefusedError(111, "Connection refused")
    assert caught.value.message == f"nothing listens at {address}: the connection was refused"
    assert caught.value.hint == hint


ELSEWHERE = "check the network, proxies and api_base; explain_route(model) names the host"


@pytest.mark.parametrize(
    ("url", "host"), [("https://api.globex.test:8000/v1", "api.globex.test"), ("https://10.0.0.5:11434/v1", "10.0.0.5")]
)
def test_other_machines_are_spoken_of_as_before(url: str, host: str) -> None:
    with pytest.raises(APIConnectionError) as caught, typed(WireCall(url, {}, b"", provider="mine", model="m")):
        raise httpx.ConnectError("refused") from ConnectionRefusedError(111, "Connection refused")
    assert caught.value.message == f"the connection to {host} failed: refused"
    assert caught.value.hint == ELSEWHERE


def test_another_failure_on_this_machine_is_no_refusal() -> None:
    with pytest.raises(APIConnectionError) as caught, typed(WireCall("http://127.0.0.1:8000/v1", {}, b"")):
        raise httpx.ReadError("reset") from ConnectionResetError(104, "Connection reset by peer")
    assert caught.value.message == "the connection to 127.0.0.1 failed: reset"
    assert caught.value.hint == ELSEWHERE


def test_one_of_several_addresses_that_refused() -> None:
    several = ExceptionGroup("all failed", [OSError(101, "unreachable"), ConnectionRefusedError(111, "refused")])
    with pytest.raises(APIConnectionError, match="nothing listens at"), typed(WireCall("http://localhost:8000/v1", {}, b"")):
        raise httpx.ConnectError("all failed") from several


# ---------------------------------------------------------------- keys


@both
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["openai/local-7b", "mine/local-7b", "together/local-7b"])
def test_no_key_is_no_header(tmp_path: Path, loopback: Loopback, awaiting: bool, stream: bool, model: str) -> None:
    loopback.says(OpenAIChat().stream() if stream else OpenAIChat().text())
    with client_of(loopback.url, tmp_path) as client:
        read = Read().run if stream else ask
        assert read(client, awaiting, model, api_base=loopback.url).text == TEXT
    assert "authorization" not in loopback.only.headers
    assert "x-api-key" not in loopback.only.headers
    assert "insights-no-key" not in loopback.only.everything()


def test_a_key_of_the_environment_stays_here(client: Client, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hush-hush-0123456789")
    loopback.says(OpenAIChat().text())
    assert client.completion("openai/local-7b", "Hi", api_base=loopback.url).text == TEXT
    assert "authorization" not in loopback.only.headers
    assert "hush-hush" not in loopback.only.everything()


def test_a_key_of_the_call_goes_along(client: Client, loopback: Loopback) -> None:
    loopback.says(OpenAIChat().text())
    client.completion("openai/local-7b", "Hi", api_base=loopback.url, api_key="of-this-call-0123")
    assert loopback.only.headers["authorization"] == "Bearer of-this-call-0123"


# ---------------------------------------------------------------- what these servers send

USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
COST = Decimal("0.00003")  # 20 x 0.001 / 1000 + 5 x 0.002 / 1000
HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "local-7b"}
TIMINGS = {"prompt_n": 20, "prompt_ms": 30.1, "predicted_n": 5, "predicted_ms": 81.9, "predicted_per_second": 61.0}


def choice(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **more}


WHOLE: dict[str, tuple[dict[str, Any], str | None]] = {
    "vLLM": (
        {
            **HEAD,
            "choices": [
                choice(
                    {"content": TEXT, "reasoning_content": "Hm.", "tool_calls": [], "refusal": None, "function_call": None},
                    stop_reason=None,
                    logprobs=None,
                    token_ids=None,
                )
            ],
            "usage": {**USAGE, "prompt_tokens_details": None},
            "prompt_logprobs": None,
            "kv_transfer_params": None,
            "service_tier": None,
            "system_fingerprint": None,
        },
        "Hm.",
    ),
    "vLLM, older": ({**HEAD, "choices": [choice({"content": TEXT, "tool_calls": []}, stop_reason=None)], "usage": USAGE}, None),
    "llama.cpp": (
        {
            **HEAD,
            "choices": [choice({"content": TEXT, "reasoning_content": "Hm."})],
            "usage": USAGE,
            "timings": TIMINGS,
            "system_fingerprint": "b6000-abc",
            "__verbose": {"index": 0, "stop_type": "eos"},
        },
        "Hm.",
    ),
    "LM Studio": (
        {
            **HEAD,
            "choices": [choice({"content": TEXT, "reasoning_content": "", "tool_calls": []}, logprobs=None)],
            "usage": USAGE,
            "stats": {},
            "system_fingerprint": "local-7b",
        },
        None,
    ),
    "no id, no created, no object": ({"choices": [choice({"content": TEXT})], "usage": USAGE}, None),
}


@both
@pytest.mark.parametrize("server", WHOLE)
@pytest.mark.parametrize("model", [MODEL, "openai/local-7b"])
def test_whole_answers(client: Client, loopback: Loopback, awaiting: bool, server: str, model: str) -> None:
    said, thought = WHOLE[server]
    loopback.says(as_json(said))
    found = ask(client, awaiting, model, api_base=loopback.url)
    assert (found.text, found.choices[0].finish_reason) == (TEXT, "stop")
    assert not found.choices[0].message.tool_calls
    assert (found.choices[0].message.reasoning_content or None) == thought
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (20, 5)
    if model == MODEL:
        assert found.cost is not None
        assert found.cost.total == COST
    assert found.id
    assert found.created


def chunks(*deltas: dict[str, Any], head: dict[str, Any], finish_with_last: bool = False, **more: Any) -> list[bytes]:
    """Deltas as chunks, then the finish, on the last delta or on a chunk of its own."""
    found = []
    for place, delta in enumerate(deltas):
        last = finish_with_last and place == len(deltas) - 1
        found.append({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": "stop" if last else None}], **more})
    if not finish_with_last:
        found.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **more})
    return [sse(each) for each in found]


def counted(head: dict[str, Any], **more: Any) -> bytes:
    return sse({**head, "choices": [], "usage": USAGE, **more})


DONE = b"data: [DONE]\n\n"
CHUNK = {**HEAD, "object": "chat.completion.chunk"}
WORDS = ({"content": "Hello"}, {"content": " there"})
FIRST = {"role": "assistant", "content": ""}
STREAMS: dict[str, tuple[list[bytes], str]] = {
    "vLLM": (
        [*chunks(FIRST, {"reasoning_content": "Hm."}, *WORDS, head=CHUNK, usage=None), counted(CHUNK), DONE],
        "Hm.",
    ),
    "vLLM, the finish with the last word": (
        [*chunks(FIRST, *WORDS, head=CHUNK, finish_with_last=True, usage=None), counted(CHUNK), DONE],
        "",
    ),
    "vLLM, counted in each chunk": (
        [
            *(
                sse({**CHUNK, "choices": [{"index": 0, "delta": word, "finish_reason": None}], "usage": {**USAGE}})
                for word in WORDS
            ),
            sse({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}),
            counted(CHUNK),
            DONE,
        ],
        "",
    ),
    "llama.cpp": (
        [
            *chunks({"role": "assistant", "content": None}, {"reasoning_content": "Hm."}, *WORDS, head=CHUNK),
            counted(CHUNK, timings=TIMINGS),
            DONE,
        ],
        "Hm.",
    ),
    "llama.cpp, older: counted with the finish": (
        [
            *chunks(*WORDS, head=CHUNK)[:-1],
            sse({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE, "timings": TIMINGS}),
            DONE,
        ],
        "",
    ),
    "LM Studio": (
        [*chunks(*({"role": "assistant", **word} for word in WORDS), head=CHUNK), counted(CHUNK, stats={}), DONE],
        "",
    ),
    "no id, no created": ([*chunks(*WORDS, head={}), counted({}), DONE], ""),
    "no [DONE]": ([*chunks(*WORDS, head=CHUNK), counted(CHUNK)], ""),
    "comments between": ([b": ping\n\n", *chunks(*WORDS, head=CHUNK), b": ping\n\n", counted(CHUNK), DONE], ""),
    "no space after the colon": (
        [each.replace(b"data: ", b"data:") for each in (*chunks(*WORDS, head=CHUNK), counted(CHUNK))],
        "",
    ),
}


@both
@pytest.mark.parametrize("together", [False, True], ids=["pieces", "at once"])
@pytest.mark.parametrize("server", STREAMS)
def test_streams(client: Client, loopback: Loopback, awaiting: bool, server: str, together: bool) -> None:
    pieces, thought = STREAMS[server]
    loopback.says(streamed(b"".join(pieces)) if together else streamed(*pieces))
    read = Read().run(client, awaiting, MODEL)
    found = read.response
    assert found is not None
    assert (read.text, found.text, found.choices[0].finish_reason) == (TEXT, TEXT, "stop")
    assert "".join(chunk.choices[0].delta.reasoning_content or "" for chunk in read.chunks if chunk.choices) == thought
    assert (found.choices[0].message.reasoning_content or "") == thought
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (20, 5)
    assert found.cost is not None
    assert found.cost.total == COST
    assert loopback.only.body["stream"] is True
    assert loopback.only.body["stream_options"] == {"include_usage": True}


def test_a_server_that_never_counts(client: Client, loopback: Loopback) -> None:
    """Without a count there is no price: never one of nothing."""
    loopback.says(streamed(*chunks(FIRST, *WORDS, head=CHUNK, usage=None), DONE))
    found = Read().run(client, False, MODEL).response
    assert found is not None
    assert found.text == TEXT
    assert found.cost is None


REFUSALS: dict[str, tuple[Answer, str, str]] = {
    "vLLM": (
        as_json({"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}}, 404),
        "NotFoundError",
        "The model `x` does not exist.",
    ),
    "vLLM, older": (
        as_json({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}, 404),
        "NotFoundError",
        "The model `x` does not exist.",
    ),
    "llama.cpp": (
        as_json({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503),
        "ServiceUnavailableError",
        "Loading model",
    ),
    "llama.cpp, too long": (
        as_json(
            {
                "error": {
                    "code": 400,
                    "message": "the request exceeds the available context size, try increasing it",
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 9000,
                    "n_ctx": 4096,
                }
            },
            400,
        ),
        "ContextWindowExceededError",
        "exceeds the available context size",
    ),
    "LM Studio": (as_json({"error": "Model not found"}, 404), "NotFoundError", "Model not found"),
}


@pytest.mark.parametrize("server", REFUSALS)
def test_refusals(client: Client, loopback: Loopback, server: str) -> None:
    said, kind, words = REFUSALS[server]
    loopback.says(said)
    with pytest.raises(Exception, match=words) as caught:
        client.completion(MODEL, "Hi")
    assert kind in {each.__name__ for each in type(caught.value).__mro__}
    assert json.loads(said.content)
