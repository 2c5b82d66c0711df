"""A schema registry with the Confluent API (Confluent's own, Apicurio, Karapace, Redpanda).

Registering a schema that is there already gives back its id. Before the first version of a subject its compatibility
is set to BACKWARD_TRANSITIVE, so that nobody can later register what would leave old records unreadable.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import quote

import aiohttp

from bridge.errors import RegistryRefused, RegistryUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import SecretStr

COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.5
_SHOWN_CHARACTERS: Final = 300
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500


class RegistryCredentials(Protocol):
    """Who asks."""

    @property
    def user(self) -> str | None:
        """User name, None for no authentication."""

    @property
    def password(self) -> SecretStr | None:
        """Password."""


class RegistryConnection(Protocol):
    """Where the registry is."""

    @property
    def url(self) -> str | None:
        """Base URL."""

    @property
    def timeout_seconds(self) -> float:
        """Limit of one request."""

    @property
    def auth(self) -> RegistryCredentials:
        """Who asks."""


class SchemaRegistry:
    """A client, used as an async context manager. Every method raises RegistryUnavailable or RegistryRefused."""

    def __init__(self, url: str, *, user: str | None, password: str | None, timeout_seconds: float) -> None:
        """Nothing connects before the first request."""
        self._url = url.rstrip("/")
        self._auth = aiohttp.BasicAuth(user, password or "") if user is not None else None
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_settings(cls, settings: RegistryConnection) -> Self:
        """Make a client for a registry whose URL is set."""
        if settings.url is None:
            raise RegistryRefused("no schema registry is configured", next_step="set schema_registry.url")
        password = settings.auth.password
        return cls(
            settings.url,
            user=settings.auth.user,
            password=password.get_secret_value() if password is not None else None,
            timeout_seconds=settings.timeout_seconds,
        )

    async def __aenter__(self) -> Self:
        """Open a session."""
        headers = {"Accept": f"{_MEDIA_TYPE}, application/json", "Content-Type": _MEDIA_TYPE}
        self._session = aiohttp.ClientSession(auth=self._auth, timeout=self._timeout, headers=headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def register(self, subject: str, schema: str) -> int:
        """Return the id of the schema under `subject`, registering it if it is not there."""
        body = {"schema": schema, "schemaType": "AVRO"}
        there = await self._ask("POST", f"/subjects/{quote(subject, safe='')}", body, or_none=True)
        if there is None:
            await self._ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": COMPATIBILITY})
            there = await self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", body)
        return self._integer(there, "id", subject)

    async def check(self, subject: str, schema: str) -> list[str]:
        """Return why the schema cannot follow the newest version of `subject`; nothing when it can."""
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
        answer = await self._ask("POST", path, {"schema": schema, "schemaType": "AVRO"}, or_none=True)
        if answer is None or answer.get("is_compatible") is True:
            return []  # without a version everything is compatible
        messages = answer.get("messages")
        return [str(each) for each in messages] if isinstance(messages, list) and messages else ["incompatible"]

    def _integer(self, answer: Any, key: str, subject: str) -> int:
        value = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(value, int):
            raise RegistryRefused(f"{self._url} gave no {key} for {subject}: is it a schema registry?")
        return value

    async def _ask(self, method: str, path: str, body: dict[str, str], *, or_none: bool = False) -> Any:
        """Send a request, again after a moment when the registry is away; 404 gives None if `or_none`."""
        attempt = 1
        while True:
            try:
                return await self._ask_once(method, path, body, or_none=or_none)
            except RegistryUnavailable:
                if attempt == _ATTEMPTS:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
            attempt += 1

    async def _ask_once(self, method: str, path: str, body: dict[str, str], *, or_none: bool) -> Any:
        if self._session is None:
            raise RegistryUnavailable("the registry client is not open")
        try:
            async with self._session.request(method, self._url + path, data=json.dumps(body)) as response:
                text = await response.text()
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:  # TimeoutError: the limit of the whole request
            raise RegistryUnavailable(
                f"the schema registry at {self._url} does not answer: {type(error).__name__}",
                next_step="check schema_registry.url and that the registry runs",
            ) from error
        if status == _NOT_FOUND and or_none:
            return None
        if status >= _SERVER_ERROR:
            raise RegistryUnavailable(f"the schema registry answered {status}: {_reason(text)}")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not response.ok or answer is None:
            raise RegistryRefused(
                f"the schema registry answered {status}: {_reason(text)}",
                next_step="`chatbridge schemas check` shows what is incompatible; check the rights of the user",
            )
        return answer


def _reason(text: str) -> str:
    try:
        value = json.loads(text)
        text = str(value.get("message", "")) if isinstance(value, dict) else text
    except ValueError:
        pass
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
