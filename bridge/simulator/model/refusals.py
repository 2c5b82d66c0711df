"""Why a request is refused. 8201, 8209 and 8210 are public (D18); the others have no public number, so ours are ASM."""

from __future__ import annotations

from typing import Final

from bridge.chatserver.messages import LOGGED_OUT, NO_SUCH_USER, WRONG_SECURE_KEY
from bridge.errors import PeerError

WRONG_PASSWORD: Final = 8301
NOT_ALLOWED: Final = 8302
NOT_REGISTERED: Final = 8303
UNREADABLE: Final = 8304
LIMIT_EXCEEDED: Final = 8305


class Refused(PeerError):
    """The server says no to a request; `error_id` goes on the wire."""

    def __init__(self, error_id: int, message: str) -> None:
        """Keep the number beside the words."""
        super().__init__(message)
        self.error_id = error_id


def no_such_user() -> Refused:
    """Return the answer to whoever speaks of a session or a party that does not exist (any longer)."""
    return Refused(NO_SUCH_USER, "no such user in the session")


def logged_out() -> Refused:
    """Return the answer to a flex user that the server logged out while the session went on."""
    return Refused(LOGGED_OUT, "user was logged out")


def wrong_secure_key() -> Refused:
    """Return the answer to a flex request with another key than the login gave."""
    return Refused(WRONG_SECURE_KEY, "wrong secure key")
