"""What of a request and of a response may stand in a file."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from insights.cassettes.scrub import Scrubber, public_body, public_url, secrets_of, secrets_of_environment
from insights.core.effects import Recorded
from insights.core.redact import MASK, SecretStr
from tests.unit.cassettes.tools import KEY, ODD_KEY, call
from tests.unit.openai_wire import answer, chunk, encoded, events, refusal

M = MASK.encode()


def scrubbed(*pieces: bytes, status: int = 200, secrets: tuple[str, ...] = (ODD_KEY,), **headers: str) -> list[bytes]:
    return Scrubber(secrets).response(Recorded(status, headers, list(pieces))).pieces


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
def test_a_key_is_taken_out_of_an_answer(key: str) -> None:
    assert scrubbed(b"You sent " + key.encode() + b"!") == [b"You sent " + M + b"!"]
    untouched = [b"no key", b"", b"\xff"]
    assert scrubbed(*untouched) == untouched


def test_what_is_short_is_no_key() -> None:
    assert scrubbed(b"ollama EMPTY", secrets=("ollama", "EMPTY", "")) == [b"ollama EMPTY"]


def test_places_stay_places() -> None:
    """A key that was cut up is whole before the first cut in it; all other cuts are where they were."""
    pieces = [
        b"data: a\n\n",
        b"data: " + ODD_KEY[:5].encode(),
        ODD_KEY[5:9].encode(),
        ODD_KEY[9:].encode() + b"\n\n",
        b"data: b\n\n",
    ]
    assert scrubbed(*pieces) == [b"data: a\n\n", b"data: " + M, b"", b"\n\n", b"data: b\n\n"]


@given(
    st.lists(st.sampled_from([b"data: x\n\n", f" {ODD_KEY} ".encode(), f" {KEY} ".encode(), " ä ".encode()]), max_size=6),
    st.data(),
)
@example([ODD_KEY.encode(), ODD_KEY.encode()], None)  # one right behind the other
def test_however_it_is_cut(parts: list[bytes], data: st.DataObject | None) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5))) if data is not None else [len(ODD_KEY)]
    places = [0, *cuts, len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    found = scrubbed(*pieces)
    assert len(found) == len(pieces)
    assert found == pieces or M in b"".join(found)
    assert b"".join(found) == b"".join(scrubbed(whole))
    for piece, clean in zip(pieces, found, strict=True):
        if b"data: x\n\n" in piece:
            assert b"data: x\n\n" in clean


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("odd/key+of-mine", "odd/key+of-mine"),
        ("odd/key+of-mine", "odd%2Fkey%2Bof-mine"),
        ("odd/key+of-mine", r"odd\/key+of-mine"),
        ("odd/key+of-mine", base64.b64encode(b"odd/key+of-mine").decode()),
        ('odd"key\\of-mine', json.dumps('odd"key\\of-mine')[1:-1]),
        ("odd-key-é-of-mine", "odd-key-é-of-mine"),
        ("odd-key-é-of-mine", r"odd-key-\u00e9-of-mine"),
    ],
    ids=["as it is", "URL", "escaped slash", "base64", "JSON", "UTF-8", "escaped letter"],
)
def test_the_ways_a_key_may_be_written(key: str, form: str) -> None:
    scrubber = Scrubber([key])
    assert scrubber.text(f"You sent <{form}>!") == f"You sent <{MASK}>!"
    assert scrubbed(f"<{form}>".encode(), secrets=(key,)) == [b"<" + M + b">"]
    assert scrubber.leaks("nothing", f"x{form}")


def test_base64_of_more_than_the_key() -> None:
    assert Scrubber([ODD_KEY]).leaks(base64.b64encode(f"u:{ODD_KEY}".encode()).decode())


def test_binary_frames_are_left_alone() -> None:
    """They have checksums; a key in them is refused instead."""
    assert scrubbed(b"\xff " + ODD_KEY.encode()) == [b"\xff " + ODD_KEY.encode()]


def test_headers() -> None:
    headers = {"x-request-id": f"req {KEY}", "content-type": "text/plain", "openai-organization": "org", "set-cookie": "a=b"}
    found = Scrubber().response(Recorded(200, headers, []))
    assert found.headers == {"x-request-id": f"req {MASK}", "content-type": "text/plain"}


def test_what_leaks() -> None:
    scrubber = Scrubber([ODD_KEY])
    assert scrubber.leaks("x", ODD_KEY)
    assert Scrubber().leaks(KEY)
    assert not scrubber.leaks("x", ODD_KEY[:-1])
    assert not Scrubber().leaks(ODD_KEY)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in ODD_KEY)
    assert scrubber.leaks_in_data(f'{{"a": ["{escaped}"]}}'.encode())
    assert scrubber.leaks_in_data(f'data: {{"{escaped}": 1}}\n\ndata: [DONE]\n\n'.encode())
    shaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    assert Scrubber().leaks_in_data(f'["{shaped}"]'.encode())
    assert not scrubber.leaks_in_data(b'{"a": ["x"], "b": 1}')
    assert not scrubber.leaks_in_data(b"no JSON")
    assert not Scrubber().leaks_in_data(b'{"a": ["x"]}')


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
def test_a_key_cut_up_over_events(key: str) -> None:
    """A model that repeats a key says it word by word."""
    stream = b"".join(events([key[:8], key[8:14], key[14:]]))
    assert Scrubber([ODD_KEY]).leaks_in_data(stream)


# ---------------------------------------------------------------- accounts

ORG = "org-" + "AbCdEf0123456789AbCdEf01"
UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (ORG, 429),
        ("proj_AbCdEf0123456789", 404),
        ("user-AbCdEf0123456789", 400),
        (UUID, 400),
        ("somebody.else+x@example.com", 401),
        ("my-project-42", 403),
        ("my-account", 404),
        ("123456789012", 403),
    ],
)
def test_whose_account_it_was_is_not_in_errors(said: str, status: int) -> None:
    around = {
        "my-project-42": "denied on projects/{}/locations/x",
        "my-account": "no model accounts/{}/models/x",
        "123456789012": "not authorized: arn:aws:bedrock:us-east-1:{}:inference-profile/x",
    }.get(said, "limit reached for {} on tokens")
    (found,) = scrubbed(refusal(around.format(said)), status=status)
    assert said.encode() not in found
    assert json.loads(found)["error"]["message"] == around.format(MASK)


def test_a_models_words_are_left_alone() -> None:
    text = f"{UUID} somebody@example.com projects/mine/x accounts/mine 123456789012 the organization: x"
    body = answer(text)
    assert scrubbed(body) == [body]


def test_a_long_word_is_no_account() -> None:
    body = answer("def user_authenticationservice(org_configurationloader): ...")
    assert scrubbed(body) == [body]


def test_an_arn_names_an_account_wherever_it_stands() -> None:
    arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"
    assert scrubbed(answer(arn)) == [answer(arn.replace("123456789012", MASK))]
    assert "123456789012" not in public_url(f"https://bedrock.example/model/{quote(arn, safe='')}/converse")


ANTHROPIC_TOOL = {"type": "message", "content": [{"type": "tool_use", "input": {"user_id": "u1", "organization": "Acme"}}]}


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (encoded(ANTHROPIC_TOOL), True),
        (answer(None, tool_calls=[{"function": {"name": "f", "arguments": '{"user_id": "u1"}'}}]), True),
        (encoded({"id": "x", "organization_id": "u1", "organization": "u1"}), False),
        (b"data: " + encoded({"organization": "u1"}) + b"\n\n", False),
        (encoded([{"organization": "u1"}]), True),
    ],
    ids=["tool input", "tool arguments", "top of an answer", "top of an event", "in a list"],
)
def test_fields_of_accounts_in_answers(body: bytes, kept: bool) -> None:
    assert (scrubbed(body) == [body]) == kept
    assert (b"u1" in scrubbed(body)[0]) == kept


@pytest.mark.parametrize("name", ["organization", "org_id", "orgId", "account-id", "userID", "tenant_id", "subscriptionId"])
def test_fields_of_accounts_in_errors(name: str) -> None:
    (found,) = scrubbed(encoded({"error": {"detail": [{name: 'A "quoted" one', "code": "x"}]}}), status=400)
    assert json.loads(found) == {"error": {"detail": [{name: MASK, "code": "x"}]}}


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://x.example/a?b=1&c=", "https://x.example/a?b=1&c="),
        ("https://x.example/a?key=abc&b=1", "https://x.example/a?b=1"),
        ("https://x.example/a?API_KEY=abc&X-Amz-Signature=x&access_token=y", "https://x.example/a"),
        ("https://me:secret@x.example/a#part", "https://x.example/a"),
        ("https://mine.openai.azure.com/x", "https://example.openai.azure.com/x"),
        ("https://mine-2.services.ai.azure.com/x", "https://example.services.ai.azure.com/x"),
        ("https://MINE.cognitiveservices.azure.us/x", "https://example.cognitiveservices.azure.us/x"),
        ("https://azure.example/mine.openai.azure.com", "https://azure.example/mine.openai.azure.com"),
        ("https://g.example/v1/projects/mine-1/locations/eu", "https://g.example/v1/projects/example-project/locations/eu"),
        (
            "https://b.example/model/arn:aws:bedrock:x:123456789012:y",
            "https://b.example/model/arn:aws:bedrock:x:000000000000:y",
        ),
    ],
)
def test_urls(url: str, clean: str) -> None:
    assert public_url(url) == clean
    assert public_url(clean) == clean


def test_a_resource_before_a_port() -> None:
    assert "mine" not in public_url("https://mine.openai.azure.com:443/x")


def test_bodies() -> None:
    body = encoded(
        {"api_key": "abc", "messages": [{"content": "my password: x"}], "deep": [{"client_secret": "é"}], "token": 1}
    )
    masked = json.loads(public_body(body))
    assert masked == {
        "api_key": MASK,
        "messages": [{"content": "my password: x"}],
        "deep": [{"client_secret": MASK}],
        "token": 1,
    }
    for untouched in (b'{"a":  1.0}', b"no json", b"\xff", b"[" * 100_000, rb'{"a": "\ud800"}'):
        assert public_body(untouched) == untouched
    assert MASK.encode() in public_body(rb'{"a": "\ud800", "password": "x"}')


def test_the_secrets_of_a_request() -> None:
    headers = {"Authorization": "Bearer from-header", "X-Api-Key": "from-api-key", "Accept": "text/plain"}
    body = encoded({"a": [{"api_key": "from-body", "b": "c"}], "secret_key": 1})
    url = "https://x.example/?key=from-query&q=c"
    found = secrets_of(call(body, url, headers=headers, secret=SecretStr("from-call")))
    assert found == {"from-header", "from-api-key", "from-body", "from-query", "from-call"}
    assert secrets_of(call(b"no json")) == set()


@pytest.mark.parametrize(
    ("name", "value", "counts"),
    [
        ("ANYBODYS_API_KEY", "short-one", True),
        ("anybodys_api_key", " with-space ", True),
        ("AWS_SECRET_ACCESS_KEY", "only-letters", True),
        ("AWS_BEARER_TOKEN_BEDROCK", "only-letters", True),
        ("HF_TOKEN", "only-letters", True),
        ("MY_TOKEN", "abcdefgh12345678", True),
        ("MY_SECRET", "onlylettersandmore", False),
        ("MY_PASSWORD", "1234567890123456789", False),
        ("MY_KEY", "two words 12345678", False),
        ("EDITOR", "abcdefgh12345678", False),
    ],
)
def test_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str, counts: bool) -> None:
    monkeypatch.setenv(name, value)
    assert (value.strip() in secrets_of_environment()) == counts


@given(st.binary(max_size=30), st.sampled_from([200, 400]))
def test_any_bytes_may_come(data: bytes, status: int) -> None:
    assert scrubbed(data, status=status) == [data]


def test_an_event_keeps_its_form() -> None:
    event: Any = chunk({"content": f"key {KEY}"})
    (found,) = scrubbed(event)
    assert json.loads(found.removeprefix(b"data: "))["choices"][0]["delta"]["content"] == f"key {MASK}"
