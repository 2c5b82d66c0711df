"""What becomes of chats after their end: remembered as a whole, less of them, packed, forgotten.

Of a chat that is over, less is remembered after a time. One that was given up may be announced again, after days: only
the latest of them are at hand, and others are packed (`packed_chats.py`) until something concerns them. All are
forgotten when their checkpoint expires.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from bridge.capture.chat import FOLLOWED, OPEN, STORED
from bridge.capture.chat_checkpoints import checkpoint_keys
from bridge.capture.chat_facts import ChatFailed
from bridge.capture.inbox import chats_of
from bridge.capture.packed_chats import PackedChats
from bridge.capture.remembered_chats import RememberedChats
from bridge.errors import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat import Chat
    from bridge.capture.closed_chats import ClosedChats
    from bridge.capture.inbox import Input
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.stored_folding import StoredFolding

_HOUSEKEEPING_US: Final = 30_000_000
_PACKED_AT_ONCE: Final = 16
"""Chats that are packed before a batch is folded: it waits that long, some milliseconds."""


class ChatRetention:
    """Keeps the chats of one store as long and as small as they are needed."""

    def __init__(
        self, settings: SessionStoreSettings, chats: dict[str, Chat], closed: ClosedChats, stored: StoredFolding
    ) -> None:
        """All but the settings are the store's own, which it goes on changing."""
        self._settings = settings
        self._chats = chats
        self._closed = closed
        self._stored = stored
        self._expire_at = 0
        self.remembered = RememberedChats(settings.stored, settings.given_up_chats)
        self.packed = PackedChats(settings)
        self._encoded: OrderedDict[str, None] = OrderedDict()

    def restore(self) -> None:
        """Take over the chats that the store was filled with."""
        self.remembered.restore(chat for chat in self._chats.values() if chat.state not in OPEN)

    def changed(self, chat: Chat) -> None:
        """Take note that a chat was closed or opened, of which all is remembered."""
        if chat.state in OPEN:
            self.remembered.drop(chat.session_id)
        else:
            self.remembered.put(chat)

    def recorded(self, touched: Mapping[str, Chat]) -> None:
        """Take note of the chats that may have had records in a batch.

        What is encoded of a chat, a sixth of what an open one takes, is forgotten when it had its last records long
        before, or is not followed any more.
        """
        for session_id, chat in touched.items():
            self._encoded.pop(session_id, None)
            if chat.state != FOLLOWED:
                chat.forget_encoded()
                continue
            self._encoded[session_id] = None
            if len(self._encoded) > self._settings.encoded_chats:
                long_before, _ = self._encoded.popitem(last=False)
                if long_before in self._chats:
                    self._chats[long_before].forget_encoded()

    # --- packed chats --------------------------------------------------------------------------------------------

    def pack(self, builder: BatchBuilder) -> None:
        """Pack some of the chats that were given up. Called between two batches: all that is known is committed.

        One that cannot be packed, by a defect, stays at hand.
        """
        for session_id in self.remembered.too_many_given_up(_PACKED_AT_ONCE):
            self.remembered.drop(session_id)
            try:
                self.packed.put(self._chats[session_id])
            except Exception as error:  # noqa: BLE001 - a defect in one chat must not end the others
                builder.fact(ChatFailed(session=session_id, error=type(error).__name__, at=places(error)))
                continue
            del self._chats[session_id]

    def unpack(self, session_ids: Iterable[str]) -> None:
        """Have those of these chats at hand that are packed."""
        for session_id in session_ids:
            chat = self.packed.take(session_id)
            if chat is not None:
                self._chats[session_id] = chat
                self.remembered.put(chat)

    def unpack_for(self, one: Input) -> None:
        """Have the chats at hand that an input may concern."""
        self.unpack(session_id for session_id in chats_of(one) if session_id not in self._chats)

    # --- after a time --------------------------------------------------------------------------------------------

    def shrink(self, now: int, touched: dict[str, Chat]) -> None:
        """Forget the most of chats that ended a while ago; they are `touched`. `now` in us since 1970 UTC."""
        for session_id in self.remembered.due(self._chats, now):
            chat = touched[session_id] = self._chats[session_id]
            chat.whole = False

    def unfinished(self, now: int) -> list[Chat]:
        """Return the chats that `expire` closes unless inputs change that; `now` in us since 1970 UTC."""
        before = self._expires_before(now)
        if before is None:
            return []
        return [one for one in self._closed_before(before) if one.state == STORED]

    def _closed_before(self, before: int) -> list[Chat]:
        return [one for one in self._chats.values() if (one.closed_at or before) < before]

    def _expires_before(self, now: int) -> int | None:
        """Return the time before which a chat was closed that expires now; None: none does, or it is not time yet."""
        retention = self._settings.closed_retention_us
        return None if retention is None or now < self._expire_at else now - retention

    def expire(self, now: int, touched: dict[str, Chat], builder: BatchBuilder) -> None:
        """Delete the checkpoints of chats that were closed long ago; `now` in us since 1970 UTC."""
        before = self._expires_before(now)
        if before is None:
            return
        self._expire_at = now + _HOUSEKEEPING_US
        self.unpack(self.packed.closed_before(before))
        keys = [key for session_id in self._closed.expired(before) for key in checkpoint_keys(session_id, None)]
        for chat in self._closed_before(before):
            session_id = chat.session_id
            if chat.state == STORED:
                touched[session_id] = chat
                self._stored.expire(chat, now, builder)
                continue
            keys += checkpoint_keys(session_id, self._chats.pop(session_id))
            self.remembered.drop(session_id)
            touched.pop(session_id, None)
        builder.delete_unwritten(keys)
