"""What is not imported: by `import insights`, by a call without a key, and by an answer from the cache."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.processes import loaded, run_python

SLOW = (
    "litellm",
    "openai",
    "httpx",
    "httpcore",
    "aiohttp",
    "pydantic",
    "yaml",
    "diskcache",
    "vcr",
    "tiktoken",
    "requests",
)

REPORT = """
import json, sys
print(json.dumps({"text": text, "modules": sorted(sys.modules)}))
"""


def test_the_measure_sees_an_import() -> None:
    run = run_python("-X", "importtime", "-c", "import yaml")
    assert loaded(_imported(run.stderr), SLOW) == ["yaml"]


def test_importing_the_package_is_light() -> None:
    run = run_python("-X", "importtime", "-c", "import insights")
    assert run.returncode == 0, run.stderr
    assert "insights" in _imported(run.stderr).split()
    assert loaded(_imported(run.stderr), SLOW) == []
    print(f"import insights: {run.seconds * 1000:.0f} ms, the interpreter's start included")


def test_looking_at_the_names_is_light() -> None:
    run = run_python("-X", "importtime", "-c", "import insights; dir(insights); insights.__version__; insights.RateLimitError")
    assert run.returncode == 0, run.stderr
    assert loaded(_imported(run.stderr), SLOW) == []


@pytest.mark.parametrize(
    ("model", "variable"),
    [("openai/gpt-4o-mini", "OPENAI_API_KEY"), ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY")],
)
def test_a_missing_key_is_told_without_litellm(model: str, variable: str) -> None:
    code = f"""
import insights
try:
    insights.completion({model!r}, [{{"role": "user", "content": "hi"}}])
except insights.MissingKeyError as error:
    text = str(error)
{REPORT}
"""
    run = run_python("-c", code)
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert variable in answer["text"]
    assert loaded(" ".join(answer["modules"]), ("litellm", "openai", "httpx", "aiohttp")) == []
    print(f"missing {variable}: {run.seconds * 1000:.0f} ms, the interpreter's start included")


class _Chat(BaseHTTPRequestHandler):
    """Answers every chat completion with the same words, and counts."""

    calls: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.calls.append(self.path)
        body = json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": "gpt-4o-mini",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "well kept"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    _Chat.calls.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def test_an_answer_from_the_cache_is_light(server: ThreadingHTTPServer, own_cache_dir: Path) -> None:
    code = f"""
import insights
response = insights.completion(
    "openai/gpt-4o-mini",
    [{{"role": "user", "content": "is it kept?"}}],
    api_base="http://127.0.0.1:{server.server_port}/v1",
    api_key="sk-of-the-test",
    cache=True,
)
text = response.choices[0].message.content + (" (cached)" if response.cached else "")
{REPORT}
"""
    environment = {"INSIGHTS_CACHE_DIR": str(own_cache_dir)}
    first = run_python("-c", code, env=environment)
    assert first.returncode == 0, first.stderr
    first_answer = json.loads(first.stdout)
    assert first_answer["text"] == "well kept"
    assert "litellm" in first_answer["modules"], "the first call is the one that pays"
    assert _Chat.calls == ["/v1/chat/completions"]

    server.shutdown()
    server.server_close()
    second = run_python("-c", code, env=environment)
    assert second.returncode == 0, second.stderr
    answer = json.loads(second.stdout)
    assert answer["text"] == "well kept (cached)"
    assert loaded(" ".join(answer["modules"]), ("litellm", "openai", "httpx", "httpcore", "aiohttp", "tiktoken", "vcr")) == []
    assert len(_Chat.calls) == 1
    print(f"first call {first.seconds:.2f} s, from the cache {second.seconds:.3f} s, the interpreter's start included")


def _imported(importtime: str) -> str:
    """The names in what `-X importtime` wrote: `import time: self [us] | cumulative | name`."""
    return " ".join(re.findall(r"^import time:.*\|\s*(\S+)$", importtime, re.MULTILINE))
