"""What a link needs from its surroundings: bytes to messages, a way to connect, and somebody to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bridge.chatserver.decoded import Decoded, Unreadable
    from bridge.chatserver.messages import Event, Request
    from bridge.errors import Problem
    from bridge.sources.chat_server.history_turn import HistoryTurn
    from bridge.sources.chat_server.link import Link
    from bridge.transcript.updates import Update


class Wire(Protocol):
    """Bytes to messages and back, for one connection."""

    def feed(self, data: bytes) -> list[Decoded[Event] | Unreadable]:
        """Take bytes as they come; return what is complete, in order."""

    @property
    def arrived(self) -> int:
        """Bytes that have arrived of the unfinished message; 0 when there are so many that it cannot become one."""

    @property
    def long(self) -> bool:
        """Whether a message longer than a frame is arriving, and is held."""

    def close(self) -> list[Unreadable]:
        """End the stream; return what can no longer become a message and will not come again."""

    def encode(self, message: Request) -> bytes:
        """Return the bytes of a request. Raises FrameTooLong, the caller's fault."""


class Transports(Protocol):
    """Opens connections to Chat Servers (or to a gateway)."""

    async def connect(self, server: str, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connect to `server` (host:port). Raises OSError when it cannot be reached in time."""


class LinkOwner(Protocol):
    """Who is told what a link learns."""

    @property
    def history_turn(self) -> HistoryTurn:
        """Whose turn it is to hold a message longer than a frame."""

    def update_received(self, link: Link, update: Update, size: int) -> None:
        """Take an update that came from `size` bytes."""

    def registered(self, link: Link) -> None:
        """The link accepts joins."""

    def ended(self, link: Link, reason: Problem, *, refused: bool) -> None:
        """The link is gone; `refused` when it never became ready."""

    def closed(self, link: Link) -> None:
        """The connection of the link is closed; nothing comes from it any more."""

    def defect_found(self, link: Link, error: Exception) -> None:
        """A callback of the link met a defect of the bridge; `ended` follows, unless the link has ended."""
