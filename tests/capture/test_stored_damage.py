"""Stored transcripts that are damaged, or lack what others have; and their way over the topic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.capture.chat_facts import StoredRepaired
from bridge.capture.inbox import Forgotten
from bridge.capture.stored_inputs import StoredPlace, StoredRead
from bridge.capture.stored_texts import StoredText, StoredTextParts
from bridge.transcript.gap_codes import (
    ARCHIVE_DAMAGED,
    EVENTS_LOST,
    TOO_LARGE,
)
from bridge.transcript.input_codes import NOT_XML, OTHER_CHAT
from bridge.transcript.updates import QuarantinedInput
from tests.capture.recorded_shard import RecordedShard
from tests.capture.stored_documents_of import (
    READ_AT,
    away,
    document,
    followed,
    never_announced,
    of_text,
    stored,
)
from tests.capture.test_session_store import NOW
from tests.capture.written_topics import CHECKPOINTS, EVENTS, STORED
from tests.support.reasons import NO_JSON
from tests.transcript.build import CHAT, history, joined, left, push, said


def test_what_was_withdrawn_stays_in_quarantine_and_named() -> None:
    shard = RecordedShard(limits=8_000)
    shard.fold(history(joined(1), said(2, "x" * 9_000), said(3)))
    shard.fold(push(left(4), over=True))
    shard.fold(*stored(joined(1), said(2, "x" * 9_000), said(3), left(4)))
    assert shard.gaps() == [(2, 2, TOO_LARGE)]
    assert [one["reasons"] for one in shard.certificates()] == [[TOO_LARGE]]
    assert shard.findings() == []


def test_an_event_that_is_too_large_for_its_topic_is_withdrawn() -> None:
    shard = RecordedShard(limits=8_000, announced=False)
    shard.fold(*stored(joined(1), said(2, "x" * 9_000), said(3)))
    assert (shard.outline(), {*shard.set_aside()}) == ([1, "GAP", 3], {(CHAT, TOO_LARGE)})
    assert shard.findings() == []


def test_unreadable_input_of_before_costs_nothing_once_the_last_text_is_there() -> None:
    shard = followed()
    shard.fold(QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW))
    shard.fold(QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, followed=(CHAT,), observed_at=NOW))
    shard.fold(push(left(3), over=True))
    assert shard.certificates()[-1]["reasons"] == ["UNATTRIBUTED", "UNREADABLE"]
    shard.fold(*stored(joined(1), said(2), left(3)))
    assert shard.certificates()[-1]["verdict"] == "COMPLETE"
    assert shard.certificates()[-1]["unattributed"] == 1
    assert shard.findings() == []


def test_a_loss_in_the_text_is_a_gap_until_a_whole_copy_comes() -> None:
    whole = document(joined(1), said(2), said(3), left(4))
    damaged = whole.replace(b"</message>", b"", 1)
    shard = never_announced()
    plan = shard.fold(*of_text(damaged))
    assert shard.outline() == [1, "GAP", 3, 4]
    assert shard.gaps() == [(2, 2, ARCHIVE_DAMAGED)]
    assert [fact.repairs for fact in plan.facts if isinstance(fact, StoredRepaired)]
    for text in (damaged, whole, damaged):
        shard.fold(*of_text(text))
    assert shard.outline() == [1, "GAP", 3, 4, 2]
    assert [one["verdict"] for one in shard.certificates()] == ["INCOMPLETE", "COMPLETE"]
    assert shard.findings() == []


def test_a_text_that_is_cut_off_leaves_the_rest_open() -> None:
    whole = document(joined(1), said(2), said(3), left(4))
    cut = whole[: whole.index(b'eventId="3"')]
    shard = followed()
    away(shard)
    shard.fold(*of_text(cut))
    assert shard.certificates()[-1]["verdict"] == "INCOMPLETE"
    shard.fold(*of_text(cut))
    shard.restarted().fold(*of_text(cut))
    assert len(shard.certificates()) <= 2
    shard.fold(*of_text(whole))
    shard.fold(*of_text(cut))
    assert shard.certificates()[-1]["verdict"] == "COMPLETE"
    assert [record["eventId"] for record in shard.records() if record["eventId"]] == [1, 2, 3, 4]
    assert shard.findings() == []


def test_records_that_have_gone_from_their_topic_are_not_written_again() -> None:
    shard = followed()
    shard.fold(Forgotten(NOW, without_records=frozenset({CHAT})), push(left(3), over=True))
    shard.fold(*stored(joined(1), said(2), left(3)))
    assert shard.outline() == [1, 2, "GAP", 3]
    assert [one["reasons"] for one in shard.certificates()] == [[EVENTS_LOST]]
    assert shard.findings() == []


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"", NOT_XML), (b"no xml at all", NOT_XML), (document(said(1), session_id="0000ANOTHER00001"), OTHER_CHAT)],
)
def test_what_is_no_transcript_of_its_chat_is_in_quarantine_with_its_id_and_the_next_one_goes_on(
    text: bytes, code: str
) -> None:
    shard = followed()
    before = shard.outline()
    shard.fold(*of_text(text), *stored(joined(1), said(2), said(3), offset=2))
    assert shard.set_aside() == [(CHAT, code)]
    assert shard.outline() == [*before, 3]
    assert shard.store.positions["stored"] == StoredPlace(2).encode()


def test_what_a_feeder_read_is_written_to_the_topic_with_its_positions() -> None:
    shard = never_announced()
    text = StoredText("0000ELSEWHERE001", "ucs#7", b"x" * 1_200_000, final=True, read_at=READ_AT)
    plan = shard.fold(StoredRead((text,), {"ucs.bookmark": b"7", "ucs.list": None}, READ_AT))
    parts = StoredTextParts()
    found = [parts.take(one.key, one.headers, one.value, at) for at, one in enumerate(plan.batch.on(STORED))]
    assert found == [None, None, text]
    assert dict(shard.restarted().store.positions) == {"ucs.bookmark": b"7"}
    shard.fold(StoredRead((), {"ucs.bookmark": None}, READ_AT))
    assert dict(shard.restarted().store.positions) == {}


def test_positions_are_written_again_when_kafka_has_forgotten_the_checkpoints() -> None:
    shard = never_announced()
    shard.fold(StoredRead((), {"ucs.bookmark": b"7"}, READ_AT), *stored(joined(1), final=False))
    shard.topic.values.clear()
    shard.store.adopt(())
    shard.fold()
    assert dict(shard.restarted().store.positions) == {"ucs.bookmark": b"7", "stored": StoredPlace(1).encode()}


def test_a_text_on_a_wrong_partition_is_sent_on_whole() -> None:
    shard = never_announced()
    shard.settings = replace(shard.settings, partition_of=lambda _: 7)
    shard.restarted()
    plan = shard.fold(*stored(*(said(number) for number in range(1, 1_500))))
    [record] = plan.batch.on(STORED)
    assert (record.partition, record.key) == (7, CHAT.encode())
    assert b"/position/stored" in [one.key for one in plan.batch.on(CHECKPOINTS)]
    assert plan.batch.on(EVENTS) == []


def test_a_long_text_comes_in_parts_and_closes_its_chat_once() -> None:
    inputs = stored(joined(1), *(said(number) for number in range(2, 1_601)), offset=4)
    assert len(inputs) == 4
    shard = never_announced()
    for one in inputs:
        assert shard.certificates() == []
        shard.fold(one)
        shard.restarted()
    assert shard.outline() == list(range(1, 1_601))
    assert shard.store.positions["stored"] == StoredPlace(4).encode()
    assert shard.findings() == []
