from __future__ import annotations

import json

from bridge.records.avro import QUARANTINED_INPUT, SESSION_CHECKPOINT, TRANSCRIPT_EVENT, Schemas
from bridge.records.checkpoint import BatchStamp, CheckpointHead, encode_announcement, encode_head
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.records.render import Renderer
from bridge.records.session_records import quarantine_records
from bridge.transcript.events import ChatEvent, Item, MessageText
from tests.records.record_strategies import SESSION
from tests.records.test_normalise import FACTS, entry
from tests.support.reasons import NO_JSON


def test_an_event_is_one_line_with_readable_times_and_hashes_in_hex(schemas: Schemas, recording: Recording) -> None:
    recorder = ChatRecorder(SESSION, recording)
    event = ChatEvent(
        "message", 3, time_shift=9, message_text=MessageText("two\nlines"), user_data=[Item("a", "int", 5)]
    )
    payload = recorder.event_record(entry(event), FACTS)
    line = Renderer(schemas).line(TRANSCRIPT_EVENT, schemas.decode(TRANSCRIPT_EVENT, payload))
    assert b"\n" not in line
    shown = json.loads(line)
    assert shown["occurredAt"] == "2031-02-27T23:06:49Z"
    assert shown["observedAt"] == "2031-02-27T23:08:20.123456Z"
    assert shown["session"]["startAt"] == "2031-02-27T23:06:40Z"
    assert shown["message"]["text"] == "two\nlines"
    assert shown["userDataTypes"] == {"a": "int"}
    assert shown["integrity"]["hash"] == recorder.head.hex()
    assert shown["gap"] is None
    assert list(shown) == [field["name"] for field in schemas.whole(TRANSCRIPT_EVENT)["fields"]]


def test_quarantined_bytes_are_base64(schemas: Schemas) -> None:
    (payload,), _ = quarantine_records(
        schemas,
        site="main",
        source="s",
        session_id=None,
        observed_at=2**62,
        reason=NO_JSON,
        raw=b"\xff\x00",
        redactor=Redactor(),
    )
    shown = Renderer(schemas).plain(QUARANTINED_INPUT, schemas.decode(QUARANTINED_INPUT, payload))
    assert shown["bytes"] == "/wA="
    assert shown["observedAt"] == 2**62


def test_a_checkpoint_is_shown_without_the_announcement(schemas: Schemas) -> None:
    announcement = encode_announcement(b'{"password":"Zx9"}')
    head = encode_head(CheckpointHead("FOLLOWED", 0, 0, bytes(32), {}, None, 1, BatchStamp(5, 6)))
    renderer = Renderer(schemas)
    told, kept = (
        renderer.line(SESSION_CHECKPOINT, schemas.decode(SESSION_CHECKPOINT, payload))
        for payload in (announcement, head)
    )
    assert b"Zx9" not in told
    assert json.loads(told)["announcement"] == "withheld"
    assert json.loads(kept)["head"]["chainHead"] == "00" * 32
