"""OpenAI's Responses API. Source: OpenAI's API reference, "Responses" and "Streaming events"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.simulator import answers
from tests.simulator.openai_chat import failure
from tests.simulator.wire import CREATED, Answer, Asked, Tool, Wire, required, seed_of, sse, text_of, whole_number


def read(provider: str, path: str, body: Mapping[str, Any]) -> Asked:
    """A request to /responses."""
    given = required(body, "input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    model = str(required(body, "model"))
    users = [item for item in items if item.get("role") == "user"]
    wanted = (body.get("text") or {}).get("format") or {}
    schema = {"json_schema": wanted.get("schema") or {}, "json_object": {}}.get(str(wanted.get("type")))
    choice = body.get("tool_choice")
    tools = [Tool(str(t.get("name")), t.get("parameters") or {}) for t in body.get("tools") or () if t["type"] == "function"]
    thinks = answers.thinks(model, (body.get("reasoning") or {}).get("effort"))
    last = items[-1]
    return Asked(
        provider=provider,
        model=model,
        seed=seed_of(body),
        words=text_of(users[-1].get("content")) if users else "",
        heard="\n".join([str(body.get("instructions") or ""), *(text_of(item.get("content")) for item in items)]),
        turns=len(items),
        tools=() if choice == "none" else tuple(tools),
        told=text_of(last.get("output")) if last.get("type") == "function_call_output" else None,
        schema=schema,
        stream=bool(body.get("stream")),
        limit=whole_number(body.get("max_output_tokens")),
        thinks=thinks,
        body=body,
    )


def _item(asked: Asked, answer: Answer, *, begun: bool = False) -> dict[str, Any]:
    """What the output consists of, or how it begins."""
    status = "in_progress" if begun else "completed"
    if answer.tool:
        arguments = "" if begun else answer.arguments_json
        ids = {"id": asked.ident("fc_", 48), "call_id": asked.ident("call_")}
        return {**ids, "type": "function_call", "status": status, "arguments": arguments, "name": answer.tool}
    content = [] if begun else [_part(answer.text)]
    return {
        "id": asked.ident("msg_", 48),
        "type": "message",
        "status": status,
        "content": content,
        "role": "assistant",
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response(asked: Asked, answer: Answer, status: str) -> dict[str, Any]:
    body, done = asked.body, status != "in_progress"
    counted = {
        "input_tokens": answer.prompt,
        "input_tokens_details": {"cached_tokens": answer.cached},
        "output_tokens": answer.said + answer.reasoning,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning},
        "total_tokens": answer.prompt + answer.said + answer.reasoning,
    }
    return {
        "id": asked.ident("resp_", 48),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "completed_at": CREATED if done else None,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": asked.model,
        "output": [_item(asked, answer)] if done else [],
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "prompt_cache_retention": "in_memory",
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "safety_identifier": None,
        "service_tier": "default" if done else "auto",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": (body.get("text") or {}).get("format") or {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": counted if done else None,
        "user": None,
        "metadata": {},
    }


def _ended(answer: Answer) -> str:
    return "incomplete" if answer.finish == "length" else "completed"


def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
    """An answer in one piece."""
    return _response(asked, answer, _ended(answer))


def events(asked: Asked, answer: Answer) -> Iterator[bytes]:
    """An answer as a stream of numbered events."""
    ended = _ended(answer)
    last = {"type": f"response.{ended}", "response": _response(asked, answer, ended)}
    for number, event in enumerate([*_opening(asked, answer), *_middle(asked, answer), last]):
        yield sse({**event, "sequence_number": number}, event["type"])


def _opening(asked: Asked, answer: Answer) -> Iterator[dict[str, Any]]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": _response(asked, answer, "in_progress")}
    yield {"type": "response.output_item.added", "item": _item(asked, answer, begun=True), "output_index": 0}


def _middle(asked: Asked, answer: Answer) -> Iterator[dict[str, Any]]:
    item = _item(asked, answer)
    place: dict[str, Any] = {"item_id": item["id"], "output_index": 0}
    if answer.tool:
        arguments = answer.arguments_json
        yield {"type": "response.function_call_arguments.delta", "delta": arguments, **place}
        yield {"type": "response.function_call_arguments.done", "arguments": arguments, **place}
    else:
        place["content_index"] = 0
        yield {"type": "response.content_part.added", "part": _part(""), **place}
        for piece in answer.pieces:
            yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **place}
        yield {"type": "response.output_text.done", "text": answer.text, "logprobs": [], **place}
        yield {"type": "response.content_part.done", "part": _part(answer.text), **place}
    yield {"type": "response.output_item.done", "item": item, "output_index": 0}


WIRE = Wire("responses", read, whole, events, failure)
