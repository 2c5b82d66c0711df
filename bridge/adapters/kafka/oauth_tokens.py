"""Access tokens for SASL OAUTHBEARER: from a file, or asked for in time."""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable

_USED_SHARE: Final = 0.8
"""Share of a token's life in which it is used; connections are authenticated with a later one after that."""


class TokenUnavailable(KafkaConnectionError):  # type: ignore[misc]
    """There is no token to authenticate with: aiokafka tries again, as after a connection that failed."""


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
