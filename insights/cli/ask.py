"""`insights ask`: one question, one answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from insights.cli import options
from insights.cli.failing import FAILED, calling, failing
from insights.cli.terminal import for_stream, note, print_json, tells_more, write

if TYPE_CHECKING:
    from insights.core.types import Cost, ModelResponse

EPILOG = (
    'Examples: insights ask -m openai/gpt-5-mini "Why is the sky blue?"  |  '
    'cat notes.txt | insights ask -m anthropic/claude-haiku-4-5 --stream "Summarise"'
)
_BUCKETS = ("input", "cached_input", "cache_write", "output", "reasoning", "audio", "image", "request")


def ask(
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="What is asked. What is piped comes below it.")
    ] = None,
    model: options.Model = None,
    system: options.System = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    as_json: options.AsJson = False,
    schema: Annotated[
        str | None, typer.Option(metavar="FILE|JSON", help="A JSON schema: the answer is JSON that fits it.")
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option(metavar="FILE|URL", help="Goes along with the prompt; may be given again.")
    ] = None,
    cassette: options.Cassette = None,
    record_mode: options.RecordMode = None,
    fallback: options.Fallbacks = None,
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = None,
    timeout: options.Timeout = None,
    no_cache: options.NoCache = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask again, and store the new answer.")] = False,
    api_base: options.ApiBase = None,
    tag: options.Tags = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Ask a model. The answer goes to stdout as it is; model, cost and time go to stderr where that is a terminal.

    Keys come from the environment (OPENAI_API_KEY, ...): an option with a key could be read by everybody on the machine."""
    from insights.cli import asking
    from insights.core.errors import ConfigError

    with failing():
        if stream and as_json:
            raise ConfigError("--stream and --json exclude each other", hint="JSON is printed when the answer is whole")
        if no_cache and refresh:
            raise ConfigError("--no-cache and --refresh exclude each other", hint="--refresh stores the new answer")
        name = asking.chosen_model(model)
        given: dict[str, Any] = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "timeout": timeout,
            "api_base": api_base,
            "fallbacks": fallback or None,
            "tags": tag or None,
            "cache": False if no_cache else "refresh" if refresh else None,
            "response_format": None if schema is None else asking.schema_of(schema),
        }
        content = asking.content_of(asking.prompt_of(prompt or ()), image or ())
        messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": content}]
    params = {key: value for key, value in given.items() if value is not None}
    with calling(), asking.cassette(cassette, record_mode):
        answer = _answered(name, messages, params, stream)
        parsed = answer.parsed if schema is not None else None
    refusal = answer.choices[0].message.refusal if answer.choices else None
    if as_json:
        print_json(as_dict(answer) | ({"parsed": parsed} if schema is not None else {}))
    elif not stream:
        write(answer.text if answer.text.endswith("\n") else f"{answer.text}\n")
    if tells_more(quiet, verbose):
        note(asking.told(answer))
    if refusal and not answer.text:
        typer.echo(for_stream(f"error: the model refuses: {refusal}", sys.stderr), err=True)
        raise typer.Exit(FAILED)


def _answered(model: str, messages: Any, params: dict[str, Any], stream: bool) -> ModelResponse:
    from insights.client import completion

    if not stream:
        whole: ModelResponse = completion(model, messages, **params)
        return whole
    last = ""
    with completion(model, messages, stream=True, **params) as chunks:
        try:
            for chunk in chunks:
                if chunk.text:
                    write(chunk.text)
                    last = chunk.text
        finally:
            if not last.endswith("\n"):
                write("\n" if last else "")
        if not last:
            write("\n")
        answer: ModelResponse = chunks.response
        return answer


def as_dict(answer: ModelResponse) -> dict[str, Any]:
    """An answer for JSON: amounts in USD as exact texts."""
    choice = answer.choices[0] if answer.choices else None
    found: dict[str, Any] = {
        "text": answer.text,
        "model": answer.model,
        "provider": answer.provider,
        "cached": answer.cached,
        "cost": None if answer.cost is None else _cost(answer.cost),
        "usage": None if answer.usage is None else answer.usage.model_dump(mode="json", exclude_none=True),
        "finish_reason": choice.finish_reason if choice else None,
    }
    if choice and choice.message.refusal:
        found["refusal"] = choice.message.refusal
    if choice and choice.message.tool_calls:
        found["tool_calls"] = [call.model_dump(mode="json", exclude_none=True) for call in choice.message.tool_calls]
    found["cache"] = answer.trace.cache
    found["attempts"] = [
        {
            "model": f"{a.provider}/{a.model}",
            "status": a.status_code,
            "error": a.error,
            "decision": a.decision,
            "seconds": round(a.duration, 3),
        }
        for a in answer.trace.attempts
    ]
    return found


def _cost(cost: Cost) -> dict[str, Any]:
    from insights.core.display import short

    return {
        "total": short(cost.total),
        "buckets": {name: short(getattr(cost, name)) for name in _BUCKETS},
        "saved": short(cost.saved),
        "currency": cost.currency,
        "price_source": cost.price_source,
        "price_date": cost.price_date,
    }
