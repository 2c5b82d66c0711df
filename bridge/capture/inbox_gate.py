"""What a full inbox stops, and what goes on when there is room again (P6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.facts import InboxPaused, InboxResumed

if TYPE_CHECKING:
    from bridge.capture.ports import Source
    from bridge.capture.stored_door import StoredDoor
    from bridge.telemetry import Telemetry


class InboxGate:
    """Before the inbox of one shard."""

    def __init__(self, partition: int, source: Source, stored: StoredDoor, telemetry: Telemetry) -> None:
        """It is open."""
        self._partition = partition
        self._source = source
        self._stored = stored
        self._telemetry = telemetry

    def shut(self) -> None:
        """Read nothing more."""
        self._telemetry.emit(InboxPaused(shard=self._partition))
        self._source.pause()
        self._stored.pause()

    def open(self) -> None:
        """Go on reading."""
        self._telemetry.emit(InboxResumed(shard=self._partition))
        self._source.resume()
        self._stored.resume()
