"""What requests to forget a chat make of the chats of a shard.

Of a chat that is closed, all records of its checkpoint are deleted, and its data key where outputs are sealed: one
transaction, which also commits the position of the request. A request that is read again finds nothing and deletes
again. A chat that is open is left as it is: it would go on with records that nobody could connect to the former ones.
So is one that has begun again, if a request only repeats one that was executed: it may be held by now.

A chat may be on any of the partitions that it has under the numbers of partitions that the topics had. Whoever asks
writes to all of them; where it is not known, a request deletes what is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.chat import OPEN
from bridge.capture.chat_checkpoints import checkpoint_keys
from bridge.capture.chat_facts import ChatErased, ErasureRefused
from bridge.capture.erasure_requests import request_record
from bridge.capture.ports import Outgoing
from bridge.capture.stored_inputs import STORED_POSITION

if TYPE_CHECKING:
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat import Chat
    from bridge.capture.chat_routes import ChatRoutes
    from bridge.capture.closed_chats import ClosedChats
    from bridge.capture.remembered_chats import RememberedChats
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard_positions import ShardPositions
    from bridge.capture.stored_inputs import ErasureRequested


class Erasing:
    """Executes the requests of one store."""

    def __init__(  # noqa: PLR0913 - the parts of the store that a chat can be in
        self,
        settings: SessionStoreSettings,
        *,
        chats: dict[str, Chat],
        closed: ClosedChats,
        remembered: RememberedChats,
        positions: ShardPositions,
        routes: ChatRoutes,
    ) -> None:
        """All but the settings are the store's own, which it goes on changing."""
        self._settings = settings
        self._chats = chats
        self._closed = closed
        self._remembered = remembered
        self._positions = positions
        self._routes = routes

    def take(self, one: ErasureRequested, builder: BatchBuilder, touched: dict[str, Chat]) -> bool:
        """Execute a request; return whether it was. What this transaction has to write of a chat is `touched`."""
        self._positions.set(STORED_POSITION, one.place.encode())
        session_id, records = one.session_id, builder.plan.batch.records
        key = session_id.encode()
        if (partition := self._routes.strayed(key)) is not None:
            headers, value = request_record(one.request, again=one.again)
            records.append(Outgoing(self._settings.stored.topic, partition, key, value, headers))
            return False
        chat = self._chats.get(session_id)
        if chat is not None and chat.state in OPEN:
            builder.fact(ErasureRefused(session=session_id, request=one.request))
            return False
        if one.again and (chat is not None or session_id in self._closed):
            return False
        for name in checkpoint_keys(session_id, chat):
            builder.checkpoint(name, None)
        if self._settings.keys is not None:
            records.append(self._settings.keys.forget(session_id))
        self._chats.pop(session_id, None)
        touched.pop(session_id, None)
        self._remembered.drop(session_id)
        self._closed.drop(session_id)
        builder.fact(ChatErased(session=session_id, request=one.request))
        return True
