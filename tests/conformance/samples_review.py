"""Hand-written answers whose whole and streamed forms once meant different things."""

from __future__ import annotations

from .recordings import Recording
from .samples import SSE, WEATHER_TOOL, Json, sample, sse
from .samples_odd_hosts import _CALL, _CHAT, _USAGE, _asked, _chunk, _streamed, _whole

_THOUGHT = "<think>\nHm.\n</think>\n\nParis."


def reviewed() -> list[Recording]:
    """Text with tags in it, calls out of order and without arguments, another beginning."""
    end = _chunk({}, "stop", usage=_USAGE)
    router = "/api/v1/chat/completions"
    thinks = [_chunk({"role": "assistant", "content": piece}) for piece in ("<thi", "nk>\nHm.\n</think>", "\n\nParis.")]
    bare: Json = {"index": 0, "id": "t0", "type": "function", "function": {"name": "now"}}
    calls = [_chunk({"tool_calls": [{**_CALL, "index": index, "id": f"t{index}"}]}) for index in (1, 0, 2)]
    called = _chunk({}, "tool_calls", usage=_USAGE)
    text = [_chunk({"role": "assistant", "content": "Par"}), _chunk({"content": "is."})]
    marked = b"\xef\xbb\xbf" + sse(*text, end, done=True)
    thoughts = [_chunk({"role": "assistant", "content": "", "reasoning_content": piece}) for piece in ("Hm", ".")]
    nameless = [{n: v for n, v in _CALL.items() if n != "index"} | {"id": ""} for _ in range(2)]
    unnumbered = [_chunk({"tool_calls": [call]}) for call in nameless]
    return [
        _streamed("openai/calls_without_index_or_id", *unnumbered, called, tools=[WEATHER_TOOL]),
        sample("openai/think_tags", _CHAT, _asked("m"), _whole({"content": _THOUGHT})),
        _streamed("openai/think_tags_stream", *thinks, end),
        _streamed("openai/call_without_arguments", _chunk({"tool_calls": [bare]}), called, tools=[WEATHER_TOOL]),
        _streamed("openai/calls_out_of_order", *calls, called, tools=[WEATHER_TOOL]),
        _streamed("openrouter/reasoning_content", *thoughts, *text, end, path=router),
        _streamed("openai/null_delta", *text, _chunk({}) | {"choices": [{"index": 0, "delta": None}]}, end),
        sample("openai/byte_order_mark", _CHAT, _asked("m", stream=True), marked, kind=SSE),
    ]


REVIEWED = reviewed()
