"""One immutable `ChatRequest`, and its canonical JSON, computed once.

Whatever the caller wrote (a prompt string, dicts, pydantic messages; Python functions as tools; a pydantic class as
`response_format`) becomes plain OpenAI-shaped JSON here, so that everything behind this point sees one form.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from insights.core.errors import BadRequestError, UnsupportedParamsError

# OpenAI's chat completions parameters (API reference, "Create chat completion"), less `model`, `messages` and `stream`,
# and the two that litellm added to the vocabulary: `thinking` and `web_search_options` for all providers.
OPENAI_PARAMS: Final = frozenset(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata
    modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort
    response_format safety_identifier seed service_tier stop store stream_options temperature thinking tool_choice tools
    top_logprobs top_p user verbosity web_search_options""".split()
)

# Names other libraries have for arguments of `completion`; sent on, they would be fields of the body.
MEANT: Final[Mapping[str, str]] = {
    "base_url": "api_base",
    "default_headers": "extra_headers",
    "headers": "extra_headers",
    "max_retries": "num_retries",
    "model_name": "model",
    "request_timeout": "timeout",
}

# Arguments of other libraries' clients that `completion` doesn't have. Some hold credentials: none may go into a body.
NOWHERE: Final = frozenset(
    """api_type api_version client_id client_secret custom_llm_provider deployment_id extra_query organization
    tenant_id""".split()
)
PLACES: Final = ("aws_", "azure_", "vertex_")
# litellm's and the SDKs' arguments that a request must not carry along -> what does the same here.
INSTEAD: Final[Mapping[str, str]] = {
    "caching": "cache=True or False",
    "mock_response": "use_cassette(...) in tests",
    "callbacks": "r.trace and insights.spend()",
    "additional_drop_params": "drop_params=True",
    "allowed_openai_params": "extra_body={...}",
    "input_cost_per_token": "cost_input_per_1k in a provider file",
    "output_cost_per_token": "cost_output_per_1k in a provider file",
    "cooldown_time": "nothing: a breaker per model is on by itself",
    "retry_policy": "num_retries= and fallbacks=",
    "http_client": "nothing: clients are pooled by themselves",
    "model_list": "keys=[...] or fallbacks=[...]",
}

# Parameters that several providers have and OpenAI doesn't: to a provider without them they are no misspelling.
ELSEWHERE: Final = frozenset({"top_k", "min_p", "repetition_penalty"})

# Arguments of `completion` that say how the call is made, and no parameters of the request.
PLAN_OPTIONS: Final = tuple(
    """timeout attempt_timeout stream_idle_timeout hedge_after num_retries fallbacks context_window_fallbacks
    content_policy_fallbacks fallback_on keys cache sample drop_params tags""".split()
)
# Where the model of the call is; a fallback is somewhere else and says so itself.
PLACE_OPTIONS: Final = ("api_key", "api_base")

# Values that ask for nothing but the provider's default by OpenAI's reference: leaving such a parameter out keeps the
# request's meaning, so no provider needs to support it.
NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto",),
    "store": (False,),
    "stop": ([],),
    "temperature": (1,),
    "tool_choice": ("auto",),
    "tools": ([],),
    "top_p": (1,),
    "metadata": ({},),
    "modalities": (["text"],),
}


@dataclass(frozen=True)
class ChatRequest:
    """What is asked, in canonical form, before it is known which provider gets it.

    `messages` and `params` are plain JSON data. `parse_as` is the class to read the answer with (`dict` for a bare JSON
    schema); it is no part of the request itself, its schema is.
    """

    model: str
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    params: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    parse_as: Any = None

    @cached_property
    def canonical(self) -> str:
        """Canonical JSON of all that can change the answer, the model name and the headers aside."""
        return canonical_json({"messages": self.messages, "params": self.params, "extra_body": self.extra_body})


def canonical_json(data: Any) -> str:
    """JSON with sorted keys and no white space: equal data gives equal text.

    >>> canonical_json({"b": 1, "a": [True]})
    '{"a":[true],"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def build_request(
    model: str,
    messages: Any,
    params: Mapping[str, Any],
    *,
    stream: bool = False,
    extra_body: Mapping[str, Any] | None = None,
    extra_headers: Mapping[str, str] | None = None,
) -> ChatRequest:
    """The request as `completion` was called.

    Args:
        model: the model's name, as written.
        messages: a prompt string, one message, or a list of OpenAI messages (dicts or pydantic models).
        params: the call's remaining keyword arguments; None means "not given".

    Raises:
        BadRequestError: something that isn't JSON, or isn't a message.
    """
    given = {name: value for name, value in params.items() if value is not None}
    _mapping(given.get("stream_options"), "stream_options")
    parse_as: Any = None
    if "response_format" in given:
        from insights.core.schemas import response_format

        given["response_format"], parse_as = response_format(given["response_format"])
    if "tools" in given:
        from insights.core.schemas import tool_schema

        given["tools"] = [tool_schema(tool) for tool in as_list(given["tools"], "tools")]
    return ChatRequest(
        model=model.strip(),
        messages=normal_messages(messages),
        params={name: plain(value, name) for name, value in given.items()},
        stream=bool(stream),
        extra_body=plain(_mapping(extra_body, "extra_body"), "extra_body"),
        extra_headers={str(n): str(v) for n, v in _mapping(extra_headers, "extra_headers").items() if v is not None},
        parse_as=parse_as,
    )


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise BadRequestError(f"{name} must be a dict, got {type(value).__name__}")
    return value or {}


def as_list(value: Any, name: str) -> list[Any]:
    """A list argument; a single string or mapping there is a mistake that would otherwise be read letter by letter."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise BadRequestError(f"{name} must be a list, got {type(value).__name__}")
    return list(value)


def normal_messages(messages: Any) -> list[dict[str, Any]]:
    """Messages as plain dicts; a string is one user message.

    >>> normal_messages("Hello")
    [{'role': 'user', 'content': 'Hello'}]
    """
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    if isinstance(messages, Mapping) or hasattr(messages, "model_dump"):
        messages = [messages]
    found = [_message(item, index) for index, item in enumerate(as_list(messages, "messages"))]
    if not found:
        raise BadRequestError("messages is empty", hint="pass a prompt string or at least one message")
    return found


def _message(item: Any, index: int) -> dict[str, Any]:
    if hasattr(item, "model_dump"):
        dumped = item.model_dump(exclude_none=True)
        # An object's empty content is said as a dict's would be; see below.
        item = {"role": dumped.get("role"), "content": None, **dumped} if getattr(item, "content", "") is None else dumped
    if not isinstance(item, Mapping):
        raise BadRequestError(
            f"messages[{index}] must be a message, got {type(item).__name__}",
            hint="a message is {'role': 'user', 'content': '...'}",
        )
    if not isinstance(item.get("role"), str):
        whole = "choices" in item or "message" in item
        raise BadRequestError(
            f"messages[{index}] has no 'role'",
            hint="of an answer r, append r.choices[0].message"
            if whole
            else "roles are system, developer, user, assistant, tool",
        )
    data: dict[str, Any] = plain(item, f"messages[{index}]")
    content = data.get("content")
    parts_right = isinstance(content, list) and content and all(isinstance(part, dict) for part in content)
    if not (content is None or isinstance(content, str) or parts_right):
        raise BadRequestError(
            f"messages[{index}]: content must be a text or a list of parts",
            hint="a part is {'type': 'text', 'text': '...'} or {'type': 'image_url', 'image_url': {'url': '...'}}",
        )
    # None says "not there"; only an assistant's empty content is spelled out, because OpenAI wants the key with tool calls.
    return {name: value for name, value in data.items() if value is not None or name == "content"}


def plain(value: Any, where: str) -> Any:
    """`value` as JSON data; see `_plain`.

    Raises:
        BadRequestError: something with no JSON form, or something that contains itself.
    """
    try:
        return _plain(value, where)
    except RecursionError:
        raise BadRequestError(f"{where} contains itself, or is nested too deeply") from None


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequestError(
            f"{where} has half a character at {error.start}, which no text can have",
            hint="bytes were decoded wrongly: decode them as UTF-8, or with errors='replace'",
        ) from None
    return value


def _plain(value: Any, where: str) -> Any:
    """`value` as JSON data: pydantic models dumped, tuples and sets as lists, everything copied.

    Raises:
        BadRequestError: something with no JSON form, or NaN and infinities, which JSON doesn't have.
    """
    if isinstance(value, str):
        return value if value.isascii() else _text(value, where)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > 4096:  # Python itself refuses to write much longer ones
            raise BadRequestError(f"{where} is a number of more than 1,200 digits")
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise BadRequestError(f"{where} is {value!r}, which JSON can't say")
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, where) for item in value), key=canonical_json)
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    if callable(dump):
        return _plain(dump(mode="json", exclude_none=True), where)
    raise BadRequestError(
        f"{where} is a {type(value).__name__}, which has no JSON form",
        hint="images and files go in as data: URLs (base64)" if isinstance(value, bytes) else None,
    )


def check_names(names: Iterable[str], native: Iterable[str], provider: str, options: Iterable[str]) -> None:
    """Refuses misspelt parameters. Names near to no known one go through: they are the provider's own.

    Args:
        names: the parameters of the request.
        native: the provider's own parameters, known to be right.
        options: the other keyword arguments of `completion`, for the suggestion.

    Raises:
        UnsupportedParamsError: naming the parameter and the nearest right one.
    """
    known = OPENAI_PARAMS | ELSEWHERE | frozenset(native)
    for name in names:
        if name in known:
            continue
        if name in INSTEAD:
            raise _no_such(name, provider, instead=INSTEAD[name])
        if name in MEANT:
            raise _no_such(name, provider, MEANT[name])
        if name in NOWHERE or name.startswith(PLACES):
            raise _no_such(name, provider)
        near = difflib.get_close_matches(name, sorted(known | frozenset(options)), n=1, cutoff=0.75)
        if near:
            raise _no_such(name, provider, near[0])


def _no_such(name: str, provider: str, meant: str | None = None, instead: str | None = None) -> UnsupportedParamsError:
    guess = f"here it is {instead}. " if instead else f"did you mean {meant!r}? " if meant else "leave it out. "
    error = UnsupportedParamsError(
        f"there is no parameter {name!r}",
        provider=provider,
        hint=f"{guess}A parameter of {provider}'s own may also go in extra_body",
    )
    error.params = (name,)
    return error
