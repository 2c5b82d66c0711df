"""The records that the stored copies of a chat give: those of live capture, with origin ARCHIVE."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.archive.merging import merged
from bridge.chatserver.versions import HIGHEST
from bridge.errors import Problem
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.later_texts import texts_of
from bridge.records.message_texts import MESSAGE_TEXT
from bridge.records.normalise import ChatRecorder
from bridge.transcript.entries import ARCHIVE, SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.archive.stored_documents import StoredDocument
    from bridge.records.normalise import Recording
    from bridge.transcript.entries import Entry


def archived_records(
    session_id: str,
    copies: Sequence[StoredDocument],
    recording: Recording,
    at: int,
    captured: Iterable[dict[str, Any]] = (),
) -> tuple[list[dict[str, Any]], int | None]:
    """Return decoded TranscriptEvents, and when the chat started, in ms since 1970 UTC; None: that is not known.

    `copies` are one or more; what the damage of all of them has cost are GAPs. `at`: when they were read, us since 1970
    UTC. Parts of a number over several messages that waited for the last one are redacted where they are in `captured`,
    the records of the chat on the topics. Raises PeerError and AttributesTooDeep for a chat that cannot be expressed as
    records.
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
    records = _recorded(ChatRecorder(session_id, recording), entries, facts, recording)
    redacted = {_message(one) for one in captured if any(done["field"] == MESSAGE_TEXT for done in one["redactions"])}
    if redacted and recording.redactor.split_rules:
        recorder = ChatRecorder(session_id, recording)
        recorder.later = texts_of(entry.event for entry in entries if entry.event is not None)
        others = _recorded(recorder, entries, facts, recording)
        records = [other if _message(other) in redacted else one for one, other in zip(records, others, strict=True)]
    return records, facts.start_at


def _recorded(
    recorder: ChatRecorder, entries: Iterable[Entry], facts: SessionFacts, recording: Recording
) -> list[dict[str, Any]]:
    payloads = [recorder.event_record(entry, facts) for entry in entries]
    return [recording.schemas.decode(TRANSCRIPT_EVENT, payload) for payload in payloads]


def _message(record: dict[str, Any]) -> tuple[int | None, str | None]:
    """Return the id of an event, and the text of its message."""
    return record["eventId"], record["message"] and record["message"]["text"]
