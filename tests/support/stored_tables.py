"""Tables of interactions with irregular rows, and the comparison of what was published with a plain full read of them.

The reader of the tables and the decoding of the records are not the bridge's own; its repair of damaged transcripts is,
because what a damaged transcript says is its decision.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.archive.repaired_xml import read_repaired
from bridge.records.avro import Schemas, schema_folder
from bridge.records.verifier import Verifier
from bridge.simulator.traffic.scenario import ScenarioSettings
from bridge.simulator.ucs.played_chats import played_chat
from bridge.simulator.ucs.row_treatment import Irregularities, RowStep, steps_of
from bridge.simulator.ucs.saved_chats import SavedChats
from bridge.simulator.ucs.stored_form import StoredForm
from bridge.simulator.ucs.ucs_table import all_texts
from tests.support.oracle import read_all, same_event
from tests.support.written_values import WrittenValues, unframed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.simulator.ucs.ucs_table import UcsTable
    from bridge.transcript.events import ChatEvent

EVENTS: Final = "chat.transcript.events.v1"
SESSIONS: Final = "chat.transcript.sessions.v1"
OVER: Final = 3
_VALUES: Final = WrittenValues()
_SCHEMAS: Final = Schemas(schema_folder())


def row_scripts(
    numbers: Sequence[int], seed: int, starts: Sequence[float], irregularities: Irregularities, *, auto_save: int = 0
) -> list[list[RowStep]]:
    """Return the steps of the rows of chats, one list for each chat. `starts`: seconds since 1970, one for each."""
    found: list[list[RowStep]] = []
    for number, start in zip(numbers, starts, strict=True):
        saved = SavedChats(StoredForm(), auto_save)
        played = played_chat(ScenarioSettings(seed, mean_events=12, think_scale=0.01), number, start)
        rows = [row for at, effect in played.effects for row in saved.rows(effect, at)]
        chosen = irregularities.chosen(seed, played.session_id)
        found.append([step for row in rows for step in steps_of(row, chosen)])
    return found


def write_ended(scripts: Sequence[Sequence[RowStep]], main: UcsTable, archive: UcsTable) -> None:
    """Write the last state of chats that nobody writes any more."""
    ends = [
        (script[-1].kind == "archive", next(step.row for step in reversed(script) if step.row is not None))
        for script in scripts
    ]
    main.insert_many(row for archived, row in ends if not archived)
    archive.insert_many(row for archived, row in ends if archived)


@dataclass(slots=True)
class TableComparison:
    """What differs, as chat:id pairs; `chats` and `events` are those of the tables, `records` those on the topic."""

    chats: int = 0
    events: int = 0
    records: int = 0
    amendments: int = 0
    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    not_closed: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def defects(self) -> dict[str, int]:
        """What differs, counted."""
        names = ("missing", "doubled", "different", "invented", "not_closed", "findings")
        return {name: len(getattr(self, name)) for name in names if getattr(self, name)}

    def __str__(self) -> str:
        shown = {name: getattr(self, name)[:5] for name in self.defects}
        return f"{self.chats} chats, {self.events} events, {self.records} records, {self.amendments} amendments {shown}"


def compare_with_tables(broker: str, prefix: str, tables: Sequence[UcsTable]) -> TableComparison:
    """Compare the topics with a full read of the tables, the main one first: each event once, as it is stored."""
    result = TableComparison()
    verifier, ids = Verifier(_SCHEMAS), Counter[str]()
    chats: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    closed: dict[str, bool] = {}
    for partition, offset, value in read_all(broker, prefix + SESSIONS):
        verifier.feed_session(unframed(value), partition, offset, _VALUES.writer_of(value))
        record = _VALUES.read("SessionRecord", value)
        closed[record["sessionId"]] = record["state"] == "CLOSED"
    for partition, offset, value in read_all(broker, prefix + EVENTS):
        verifier.feed_event(unframed(value), partition, offset, _VALUES.writer_of(value))
        record = _VALUES.read("TranscriptEvent", value)
        ids[record["id"]] += 1
        result.records += 1
        result.amendments += record["amendment"] is not None
        if record["eventId"] is not None:
            chats[record["sessionId"]][record["eventId"]].append(record)
    result.doubled += [name for name, count in ids.items() if count > 1]
    result.findings = [str(finding) for finding in verifier.findings() if finding.broken]
    for session_id, (status, text) in all_texts(tables).items():
        captured = chats.pop(session_id, {})
        if status != OVER or text is None:
            result.invented += [f"{session_id}: not over"] if captured else []
            continue
        result.chats += 1
        if not closed.get(session_id):
            result.not_closed.append(session_id)
        compare_chat(session_id, _stored_events(session_id, text), captured, result)
    result.invented += list(chats)
    return result


def _stored_events(session_id: str, text: str) -> list[ChatEvent]:
    [document] = read_repaired(text.encode(), session_id, session_id=session_id).documents
    return document.transcript.chat_event_list


def compare_chat(
    session_id: str, stored: list[ChatEvent], captured: dict[int, list[dict[str, Any]]], result: TableComparison
) -> None:
    """Compare the records of one chat, by event id, with its stored events; the last record of each counts."""
    for event in stored:
        result.events += 1
        name = f"{session_id}:{event.event_id}"
        records = captured.pop(event.event_id, [])
        first = [record for record in records if record["amendment"] is None]
        if not first:
            result.missing.append(name)
        elif len(first) > 1:
            result.doubled.append(name)
        elif not same_event(event, records[-1]):
            result.different.append(name)
    result.invented += [f"{session_id}:{event_id}" for event_id in captured]
