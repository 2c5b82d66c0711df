"""The numbers of batches, and the marker that names the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.announcement import session_id_problem
from bridge.capture.batch_numbers import OWNERS
from bridge.capture.inbox import Announced
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.transcript.updates import QuarantinedInput
from tests.capture.compacted_topic import CompactedTopic, head_of
from tests.capture.disturbed_chat import ELSEWHERE, announced
from tests.capture.test_session_store import DAY, NOW, SCHEMA_KEYS, WRITERS, settings
from tests.capture.written_topics import CHECKPOINTS
from tests.support.reasons import NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.inbox import Input
    from bridge.capture.ports import Limits
    from bridge.capture.session_store import SessionStore
    from bridge.records.checkpoint import BatchStamp, CheckpointHead

A_DAY_AND_MORE = DAY + 3_600_000_000
KEYS_OF_SCHEMAS = [key.decode() for key in SCHEMA_KEYS]
SEGMENTS = (f"{CHAT}#a", f"{CHAT}#s")
"""Those of a chat of which nothing was seen yet."""


class SharedTopic(CompactedTopic):
    """What each owner of a shard finds on the topic."""

    def store(self, owner: int, **changes: Any) -> SessionStore:
        return self.restored(3, settings(owner=owner, **changes))

    def heads(self) -> dict[str, CheckpointHead]:
        _, sessions = read_checkpoints(WRITERS, [one for one in self.values.items() if one[0] not in KEYS_OF_SCHEMAS])
        return {session_id: head_of(session) for session_id, session in sessions.items()}

    def marker(self) -> BatchStamp:
        marker = self.shard(WRITERS).marker
        assert marker is not None
        return marker

    def highest(self) -> int:
        return max(stamp.number for stamp in self.shard(WRITERS).stamps)


def keys(plan: TransactionPlan) -> list[str]:
    return [record.key.decode() for record in plan.batch.on(CHECKPOINTS)]


def test_the_key_of_the_marker_is_no_session_id() -> None:
    assert session_id_problem(MARKER_KEY)


def test_checkpoints_carry_the_owner_and_the_number_of_their_batch_and_the_first_batch_has_the_marker() -> None:
    topic = SharedTopic()
    store = topic.store(owner=2**63 - 1)
    first = topic.commit(store.fold([announced(CHAT, 0)], NOW))
    assert (first.number, keys(first)) == (1, [*KEYS_OF_SCHEMAS, *SEGMENTS, CHAT, MARKER_KEY])
    second = topic.commit(store.fold([history(joined(1))], NOW))
    assert (second.number, keys(second)) == (2, [f"{CHAT}#s", CHAT])
    stamp, marker = topic.heads()[CHAT].stamp, topic.marker()
    assert (stamp.owner, stamp.number, stamp.owners) == (2**63 - 1, 2, ())
    assert (marker.number, marker.owners) == (1, ((2**63 - 1, 1),))


@pytest.mark.parametrize(
    "only",
    [
        Announced(1, b"?", None, None, "not an announcement", NOW),
        announced(ELSEWHERE, 1),
        QuarantinedInput("chat-1:4800", b"garbage", NO_JSON, 7, observed_at=NOW),
    ],
    ids=["a rejected announcement", "a forwarded one", "a quarantine record"],
)
def test_a_batch_without_another_checkpoint_has_the_marker(only: Input) -> None:
    topic = SharedTopic()
    store = topic.store(owner=5)
    topic.commit(store.fold([announced(CHAT, 0)], NOW))
    plan = topic.commit(store.fold([only], NOW))
    assert (plan.number, keys(plan), topic.highest()) == (2, [MARKER_KEY], 2)


def test_a_batch_with_only_an_offset_has_the_marker() -> None:
    topic = SharedTopic()
    store = topic.store(owner=5)
    topic.commit(store.fold([announced(CHAT, 0), history(joined(1), over=True)], NOW))
    plan = topic.commit(store.fold([announced(CHAT, 1)], NOW))
    assert (plan.batch.announcement_offset, len(plan.batch), keys(plan)) == (2, 1, [MARKER_KEY])


def test_the_number_outlives_every_chat() -> None:
    topic = SharedTopic()
    store = topic.store(owner=5, closed_retention_us=DAY)
    topic.commit(store.fold([announced(CHAT, 0), history(joined(1), over=True)], NOW))
    topic.commit(store.fold([], NOW + A_DAY_AND_MORE))
    assert (list(topic.values), topic.highest()) == ([*KEYS_OF_SCHEMAS, MARKER_KEY], 2)
    again = topic.store(owner=6, closed_retention_us=DAY)
    assert topic.commit(again.fold([announced(CHAT, 1)], NOW + 2 * A_DAY_AND_MORE)).number == 3


def test_nothing_to_commit_takes_no_number_and_a_probe_takes_one() -> None:
    store = SharedTopic().store(owner=5)
    assert (store.fold([], NOW).number, store.fold([push(said(1))], NOW).number) == (0, 1)
    assert store.fold([], NOW).number == 0
    probe = store.fold([], NOW, mark=True)
    assert (probe.number, keys(probe), len(probe.batch), probe.facts) == (2, [MARKER_KEY], 1, [])
    assert keys(store.fold([announced(CHAT, 0)], NOW, mark=True)) == [*SEGMENTS, CHAT, MARKER_KEY]


def test_numbers_continue_from_the_highest_of_all_checkpoints() -> None:
    topic = SharedTopic()
    store = topic.store(owner=5)
    for inputs in ([announced(CHAT, 0)], [], [history(joined(1))]):  # the highest is the chat's, not the marker's
        topic.commit(store.fold(inputs, NOW, mark=not inputs))
    assert topic.marker().number < topic.highest() == 3
    other = topic.store(owner=6)
    assert topic.commit(other.fold([], NOW, mark=True)).number == 4
    assert topic.marker().owners == ((6, 4), (5, 3))
    assert topic.commit(topic.store(owner=5).fold([], NOW, mark=True)).number == 5
    assert topic.marker().owners == ((5, 5), (6, 4))


def test_a_batch_is_known_to_be_committed_until_eight_others_have_owned_the_shard() -> None:
    topic = SharedTopic()
    before = topic.store(owner=100)
    topic.commit(before.fold([announced(CHAT, 0)], NOW))
    topic.commit(before.fold([push(said(1), said(2))], NOW))
    for owner in range(OWNERS):
        asked = topic.store(owner=100)
        assert [asked.numbers.committed(number) for number in (1, 2, 3)] == [True, True, False]
        # Each of them writes the checkpoint of the only chat over, so that nothing but the marker remembers.
        topic.commit(topic.store(owner).fold([push(said(3 + owner))], NOW))
    assert len(topic.marker().owners) == OWNERS
    assert not topic.store(owner=100).numbers.committed(1)


def test_the_number_of_a_failed_commit_is_that_of_the_next_batch_and_not_taken_for_committed() -> None:
    topic = SharedTopic()
    topic.commit(topic.store(owner=5).fold([announced(CHAT, 0)], NOW))
    failed = topic.store(owner=5).fold([push(said(1))], NOW)
    assert topic.commit(topic.store(owner=6).fold([push(said(1))], NOW)).number == failed.number == 2
    assert not topic.store(owner=5).numbers.committed(failed.number)


def test_a_checkpoint_that_is_too_large_gives_way_to_one_with_the_number() -> None:
    limits: Limits = {CHECKPOINTS: 9_000}
    topic = SharedTopic()
    store = topic.store(owner=5, limits=limits)
    topic.commit(store.fold([announced(CHAT, 0)], NOW))
    parties = (joined(number, f"00A{number}", nickname="x" * 100) for number in range(1, 100))
    topic.commit(store.fold([history(*parties)], NOW))
    assert list(topic.values) == [*KEYS_OF_SCHEMAS, CHAT, MARKER_KEY]
    head = topic.heads()[CHAT]
    assert (head.state, head.segments, head.ids) == ("OVER", 0, None)
    assert (head.stamp.owner, head.stamp.number) == (5, 2)
