"""Whose account it is stays out of a file; the caller's own words stay in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from insights import use_cassette
from insights.cassettes.file import CassetteFile, read_cassette, write_cassette
from insights.cassettes.scrub import Scrubber, public_name, secrets_of_environment
from insights.client import Client
from insights.core.effects import Recorded
from insights.core.errors import CassetteError
from insights.core.redact import MASK
from tests.unit.cassettes.tools import HOME, MODEL, interaction, prompt
from tests.unit.loopback import Provider
from tests.unit.openai_wire import answer, refusal

ACCOUNT = "123456789012"
ARN = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/abc"
THEIRS = "user_2NNEqL2nrIRdJ194ndJqAHwEfxC"


def scrubbed(body: bytes, status: int = 200, asked: bytes = b"") -> bytes:
    (found,) = Scrubber().response(Recorded(status, {}, [body]), asked).pieces
    return found


def test_an_arn_as_the_model(tmp_path: Path) -> None:
    one = replace(interaction(url=f"https://bedrock.example/model/{ARN}/converse"), provider="bedrock", model=ARN)
    write_cassette(tmp_path / "c.yaml", CassetteFile([one]))
    assert ACCOUNT not in (tmp_path / "c.yaml").read_text()
    (found,) = read_cassette(tmp_path / "c.yaml").interactions
    assert found.model == ARN.replace(ACCOUNT, "0" * 12) == public_name(ARN)
    assert public_name("gpt-4o-mini") == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("API has not been used in project {} before", f"API has not been used in project {MASK} before"),
        ("User: arn:aws:sts::{}:assumed-role/prod-admin/me", f"User: arn:aws:sts::{MASK}:assumed-role/{MASK}/me"),
        ("No access for AccountId {}.", f"No access for AccountId {MASK}."),
        ("Limit reached in organization org-abcdefghijklmnopqrstuvwx", f"Limit reached in organization {MASK}"),
    ],
    ids=["Google's project", "a role of AWS", "an account of AWS", "lower case"],
)
def test_errors_name_accounts_in_many_ways(text: str, clean: str) -> None:
    found = scrubbed(refusal(text.format(ACCOUNT)), 403)
    assert json.loads(found)["error"]["message"] == clean


def test_a_service_that_is_not_enabled() -> None:
    about = {"consumer": f"projects/{ACCOUNT}", "containerInfo": ACCOUNT, "service": "aiplatform.googleapis.com"}
    body = {"error": {"code": 403, "details": [{"reason": "SERVICE_DISABLED", "metadata": about}]}}
    found = scrubbed(json.dumps(body).encode(), 403)
    assert json.loads(found)["error"]["details"][0]["metadata"] == {
        "consumer": MASK,
        "containerInfo": MASK,
        "service": "aiplatform.googleapis.com",
    }


def test_ordinary_answers_keep_their_words() -> None:
    body = answer(f"user_authenticationservice, project {ACCOUNT}, a-role/prod-admin")
    assert scrubbed(body) == body


def test_an_id_the_caller_has_said_himself_stays() -> None:
    body = answer(f"{THEIRS} is well")
    assert scrubbed(body, asked=prompt(f"How is {THEIRS}?")) == body
    assert THEIRS.encode() not in scrubbed(body)
    assert THEIRS.encode() not in scrubbed(refusal(f"no {THEIRS}"), 400, prompt(THEIRS))


def test_a_conversation_that_quotes_an_id_replays(client: Client, keyless: Client, provider: Provider, tmp_path: Path) -> None:
    def talk(who: Client, **params: Any) -> str:
        messages: list[dict[str, Any]] = [{"role": "user", "content": f"How is {THEIRS}?"}]
        first = who.completion(MODEL, messages, **params).text
        messages += [{"role": "assistant", "content": first}, {"role": "user", "content": "Really?"}]
        second: str = who.completion(MODEL, messages, **params).text
        return second

    provider.will(answer(f"{THEIRS} is well."))
    provider.will(answer("Yes."))
    with use_cassette(tmp_path / "c.yaml", "record", hosts={provider.url: HOME}):
        assert talk(client, api_base=provider.url) == "Yes."
    with use_cassette(tmp_path / "c.yaml") as cassette:
        assert talk(keyless) == "Yes."
        assert cassette.all_played


@pytest.mark.parametrize("word", ["placeholder", "test-key", "CHANGE_ME", "Not-Needed"])
def test_a_word_in_the_environment_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("ACME_API_KEY", word)
    write_cassette(tmp_path / "c.yaml", CassetteFile([interaction(prompt(f"Is {word} a word?"))]), secrets_of_environment())
    assert word in (tmp_path / "c.yaml").read_text()


@pytest.mark.parametrize("key", ["abcdefg1", "odd/key+of", "aBcDeFgHiJk", "onlylettersbutmanyofthem"])
def test_what_is_no_word_may_be_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("ACME_API_KEY", key)
    with pytest.raises(CassetteError, match="in its 1st request is a key of this call or of this environment"):
        write_cassette(tmp_path / "c.yaml", CassetteFile([interaction(prompt(key))]), secrets_of_environment())
