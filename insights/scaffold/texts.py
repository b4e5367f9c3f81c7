"""The texts of a new provider's files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from insights.adapters.models.factory import class_name
from insights.catalog.others import GROUP, variable_for
from insights.scaffold.asked import NewProvider

_ADAPTER: Final = '''"""{title}."""

from __future__ import annotations

from insights.adapters.models.{module} import {base}


class {class_name}({base}):
    """{says}"""
'''


def adapter(new: NewProvider, *, own_name: bool = False) -> str:
    """The adapter's module. `own_name` says the provider's name inside, where the module is called otherwise."""
    plain = new.litellm_prefix is None
    text = _ADAPTER.format(
        title=new.title,
        class_name=class_name(new.name),
        module="compatible" if plain else "base",
        base="OpenAICompatible" if plain else "LiteLLMChatModel",
        says="OpenAI-shaped." if plain else "OpenAI-shaped; `insights.adapters.models.wire` lists what else may be said here.",
    )
    said = [f'    provider_name = "{new.name}"'] if own_name else []
    said += [] if plain else [f'    litellm_provider = "{new.litellm_prefix}"']
    return text + ("\n" + "\n".join(said) + "\n" if said else "")


def provider_file(new: NewProvider, *, prefixes: bool) -> str:
    """The provider file. `prefixes` writes the prefixes there, where they stand in no table."""
    own = variable_for(new.name)
    today = datetime.now(UTC).date().isoformat()
    lines = [
        f"# {new.title}. Prices are USD per 1,000 tokens.",
        f"{new.name}:",
        f'  api_base: "{new.api_base}"',
        f'  env_key: "{own}"',
        *([f'  env_key_aliases: ["{new.env_key}"]'] if new.env_key != own else []),
        *([f"  prefixes: [{', '.join(map(_quoted, new.prefixes))}]"] if prefixes and new.prefixes else []),
        "  timeout: 60",
        f'  source: "{new.source or "as given when the provider was added"}"',
        f"  checked: {today}",
        "  models:",
        f"    {_quoted(new.model)}:",
        f"      context_window: {new.context}",
        f"      cost_input_per_1k: {new.input_per_1k}",
        f"      cost_output_per_1k: {new.output_per_1k}",
        f"      capabilities: [{', '.join(new.capabilities)}]",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    plain = text.replace("-", "").replace("_", "").replace(".", "").replace("/", "")
    return text if plain.isalnum() and plain.isascii() and not text[0].isdigit() and text[0].isalnum() else json.dumps(text)


# ---------------------------------------------------------------- a package of its own

PACKAGE_PYPROJECT: Final = """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "insights-{dashed}"
version = "0.1.0"
description = "{title} as a provider of insights."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["insights-llm>={version}"]

[project.optional-dependencies]
test = ["insights-llm[pytest]"]

[project.entry-points."{group}"]
{name} = "insights_{name}:{class_name}"

[tool.hatch.build.targets.wheel]
packages = ["src/insights_{name}"]

[tool.ruff]
line-length = 120
"""

PACKAGE_README: Final = """# {title} for insights

    pip install .
    {env_key}=... python -c 'from insights import completion; print(completion("{name}/{model}", "Hello").text)'

`src/insights_{name}/{name}.yaml` has the host, the key's variable, the models and their prices; `__init__.py` says what is
special about the wire. Both are read where the package is installed; nothing else has to be told.

    insights provider check {name}    # the contract, offline; with {env_key} set also one real call per capability
    pip install '.[test]' && pytest   # this package's own tests, offline

Where it should stand in for other models, put this into `fallback.yaml` in the directory that `INSIGHTS_CONFIG_DIR` names:

```yaml
default: [{name}/{model}]
```
"""

PACKAGE_TEST: Final = '''"""{title} answers, is priced, stands in, and replays; the host is a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import insights
import pytest

MODEL = "{name}/{model}"


class Host(BaseHTTPRequestHandler):
    """OpenAI's chat completions: one answer, whole or streamed."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        usage = {{"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}}
        about = {{"id": "answer-1", "created": 1, "model": asked["model"]}}
        if asked.get("stream"):
            choice = {{"index": 0, "delta": {{"role": "assistant", "content": "Hello."}}, "finish_reason": "stop"}}
            events = [{{**about, "object": "chat.completion.chunk", "choices": [choice], "usage": usage}}]
            body = "".join(f"data: {{json.dumps(event)}}\\n\\n" for event in events) + "data: [DONE]\\n\\n"
            self.answer("text/event-stream", body)
        else:
            choice = {{"index": 0, "message": {{"role": "assistant", "content": "Hello."}}, "finish_reason": "stop"}}
            whole = {{**about, "object": "chat.completion", "choices": [choice], "usage": usage}}
            self.answer("application/json", json.dumps(whole))

    def answer(self, kind: str, body: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Nothing: the tests say what went wrong."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Where the host is, as arguments of a call."""
    monkeypatch.setenv("INSIGHTS_CACHE_DIR", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {{"api_base": f"http://127.0.0.1:{{server.server_port}}", "api_key": "test-key"}}
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_answers_and_has_a_price(place: dict[str, Any]) -> None:
    response = insights.completion(MODEL, "Hello", **place)
    assert (response.text, response.provider) == ("Hello.", "{name}")
    assert response.cost is not None
    assert response.cost.total == Decimal("{input_per_1k}") + Decimal("{output_per_1k}") / 10


def test_a_stream(place: dict[str, Any]) -> None:
    assert "".join(chunk.text for chunk in insights.completion(MODEL, "Hello", stream=True, **place)) == "Hello."


def test_it_stands_in_for_another(place: dict[str, Any]) -> None:
    nowhere: dict[str, Any] = {{"api_base": "http://127.0.0.1:9", "api_key": "test-key", "num_retries": 0}}
    response = insights.completion("openai/gpt-4o-mini", "Hello", fallbacks=[{{"model": MODEL, **place}}], **nowhere)
    assert response.provider == "{name}"


def test_a_cassette(place: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)  # this one records, from the server above
    with insights.use_cassette(tmp_path / "hello.yaml", mode="record"):
        first = insights.completion(MODEL, "Hello", **place)
    with insights.use_cassette(tmp_path / "hello.yaml"):
        again = insights.completion(MODEL, "Hello", api_base=place["api_base"])
    assert again.text == first.text
'''


def package(new: NewProvider, version: str) -> dict[str, str]:
    """The files of a package of its own, by their paths in it."""
    said = {
        "name": new.name,
        "dashed": new.name.replace("_", "-"),
        "title": new.title,
        "model": new.model,
        "env_key": variable_for(new.name),
        "class_name": class_name(new.name),
        "group": GROUP,
        "version": version,
        "input_per_1k": new.input_per_1k,
        "output_per_1k": new.output_per_1k,
    }
    home = f"src/insights_{new.name}"
    return {
        "pyproject.toml": PACKAGE_PYPROJECT.format(**said),
        "README.md": PACKAGE_README.format(**said),
        f"{home}/__init__.py": adapter(new, own_name=True),
        f"{home}/{new.name}.yaml": provider_file(new, prefixes=True),
        f"{home}/py.typed": "",
        f"tests/test_{new.name}.py": PACKAGE_TEST.format(**said),
    }
