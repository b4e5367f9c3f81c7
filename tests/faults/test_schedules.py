"""Whatever the providers of a chain do, a call ends in time, in an answer or in a typed error, and its trace adds up."""

from __future__ import annotations

import itertools
import math
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import insights
from insights.core.effects import Emit, Flow, close, drive
from insights.core.errors import AllModelsFailedError, APIError, APIResponseValidationError, CircuitOpenError, InsightsError
from insights.core.types import Attempt, ModelResponse, Trace
from insights.flow import call
from insights.routing.breaker import COOL_DOWN, VOLUME
from tests.faults.calling import MODELS
from tests.faults.schedules import WORDS, Case, Schedule, cases
from tests.stress.sizes import WHICH, tell
from tests.unit.scripted import Clock, Script, Step, planned

EXAMPLES = 2000 if WHICH == "full" else 200
SEEN: Counter[str] = Counter()
_questions = itertools.count()  # each example asks something new, so that none is answered by another's entry


@dataclass
class Played:
    """What came of a case."""

    schedule: Schedule
    started: float
    models: list[str]
    keys: list[str]
    answer: ModelResponse | None = None
    error: InsightsError | None = None
    left: bool = False
    texts: list[str] = field(default_factory=list)

    @property
    def trace(self) -> Trace:
        """How it came about."""
        found = self.error.trace if self.answer is None and self.error is not None else self.answer and self.answer.trace
        assert isinstance(found, Trace)
        return found

    @property
    def attempts(self) -> list[Attempt]:
        """Its attempts."""
        return self.trace.attempts


def play(client: insights.Client, case: Case) -> Played:
    """Plays a case to its end, or until its caller leaves."""
    schedule = Schedule(case.day, Clock())
    keys = [f"key-of-candidate-{number}-0123456789" for number in range(len(case.chain))]
    # Names of our own, so that the attempts of two candidates of one provider can be told apart.
    models = [f"{MODELS[provider]}-{number}" for number, provider in enumerate(case.chain)]
    params: dict[str, Any] = {
        "api_key": keys[0],
        "fallbacks": [{"model": name, "api_key": key} for name, key in zip(models[1:], keys[1:], strict=True)],
        "timeout": case.timeout,
        "attempt_timeout": case.attempt_timeout,
        "num_retries": case.num_retries,
        "fallback_on": list(case.fallback_on),
        "stream": case.stream,
    }
    plan = planned(client, schedule, models[0], f"question {next(_questions)}", **params)
    assert plan.breakers is not None
    for candidate, broken in zip(plan.candidates, case.broken, strict=True):
        if broken:
            model = candidate.make()
            where = model.check(candidate.request)
            for _ in range(VOLUME):
                plan.breakers.of(model.provider, model.upstream, "" if model.at_home else where.base).fail()
    played = Played(schedule, schedule.clock.now, models, keys)
    flow = Flow(call(plan))
    try:
        while (news := drive(flow, schedule)) is not None:
            if isinstance(news, Emit):
                played.texts.append(news.chunk.text)
            if case.leaves_after is not None and len(played.texts) >= case.leaves_after:
                close(flow, schedule)
                played.left = flow.result is None
                break
        played.answer = flow.result
    except InsightsError as error:
        played.error = error
    return played


def ends_in_time(case: Case, played: Played) -> None:
    assert played.schedule.clock.now <= played.started + case.timeout + 1e-6


def closes_its_streams(case: Case, played: Played) -> None:
    assert all(stream.closed for stream in played.schedule.streams)


def adds_up(case: Case, played: Played) -> None:
    spent = math.fsum(attempt.duration + attempt.waited for attempt in played.attempts)
    assert spent <= played.trace.duration + 1e-6
    assert played.trace.duration == pytest.approx(played.schedule.clock.now - played.started, abs=1e-6)
    sent = [attempt for attempt in played.attempts if attempt.decision != "skip"]
    assert len(sent) == len(played.schedule.calls)
    for attempt, wire in zip(sent, played.schedule.calls, strict=True):
        assert (attempt.provider, attempt.model) == (wire.provider, wire.model)
    most = 3 if case.num_retries is None else case.num_retries + 1
    asked = Counter(attempt.model for attempt in sent)
    assert all(count <= most for count in asked.values())


def decides_consistently(case: Case, played: Played) -> None:
    decisions = [attempt.decision for attempt in played.attempts]
    assert set(decisions) <= {"answer", "retry", "next", "skip", "stop"}
    assert decisions.count("answer") == (played.answer is not None)
    assert played.answer is None or decisions[-1] == "answer"
    assert "stop" not in decisions[:-1]
    for now, then in itertools.pairwise(played.attempts):
        same = (now.provider, now.model) == (then.provider, then.model)
        assert same == (now.decision == "retry"), (now, then)
    assert not decisions or decisions[-1] != "retry"
    # In the order of the chain: nobody is asked after one who stands behind him.
    order = [next(i for i, name in enumerate(played.models) if name.endswith(f"/{a.model}")) for a in played.attempts]
    assert order == sorted(order)


def tells_every_error(case: Case, played: Played) -> None:
    if played.error is None:
        return
    failed = [(a.error, a.provider, a.model, a.message) for a in played.attempts if a.error is not None]
    if isinstance(played.error, AllModelsFailedError):
        told = [_told(error) for error in played.error.exceptions]
        assert told == failed
        assert len({attempt.model for attempt in played.attempts}) > 1
    else:
        assert isinstance(played.error, APIError)
        assert _told(played.error) == failed[-1]
        # Only where nobody else was asked, or words had been shown, is one error all there is to tell.
        assert len({attempt.model for attempt in played.attempts}) == 1 or "".join(played.texts)
    partial = getattr(played.error, "partial", "")
    assert partial == "".join(played.texts) or not played.texts


def _told(error: Exception) -> tuple[str, str | None, str | None, str]:
    assert isinstance(error, APIError)
    return type(error).__name__, error.provider, error.model, error.message


def obeys(case: Case, played: Played) -> None:
    """Who is known to be down isn't asked; words once shown are nobody else's."""
    down = {name for name, broken in zip(played.models, case.broken, strict=True) if broken}
    spent = 0.0
    for attempt in played.attempts:
        skipped = attempt.error == CircuitOpenError.__name__
        if f"{attempt.provider}/{attempt.model}" not in down:
            assert not skipped
        elif spent < COOL_DOWN:
            assert skipped
        spent += attempt.duration + attempt.waited
    said = "".join(played.texts)
    whole = "Hello there" if any(not text for text in [said]) else "".join(WORDS)
    assert "".join(WORDS).startswith(said) or said == whole
    if played.answer is not None and case.stream:
        assert said == played.answer.text
    if case.num_retries == 0:
        assert all(attempt.waited == 0 for attempt in played.attempts)


def says_no_key(case: Case, played: Played) -> None:
    shown = "" if played.left else f"{played.trace!r}\n{played.trace}\n{played.trace.model_dump_json()}"
    if played.error is not None:
        shown += f"{played.error!r}\n{played.error}\n{getattr(played.error, 'partial', '')}"
        shown += "".join(traceback.format_exception(played.error))
        for error in getattr(played.error, "exceptions", ()):
            shown += f"{error!r}\n{error}\n{error.hint}\n{vars(error)}"
    for key in played.keys:
        assert key not in shown


def count(case: Case, played: Played) -> None:
    SEEN["left" if played.left else "answers" if played.answer else type(played.error).__name__] += 1
    SEEN["requests"] += len(played.schedule.calls)
    if not played.left:
        SEEN.update(attempt.decision for attempt in played.attempts)


@pytest.mark.parametrize(
    ("stream", "body"),
    [(False, b"<pre>Authorization: KEY</pre>"), (True, b"data: {KEY\n\n")],
    ids=["whole", "streamed"],
)
def test_an_answer_that_repeats_the_key(tmp_path: Path, stream: bool, body: bytes) -> None:
    """A proxy that shows the request it got, say."""
    key = "key-of-a-caller-0123456789"
    kind = "text/event-stream" if stream else "text/html"
    script = Script(Step([body.replace(b"KEY", key.encode())], 200, {"content-type": kind}))
    with insights.Client(cache_dir=tmp_path) as client:
        plan = planned(client, script, MODELS["openai"], api_key=key, num_retries=0, stream=stream)
        flow = Flow(call(plan))
        if stream:
            drive(flow, script)  # until it is opened
        with pytest.raises(APIResponseValidationError) as raised:
            drive(flow, script)
    assert key not in f"{raised.value}{raised.value!r}{raised.value.trace!r}"


PROPERTIES = [adds_up, decides_consistently, tells_every_error, obeys]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all examples."""
    return tmp_path_factory.mktemp("schedules")


def test_whatever_the_providers_do(kept: Path) -> None:
    SEEN.clear()
    with insights.Client(cache_dir=kept) as client:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=WHICH != "full",
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        )
        @given(cases)
        def holds(case: Case) -> None:
            before = client.cache.stats().entries
            played = play(client, case)
            ends_in_time(case, played)
            closes_its_streams(case, played)
            assert client.cache.stats().entries - before == (played.answer is not None)
            if not played.left:
                assert (played.answer is None) != (played.error is None)
                for check in PROPERTIES:
                    check(case, played)
            says_no_key(case, played)
            count(case, played)

        holds()
    tell(f"{EXAMPLES} schedules: " + ", ".join(f"{number} {name}" for name, number in SEEN.most_common()))
    # The schedules were worth playing: every way a call may end, and every decision, was among them.
    for name in ("answers", "left", "AllModelsFailedError", "retry", "next", "skip", "stop", "TruncatedStreamError", "Timeout"):
        assert SEEN[name], f"no example had {name}"
