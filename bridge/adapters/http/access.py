"""Who may do what over HTTP: bearer tokens, each with its rights."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

Token = Callable[[], str]
"""Returns the token that is valid now: the files of tokens are read again."""


class HttpRight(Enum):
    """What a request needs."""

    READ = auto()
    ANNOUNCE = auto()
    METRICS = auto()
    ADMINISTER = auto()


ALL: Final = frozenset(HttpRight)


@dataclass(slots=True, frozen=True, kw_only=True)
class AccessTokens:
    """The tokens of one server, None where there is none. `admin` gives every right, the others one each.

    With `open_metrics` the metrics need no token.
    """

    admin: Token | None = None
    read: Token | None = None
    announce: Token | None = None
    metrics: Token | None = None
    open_metrics: bool = False

    @property
    def any(self) -> bool:
        """Whether there is any token: without one, only a server on loopback is open."""
        return bool(self._all())

    def rights_of(self, given: str) -> frozenset[HttpRight]:
        """Return the rights that a token gives; none for one that is wrong. Takes the same time for any wrong token."""
        offered = given.encode("utf-8", "surrogateescape")
        found: frozenset[HttpRight] = frozenset()
        for token, rights in self._all():
            if hmac.compare_digest(offered, token().encode()):
                found |= rights
        return found

    def _all(self) -> list[tuple[Token, frozenset[HttpRight]]]:
        tokens = (
            (self.admin, ALL),
            (self.read, frozenset({HttpRight.READ})),
            (self.announce, frozenset({HttpRight.ANNOUNCE})),
            (self.metrics, frozenset({HttpRight.METRICS})),
        )
        return [(token, rights) for token, rights in tokens if token is not None]


def bearer_token(header: str | None) -> str | None:
    """Return the token in an Authorization header; None without one, or with another scheme."""
    scheme, _, given = (header or "").partition(" ")
    return given.strip() or None if scheme.lower() == "bearer" else None
