"""Summaries in session records: across restarts of a shard, of chats that are closed again, and of former versions."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any, Final

import pytest
from fastavro import parse_schema, schemaless_writer

from bridge.archive import ucs_xml
from bridge.records.avro import SESSION_CHECKPOINT, SESSION_RECORD, fingerprint_of
from bridge.records.payload_framing import single_object, unframe
from bridge.records.writer_schemas import WriterSchemas
from bridge.transcript.events import ChatEvent, Reason, UserInfo
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_closed_chats import LATER
from tests.capture.test_session_store import SCHEMAS
from tests.documentation.reference_pages import ROOT
from tests.transcript.build import CHAT, history, joined, push, said

SAMPLES: Final = sorted((ROOT / "tests" / "samples").glob("*.xml"))
AGENT: Final = ChatEvent("newParty", 2, "A", time_shift=2, user_info=UserInfo("Agent", "AGENT", "agent-1"))
GONE: Final = ChatEvent("partyLeft", 9, "A", time_shift=30, asker_id="A", reason=Reason(2, "forcedly"))


def told(shard: RecordedShard) -> list[tuple[dict[str, Any] | None, str | None]]:
    """The summary of each closing record, and why there is none."""
    records = [SCHEMAS.decode(SESSION_RECORD, payload) for payload in shard.sessions]
    assert all((one["summary"], one["noSummary"]) == (None, None) for one in records if one["state"] == "OPENED")
    return [(one["summary"], one["noSummary"]) for one in records if one["state"] == "CLOSED"]


def summary_of(shard: RecordedShard) -> dict[str, Any]:
    """The last one."""
    summary, why = told(shard)[-1]
    assert summary is not None
    assert why is None
    return summary


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_shard_that_is_restarted_after_each_event_writes_the_same_summary(path: Any) -> None:
    events = ucs_xml.read(path.read_bytes(), path.name).transcript.chat_event_list
    whole, cut = RecordedShard(), RecordedShard()
    whole.fold(history(*events, over=True))
    cut.fold(history(events[0]))
    for event in events[1:]:
        cut.restarted().fold(push(event, over=event is events[-1]))
    assert summary_of(cut) == summary_of(whole)
    assert not summary_of(cut)["approximate"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_chat_that_is_closed_again_has_a_corrected_summary(restarts: bool) -> None:
    shard = RecordedShard()
    shard.fold(history(joined(1), said(3), GONE, over=True))
    before = summary_of(shard)
    assert (before["agents"], before["waitSeconds"], before["approximateReasons"]) == (0, None, ["PARTIES_UNKNOWN"])
    if restarts:
        shard.restarted()
    shard.fold(push(AGENT, said(5, "hello", "A"), over=True))
    after = summary_of(shard)
    assert (after["agents"], after["waitSeconds"], after["approximateReasons"]) == (1, 2, [])
    assert (after["agentResponses"]["sumSeconds"], after["byUserType"]["AGENT"]["messages"]) == (5 - 3, 1)
    assert [one["supersedes"] for one in shard.certificates()] == [None, 3]


def test_what_comes_when_only_ids_are_remembered_brings_no_wrong_summary() -> None:
    shard = RecordedShard()
    shard.fold(history(joined(1), said(3), over=True))
    shard.now += LATER
    shard.fold()
    shard.fold(push(AGENT, over=True))
    assert told(shard)[1] == (None, "FORGOTTEN")


def test_an_incomplete_certificate_makes_the_figures_approximate_and_an_empty_chat_has_none() -> None:
    shard = RecordedShard()
    shard.fold(history(over=True))
    assert told(shard) == [(None, "NOTHING_SEEN")]
    torn = RecordedShard()
    torn.fold(history(joined(1), said(2)))
    torn.store.chats[CHAT].transcript.doubt()
    torn.fold(push(said(3), over=True))
    assert torn.certificates()[-1]["verdict"] == "INCOMPLETE"
    assert summary_of(torn)["approximateReasons"] == ["EVENTS_MISSING"]


def in_former_version(shard: RecordedShard, *keys: str) -> RecordedShard:
    """Write records of the checkpoint as version 0.1.0 does; then restart."""
    [file] = (ROOT / "schemas" / "released" / "0.1.0").glob(f"{SESSION_CHECKPOINT}-*.avsc")
    schema = json.loads(file.read_text("utf-8"))
    header = single_object(fingerprint_of(schema))
    for key in keys:
        _, payload = unframe(shard.topic.values[key])
        out = io.BytesIO()
        record = SCHEMAS.decode(SESSION_CHECKPOINT, payload)
        schemaless_writer(out, parse_schema(plain(schema)), record)
        shard.topic.values[key] = header + out.getvalue()
    shard.settings = replace(shard.settings, writers=WriterSchemas.shipped())
    return shard.restarted()


def plain(schema: Any) -> Any:
    """Without logical types: times as numbers."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key != "logicalType"}
    return [plain(one) for one in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("only_the_head", [False, True])
def test_a_chat_that_a_former_version_captured_in_part_has_no_summary(only_the_head: bool) -> None:
    """Of a chat that goes back and forth between versions, the former one writes only what it changes."""
    shard = RecordedShard()
    shard.fold(history(joined(1), *(said(at) for at in range(3, 12))))
    keys = [CHAT] if only_the_head else [key for key in shard.topic.values if key.startswith(CHAT)]
    assert len(keys) == (1 if only_the_head else 4)
    in_former_version(shard, *keys)
    shard.fold(push(said(12)))
    shard.restarted().fold(push(said(13), over=True))
    assert told(shard) == [(None, "FORMER_VERSION")]
