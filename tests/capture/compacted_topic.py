"""A checkpoints partition as compaction leaves it, for stores that are restored from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.session_store import SessionStore
from bridge.capture.stored_chats import StoredShard, stored_shard
from tests.capture.written_topics import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.ports import Outgoing
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.records.checkpoint import CheckpointHead
    from bridge.records.checkpoint_reader import StoredSession
    from bridge.records.writer_schemas import WriterSchemas


class CompactedTopic:
    """The last record of each key, as stores write them."""

    def __init__(self, records: Iterable[Outgoing] = ()) -> None:
        self.values: dict[str, bytes] = {}
        self.write(records)

    def write(self, records: Iterable[Outgoing]) -> None:
        for record in records:
            if record.value is None:
                self.values.pop(record.key.decode(), None)
            else:
                self.values[record.key.decode()] = record.value

    def commit(self, plan: TransactionPlan) -> TransactionPlan:
        self.write(plan.batch.on(CHECKPOINTS))
        return plan

    def shard(self, writers: WriterSchemas) -> StoredShard:
        return stored_shard(self.values.items(), writers)

    def restored(self, partition: int, settings: SessionStoreSettings) -> SessionStore:
        """Return a store as a shard opens it; nothing of a checkpoint is missing."""
        stored = self.shard(settings.writers)
        assert stored.incomplete == []
        store = SessionStore(partition, settings)
        store.restore(stored)
        return store


def head_of(session: StoredSession) -> CheckpointHead:
    assert session.head is not None
    return session.head
