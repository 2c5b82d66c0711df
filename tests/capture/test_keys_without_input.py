"""A chat that is closed although no input is about it is sealed with its own key, in outputs of a later date, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.capture.chat import OVER
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_keys import ShardKeys
from bridge.records.shard_facts import LogMark
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.sealed_shard import KEYS, KeysLog
from tests.capture.stored_documents_of import READ_AT, stored
from tests.capture.two_outputs import MASKED, PARTITION, WHOLE, settings_of
from tests.sealing.known_keys import CountedKeys, KnownMaster
from tests.transcript.build import CHAT, joined, said

if TYPE_CHECKING:
    from bridge.capture.outputs import Output
    from bridge.capture.session_store_settings import SessionStoreSettings

RETENTION_US = 86_400_000_000
LATER = READ_AT + RETENTION_US + 2


def sealed(keys: ShardKeys, *outputs: Output) -> SessionStoreSettings:
    own = [replace(one, recording=replace(one.recording, keys=keys)) for one in outputs]
    return settings_of(*own, keys=keys, partition_of=lambda _: PARTITION, closed_retention_us=RETENTION_US)


def test_a_stored_chat_expires_after_a_restart_with_another_sealed_output() -> None:
    async def scene() -> None:
        log, topic, master, new = KeysLog(), CompactedTopic(), KnownMaster(), CountedKeys()
        keys = ShardKeys(PARTITION, KEYS, master, new)
        store = SessionStore(PARTITION, sealed(keys, MASKED))
        inputs = list(stored(joined(1), said(2), final=False))
        await keys.ready(inputs)
        plan = store.fold(inputs, READ_AT)
        await keys.wrap(plan.batch)
        topic.commit(plan)
        log.write(plan.batch)
        keys.settled(plan.batch, store.chats.keys())

        keys = ShardKeys(PARTITION, KEYS, master, new)
        await keys.read(log, LogMark(b"keys 1", 0, len(log.records)))
        store = topic.restored(PARTITION, sealed(keys, WHOLE, MASKED))
        await keys.ready([])
        assert len(store.fold([], LATER).batch) == 0
        await keys.ready([])
        plan = store.fold([], LATER)
        assert len(plan.certificates) == 2
        assert plan.batch.on(KEYS) == []  # no other key takes the place of its own
        assert store.closed.take(CHAT) is not None or store.chats[CHAT].state == OVER

    asyncio.run(scene())
