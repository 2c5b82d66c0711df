"""A chat of which Kafka has lost a part: its shard says so and waits, and never takes it for a chat without a past."""

from __future__ import annotations

import asyncio

from bridge.capture.session_store import SessionStore
from bridge.capture.stored_chats import stored_shard
from bridge.errors import StateIncomplete
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.test_session_store import NOW, WRITERS, announcement, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT, history, joined, push, said


def test_a_log_that_has_lost_its_beginning_has_incomplete_chats_and_no_other_state_of_them() -> None:
    store, log = SessionStore(3, settings()), []
    for inputs in ([announcement()], [history(joined(1))], [push(*map(said, range(2, 30)))], [push(said(30))]):
        log += store.fold(inputs, NOW).batch.checkpoints
    whole = stored_shard(CompactedTopic(log).values.items(), WRITERS)
    assert [session.missing for session in whole.sessions] == [""]
    for start in range(2, len(log)):
        found = stored_shard(CompactedTopic(log[start:]).values.items(), WRITERS)
        assert (found.sessions, found.over) == ([], {})
        assert [(one.session_id, one.head is not None) for one in found.incomplete] == [(CHAT, True)]
        assert found.stamps[-1].number == 4


def test_a_shard_with_an_incomplete_chat_waits_with_the_reason_until_it_is_whole() -> None:
    topic = CompactedTopic(
        SessionStore(3, settings()).fold([announcement(), history(joined(1))], NOW).batch.checkpoints
    )
    lost = topic.values.pop(f"{CHAT}#s")

    async def played() -> None:
        kafka = ScriptedKafka(VirtualClock())
        kafka.checkpoints[0] = topic.values
        worker = kafka.worker()
        run = asyncio.get_running_loop().create_task(worker.run())
        await asyncio.sleep(30)
        shards = {shard.partition: shard for shard in worker.shards}
        assert [reason.code for reason in worker.problems()] == [StateIncomplete.code]
        assert CHAT in worker.problems()[0].detail
        assert "all but 1 of 2 segments" in worker.problems()[0].detail
        assert shards[0].store.chats == {}
        kafka.checkpoints[0][f"{CHAT}#s"] = lost
        await asyncio.sleep(30)
        assert worker.problems() == []
        assert list(shards[0].store.chats) == [CHAT]
        await worker.close()
        await run

    play(played())
