"""The part of the fold that takes stored transcripts: what only they have is published, and gaps are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.transcript.entries import ARCHIVE
from bridge.transcript.fingerprints import STORED_GROUPS

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry, Gap
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.fingerprints import CarriedGroups
    from bridge.transcript.holes import Holes
    from bridge.transcript.ranges import IdRanges
    from bridge.transcript.state import SlowMemory
    from bridge.transcript.stored_updates import StoredUpdate


class StoredFold:
    """A base of the fold, which has what is declared here."""

    __slots__ = ("_carried", "_delivered", "_holes", "_memory")

    _carried: CarriedGroups
    _delivered: IdRanges
    _holes: Holes
    _memory: SlowMemory

    def _fold(self, events: list[ChatEvent], missed: list[Gap], origin: str, at: int) -> list[Entry]:
        raise NotImplementedError

    @property
    def archived(self) -> bool:
        """Whether the last stored transcript of the chat was folded in."""
        return self._memory.archived

    def apply_stored(self, stored: StoredUpdate) -> list[Entry]:
        """Fold a stored transcript, or a part of one, in; return what is new, in order, each naming the GAP it fills.

        With the last one, what it should hold is there or was never stored: the gaps that it covers are closed.
        """
        memory, holes, carried = self._memory, self._holes, self._carried
        memory.take(stored.update)
        ended = holes.open_ended()
        covered = holes.covered(stored, self._delivered) if stored.final else []
        missed = holes.damaged(stored.losses, self._delivered, again=memory.archived) if stored.final else []
        self._carried = STORED_GROUPS
        try:
            out = self._fold(stored.events, missed, ARCHIVE, stored.update.observed_at)
        finally:
            self._carried = carried
        holes.name_filled(out, ended)
        for entry in out:
            entry.origin = ARCHIVE
        if stored.final:
            holes.close(covered, stored.reach)
            memory.archived = True
            memory.changes += 1
        return out
