"""A checkpoint whose writer's schema is not known stops its shard until it is known, and no other shard (P7)."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.announcement import session_id_problem
from bridge.capture.session_store import SessionStore
from bridge.capture.stored_chats import StoredShard, stored_shard
from bridge.errors import EXIT_ENVIRONMENT, SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_CHECKPOINT, TRANSCRIPT_EVENT, Schemas
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.payload_framing import confluent, single_object, unframe
from bridge.records.writer_schemas import KEPT, MOST_LEARNT, WriterSchemas, schema_record, take_schemas
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.test_changed_logs import ChangingLogs, recovery
from tests.capture.test_session_store import (
    NOW,
    PREFIX,
    SCHEMA_KEYS,
    SCHEMAS,
    announcement,
    decoded,
    followed,
    settings,
)
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import CHECKPOINTS, EVENTS
from tests.released.released_folder import SCHEMAS as FOLDER
from tests.support.next_version import extend
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="later")
def _later(tmp_path: Path) -> Schemas:
    """The schemas of the next version."""
    shutil.copytree(FOLDER, tmp_path / "schemas")
    extend(tmp_path / "schemas")
    return Schemas(tmp_path / "schemas")


def stored_by(schemas: Schemas) -> list[tuple[str, bytes]]:
    """What a store with one chat writes to the checkpoints partition, as a version with these schemas writes it."""
    found: list[tuple[str, bytes]] = []
    for key, value in stored_by_this():
        record: dict[str, Any] = SCHEMAS.decode(SESSION_CHECKPOINT, value[10:])
        seldom = record["seldom"] or {"session": {}, "parties": []}
        for place in (record, seldom["session"], *seldom["parties"]):
            place["later"] = "told"
        encoded = schemas.encode(SESSION_CHECKPOINT, record)
        found.append((key, single_object(schemas.fingerprint(SESSION_CHECKPOINT)) + encoded))
    return found


def stored_by_this() -> list[tuple[str, bytes]]:
    """The same as this version writes it, without its schema and the marker."""
    plan = SessionStore(3, settings()).fold([announcement(), history(joined(1), said(2))], NOW)
    return [
        (key, record.value or b"")
        for record in plan.batch.on(CHECKPOINTS)
        if (key := record.key.decode()).startswith(CHAT)
    ]


def test_a_store_restores_what_the_next_version_wrote_and_its_schema_with_it(later: Schemas) -> None:
    store = SessionStore(3, settings())
    store.restore(stored_shard([*stored_by(later), schema_record(later, SESSION_CHECKPOINT)], WriterSchemas(SCHEMAS)))
    assert store.chats[CHAT].transcript.delivered.pairs() == [(1, 2)]
    batch = store.fold([history(joined(1), said(2)), push(said(3))], NOW).batch
    assert len(batch.on(EVENTS)) == 2  # RESUMED, and the new one
    assert [record.key for record in batch.on(CHECKPOINTS)] == [
        *SCHEMA_KEYS,
        *(key.encode() for key in (f"{CHAT}#s", CHAT, MARKER_KEY)),
    ]


def test_the_next_version_restores_what_this_one_wrote(later: Schemas) -> None:
    writers = WriterSchemas(later, [SCHEMAS.whole(SESSION_CHECKPOINT)])
    _, seldom, _ = stored_by_this()
    read = writers.decode(SESSION_CHECKPOINT, seldom[1][10:], SCHEMAS.fingerprint(SESSION_CHECKPOINT))
    assert (read["later"], read["seldom"]["session"]["later"]) == (None, None)
    [session] = stored_shard(stored_by_this(), writers).sessions
    assert (session.session_id, session.transcript().id_ranges) == (CHAT, [(1, 2)])


def test_the_schemas_are_written_once_with_the_first_checkpoint_and_again_when_that_was_not_committed() -> None:
    store = SessionStore(3, settings())
    assert store.fold([], NOW).batch.on(CHECKPOINTS) == []
    first = store.fold([announcement()], NOW).batch.on(CHECKPOINTS)
    assert [record.key for record in first[: len(SCHEMA_KEYS)]] == SCHEMA_KEYS
    assert [record.key.decode() for record in first[len(SCHEMA_KEYS) :]] == [f"{CHAT}#a", f"{CHAT}#s", CHAT, MARKER_KEY]
    written = store.fold([history(joined(1))], NOW).batch.on(CHECKPOINTS)
    assert not {record.key for record in written} & set(SCHEMA_KEYS)
    again = CompactedTopic().restored(3, settings())  # as after a failed commit
    assert [record.key for record in again.fold([announcement()], NOW).batch.on(CHECKPOINTS)[:3]] == SCHEMA_KEYS
    again = CompactedTopic(first).restored(3, settings())
    second = again.fold([history(joined(1))], NOW).batch.on(CHECKPOINTS)
    assert [record.key.decode() for record in second] == [f"{CHAT}#s", CHAT, MARKER_KEY]


def test_the_schemas_are_written_with_a_marker_that_no_chat_comes_with() -> None:
    store = SessionStore(3, settings())
    marked = store.fold([], NOW, mark=True).batch.on(CHECKPOINTS)
    assert [record.key for record in marked] == [*SCHEMA_KEYS, MARKER_KEY.encode()]
    written = store.fold([announcement()], NOW).batch.on(CHECKPOINTS)
    assert [record.key.decode() for record in written] == [f"{CHAT}#a", f"{CHAT}#s", CHAT]


@pytest.mark.parametrize("framed_by", [confluent(1), confluent(31), None])
def test_events_are_read_back_whatever_version_wrote_them_and_whatever_registry_gave_their_id(
    later: Schemas, framed_by: bytes | None
) -> None:
    plan = followed().fold([history(joined(1), said(2))], NOW)
    record = decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))[1]
    payload = later.encode(TRANSCRIPT_EVENT, {**record, "later": "told"})
    writers = WriterSchemas(SCHEMAS)
    take_schemas(writers, [schema_record(later, name) for name in KEPT])
    writer, body = unframe((framed_by or single_object(later.fingerprint(TRANSCRIPT_EVENT))) + payload)
    assert writers.decode_own(TRANSCRIPT_EVENT, body, writer) == record
    own, _ = unframe(framed_by or single_object(SCHEMAS.fingerprint(TRANSCRIPT_EVENT)))
    assert writers.decode_own(TRANSCRIPT_EVENT, SCHEMAS.encode(TRANSCRIPT_EVENT, record), own) == record
    with pytest.raises(SchemaUnknown, match="schema 7 of a registry"):
        WriterSchemas(SCHEMAS).decode_own(TRANSCRIPT_EVENT, body, 7)


def test_an_id_that_another_registry_gives_to_todays_schema_does_not_stop_a_shard_that_reads_events(
    later: Schemas,
) -> None:
    plan = followed().fold([history(joined(1), said(2))], NOW)
    written = [later.encode(TRANSCRIPT_EVENT, one) for one in decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))]
    logs = ChangingLogs({"events": [PREFIX + payload for payload in written]})
    writers = WriterSchemas(SCHEMAS, [later.whole(TRANSCRIPT_EVENT)])

    async def scene() -> None:
        store, opened = SessionStore(3, settings()), recovery(logs, writers=writers)
        store.restore(StoredShard())
        await opened.before_opening()
        await opened.opening(store, before=None, kept=False)
        assert store.chats[CHAT].transcript.delivered.pairs() == [(1, 2)]

    play(scene())


def test_the_key_of_a_schema_is_no_session_id() -> None:
    assert session_id_problem(schema_record(SCHEMAS, SESSION_CHECKPOINT)[0])


@pytest.mark.parametrize("by_id", [False, True])
def test_an_unknown_schema_is_an_error_of_its_own_that_names_it(later: Schemas, by_id: bool) -> None:
    key, value = stored_by(later)[-1]
    name = "17" if by_id else later.fingerprint(SESSION_CHECKPOINT).hex()
    with pytest.raises(SchemaUnknown, match=f"a checkpoint cannot be read: schema {name} is not known") as raised:
        stored_shard([(key, confluent(17) + value[10:] if by_id else value)], WriterSchemas(SCHEMAS))
    assert raised.value.retryable
    assert raised.value.exit_code == EXIT_ENVIRONMENT


def test_damage_stays_damage_whatever_schema_wrote_it(later: Schemas) -> None:
    for key, value in stored_by(later):
        for damaged in (value[:-1], value + b"\0"):
            with pytest.raises(VerificationFailed):
                stored_shard([schema_record(later, SESSION_CHECKPOINT), (key, damaged)], WriterSchemas(SCHEMAS))


def test_a_shard_waits_with_the_reason_until_the_schema_is_known_and_no_other_shard_does(later: Schemas) -> None:
    async def scene(kafka: ScriptedKafka) -> None:
        worker = kafka.worker()
        run = asyncio.get_running_loop().create_task(worker.run())
        kafka.announce(1)
        await asyncio.sleep(30)
        shards = {shard.partition: shard for shard in worker.shards}
        name = later.fingerprint(SESSION_CHECKPOINT).hex()
        assert [reason for reason in worker.problems() if name in reason.detail] == worker.problems()
        assert shards[0].problem is not None
        assert shards[0].problem.code == SchemaUnknown.code
        assert f"schema {name} is not known" in shards[0].problem.detail
        assert shards[0].store.chats == {}
        assert shards[1].problem is None
        assert len(kafka.stored["events"]) == 2
        kafka.checkpoints[0].update([schema_record(later, SESSION_CHECKPOINT)])
        await asyncio.sleep(30)
        assert worker.problems() == []
        assert list(shards[0].store.chats) == [CHAT]
        await worker.close()
        await run

    async def played() -> None:
        kafka = ScriptedKafka(VirtualClock())
        kafka.checkpoints[0] = dict(stored_by(later))
        await scene(kafka)

    play(played())


def test_what_a_topic_says_of_schemas_is_checked(later: Schemas) -> None:
    key, text = schema_record(later, SESSION_CHECKPOINT)
    for wrong, why in (
        ([("#schema:xyz", text)], "names no fingerprint"),
        ([(f"#schema:{'00' * 8}", text)], "another fingerprint"),
        ([(key, b"{")], "no JSON"),
        ([(key, b'"string"')], "not one of a record"),
        ([(key, json.dumps({"type": "record"}).encode())], "cannot be read"),
    ):
        with pytest.raises(VerificationFailed, match=why):
            take_schemas(WriterSchemas(SCHEMAS), wrong)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["record", "long", "name", "X", "\ud800", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "fields", "items", "values", "symbols", "namespace"]), inner)
    ),
    max_leaves=12,
)


@given(json_values.map(json.dumps) | st.binary(max_size=60))
def test_what_a_registry_calls_a_schema_is_learnt_or_refused_and_nothing_else(text: str | bytes) -> None:
    writers = WriterSchemas(SCHEMAS)
    try:
        writers.learn(7, text)
    except VerificationFailed:
        with pytest.raises(SchemaUnknown):
            writers.of(7)
    else:
        assert writers.of(7).name


def test_no_more_than_so_many_schemas_are_learnt() -> None:
    writers = WriterSchemas(SCHEMAS)
    for schema_id in range(MOST_LEARNT):
        writers.learn(schema_id, SCHEMAS.text(SESSION_CHECKPOINT))
    with pytest.raises(SchemaUnknown, match="one too many"):
        writers.learn(MOST_LEARNT, SCHEMAS.text(SESSION_CHECKPOINT))
    assert writers.of(7).name == SESSION_CHECKPOINT
