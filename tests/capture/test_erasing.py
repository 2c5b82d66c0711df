"""A request to forget a chat: what one transaction deletes, and what is left as it is."""

from __future__ import annotations

from bridge.capture.chat_facts import ChatErased, ErasureRefused
from bridge.capture.erasure_requests import AskedErasure, request_record, requested
from bridge.capture.partition_numbers import PARTITIONS_POSITION, encoded_numbers
from bridge.capture.ports import Batch, Outgoing
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_keys import ShardKeys
from bridge.capture.stored_inputs import STORED_POSITION, ErasureRequested, StoredPlace
from bridge.capture.stored_texts import StoredTextParts
from bridge.errors import Problem
from bridge.records.checkpoint_keys import MARKER_KEY, position_key
from bridge.transcript.input_codes import NOT_FOLLOWED, STORED_RECORD
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.test_session_store import NOW, SECOND, announcement, settings
from tests.capture.written_topics import CHECKPOINTS, QUARANTINE, STORED
from tests.sealing.known_keys import CountedKeys, KnownMaster
from tests.transcript.build import CHAT, history, joined, push, said

KEYS = "keys"
OWN_KEYS = ShardKeys(3, KEYS, KnownMaster(), CountedKeys())
PLACE = StoredPlace(8, "ab")
REQUEST = ErasureRequested(CHAT, PLACE, "request-1", NOW)
REPEATED = ErasureRequested(CHAT, StoredPlace(9, "ab"), "request-1", NOW, again=True)


def closed(topic: CompactedTopic, *, later: int = 0) -> SessionStore:
    store = SessionStore(3, settings(keys=OWN_KEYS))
    for inputs in ([announcement()], [history(joined(1), said(2), over=True)]):
        topic.commit(store.fold(inputs, NOW))
    if later:
        topic.commit(store.fold([], NOW + later, mark=True))
    return store


def names_of_chats(topic: CompactedTopic) -> set[str]:
    return {key for key in topic.values if key.startswith(CHAT)}


def test_every_record_of_the_checkpoint_and_the_data_key_are_deleted_and_the_position_goes_on() -> None:
    for later in (0, 120 * SECOND):  # remembered as a whole, or by its head alone
        topic = CompactedTopic()
        store = closed(topic, later=later)
        assert names_of_chats(topic)
        plan = topic.commit(store.fold([REQUEST], NOW + later))
        assert names_of_chats(topic) == set()
        assert plan.batch.on(KEYS) == [Outgoing(KEYS, 3, CHAT.encode(), None)]
        assert plan.facts == [ChatErased(session=CHAT, request="request-1")]
        assert {position_key(STORED_POSITION), MARKER_KEY} <= topic.values.keys()
        assert CHAT not in store.chats
        assert CHAT not in store.closed
        restored = topic.restored(3, settings())
        assert (dict(restored.chats), list(restored.closed)) == ({}, [])
        assert restored.positions[STORED_POSITION] == PLACE.encode()


def test_what_comes_for_it_later_is_set_aside_and_another_request_finds_nothing() -> None:
    topic = CompactedTopic()
    store = closed(topic)
    plan = topic.commit(store.fold([REQUEST, push(said(3, "late"))], NOW))
    assert len(plan.batch.on(QUARANTINE)) == 1
    assert [getattr(fact, "code", "") for fact in plan.facts] == ["", NOT_FOLLOWED]
    again = topic.commit(store.fold([REQUEST], NOW))
    assert [record.value for record in again.batch.on(KEYS)] == [None]
    assert names_of_chats(topic) == set()


def test_a_request_that_is_repeated_deletes_again_what_nobody_knows_and_no_chat_that_has_begun_again() -> None:
    for later in (0, 120 * SECOND):  # remembered as a whole, or by its head alone
        topic = CompactedTopic()
        store = closed(topic, later=later)
        topic.commit(store.fold([REQUEST], NOW + later))
        plan = topic.commit(store.fold([REPEATED], NOW + later))
        assert plan.batch.on(KEYS) == [Outgoing(KEYS, 3, CHAT.encode(), None)]
        for inputs in ([announcement()], [history(joined(1), over=True)]):
            topic.commit(store.fold(inputs, NOW + later))
        topic.commit(store.fold([], NOW + 2 * later + 1, mark=True))
        before = {key: topic.values[key] for key in names_of_chats(topic)}
        plan = topic.commit(store.fold([REPEATED], NOW + 2 * later + 1))
        assert before
        assert (plan.batch.on(KEYS), plan.facts) == ([], [])
        assert {key: topic.values[key] for key in names_of_chats(topic)} == before
        assert topic.restored(3, settings()).positions[STORED_POSITION] == REPEATED.place.encode()


def test_a_repeated_request_on_a_wrong_partition_is_sent_on_as_one() -> None:
    elsewhere = ErasureRequested("0000ELSEWHERE001", PLACE, "request-2", NOW, again=True)
    [sent] = SessionStore(3, settings()).fold([elsewhere], NOW).batch.on(settings().stored.topic)
    assert requested(sent.key, sent.headers) == AskedErasure("0000ELSEWHERE001", "request-2", again=True)


def test_in_the_transaction_that_closes_the_chat_no_checkpoint_of_it_is_written() -> None:
    topic, store = CompactedTopic(), SessionStore(3, settings(keys=OWN_KEYS))
    topic.commit(store.fold([announcement()], NOW))
    plan = topic.commit(store.fold([history(joined(1), over=True), REQUEST], NOW))
    assert [record.value for record in plan.batch.on(CHECKPOINTS) if record.key.startswith(CHAT.encode())] == [None] * 3
    assert names_of_chats(topic) == set()


def test_a_chat_that_is_open_goes_on_as_it_was() -> None:
    topic, store = CompactedTopic(), SessionStore(3, settings(keys=OWN_KEYS))
    topic.commit(store.fold([announcement(), history(joined(1))], NOW))
    before = dict(topic.values)
    plan = topic.commit(store.fold([REQUEST], NOW))
    assert plan.facts == [ErasureRefused(session=CHAT, request="request-1")]
    assert plan.batch.on(KEYS) == []
    assert {key: value for key, value in topic.values.items() if key.startswith(CHAT)} == {
        key: value for key, value in before.items() if key.startswith(CHAT)
    }


def test_without_sealed_outputs_nothing_is_written_where_keys_would_be() -> None:
    plan = SessionStore(3, settings()).fold([REQUEST], NOW)
    assert {record.topic for record in plan.batch.records} == {CHECKPOINTS}


def test_a_request_on_a_wrong_partition_is_sent_on() -> None:
    elsewhere = ErasureRequested("0000ELSEWHERE001", PLACE, "request-2", NOW)
    plan = SessionStore(3, settings(keys=OWN_KEYS)).fold([elsewhere], NOW)
    [sent] = plan.batch.on(settings().stored.topic)
    assert (sent.partition, sent.key, sent.value) == (7, b"0000ELSEWHERE001", b"")
    assert requested(sent.key, sent.headers) == AskedErasure("0000ELSEWHERE001", "request-2", again=False)
    assert plan.batch.on(KEYS) == []


def test_adopted_state_is_written_again_without_it() -> None:
    topic = CompactedTopic()
    store = closed(topic)
    store.adopt(())
    topic.commit(store.fold([REQUEST], NOW))
    assert names_of_chats(topic) == set()


def test_a_record_is_a_request_only_with_its_header_and_a_session_id() -> None:
    headers, value = request_record("r" * 100)
    assert requested(CHAT.encode(), headers) == AskedErasure(CHAT, "r" * 64, again=False)
    assert requested(CHAT.encode(), request_record("r", again=True)[0]) == AskedErasure(CHAT, "r", again=True)
    assert value == b""
    assert requested(b"no id at all", headers) is None
    assert requested(None, headers) is None
    assert requested(CHAT.encode(), [("place", b"ucs")]) is None


def test_a_version_that_knows_no_requests_sets_one_aside() -> None:
    headers, value = request_record("request-1")
    told = StoredTextParts().take(CHAT.encode(), headers, value)
    assert isinstance(told, Problem)
    assert told.code == STORED_RECORD


def test_keys_that_are_written_again_are_those_of_other_chats() -> None:
    keys = ShardKeys(3, KEYS, KnownMaster(), CountedKeys())
    known = [Outgoing(KEYS, 3, name, b"wrapped") for name in (CHAT.encode(), b"another")]
    keys.settled(Batch(known), ())
    keys.lost()
    plan = SessionStore(3, settings(keys=keys)).fold([REQUEST], NOW)
    assert [(one.key, one.value) for one in plan.batch.on(KEYS)] == [(CHAT.encode(), None), (b"another", b"wrapped")]


def test_a_request_is_executed_on_each_partition_that_the_chat_may_be_on_and_sent_on_from_others() -> None:
    places = {CHAT: {4: 3, 8: 6}}
    grown = settings(partition_of=lambda _: 3, partition_under=lambda key, number: places[key.decode()][number])
    for partition, executed in ((3, True), (6, True), (5, False)):
        store = SessionStore(partition, grown)
        store.positions.set(PARTITIONS_POSITION, encoded_numbers((4, 8), ()))
        plan = store.fold([REQUEST], NOW)
        assert (plan.facts == [ChatErased(session=CHAT, request="request-1")]) == executed
        assert [record.partition for record in plan.batch.on(STORED)] == ([] if executed else [6])
