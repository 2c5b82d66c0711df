"""Records of the next version and of the one before: read by the schema that wrote them, verified as they are (P7)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.records.avro import ROOTS, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, WriterSchema
from bridge.records.chain import genesis, link, split, trailer
from bridge.records.findings import CHAIN, READABLE, SCHEMA
from bridge.records.render import Renderer
from bridge.records.verifier import Verifier
from bridge.records.writer_schemas import WriterSchemas
from tests.records.test_verifier import SCHEMAS, RecordedTopics, a_chat
from tests.released.released_folder import SCHEMAS as FOLDER
from tests.support.next_version import extend
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Container

NOBODY_KNOWS: Final = SchemaUnknown("schema 7 is not known", next_step="ask")


@pytest.fixture(name="later", scope="module")
def _later(tmp_path_factory: pytest.TempPathFactory) -> Schemas:
    """The schemas of the next version."""
    folder = tmp_path_factory.mktemp("later") / "schemas"
    shutil.copytree(FOLDER, folder)
    extend(folder)
    return Schemas(folder)


def as_later(topics: RecordedTopics, later: Schemas, first: int = 0) -> RecordedTopics:
    """The same chat, whose records from number `first` on the next version wrote."""
    head = genesis(CHAT)
    events = []
    for number, (offset, payload) in enumerate(topics.events):
        if number >= first:
            record: dict[str, Any] = SCHEMAS.decode(TRANSCRIPT_EVENT, payload)
            for place in (record, record["session"], record["party"]):
                place["later"] = "told"
            body = split(later.encode(TRANSCRIPT_EVENT, record))[0]
            payload = body + trailer(head, link(head, body))  # noqa: PLW2901 - as it is on the topic
        head = split(payload)[2]
        events.append((offset, payload))
    [(_, opened), (at, closed)] = topics.sessions
    certified = SCHEMAS.decode(SESSION_RECORD, closed)
    certified["certificate"] |= {"head": head, "later": "told"}
    return RecordedTopics(events, [(40, opened), (at, later.encode(SESSION_RECORD, certified))])


def verified(topics: RecordedTopics, schemas: Schemas, written: Schemas, first: int = 0) -> Verifier:
    """A verifier with `schemas` that has read the topics; `written` says who wrote the events from `first` on."""
    [opened, closed] = [WriterSchema.of(one.whole(SESSION_RECORD)) for one in (SCHEMAS, written)]
    verifier = Verifier(schemas)
    for (offset, payload), by in zip(topics.sessions, (opened, closed), strict=True):
        verifier.feed_session(payload, 3, offset, by)
    [before, after] = [WriterSchema.of(one.whole(TRANSCRIPT_EVENT)) for one in (SCHEMAS, written)]
    for number, (offset, payload) in enumerate(topics.events):
        verifier.feed_event(payload, 3, offset, after if number >= first else before)
    return verifier


@pytest.mark.parametrize("first", [0, 3, 6])
def test_a_chat_that_the_next_version_wrote_or_went_on_with_is_verified(later: Schemas, first: int) -> None:
    topics = as_later(a_chat(), later, first)
    for reader in (SCHEMAS, later):
        verifier = verified(topics, reader, later, first)
        assert [str(finding) for finding in verifier.findings()] == []
        assert (verifier.records, verifier.chats, verifier.unread) == (6, 1, 0)


def test_the_writers_schema_decides_and_not_todays(later: Schemas) -> None:
    findings = verified(as_later(a_chat(), later), SCHEMAS, SCHEMAS).findings()
    assert {finding.promise for finding in findings if finding.broken} >= {READABLE}


@given(st.data())
def test_no_changed_byte_of_another_version_goes_unnoticed(later: Schemas, data: st.DataObject) -> None:
    topics = as_later(a_chat(), later)
    at = data.draw(st.integers(0, 5))
    offset, payload = topics.events[at]
    damaged = bytearray(payload)
    damaged[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    topics.events[at] = (offset, bytes(damaged))
    assert any(finding.broken for finding in verified(topics, SCHEMAS, later).findings())


def test_a_change_in_what_this_version_does_not_know_breaks_the_chain(later: Schemas) -> None:
    topics = as_later(a_chat(), later)
    offset, payload = topics.events[2]
    topics.events[2] = (offset, payload.replace(b"\x02\x08told", b"\x02\x08tolD"))
    assert {finding.promise for finding in verified(topics, SCHEMAS, later).findings()} == {CHAIN}


def partly_read(topics: RecordedTopics, unread: Container[int]) -> Verifier:
    """A verifier that could not read the records with these numbers: session records first, then events."""
    verifier = Verifier(SCHEMAS)
    for number, (offset, payload) in enumerate([*topics.sessions, *topics.events]):
        is_session = number < len(topics.sessions)
        if number in unread:
            place = f"{'sessions' if is_session else 'events'}-3@{offset}"
            verifier.leave_unread(CHAT, place, NOBODY_KNOWS, event=not is_session, partition=3)
        elif is_session:
            verifier.feed_session(payload, 3, offset)
        else:
            verifier.feed_event(payload, 3, offset)
    return verifier


@given(st.sets(st.integers(0, 7), min_size=1))
@example(set(range(8)))
@example({7})
@example({1})
@example({0})
def test_a_chat_with_records_whose_schema_is_unknown_is_neither_broken_nor_verified(unread: set[int]) -> None:
    verifier = partly_read(a_chat(), unread)
    findings = verifier.findings()
    assert [finding.promise for finding in findings] == [SCHEMA]
    assert not findings[0].broken
    assert findings[0].message.endswith("cannot be read: schema 7 is not known (ask)")
    assert (verifier.unread, verifier.chats, verifier.records) == (len(unread), 1, 6)


def test_what_is_wrong_with_the_other_records_of_such_a_chat_is_still_said() -> None:
    topics = a_chat()
    offset, payload = topics.events[4]
    topics.events[4] = (offset, payload.replace(b"hello", b"hullo"))
    broken = [finding for finding in partly_read(topics, {3}).findings() if finding.broken]
    assert [finding.promise for finding in broken] == [CHAIN]


@pytest.mark.parametrize("name", ROOTS)
def test_a_record_of_another_type_or_of_a_schema_that_cannot_be_resolved_is_told_apart(name: str) -> None:
    other = WriterSchema.of(SCHEMAS.whole(next(root for root in ROOTS if root != name)))
    with pytest.raises(VerificationFailed, match=f"not a {name}: written as a {other.name}"):
        SCHEMAS.decode(name, b"", other)
    retyped = {"name": SCHEMAS.whole(name)["fields"][0]["name"], "type": {"type": "map", "values": "long"}}
    foreign = WriterSchema.of({"type": "record", "name": name, "fields": [retyped]})
    with pytest.raises(SchemaUnknown, match=f"schema {foreign.fingerprint.hex()} cannot be resolved"):
        SCHEMAS.decode(name, b"\0", foreign)


def test_what_is_read_of_another_version_is_shown_as_todays(later: Schemas) -> None:
    [(_, payload), *_] = as_later(a_chat(), later).events
    writers = WriterSchemas(SCHEMAS, [later.whole(name) for name in ROOTS])
    record = writers.decode(TRANSCRIPT_EVENT, payload, later.fingerprint(TRANSCRIPT_EVENT))
    assert "later" not in record
    assert b'"later"' not in Renderer(SCHEMAS).line(TRANSCRIPT_EVENT, record)
    back = WriterSchemas(later, [SCHEMAS.whole(TRANSCRIPT_EVENT)])
    read = back.decode(TRANSCRIPT_EVENT, a_chat().events[0][1], SCHEMAS.fingerprint(TRANSCRIPT_EVENT))
    assert (read["later"], read["party"]["later"]) == (None, None)
