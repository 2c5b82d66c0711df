"""Access tokens for SASL OAUTHBEARER from a token endpoint, by client credentials (RFC 6749, 4.4)."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import aiohttp

from bridge.adapters.kafka.oauth_tokens import RenewedTokens, TokenUnavailable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_REQUEST_SECONDS: Final = 10.0
_ANSWER_BYTES: Final = 1 << 20
_SHOWN_CHARACTERS: Final = 60
_OK: Final = 200


@dataclass(slots=True, frozen=True, kw_only=True)
class TokenEndpoint:
    """Where a client gets tokens. `secret` is asked at each request; without `tls` the system's authorities count."""

    url: str
    client_id: str
    secret: Callable[[], str]
    scope: str | None = None
    tls: ssl.SSLContext | None = None


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
