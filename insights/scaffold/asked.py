"""What is asked about a new provider, and which answers can't be."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from insights.adapters.models.egress import owns
from insights.adapters.models.factory import PROVIDER_PREFIXES, ROUTER
from insights.catalog import others, schema
from insights.catalog.loader import shipped_directory
from insights.core.errors import ConfigError
from insights.core.urls import UnfitURL, fit_url, is_loopback

if TYPE_CHECKING:
    from insights.catalog.loader import Catalog

DEAREST_PER_1K: Final = Decimal(1)
"""USD. The dearest text models cost some 600 per million tokens; more is a price per million written as one per thousand."""
CONTEXT: Final = (256, 100_000_000)
"""Tokens; what context windows lie between."""
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_MODEL: Final = re.compile(r"(?![/.])(?:(?!\.\.)[!$%&()*+,./0-9:;=?@A-Z\[\]_a-z~-])+")


@dataclass(frozen=True)
class NewProvider:
    """A provider to be added. Prices are USD per 1,000 tokens, as texts, so that no digit is lost."""

    name: str
    api_base: str
    env_key: str
    model: str
    context: int
    input_per_1k: str
    output_per_1k: str
    litellm_prefix: str | None = None
    prefixes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ("streaming", "tools")
    source: str | None = None
    fallback: bool = False

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ").replace("-", " ").title()


def _wrong(option: str, message: object, hint: str | None = None) -> ConfigError:
    return ConfigError(f"{option}: {message}", hint=hint)


def check_name(name: str, catalog: Catalog, *, module: bool = True) -> str:
    """The name of a new provider.

    Args:
        module: whether a Python module is called so.

    Raises:
        ConfigError: it can't be a name, or it is taken.
    """
    if not others.NAME.fullmatch(name) or len(name) > 40:
        raise _wrong("NAME", f"{name!r} can't be a provider's name", f"it has {others.NAME_RULE}, e.g. acme")
    if module and ("-" in name or keyword.iskeyword(name)):
        raise _wrong("NAME", f"{name!r} can't be a module's name", f"write {name.replace('-', '_')}" if "-" in name else None)
    if name in others.NOT_PROVIDERS:
        raise _wrong("NAME", f"{name}.yaml is something else in the directory of providers", "choose another name")
    if ROUTER.knows(name, catalog):
        raise _wrong("NAME", f"there is a provider {name!r} already", f"insights provider show {name}")
    if f"{name}/" in PROVIDER_PREFIXES:
        raise _wrong("NAME", f"{name!r} is another name of {PROVIDER_PREFIXES[f'{name}/']}", "choose another name")
    return name


def check_base(url: str, catalog: Catalog) -> str:
    """The base URL, without a slash at its end.

    Raises:
        ConfigError: no request may go there, or the host is another provider's.
    """
    try:
        found = fit_url(url.strip())
    except UnfitURL as error:
        raise _wrong("--api-base", error, error.hint) from None
    for path in ("/chat/completions", "/completions"):
        if found.endswith(path):
            raise _wrong("--api-base", f"ends in {path}, which insights adds", f"give {found.removesuffix(path)}")
    host = (urlsplit(found).hostname or "").lower().rstrip(".")
    for name in ROUTER.names(catalog):
        config = catalog.provider(name)
        if owns(config, host) and not is_loopback(host):
            raise _wrong("--api-base", f"{host} is a host of {name}", f"a model of {name} is {name}/MODEL, without more")
    return found


def check_variable(variable: str, name: str) -> str:
    """The environment variable of the key.

    Raises:
        ConfigError: no name of a variable, or one that holds another provider's key.
    """
    example = others.variable_for(name)
    if not _VARIABLE.fullmatch(variable):  # not shown: somebody may have pasted the key itself
        raise _wrong("--env-key", "that is no name for a key's variable", f"e.g. {example}")
    problem = others.taken(variable, shipped_directory())
    if problem is not None:
        raise _wrong("--env-key", problem, f"e.g. {example}")
    return variable


def check_model(model: str) -> str:
    """The provider's own name of a model.

    Raises:
        ConfigError: it has spaces, quotes or the like.
    """
    if not _MODEL.fullmatch(model):
        raise _wrong(
            "--model", f"{model!r} is no name of a model", "without spaces and quotes, as in the provider's own documentation"
        )
    return model


def check_context(tokens: str | int) -> int:
    """The context window in tokens.

    Raises:
        ConfigError: no whole number, or one that no context window has.
    """
    try:
        found = schema.whole(str(tokens))
    except ValueError as error:
        raise _wrong("--context", error, "tokens, e.g. 128000") from None
    if not CONTEXT[0] <= found <= CONTEXT[1]:
        raise _wrong("--context", f"{found} tokens is no context window", "tokens, e.g. 128000")
    return found


def check_price(option: str, text: str) -> str:
    """A price in USD per 1,000 tokens, as it was written.

    Raises:
        ConfigError: negative, no number, with an exponent, or dearer than any.
    """
    hint = "USD per 1,000 tokens, written out, e.g. 0.0005"
    try:
        found = schema.price(text.strip())
    except ValueError as error:
        raise _wrong(option, error, hint) from None
    if found > DEAREST_PER_1K:
        raise _wrong(
            option, f"{text} USD per 1,000 tokens is dearer than any model", f"per million it would be {found / 1000:f}"
        )
    return f"{found:f}"


def check_prefix(prefix: str, catalog: Catalog, *, shipped: bool) -> str:
    """How the names of the provider's models begin.

    Args:
        shipped: whether the provider will be one of the shipped ones, among whom the longest prefix wins.

    Raises:
        ConfigError: it is another's, or would take another provider's models, or could never win.
    """
    try:
        schema.prefixes([prefix])
    except ValueError as error:
        raise _wrong("--prefix", error, "e.g. acme-") from None
    taken = {**ROUTER.own_prefixes(catalog), **{known: str(owner) for known, owner in PROVIDER_PREFIXES.items()}}
    if prefix in taken:
        raise _wrong("--prefix", f"{prefix!r} leads to {taken[prefix]}", "choose another, or none: provider/model always works")
    covering = [known for known in taken if prefix.startswith(known)]
    if covering and not shipped:
        known = max(covering, key=len)
        raise _wrong("--prefix", f"{prefix!r} begins with {known!r}, which leads to {taken[known]}", "choose another, or none")
    for known, owner in taken.items():
        if known.startswith(prefix):
            raise _wrong("--prefix", f"{prefix!r} is the beginning of {known!r}, which leads to {owner}", "choose a longer one")
    for name in ROUTER.names(catalog):
        for info in catalog.provider(name).models.values():
            for known in (info.name, *info.aliases):
                if known.startswith(prefix):
                    raise _wrong("--prefix", f"{prefix!r} would take {known} from {name}", "choose another, or none")
    return prefix


def check_litellm(name: str) -> str:
    """litellm's name of a provider whose wire is spoken. Imports litellm, which takes seconds.

    Raises:
        ConfigError: litellm knows no such provider.
    """
    from insights.adapters.models import transport

    known = transport.provider_list()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "leave it out for a host with OpenAI's API"
        raise _wrong("--litellm-prefix", f"litellm has no provider {name!r}", hint)
    if not transport.speaks_openai(name):
        hint = "write its adapter by hand, after one like it in insights/adapters/models"
        raise _wrong("--litellm-prefix", f"the wire of litellm's {name!r} isn't OpenAI's", hint)
    return name


def check_capabilities(names: tuple[str, ...]) -> tuple[str, ...]:
    """What the model can do, in the words of provider files.

    Raises:
        ConfigError: another word.
    """
    try:
        schema.capabilities(list(names))
    except ValueError as error:
        raise _wrong("--capability", error) from None
    return tuple(dict.fromkeys(names))


def check_source(source: str | None) -> str | None:
    """Where the prices are from.

    Raises:
        ConfigError: a text that would not fit on its line.
    """
    if source is not None and (not source.strip() or not source.isprintable() or '"' in source or "\\" in source):
        raise _wrong("--source", f"{source!r} can't be written on one line", "a URL, e.g. https://acme.example/pricing")
    return source


# What a person is asked where an argument is missing, in this order.
QUESTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("name", "Provider's name, e.g. acme"),
    ("api_base", "Base URL, up to /v1"),
    ("env_key", "Environment variable of the key"),
    ("model", "A model, by the provider's own name"),
    ("context", "Its context window, in tokens"),
    ("input_per_1k", "USD per 1,000 input tokens"),
    ("output_per_1k", "USD per 1,000 output tokens"),
)


def checks(catalog: Catalog, *, module: bool, name: str) -> dict[str, Callable[[Any], Any]]:
    """The check of each question's answer; `name` is the provider's, as soon as it is known."""
    return {
        "name": lambda value: check_name(value, catalog, module=module),
        "api_base": lambda value: check_base(value, catalog),
        "env_key": lambda value: check_variable(value, name),
        "model": check_model,
        "context": check_context,
        "input_per_1k": lambda value: check_price("--input-per-1k", value),
        "output_per_1k": lambda value: check_price("--output-per-1k", value),
    }
