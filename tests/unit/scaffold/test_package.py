"""`insights provider add --out-of-tree`: a package that pip installs, and all that it does then."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from insights._version import __version__
from tests.unit.adapters.answers import TEXT, OpenAIChat
from tests.unit.adapters.loopback import Loopback
from tests.unit.cli.shell import insights

from .installing import Package, made, ruff
from .project import ROOT, arguments, contents, snapshot

KEY = "initech-key-0123456789"
# 2000 x 0.0123 / 1000 + 500 x 0.0456 / 1000
COST = Decimal("0.0474")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Initech's, with a prefix."""
    return made(tmp_path_factory.mktemp("made"), prefix="initech-")


def test_its_files(package: Package) -> None:
    home = "src/insights_initech"
    files = contents(package.folder)
    assert set(files) == {
        *("pyproject.toml", "README.md", f"{home}/__init__.py", f"{home}/initech.yaml", f"{home}/py.typed"),
        "tests/test_initech.py",
    }
    project = tomllib.loads(files["pyproject.toml"].decode())
    assert project["project"]["entry-points"] == {"insights.providers": {"initech": "insights_initech:InitechAdapter"}}
    assert project["project"]["name"] == "insights-initech"
    assert project["project"]["dependencies"] == [f"insights-llm>={__version__}"]
    assert project["build-system"]["build-backend"] == "hatchling.build"
    said = files["README.md"].decode()
    assert "INITECH_API_KEY" in said
    assert "initech/model-1" in said
    assert "{" not in said.replace("{path", "")


def test_what_is_installed(package: Package) -> None:
    installed = contents(package.target)
    for name in ("__init__.py", "initech.yaml", "py.typed"):
        assert installed[f"insights_initech/{name}"] == (package.folder / "src/insights_initech" / name).read_bytes()
    points = next(text for name, text in installed.items() if name.endswith("dist-info/entry_points.txt"))
    assert points.decode().split() == ["[insights.providers]", "initech", "=", "insights_initech:InitechAdapter"]
    assert not [name for name in installed if name.startswith("tests")]


CALLS = """
given = dict(cache=False, num_retries=0, api_base=sys.argv[1], api_key=sys.argv[2])
async def awaited():
    return await insights.acompletion("initech/model-1", "Hello", **given)
async def read():
    stream = await insights.acompletion("initech/model-1", "Hello", stream=True, **given)
    return "".join([chunk.text async for chunk in stream]), stream.response
whole, later = insights.completion("initech/model-1", "Hello", **given), asyncio.run(awaited())
stream = insights.completion("initech-model-1", "Hello", stream=True, **given)
text = "".join(chunk.text for chunk in stream)
named, response = asyncio.run(read())
print(json.dumps([
    [whole.text, later.text, text, named],
    [str(each.cost.total) if each.cost else None for each in (whole, later, stream.response, response)],
    [each.provider for each in (whole, later, stream.response, response)],
]))
"""


def test_calls_awaited_and_streamed(package: Package, loopback: Loopback) -> None:
    chat = OpenAIChat()
    loopback.says(chat.text(), chat.text(), chat.stream(), chat.stream())
    texts, costs, providers = package.tells(CALLS, loopback.url, KEY)
    assert texts == [TEXT] * 4
    assert costs == [str(COST), str(COST), None, str(COST)]  # `initech-model-1` is in no file
    assert providers == ["initech"] * 4
    assert [each.body["model"] for each in loopback.received] == ["model-1", "model-1", "initech-model-1", "model-1"]
    assert [bool(each.body.get("stream")) for each in loopback.received] == [False, False, True, True]
    assert {each.headers["authorization"] for each in loopback.received} == {f"Bearer {KEY}"}
    assert {each.target for each in loopback.received} == {"/chat/completions"}


RECORDED = """
place = {"api_base": sys.argv[1], "api_key": sys.argv[2]}
refused = insights.completion("mistral/m", "Hello", num_retries=0, fallbacks=[{"model": "initech/model-1", **place}], **place)
hosts = {sys.argv[1]: "https://api.initech.example/v1"}
with insights.use_cassette("initech.yaml", mode="record", hosts=hosts):
    insights.completion("initech/model-1", "Hello", **place)
print(json.dumps([refused.provider, [one.decision for one in refused.trace.attempts]]))
"""
REPLAYED = """
with insights.use_cassette("initech.yaml"):
    found = insights.completion("initech/model-1", "Hello")
print(json.dumps([found.text, found.provider, str(found.cost.total)]))
"""


def test_it_stands_in_and_is_recorded_and_replayed_without_a_key(package: Package, loopback: Loopback, tmp_path: Path) -> None:
    loopback.says(OpenAIChat().error(500), OpenAIChat().text())
    found = package.tells(RECORDED, loopback.url, KEY, cwd=tmp_path)
    assert found == ["initech", ["next", "answer"]]
    assert len(loopback.received) == 3
    assert package.tells(REPLAYED, cwd=tmp_path, CI="true") == [TEXT, "initech", str(COST)]
    assert len(loopback.received) == 3
    assert KEY not in (tmp_path / "initech.yaml").read_text()


def test_it_is_listed_and_shown(package: Package) -> None:
    rows = {row["provider"]: row for row in json.loads(package.command("provider", "list", "--json").stdout)}
    assert rows["initech"] == {
        "provider": "initech",
        "from": "package insights-initech",
        "files": [],
        "api_base": "https://api.initech.example/v1",
        "key": "INITECH_API_KEY (not set)",
        "prefixes": ["initech-"],
        "timeout": 60,
        "models": ["model-1"],
    }
    shown = package.command("provider", "show", "initech", "--json", INITECH_API_KEY=KEY)
    assert json.loads(shown.stdout) == {**rows["initech"], "key": "INITECH_API_KEY (set)"}
    assert KEY not in shown.stdout
    taken = package.command("provider", "add", "initech")
    assert taken.returncode == 2
    again = made_again(package)
    assert again.startswith("error: NAME: there is a provider 'initech' already")


def made_again(package: Package) -> str:
    done = package.command(*arguments("initech", "--out-of-tree", "--into", "another"))
    assert done.returncode == 2
    assert not (package.folder.parent / "another").exists()
    return done.stderr


def test_it_keeps_the_contract(package: Package) -> None:
    done = package.command("provider", "check", "initech", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 10
    assert [line for line in lines if not line.startswith("ok       ")] == []
    assert done.stderr == ""


def test_its_own_tests_pass_in_ci_too(package: Package) -> None:
    done = package.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", ".", "tests", CI="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_its_own_tests_can_fail(package: Package, tmp_path: Path) -> None:
    """Another price in the file that is installed is seen."""
    broken = Package(package.folder, tmp_path / "target")
    for name, text in contents(package.target).items():
        path = broken.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace(b"cost_input_per_1k: 0.0123", b"cost_input_per_1k: 0.0124"))
    done = broken.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", ".", "tests")
    assert done.returncode == 1
    assert "1 failed, 3 passed" in done.stdout


def test_mypy_is_strict_and_content(package: Package, tmp_path: Path) -> None:
    words = ("-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "src/insights_initech", "tests")
    done = package.python(*words, MYPYPATH=str(ROOT))
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_has_nothing_to_say(package: Package) -> None:
    for words in (("check", "."), ("format", "--check", ".")):
        done = ruff(*words, cwd=package.folder)
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "insights-initech").mkdir()
    (tmp_path / "insights-initech" / "mine.txt").write_text("mine\n")
    before = snapshot(tmp_path)
    done = insights(*arguments("initech", "--out-of-tree"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "insights-initech: exists already, and is not overwritten" in done.stderr
    assert snapshot(tmp_path) == before
