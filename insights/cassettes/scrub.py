"""What of a request and a response may stand in a file: no key, no cookie, nothing that says whose account it was.

A request's headers aren't recorded at all, and of a response's only those named here. Credentials are taken out of URLs, and
of those fields of a request's body that are for credentials; a key in the prompt is not ours to change, so `refuse` sees that
nothing is written then. From responses keys and ids of accounts are taken out wherever they stand, without moving the places
where a stream was cut into pieces.
"""

from __future__ import annotations

import base64
import bisect
import contextlib
import itertools
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from insights.cache.key import is_credential
from insights.core.effects import Recorded, WireCall
from insights.core.redact import MASK, key_spans

# What a replay needs of a response's head. Everything else may name accounts, sessions or machines.
KEPT_HEADERS: Final = ("content-type", "retry-after", "retry-after-ms", "x-request-id", "request-id", "x-should-retry")

_SHORTEST: Final = 8  # characters; what is shorter ("EMPTY", "ollama") is no key, and stands in every other text
_WORDS: Final = 16  # characters; what is shorter and made of plain words ("test-key", "PLACEHOLDER") is none either
_PLAIN: Final = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+)(?:[-_](?:[A-Z]?[a-z]+|[A-Z]+))*")

# Fields of a body, and parameters of a query, that hold a credential and nothing else.
_CREDENTIAL_FIELDS: Final = frozenset(
    """apikey xapikey authorization accesstoken refreshtoken idtoken clientsecret secretkey secretaccesskey sessiontoken
    awsaccesskeyid awssecretaccesskey awssessiontoken privatekey password bearertoken authtoken""".split()
)
_QUERY_CREDENTIALS: Final = _CREDENTIAL_FIELDS | frozenset(
    "key token signature sig xamzsignature xamzcredential xamzsecuritytoken secret credential auth".split()
)
# What is said in a request, at its top: a credential in there is part of the prompt, and not ours to change.
SAID: Final = frozenset(
    """messages contents content input system instructions systemInstruction system_instruction tools prompt toolConfig
    functions""".split()
)
# Fields of an error, or at the top of an answer, that say whose account it is.
_ACCOUNT_FIELDS: Final = frozenset(
    """organization organizationid orgid orgname accountid userid creatoruserid projectid teamid tenantid subscriptionid
    account consumer containerinfo""".split()
)

# Ids of accounts by their shape, wherever they stand: OpenAI's organisations, projects and users; AWS's in an ARN.
_ACCOUNTS: Final = re.compile(r"\b(?:org|proj|user)[-_](?=[a-z]*[A-Z0-9])[A-Za-z0-9]{16,}\b|\borg-[a-z]{20,}\b", re.ASCII)
_ARN: Final = re.compile(r"(?i)arn(?::|%3A)aws[\w-]*(?::|%3A)[\w-]*(?::|%3A)[\w-]*(?::|%3A)(\d{12})(?!\d)")
# And in the text of an error, where no model speaks: UUIDs, addresses, Google's projects.
_ACCOUNTS_IN_ERRORS: Final = re.compile(
    r"""\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b
    | [A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}
    | (?<=project\ )[a-z0-9:.-]+ | (?<=-role/)[^/\s"'\\]+ | (?<![0-9.])[0-9]{12}(?!\.?[0-9])
    | (?<=projects/)[^/\s"'\\]+ | (?<=accounts/)[^/\s"'\\]+""",
    re.VERBOSE | re.ASCII,
)
_AZURE: Final = re.compile(r"(?i)^[a-z0-9-]+(?=\.(?:openai|services\.ai|models\.ai|cognitiveservices)\.azure\.(?:com|us|cn)$)")
_PROJECT: Final = re.compile(r"(?<=/projects/)[^/]+")
_KEY_VARIABLE: Final = re.compile(r".*_API_KEY|AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|BEARER_TOKEN_.*)|HF_TOKEN")
_SECRET_VARIABLE: Final = re.compile(r".*(?:_KEY|_TOKEN|_SECRET|_PASSWORD)")
_RANDOM: Final = re.compile(r"(?=.*\d)(?=.*[A-Za-z])\S{16,}")  # no word and no number that turns up elsewhere
_FIELD: Final = re.compile(r'"([A-Za-z_-]+)"\s*:\s*"((?:[^"\\]|\\.)*)"')


def is_credential_field(name: str) -> bool:
    """Whether a field of a body is for a credential, by its name."""
    return _letters(name) in _CREDENTIAL_FIELDS


def public_name(model: str) -> str:
    """A model's name without whose account it is in.

    >>> public_name("arn:aws:bedrock:us-east-1:123456789012:inference-profile/x")
    'arn:aws:bedrock:us-east-1:000000000000:inference-profile/x'
    """
    for match in reversed(list(_ARN.finditer(model))):
        model = model[: match.start(1)] + "0" * 12 + model[match.end(1) :]
    return model


def public_url(url: str) -> str:
    """A URL without credentials, and with examples in place of whose resource, project or account it is.

    >>> public_url("https://mine.openai.azure.com/openai/x?api-version=1&api-key=abc")
    'https://example.openai.azure.com/openai/x?api-version=1'
    """
    parts = urlsplit(url)
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if _letters(name) not in _QUERY_CREDENTIALS
    ]
    name, colon, port = parts.netloc.rpartition("@")[2].partition(":")
    host = _AZURE.sub("example", name) + colon + port
    path = public_name(_PROJECT.sub("example-project", parts.path))
    return urlunsplit((parts.scheme, host, path, urlencode(query) if parts.query else "", ""))


def public_body(body: bytes) -> bytes:
    """A request's body with asterisks for what its fields for credentials hold."""
    try:
        data = json.loads(body)
        masked = _masked(data, SAID)
        return body if masked == data else json.dumps(masked, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # no JSON, or deeper than these walks go
        return body


def _masked(value: Any, kept: Collection[str] = ()) -> Any:
    if isinstance(value, Mapping):
        return {
            name: item if name in kept else MASK if isinstance(item, str) and is_credential_field(name) else _masked(item)
            for name, item in value.items()
        }
    return [_masked(item) for item in value] if isinstance(value, list) else value


def secrets_of(call: WireCall) -> set[str]:
    """What a request carries that must not be in a file: its key, and what its headers and its URL have of the kind."""
    found = set() if call.secret is None else {call.secret.get_secret_value()}
    found |= {value.removeprefix("Bearer ") for name, value in call.headers.items() if is_credential(name)}
    query = parse_qsl(urlsplit(call.url).query)
    found |= {value for name, value in query if _letters(name) in _QUERY_CREDENTIALS}
    with contextlib.suppress(ValueError, RecursionError):
        data = json.loads(call.content)
        if isinstance(data, Mapping):
            found |= set(_held({name: value for name, value in data.items() if name not in SAID}))
    return found


def _held(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, str) and is_credential_field(name):
                yield item.removeprefix("Bearer ")
            else:
                yield from _held(item)
    elif isinstance(value, list):
        for item in value:
            yield from _held(item)


def secrets_of_environment() -> set[str]:
    """Every key this process has been given in its environment, whoever's it is."""
    found = set()
    for name, value in os.environ.items():
        text, spelled = value.strip(), name.upper()
        if _KEY_VARIABLE.fullmatch(spelled) or (_SECRET_VARIABLE.fullmatch(spelled) and _RANDOM.fullmatch(text)):
            found.add(text)
    return found


class Scrubber:
    """Takes out what must not be written, and says whether something is left.

    Args:
        secrets: known keys, whatever their shape; short words are left out, they are none.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted(filter(_is_secret, set(secrets)), key=len, reverse=True)
        forms = {form for each in self._secrets for form in _forms(each)}
        self._known = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None

    def response(self, response: Recorded, asked: bytes = b"") -> Recorded:
        """A response as it may be written: its allowed headers, and a body without keys and accounts.

        Ids of accounts that stand in the request too (`asked`) are the caller's own words: they stay, or what he says next,
        quoting the answer, would be another request.
        """
        failed = response.status >= 300
        headers: dict[str, str] = {name: self.text(response.headers[name]) for name in KEPT_HEADERS if name in response.headers}
        return replace(response, headers=headers, pieces=self._pieces(response.pieces, asked, failed=failed))

    def text(self, text: str, *, failed: bool = False) -> str:
        """A text with asterisks for keys and ids of accounts."""
        return _replaced(text, self._spans(text, failed=failed))[0]

    def leaks(self, *texts: str) -> bool:
        """Whether a key is in one of these texts: a known one, or something in the shape of one."""
        return any(key_spans(text) or self.knows(text) for text in texts)

    def what_leaks(self, *texts: str) -> str:
        """What kind of key is in one of these texts, for a person to find it; empty where there is none."""
        for text in texts:
            if self.knows(text):
                return "a key of this call or of this environment"
            for start, end in key_spans(text):
                return f"something in the shape of a key ({text[start : min(start + 4, end)]}..., {end - start} characters)"
        return ""

    def knows(self, text: str) -> bool:
        """Whether a known key is in a text."""
        return self._known is not None and self._known.search(text) is not None

    def leaks_in_data(self, body: bytes) -> bool:
        """Whether a key is in a body once it is decoded: behind escapes, or cut up over the events of a stream."""
        places: dict[str, list[str]] = {}
        with contextlib.suppress(RecursionError):
            for data in _documents(body):
                for place, leaf in _leaves(data):
                    places.setdefault(place, []).append(leaf)
        # Each by itself, and put together with what stands at the same place of a stream's other events.
        return self.leaks(*(leaf for leaves in places.values() for leaf in leaves), *map("".join, places.values()))

    def hidden(self, body: bytes) -> str:
        """What kind of key is in a body once it is decoded; empty where there is none."""
        return "a key, behind escapes or cut up over a stream's events" if self.leaks_in_data(body) else ""

    def _spans(self, text: str, *, failed: bool) -> list[tuple[int, int]]:
        found = key_spans(text)
        patterns = [_ACCOUNTS, *([_ACCOUNTS_IN_ERRORS] if failed else []), *([self._known] if self._known else [])]
        found += [match.span() for pattern in patterns for match in pattern.finditer(text)]
        found += [match.span(1) for match in _ARN.finditer(text)]
        found += _account_values(text, failed=failed)
        return sorted(found)

    def _is_theirs(self, word: str, said: str) -> bool:
        return word in said and not self.leaks(word)

    def _pieces(self, pieces: Sequence[bytes], asked: bytes, *, failed: bool) -> list[bytes]:
        """The pieces of a body without keys and accounts, cut where they were cut."""
        whole = b"".join(pieces)
        text = whole.decode("latin-1")  # one character a byte, so that places stay places
        said = asked.decode("latin-1")
        spans = [span for span in self._spans(text, failed=failed) if failed or not self._is_theirs(text[slice(*span)], said)]
        if not spans:
            return list(pieces)
        if not is_text(whole):
            return list(pieces)  # a binary frame has checksums; what is left in it is refused
        clean, moved = _replaced(text, spans)
        data = clean.encode("latin-1")
        cuts, place = [0], 0
        for piece in pieces:
            place += len(piece)
            cuts.append(moved(place))
        return [data[start:end] for start, end in itertools.pairwise(cuts)]


def _account_values(text: str, *, failed: bool) -> list[tuple[int, int]]:
    """The values of JSON fields that say whose account it is: anywhere in an error, at the top of an answer."""
    named = [match for match in _FIELD.finditer(text) if _letters(match[1]) in _ACCOUNT_FIELDS]
    if named and not failed:
        top = {name for data in _documents(text.encode("latin-1")) if isinstance(data, dict) for name in data}
        named = [match for match in named if match[1] in top]
    return [match.span(2) for match in named]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _documents(body: bytes) -> Iterator[Any]:
    """The JSON in a body: all of it, that of each line of an event stream, or that in its binary frames."""
    text = body.decode("utf-8", "replace")
    if not is_text(body):
        place = -1
        while (place := text.find("{", place + 1)) >= 0:
            try:
                document, place = json.JSONDecoder().raw_decode(text, place)
            except (ValueError, RecursionError):
                continue
            yield document
            place -= 1
        return
    try:
        yield json.loads(text)
        return
    except (ValueError, RecursionError):
        pass
    for line in text.splitlines():
        try:
            yield json.loads(line.removeprefix("data:"))
        except (ValueError, RecursionError):
            continue


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """All texts in JSON data, names of fields too, and where each stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield f"{place}.", name
            yield from _leaves(item, f"{place}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{place}[]")


def _is_secret(text: str) -> bool:
    return len(text) >= _SHORTEST and (len(text) >= _WORDS or _PLAIN.fullmatch(text) is None)


def _forms(secret: str) -> Iterator[str]:
    """The ways a secret may stand in a text."""
    plain = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield plain.decode("latin-1")
    yield quote(secret, safe="", errors="replace")
    yield json.dumps(secret)[1:-1]
    yield secret.replace("/", "\\/")
    for before in range(3):  # in base64, wherever in a group of three bytes it begins
        coded = base64.b64encode(b"\0" * before + plain).decode()
        yield coded[-(-8 * before // 6) : 8 * (before + len(plain)) // 6]


def _replaced(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, Any]:
    """`text` with asterisks for the spans, and where a place in it has gone."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif start < end:
            merged.append((start, end))
    parts, last, starts, ends, shifts = [], 0, [], [], [0]
    for start, end in merged:
        parts += [text[last:start], MASK]
        starts.append(start)
        ends.append(end)
        shifts.append(shifts[-1] + len(MASK) - (end - start))
        last = end
    parts.append(text[last:])

    def moved(place: int) -> int:
        passed = bisect.bisect_right(ends, place)
        if passed < len(starts) and starts[passed] < place:  # inside of what was replaced: it stays whole before the cut
            return ends[passed] + shifts[passed + 1]
        return place + shifts[passed]

    return "".join(parts), moved


def is_text(data: bytes) -> bool:
    """Whether bytes are a text in UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
