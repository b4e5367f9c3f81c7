"""A project of somebody's, tested with pytest and the plugin, whose provider is the wire simulator on 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import insights
from tests.simulator import Simulator

KEY = "test-key-of-the-project"

ASKING = """
import insights

def ask(text="Hello", model="openai/gpt-4o-mini"):
    return insights.completion(model, text, api_base={base!r}, api_key={key!r}, num_retries=0).text
"""


@dataclass
class Project:
    """Its folder, its provider, and how its tests are run."""

    pytester: pytest.Pytester
    simulator: Simulator

    def __post_init__(self) -> None:
        self.pytester.makepyfile(asking=ASKING.format(base=self.simulator.base("openai"), key=KEY))

    def tests(self, text: str, name: str = "test_it") -> None:
        """Writes a test file."""
        self.pytester.makepyfile(**{name: f"import pytest\nfrom asking import ask\n\n{text}"})

    def run(self, *arguments: str, recording: bool = True, child: bool = False) -> pytest.RunResult:
        """Runs the tests, in this process or in one of their own. Entry points aren't loaded: plugins are named."""
        plugins = ["insights.cassettes.plugin", *(["pytest_recording.plugin"] if recording else [])]
        given = [word for name in plugins for word in ("-p", name)]
        run = self.pytester.runpytest_subprocess if child else self.pytester.runpytest_inprocess
        return run("--strict-markers", "-W", "error", *given, *arguments)

    @property
    def asked(self) -> int:
        """How many requests the provider has had."""
        return len(self.simulator.received)

    def files(self) -> dict[str, str]:
        """The cassettes: their places, and what is in them."""
        return {str(path.relative_to(self.pytester.path)): path.read_text() for path in self.paths()}

    def paths(self) -> list[Path]:
        """The cassettes."""
        return sorted(self.pytester.path.glob("**/cassettes/**/*.yaml"))

    def usage(self) -> Any:
        """What pytest's cache says about the use of the cassettes."""
        return json.loads((self.pytester.path / ".pytest_cache/v/insights/cassettes").read_text())


class OwnModules:
    """In place of pytester's snapshot of `sys.modules`, which takes away all that a run imported: half of litellm, too.

    Here only what lies in the project is imported anew by its next run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def restore(self) -> None:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(self._folder):
                del sys.modules[name]


@contextlib.contextmanager
def a_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project and its provider."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr("_pytest.pytester.SysModulesSnapshot", lambda preserve=None: OwnModules(pytester.path))
    monkeypatch.setattr(pytester, "_sys_modules_snapshot", OwnModules(pytester.path))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    with Simulator() as simulator:
        yield Project(pytester, simulator)


def warm() -> None:
    """A first call, before pytester looks: litellm imports what puts finders of its own in the way of imports for good, and
    pytester would take them out again.
    """
    with Simulator() as simulator:
        insights.completion("openai/gpt-4o-mini", "Hello", api_base=simulator.base("openai"), api_key=KEY, cache=False)
