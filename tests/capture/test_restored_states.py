"""What is restored from the checkpoints is what was in memory, whatever came; and what they cost beside the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.session_store import SessionStore
from bridge.capture.stored_chats import stored_shard
from bridge.transcript import gap_codes
from bridge.transcript.id_blocks import BLOCK_IDS
from bridge.transcript.updates import Damaged, LinkDown
from tests.bench.checkpoint_bytes import Followed
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, SECOND, WRITERS, announcement, settings
from tests.capture.written_topics import CHECKPOINTS
from tests.support.reasons import A_RESET
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input

ids = st.integers(0, 8 * BLOCK_IDS) | st.integers(-(2**63), 2**63 - 1)
events = st.builds(said, ids, st.sampled_from(["hello", "HELLO", "****"])) | st.builds(
    joined, ids, st.sampled_from(["00A1", "00A2"])
)


def unique(sent: list[Any]) -> list[Any]:
    return list({event.event_id: event for event in sent}.values())


def with_damage(sent: list[Any], event_id: int) -> Input:
    update = push(*unique(sent))
    update.damaged = [Damaged(b"{}", "eventType: missing", event_id)]
    return update


inputs = st.one_of(
    st.lists(events, max_size=30).map(lambda sent: push(*unique(sent))),
    st.lists(events, max_size=30).map(lambda sent: history(*unique(sent))),
    st.builds(with_damage, st.lists(events, max_size=3), ids),
    st.just(LinkDown(CHAT, A_RESET, NOW)),
    st.builds(lambda tenant: announcement(offset=7, tenant=tenant), st.sampled_from(["North", "South"])),
)


@given(st.lists(st.tuples(st.lists(inputs, max_size=3), st.booleans()), max_size=8), st.data())
def test_a_restored_store_is_what_was_in_memory_and_whatever_record_is_lost_is_missed(
    batches: list[tuple[list[Input], bool]], data: st.DataObject
) -> None:
    topic, store = CompactedTopic(), SessionStore(3, settings())
    topic.commit(store.fold([announcement()], NOW))
    for given_inputs, restarts in batches:
        if restarts:
            store = topic.restored(3, settings())
        topic.commit(store.fold(given_inputs, NOW))
        kept, restored = store.chats[CHAT], topic.restored(3, settings()).chats[CHAT]
        assert restored.transcript.state() == kept.transcript.state()
        assert (restored.outputs[0].recorder.head, restored.announced) == (
            kept.outputs[0].recorder.head,
            kept.announced,
        )
    lost = data.draw(st.sampled_from(sorted(key for key in topic.values if key.startswith(CHAT))))
    found = stored_shard([one for one in topic.values.items() if one[0] != lost], WRITERS)
    assert [session.session_id for session in found.incomplete] == [CHAT]
    assert (found.sessions, found.over) == ([], {})


def test_a_transaction_that_was_not_committed_leaves_its_segments_to_the_next_one() -> None:
    topic, store = CompactedTopic(), SessionStore(3, settings())
    topic.commit(store.fold([announcement(), history(*map(said, range(BLOCK_IDS)))], NOW))
    more = push(said(BLOCK_IDS))
    lost = [record.key.decode() for record in store.fold([more], NOW).batch.on(CHECKPOINTS)]
    again = topic.restored(3, settings()).fold([more], NOW).batch.on(CHECKPOINTS)
    assert lost == [f"{CHAT}#0", CHAT]
    assert [record.key.decode() for record in again][:2] == lost


def test_an_amendment_and_a_late_event_write_their_own_block_again_and_no_other() -> None:
    topic, store = CompactedTopic(), SessionStore(3, settings())
    topic.commit(store.fold([announcement(), history(*map(said, range(1, 5 * BLOCK_IDS)))], NOW))
    late = store.fold([push(said(0))], NOW).batch.on(CHECKPOINTS)
    assert [record.key.decode() for record in late] == [f"{CHAT}#0", CHAT]
    amended = store.fold([push(said(2 * BLOCK_IDS, "changed"))], NOW).batch.on(CHECKPOINTS)
    assert [record.key.decode() for record in amended] == [f"{CHAT}#s", f"{CHAT}#2", CHAT]


def test_a_chat_of_which_nothing_came_yet_is_written_again_and_then_recorded() -> None:
    shard = RecordedShard()
    shard.store.adopt(())
    shard.fold()
    for update in (history(joined(1)), push(said(2)), push(said(3))):
        shard.fold(update)
    assert shard.outline() == [1, 2, 3]


def test_the_end_of_a_chat_and_its_expiry_leave_no_segment_behind() -> None:
    topic, store = CompactedTopic(), SessionStore(3, settings(closed_retention_us=SECOND))
    topic.commit(store.fold([announcement(), history(*map(said, range(50)))], NOW))
    assert len([key for key in topic.values if key.startswith(CHAT)]) == 3 + 50 // BLOCK_IDS
    topic.commit(store.fold([push(said(50), over=True)], NOW))
    topic.commit(store.fold([], NOW + 90 * SECOND))
    assert [key for key in topic.values if key.startswith(CHAT)] == []


@pytest.mark.parametrize("what", ["an announcement", "parties"])
def test_a_segment_that_is_too_large_ends_one_chat_with_a_gap_and_not_the_shard(what: str) -> None:
    topic = CompactedTopic()
    store = SessionStore(3, settings(limits={CHECKPOINTS: 9_000}))
    topic.commit(store.fold([announcement(), history(*map(said, range(50)))], NOW))
    parties = push(*(joined(50 + number, f"00A{number}", nickname="x" * 100) for number in range(100)))
    large = announcement(offset=1, user_data={"key": "v" * 10_000}) if what == "an announcement" else parties
    plan = topic.commit(store.fold([large], NOW))
    assert plan.cut
    assert [getattr(fact, "code", "") for fact in plan.facts if hasattr(fact, "code")] == [gap_codes.OUTGROWN]
    assert list(topic.shard(WRITERS).over) == [CHAT]
    assert [key for key in topic.values if key.startswith(CHAT)] == [CHAT]


@pytest.mark.parametrize("length", [10, 100, 1_000, 10_000])
def test_checkpoints_take_fewer_bytes_per_event_than_the_events(length: int) -> None:
    shard = Followed()
    for number in range(1, length + 65):
        shard.add(number)
    assert sum(shard.checkpoints[-64:]) < sum(shard.events[-64:])
