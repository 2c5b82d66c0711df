"""What Kafka has forgotten: what two looks at the logs tell, what records make of a store, what memory keeps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.capture.inbox import Forgotten
from bridge.capture.log_changes import LogChange, change_of, check_group, lasting_problems
from bridge.capture.loss_facts import KafkaForgot
from bridge.capture.published_outputs import PublishedOutputs
from bridge.capture.record_comparison import RecordComparison
from bridge.capture.session_store import SessionStore
from bridge.errors import EXIT_ENVIRONMENT, CheckpointsOfOthers
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.shard_facts import LogMark, ShardFacts
from bridge.transcript.gap_codes import EVENTS_LOST, STATE_LOST
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, Verdict
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, SCHEMAS, SECOND, WRITERS, announcement
from tests.capture.virtual_engine import VirtualEngine, joined_at
from tests.capture.virtual_servers import play
from tests.support.reasons import A_REFUSAL, A_RESET, NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input
    from bridge.capture.record_comparison import Rebuilt

A = "chat-1:4800"
ONE = "0000GONE00000001"


# --- two looks at a log ---


@pytest.mark.parametrize(
    ("kind", "before", "now", "change"),
    [
        ("events", None, LogMark(b"a", 0, 9), LogChange()),
        ("events", LogMark(b"a", 0, 9), None, LogChange()),
        ("events", LogMark(b"a", 0, 9), LogMark(b"a", 0, 20), LogChange()),
        ("events", LogMark(b"a", 0, 9), LogMark(b"a", 8, 20), LogChange()),  # as the retention does
        ("events", LogMark(b"a", 0, 9), LogMark(b"a", 9, 20), LogChange(emptied=True, lost=9)),
        ("checkpoints", LogMark(b"a", 0, 9), LogMark(b"a", 1, 20), LogChange(emptied=True, lost=1)),
        ("events", LogMark(b"a", 3, 9), LogMark(b"b", 0, 20), LogChange(made_again=True, lost=6)),
        ("events", LogMark(b"", 0, 9), LogMark(b"", 0, 8), LogChange(made_again=True, lost=9)),
        ("events", LogMark(b"", 0, 9), LogMark(b"b", 0, 9), LogChange()),  # a broker that has learnt ids since
    ],
)
def test_two_looks_tell_whether_a_log_was_made_again_or_emptied(
    kind: str, before: LogMark | None, now: LogMark | None, change: LogChange
) -> None:
    assert change_of(kind, before, now) == change
    assert bool(change) == (change.made_again or change.emptied)


def test_a_missing_topic_and_another_number_of_partitions_are_reasons_as_long_as_they_last() -> None:
    names = {"events": "p.events", "sessions": "p.sessions"}
    found = lasting_problems(names, 3, {"events": LogMark(b"a", 0, 9, 6)})
    assert [problem.code for problem in found] == ["TOPIC_MISSING", "PARTITIONS_CHANGED"]
    assert all(name in problem.detail for name, problem in zip(("p.sessions", "p.events"), found, strict=True))
    same = {kind: LogMark(b"a", 0, 9, 3) for kind in names}
    assert lasting_problems(names, 3, same) == []
    raised = {kind: LogMark(b"a", 0, 9, 6) for kind in names}
    assert lasting_problems(names, 3, raised, may_grow=True) == []
    assert len(lasting_problems(names, 6, same, may_grow=True)) == 2


def test_checkpoints_of_another_group_are_refused() -> None:
    with pytest.raises(CheckpointsOfOthers) as refused:
        check_group(ShardFacts("other", 3), "own")
    assert refused.value.code == "OTHER_GROUP"
    assert refused.value.exit_code == EXIT_ENVIRONMENT
    assert not refused.value.retryable
    assert refused.value.next_step
    check_group(ShardFacts("own", 3), "own")
    check_group(None, "own")


# --- what records tell ---


def compared(
    shard: RecordedShard,
    store: SessionStore,
    *,
    events: slice = slice(None),
    whole: bool = True,
    truncated: bool = False,
) -> Rebuilt:
    """Compare a store with some of the shard's records."""
    [output] = shard.settings.outputs
    published = PublishedOutputs([output], store.position)
    for payload in shard.events[events]:
        published.event(output, SCHEMAS.decode(TRANSCRIPT_EVENT, payload))
    for payload in shard.sessions:
        published.session(output, SCHEMAS.decode(SESSION_RECORD, payload))
    published.truncated |= {output.name} if truncated else set()
    return RecordComparison(published, whole=whole).with_store(store.chats, store.closed, store.incomplete)


def restart_from(shard: RecordedShard, found: Rebuilt) -> None:
    """Let the shard go on with nothing but what was rebuilt."""
    shard.topic.values.clear()
    shard.store = SessionStore(3, shard.settings)
    shard.store.adopt([*found.chats, *found.over])


def lively() -> RecordedShard:
    shard = RecordedShard()
    shard.fold(history(joined(1), said(2, "one")))
    shard.fold(push(said(3, "two")))
    return shard


def test_a_chat_without_a_checkpoint_goes_on_in_its_chain_when_it_is_announced_again() -> None:
    shard = lively()
    found = compared(shard, SessionStore(3, shard.settings))
    assert (found.without_place, found.without_records, found.over) == ({CHAT}, set(), [])
    restart_from(shard, found)
    plan = shard.fold(announcement(offset=7), Forgotten(NOW, without_place=frozenset({CHAT})))
    assert plan.batch.announcement_offset == 8
    assert [chat.session_id for chat in plan.follow] == [CHAT]
    shard.fold(history(joined(1), said(2, "one"), said(3, "two"), said(4, "three")))
    assert shard.outline() == [1, 2, 3, "RESUMED", 4]
    assert [record["sequence"] for record in shard.records()] == [1, 2, 3, 4, 5]
    assert (shard.records()[-1]["party"] or {})["nickname"] == shard.records()[0]["party"]["nickname"]
    shard.fold(push(said(5, "four"), over=True))
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"]
    assert shard.findings() == []


def test_a_chat_without_checkpoint_and_announcement_gets_a_gap_and_a_certificate_that_say_so() -> None:
    shard = lively()
    restart_from(shard, compared(shard, SessionStore(3, shard.settings)))
    shard.fold(Forgotten(NOW, without_place=frozenset({CHAT})))
    assert shard.gaps() == [(4, None, STATE_LOST)]
    assert shard.certificates()[-1]["reasons"] == [STATE_LOST]
    assert shard.store.chats[CHAT].state == GIVEN_UP
    shard.fold(announcement(offset=9))
    shard.fold(history(joined(1), said(2, "one"), said(3, "two"), said(4, "three")))
    assert shard.outline() == [1, 2, 3, "GAP", "RESUMED", 4]
    shard.fold(push(said(5, "four"), over=True))
    assert shard.certificates()[-1]["verdict"] == "COMPLETE"  # the history has filled it


@pytest.mark.parametrize("lost", ["all", "its place"])
def test_what_comes_before_its_announcement_is_certified_as_the_first_certificate_of_the_chat(lost: str) -> None:
    shard = lively()
    if lost == "all":
        store = SessionStore(3, shard.settings)
    else:
        del shard.topic.values[f"{CHAT}#a"]
        store = SessionStore(3, shard.settings)
        store.restore(shard.topic.shard(WRITERS))
    found = compared(shard, store)
    assert found.without_place == {CHAT}
    restart_from(shard, found)
    shard.fold(push(said(4)), announcement(offset=7))
    shard.fold(push(said(5), over=True))
    assert [one["supersedes"] for one in shard.certificates()] == [None, None]
    assert shard.findings() == []


def test_a_chat_that_was_over_is_not_opened_again() -> None:
    shard = lively()
    shard.fold(push(said(4, "bye"), over=True))
    found = compared(shard, SessionStore(3, shard.settings))
    assert [chat.session_id for chat in found.over] == [CHAT]
    restart_from(shard, found)
    assert shard.fold(announcement(offset=3)).follow == []
    assert [key for key in shard.topic.values if key.startswith(CHAT)] == [CHAT]


def test_a_filled_gap_of_a_chat_that_ended_a_while_ago_is_filled_once() -> None:
    shard = lively()
    shard.fold(JoinRefused(CHAT, 0, A_REFUSAL, Verdict.GONE, NOW))
    shard.fold(announcement(offset=1), history(joined(1), said(2, "one"), said(3, "two"), said(9), over=True))
    for late in (5, 6):
        shard.now += 120 * SECOND
        shard.fold()
        shard.fold(push(said(late)))
        restart_from(shard, compared(shard, SessionStore(3, shard.settings)))
    assert [len(one["filled"]) for one in shard.certificates()] == [0, 1, 1, 1]
    assert shard.findings() == []


def test_all_ids_below_what_is_left_of_a_chat_count_as_published() -> None:
    shard = lively()
    found = compared(shard, SessionStore(3, shard.settings), events=slice(1, None))
    assert found.without_records == {CHAT}
    restart_from(shard, found)
    shard.fold(announcement(offset=7), Forgotten(NOW, without_records=frozenset(found.without_records)))
    shard.fold(history(joined(1), said(2, "one"), said(3, "two"), said(4, "three")))
    assert shard.outline() == [1, 2, 3, "GAP", "RESUMED", 4]
    assert [code for _, _, code in shard.gaps()] == [EVENTS_LOST]


def test_a_checkpoint_behind_its_records_takes_what_was_published_from_them() -> None:
    shard = lively()
    behind = CompactedTopic()
    behind.values = dict(shard.topic.values)
    shard.fold(push(said(4, "three")), push(said(5, "four")))
    store = behind.restored(3, shard.settings)
    for whole, events in ((True, slice(None)), (False, slice(3, None))):
        [chat] = compared(shard, store, whole=whole, events=events).chats
        assert (chat.state, chat.transcript.sequence) == (FOLLOWED, 5)
        assert chat.transcript.delivered.pairs() == [(1, 5)]
        assert chat.transcript.counts == {"PARTY_JOINED": 1, "MESSAGE": 4}
        assert chat.outputs[0].recorder.head == shard.records()[-1]["integrity"]["hash"]


@pytest.mark.parametrize(
    "beyond",
    [
        [push(said(2, "changed"), said(4))],
        [push(said(2, "another", "00B2"), said(4))],
        [LinkDown(CHAT, A_RESET, NOW), history(joined(1), said(2, "one"), said(3, "two"), said(6))],
        [QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW)],
        [push(said(4, "x" * 2_000_000))],
    ],
    ids=["amended", "reused", "rejoined", "unreadable", "too large"],
)
@pytest.mark.parametrize("known", ["all", "the end", "nothing"])
def test_what_was_published_beyond_a_checkpoint_counts_in_the_certificate(beyond: list[Input], known: str) -> None:
    shard = lively()
    behind = {} if known == "nothing" else dict(shard.topic.values)
    shard.fold(*beyond)
    shard.topic.values = behind
    store = shard.topic.restored(3, shard.settings)
    found = compared(shard, store, whole=known != "the end", events=slice(3 if known == "the end" else 0, None))
    shard.store = store
    store.adopt([*found.chats, *found.over])
    shard.fold(announcement(offset=5), push(said(8), said(2, "changed"), said(4)))
    shard.fold(push(said(9), said(2, "changed again")))
    shard.fold(push(said(2, "and again"), said(10), over=True))
    assert shard.findings() == []
    ids = [record["id"] for record in shard.records()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("known", ["all", "the end", "nothing"])
def test_a_gap_that_was_filled_by_a_join_beyond_the_checkpoint_is_filled(known: str) -> None:
    gone = JoinRefused(CHAT, 0, A_REFUSAL, Verdict.GONE, NOW)
    shard = lively()
    shard.fold(gone)
    shard.fold(announcement(offset=1))
    behind = {} if known == "nothing" else dict(shard.topic.values)
    shard.fold(history(joined(1), said(2, "one"), said(3, "two"), said(4)))
    shard.fold(push(said(5)))
    shard.topic.values = behind
    store = shard.topic.restored(3, shard.settings)
    found = compared(shard, store, whole=known != "the end", events=slice(4 if known == "the end" else 0, None))
    shard.store = store
    store.adopt([*found.chats, *found.over])
    shard.fold(announcement(offset=5), gone)
    assert shard.findings() == []
    [first, second] = [shard.certificates()[-1][name] for name in ("filled", "gaps")]
    assert ([gap["fromEventId"] for gap in first], [gap["fromEventId"] for gap in second]) == ([4], [6])


def test_the_number_of_an_amendment_goes_on_after_the_highest_that_was_published() -> None:
    shard = lively()
    for text in ("1", "x" * 2_000_000, "3"):  # the second one is a GAP
        shard.fold(push(said(2, text)))
    behind = dict(shard.topic.values)
    shard.fold(push(said(2, "4")))
    for topic, events in (({}, slice(None)), (behind, slice(len(shard.events) - 1, None))):
        store = CompactedTopic()
        store.values = topic
        [chat] = compared(shard, store.restored(3, shard.settings), whole=not topic, events=events).chats
        assert chat.transcript.state().amendments == {2: 4}


def test_records_behind_their_checkpoint_are_published_again_from_where_they_end() -> None:
    shard = lively()
    found = compared(shard, shard.store, events=slice(0, 2))
    del shard.events[2:]
    assert found.without_records == set()
    shard.store.adopt([*found.chats, *found.over])
    shard.fold(history(joined(1), said(2, "one"), said(3, "two")))
    assert shard.outline() == [1, 2, "RESUMED", 3]
    assert shard.findings() == []


@pytest.mark.parametrize("truncated", [False, True])
def test_a_chat_whose_records_are_all_gone_gets_a_gap_but_where_they_may_have_expired(truncated: bool) -> None:
    shard = lively()
    found = compared(shard, shard.store, events=slice(0, 0), truncated=truncated)
    assert found.without_records == (set() if truncated else {CHAT})
    shard.fold(Forgotten(NOW, without_records=frozenset(found.without_records)))
    assert [code for _, _, code in shard.gaps()] == ([] if truncated else [EVENTS_LOST])
    shard.fold(push(said(4, "bye"), over=True))
    assert shard.store.chats[CHAT].state == OVER
    assert shard.certificates()[-1]["verdict"] == ("COMPLETE" if truncated else "INCOMPLETE")


def test_a_store_that_agrees_with_its_records_stays_as_it_is() -> None:
    shard = lively()
    found = compared(shard, shard.store)
    assert (found.chats, found.over, found.without_records, found.without_place) == ([], [], set(), set())


# --- what memory keeps ---


def test_what_is_in_memory_is_written_again_when_the_checkpoints_are_gone_after_a_failure() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(3)
            engine.says(A, ONE, 1)
            await asyncio.sleep(1)
            engine.kafka.checkpoints[0].clear()
            engine.kafka.refuses[0] = 1
            engine.says(A, ONE, 2)
            await asyncio.sleep(10)
            engine.says(A, ONE, 3)
            await asyncio.sleep(2)
            assert joined_at(worker, ONE) == A
            assert len(engine.servers[A].joins) == 1
            assert engine.kafka.events(ONE)[-3:] == [1, 2, 3]
            assert {ONE, MARKER_KEY} <= engine.kafka.checkpoints[0].keys()
            [told] = engine.facts(KafkaForgot)
            assert (told.kind, told.code) == ("checkpoints", "CHECKPOINTS_LOST")
            assert [reason.code for reason in worker.problems()] == ["CHECKPOINTS_LOST"]
            await asyncio.sleep(40)
            assert worker.problems() == []

    play(scene())
