"""Settings: keys, directories and defaults, and where each comes from.

Precedence: an argument of the call, then what was given to `Settings(...)`, then the environment, then the `.env` file
*if one was named*, then the default. The environment is read at each use, so that `os.environ["OPENAI_API_KEY"] = ...`
in a notebook cell works at once. Nothing is read from the current directory unless it is named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from insights.core.errors import BadRequestError, ConfigError
from insights.core.redact import SecretStr, secret

if TYPE_CHECKING:
    from decimal import Decimal

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})

DEFAULT_TIMEOUT: Final = 600.0  # seconds; the default of OpenAI's and Anthropic's own SDKs
DEFAULT_NUM_RETRIES: Final = 2  # the same two SDKs
MOST: Final = 2.0**62  # of any setting that is a number; beyond, SQLite and the system's clocks give up
DEFAULT_CACHE_SIZE: Final = 2**30  # bytes; diskcache's default too


@lru_cache(maxsize=8)
def _env_file(path: str, modified: float) -> dict[str, str]:
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def _read_env_file(path: str) -> dict[str, str]:
    try:
        return _env_file(path, Path(path).stat().st_mtime)
    except OSError as error:
        raise ConfigError(
            f"the .env file can't be read: {error.strerror}", file=path, hint="correct env_file / INSIGHTS_ENV_FILE"
        ) from None


@dataclass(frozen=True, init=False)
class Settings:
    """Everything that can be set, immutable.

    Args:
        env_file: a `.env` file to read what the environment doesn't have (`INSIGHTS_ENV_FILE`).
        config_dir: a directory whose `providers/*.yaml` come before the shipped ones (`INSIGHTS_CONFIG_DIR`).
        cache: whether answers are cached, default True (`INSIGHTS_CACHE=0` turns it off); also "refresh" (ask again, keep the
            new answer) and "only" (never ask).
        cache_dir: where (`INSIGHTS_CACHE_DIR`; default: the user's cache directory).
        cache_ttl: seconds that an answer serves (`INSIGHTS_CACHE_TTL`; default: for ever).
        cache_namespace: a text that keeps these answers apart from others' (`INSIGHTS_CACHE_NAMESPACE`).
        cache_size_limit: bytes on disk; beyond, the answers stored first go first (`INSIGHTS_CACHE_SIZE_LIMIT`; default 1 GiB).
        timeout: seconds for a whole call, retries and fallbacks included (`INSIGHTS_TIMEOUT`; default 600).
        num_retries: retries per candidate after the first attempt (`INSIGHTS_NUM_RETRIES`; default 2).
        drop_params: drop what a provider can't do, instead of an error (`INSIGHTS_DROP_PARAMS`; default False).
        attempt_timeout: seconds for one attempt (`INSIGHTS_ATTEMPT_TIMEOUT`; default: what `timeout` leaves).
        stream_idle_timeout: seconds without a new piece of a stream (`INSIGHTS_STREAM_IDLE_TIMEOUT`; default: likewise).
        breaker: whether a model whose attempts fail isn't asked for a while, default True (`INSIGHTS_BREAKER=0`).
        ledger: whether what is spent is written down, next to the cache, default True (`INSIGHTS_LEDGER=0`).
        budget_per_run: USD that this process may spend (`INSIGHTS_BUDGET_PER_RUN`; default: no limit).
        budget_per_day: USD that all processes with this cache directory may spend in a day, UTC (`INSIGHTS_BUDGET_PER_DAY`).
        **keys: `{PROVIDER}_API_KEY=...` for any provider; wins over the environment.

    `settings.OPENAI_API_KEY` and its like give a `SecretStr`, or None when the key isn't set.

    Raises:
        ConfigError: a name that doesn't exist, or a value that can't be read.

    >>> Settings(OPENAI_API_KEY="sk-123456789").OPENAI_API_KEY
    SecretStr('**********')
    """

    _given: dict[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def __init__(
        self,
        *,
        env_file: str | os.PathLike[str] | None = None,
        config_dir: str | os.PathLike[str] | None = None,
        cache: bool | Literal["refresh", "only"] | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_ttl: float | None = None,
        cache_namespace: str | None = None,
        cache_size_limit: int | None = None,
        timeout: float | None = None,
        num_retries: int | None = None,
        drop_params: bool | None = None,
        attempt_timeout: float | None = None,
        stream_idle_timeout: float | None = None,
        breaker: bool | None = None,
        ledger: bool | None = None,
        budget_per_run: float | None = None,
        budget_per_day: float | None = None,
        **keys: str | SecretStr | None,
    ) -> None:
        given: dict[str, Any] = {
            "env_file": env_file,
            "config_dir": config_dir,
            "cache": cache,
            "cache_dir": cache_dir,
            "cache_ttl": cache_ttl,
            "cache_namespace": cache_namespace,
            "cache_size_limit": cache_size_limit,
            "timeout": timeout,
            "num_retries": num_retries,
            "drop_params": drop_params,
            "attempt_timeout": attempt_timeout,
            "stream_idle_timeout": stream_idle_timeout,
            "breaker": breaker,
            "ledger": ledger,
            "budget_per_run": budget_per_run,
            "budget_per_day": budget_per_day,
        }
        for name, value in keys.items():
            if not name.isupper() or not name.endswith(("_API_KEY", "_TOKEN", "_BEDROCK")):
                raise ConfigError(
                    f"Settings has no {name!r}", hint="settings are " + ", ".join(given) + " and {PROVIDER}_API_KEY"
                )
            try:
                given[name] = secret(value)
            except BadRequestError:
                raise ConfigError(f"{name} must be a text, got {type(value).__name__}") from None
        for name in ("env_file", "config_dir", "cache_dir"):
            if not isinstance(given[name], str | os.PathLike | None):
                raise ConfigError(f"{name} must be a path, got {type(given[name]).__name__}")
        object.__setattr__(self, "_given", {name: value for name, value in given.items() if value is not None})
        for name in self._given:
            if not name.isupper() and name not in ("env_file", "config_dir"):
                getattr(self, name)  # what can't be is said here, not at the first call

    def __repr__(self) -> str:
        return "Settings(" + ", ".join(f"{name}={value!r}" for name, value in self._given.items()) + ")"

    def variable(self, name: str) -> str | None:
        """An environment variable, or the same name in the named `.env` file; blank counts as not set."""
        value = os.environ.get(name, "").strip()
        if not value and name != "INSIGHTS_ENV_FILE" and self.env_file is not None:
            value = _read_env_file(str(self.env_file)).get(name, "").strip()
        return value or None

    def key(self, *names: str) -> SecretStr | None:
        """The first of these key settings that is set, e.g. `key("GEMINI_API_KEY", "GOOGLE_API_KEY")`."""
        for name in names:
            found: SecretStr | None = self._given.get(name) or secret(self.variable(name))
            if found:
                return found
        return None

    def __getattr__(self, name: str) -> SecretStr | None:
        # Any provider's key, without a line here for each: a provider is one file, one row, one YAML.
        if name.isupper() and not name.startswith("_"):
            return self.key(name)
        raise AttributeError(f"Settings has no {name!r}")

    @property
    def env_file(self) -> Path | None:
        """The `.env` file that was named, or None."""
        named = self._given.get("env_file") or os.environ.get("INSIGHTS_ENV_FILE", "").strip()
        return _path(named, "env_file") if named else None

    @property
    def config_dir(self) -> Path | None:
        """The directory of the user's own configuration, or None."""
        named = self._given.get("config_dir") or self.variable("INSIGHTS_CONFIG_DIR")
        return _path(named, "config_dir") if named else None

    @property
    def cache(self) -> bool | Literal["refresh", "only"]:
        """What happens with the cache when the call doesn't say."""
        named = self._given.get("cache", self.variable("INSIGHTS_CACHE"))
        if isinstance(named, str) and named.lower() in ("refresh", "only"):
            return "refresh" if named.lower() == "refresh" else "only"
        return self._flag("cache", default=True, also="refresh or only")

    @property
    def cache_ttl(self) -> float | None:
        """Seconds that an answer serves; None for ever."""
        return self._number("cache_ttl", 0, above=0.0) or None

    @property
    def cache_namespace(self) -> str:
        """Whose answers these are."""
        return str(self._given.get("cache_namespace") or self.variable("INSIGHTS_CACHE_NAMESPACE") or "")

    @property
    def cache_size_limit(self) -> int:
        """Bytes on disk."""
        return int(self._number("cache_size_limit", DEFAULT_CACHE_SIZE, above=0, whole=True))

    @property
    def cache_dir(self) -> Path:
        """Where answers are cached."""
        named = self._given.get("cache_dir") or self.variable("INSIGHTS_CACHE_DIR")
        if named:
            return _path(named, "cache_dir")
        from platformdirs import user_cache_path

        return user_cache_path("insights-llm", appauthor=False)

    @property
    def timeout(self) -> float:
        """Seconds for a whole call."""
        return self._number("timeout", DEFAULT_TIMEOUT, above=0.0)

    @property
    def timeout_given(self) -> bool:
        """Whether a timeout was set here or in the environment, so that a provider's own default doesn't apply."""
        return "timeout" in self._given or self.variable("INSIGHTS_TIMEOUT") is not None

    @property
    def num_retries(self) -> int:
        """Retries per candidate after the first attempt."""
        return int(self._number("num_retries", DEFAULT_NUM_RETRIES, above=-1, whole=True))

    @property
    def drop_params(self) -> bool:
        """Whether parameters a provider can't do are dropped."""
        return self._flag("drop_params", default=False)

    @property
    def attempt_timeout(self) -> float | None:
        """Seconds for one attempt; None for what `timeout` leaves."""
        return self._number("attempt_timeout", 0, above=0.0) or None

    @property
    def stream_idle_timeout(self) -> float | None:
        """Seconds without a new piece of a stream; None for what `timeout` leaves."""
        return self._number("stream_idle_timeout", 0, above=0.0) or None

    @property
    def breaker(self) -> bool:
        """Whether a model whose attempts fail isn't asked for a while."""
        return self._flag("breaker", default=True)

    @property
    def ledger(self) -> bool:
        """Whether what is spent is written down."""
        return self._flag("ledger", default=True)

    @property
    def budget_per_run(self) -> Decimal | None:
        """USD that this process may spend; None for no limit."""
        return self._usd("budget_per_run")

    @property
    def budget_per_day(self) -> Decimal | None:
        """USD that may be spent in a day, by all processes with this cache directory; None for no limit."""
        return self._usd("budget_per_day")

    def _usd(self, name: str) -> Decimal | None:
        value = self._given.get(name, self.variable(variable := f"INSIGHTS_{name.upper()}"))
        if value is None:
            return None
        from decimal import Decimal, InvalidOperation

        try:
            found = Decimal(str(value))
        except InvalidOperation:
            found = Decimal(-1)
        if isinstance(value, bool) or not found.is_finite() or found < 0:
            raise ConfigError(f"{name}={value!r} is no amount of USD", hint=f"correct {name} / {variable}, e.g. 2.00")
        return found

    def _flag(self, name: str, *, default: bool, also: str = "") -> bool:
        if self._given.get(name) in (True, False):
            return bool(self._given[name])
        variable = f"INSIGHTS_{name.upper()}"
        text = str(self._given.get(name) or self.variable(variable) or "").lower()
        if text and text not in _TRUE | _FALSE:
            others = f", nor {also}" if also else ""
            given = f"{name}={self._given[name]!r}" if name in self._given else f"{variable}={text!r}"
            raise ConfigError(
                f"{given} is neither yes nor no{others}",
                hint=f"Settings({name}=...) or {variable} takes 1, 0{', ' + also.replace(' or ', ', ') if also else ''}",
            )
        return text in _TRUE if text else default

    def _number(self, name: str, default: float, *, above: float, whole: bool = False) -> float:
        value = self._given.get(name, self.variable(variable := f"INSIGHTS_{name.upper()}"))
        if value is None:
            return default
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = above
        if not above < number <= MOST or (whole and number % 1):
            kind = "a whole number" if whole else "a number"
            raise ConfigError(f"{name}={value!r} is not {kind} above {above:g}", hint=f"correct {name} / {variable}")
        return number


def _path(named: str | os.PathLike[str], name: str) -> Path:
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{name}={str(named)!r}: {error}", hint="write the path in full") from None


settings: Final = Settings()
"""The settings of the environment; what isn't given otherwise is read from here."""
