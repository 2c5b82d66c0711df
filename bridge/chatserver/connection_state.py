r"""The states of a basic connection and of a chat on it, as tables: a transition that is not listed does not exist.

    connection:  OPENING -> REGISTERING -> READY -> CLOSED

    chat:        NOT_JOINED -> JOINING -> JOINED -> ENDED
                     ^         |     \      |         |
                     | refused |      leave |         |
                     +---------+         \  v         |
                                          LEFT        |
                                           |          |
                                           +----------+--> JOINING (joined again)

A chat that is LEFT may still be pushed to us until the server has processed the release: what arrives is dropped. A
chat that has ENDED (the server said that it is over) may have events left to come, one by one and each marked Over:
they are passed on. A chat that is NOT_JOINED has no business on the connection: what arrives is reported as unexpected.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, TypeVar

from bridge.errors import IllegalTransition


class ConnectionState(Enum):
    """Life of a connection."""

    OPENING = auto()
    REGISTERING = auto()
    READY = auto()
    CLOSED = auto()


class ConnectionInput(Enum):
    """What moves a connection. FAILED: refused, timed out, or silent for too long."""

    TRANSPORT_OPENED = auto()
    REGISTERED = auto()
    FAILED = auto()
    TRANSPORT_CLOSED = auto()


class ChatState(Enum):
    """Membership of one chat on a connection."""

    NOT_JOINED = auto()
    JOINING = auto()
    JOINED = auto()
    LEFT = auto()
    ENDED = auto()


class ChatInput(Enum):
    """What moves a chat. SNAPSHOT is the answer to its join; REFUSED covers an error and a join that cannot be sent."""

    JOIN = auto()
    SNAPSHOT = auto()
    REFUSED = auto()
    LEAVE = auto()
    OVER = auto()


CONNECTION_TRANSITIONS: Final = {
    ConnectionState.OPENING: {
        ConnectionInput.TRANSPORT_OPENED: ConnectionState.REGISTERING,
        ConnectionInput.TRANSPORT_CLOSED: ConnectionState.CLOSED,
    },
    ConnectionState.REGISTERING: {
        ConnectionInput.REGISTERED: ConnectionState.READY,
        ConnectionInput.FAILED: ConnectionState.CLOSED,
        ConnectionInput.TRANSPORT_CLOSED: ConnectionState.CLOSED,
    },
    ConnectionState.READY: {
        ConnectionInput.FAILED: ConnectionState.CLOSED,
        ConnectionInput.TRANSPORT_CLOSED: ConnectionState.CLOSED,
    },
    ConnectionState.CLOSED: {
        ConnectionInput.TRANSPORT_CLOSED: ConnectionState.CLOSED,
    },
}
CHAT_TRANSITIONS: Final = {
    ChatState.NOT_JOINED: {ChatInput.JOIN: ChatState.JOINING},
    ChatState.JOINING: {
        ChatInput.SNAPSHOT: ChatState.JOINED,
        ChatInput.REFUSED: ChatState.NOT_JOINED,
        ChatInput.LEAVE: ChatState.LEFT,
    },
    ChatState.JOINED: {ChatInput.LEAVE: ChatState.LEFT, ChatInput.OVER: ChatState.ENDED},
    ChatState.LEFT: {ChatInput.JOIN: ChatState.JOINING},
    ChatState.ENDED: {ChatInput.JOIN: ChatState.JOINING},
}

S = TypeVar("S", bound=Enum)
I = TypeVar("I", bound=Enum)  # noqa: E741 - the input, beside the state


def next_state(table: dict[S, dict[I, S]], state: S, given: I) -> S:
    """Return the state that follows. Raises IllegalTransition, the caller's fault."""
    try:
        return table[state][given]
    except KeyError:
        raise IllegalTransition(f"{given.name} in state {state.name}") from None
