"""What is built is what works: the wheel, installed away from the checkout, makes a call."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from insights._version import __version__
from tests.processes import REPO, Run, run_python


class Built(NamedTuple):
    sdist: Path
    wheel: Path


class Installed(NamedTuple):
    python: Path
    site_packages: Path

    def run(self, code: str, cwd: Path) -> Run:
        """Run `code` in the new environment; -P keeps the current directory out of sys.path."""
        return run_python("-P", "-c", code, python=self.python, cwd=cwd, env={"PYTHONPATH": ""})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist, and the wheel made from that sdist: what is missing from the one is missing from the other."""
    folder = tmp_path_factory.mktemp("dist")
    run = run_python("-m", "build", "--no-isolation", "--outdir", str(folder), str(REPO), cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return Built(next(folder.glob("*.tar.gz")), next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own, which borrows the dependencies, and only those, from this one."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    has_pip = importlib.util.find_spec("pip") is not None
    venv.create(folder, with_pip=not has_pip)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)] if has_pip else [str(python), "-m", "pip"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(built.wheel)],
        check=True,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    site_packages = Path(
        run_python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))", python=python).stdout.strip()
    )
    # A .pth file inside a directory that was itself added by one is not read, so an editable install is not followed.
    borrowed = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site_packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return Installed(python, site_packages)


def test_the_wheel_holds_the_package_and_its_data(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    assert "insights/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"insights", f"insights_llm-{__version__}.dist-info"}
    shipped = {Path(name).name for name in names if name.startswith("insights/_configs/providers/")}
    assert shipped == {path.name for path in (REPO / "configs" / "providers").iterdir()}
    assert any(name.endswith(".yaml") for name in shipped)
    sources = {path.relative_to(REPO).as_posix() for path in (REPO / "insights").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources


def test_the_metadata(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        text = wheel.read(f"insights_llm-{__version__}.dist-info/METADATA").decode()
        assert f"insights_llm-{__version__}.dist-info/licenses/LICENSE" in wheel.namelist()
    metadata = HeaderParser().parsestr(text)
    assert (metadata["Name"], metadata["Version"]) == ("insights-llm", __version__)
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.11", "MIT")
    required = metadata.get_all("Requires-Dist") or []
    # A plain install can call, cache, price and replay; the test tools stay with the developers.
    plain = {re.split(r"[\s<>=!~;\[]", name)[0] for name in required if "extra ==" not in name}
    assert plain == {"litellm", "tiktoken", "pydantic", "pyyaml", "diskcache", "platformdirs", "httpx", "vcrpy"}


def test_the_sdist_can_be_built_and_tested(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "tests/conftest.py"} <= names
    assert any(name.startswith("configs/providers/") for name in names)
    assert not any(name.startswith((".git/", ".venv", ".cache")) for name in names)


def test_the_installed_package_is_the_one_that_is_tried(installed: Installed, tmp_path: Path) -> None:
    run = installed.run("import insights; print(insights.__file__)", tmp_path)
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()).is_relative_to(installed.site_packages)


def test_the_provider_files_are_found(installed: Installed, tmp_path: Path) -> None:
    """The name of the variable comes from the provider's file, so the shipped one has been read."""
    code = """
import insights
try:
    insights.completion("openai/gpt-4o-mini", [{"role": "user", "content": "hi"}])
except insights.MissingKeyError as error:
    print(error)
"""
    run = installed.run(code, tmp_path)
    assert run.returncode == 0, run.stderr
    assert "OPENAI_API_KEY" in run.stdout


def _recorded_chat() -> tuple[Path, dict[str, Any], str]:
    """A cassette of one whole chat completion, what was asked in it, and what came back."""
    for path in sorted((REPO / "cassettes" / "openai").glob("demo_*.yaml")):
        [interaction, *more] = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]
        request, answer = interaction["request"], interaction["response"]["body"]["string"]
        body = json.loads(request["body"]) if isinstance(request["body"], str | bytes) else request["body"]
        if not more and request["uri"].endswith("/chat/completions") and not body.get("stream"):
            return path, body, json.loads(answer)["choices"][0]["message"]["content"]
    pytest.skip("no cassettes/openai/demo_*.yaml with one whole chat completion is recorded yet")


def test_a_replayed_call(installed: Installed, tmp_path: Path) -> None:
    path, body, content = _recorded_chat()
    body["model"] = f"openai/{body['model']}"
    code = f"""
import json
from insights import completion, use_cassette
with use_cassette({str(path)!r}):
    response = completion(**json.loads({json.dumps(body)!r}))
print(json.dumps(response.choices[0].message.content))
"""
    run = installed.run(code, tmp_path)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == content
    assert list(tmp_path.iterdir()) == [tmp_path / "insights-cache"] or list(tmp_path.iterdir()) == []
