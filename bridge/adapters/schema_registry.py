"""Client of a schema registry with the Confluent API (Confluent's own, Apicurio, Karapace, Redpanda).

Registering an existing schema returns its id. Before a subject gets its first version, its compatibility is set to
BACKWARD_TRANSITIVE, so that the registry later refuses schemas that cannot read old records.

Several URLs are those of one registry: the next one is asked when one does not answer, or answers with a server error,
and the one that answered is asked first from then on. A refusal is an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import quote

import aiohttp

from bridge.backoff import Backoff
from bridge.errors import RegistryRefused, RegistryUnavailable
from bridge.secret_files import reason_of
from bridge.waiting import uninterrupted

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from types import TracebackType

COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_ATTEMPTS: Final = 3
_SHOWN_CHARACTERS: Final = 300
_ANSWER_BYTES: Final = 4 << 20
"""Longest answer that is read; a registry may be anything that listens at the address."""
_NOT_FOUND: Final = 404
_UNKNOWN: Final = frozenset({40401, 40402, 40403})
"""Error codes of the Confluent API for an unknown subject, version or schema: any other 404 is that of a wrong URL."""
_SERVER_ERROR: Final = 500


class RegistryCredentials(Protocol):
    """How the client authenticates."""

    def header(self) -> Callable[[], str | None]:
        """Return what gives the present value of the Authorization header; None without authentication."""


class RegistryConnection(Protocol):
    """Address, time limit, credentials and TLS of a registry."""

    @property
    def urls(self) -> Sequence[str]:
        """Base URLs of the one registry, in the order of asking; empty without one."""

    @property
    def timeout_seconds(self) -> float:
        """Time limit of one request."""

    @property
    def auth(self) -> RegistryCredentials:
        """Credentials."""

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context of connections, None for a URL without https. Raises OSError."""


class SchemaRegistry:
    """A client, used as an async context manager. Every method raises RegistryUnavailable or RegistryRefused."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_seconds: float,
        authorization: Callable[[], str | None] = lambda: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing connects before the first request.

        `authorization` is asked for its header at each request; without `tls` the authorities of the system count.
        """
        self._urls = [url.rstrip("/") for url in urls]
        self._authorization = authorization
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_settings(cls, settings: RegistryConnection) -> Self:
        """Return a client. Raises RegistryRefused when no URL is configured or a file of it cannot be used."""
        if not settings.urls:
            raise RegistryRefused("no schema registry is configured", next_step="set schema_registry.url")
        try:
            authorization, tls = settings.auth.header(), settings.context()
        except (OSError, ValueError) as error:
            raise RegistryRefused(
                f"a file of schema_registry cannot be used: {reason_of(error)}",
                next_step="check the files that schema_registry.auth and schema_registry.tls name",
            ) from error
        return cls(settings.urls, timeout_seconds=settings.timeout_seconds, authorization=authorization, tls=tls)

    async def __aenter__(self) -> Self:
        """Open the HTTP session."""
        headers = {"Accept": f"{_MEDIA_TYPE}, application/json", "Content-Type": _MEDIA_TYPE}
        connector = aiohttp.TCPConnector(ssl=True if self._tls is None else self._tls)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, headers=headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the HTTP session; a cancellation is raised once its connections are closed."""
        session, self._session = self._session, None
        if session is not None:
            await uninterrupted(session.close())

    async def register(self, subject: str, schema: str) -> int:
        """Return the schema's id under `subject`; register it if necessary."""
        known = await self.registered(subject, schema)
        if known is not None:
            return known
        await self._require_compatibility(f"/config/{quote(subject, safe='')}")
        body = {"schema": schema, "schemaType": "AVRO"}
        registered = await self._request("POST", f"/subjects/{quote(subject, safe='')}/versions", body)
        return self._integer(registered, "id", subject)

    async def _require_compatibility(self, path: str) -> None:
        """Set the compatibility of a subject. Where another worker does so at this moment, Apicurio answers 409."""
        try:
            await self._request("PUT", path, {"compatibility": COMPATIBILITY})
        except RegistryRefused:
            there = await self._request("GET", path, or_none=True)
            if not isinstance(there, dict) or there.get("compatibilityLevel") != COMPATIBILITY:
                raise

    async def check(self, subject: str, schema: str) -> list[str]:
        """Return why the schema is incompatible with the newest version of `subject`; empty when it is."""
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
        answer = await self._request("POST", path, {"schema": schema, "schemaType": "AVRO"}, or_none=True)
        if answer is None or answer.get("is_compatible") is True:
            return []  # without a version everything is compatible
        messages = answer.get("messages")
        return [str(each) for each in messages] if isinstance(messages, list) and messages else ["incompatible"]

    async def registered(self, subject: str, schema: str) -> int | None:
        """Return the schema's id under `subject`; None when it is not registered there."""
        body = {"schema": schema, "schemaType": "AVRO"}
        found = await self._request("POST", f"/subjects/{quote(subject, safe='')}", body, or_none=True)
        return None if found is None else self._integer(found, "id", subject)

    async def compatibility(self, subject: str) -> str | None:
        """Return the compatibility that is required of new versions of `subject`; None when it has none of its own."""
        found = await self._request("GET", f"/config/{quote(subject, safe='')}", or_none=True)
        level = found.get("compatibilityLevel") if isinstance(found, dict) else None
        return level if isinstance(level, str) else None

    async def schema(self, schema_id: int) -> str | None:
        """Return the text of the schema with this id; None when the registry has none.

        Raises RegistryRefused when it is no Avro schema, or not self-contained.
        """
        answer = await self._request("GET", f"/schemas/ids/{schema_id}", or_none=True)
        if answer is None:
            return None
        text = answer.get("schema") if isinstance(answer, dict) else None
        if not isinstance(text, str) or answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
            raise RegistryRefused(f"{self._urls[0]} returned no self-contained Avro schema for id {schema_id}")
        return text

    def _integer(self, answer: Any, key: str, subject: str) -> int:
        value = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(value, int):
            raise RegistryRefused(f"{self._urls[0]} returned no {key} for {subject}: is it a schema registry?")
        return value

    async def _request(
        self, method: str, path: str, body: dict[str, str] | None = None, *, or_none: bool = False
    ) -> Any:
        """Send a request, at most three times to each URL, until one answers; 404 returns None if `or_none`."""
        backoff = Backoff(random.random)
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(RegistryUnavailable):
                return await self._request_once(method, path, body, or_none=or_none)
            await asyncio.sleep(backoff.next())
        return await self._request_once(method, path, body, or_none=or_none)

    async def _request_once(self, method: str, path: str, body: dict[str, str] | None, *, or_none: bool) -> Any:
        """Send a request to the URLs in turn, until one answers."""
        failures: list[RegistryUnavailable] = []
        for url in tuple(self._urls):
            try:
                answer = await self._ask(url, method, path, body, or_none=or_none)
            except RegistryUnavailable as error:
                failures.append(error)
                continue
            self._urls.sort(key=lambda each: each != url)  # stable: the others stay in their order
            return answer
        raise RegistryUnavailable("; ".join(each.message for each in failures), next_step=failures[0].next_step)

    async def _ask(self, url: str, method: str, path: str, body: dict[str, str] | None, *, or_none: bool) -> Any:
        if self._session is None:
            raise RegistryUnavailable("the registry client is not open")
        data, authorization = None if body is None else json.dumps(body), self._authorization()
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            async with self._session.request(method, url + path, data=data, headers=headers) as response:
                raw = b""
                async for part in response.content.iter_any():
                    raw += part
                    if len(raw) > _ANSWER_BYTES:
                        raise RegistryRefused(f"{url} returned more than {_ANSWER_BYTES} bytes")
                text, status = raw.decode("utf-8", "replace"), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:  # TimeoutError: the limit of the whole request
            raise RegistryUnavailable(
                f"the schema registry at {url} does not answer: {_why(error)}",
                next_step="check schema_registry.url and that the registry is running",
            ) from error
        if status == _NOT_FOUND and or_none and _error_code(text) in _UNKNOWN:
            return None
        if status >= _SERVER_ERROR:
            raise RegistryUnavailable(f"the schema registry at {url} answered {status}: {_reason(text)}")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if status == _NOT_FOUND and _error_code(text) not in _UNKNOWN:
            raise RegistryRefused(
                f"there is no schema registry at {url}: it answers {status}",
                next_step="check the path in schema_registry.url, such as /apis/ccompat/v7",
            )
        if not response.ok or answer is None:
            raise RegistryRefused(
                f"the schema registry at {url} answered {status}: {_reason(text)}",
                next_step="`chatbridge schemas check` shows what is incompatible; check the user's permissions",
            )
        return answer


def _why(error: Exception) -> str:
    """Return the cause in words, where there are any for it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return f"its certificate is not accepted ({getattr(cause, 'verify_message', type(cause).__name__)})"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name has no address"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return "it refuses the connection"
    if isinstance(error, TimeoutError):
        return "nothing within the time limit"
    return type(error).__name__


def _error_code(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value.get("error_code") if isinstance(value, dict) else None


def _reason(text: str) -> str:
    try:
        value = json.loads(text)
        text = str(value.get("message", "")) if isinstance(value, dict) else text
    except ValueError:
        pass
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
