"""Reads the stored transcript of one chat from Universal Contact Server over HTTP, by its id.

Two interfaces: Context Services of UCS 8.5, whose answer names the URL of the transcript, and UCS 9.1, whose answer
holds it. Nothing but the configured scheme, host and port is ever asked, whatever an answer or a redirect names. What
is wrong is returned as a Problem (codes: `http_codes`), whose detail quotes nothing of what was received (P5).
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp

from bridge.backoff import Backoff
from bridge.capture.stored_texts import MAX_TEXT_BYTES, StoredText
from bridge.certificate_faults import CertificateFault, certificate_fault
from bridge.errors import Problem, UsageError
from bridge.sources.ucs.denial_limit import DenialLimit
from bridge.sources.ucs.http_answers import (
    InteractionAnswer,
    context_services_answer,
    in_utf_8,
    same_origin,
    transcript_problem,
    ucs_9_answer,
)
from bridge.sources.ucs.http_codes import (
    REPEATED,
    UCS_HTTP_DENIED,
    UCS_HTTP_FAILED,
    UCS_HTTP_NOT_FOUND,
    UCS_HTTP_REFUSED,
    UCS_HTTP_TOO_LARGE,
    UCS_HTTP_UNREACHABLE,
)
from bridge.waiting import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Interface = Literal["context_services", "ucs_9"]
_ATTEMPTS: Final = 3
_REDIRECTS: Final = 3
_ANSWER_BYTES: Final = 4 << 20
"""Longest answer that is about an interaction and does not hold its transcript."""
_ESCAPED: Final = 2
"""How much longer than a transcript the JSON that holds it may be."""
_OK, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 200, 404, 429, 500
_REDIRECTIONS: Final = frozenset((301, 302, 303, 307, 308))
_DENIED: Final = frozenset((401, 403))


class UcsHttpConnection(Protocol):
    """Address, interface, limits, credentials and TLS of UCS over HTTP."""

    @property
    def url(self) -> str | None:
        """URL of the service; None if there is none."""

    @property
    def interface(self) -> Interface:
        """Which of the two interfaces it is."""

    @property
    def timeout_seconds(self) -> float:
        """Time limit of one request."""

    @property
    def largest_text_bytes(self) -> int:
        """Longest transcript that is read."""

    @property
    def archive(self) -> bool:
        """Whether UCS 9.1 is also asked for its archive."""

    def authorization(self) -> Callable[[], str | None]:
        """Return what gives the present value of the Authorization header. Raises OSError, ValueError."""

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context of connections, None without https. Raises OSError."""


@dataclass(slots=True, frozen=True)
class _Received:
    body: bytes
    charset: str | None


class UcsHttp:
    """A client, used as an async context manager. Any number of calls may run at the same time."""

    def __init__(  # noqa: PLR0913 - each is one setting
        self,
        url: str,
        interface: Interface,
        *,
        authorization: Callable[[], str | None] = lambda: None,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = 30.0,
        largest_text_bytes: int = MAX_TEXT_BYTES,
        archive: bool = False,
    ) -> None:
        """Nothing connects before the first request.

        `url` is that of the service, with the path before `/interactions` or `/ucs/v1` if there is one. `authorization`
        returns the present value of that header, None without. Without `tls` the authorities of the system count.
        `timeout_seconds` is the limit of one request. `archive`: UCS 9.1 is also asked for its archive, about what its
        main data do not have.

        Raises UsageError for a URL that is none, has no host, or holds a user.
        """
        self._base = _checked(url)
        self._interface = interface
        self._authorization = authorization
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._largest = largest_text_bytes
        self._sources = ("Main", "Archive") if archive and interface == "ucs_9" else ("Main",)
        self._session: aiohttp.ClientSession | None = None
        self._limit = DenialLimit()
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    def from_settings(cls, settings: UcsHttpConnection) -> Self | None:
        """Return a client; None if no URL is configured. Raises UsageError when it, or a file, cannot be used."""
        if settings.url is None:
            return None
        try:
            authorization, tls = settings.authorization(), settings.context()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"a file of sources.ucs.http cannot be used: {type(error).__name__}",
                next_step="check sources.ucs.http.password_file and sources.ucs.http.tls",
            ) from None
        return cls(
            settings.url,
            settings.interface,
            authorization=authorization,
            tls=tls,
            timeout_seconds=settings.timeout_seconds,
            largest_text_bytes=settings.largest_text_bytes,
            archive=settings.archive,
        )

    async def __aenter__(self) -> Self:
        """Open the HTTP session."""
        self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the HTTP session; a cancellation is raised once its connections are closed."""
        session, self._session = self._session, None
        if session is not None:
            await uninterrupted(session.close())

    async def transcript(self, session_id: str) -> StoredText | Problem:
        """Return the stored transcript of a chat, `final` if UCS says that the interaction is stopped.

        What may pass is asked again, three times in all with a growing pause.
        """
        found: StoredText | Problem = Problem(UCS_HTTP_NOT_FOUND, "no id of an interaction")
        if session_id in {"", ".", ".."}:
            return found
        for source in self._sources:
            found = await self._repeated(session_id, source)
            if isinstance(found, StoredText) or found.code != UCS_HTTP_NOT_FOUND:
                break
        return found

    async def _repeated(self, session_id: str, source: str) -> StoredText | Problem:
        backoff = Backoff(random.random)
        found = await self._once(session_id, source)
        for _ in range(_ATTEMPTS - 1):
            if isinstance(found, StoredText) or found.code not in REPEATED:
                break
            await asyncio.sleep(backoff.next())
            found = await self._once(session_id, source)
        return found

    async def _once(self, session_id: str, source: str) -> StoredText | Problem:
        asked, limit = self._question(session_id, source)
        received = await self._get(asked, limit)
        if isinstance(received, Problem):
            return received
        if self._interface == "ucs_9":
            answer = ucs_9_answer(session_id, received.body)
        else:
            answer = context_services_answer(session_id, received.body, asked)
        if isinstance(answer, Problem):
            return answer
        text = await self._text(answer)
        if isinstance(text, Problem):
            return text
        return StoredText(session_id, f"{self._base}#{session_id}", text, answer.stopped, time.time_ns() // 1000)

    def _question(self, session_id: str, source: str) -> tuple[str, int]:
        """Return the URL that is asked about an interaction, and the most bytes that its answer may have."""
        if self._interface == "ucs_9":
            query = urlencode({"InteractionId": session_id, "DataSource": source})
            return f"{self._base}/ucs/v1/OMInteractions/GetInteractionContent?{query}", _ESCAPED * self._largest
        return f"{self._base}/interactions/{quote(session_id, safe='')}", _ANSWER_BYTES

    async def _text(self, answer: InteractionAnswer) -> bytes | Problem:
        """Return the transcript that an answer holds, or to which it refers."""
        text = answer.text
        if text is None:
            document = await self._get(answer.link or "", self._largest)
            if isinstance(document, Problem):
                return document
            text = in_utf_8(document.body, document.charset)
        if len(text) > self._largest:
            return _too_large(self._largest)
        return transcript_problem(text) or text

    async def _get(self, url: str, limit: int) -> _Received | Problem:
        """Ask for one resource; one request at a time unless the credentials are known to be accepted."""
        if not self._limit.is_accepted:
            async with self._one_at_a_time:
                if not self._limit.is_accepted:  # else another request was accepted meanwhile
                    return await self._followed(url, limit)
        return await self._followed(url, limit)

    async def _followed(self, url: str, limit: int) -> _Received | Problem:
        for _ in range(_REDIRECTS + 1):
            wait = self._limit.wait(time.monotonic())
            if wait:
                return Problem(UCS_HTTP_DENIED, f"refused too often; nothing is asked for another {wait:.0f} s")
            found = await self._asked(url, limit)
            if not isinstance(found, str):
                return found
            target = same_origin(url, found)
            if isinstance(target, Problem):
                return target
            url = target
        return Problem(UCS_HTTP_REFUSED, f"more than {_REDIRECTS} redirects")

    async def _asked(self, url: str, limit: int) -> _Received | Problem | str:
        """Send one request; return what came, what is wrong, or the address to which it is redirected."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        try:
            authorization = self._authorization()
        except (OSError, ValueError) as error:
            return Problem(UCS_HTTP_DENIED, f"the file of the password cannot be read: {type(error).__name__}")
        headers = {} if authorization is None else {"Authorization": authorization}
        tls = True if self._tls is None else self._tls
        get = self._session.get(url, headers=headers, allow_redirects=False, ssl=tls)
        try:
            async with get as response:
                return await self._received(response, limit)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Problem(UCS_HTTP_UNREACHABLE, _why(error))

    async def _received(self, response: aiohttp.ClientResponse, limit: int) -> _Received | Problem | str:
        status = response.status
        if status in _DENIED:
            self._limit.denied(time.monotonic())
            return Problem(UCS_HTTP_DENIED, f"UCS answered {status}")
        if status == _OK:
            self._limit.accepted()
            return await _read(response, limit)
        location = response.headers.get("Location")
        if status in _REDIRECTIONS and location is not None:
            return location
        return _status_problem(status)


def _status_problem(status: int) -> Problem:
    if status == _NOT_FOUND:
        return Problem(UCS_HTTP_NOT_FOUND, "UCS answered 404")
    code = UCS_HTTP_FAILED if status == _TOO_MANY or status >= _SERVER_ERROR else UCS_HTTP_REFUSED
    return Problem(code, f"UCS answered {status}")


async def _read(response: aiohttp.ClientResponse, limit: int) -> _Received | Problem:
    """Read a body, and no more of it than is taken."""
    if response.content_length is not None and response.content_length > limit:
        return _too_large(limit)
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > limit:
            return _too_large(limit)
    return _Received(bytes(body), response.charset)


def _too_large(limit: int) -> Problem:
    return Problem(UCS_HTTP_TOO_LARGE, f"more than {limit} bytes")


def _checked(url: str) -> str:
    """Return the URL without a slash at its end. Raises UsageError."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname is not None and parts.port != 0
        plain = not parts.query and not parts.fragment and parts.username is None and parts.password is None
    except ValueError:
        usable = plain = False
    if usable and plain:
        return url.rstrip("/")
    raise UsageError(
        "the URL of UCS over HTTP cannot be used",
        next_step="give it as http://host:port or https://host:port, with a path if there is one, and without a user",
    )


def _why(error: Exception) -> str:
    """Return the cause in words, where there are any for it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        fault = certificate_fault(found) if isinstance(found, ssl.SSLCertVerificationError) else CertificateFault.OTHER
        return f"its certificate is not accepted: {fault.value}"
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLError):
        return f"it refuses TLS: {getattr(cause, 'reason', None) or type(cause).__name__}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name has no address"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return "it refuses the connection"
    if isinstance(error, TimeoutError):
        return "nothing within the time limit"
    return type(error).__name__
