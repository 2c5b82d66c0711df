"""Chats that ended a while ago: what comes late is folded in by its id, in the chain, from a few bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.session_store import SessionStore
from bridge.records.binary import array, long
from bridge.transcript.input_codes import CHAT_CLOSED
from bridge.transcript.updates import LinkDown, QuarantinedInput
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import DAY, NOW, SECOND, WRITERS, announcement, settings
from tests.capture.written_topics import CHECKPOINTS, EVENTS, QUARANTINE, SESSIONS
from tests.support.reasons import A_RESET, NO_JSON
from tests.transcript.build import CHAT, history, joined, left, noticed, push, said

LATER = 120 * SECOND


def ended(*, restarts: bool = False) -> RecordedShard:
    """A chat that ended two minutes ago: it was amended once, an event was masked, and one is missing."""
    shard = RecordedShard()
    shard.fold(history(joined(1), said(2, "hello"), said(3, "secret")))
    shard.fold(history(joined(1), said(2, "hullo"), said(3, "******")), LinkDown(CHAT, A_RESET, NOW))
    shard.fold(history(joined(1), said(2, "hullo"), said(6, "bye"), over=True))
    shard.now += LATER
    shard.fold()
    assert CHAT not in shard.store.chats
    assert [key for key in shard.topic.values if key.startswith(CHAT)] == [CHAT]
    return shard.restarted() if restarts else shard


@pytest.mark.parametrize("restarts", [False, True])
def test_what_comes_late_is_published_in_the_chain_and_the_certificate_is_superseded(restarts: bool) -> None:
    shard = ended(restarts=restarts)
    before = shard.outline()
    shard.fold(push(said(4), said(2, "changed once more"), said(6)))
    if restarts:
        shard.restarted()
    shard.fold(push(said(5), said(7), said(4, "changed")))
    assert shard.outline() == [*before, 4, 5, 7]
    first, second, third = shard.certificates()
    assert (first["verdict"], second["verdict"], third["verdict"]) == ("INCOMPLETE", "INCOMPLETE", "COMPLETE")
    assert (second["supersedes"], third["supersedes"]) == (first["lastSequence"], second["lastSequence"])
    assert (third["amendments"], third["masked"], third["gaps"]) == (1, 1, [])
    assert shard.records()[len(before)]["fills"] is not None
    assert shard.findings() == []
    assert shard.set_aside() == []
    assert CHAT not in shard.store.chats


def test_a_duplicate_changes_nothing(shard: RecordedShard) -> None:
    shard.fold(history(joined(1), said(2), over=True))
    shard.now += LATER
    shard.fold()
    plan = shard.fold(push(said(2, "another"), over=True))
    assert (plan.batch.on(EVENTS), plan.batch.on(SESSIONS), plan.batch.on(QUARANTINE)) == ([], [], [])
    assert shard.restarted().fold(push(said(2), over=True)).batch.on(EVENTS) == []


@pytest.fixture(name="shard")
def _shard() -> RecordedShard:
    return RecordedShard()


def test_a_hole_told_late_is_in_the_certificate_that_supersedes() -> None:
    shard = ended()
    shard.fold(QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW))
    assert [gap["code"] for gap in shard.certificates()[-1]["gaps"]] == ["NOT_IN_REPLAY", "UNREADABLE"]
    assert shard.findings() == []


def test_an_announcement_opens_it_no_second_time() -> None:
    shard = ended(restarts=True)
    plan = shard.fold(announcement(offset=9))
    assert (plan.follow, plan.batch.on(SESSIONS), plan.batch.on(CHECKPOINTS)[0].key) == ([], [], b"/shard")


late = st.lists(st.builds(said, st.integers(0, 20), st.sampled_from(["hello", "HELLO"])), min_size=1, max_size=6)


@given(st.lists(st.tuples(late, st.booleans(), st.booleans()), max_size=6))
def test_every_id_is_published_once_however_late_it_comes(rounds: list[tuple[list[Any], bool, bool]]) -> None:
    shard = ended()
    for sent, restarts, waits in rounds:
        if restarts:
            shard.restarted()
        shard.now += LATER if waits else 0
        shard.fold(push(*{event.event_id: event for event in sent}.values()))
    ids = [record["id"] for record in shard.records()]
    assert len(ids) == len(set(ids))
    assert shard.findings() == []
    told = {event.event_id for sent, _, _ in rounds for event in sent} | {1, 2, 3, 6}
    assert {record["eventId"] for record in shard.records()} - {None} == told


def test_it_takes_at_most_200_bytes_beside_its_ranges() -> None:
    topic = CompactedTopic()
    store, now = SessionStore(3, settings(owner=2**63 - 1)), 1_900_000_000_000_000
    topic.commit(store.fold([announcement(tenant="Environment")], now))
    for number in range(2, 10_000, 500):
        events = [said(at, "one two three", f"00A{at % 6}") for at in range(number, number + 500)]
        topic.commit(store.fold([history(joined(1), *events)] if number == 2 else [push(*events)], now))
    end = push(noticed(20_001, "USER_CUSTOM"), left(20_002), over=True)
    end.observed_at = now
    topic.commit(store.fold([end], now))
    topic.commit(store.fold([], now + LATER))
    [(key, value)] = [one for one in topic.values.items() if one[0].startswith(CHAT)]
    assert key == CHAT
    ranges = array(map(long, (1, 10_001, 20_001, 20_002)))
    assert ranges in value
    assert len(value) - len(ranges) <= 200
    assert store.fold([push(said(5_000, "changed"))], now + LATER).batch.on(EVENTS) == []


def test_one_that_has_outgrown_its_checkpoints_is_only_known_to_be_over() -> None:
    shard = RecordedShard()
    shard.settings = replace(shard.settings, limits={CHECKPOINTS: 9_000})
    shard.restarted().fold(history(*(joined(number, f"00A{number}", nickname="x" * 100) for number in range(1, 100))))
    for _ in range(2):
        shard.fold(push(said(200), over=True))
        shard.restarted()
    assert shard.set_aside() == [(CHAT, CHAT_CLOSED)] * 2
    assert list(shard.topic.shard(WRITERS).over) == [CHAT]


def test_one_that_is_too_large_for_a_topic_that_was_made_again_is_only_known_to_be_over() -> None:
    shard = RecordedShard()
    shard.fold(history(*(said(2 * number) for number in range(1, 3_000)), over=True))
    shard.now += LATER
    shard.fold()
    most = 9_000
    assert len(shard.topic.values[CHAT]) > most
    shard.settings = replace(shard.settings, limits={CHECKPOINTS: most})
    shard.restarted().store.adopt(())
    plan = shard.fold()
    assert max(len(record.value or b"") for record in plan.batch.on(CHECKPOINTS)) <= most
    assert plan.cut  # the limit may be another one by now
    assert list(shard.topic.shard(WRITERS).over) == [CHAT]
    assert shard.restarted().fold(announcement(offset=9)).follow == []


def test_it_expires_when_nothing_came_for_as_long_as_it_is_kept() -> None:
    topic = CompactedTopic()
    store = SessionStore(3, settings(closed_retention_us=DAY))
    topic.commit(store.fold([announcement(), history(joined(1), over=True)], NOW))
    topic.commit(store.fold([], NOW + DAY // 2))
    late_push = push(said(2))
    late_push.observed_at = NOW + DAY // 2
    topic.commit(store.fold([late_push], NOW + DAY // 2))
    topic.commit(store.fold([], NOW + DAY + 2 * SECOND))
    assert CHAT in topic.values
    topic.commit(store.fold([], NOW + 2 * DAY))
    assert CHAT not in topic.values
    assert len(store.fold([announcement(offset=1)], NOW + 2 * DAY).follow) == 1
