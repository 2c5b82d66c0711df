"""Access tokens for SASL OAUTHBEARER: from a file, or from a token endpoint by client credentials (RFC 6749, 4.4)."""

from __future__ import annotations

import abc
import asyncio
import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_REQUEST_SECONDS: Final = 10.0
_USED_SHARE: Final = 0.8
"""Share of a token's life in which it is used; connections are authenticated with a later one after that."""
_ANSWER_BYTES: Final = 1 << 20
_SHOWN_CHARACTERS: Final = 60
_OK: Final = 200


class TokenUnavailable(KafkaConnectionError):  # type: ignore[misc]
    """There is no token to authenticate with: aiokafka tries again, as after a connection that failed."""


@dataclass(slots=True, frozen=True, kw_only=True)
class TokenEndpoint:
    """Where a client gets tokens. `secret` is asked at each request; without `tls` the system's authorities count."""

    url: str
    client_id: str
    secret: Callable[[], str]
    scope: str | None = None
    tls: ssl.SSLContext | None = None


class FileTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Gives the token that is in a file now; whoever wrote it replaces it in time."""

    def __init__(self, read: Callable[[], str]) -> None:
        """`read` returns the token."""
        self._read = read

    async def token(self) -> str:
        """Return the token."""
        return self._read()


class RenewedTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Gives a token that `ask` returns, asked for when there is none or most of its life is over."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds. Nothing is asked before the first token is needed."""
        self._clock = clock
        self._asking = asyncio.Lock()
        self._token = ""
        self._used_until = 0.0

    async def token(self) -> str:
        """Return a token. Raises TokenUnavailable, which says what went wrong, never a secret."""
        async with self._asking:
            if not self._token or self._clock() >= self._used_until:
                asked = self._clock()
                self._token, seconds = await self.ask()
                self._used_until = asked + _USED_SHARE * seconds
            return self._token

    @abc.abstractmethod
    async def ask(self) -> tuple[str, float]:
        """Return a new token and its seconds of life. Raises TokenUnavailable."""


class EndpointTokens(RenewedTokens):
    """Gives the tokens of an endpoint."""

    def __init__(self, endpoint: TokenEndpoint, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing connects before the first token is needed."""
        super().__init__(clock)
        self._endpoint = endpoint

    async def ask(self) -> tuple[str, float]:
        """Ask the endpoint. Raises TokenUnavailable, which names it and its error."""
        endpoint = self._endpoint
        form = {"grant_type": "client_credentials"} | ({} if endpoint.scope is None else {"scope": endpoint.scope})
        headers = {"Authorization": _authorization(endpoint.client_id, endpoint.secret())}
        connector = aiohttp.TCPConnector(ssl=True if endpoint.tls is None else endpoint.tls)
        timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.post(endpoint.url, data=form, headers=headers, allow_redirects=False) as response,
            ):
                answer, status = await response.content.read(_ANSWER_BYTES), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TokenUnavailable(f"no token from {endpoint.url}: {type(error).__name__}") from error
        return _token_in(answer, status, endpoint.url)


def _authorization(client_id: str, secret: str) -> str:
    """Return the header by which a client authenticates (RFC 6749, 2.3.1: both parts are form-encoded)."""
    return "Basic " + base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode("ascii")


def _token_in(answer: bytes, status: int, url: str) -> tuple[str, float]:
    """Return the token and its seconds of life (RFC 6749, 5.1). Raises TokenUnavailable."""
    try:
        found: Any = json.loads(answer)
    except ValueError:
        found = None
    values = found if isinstance(found, dict) else {}
    token, seconds = values.get("access_token"), values.get("expires_in", 0)
    if status != _OK or not isinstance(token, str) or not token or not isinstance(seconds, int | float):
        code = values.get("error")
        why = code[:_SHOWN_CHARACTERS] if isinstance(code, str) and code.isascii() and code.isprintable() else ""
        raise TokenUnavailable(f"no token from {url}: it answers {status} {why}".rstrip())
    return token, float(seconds)
