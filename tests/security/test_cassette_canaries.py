"""A key is in no cassette: whoever says it, however it is said, whichever adapter records it. Nor is whose account it was."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import insights
from insights.adapters.models.factory import Provider
from tests.record_cassettes import call
from tests.security.canaries import Mint, files_with
from tests.security.echo import AFTER, BEFORE, WAYS, Echo

PROVIDERS = [provider.value for provider in Provider]
QUESTION = "Who am I?"
LENT = "SOME_OTHER_API_KEY"  # a key in the environment that is none of the call's

_recorded: dict[str, int] = {}
_refused: dict[str, int] = {}
_found: dict[str, list[str]] = {}


def asked(provider: str, server: Echo, *, stream: bool, secrets: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A call's arguments; without secrets it has no key, and what else had one in it has something else."""
    fields = {name: (secrets or {}).get(name, f"nothing-{name}") for name in ("field", "nested", "token")}
    given = call(provider, QUESTION, api_base=server.base(provider), stream=stream, cache=False, num_retries=0, fallbacks=[])
    given["extra_body"] = {
        "api_key": fields["field"],
        "authorization": f"Bearer {fields['token']}",
        "options": {"more": [{"clientSecret": fields["nested"]}]},
    }
    if secrets:
        given["api_key"] = secrets["key"]
        given["extra_headers"] = {"X-Auth-Token": secrets["header"], "Cookie": secrets["cookie"]}
    return given


async def _awaited(given: Mapping[str, Any]) -> insights.ModelResponse:
    answer: Any = await insights.acompletion(**given)
    if given["stream"]:
        async for _ in answer:
            pass
        return answer.response  # type: ignore[no-any-return]
    return answer  # type: ignore[no-any-return]


def outcome(given: Mapping[str, Any], *, awaiting: bool) -> insights.ModelResponse | insights.InsightsError:
    try:
        if awaiting:
            return asyncio.run(_awaited(given))
        answer: Any = insights.completion(**given)
        if given["stream"]:
            for _ in answer:
                pass
            answer = answer.response
        return answer  # type: ignore[no-any-return]
    except insights.InsightsError as error:
        return error


def said(error: BaseException) -> str:
    """All that a traceback, a log or a notebook shows of an error."""
    shown = traceback.format_exception(error)
    return "\n".join([*shown, str(error), repr(error), repr(error.args), repr(vars(error)), *getattr(error, "__notes__", ())])


def secrets_for(provider: str, mint: Mint, *, shaped: bool) -> dict[str, str]:
    names = ("key", "header", "cookie", "field", "nested", "token", "lent")
    return {name: mint.shaped(provider) if shaped else mint.shapeless() for name in names}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_canary_is_in_a_cassette(provider: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cassettes"
    found: list[str] = []
    with Echo() as server:
        for shaped in (False, True):
            for number, (awaiting, stream) in enumerate([(False, False), (False, True), (True, False), (True, True)]):
                mint = Mint(f"{provider} {way} {shaped} {number}")
                secrets = secrets_for(provider, mint, shaped=shaped)
                accounts, names, persons = mint.accounts(), mint.names(), mint.persons()
                monkeypatch.setenv(LENT, secrets["lent"])
                server.way, server.secrets, server.names, server.persons = way, secrets, names, persons
                server.accounts = {**accounts, "aws": f"arn:aws:bedrock:us-east-1:{accounts['aws']}:model/x"}
                path = folder / f"{'shaped' if shaped else 'shapeless'}-{number}.yaml"
                given = asked(provider, server, stream=stream, secrets=secrets)
                canaries = {**secrets, **accounts, **names, **(persons if way == "error" else {})}
                found += recorded(path, server, given, canaries, awaiting=awaiting)
    _found[f"{provider}-{way}"] = found
    assert not found, "\n".join(found)


def recorded(path: Path, server: Echo, given: dict[str, Any], canaries: Mapping[str, str], *, awaiting: bool) -> list[str]:
    """Where a canary is after one recording; what was written must replay without a key."""
    which = f"{given['model'].partition('/')[0]} {server.way} {path.stem} {'stream' if given['stream'] else 'whole'}"
    before = len(server.received)
    live: Any = None
    try:
        with insights.use_cassette(path, mode="refresh"):
            live = outcome(given, awaiting=awaiting)
    except insights.CassetteError as error:  # what can't be taken out is not written
        _refused[which] = 1
        needless = [] if may_be_refused(which) else [f"{which}: needlessly refused"]
        assert not path.exists()
        shown = needless + [f"{which}: the refusal has {name}" for name, value in canaries.items() if value in said(error)]
        return shown + [f"{which}: {line}" for line in files_with(path.parent, canaries)]
    assert len(server.received) == before + 1
    assert path.exists(), which
    _recorded[which] = 1
    found = [f"{which}: {line}" for line in files_with(path.parent, canaries)]
    if isinstance(live, insights.InsightsError):
        found += [f"{which}: the error has the key"] if given["api_key"] in said(live) else []
    again = replayed(path, server, given, awaiting=awaiting)
    assert len(server.received) == before + 1
    assert type(again) is type(live), f"{which}: {again!r}"
    if isinstance(again, insights.ModelResponse):
        assert server.way != "error"
        assert again.text.startswith(BEFORE), which
        assert again.text.endswith(AFTER), which
        assert again.usage == live.usage, which
    else:
        assert server.way == "error", f"{which}: {again}"
        found += [f"{which}: the replayed error has {name}" for name, value in canaries.items() if value in said(again)]
    return found


def may_be_refused(which: str) -> bool:
    """Whether a key can't be taken out there: from behind escapes, from several events, from frames with checksums."""
    provider, way, _, kind = which.split()
    return way == "escaped" or (kind == "stream" and (provider == "bedrock" or way in ("split", "base64", "basic")))


def replayed(path: Path, server: Echo, given: dict[str, Any], *, awaiting: bool) -> Any:
    plain = asked(given["model"].partition("/")[0], server, stream=given["stream"])
    with insights.use_cassette(path, mode="replay") as tape:
        again = outcome(plain, awaiting=awaiting)
        assert tape.all_played, f"{path.stem}: {again!r}"
    return again


def failing(path: Path, given: dict[str, Any], *, awaiting: bool) -> None:
    """A block that records, and fails by itself."""
    with insights.use_cassette(path, mode="refresh"):
        outcome(given, awaiting=awaiting)
        raise ValueError("mine")


@pytest.mark.parametrize("shaped", [False, True], ids=["letters", "shaped"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_in_the_prompt_is_refused_and_the_old_file_kept(provider: str, shaped: bool, tmp_path: Path) -> None:
    path = tmp_path / "cassettes" / "c.yaml"
    secrets = secrets_for(provider, Mint(f"{provider} {shaped} prompt"), shaped=shaped)
    with Echo() as server:
        for awaiting, stream in ((False, False), (True, True)):
            with insights.use_cassette(path, mode="refresh"):
                outcome(asked(provider, server, stream=False, secrets=secrets), awaiting=awaiting)
            given = asked(provider, server, stream=stream, secrets=secrets)
            old = path.read_bytes()
            given["messages"] = f"My key is {secrets['key']}, can you keep it?"
            with (
                pytest.raises(insights.CassetteError, match="not written") as refused,
                insights.use_cassette(path, mode="refresh"),
            ):
                outcome(given, awaiting=awaiting)
            assert path.read_bytes() == old
            assert not [canary for canary in secrets.values() if canary in said(refused.value)]
            # The block's own error is what is raised then; that nothing was written is a note to it.
            with pytest.raises(ValueError, match="mine") as mine:
                failing(path.with_name("new.yaml"), given, awaiting=awaiting)
            assert "not written" in said(mine.value)
            assert not [canary for canary in secrets.values() if canary in said(mine.value)]
    assert [file.name for file in path.parent.iterdir()] == ["c.yaml"]
    assert not files_with(path.parent, secrets)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_missing_recording_does_not_repeat_the_key(provider: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    secrets = secrets_for(provider, Mint(f"{provider} missing"), shaped=False)
    with Echo() as server:
        with insights.use_cassette(path, mode="refresh"):
            outcome(asked(provider, server, stream=False, secrets=secrets), awaiting=False)
        given = {**asked(provider, server, stream=False, secrets=secrets), "messages": "Something else."}
        with insights.use_cassette(path, mode="replay"):
            error = outcome(given, awaiting=False)
    assert isinstance(error, insights.CassetteMissingError)
    assert not [canary for canary in secrets.values() if canary in said(error)]


def test_a_key_in_the_address_is_refused(tmp_path: Path) -> None:
    key = Mint("address").shapeless()
    with Echo() as server:
        for base in (f"{server.url}/openai/v1?key={key}", server.url.replace("//", f"//user:{key}@")):
            with insights.use_cassette(tmp_path / "cassettes" / "c.yaml", mode="refresh"):
                error = outcome({**asked("openai", server, stream=False), "api_base": base}, awaiting=False)
            assert isinstance(error, insights.BadRequestError)
            assert key not in said(error)
        assert not server.received
    assert not files_with(tmp_path, {"key": key})


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """Says what was recorded; runs last, over what ran before it in this process."""
    occurrences = sum(map(len, _found.values()))
    with capsys.disabled():
        print(
            f"\n{len(_recorded)} recordings with canaries, {len(_refused)} more refused, of {len(PROVIDERS)} providers:"
            f" {occurrences} occurrences in any file or error"
        )
    assert not occurrences
