"""Several epochs of one chat: a chain of its own in each, and what verify says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.chain import genesis, split
from bridge.records.checkpoint import BatchStamp, CheckpointHead
from bridge.records.checkpoint_parts import Checkpoint, CheckpointParts
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.records.normalise import ChatRecorder
from bridge.records.payload_framing import single_object
from bridge.records.session_records import CLOSED, OPENED
from bridge.records.writer_schemas import WriterSchemas
from bridge.transcript.entries import SessionFacts
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from tests.records.test_verifier import RECORDING, SCHEMAS, RecordedTopics
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry

BEGUN_AGAIN = f"chat {CHAT}: begins again at events-3@1300 with epoch 1: its events may be there twice"


def of_epoch(epoch: int) -> Transcript:
    return Transcript(TranscriptState(SessionFacts(CHAT, server="chat-1:4800"), epoch=epoch))


def publish(topics: RecordedTopics, fold: Transcript, epoch: int, entries: list[Entry]) -> None:
    """Add one epoch of the chat: opened, its records, closed with its certificate."""
    recorder = ChatRecorder(CHAT, RECORDING, epoch=epoch)
    topics.sessions.append((40 + 10 * epoch, recorder.session_record(OPENED, fold.facts, 1)))
    for offset, entry in enumerate(entries, 1200 + 100 * epoch):
        topics.events.append((offset, recorder.event_record(entry, fold.facts)))
    certificate = fold.certificate()
    topics.sessions.append((41 + 10 * epoch, recorder.session_record(CLOSED, fold.facts, 2, certificate)))


def begun_again() -> RecordedTopics:
    """A chat of three events that was announced anew when its checkpoint was gone: amended before and after."""
    topics = RecordedTopics()
    for epoch in (0, 1):
        fold = of_epoch(epoch)
        entries = fold.apply(history(joined(1), said(2)))
        entries += fold.apply(push(said(2, f"changed in epoch {epoch}"), said(3)))
        publish(topics, fold, epoch, entries)
    return topics


def test_a_chat_that_began_again_is_a_remark_and_no_finding() -> None:
    [finding] = begun_again().findings()
    assert (str(finding), finding.broken) == (BEGUN_AGAIN, False)


def test_events_have_their_ids_in_every_epoch_and_what_the_bridge_counts_has_other_ones() -> None:
    records = [SCHEMAS.decode("org.chatbridge.v1.TranscriptEvent", payload) for _, payload in begun_again().events]
    ids = [record["id"].partition(":")[2] for record in records]
    assert ids == ["1", "2", "2:1", "3", "1", "2", "2:1.1", "3"]
    assert [record["sequence"] for record in records] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [record["epoch"] for record in records] == [0] * 4 + [1] * 4


def test_the_chain_of_an_epoch_starts_from_its_own_value() -> None:
    first = [split(payload)[1] for _, payload in begun_again().events[::4]]
    assert first == [genesis(CHAT, 0), genesis(CHAT, 1)]
    assert first[0] != first[1]


def test_a_record_lost_in_a_former_epoch_is_still_named() -> None:
    topics = begun_again()
    del topics.events[1]
    assert f"chat {CHAT}: record at events-3@1202 has sequence 3 where 2 was expected: a record is missing" in (
        topics.verify()
    )


def test_a_record_of_a_former_epoch_after_a_later_one_is_named() -> None:
    topics = begun_again()
    topics.events.append(topics.events.pop(3))
    assert f"chat {CHAT}: record at events-3@1203 is of epoch 0 but comes after epoch 1" in topics.verify()


def test_a_certificate_about_another_epoch_than_its_record_is_named() -> None:
    fold, topics = of_epoch(1), RecordedTopics()
    entries = fold.apply(history(joined(1)))
    recorder = ChatRecorder(CHAT, RECORDING, epoch=1)
    topics.events = [(1300 + entry.sequence, recorder.event_record(entry, fold.facts)) for entry in entries]
    told = replace(fold.certificate(), epoch=0)
    topics.sessions = [(40, recorder.session_record(CLOSED, fold.facts, 2, told))]
    found = [finding for finding in topics.findings() if finding.broken]
    assert [finding.message for finding in found] == [
        "certificate at sessions-3@40 is about epoch 0 in a record of epoch 1"
    ]


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_epoch_survives_a_restart(epoch: int) -> None:
    fold = of_epoch(epoch)
    fold.apply(history(joined(1)))
    recorder = ChatRecorder(CHAT, RECORDING, epoch=epoch)
    head = CheckpointHead("FOLLOWED", 1, epoch, recorder.head, {}, None, 1, BatchStamp(5, 6), ids=fold.take_blocks()[0])
    written = CheckpointParts(CHAT, "main").changed(Checkpoint(head, b"{}", fold.seldom(), []))
    header = single_object(SCHEMAS.fingerprint(SESSION_CHECKPOINT))
    _, found = read_checkpoints(WriterSchemas(SCHEMAS), [(key, header + payload) for key, payload in written])
    stored = found[CHAT].transcript()
    assert stored.epoch == epoch
    assert Transcript(stored).certificate().epoch == epoch
