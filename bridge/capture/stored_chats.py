"""What a shard's checkpoints hold, read back: chats, and stamps of the batches that wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.announcement import parse
from bridge.capture.chat import FOLLOWED, Chat
from bridge.errors import SchemaUnknown
from bridge.records.checkpoint import decode_checkpoint
from bridge.records.normalise import ChatRecorder
from bridge.records.payload_framing import unframe
from bridge.transcript.fold import Transcript

if TYPE_CHECKING:
    from bridge.capture.batch_builder import SessionStoreSettings
    from bridge.records.checkpoint import Checkpoint


def stored_checkpoint(value: bytes, settings: SessionStoreSettings, partition: int) -> Checkpoint:
    """Return the checkpoint in a value of the checkpoints topic.

    Raises SchemaUnknown on one that another schema wrote, VerificationFailed on an unreadable one.
    """
    writer_schema_id, payload = unframe(value)
    if writer_schema_id not in settings.checkpoint_schema_ids:
        raise SchemaUnknown(
            f"the checkpoint of a chat on shard {partition} was written with another schema",
            next_step="run with the schema registry and the version of the bridge that wrote it",
        )
    return decode_checkpoint(settings.recording.schemas, payload)


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
