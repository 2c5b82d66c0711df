from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder
from bridge.records.redactor import Redactor
from bridge.records.session_records import CLOSED, OPENED, quarantine_records
from bridge.transcript.completeness import MissingIds
from bridge.transcript.entries import COMPLETE, Certificate, Gap, OffsetRange, OutputPart, SessionFacts
from bridge.transcript.watch import Unwatched, Watch
from tests.records.record_strategies import SESSION
from tests.support.reasons import NO_JSON

if TYPE_CHECKING:
    from bridge.records.normalise import Recording

FACTS = SessionFacts(SESSION, 1_930_000_000_000, "North", True, "900", "chat-1:4800", 106)
SCHEMAS = Schemas(schema_folder())


def quarantined(*arguments: Any, **fields: Any) -> list[bytes]:
    """Return the payloads without rules."""
    payloads, done = quarantine_records(*arguments, redactor=Redactor(), **fields)
    assert all(each.rule == "secret" for each in done)
    return payloads


def test_an_opened_chat_is_told_with_what_is_known_of_it(recording: Recording) -> None:
    recorder = ChatRecorder(SESSION, recording)
    unknown = replace(FACTS, start_at=None)
    assert SCHEMAS.decode(SESSION_RECORD, recorder.session_record(OPENED, unknown, 7)) == {
        "state": "OPENED",
        "sessionId": SESSION,
        "epoch": 0,
        "at": 7,
        "site": "main",
        "source": "CHAT_SERVER",
        "startAt": None,
        "tenant": "North",
        "server": "chat-1:4800",
        "clientVersion": 106,
        "certificate": None,
        "summary": None,
        "noSummary": None,
        "ruleSet": None,
        "subjects": [],
        "part": None,
        "signature": None,
    }


def test_a_certificate_carries_all_that_is_vouched_for_and_the_head_of_the_chain(recording: Recording) -> None:
    recorder = ChatRecorder(SESSION, recording, epoch=2)
    certificate = Certificate(
        COMPLETE,
        ["X"],
        {"X": "a sentence"},
        last_sequence=9,
        counts={"MESSAGE": 8, "GAP": 1},
        id_ranges=[(1, 6), (9, 10)],
        gaps=[Gap(7, 8, 5, "UNREADABLE")],
        filled=[Gap(3, 4, None, "A_LATER_CODE", "no server")],
        amendments=1,
        ids_reused=6,
        masked=2,
        quarantined=3,
        unattributed=4,
        rejoins=5,
        supersedes=8,
        epoch=2,
        ending="IDLE",
        ended_by="00A1",
        ended_by_type="SYSTEM",
        holes=[MissingIds(7, 8, "SET_ASIDE")],
        archived=True,
        joins=6,
        watch=Watch(True, 11, 3, 104, 106, "VIP", ("CHAT_SERVER", "UCS"), (), 7),
        unwatched=[Unwatched(12, 13, "RESET"), Unwatched(14, None, "NOT_TOLD")],
        blind_spots=["FILE_CONTENTS"],
        offsets=[OffsetRange("events", 4, 100, 120), OffsetRange("sessions", 4, None, 9)],
        part=OutputPart({"NOTICE": 2}, [(11, 12)]),
    )
    payload = recorder.session_record(CLOSED, FACTS, 7, certificate)
    record = SCHEMAS.decode(SESSION_RECORD, payload)
    assert record["epoch"] == 2
    assert record["certificate"] == {
        "verdict": "COMPLETE",
        "reasons": ["X"],
        "details": {"X": "a sentence"},
        "epoch": 2,
        "lastSequence": 9,
        "counts": {"MESSAGE": 8, "GAP": 1},
        "idRanges": [{"from": 1, "to": 6}, {"from": 9, "to": 10}],
        "gaps": [{"fromEventId": 7, "toEventId": 8, "since": 5, "code": "UNREADABLE", "detail": None}],
        "filled": [{"fromEventId": 3, "toEventId": 4, "since": None, "code": "A_LATER_CODE", "detail": "no server"}],
        "ending": "IDLE",
        "endedBy": "00A1",
        "endedByType": "SYSTEM",
        "firstEventId": 1,
        "lastEventId": 10,
        "holes": [{"fromEventId": 7, "toEventId": 8, "class": "SET_ASIDE"}],
        "archived": True,
        "sinceOpening": True,
        "joins": 6,
        "joinedAt": 11,
        "unwatched": [{"from": 12, "to": 13, "code": "RESET"}, {"from": 14, "to": None, "code": "NOT_TOLD"}],
        "unwatchedMore": 7,
        "lowestVersion": 104,
        "highestVersion": 106,
        "visibility": "VIP",
        "sources": ["CHAT_SERVER", "UCS"],
        "blindSpots": ["FILE_CONTENTS"],
        "offsets": [
            {"topic": "events", "partition": 4, "first": 100, "last": 120},
            {"topic": "sessions", "partition": 4, "first": None, "last": 9},
        ],
        "part": {"counts": {"NOTICE": 2}, "idRanges": [{"from": 11, "to": 12}]},
        "amendments": 1,
        "idsReused": 6,
        "masked": 2,
        "quarantined": 3,
        "unattributed": 4,
        "rejoins": 5,
        "supersedes": 8,
        "head": recorder.head,
    }


def test_session_records_of_one_chat_have_different_cloud_event_ids(recording: Recording) -> None:
    recorder = ChatRecorder(SESSION, recording)
    headers = [dict(recorder.session_headers(*when)) for when in ((OPENED, 1), (CLOSED, 2), (OPENED, 3), (CLOSED, 4))]
    assert len({header["ce_id"] for header in headers}) == 4
    assert headers[0]["ce_type"] == b"org.chatbridge.v1.SessionRecord"
    assert headers[3]["ce_time"] == b"1970-01-01T00:00:00.000004Z"


@given(st.binary(max_size=300), st.integers(1, 64))
def test_the_parts_of_a_quarantined_input_give_the_input(raw: bytes, part_bytes: int) -> None:
    records = [
        SCHEMAS.decode(QUARANTINED_INPUT, payload)
        for payload in quarantined(
            SCHEMAS,
            site="main",
            source="chat-1:4800",
            session_id=None,
            observed_at=7,
            reason=NO_JSON,
            raw=raw,
            part_bytes=part_bytes,
        )
    ]
    assert b"".join(record["bytes"] for record in records) == raw
    assert [record["part"] for record in records] == list(range(1, len(records) + 1))
    assert {(record["code"], record["detail"]) for record in records} == {(NO_JSON.code, NO_JSON.detail)}
    assert {record["parts"] for record in records} == {len(records)}
    assert {record["totalBytes"] for record in records} == {len(raw)}
    assert all(len(record["bytes"]) <= part_bytes for record in records)


@pytest.mark.parametrize("part_bytes", [7, 1000])
def test_a_secret_does_not_reach_the_quarantine_even_when_a_part_ends_inside_its_name(part_bytes: int) -> None:
    raw = b'{"key":"GCTI_Chat_SessionPassword","value":"Zx9hidden71"'
    payloads = quarantined(
        SCHEMAS,
        site="main",
        source="s",
        session_id=SESSION,
        observed_at=7,
        reason=NO_JSON,
        raw=raw,
        part_bytes=part_bytes,
    )
    kept = b"".join(SCHEMAS.decode(QUARANTINED_INPUT, payload)["bytes"] for payload in payloads)
    assert kept == b'{"***":"****_****_***************","*****":"***********"'


def test_an_input_of_which_only_the_beginning_was_kept_tells_its_whole_size() -> None:
    (payload,) = quarantined(
        SCHEMAS,
        site="main",
        source="s",
        session_id=None,
        observed_at=7,
        reason=NO_JSON,
        raw=b"abc",
        total_bytes=5000,
    )
    assert SCHEMAS.decode(QUARANTINED_INPUT, payload)["totalBytes"] == 5000
