"""Error ids of refused requests. 8201, 8209 and 8210 are public (D18); the numbers of the others are assumed (ASM)."""

from __future__ import annotations

from typing import Final

from bridge.chatserver.messages import LOGGED_OUT, NO_SUCH_USER, WRONG_SECURE_KEY
from bridge.errors import PeerError

WRONG_PASSWORD: Final = 8301
NOT_ALLOWED: Final = 8302
NOT_REGISTERED: Final = 8303
UNREADABLE: Final = 8304
LIMIT_EXCEEDED: Final = 8305


class RequestRefused(PeerError):
    """The server refuses a request: the client's fault. `error_id` goes on the wire."""

    def __init__(self, error_id: int, message: str) -> None:
        """`message` is the description that goes on the wire."""
        super().__init__(message)
        self.error_id = error_id


def no_such_user() -> RequestRefused:
    """Return the refusal (8201) for a session or party that does not exist or no longer exists."""
    return RequestRefused(NO_SUCH_USER, "no such user in the session")


def logged_out() -> RequestRefused:
    """Return the refusal (8209) for a flex user whom the server logged out while the session is still open."""
    return RequestRefused(LOGGED_OUT, "user was logged out")


def wrong_secure_key() -> RequestRefused:
    """Return the refusal (8210) for a flex request whose secure key is not that of the login."""
    return RequestRefused(WRONG_SECURE_KEY, "wrong secure key")
