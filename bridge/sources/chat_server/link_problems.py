"""What ends a link, or a join on it, and is found on this side of the connection."""

from __future__ import annotations

from typing import Final

from bridge.errors import Problem
from bridge.transcript import link_codes

UNSENT_BYTES: Final = 1 << 20
"""Bytes that a peer may leave unread. The joins of a hundred chats take a fortieth of it."""

CANNOT_BE_SENT: Final = Problem(
    link_codes.CANNOT_BE_SENT, "the join does not fit into a frame: the session password is too long"
)
DOES_NOT_READ: Final = Problem(
    link_codes.UNSENT_BYTES, f"the peer does not read: more than {UNSENT_BYTES} bytes are unsent"
)
DEFECT: Final = Problem(link_codes.INTERNAL, "a defect of the bridge (see the log)")
