"""An instant chat server for benchmarks, in a process of its own: fixed answers over keep-alive sockets, no HTTP library."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHUNKS = 200


def _reply(content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def replies() -> tuple[bytes, bytes]:
    """The whole answer, and the streamed one. The words differ, because litellm refuses a stream that repeats itself."""
    about = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-mini"}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    message = {"role": "assistant", "content": "Hello there, friend."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {**about, "object": "chat.completion", "choices": [choice], "usage": usage}
    deltas: list[tuple[dict[str, Any], str | None]] = [({"content": f"word{n} "}, None) for n in range(CHUNKS)]
    deltas.append(({}, "stop"))
    events = [
        {**about, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    stream = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    return _reply("application/json", json.dumps(whole).encode()), _reply("text/event-stream", stream)


def _serve(connection: socket.socket, whole: bytes, stream: bytes) -> None:
    buffer = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in buffer:
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
            head, _, rest = buffer.partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            length = int(lengths[0].partition(b":")[2])
            while len(rest) < length:
                rest += connection.recv(65536)
            body, buffer = rest[:length], rest[length:]
            connection.sendall(stream if json.loads(body).get("stream") else whole)


def main() -> None:
    """Serves until killed; prints its port first."""
    whole, stream = replies()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection, whole, stream), daemon=True).start()


@contextmanager
def running() -> Iterator[str]:
    """The base URL of a server process that lives as long as the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.server"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


if __name__ == "__main__":
    main()
