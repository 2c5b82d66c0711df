"""A ClientVersion 107 with one more attribute is one more row of the field table, and nothing else.

The attribute has no field yet: it is withheld from 106, read, compared on its own, and published as unknown.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from bridge.archive import ucs_xml
from bridge.chatserver.messages import EventSessionInfo
from bridge.chatserver.psdk_json import decode_event, encode
from bridge.chatserver.versions import Row, event_attribute_rows, withhold, withhold_from_transcript
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Entry, SessionFacts
from bridge.transcript.events import ChatEvent, ChatTranscript, MessageText
from bridge.transcript.fields import EVENT_FIELDS, EventField, FingerprintGroup
from bridge.transcript.fingerprint_store import Fingerprints
from bridge.transcript.fingerprints import carried_groups, fingerprint
from bridge.transcript.fold import Transcript
from bridge.transcript.print_comparison import Comparison, compare
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState
from bridge.transcript.updates import TranscriptUpdate

CHAT: Final = "S1"
SENTIMENT: Final = EventField(
    None, 107, "sentiment", "@sentiment", "unknownAttributes", FingerprintGroup.NEWER, "D1 row 107 (invented)"
)
FIELDS: Final = (*EVENT_FIELDS, SENTIMENT)


def said(event_id: int = 1, **unknown: str) -> ChatEvent:
    return ChatEvent("message", event_id, "00A1", message_text=MessageText("hello"), unknown_attributes=unknown)


def sent(event: ChatEvent, version: int) -> ChatEvent:
    """The event as the server sends it to a client of `version` and the client decodes it."""
    transcript = withhold_from_transcript(ChatTranscript(CHAT, chat_event_list=[event]), version, FIELDS)
    line = json.loads(encode(EventSessionInfo(transcript)))
    for raw in line["chatTranscript"]["chatEventList"]:
        raw.update(raw.pop("unknownAttributes", {}))  # as a server writes attributes that it knows
    decoded = decode_event(json.dumps(line).encode())
    assert isinstance(decoded.message, EventSessionInfo)
    assert decoded.damaged == ()
    [received] = decoded.message.chat_transcript.chat_event_list
    return received


class Follower:
    """One chat, followed at one ClientVersion after another."""

    def __init__(self) -> None:
        self.fold = Transcript(TranscriptState(SessionFacts(CHAT)), FIELDS)
        self.recorder = ChatRecorder(CHAT, Recording(Schemas(schema_folder()), Redactor()))

    def joins(self, version: int, *events: ChatEvent) -> list[Entry]:
        """The entries of a join at this version, those that say that it was joined again left out."""
        received = [sent(event, version) for event in events]
        update = TranscriptUpdate(
            ChatTranscript(CHAT, chat_event_list=received), over=False, snapshot=True, version=version
        )
        return [entry for entry in self.fold.apply(update) if entry.kind != kinds.RESUMED]

    def record(self, entry: Entry) -> dict[str, Any]:
        payload = self.recorder.event_record(entry, self.fold.facts)
        return Schemas(schema_folder()).decode(TRANSCRIPT_EVENT, payload)


def test_the_row_is_in_the_table_of_client_versions() -> None:
    before = event_attribute_rows(EVENT_FIELDS)
    assert event_attribute_rows(FIELDS) == [*before, Row(107, "event attribute", "sentiment", SENTIMENT.source)]


@pytest.mark.parametrize(("version", "sees"), [(101, False), (106, False), (107, True), (108, True)])
def test_it_is_withheld_from_versions_below_its_own(version: int, sees: bool) -> None:
    event = said(sentiment="good", other="kept")
    expected = {"sentiment": "good", "other": "kept"} if sees else {"other": "kept"}
    shown = withhold(event, version, FIELDS)
    assert shown is not None
    assert shown.unknown_attributes == expected
    assert sent(event, version) == shown


def test_without_the_row_nothing_is_withheld() -> None:
    assert withhold(said(sentiment="good"), 106) == said(sentiment="good")


def test_both_decodings_and_the_stored_form_keep_it() -> None:
    event = said(sentiment="good")
    assert sent(event, 107) == event
    stored = (
        f'<chatTranscript sessionId="{CHAT}"><message userId="00A1" timeShift="0" eventId="1" sentiment="good">'
        "<msgText>hello</msgText></message></chatTranscript>"
    )
    [read] = ucs_xml.read(stored.encode(), "stored").transcript.chat_event_list
    assert read == event
    assert ucs_xml.read(ucs_xml.write(ChatTranscript(CHAT, chat_event_list=[event])), "stored").transcript == (
        ChatTranscript(CHAT, chat_event_list=[event])
    )


def test_a_change_of_it_between_two_reads_at_107_is_an_amendment() -> None:
    chat = Follower()
    [first] = chat.joins(107, said(sentiment="good"))
    assert chat.joins(107, said(sentiment="good")) == []
    [changed] = chat.joins(107, said(sentiment="bad"))
    assert (first.amendment, changed.amendment) == (0, 1)
    assert [entry.amendment for entry in chat.joins(107, said())] == [2]


@pytest.mark.parametrize("versions", [(107, 106), (106, 107)])
def test_a_rejoin_at_a_version_that_lacks_it_or_gains_it_is_no_amendment(versions: tuple[int, int]) -> None:
    chat = Follower()
    assert len(chat.joins(versions[0], said(sentiment="good"))) == 1
    assert chat.joins(versions[1], said(sentiment="good")) == []
    assert chat.joins(versions[0], said(sentiment="good")) == []


def test_another_unknown_attribute_is_compared_at_every_version() -> None:
    chat = Follower()
    chat.joins(107, said(sentiment="good", other="one"))
    assert [entry.amendment for entry in chat.joins(106, said(sentiment="good", other="two"))] == [1]


def test_it_is_published_as_an_unknown_attribute() -> None:
    chat = Follower()
    [entry] = chat.joins(107, said(sentiment="good"))
    assert chat.record(entry)["unknownAttributes"] == {"sentiment": "good"}


def test_fingerprints_with_and_without_it_lie_packed_side_by_side() -> None:
    carried = carried_groups(107, FIELDS)
    events = [said(1), said(2, sentiment="good"), ChatEvent("partyLeft", 3), said(4, sentiment="bad", other="one")]
    ids = IdRanges()
    prints = Fingerprints(ids, {})
    for event in events:
        prints.add(event.event_id, fingerprint(event, carried))
        ids.add(event.event_id)
    restored = Fingerprints(ids, prints.stored())
    found = [compare(restored.get(event.event_id) or b"", event, carried).result for event in events]
    assert found == [Comparison.SAME] * len(events)


@pytest.mark.parametrize("version", [101, 104, 106, None])
def test_the_row_changes_no_fingerprint_of_an_event_without_it_below_its_version(version: int | None) -> None:
    event = said(other="one")
    before, after = (fingerprint(event, carried_groups(version, fields)) for fields in (EVENT_FIELDS, FIELDS))
    assert (before == after) == (version is not None)
    assert compare(before, event, carried_groups(version, FIELDS)).result is Comparison.SAME
