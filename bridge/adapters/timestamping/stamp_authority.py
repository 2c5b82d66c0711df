"""Asks a time stamping authority over HTTP (RFC 3161, 3.4). What it answers is checked before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp

from bridge.adapters.timestamping.stamp_checks import LARGEST_REPLY
from bridge.errors import StampInvalid, StampUnavailable, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.adapters.timestamping.stamp_checks import StampChecks

_REQUEST_TYPE: Final = "application/timestamp-query"
_OK: Final = 200
_MOST_APART_US: Final = 300_000_000
"""How far the time of a stamp may lie from the worker's clock: one of the two is wrong by then."""


class StampAuthority:
    """A `Stamper` that asks one URL, over a connection of its own for each request."""

    def __init__(self, url: str, checks: StampChecks, now_us: Callable[[], int], timeout_seconds: float) -> None:
        """`now_us` gives us since 1970 UTC. Nothing connects yet."""
        self._url = url
        self._checks = checks
        self._now_us = now_us
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def stamp(self, stamped: bytes) -> bytes:
        """Return a checked reply. Raises StampUnavailable or StampInvalid."""
        request = self._checks.request(stamped)
        reply = await self._ask(request.der)
        try:
            at = self._checks(reply, stamped, request.nonce)
        except VerificationFailed as error:
            raise StampInvalid(f"{self._url} answered with {error.message}") from error
        apart = abs(at - self._now_us())
        if apart > _MOST_APART_US:
            raise StampInvalid(f"the time of {self._url} lies {apart // 1_000_000} s from the worker's clock")
        return reply

    async def _ask(self, request: bytes) -> bytes:
        headers = {"Content-Type": _REQUEST_TYPE}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._url, data=request, headers=headers, allow_redirects=False) as response,
            ):
                if response.status != _OK:
                    raise StampUnavailable(f"{self._url} answered {response.status}")
                reply = bytearray()
                async for part in response.content.iter_any():
                    reply += part
                    if len(reply) > LARGEST_REPLY:
                        raise StampInvalid(f"{self._url} answered with more than {LARGEST_REPLY} bytes")
                return bytes(reply)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise StampUnavailable(f"{self._url} does not answer: {type(error).__name__}") from error
