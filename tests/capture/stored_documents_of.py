"""Stored transcripts of the tests' chat, as the inputs that its shard gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.archive.ucs_xml import write
from bridge.capture.stored_inputs import StoredInput, StoredPlace
from bridge.capture.stored_reading import inputs_of
from bridge.capture.stored_texts import StoredText
from bridge.transcript.events import ChatTranscript
from bridge.transcript.updates import JoinRefused, LinkDown, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW
from tests.support.reasons import A_REFUSAL, A_RESET
from tests.transcript.build import CHAT, history, joined, said

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.updates import TranscriptUpdate

READ_AT = 4_000_000


def document(*events: ChatEvent, session_id: str = CHAT) -> bytes:
    """Return a stored transcript."""
    return write(ChatTranscript(session_id, "2031-03-04T10:00:00Z", chat_event_list=list(events)))


def of_text(text: bytes, *, final: bool = True, offset: int = 1, session_id: str = CHAT) -> list[StoredInput]:
    """Return what a shard gets of a document; `offset` is the next one after its records."""
    stored = StoredText(session_id, "ucs#1", text, final, READ_AT)
    return inputs_of(stored, READ_AT, StoredPlace(offset - 1), StoredPlace(offset))


def stored(*events: ChatEvent, final: bool = True, offset: int = 1, session_id: str = CHAT) -> list[StoredInput]:
    """Return what a shard gets of a document with these events."""
    return of_text(document(*events, session_id=session_id), final=final, offset=offset, session_id=session_id)


def never_announced() -> RecordedShard:
    return RecordedShard(announced=False)


def followed(*live: TranscriptUpdate) -> RecordedShard:
    shard = RecordedShard()
    shard.fold(*(live or (history(joined(1), said(2)),)))
    return shard


def away(shard: RecordedShard, verdict: Verdict = Verdict.GONE) -> None:
    shard.fold(LinkDown(CHAT, A_RESET, NOW), JoinRefused(CHAT, 0, A_REFUSAL, verdict, NOW))


def gap_of(shard: RecordedShard, code: str) -> str:
    return next(str(record["id"]) for record in shard.records() if record["gap"] and record["gap"]["code"] == code)


def fills(shard: RecordedShard) -> list[tuple[int, str | None]]:
    return [(record["eventId"], record["fills"]) for record in shard.records() if record["origin"] == "ARCHIVE"]
