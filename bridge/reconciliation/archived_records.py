"""The records that the stored copies of a chat give: those of live capture, with origin ARCHIVE."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.archive.merging import merged
from bridge.chatserver.versions import HIGHEST
from bridge.errors import Problem
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.normalise import ChatRecorder
from bridge.transcript.entries import ARCHIVE, SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.archive.stored_documents import StoredDocument
    from bridge.records.normalise import Recording
    from bridge.transcript.entries import Entry


def archived_records(
    session_id: str, copies: Sequence[StoredDocument], recording: Recording, at: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Return decoded TranscriptEvents, and when the chat started, in ms since 1970 UTC; None: that is not known.

    `copies` are one or more; what the damage of all of them has cost are GAPs. `at`: when they were read, us since 1970
    UTC. Raises PeerError and AttributesTooDeep for a chat that cannot be expressed as records.
    """
    told = merged(copies, at, HIGHEST)
    start_at = next(update.transcript.start_at for update in told if isinstance(update, TranscriptUpdate))
    facts = SessionFacts(session_id, start_at=parse_start_at(start_at))
    fold = Transcript(TranscriptState(facts))
    entries: list[Entry] = []
    for part in told:
        if isinstance(part, TranscriptUpdate):
            entries += fold.apply(part, origin=ARCHIVE)
        else:
            gap = fold.gone(Problem(part.code, ""), at, part.from_event_id, part.to_event_id)
            gap.origin = ARCHIVE
            entries.append(gap)
    facts = replace(fold.facts, server=None, client_version=None)  # a stored transcript holds neither
    recorder = ChatRecorder(session_id, recording)
    payloads = [recorder.event_record(entry, facts) for entry in entries]
    return [recording.schemas.decode(TRANSCRIPT_EVENT, payload) for payload in payloads], facts.start_at
