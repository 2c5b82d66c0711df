"""docs/summary-of-a-chat.md: the figures worked out by hand are those of the program, and its queries run."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pytest

from bridge.archive import ucs_xml
from bridge.records.avro import SESSION_RECORD, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript import entries as kinds
from bridge.transcript.entries import COMPLETE, Certificate, SessionFacts
from bridge.transcript.events import ChatTranscript
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import TranscriptUpdate
from tests.documentation.reference_pages import ROOT
from tests.transcript.build import CHAT
from tests.transcript.summary_chats import fields_of, restored

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.transcript.events import ChatEvent

PAGE: Final = (ROOT / "docs" / "summary-of-a-chat.md").read_text("utf-8")
SCHEMAS: Final = Schemas(schema_folder())


def table() -> dict[str, dict[str, Any]]:
    """Sample -> field -> figure, as the page has them."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.partition("## Worked out by hand")[2].splitlines()
        if line.startswith("|")
    ]
    (_, *samples), _, *figures = rows
    return {
        sample: {name.strip("`"): json.loads(cells[at]) for name, *cells in figures}
        for at, sample in enumerate(samples)
    }


BY_HAND: Final = table()
every_sample = pytest.mark.parametrize("sample", BY_HAND)


def transcript(sample: str) -> ChatTranscript:
    path: Path = ROOT / "tests" / "samples" / f"{sample}.xml"
    return ucs_xml.read(path.read_bytes(), path.name).transcript


def update(events: list[ChatEvent], *, snapshot: bool = False) -> TranscriptUpdate:
    told = ChatTranscript(CHAT, "2031-03-04T10:00:00Z", chat_event_list=events)
    return TranscriptUpdate(told, over=False, snapshot=snapshot)


def fresh() -> Transcript:
    return Transcript(TranscriptState(SessionFacts(CHAT)))


def as_on_the_page(fold: Transcript) -> dict[str, Any]:
    found = fields_of(fold)
    assert not isinstance(found, str)
    times, by_type = found.pop("agentResponses"), found.pop("byUserType")
    assert sum(bucket["count"] for bucket in times.pop("buckets")) == times["count"]
    assert found.pop("definitions") == 1
    return {
        **found,
        **{f"agentResponses.{name}": value for name, value in times.items()},
        "byUserType": {role: [one["messages"], one["characters"]] for role, one in by_type.items()},
    }


def test_every_sample_was_worked_out() -> None:
    assert sorted(BY_HAND) == sorted(path.stem for path in (ROOT / "tests" / "samples").glob("*.xml"))


@every_sample
@pytest.mark.parametrize("origin", [None, kinds.ARCHIVE])
def test_the_figures_of_a_sample_are_those_worked_out_by_hand(sample: str, origin: str | None) -> None:
    fold = fresh()
    fold.apply(update(transcript(sample).chat_event_list, snapshot=True), origin=origin)
    assert as_on_the_page(fold) == BY_HAND[sample]


@every_sample
def test_a_process_that_ends_after_any_event_changes_no_figure(sample: str) -> None:
    fold = fresh()
    for event in transcript(sample).chat_event_list:
        fold.apply(update([event]))
        fold = restored(fold)
    assert as_on_the_page(fold) == BY_HAND[sample]


@every_sample
def test_events_that_come_from_the_last_to_the_first_have_the_same_figures(sample: str) -> None:
    fold = fresh()
    for event in reversed(transcript(sample).chat_event_list):
        fold.apply(update([event]))
    assert as_on_the_page(fold) == BY_HAND[sample]


def test_without_the_direct_message_a_live_monitor_has_the_figures_that_the_page_says() -> None:
    fold = fresh()
    events = transcript("silent-monitor-files").chat_event_list
    fold.apply(update([event for event in events if event.receiver_id is None], snapshot=True))
    assert as_on_the_page(fold) == {**BY_HAND["silent-monitor-files"], "byUserType": {"SUPERVISOR": [2, 41]}}


# --- queries ---------------------------------------------------------------------------------------------------------


def session_rows() -> list[dict[str, Any]]:
    """Session records of the samples, decoded; the first chat is closed again, with an amended summary."""
    rows = []
    for number, sample in enumerate(BY_HAND):
        told = transcript(sample)
        facts = SessionFacts(told.session_id, parse_start_at(told.start_at))
        recorder = ChatRecorder(told.session_id, Recording(SCHEMAS, Redactor()))
        fold = fresh()
        fold.apply(update(told.chat_event_list[:-3], snapshot=True))
        closed = [fold.summary(missing=False)]
        fold.apply(update(told.chat_event_list))
        closed.append(fold.summary(missing=False))
        at = 1_930_000_000_000_000 + number
        payloads = [recorder.session_record(OPENED, facts, at)]
        payloads += [
            recorder.session_record(CLOSED, facts, at + 1 + nth, Certificate(COMPLETE), summary=summary)
            for nth, summary in enumerate(closed)
        ]
        rows += [SCHEMAS.decode(SESSION_RECORD, payload) for payload in payloads]
    return rows


def instant(microseconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).isoformat()


def test_the_queries_of_the_page_find_the_figures_of_the_samples(tmp_path: Path) -> None:
    lines = tmp_path / "sessions.jsonl"
    rows = [
        {**row, "at": instant(row["at"]), "startAt": instant(row["startAt"] * 1000), "certificate": None}
        for row in session_rows()
    ]
    lines.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    view, per_day, p90 = re.findall(r"^```sql\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.read_json(str(lines), format="newline_delimited").create_view("sessions")
        connection.execute(view)
        assert connection.execute(per_day).fetchall() == [(date(2031, 3, 4), 2, 40.0), (date(2031, 3, 5), 1, 33.0)]
        assert connection.execute(p90).fetchall() == [(date(2031, 3, 4), 20)]
