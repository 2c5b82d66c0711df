"""Chats that were given up a while ago, in little memory.

They may be announced again, so nothing of them is forgotten: they are packed as their checkpoint would be written, and
unpacked as it would be restored. One that was never joined takes 130 bytes instead of 10 KB, one of 30 events 1 KB. To
unpack one takes some 0.2 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from bridge.capture.chat_checkpoints import checkpoint_of
from bridge.capture.chat_table import ChatTable, TableEntry
from bridge.capture.head_packing import HeadPacking
from bridge.capture.stored_chats import stored_chat
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.checkpoint import BatchStamp
from bridge.records.checkpoint_keys import Segment
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.records.payload_framing import single_object

if TYPE_CHECKING:
    from bridge.capture.chat import Chat
    from bridge.capture.session_store_settings import SessionStoreSettings

_MODEL_BYTES: Final = 4_096
_WINDOW_BITS: Final = 15
_NO_BATCH: Final = BatchStamp(0, 0)
"""What is packed is not written: when it is, it gets the stamp of that batch."""
_Packed = tuple[list[Segment], list[tuple[str, bytes]]]
"""Which segments are on the topic, and (key, value) of what is known.

There may be a segment of a block that is open again, and in the head.
"""


class PackedChats:
    """The packed chats of a shard. A chat is either one of them or among the others."""

    def __init__(self, settings: SessionStoreSettings) -> None:
        """Begin with none."""
        self._settings = settings
        self._header = single_object(settings.recording.schemas.fingerprint(SESSION_CHECKPOINT))
        self._table = ChatTable()
        self._packing = HeadPacking(_MODEL_BYTES, _WINDOW_BITS)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._table)

    def __contains__(self, session_id: str) -> bool:
        """Tell whether this chat is one of them."""
        return session_id.encode() in self._table

    def all(self) -> list[str]:
        """Return the ids of all."""
        return [session_id.decode() for session_id, _ in self._table]

    def closed_before(self, before: int) -> list[str]:
        """Return the ids of those that were closed before a time in us since 1970 UTC."""
        return [session_id.decode() for session_id, entry in self._table if entry.at < before]

    def put(self, chat: Chat) -> None:
        """Pack a chat of which nothing is left to be written. It is not to be used any more."""
        closed_at, written = chat.closed_at or 0, chat.parts.segments()
        records = checkpoint_of(chat, closed_at, _NO_BATCH, again=True)
        values = [(key, self._header + payload) for key, payload in records if payload is not None]
        packed = self._packing.packed(msgspec.msgpack.encode((written, values)))
        self._table.put(chat.session_id.encode(), TableEntry(closed_at, packed))

    def take(self, session_id: str) -> Chat | None:
        """Take a chat out, as it would be restored; None if it is not there."""
        entry = self._table.get(key := session_id.encode())
        if entry is None:
            return None
        written, records = msgspec.msgpack.decode(self._packing.unpacked(entry.value), type=_Packed)
        _, found = read_checkpoints(self._settings.writers, records)
        chat = stored_chat(found[session_id], self._settings)
        chat.parts.also_written(written)
        self._table.drop(key)
        return chat
