"""The port of the HTTP server: the `StatusView` protocol, which `bridge/status.py` implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.announcement import Announcement
    from bridge.errors import Problem


class SessionView(msgspec.Struct, frozen=True, rename="camel"):
    """One followed chat as the API shows it: no text, no nickname, no user data.

    `state` is that of the capture. `server` (host:port) is the Chat Server where the chat is joined now, None while it
    is not. `sequence` is the number of its event records, `gaps` the number of GAP records among them.
    """

    session_id: str
    shard: int
    state: str
    server: str | None
    joined: bool
    sequence: int
    last_event_id: int | None
    gaps: int


class StatusView(Protocol):
    """What the HTTP server needs of the bridge. Only `announce` does I/O."""

    def live(self) -> bool:
        """Return False when the process should be restarted by its orchestrator."""

    def readiness(self) -> list[Problem]:
        """Return why the bridge is not ready; empty when it is."""

    def warnings(self) -> list[Problem]:
        """Return what should not stay as it is, although the bridge goes on with it."""

    def sessions(self) -> Iterable[SessionView]:
        """Return the chats that this worker follows now. Each is looked at when it is taken: others may run between."""

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Write announcements; on return Kafka has acknowledged all of them. Raises AnnouncementsNotWritten."""

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
