"""Chats that were given up a while ago, in little memory.

They may be announced again, so nothing of them is forgotten: they are packed as their checkpoint would be written, and
unpacked as it would be restored. One that was never joined takes 300 bytes instead of 7 KB. To unpack one takes
some 0.2 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from bridge.announcement import Announcement, encode
from bridge.capture.chat import GIVEN_UP, Chat
from bridge.capture.chat_checkpoints import checkpoint_of
from bridge.capture.chat_table import ChatTable, TableEntry
from bridge.capture.head_packing import HeadPacking
from bridge.capture.outputs import outputs_of_new_chat
from bridge.capture.stored_chats import stored_chat
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.checkpoint import BatchStamp
from bridge.records.checkpoint_keys import Segment
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.records.payload_framing import single_object
from bridge.transcript.entries import SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from bridge.capture.session_store_settings import SessionStoreSettings

_WINDOW_BITS: Final = 15
_NO_BATCH: Final = BatchStamp(0, 0)
"""What is packed is not written: when it is, it gets the stamp of that batch."""
_Packed = tuple[list[Segment], list[str], list[tuple[str, bytes]]]
"""Which segments are on the topic, `Chat.missing_outputs`, and (key, value) of what is known.

There may be a segment of a block that is open again, and in the head.
"""


class PackedChats:
    """The packed chats of a shard. A chat is either one of them or among the others."""

    def __init__(self, settings: SessionStoreSettings) -> None:
        """Begin with none."""
        self._settings = settings
        self._header = single_object(settings.recording.schemas.fingerprint(SESSION_CHECKPOINT))
        self._table = ChatTable()
        self._packing = HeadPacking(self._encoded(_invented(settings)), _WINDOW_BITS)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._table)

    def all(self) -> list[str]:
        """Return the ids of all."""
        return [session_id.decode() for session_id, _ in self._table]

    def closed_before(self, before: int) -> list[str]:
        """Return the ids of those that were closed before a time in us since 1970 UTC."""
        return [session_id.decode() for session_id in self._table.before(before)]

    def put(self, chat: Chat) -> None:
        """Pack a chat of which nothing is left to be written. It is not to be used any more."""
        packed = self._packing.packed(self._encoded(chat))
        self._table.put(chat.session_id.encode(), TableEntry(chat.closed_at or 0, packed))

    def take(self, session_id: str) -> Chat | None:
        """Take a chat out, as it would be restored; None if it is not there."""
        entry = self._table.get(key := session_id.encode())
        if entry is None:
            return None
        packed = msgspec.msgpack.decode(self._packing.unpacked(entry.value), type=_Packed)
        written, missing_outputs, records = packed
        _, found = read_checkpoints(self._settings.writers, records)
        chat = stored_chat(found[session_id], self._settings)
        chat.parts.also_written(written)
        chat.missing_outputs = tuple(missing_outputs)
        self._table.drop(key)
        return chat

    def _encoded(self, chat: Chat) -> bytes:
        written = chat.parts.segments()
        records = checkpoint_of(chat, chat.closed_at or 0, _NO_BATCH, again=True)
        values = [(key, self._header + payload) for key, payload in records if payload is not None]
        return msgspec.msgpack.encode((written, chat.missing_outputs, values))


def _invented(settings: SessionStoreSettings) -> Chat:
    """Return a chat that nobody had, against which others are packed: of a real one, something would stay for ever."""
    name = "0000000000000000"
    told = Announcement(
        session_id=name,
        host="chatserver",
        port=4800,
        tenant="Environment",
        user_data={"FirstName": "", "LastName": "", "EmailAddress": "@", "Subject": "", "MediaType": "chat"},
    )
    facts = SessionFacts(name, tenant=told.tenant, server=told.places()[0])
    outputs = outputs_of_new_chat(name, settings.outputs)
    parts = CheckpointParts(name, settings.recording.site)
    return Chat(Transcript(TranscriptState(facts)), outputs, parts, told, encode(told), GIVEN_UP, 0)
