"""A chat of whose checkpoint Kafka has kept a part: it goes on from that and its records, and what lacks is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.capture.inbox import Forgotten, Inbox
from bridge.capture.loss_facts import KafkaForgot, StateRebuilt
from bridge.capture.outputs import chains_of
from bridge.capture.pacing import EventRate
from bridge.capture.preparation import NothingToPrepare
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.shard_transactions import ShardTransactions
from bridge.capture.stored_chats import stored_shard
from bridge.errors import KafkaUnavailable, VerificationFailed
from bridge.transcript.gap_codes import EVENTS_LOST, STATE_LOST, UNATTRIBUTED
from bridge.transcript.updates import QuarantinedInput
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.recorded_shard import RecordedShard
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.scripted_logs import NAMES, SteadyLogs
from tests.capture.test_forgotten_state import ONE, A, compared
from tests.capture.test_session_store import NOW, SCHEMA_KEYS, SECOND, WRITERS, announcement, settings
from tests.capture.virtual_engine import VirtualEngine
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import CHECKPOINTS, same_limits
from tests.support.reasons import NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.ports import Batch
    from bridge.capture.record_comparison import Rebuilt
    from bridge.transcript.events import ChatEvent

LAST = 20


def long_chat() -> RecordedShard:
    """A chat with ids 1 to LAST: blocks 0 and 1 are closed, block 2 is open."""
    shard = RecordedShard()
    shard.fold(history(joined(1), said(2)))
    for event_id in range(3, LAST + 1):
        shard.fold(push(said(event_id)))
    return shard


def whole_history(last: int) -> list[ChatEvent]:
    return [joined(1), *map(said, range(2, last + 1))]


def restarted_without(shard: RecordedShard, *keys: str, events: slice = slice(None)) -> Rebuilt:
    """Let the topic lose records, and the shard be opened: with these of the event records."""
    for key in keys:
        del shard.topic.values[key]
    shard.store = SessionStore(3, shard.settings)
    shard.store.restore(shard.topic.shard(WRITERS))
    found = compared(shard, shard.store, events=events)
    shard.store.adopt([*found.chats, *found.over])
    return found


def written_again(shard: RecordedShard) -> None:
    """Check that what is on the topic now is the state in memory."""
    assert shard.topic.shard(WRITERS).incomplete == []
    again = shard.topic.restored(3, shard.settings)
    assert {name: chat.transcript.state() for name, chat in again.chats.items()} == {
        name: chat.transcript.state() for name, chat in shard.store.chats.items()
    }
    assert {name: chains_of(chat.outputs) for name, chat in again.chats.items()} == {
        name: chains_of(chat.outputs) for name, chat in shard.store.chats.items()
    }


def test_a_log_that_has_lost_its_beginning_has_incomplete_chats_and_no_other_state_of_them() -> None:
    store, log = SessionStore(3, settings()), []
    for inputs in ([announcement()], [history(joined(1))], [push(*map(said, range(2, 30)))], [push(said(30))]):
        log += store.fold(inputs, NOW).batch.on(CHECKPOINTS)
    whole = stored_shard(CompactedTopic(log).values.items(), WRITERS)
    assert [session.missing for session in whole.sessions] == [""]
    for start in range(len(SCHEMA_KEYS) + 1, len(log)):
        found = stored_shard(CompactedTopic(log[start:]).values.items(), WRITERS)
        assert (found.sessions, found.over) == ([], {})
        assert [(one.session_id, one.head is not None) for one in found.incomplete] == [(CHAT, True)]
        assert found.stamps[-1].number == 4


def test_segments_in_the_right_number_that_are_not_those_of_a_chat_are_no_state_either() -> None:
    shard = long_chat()
    shard.topic.values[f"{CHAT}#7"] = shard.topic.values.pop(f"{CHAT}#1")
    with pytest.raises(VerificationFailed, match="another block"):
        shard.topic.shard(WRITERS)
    shard = long_chat()
    one = RecordedShard()
    one.fold(history(joined(1), *map(said, range(2, 60))), push(said(60)))
    shard.topic.values[f"{CHAT}#5"] = one.topic.values[f"{CHAT}#5"]
    del shard.topic.values[f"{CHAT}#a"]
    [found] = shard.topic.shard(WRITERS).incomplete
    assert found.missing


@pytest.mark.parametrize("lost", ["s", "0", "1"])
def test_it_goes_on_from_its_records_at_the_place_that_is_known(lost: str) -> None:
    shard = long_chat()
    found = restarted_without(shard, f"{CHAT}#{lost}")
    assert (found.without_place, found.without_records, found.over) == (set(), set(), [])
    [chat] = shard.store.chats.values()
    assert (chat.state, chat.transcript.sequence, chat.announcement.host) == (FOLLOWED, LAST, "chat-1")
    assert chat.transcript.delivered.pairs() == [(1, LAST)]
    shard.fold()
    written_again(shard)
    shard.fold(history(*whole_history(LAST), said(LAST + 1)))
    assert shard.outline() == [*range(1, LAST + 1), "RESUMED", LAST + 1]
    assert (shard.records()[-1]["party"] or {})["nickname"] == shard.records()[0]["party"]["nickname"]
    shard.fold(push(said(LAST + 2), over=True))
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"]
    assert shard.findings() == []
    written_again(shard)


@pytest.mark.parametrize(("lost", "events"), [([f"{CHAT}#0"], slice(None)), ([], slice(0, 5))])
def test_a_doubt_that_no_record_tells_of_is_kept(lost: list[str], events: slice) -> None:
    shard = long_chat()
    shard.fold(QuarantinedInput("chat-1:4800", b"garbage", NO_JSON, 7, followed=(CHAT,), observed_at=NOW))
    restarted_without(shard, *lost, events=events)
    shard.fold(history(*whole_history(LAST + 1), over=True))
    assert [one["reasons"] for one in shard.certificates()] == [[UNATTRIBUTED]]


@pytest.mark.parametrize("announced", [False, True])
def test_without_its_announcement_it_waits_for_another_one(announced: bool) -> None:
    shard = long_chat()
    found = restarted_without(shard, f"{CHAT}#a")
    assert (found.without_place, found.without_records) == ({CHAT}, set())
    told = [announcement(offset=7)] if announced else []
    plan = shard.fold(*told, Forgotten(NOW, without_place=frozenset({CHAT})))
    written_again(shard)
    assert [chat.session_id for chat in plan.follow] == [CHAT] * announced
    assert shard.store.chats[CHAT].state == (FOLLOWED if announced else GIVEN_UP)
    assert [code for _, _, code in shard.gaps()] == ([] if announced else [STATE_LOST])
    assert [one["reasons"] for one in shard.certificates()] == ([] if announced else [[STATE_LOST]])


@pytest.mark.parametrize("lost", [("0",), ("s", "0", "1"), ("a", "s", "0", "1")])
@pytest.mark.parametrize("events", [slice(0, 0), slice(15, None), slice(0, 5)])
def test_what_its_records_do_not_tell_either_is_told_by_a_gap_and_nothing_is_published_twice(
    lost: tuple[str, ...], events: slice
) -> None:
    shard = long_chat()
    found = restarted_without(shard, *(f"{CHAT}#{segment}" for segment in lost), events=events)
    assert found.without_records == {CHAT}
    shard.fold(announcement(offset=7), Forgotten(NOW, without_records=frozenset({CHAT})))
    written_again(shard)
    shard.fold(history(*whole_history(LAST), said(LAST + 1)))
    assert shard.outline() == [*range(1, LAST + 1), "GAP", "RESUMED", LAST + 1]
    assert [code for _, _, code in shard.gaps()] == [EVENTS_LOST]
    assert [record["sequence"] for record in shard.records()] == list(range(1, LAST + 4))
    shard.fold(push(said(LAST + 2), over=True))
    assert [(one["verdict"], one["reasons"]) for one in shard.certificates()] == [("INCOMPLETE", [EVENTS_LOST])]
    assert shard.findings() == []
    written_again(shard)


def test_segments_without_a_head_and_without_records_begin_another_epoch() -> None:
    shard = long_chat()
    found = restarted_without(shard, CHAT, events=slice(0, 0))
    assert found.without_records == {CHAT}
    shard.fold(announcement(offset=7))
    written_again(shard)
    shard.fold(history(*whole_history(LAST), said(LAST + 1)))
    assert shard.outline()[LAST:] == ["RESUMED", *range(16, LAST + 2)]  # the ids of the open block were in the head
    assert [(one["epoch"], one["sequence"]) for one in shard.records()[LAST:]] == [(1, at) for at in range(1, 8)]


def test_another_epoch_counts_nothing_of_the_one_before() -> None:
    shard = long_chat()
    shard.fold(push(said(2, "changed"), said(3, "another", "00B2"), said(LAST + 1, "x" * 2_000_000)))
    shard.fold(history(*whole_history(LAST)))
    restarted_without(shard, CHAT, events=slice(0, 0))
    shard.events, shard.sessions = [], []  # they are gone
    shard.fold(announcement(offset=7), Forgotten(NOW, without_records=frozenset({CHAT})))
    shard.fold(history(*whole_history(LAST + 1), said(LAST + 2), over=True))
    assert {(one["epoch"], one["sequence"]) for one in shard.records()} >= {(1, 1), (1, 2)}
    assert [str(one) for one in shard.findings() if "begins again" not in one] == []
    [told] = shard.certificates()
    assert (told["reasons"], told["amendments"], told["idsReused"]) == ([EVENTS_LOST], 0, 0)


def test_one_that_was_over_stays_so_and_what_comes_late_is_in_its_chain() -> None:
    shard = long_chat()
    shard.fold(push(said(LAST + 2), over=True))
    found = restarted_without(shard, f"{CHAT}#1")
    assert [(chat.state, chat.whole) for chat in found.over] == [(OVER, False)]
    assert shard.fold(announcement(offset=8)).follow == []
    assert [key for key in shard.topic.values if key.startswith(CHAT)] == [CHAT]
    shard.restarted()
    shard.fold(push(said(LAST + 1), said(LAST + 2)))
    assert shard.outline() == [*range(1, LAST + 1), LAST + 2, LAST + 1]
    assert [one["verdict"] for one in shard.certificates()] == ["INCOMPLETE", "COMPLETE"]
    assert shard.findings() == []


def test_an_ended_chat_of_which_more_was_published_than_its_checkpoint_says_goes_on_after_that() -> None:
    shard = long_chat()
    shard.fold(push(said(LAST + 3), over=True))
    shard.now += 120 * SECOND
    shard.fold()
    before = dict(shard.topic.values)
    shard.fold(push(said(LAST + 2)))
    shard.topic.values = before
    found = restarted_without(shard)
    assert [chat.transcript.sequence for chat in found.over] == [LAST + 2]
    shard.fold(push(said(LAST + 1), said(LAST + 2)))
    assert shard.outline()[-3:] == [LAST + 3, LAST + 2, LAST + 1]
    assert [record["sequence"] for record in shard.records()] == list(range(1, LAST + 4))
    assert shard.findings() == []


def test_segments_that_an_ended_chat_has_no_more_are_deleted() -> None:
    shard = long_chat()
    before = dict(shard.topic.values)
    shard.fold(push(said(LAST + 1), over=True))
    shard.now += 120 * SECOND
    shard.fold()
    shard.topic.values = {**before, **shard.topic.values}
    shard.restarted().fold()
    assert [key for key in shard.topic.values if key.startswith(CHAT)] == [CHAT]


def test_a_worker_that_finds_an_incomplete_chat_rebuilds_it_and_says_so_for_a_while() -> None:
    store, kafka = SessionStore(0, settings(partition_of=lambda _: 0)), ScriptedKafka(VirtualClock())
    topic = CompactedTopic(store.fold([announcement(), history(joined(1))], NOW).batch.on(CHECKPOINTS))
    del topic.values[f"{CHAT}#s"]

    async def played() -> None:
        kafka.checkpoints[0] = topic.values
        worker = kafka.worker()
        run = asyncio.get_running_loop().create_task(worker.run())
        await asyncio.sleep(10)
        assert [reason.code for reason in worker.problems()] == ["STATE_LOST"]
        assert f"{CHAT} (all but 1 of 2 segments)" in worker.problems()[0].detail
        shards = {shard.partition: shard for shard in worker.shards}
        assert [chat.state for chat in shards[0].store.followed()] == [FOLLOWED]
        assert kafka.events() == ["GAP", "RESUMED", 2]
        assert stored_shard(topic.values.items(), WRITERS).incomplete == []
        await asyncio.sleep(30)
        assert worker.problems() == []
        await worker.close()
        await run

    play(played())
    told = [(fact.kind, fact.code) for fact in kafka.telemetry.facts if isinstance(fact, KafkaForgot)]
    assert told == [("checkpoints", "STATE_LOST")]
    assert kafka.telemetry.count(StateRebuilt) == 1


def test_what_is_in_memory_is_written_again_when_a_segment_is_gone_after_a_failure() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(3)
            for event_id in range(1, LAST):
                engine.says(A, ONE, event_id)
                await asyncio.sleep(1)
            del engine.kafka.checkpoints[0][f"{ONE}#0"]
            engine.kafka.refuses[0] = 1
            engine.says(A, ONE, LAST)
            await asyncio.sleep(10)
            assert [reason.code for reason in worker.problems()] == ["CHECKPOINTS_LOST"]
            assert engine.kafka.events(ONE) == [*range(1, LAST + 1)]
            assert len(engine.servers[A].joins) == 1
            [session] = stored_shard(engine.kafka.checkpoints[0].items(), WRITERS).sessions
            assert session.transcript().id_ranges == [(1, LAST)]
            assert session.blocks.keys() == {0, 1}

    play(scene())


class OpenedInVain(SteadyLogs):
    """Logs of which an opening cannot learn the committed offset while that is `silent`."""

    silent = False

    async def committed(self) -> int:
        if self.silent:
            raise KafkaUnavailable("no answer")
        return 0


class WrittenBy:
    """A writer whose checkpoints are those of a topic."""

    def __init__(self, topic: CompactedTopic) -> None:
        self.topic = topic
        self.limits = same_limits(1_000_000)

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        return list(self.topic.values.items())

    async def commit(self, batch: Batch) -> None:
        self.topic.write(batch.on(CHECKPOINTS))


def test_a_store_that_was_not_opened_is_not_memory_that_has_to_be_kept() -> None:
    clock, telemetry, other = VirtualClock(), RecordedFacts(), replace(settings(partition_of=lambda _: 0), owner=2)
    own, logs = replace(other, owner=1), OpenedInVain(NAMES)
    transactions = ShardTransactions(
        0,
        own,
        Inbox(1_000, print, print),
        preparation=NothingToPrepare(),
        clock=clock,
        rate=EventRate(),
        linger_max=0.0,
        rest=0.0,
        telemetry=telemetry,
    )
    recovery = ShardRecovery(0, logs, own, partitions=2, interval=30.0, clock=clock, telemetry=telemetry)
    writer: Any = WrittenBy(CompactedTopic())

    async def scene() -> None:
        await transactions.restore(writer, recovery, since=0.0)
        await transactions.commit(writer, await transactions.decide(writer, [], mark=True))
        between = writer.topic.restored(0, other)  # another owner, whose chat loses a segment
        writer.topic.commit(between.fold([announcement(), history(joined(1), said(2))], NOW))
        del writer.topic.values[f"{CHAT}#a"]
        logs.silent = True
        with pytest.raises(KafkaUnavailable):
            await transactions.restore(writer, recovery, since=0.0)
        logs.silent = False
        repair = await transactions.restore(writer, recovery, since=0.0)
        assert [one.without_place for one in repair.inputs if isinstance(one, Forgotten)] == [{CHAT}]
        await transactions.commit(writer, await transactions.decide(writer, repair.inputs, mark=repair.due))
        assert [chat.transcript.delivered.pairs() for chat in transactions.store.chats.values()] == [[(1, 2)]]

    play(scene())
