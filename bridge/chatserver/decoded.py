"""What a wire makes of one line: a message, or bytes that are none."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from bridge.chatserver.messages import UnknownMessage
from bridge.transcript.updates import Damaged

M = TypeVar("M")


class Decoded(msgspec.Struct, Generic[M], frozen=True):
    """One readable message: what it says, which of its events could not be read, its length in bytes."""

    message: M | UnknownMessage
    damaged: tuple[Damaged, ...] = ()
    size: int = 0


class Unreadable(msgspec.Struct, frozen=True):
    """A line that is no message. `raw` is it, or the beginning of one too long; `length` is all of it, in bytes.

    `reason` names where and what, never a value. `raw` is what the peer sent: it may hold secrets. `session_hint` is
    the chat that it seems to speak of.
    """

    raw: bytes
    reason: str
    length: int
    session_hint: str | None = None
