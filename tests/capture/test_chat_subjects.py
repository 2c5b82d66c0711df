"""Session records name the people of their chat, as its announcement and its events tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bridge.capture.session_store import SessionStore
from bridge.records.avro import SESSION_RECORD
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.subjects import Subjects
from bridge.transcript.events import Item
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.test_session_store import NOW, PREFIX, SCHEMAS, SECOND, announcement, decoded, settings
from tests.capture.written_topics import SESSIONS, output
from tests.transcript.build import history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.ports import Outgoing

SUBJECTS = Subjects(("email",), [("k", b"a key of sixteen bytes")])
CONFIGURED = settings(outputs=(output(Recording(SCHEMAS, Redactor(), subjects=SUBJECTS), PREFIX),))
[JANE], [JOHN] = SUBJECTS.searched("jane"), SUBJECTS.searched("john")


def people(records: list[Outgoing]) -> list[list[str]]:
    return [record["subjects"] for record in decoded(SESSION_RECORD, records)]


def test_those_of_the_announcement_are_in_the_first_record_and_those_of_events_in_the_certificate() -> None:
    store = SessionStore(3, CONFIGURED)
    plan = store.fold([announcement(user_data={"email": "Jane", "other": 1})], NOW)
    assert people(plan.batch.on(SESSIONS)) == [[JANE]]
    told = msgspec.structs.replace(joined(1), user_data=[Item("email", value="john")])
    plan = store.fold([history(told, said(2), over=True)], NOW)
    assert people(plan.batch.on(SESSIONS)) == [[JANE, JOHN]]


def test_they_are_in_the_checkpoint_and_stay_when_little_of_a_chat_is_remembered() -> None:
    topic = CompactedTopic()
    store = SessionStore(3, CONFIGURED)
    topic.commit(store.fold([announcement(user_data={"email": "jane"}), history(joined(1))], NOW))
    store = topic.restored(3, CONFIGURED)
    topic.commit(store.fold([push(said(2), over=True)], NOW))
    topic.commit(store.fold([], NOW + 120 * SECOND, mark=True))
    store = topic.restored(3, CONFIGURED)
    assert list(store.chats) == []
    plan = store.fold([push(said(3, "late"))], NOW + 121 * SECOND)
    assert people(plan.batch.on(SESSIONS)) == [[JANE]]


def test_without_the_setting_there_are_none() -> None:
    plan = SessionStore(3, settings()).fold([announcement(user_data={"email": "jane"})], NOW)
    assert people(plan.batch.on(SESSIONS)) == [[]]


def test_an_announcement_that_comes_again_adds_what_it_tells() -> None:
    store = SessionStore(3, CONFIGURED)
    store.fold([announcement(), announcement(offset=1, user_data={"email": "john"})], NOW)
    plan = store.fold([history(joined(1), over=True)], NOW)
    assert people(plan.batch.on(SESSIONS)) == [[JOHN]]
