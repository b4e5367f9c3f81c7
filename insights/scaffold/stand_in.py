"""A host with OpenAI's API, on this machine: what a provider is checked against where nobody else may be asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

ANSWER: Final = "The capital of France is Paris."
TOOL: Final = "get_weather"
ARGUMENTS: Final = {"city": "Paris"}
PROMPT_TOKENS: Final = 1000
COMPLETION_TOKENS: Final = 100
_USAGE: Final = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}


@dataclass
class StandIn:
    """A running one: its `url`, what it was asked, and the status of its next answer."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers (names in small letters) and body of each request."""
    refusals: list[int] = field(default_factory=list)
    """Statuses of the next answers; when there are none, it answers."""


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Serves on a free port of 127.0.0.1."""
    state = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ClassVar[StandIn]

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.state.requests.append((self.path, headers, content))
        if self.state.refusals:
            self._send(self.state.refusals.pop(0), "application/json", json.dumps({"error": {"message": "refused"}}))
            return
        asked = json.loads(content)
        about = {"id": "stand-in-1", "created": 1, "model": asked.get("model")}
        message, finish = _message(asked)
        if not asked.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish}
            whole = {**about, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
            self._send(200, "application/json", json.dumps(whole))
            return
        for index, call in enumerate(message.get("tool_calls") or ()):
            call["index"] = index
        choices = [{"index": 0, "delta": message, "finish_reason": None}, {"index": 0, "delta": {}, "finish_reason": finish}]
        events = [{**about, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
        events.append({**about, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
        lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self._send(200, "text/event-stream", f"{lines}data: [DONE]\n\n")

    def _send(self, status: int, kind: str, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Nothing: what was asked is in `requests`."""


def _message(asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if asked.get("tools"):
        function = {"name": TOOL, "arguments": json.dumps(ARGUMENTS)}
        calls = [{"id": "call_1", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
    return {"role": "assistant", "content": ANSWER}, "stop"
