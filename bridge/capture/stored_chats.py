"""What a shard's checkpoints hold, read back: chats, and which of them Kafka has forgotten in part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.announcement import parse
from bridge.capture.chat import FOLLOWED, STORED, TRANSITIONS, Chat
from bridge.capture.outputs import missing_outputs, outputs_of_stored_chat
from bridge.errors import VerificationFailed
from bridge.records.checkpoint_keys import MARKER_KEY, is_claim_key, position_name, segment_key
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.records.checkpoint_reader import read_checkpoints, read_position
from bridge.records.writer_schemas import take_schemas
from bridge.transcript.fold import Transcript

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.records.checkpoint import BatchStamp
    from bridge.records.checkpoint_reader import StoredSession
    from bridge.records.writer_schemas import WriterSchemas

_STATES: Final = {state: state for state in TRANSITIONS}
"""Each by itself: all chats share these texts."""


@dataclass(slots=True)
class StoredShard:
    """The checkpoints of a partition.

    `marker` is the stamp of the shard's marker, None when it is not there; `stamps` are those of all records that have
    one. `sessions` are whole; `over` are chats that ended a while ago: when, in us since 1970 UTC, and the value of
    their head. `incomplete` are those of which records are missing although they were committed: Kafka has forgotten a
    part of their state, and what is there of it is neither the chat's state nor no state. `keys` are those of all
    records of chats, `superfluous` those of segments whose chat has none any more. `schemas_written`: today's schemas
    are there. `positions` are those of other topics and places, by name.
    """

    marker: BatchStamp | None = None
    sessions: list[StoredSession] = field(default_factory=list)
    over: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    incomplete: list[StoredSession] = field(default_factory=list)
    keys: Collection[str] = ()
    superfluous: list[str] = field(default_factory=list)
    schemas_written: bool = False
    positions: dict[str, bytes] = field(default_factory=dict)
    stamps: list[BatchStamp] = field(default_factory=list)


def stored_shard(records: Iterable[tuple[str, bytes]], writers: WriterSchemas) -> StoredShard:
    """Sort out the records of a partition, (key, value); claims are not the shard's.

    Raises VerificationFailed on an unreadable one, SchemaUnknown on one whose writer's schema is not known.
    """
    checkpoints, schemas_written = take_schemas(writers, (one for one in records if not is_claim_key(one[0])))
    marker, found = read_checkpoints(writers, [one for one in checkpoints if position_name(one[0]) is None])
    keys = [key for key, _ in checkpoints if key != MARKER_KEY]
    shard = StoredShard(marker, keys=keys, schemas_written=schemas_written)
    for key, value in checkpoints:
        if (name := position_name(key)) is not None:
            position, stamp = read_position(writers, value)
            shard.stamps.append(stamp)
            if position is not None:
                shard.positions[name] = position
    if marker is not None:
        shard.stamps.append(marker)
    for session_id, session in found.items():
        if session.head is not None:
            shard.stamps.append(session.head.stamp)
        if session.missing:
            shard.incomplete.append(session)
        elif session.head is not None and not session.head.segments:
            shard.over[session_id] = session.head.observed_at, session.value
            shard.superfluous += [segment_key(session_id, segment) for segment in session.segments()]
        else:
            shard.sessions.append(session)
    return shard


def stored_chat(stored: StoredSession, settings: SessionStoreSettings) -> Chat:
    """Return a chat as of its checkpoint, which is whole and has segments.

    As after any checkpoint there is no `undo` behind it, and it takes no more memory than before it was stored.
    """
    head, announcement, seldom = stored.head, stored.announcement, stored.seldom
    if head is None or announcement is None or seldom is None:
        raise VerificationFailed("a checkpoint with other segments than a chat has")
    parts = CheckpointParts(stored.session_id, settings.recording.site)
    parts.restored(announcement, seldom, stored.blocks, stored.output_gaps)
    transcript = Transcript(stored.transcript())
    parts.share(transcript.seldom())
    chat = Chat(
        transcript,
        outputs_of_stored_chat(stored, head, settings.outputs),
        parts,
        parse(announcement),
        announcement,
        STORED if head.stored else _STATES.get(head.state, head.state),
        None if head.state == FOLLOWED else head.observed_at,
        missing_outputs=missing_outputs(head, settings.outputs),
    )
    chat.checkpointed(head.observed_at)
    return chat
