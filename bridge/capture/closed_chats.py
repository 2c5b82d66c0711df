"""Chats that ended a while ago: what is remembered of them until they expire.

Of each only the head of its checkpoint is kept, as it is stored: the ranges of its ids and of its gaps, its place in
the chain, its counts. That is enough to fold in what comes late: an id that is known is a duplicate, whatever its
content, and any other is published where the chain ended. What is gone: the parties, the fingerprints, the numbers of
amendments, the announcement.

There may be 100,000 of them and more: each takes some 0.15 KB, as the heads are compressed (`head_packing.py`) and lie
behind one another (`chat_table.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.announcement import Announcement
from bridge.capture.chat import OVER, Chat
from bridge.capture.chat_table import ChatTable, TableEntry
from bridge.capture.head_packing import HeadPacking
from bridge.capture.outputs import outputs_of_stored_chat
from bridge.errors import VerificationFailed
from bridge.records.checkpoint_keys import head_key
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.transcript.entries import SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.capture.session_store_settings import SessionStoreSettings


class ClosedChats:
    """The closed chats of a shard."""

    def __init__(self, settings: SessionStoreSettings) -> None:
        """Begin with none."""
        self._settings = settings
        self._heads = ChatTable()
        self._packing = HeadPacking()

    def __contains__(self, session_id: str) -> bool:
        """Tell whether this chat is one of them."""
        return session_id.encode() in self._heads

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Yield the id of each, and the value of its record."""
        return ((session_id.decode(), self._packing.unpacked(entry.value)) for session_id, entry in self._heads)

    def restored(self, heads: Mapping[str, tuple[int, bytes]]) -> None:
        """Take over what `StoredShard.over` has."""
        self._heads = ChatTable()
        for session_id, (closed_at, head) in heads.items():
            self.put(session_id, closed_at, head)

    def put(self, session_id: str, closed_at: int, head: bytes) -> None:
        """Add a chat. `closed_at` in us since 1970 UTC; `head` is the value of its record, with the payload header."""
        self._heads.put(session_id.encode(), TableEntry(closed_at, self._packing.packed(head)))

    def expired(self, before: int) -> list[str]:
        """Take out the chats that were closed before a time in us since 1970 UTC; return their ids."""
        return [session_id.decode() for session_id in self._heads.drop_before(before)]

    def take(self, session_id: str) -> Chat | None:
        """Take a chat out, to fold something into it. None: nothing can be folded into it, or it is not there."""
        chat = self.chat(session_id)
        if chat is None or not chat.addressable:
            return None
        self.drop(session_id)
        return chat

    def drop(self, session_id: str) -> None:
        """Forget a chat, if it is there."""
        self._heads.drop(session_id.encode())

    def take_others(self, header: bytes, room: int) -> list[Chat]:
        """Take out the chats whose record another version wrote, or is too large now.

        `header` is the payload header of this version, `room` the largest value in bytes after it.
        """
        most = len(header) + room
        others = [session_id for session_id, head in self if not head.startswith(header) or len(head) > most]
        chats = [chat for chat in map(self.chat, others) if chat is not None]
        for session_id in others:
            self.drop(session_id)
        return chats

    def chat(self, session_id: str) -> Chat | None:
        """Return one of the chats as it is remembered, None if it is not there."""
        entry = self._heads.get(session_id.encode())
        if entry is None:
            return None
        value = self._packing.unpacked(entry.value)
        _, found = read_checkpoints(self._settings.writers, [(head_key(session_id), value)])
        stored = found[session_id]
        if stored.head is None:
            raise VerificationFailed("a checkpoint of a chat that ended, without its head")
        head = stored.head
        state = TranscriptState(SessionFacts(session_id), head.sequence, epoch=head.epoch)
        if stored.remembered is not None:
            state = stored.transcript()
        # Nobody follows a chat that is over, so it does not matter where it was.
        told = Announcement(session_id=session_id, host="forgotten", port=1)
        return Chat(
            Transcript(state),
            outputs_of_stored_chat(stored, head, self._settings.outputs),
            CheckpointParts(session_id, self._settings.recording.site),
            told,
            b"",
            OVER,
            entry.at,
            whole=False,
            addressable=stored.remembered is not None,
        )
