"""What a file or a row with stored transcripts gives: a document per chat in it, and what had to be repaired."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.transcript.entries import Gap
from bridge.transcript.gap_codes import ARCHIVE_DAMAGED

if TYPE_CHECKING:
    from bridge.archive.repairs import TranscriptRepair
    from bridge.transcript.events import ChatTranscript


@dataclass(slots=True)
class StoredDocument:
    """One copy of a chat. `losses` are the events that the damage has cost, in the order of their places.

    A loss without an end stands for all that came after. `notes` are those of `ucs_xml.read`.
    """

    transcript: ChatTranscript
    notes: list[str] = field(default_factory=list)
    losses: list[Gap] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        """The chat's id."""
        return self.transcript.session_id


@dataclass(slots=True)
class ReadDocuments:
    """All that was read from one file or row; `repairs` concern the whole of it."""

    documents: list[StoredDocument]
    repairs: list[TranscriptRepair] = field(default_factory=list)


def loss(low: int | None, high: int | None) -> Gap:
    """Return the gap for events with ids from `low` to `high` that the damage has cost; None = not known."""
    return Gap(low, high, None, ARCHIVE_DAMAGED)
