"""The result of decoding one line: a message, or unreadable bytes."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from bridge.chatserver.messages import UnknownMessage
from bridge.errors import Problem
from bridge.transcript.updates import Damaged, WaitingEvents

M = TypeVar("M")


class Decoded(msgspec.Struct, Generic[M], frozen=True):
    """One readable message, those of its events that could not be read, and its length in bytes.

    Of a long message, the readable events are in `waiting`, and not in the message.
    """

    message: M | UnknownMessage
    damaged: tuple[Damaged, ...] = ()
    size: int = 0
    waiting: WaitingEvents | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A line that is no message. `raw` is the line, or its beginning if it is too long; `length` its size in bytes.

    The detail of `reason` names the place and the problem, never a value. `raw` is what the peer sent: it may hold
    secrets. `session_hint` is the chat that the line seems to be about.
    """

    raw: bytes
    reason: Problem
    length: int
    session_hint: str | None = None
