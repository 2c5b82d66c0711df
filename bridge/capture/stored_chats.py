"""What a shard's checkpoints hold, read back: chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.announcement import parse
from bridge.capture.chat import FOLLOWED, OVER, Chat
from bridge.records.checkpoint import Checkpoint, CheckpointEncoder, decode_checkpoint
from bridge.records.normalise import ChatRecorder
from bridge.records.writer_schemas import take_schemas
from bridge.transcript.entries import SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bridge.capture.batch_builder import SessionStoreSettings
    from bridge.records.checkpoint import BatchStamp
    from bridge.records.writer_schemas import WriterSchemas


def stored_checkpoints(
    records: Iterable[tuple[str, bytes]], writers: WriterSchemas
) -> tuple[Iterator[tuple[str, Checkpoint]], bool]:
    """Return the checkpoints among the records of a partition, (key, value), and whether today's schemas are there.

    Raises VerificationFailed on an unreadable one, SchemaUnknown on one whose writer's schema is not known; so does the
    iterator.
    """
    others, there = take_schemas(writers, records)
    return ((key, decode_checkpoint(writers, value)) for key, value in others), there


def stored_chat(session_id: str, stored: Checkpoint, settings: SessionStoreSettings) -> Chat:
    """Return a chat as of its checkpoint, which holds an announcement."""
    return Chat(
        Transcript(stored.transcript),
        ChatRecorder(session_id, settings.recording, stored.head, stored.transcript.epoch),
        parse(stored.announcement),
        stored.announcement,
        stored.state,
        None if stored.state == FOLLOWED else stored.observed_at,
    )


def checkpoint_of_ended(session_id: str, at: int, settings: SessionStoreSettings, stamp: BatchStamp) -> bytes:
    """Return the checkpoint of a chat of which no more is known than when it ended, in us since 1970 UTC."""
    return CheckpointEncoder(settings.recording.site).encode(
        Checkpoint(OVER, b"", TranscriptState(SessionFacts(session_id)), b"", at, stamp)
    )
