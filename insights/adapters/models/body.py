"""The request body: parameters checked, translated by litellm, and seen to have arrived.

litellm's `map_openai_params` drops in silence what a provider doesn't support, and some of what it says it supports. Here a
parameter that leaves no mark on the body is an error that names it, or with `drop_params=True` a note in the trace.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from insights.adapters.models import transport
from insights.adapters.models.history import outgoing
from insights.adapters.models.media import refuse_lost_media, refuse_lost_parts
from insights.core.effects import WireCall
from insights.core.errors import BadRequestError, InsightsError, UnsupportedParamsError
from insights.core.redact import redact
from insights.core.request import ELSEWHERE, NEUTRAL, OPENAI_PARAMS, ChatRequest, canonical_json

if TYPE_CHECKING:
    from insights.adapters.models.base import LiteLLMChatModel
    from insights.adapters.models.egress import Endpoint


@dataclass(slots=True)
class Prepared:
    """A call ready to be sent, with what the parser of its answer needs to know."""

    call: WireCall
    config: Any
    body: dict[str, Any] = field(repr=False)
    arguments: dict[str, Any] = field(repr=False)
    log: Any = field(repr=False)
    json_mode: bool = False
    streams: bool = False
    notes: list[str] = field(default_factory=list)


# (provider, model, parameter, kind of value) seen to reach the body; a second look would find the same.
_arrived: set[tuple[str, str, str, Any]] = set()
_MOST_ARRIVED = 10_000
_FREE_TEXT = ("user", "prompt_cache_key", "safety_identifier")


def build(model: LiteLLMChatModel, request: ChatRequest, where: Endpoint, drop_params: bool) -> Prepared:
    """The HTTP request for a chat request.

    Raises:
        UnsupportedParamsError: parameters the provider can't do, unless `drop_params`.
        BadRequestError: what litellm can't translate.
    """
    draft = _Draft(model, request, where)
    refused = draft.choose()
    body = draft.accepted(refused) if drop_params else draft.body()
    refused += draft.vanished(body)
    if refused and not drop_params:
        raise _unsupported(refused, model)
    notes = [f"dropped {name}: {model.provider} can't do it" for name in refused]
    if refused:
        body = draft.body()
    body.update(draft.placed)
    headers = _with_betas(model.headers(draft.config, where, draft.arguments), draft.headers)
    fake_stream = bool(draft.flags.get("fake_stream"))
    streams = request.stream and not fake_stream
    if streams and model.stream_flag:
        body["stream"] = True
        if draft.takes_stream_options:
            body["stream_options"] = {**request.params.get("stream_options", {}), "include_usage": True}
    body = merged(model.adjust_body(body, request), request.extra_body)
    given = {name.lower() for name in request.extra_headers}
    headers = {
        **{name: value for name, value in headers.items() if name.lower() not in {"content-type", *given}},
        **({} if "content-type" in given else {"Content-Type": "application/json"}),
        **request.extra_headers,
    }
    call = WireCall(
        url=model.url(where.base, streams),
        headers=headers,
        content=encode(body),
        provider=model.provider,
        model=model.upstream,
        secret=where.key,
    )
    refuse_lost_media(model, request.messages, call.content)
    refuse_lost_parts(model, request.messages, call.content)
    return Prepared(call, draft.config, body, draft.arguments, draft.log, bool(draft.flags.get("json_mode")), streams, notes)


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON bytes; text that isn't valid Unicode (half a surrogate pair) goes as an escape."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return json.dumps(body, allow_nan=False).encode()


def merged(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `extra` over it, mappings within mappings too.

    >>> merged({"a": {"b": 1}}, {"a": {"c": 2}})
    {'a': {'b': 1, 'c': 2}}
    """
    for name, value in extra.items():
        old = body.get(name)
        body[name] = merged(dict(old), value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return body


@dataclass(slots=True)
class _Translated:
    """What litellm's config made of the request: the body, and what its parser of the answer will ask for again."""

    body: dict[str, Any]
    arguments: dict[str, Any]
    headers: dict[str, str]
    flags: dict[str, Any]


class _Draft:
    """The request on its way through litellm's config."""

    def __init__(self, model: LiteLLMChatModel, request: ChatRequest, where: Endpoint) -> None:
        self.model = model
        self.request = request
        self.config = transport.chat_config(model.litellm_provider, model.litellm_model)
        self.supported = transport.supported_params(model.litellm_provider, model.litellm_model, model.upstream) | frozenset(
            model.translated_params
        )
        self.params: dict[str, Any] = model.adjust_params(copy.deepcopy(dict(request.params)))
        self.litellm_params = {"api_base": where.base, "custom_llm_provider": model.litellm_provider}
        self.messages = outgoing(model, request.messages)
        self.placed: dict[str, Any] = {}
        self.log: Any = None
        self.arguments: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.flags: dict[str, Any] = {}

    @property
    def takes_stream_options(self) -> bool:
        """Whether usage must be asked for in a stream."""
        return "stream_options" in self.supported or "stream_options" in self.model.extra_params

    def choose(self) -> list[str]:
        """Leaves out what asks for the default anyway, and takes out and returns what the provider can't do."""
        refused = []
        passes = {*self.model.extra_params, *self.model.native_params}
        if self.model.openai_shaped and not self.model.own_host:
            passes |= ELSEWHERE  # vLLM, llama.cpp and their like take them
        for here, there in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
            if here in self.params and here not in self.supported | passes and there in self.supported | passes:
                self.params.setdefault(there, self.params.pop(here))
        options = self.params.pop("stream_options", None) or {}
        if set(options) - {"include_usage"} and not (self.takes_stream_options and self.model.stream_flag):
            refused.append("stream_options")
        if self.params.get("tools") == []:
            del self.params["tools"]  # some refuse an empty list, and it says nothing
        known = OPENAI_PARAMS | ELSEWHERE
        for name in [name for name in self.params if name in known and name not in self.supported | passes]:
            if self.params.pop(name) not in NEUTRAL.get(name, ()):
                refused.append(name)
        return refused

    def accepted(self, refused: list[str]) -> dict[str, Any]:
        """The body without the parameters that litellm refuses by their values; these go to `refused`."""
        while True:
            try:
                return self.body()
            except UnsupportedParamsError as error:
                named = [name for name in error.params if self.params.pop(name, None) is not None]
                if not named:
                    raise
                refused += named

    def body(self, other: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The body by litellm, of these parameters or of others. litellm's configs change what they are given: copies."""
        model = self.model
        params = dict(self.params if other is None else other)
        known = {name: value for name, value in params.items() if name in self.supported and name not in model.extra_params}
        own = {name: value for name, value in params.items() if name not in known}
        try:
            found = transport.calmly(lambda: self._translate(copy.deepcopy(known), copy.deepcopy(own)))
        except InsightsError:
            raise
        except Exception as error:
            raise _translated(error, model, params, self.request.messages) from None
        if other is None:
            self.flags, self.arguments, self.headers = found.flags, found.arguments, found.headers
            self.log = transport.QuietLog(found.arguments["optional_params"])
        return found.body

    def _translate(self, known: dict[str, Any], own: dict[str, Any]) -> _Translated:
        model = self.model
        options = self.config.map_openai_params(
            non_default_params=known, optional_params={}, model=model.upstream, drop_params=False, **model_options(model)
        )
        options.update(own)
        flags = {name: options.pop(name) for name in ("json_mode", "fake_stream") if name in options}
        extra = options.pop("extra_body", None) or {}
        arguments = {
            "model": model.upstream,
            "messages": copy.deepcopy(self.messages),
            "optional_params": options,
            "litellm_params": dict(self.litellm_params),
        }
        headers: dict[str, str] = {}
        return _Translated(merged(model.body(self.config, arguments, headers), extra), arguments, headers, flags)

    def vanished(self, body: dict[str, Any]) -> list[str]:
        """Parameters that left no mark on the body; a provider's own are to be put there by name, others are taken out."""
        refused = []
        whole: str | None = None
        for name in list(self.params):
            mark = (self.model.provider, self.model.litellm_model, name, _kind(name, self.params[name]))
            if mark in _arrived or self.params[name] in NEUTRAL.get(name, ()):
                continue
            whole = whole or canonical_json(body)
            if self._leaves_mark(name, whole):
                if len(_arrived) >= _MOST_ARRIVED:
                    _arrived.clear()
                _arrived.add(mark)
            elif name in OPENAI_PARAMS:
                refused.append(name)
                del self.params[name]
            else:
                self.placed[name] = self.params[name]
        return refused

    def _leaves_mark(self, name: str, whole: str) -> bool:
        """Whether the body would be another without this parameter, or with another number in its place: one that equals
        the default litellm puts there changes nothing and has arrived all the same."""
        value = self.params[name]
        others = [{n: v for n, v in self.params.items() if n != name}]
        if isinstance(value, int | float) and not isinstance(value, bool):
            others.append({**self.params, name: value - 1 if value > 1 else value / 2})
        try:
            return any(canonical_json(self.body(other)) != whole for other in others)
        except BadRequestError:
            return True  # the rest makes no sense without it


def _kind(name: str, value: Any) -> Any:
    """What values that fare alike have in common: one tool_choice may arrive where another doesn't, one seed is like any."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value == 0
    if isinstance(value, Mapping):
        return (str(value.get("type")), *sorted(value))
    if isinstance(value, list):
        return len(value) > 1
    return "" if name in _FREE_TEXT else value


def _with_betas(headers: dict[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """`headers` with the betas that litellm asks for while it writes the body."""
    found = dict(headers)
    for name, value in asked.items():
        if name.lower() == "anthropic-beta":
            betas = [*found.get(name, "").split(","), *value.split(",")]
            found[name] = ",".join(dict.fromkeys(beta.strip() for beta in betas if beta.strip()))
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text of some length in the messages."""
    if isinstance(value, str):
        yield from (value,) if len(value) > 3 else ()
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item) if name not in ("role", "type") else ()
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def model_options(model: LiteLLMChatModel) -> dict[str, Any]:
    """Further arguments that a litellm config wants for translating parameters."""
    return {name: model.given[name] for name in ("api_version",) if model.given.get(name)}


def _unsupported(names: Sequence[str], model: LiteLLMChatModel, why: str = "") -> UnsupportedParamsError:
    listed = ", ".join(names)
    error = UnsupportedParamsError(
        f"{model.provider} can't do {listed} with this model" + (f": {why}" if why else ""),
        provider=model.provider,
        model=model.upstream,
        hint=f"leave {listed} out, pass drop_params=True to drop it, or use extra_body to send it as it is",
    )
    error.params = tuple(names)
    return error


def _translated(
    error: Exception, model: LiteLLMChatModel, params: Iterable[str], messages: Sequence[Mapping[str, Any]]
) -> BadRequestError:
    """What litellm objects to, in our words: which parameter, if it says so. Its text may quote the prompt: ours doesn't."""
    text = redact(str(error), *_texts(list(messages)))
    text = re.split(r"(?i)received messages?|if you |file an issue|set `litellm", text)[0].strip()
    if transport.is_unsupported(error):
        # "doesn't support temperature=0 ... unless reasoning_effort ...": what is named after that isn't what is refused.
        blamed = set(re.findall(r"\w+", re.split(r" (?:unless|when) ", text)[0]))
        named = [name for name in params if name in blamed] or list(params)
        return _unsupported(
            named, model, text.split("To drop")[0].removeprefix("litellm.UnsupportedParamsError:").strip()[:300]
        )
    return BadRequestError(
        f"the request can't be put into {model.provider}'s form: {type(error).__name__}: {text[:300]}",
        provider=model.provider,
        model=model.upstream,
    )
