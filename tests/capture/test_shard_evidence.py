"""Every certificate is one leaf of its shard's tree, whatever fails; anchors come when due, and say what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from bridge.capture import chat, chat_closing
from bridge.capture.output_sessions import closed
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_evidence import ALWAYS, CHECKPOINT, KEYS, STATEMENT, edge_in
from bridge.capture.stored_settings import StoredSettings
from bridge.evidence.anchors import CommittedOffsets, parsed_statement, parsed_tree_head
from bridge.records.shard_facts import LogMark, ShardFacts
from tests.capture.evidence_topics import ANCHORS, LEAVES, MINUTE, RecordedEvidence
from tests.capture.stored_documents_of import stored
from tests.capture.test_session_store import NOW, announcement, settings
from tests.capture.written_topics import STORED
from tests.evidence.signing_keys import NAME, ORIGIN
from tests.transcript.build import history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat import Chat
    from bridge.capture.inbox import Input
    from bridge.evidence.anchors import Statement, TreeHead
    from bridge.transcript.entries import Certificate
    from bridge.transcript.updates import TranscriptUpdate


def of(session_id: str, update: TranscriptUpdate) -> TranscriptUpdate:
    return replace(update, transcript=structs.replace(update.transcript, session_id=session_id))


def begun(*session_ids: str) -> list[Input]:
    told: list[Input] = [announcement(one, offset) for offset, one in enumerate(session_ids)]
    return [*told, *(of(one, history(joined(1), said(2))) for one in session_ids)]


def ended(*session_ids: str) -> list[Input]:
    return [of(one, push(said(3), over=True)) for one in session_ids]


def heads(shard: RecordedEvidence) -> list[TreeHead]:
    return [parsed_tree_head(value.decode()) for kind, value in shard.topics.anchors if kind == CHECKPOINT]


def statements(shard: RecordedEvidence) -> list[Statement]:
    return [parsed_statement(value.decode()) for kind, value in shard.topics.anchors if kind == STATEMENT]


def check_tree(shard: RecordedEvidence) -> None:
    """Check that leaves, the tree in the marker and the certificates on the topic are the same."""
    tree = shard.store.numbers.tree
    assert tree is not None
    assert (tree.name, edge_in(tree)) == ("3", shard.topics.tree())
    assert list(shard.topics.leaves) == [f"3/{index}" for index in range(tree.size)]


def test_each_certificate_is_a_leaf_in_order_across_restarts() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a", "b", "c"))
    assert shard.topics.leaves == {}
    shard.fold(*ended("a"))
    check_tree(shard)
    shard.restart()
    check_tree(shard)
    shard.fold(*ended("c", "b"))
    assert len(shard.topics.leaves) == 3
    check_tree(shard)
    shard.restart()
    shard.fold(*begun("d"), *ended("d"))
    assert len(shard.topics.leaves) == 4
    check_tree(shard)


def test_a_superseding_certificate_is_a_leaf_of_its_own() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a"), *ended("a"))
    shard.fold(of("a", push(said(4))))
    assert len(shard.topics.certificates()) == len(shard.topics.leaves) == 2
    check_tree(shard)


def test_what_was_not_committed_leaves_no_leaf() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a", "b"))
    failed = shard.lost(*ended("a"))
    assert [one.key for one in failed.batch.on(LEAVES)] == [b"3/0"]
    shard.fold(*ended("b"), *ended("a"))
    assert len(shard.topics.leaves) == 2
    check_tree(shard)


def test_a_defect_that_undoes_an_input_takes_its_leaf_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a", "b"))
    calls: list[str] = []

    def broken(builder: BatchBuilder, chat: Chat, at: int, certificate: Certificate) -> str:
        verdict = closed(builder, chat, at, certificate)
        calls.append(verdict)
        if len(calls) == 1:
            raise ZeroDivisionError
        return verdict

    monkeypatch.setattr(chat_closing, "closed", broken)
    shard.fold(*ended("a", "b"))
    assert len(calls) == 3
    assert len(shard.topics.leaves) == len(shard.topics.certificates()) == 2
    check_tree(shard)


def test_the_marker_is_written_with_each_certificate_and_otherwise_as_before() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a"))
    assert "/shard" not in {one.key.decode() for one in shard.fold(of("a", push(said(3)))).batch.records}
    assert "/shard" in {one.key.decode() for one in shard.fold(*ended("a")).batch.records}


def test_without_a_key_nothing_of_it_is_written() -> None:
    store = SessionStore(3, settings(partition_of=lambda _: 3))
    plan = store.fold([*begun("a"), *ended("a")], NOW)
    assert not {LEAVES, ANCHORS} & {one.topic for one in plan.batch.records}
    assert store.numbers.tree is None


# --- anchors -----------------------------------------------------------------------------------------------------


def test_an_anchor_names_the_head_of_the_tree_with_what_the_same_transaction_writes() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a"), *ended("a"))
    (head,) = heads(shard)
    assert (head.origin, head.size, head.root) == (ORIGIN, 1, shard.topics.tree().root())
    assert head.origin.startswith(NAME)


def test_a_shard_that_has_nothing_makes_no_anchor() -> None:
    shard = RecordedEvidence()
    shard.fold(mark=True)
    assert shard.topics.anchors == []


def test_anchors_come_after_the_time_and_only_if_something_was_written() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a", "b"))
    shard.now += MINUTE - 1
    shard.fold(*ended("a"))
    assert len(heads(shard)) == 1
    shard.now += 1
    shard.fold(mark=True)
    assert [one.size for one in heads(shard)] == [0, 1]
    shard.now += 10 * MINUTE
    shard.fold(mark=True)
    assert len(heads(shard)) == 2
    shard.fold(of("b", push(said(3))))
    assert len(heads(shard)) == 3


def test_anchors_come_after_a_number_of_records() -> None:
    shard = RecordedEvidence({"anchor_records": 3})
    shard.fold(*begun("a"))
    shard.fold(of("a", push(said(3))), of("a", push(said(4))))
    assert len(heads(shard)) == 1
    shard.fold(of("a", push(said(5))))
    assert len(heads(shard)) == 2


def test_a_clock_that_was_set_back_stops_no_anchor() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a"))
    shard.now -= 10 * MINUTE
    shard.fold(of("a", push(said(3))))
    assert len(heads(shard)) == 2


def test_a_statement_has_the_heads_of_the_open_chats_that_changed() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a", "b", "c"))
    shard.now += MINUTE
    shard.fold(of("b", push(said(3))), *ended("c"))
    first, second = statements(shard)
    assert [(one.session_id, one.sequence) for one in first.chats] == [("a", 2), ("b", 2), ("c", 2)]
    assert [(one.session_id, one.sequence, one.output) for one in second.chats] == [("b", 3, "default")]
    chat = shard.store.chats["b"]
    assert second.chats[0].head == chat.outputs[0].recorder.head
    assert (second.at, second.head) == (shard.now, heads(shard)[1])


def test_a_statement_has_the_heads_of_open_chats_that_only_stored_transcripts_tell_of() -> None:
    shard = RecordedEvidence()
    shard.settings = replace(shard.settings, stored=StoredSettings(STORED))
    shard.restart()
    shard.fold(*stored(joined(1), said(2), final=False, session_id="a"), *stored(joined(1), offset=2, session_id="b"))
    assert [shard.store.chats[one].state for one in ("a", "b")] == [chat.STORED, chat.OVER]
    shard.restart()
    shard.fold(*begun("c"))
    first, second = statements(shard)
    assert [(one.session_id, one.sequence) for one in first.chats] == [("a", 2)]
    assert [one.session_id for one in second.chats] == ["a", "c"]
    assert first.chats[0].head == shard.store.chats["a"].outputs[0].recorder.head


def test_after_a_restart_an_anchor_has_all_open_chats_again() -> None:
    shard = RecordedEvidence()
    shard.fold(*begun("a", "b", "c"), *ended("c"))
    shard.restart()
    shard.fold(of("a", push(said(3))))
    assert [one.session_id for one in statements(shard)[-1].chats] == ["a", "b"]


def test_a_statement_names_the_offsets_of_the_last_look() -> None:
    shard = RecordedEvidence()
    shard.store.numbers.shard = ShardFacts("g", 4, {"events": LogMark(b"", 5, 90), "checkpoints": LogMark(b"", 0, 7)})
    shard.fold(*begun("a"))
    (told,) = statements(shard)
    assert told.committed == [CommittedOffsets("test.events", 3, 5, 90)]


@pytest.mark.parametrize("lists_keys", [True, False])
def test_a_list_of_keys_comes_with_each_anchor_and_always_with_the_first_one_of_an_owner(lists_keys: bool) -> None:
    shard = RecordedEvidence({"lists_keys": lists_keys})
    for event_id in (3, 4):
        shard.fold(*begun("a"))
        shard.now += MINUTE
        shard.fold(of("a", push(said(event_id))))
        shard.restart()
    lists = [value.decode() for kind, value in shard.topics.anchors if kind == KEYS]
    assert lists == [ALWAYS, "", ALWAYS, ""] * lists_keys
    assert [kind for kind, _ in shard.topics.anchors].count(CHECKPOINT) == 4
