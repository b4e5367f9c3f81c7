"""The plan of the house, enforced; and every rule seen to fail on a tree that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import layers

PACKAGE = Path(__file__).parents[2] / "insights"


def test_the_house_is_built_to_plan() -> None:
    assert layers.check(PACKAGE) == []


def test_something_was_read() -> None:
    modules, imports = layers.read_tree(PACKAGE)
    assert "insights.core.errors" in modules
    assert any(item.package == "insights" for item in imports)
    if layers.TRANSPORT in modules:
        assert any(item.module == layers.TRANSPORT and item.package == "litellm" for item in imports)


def build(folder: Path, files: dict[str, str]) -> list[str]:
    """Write a small house and check it. Every file gets an `__init__` beside it."""
    for name, text in ({"__init__.py": ""} | files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.parent / "__init__.py").exists():
            (path.parent / "__init__.py").write_text("")
        path.write_text(text)
    return layers.check(folder)


SOUND = {
    "__init__.py": (
        "from typing import TYPE_CHECKING\n"
        "from insights._version import __version__\n"
        "if TYPE_CHECKING:\n    from insights.client import completion\n"
        "def __getattr__(name):\n    import insights.client\n    return getattr(insights.client, name)\n"
    ),
    "_version.py": "__version__ = '1'\n",
    "core/errors.py": "import json\n",
    "core/types.py": "from pydantic import BaseModel\nfrom .errors import X\n",
    "core/config.py": "def f():\n    from insights.core.types import Y\n",
    "cache/key.py": "from insights.core import errors\n",
    "routing/fallback.py": "from insights.catalog import loader\n",
    "catalog/loader.py": "import yaml\nfrom ..core.types import Y\n",
    "adapters/models/transport.py": "import litellm\nfrom importlib import import_module\nimport_module('litellm.x')\n",
    "adapters/models/openai.py": "PARSER = 'litellm.llms.openai:Parser'\nfrom .transport import T\n",
    "catalog/tokens.py": "import importlib.util\nimportlib.util.find_spec('litellm')\n",
    "flow.py": "from insights.adapters.models import transport\nimport insights.cache.key\n",
    "client.py": "from insights.flow import run\n",
    "cli/main.py": "from insights.client import completion\nimport insights.notebook\n",
    "notebook.py": "import insights.client\n",
}


def test_a_sound_house_passes(tmp_path: Path) -> None:
    assert build(tmp_path, SOUND) == []


BROKEN = {
    "up": ({"core/errors.py": "from insights.cache import key"}, "the arrow goes up"),
    "up, relative": ({"core/errors.py": "from ..cache.key import K"}, "the arrow goes up"),
    "up, plain import": ({"cache/key.py": "import insights.adapters.models.openai"}, "the arrow goes up"),
    "up, in a function": ({"flow.py": "def f():\n    from insights.client import Client"}, "the arrow goes up"),
    "up, for the type checker": (
        {"flow.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import insights.client"},
        "the arrow goes up",
    ),
    "up, in the else of a type check": (
        {"flow.py": "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    import insights.client"},
        "the arrow goes up",
    ),
    "up, by import_module": (
        {"flow.py": "import importlib\nimportlib.import_module('insights.cli')"},
        "the arrow goes up",
    ),
    "up, relative import_module": ({"flow.py": "import_module('.client', __package__)"}, "the arrow goes up"),
    "up, to the package": ({"batch.py": "from insights import completion"}, "stands above it"),
    "not lazy, on a doorstep": ({"cache/__init__.py": "from insights.client import completion"}, "refer to it lazily"),
    "up, beside a doorstep": ({"cache/key.py": "def f():\n    from insights.client import C"}, "the arrow goes up"),
    "not lazy": ({"__init__.py": "from insights.client import completion"}, "refer to it lazily"),
    "stranger": ({"helpers.py": ""}, "insights.helpers has no layer"),
    "circle of modules": (
        {"core/request.py": "from insights.core import effects", "core/effects.py": "from .request import R"},
        "circle: insights.core.effects -> insights.core.request -> insights.core.effects",
    ),
    "circle, in a function": (
        {"core/request.py": "import insights.core.effects", "core/effects.py": "def f():\n    from .request import R"},
        "circle: ",
    ),
    "circle with oneself through the package": (
        {"cache/__init__.py": "from insights.cache.store import S", "cache/store.py": "import insights.cache"},
        "circle: insights.cache -> insights.cache.store -> insights.cache",
    ),
    "circle of rooms": (
        {
            "cache/a.py": "import insights.catalog.b",
            "catalog/b.py": "",
            "catalog/c.py": "import insights.cache.d",
            "cache/d.py": "",
        },
        "circle: cache -> catalog -> cache",
    ),
    "circle of three rooms": (
        {
            "cache/a.py": "import insights.spend.x",
            "spend/b.py": "import insights.routing.x",
            "routing/c.py": "import insights.cache.x",
        },
        "circle: cache -> spend -> routing -> cache",
    ),
    "litellm": ({"flow.py": "import litellm"}, "only insights.adapters.models.transport may"),
    "litellm, from": ({"adapters/models/base.py": "from litellm.types import X"}, "transport may"),
    "litellm, in a function": ({"catalog/tokens.py": "def f():\n    import litellm as l"}, "transport may"),
    "litellm, for the type checker": ({"flow.py": "if TYPE_CHECKING:\n    import litellm"}, "transport may"),
    "litellm, import_module": (
        {"flow.py": "import importlib\nimportlib.import_module('litellm.main')"},
        "transport may",
    ),
    "litellm, __import__": ({"flow.py": "__import__('litellm')"}, "transport may"),
    "litellm, f-string": ({"flow.py": "import_module(f'litellm.llms.{name}')"}, "transport may"),
    "litellm, sum": ({"flow.py": "import_module('litellm.' + name)"}, "transport may"),
    "litellm, parent of a spec": ({"catalog/tokens.py": "find_spec('litellm.litellm_core_utils')"}, "transport may"),
    "openai": ({"adapters/models/transport.py": "def f():\n    import openai"}, "nobody may"),
    "openai, from": ({"cassettes/record.py": "from openai import OpenAI"}, "nobody may"),
    "yaml in core": ({"core/config.py": "def f():\n    import yaml"}, "never in core"),
    "httpx in core": ({"core/types.py": "import httpx"}, "never in core"),
    "pydantic in core": ({"core/other.py": "from pydantic import BaseModel"}, "only insights.core.types may"),
    "pydantic in errors": ({"core/errors.py": "import pydantic"}, "insights.core.errors is to stay light"),
    "pydantic in a try": ({"core/redact.py": "try:\n    import pydantic\nexcept ImportError: ..."}, "to stay light"),
    "pydantic by way of types": (
        {"core/types.py": "import pydantic", "core/request.py": "from insights.core.types import M"},
        "insights.core.request is to stay light: insights.core.request -> insights.core.types -> pydantic (line 1)",
    ),
    "pydantic by way of the package": (
        {"core/__init__.py": "from .types import M", "core/types.py": "import pydantic", "core/effects.py": ""},
        "to stay light: insights.core.effects -> insights.core -> insights.core.types -> pydantic (line 1)",
    ),
}


@pytest.mark.parametrize(("files", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_house_is_seen(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    problems = build(tmp_path, files)
    assert any(complaint in problem for problem in problems), problems


def test_imports_for_the_type_checker_make_no_circle(tmp_path: Path) -> None:
    files = {
        "core/request.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .effects import E",
        "core/effects.py": "from insights.core.request import R",
    }
    assert build(tmp_path, files) == []


def test_a_doorstep_may_refer_to_what_stands_above(tmp_path: Path) -> None:
    files = {
        "cache/__init__.py": "def stats():\n    from insights.client import default_client",
        "client.py": "from insights.cache.store import S",
        "cache/store.py": "",
    }
    assert build(tmp_path, files) == []


def test_a_complaint_names_file_line_and_target(tmp_path: Path) -> None:
    assert build(tmp_path, {"flow.py": "\nimport insights.client.x"}) == [
        "insights.flow:2 imports insights.client.x: the arrow goes up"
    ]
