"""What a full inbox stops, and what goes on when there is room again (P6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.facts import InboxPaused, InboxResumed

if TYPE_CHECKING:
    from bridge.capture.ports import Source
    from bridge.capture.stored_door import StoredDoor
    from bridge.telemetry import Telemetry


class InboxGate:
    """Before the inbox of one shard. Stored transcripts have a gate of their own behind it (`stored_share.py`)."""

    def __init__(self, partition: int, source: Source, stored: StoredDoor, telemetry: Telemetry) -> None:
        """Both are open."""
        self._partition = partition
        self._source = source
        self._stored = stored
        self._telemetry = telemetry
        self._shut = self._stored_shut = self._stored_paused = False

    def shut(self) -> None:
        """Read nothing more."""
        self._telemetry.emit(InboxPaused(shard=self._partition))
        self._source.pause()
        self._shut = True
        self._tell_stored()

    def open(self) -> None:
        """Go on reading."""
        self._telemetry.emit(InboxResumed(shard=self._partition))
        self._source.resume()
        self._shut = False
        self._tell_stored()

    def shut_stored(self) -> None:
        """Read no more stored transcripts; live updates go on."""
        self._stored_shut = True
        self._tell_stored()

    def open_stored(self) -> None:
        """Go on reading stored transcripts, unless nothing at all is to be read."""
        self._stored_shut = False
        self._tell_stored()

    def _tell_stored(self) -> None:
        paused = self._shut or self._stored_shut
        if paused != self._stored_paused:
            self._stored_paused = paused
            if paused:
                self._stored.pause()
            else:
                self._stored.resume()
