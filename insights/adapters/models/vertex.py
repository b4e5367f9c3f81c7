"""Google's Vertex AI: Gemini's wire under a project and a location, or in express mode with an API key alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from insights.adapters.models.egress import Endpoint, owns
from insights.adapters.models.gemini import GeminiAdapter
from insights.core.effects import Blocking, FlowGenerator, WireCall
from insights.core.errors import AuthenticationError, ConfigError, MissingKeyError

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_credentials: dict[str, tuple[Any, str | None]] = {}


class VertexAdapter(GeminiAdapter):
    """`vertex_project`, `vertex_location`, `vertex_credentials` as in litellm, also as VERTEX_PROJECT and so on."""

    litellm_provider = "vertex_ai"
    extra_params = ()  # litellm translates here what it doesn't for the Gemini API
    options = ("vertex_project", "vertex_location", "vertex_credentials")

    def _option(self, name: str, *variables: str) -> str | None:
        if self.given.get(name):
            return str(self.given[name])
        return next((value for v in (name.upper(), *variables) if (value := self._settings.variable(v))), None)

    @property
    def _project(self) -> str | None:
        return self._option("vertex_project", "VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT")

    @property
    def _location(self) -> str:
        return self._option("vertex_location", "VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION") or "global"

    @property
    def place(self) -> Mapping[str, Any]:
        return {"vertex_project": self._project, "vertex_location": self._location}

    def default_base(self) -> str:
        base = super().default_base()
        if self._project and self._location != "global" and base == self.config.api_base:
            return f"https://{self._location}-aiplatform.googleapis.com"
        return base

    @property
    def key_required(self) -> bool:
        # Where Google's own libraries would look for credentials.
        own = Path.home() / ".config" / "gcloud" / "application_default_credentials.json"
        return not (
            self.given.get("vertex_credentials") or self._settings.variable("GOOGLE_APPLICATION_CREDENTIALS") or own.exists()
        )

    def url(self, base: str, stream: bool) -> str:
        place = f"projects/{quote(self._project, safe='')}/locations/{quote(self._location, safe='')}/" if self._project else ""
        return super().url(f"{base}/v1/{place}publishers/google", stream)

    def headers(self, config: Any, where: Endpoint, arguments: dict[str, Any]) -> dict[str, str]:
        if where.key and where.key.get_secret_value().startswith("ya29."):  # an OAuth token, not an API key
            return where.bearer
        return super().headers(config, where, arguments)

    def authorize(self, call: WireCall, where: Endpoint) -> FlowGenerator[WireCall]:
        if where.key is not None or self.key_required:
            return call
        if not owns(self.config, where.host) and not self.given.get("vertex_credentials"):
            raise MissingKeyError(
                f"Google credentials are not sent to {where.host}", provider=self.provider, hint="pass api_key="
            )
        source = self._option("vertex_credentials", "GOOGLE_APPLICATION_CREDENTIALS") or ""
        token = yield Blocking(lambda: _token(source))
        if not self._project:
            raise ConfigError(
                "vertex needs a project with these credentials", hint="set VERTEX_PROJECT or pass vertex_project="
            )
        call.headers["Authorization"] = f"Bearer {token}"
        return call


def _token(source: str) -> str:
    """A fresh OAuth token by google-auth, from a credentials file or Google's default credentials."""
    try:
        import google.auth
        import google.auth.transport.requests
    except ImportError:
        raise ConfigError(
            "Vertex AI with Google credentials needs google-auth", hint="pip install 'insights-llm[vertex]'"
        ) from None
    try:
        if source not in _credentials:
            if source and os.path.exists(source):
                _credentials[source] = google.auth.load_credentials_from_file(source, scopes=_SCOPES)  # type: ignore[no-untyped-call]
            else:
                _credentials[source] = google.auth.default(scopes=_SCOPES)
        credentials = _credentials[source][0]
        if not credentials.valid:
            credentials.refresh(google.auth.transport.requests.Request())
        return str(credentials.token)
    except google.auth.exceptions.GoogleAuthError as error:
        raise AuthenticationError(f"Google credentials can't be used: {type(error).__name__}", provider="vertex") from None
