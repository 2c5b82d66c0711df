"""Records come back as the events that they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.chat_events import chat_event, transcript_of
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.transcript.entries import SessionFacts
from bridge.transcript.times import parse_start_at
from tests.strategies import chat_events
from tests.transcript.build import CHAT, fresh, history, joined, push, said

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

RECORDING = Recording(Schemas(schema_folder()), Redactor([]))
START = "2031-03-04T10:00:00Z"


def record_of(event: ChatEvent) -> dict[str, Any]:
    [entry] = fresh().apply(history(event))
    payload = ChatRecorder(CHAT, RECORDING).event_record(entry, SessionFacts(CHAT))
    return RECORDING.schemas.decode(TRANSCRIPT_EVENT, payload)


def user_of(record: dict[str, Any]) -> str:
    return str(record["party"]["userId"])


@settings(max_examples=60)
@given(chat_events())
def test_an_event_comes_back_from_its_record(event: ChatEvent) -> None:
    record = record_of(event)
    back = chat_event(record)
    assert back is not None
    again = record_of(back)
    assert {name for name in record if again[name] != record[name]} <= {"party", "integrity"}
    assert user_of(again) == user_of(record)
    if event.event_type == "newParty" and event.user_info is not None:
        assert back.user_info == event.user_info


def test_a_chat_comes_back_with_its_last_contents_and_without_the_statements_of_the_bridge() -> None:
    fold, recorder = fresh(), ChatRecorder(CHAT, RECORDING)
    fold.learn(start_at=parse_start_at(START))
    entries = fold.apply(history(joined(1), said(2, "first")))
    entries += fold.apply(push(said(2, "second")))
    entries += fold.apply(history(joined(1), said(2, "second"), said(5)))
    records = [
        RECORDING.schemas.decode(TRANSCRIPT_EVENT, recorder.event_record(entry, fold.facts)) for entry in entries
    ]
    assert {"GAP", "RESUMED"} <= {record["kind"] for record in records}
    told = transcript_of(records)
    assert (told.session_id, told.start_at) == (CHAT, START)
    assert told.chat_event_list == [joined(1), said(2, "second"), said(5)]
