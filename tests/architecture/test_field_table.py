"""The field table and what has to agree with it: the types, every reader and writer, the schemas, the fingerprints.

An attribute without a row, or a row that a reader, a writer, a schema or the fingerprint does not follow, fails here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest

from bridge.archive import ucs_xml
from bridge.chatserver.messages import EventSessionInfo
from bridge.chatserver.psdk_json import decode_event, encode
from bridge.chatserver.versions import HIGHEST, LOWEST
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.transcript.attributes import MAX_DEPTH
from bridge.transcript.bounds import outside
from bridge.transcript.entries import SessionFacts
from bridge.transcript.events import NEW_PARTY, NOTICE, ChatEvent, ChatTranscript, Item
from bridge.transcript.fields import COLLECTIONS, EVENT_FIELDS, PARTS, EventField, FingerprintGroup
from bridge.transcript.fingerprints import carried_groups, fingerprint
from bridge.transcript.fold import Transcript
from bridge.transcript.print_comparison import Comparison, compare
from bridge.transcript.state import TranscriptState
from bridge.transcript.updates import TranscriptUpdate

CHAT: Final = "S1"
SCHEMAS: Final = Schemas(schema_folder())
SCHEMA_FILES: Final = Path(__file__).parents[2] / "schemas"
ITEMS: Final = [Item("a", "kvlist", [Item("b", value="c")])]

OF_THE_BRIDGE: Final = {
    "id",
    "sessionId",
    "epoch",
    "sequence",
    "occurredAt",
    "occurredAtFrom",
    "occurredAtPrecision",
    "observedAt",
    "file",
    "gap",
    "fills",
    "amends",
    "amendment",
    "userDataTypes",
    "eventAttributeTypes",
    "session",
    "origin",
    "redactions",
    "ruleSet",
    "integrity",
    "party.bot",
    "departure.quitReasonCode",
}
"""Fields of a TranscriptEvent that hold no attribute of an event: made by the bridge, or computed from others."""


def ids(field: object) -> str:
    return field.json if isinstance(field, EventField) else str(field)


every_field = pytest.mark.parametrize("field", EVENT_FIELDS, ids=ids)
every_collection = pytest.mark.parametrize(
    "field", [field for field in EVENT_FIELDS if field.attribute in COLLECTIONS], ids=ids
)


# --- the table and the types -----------------------------------------------------------------------------------------


def attributes_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Every field of an event's type and of its parts -> its name on the JSON line wire."""
    found: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        part = PARTS.get(field.name)
        if part is None:
            found[field.name] = field.encode_name
        else:
            inner = msgspec.structs.fields(part)
            found |= {f"{field.name}.{each.name}": f"{field.encode_name}.{each.encode_name}" for each in inner}
    return found


def differences(kind: type[msgspec.Struct], fields: tuple[EventField, ...]) -> set[tuple[str | None, str]]:
    """What only one of type and table has: (attribute, JSON name)."""
    return set(attributes_of(kind).items()) ^ {(field.attribute, field.json) for field in fields}


def test_every_attribute_of_an_event_has_one_row_under_its_json_name() -> None:
    assert differences(ChatEvent, EVENT_FIELDS) == set()
    assert len({field.attribute for field in EVENT_FIELDS}) == len(EVENT_FIELDS)


def test_an_attribute_without_a_row_and_a_row_without_an_attribute_are_found() -> None:
    wider = msgspec.defstruct("WiderEvent", [("sentiment", str, "")], bases=(ChatEvent,), frozen=True, rename="camel")
    assert differences(wider, EVENT_FIELDS) == {("sentiment", "sentiment")}
    assert differences(ChatEvent, EVENT_FIELDS[1:]) == {("event_type", "eventType")}


def test_no_name_occurs_twice_in_any_form() -> None:
    for form in ("json", "stored", "avro"):
        names = [getattr(field, form) for field in EVENT_FIELDS]
        assert len(set(names)) == len(names), form


@every_field
def test_each_row_has_a_known_version_and_a_source(field: EventField) -> None:
    assert field.since in range(LOWEST, HIGHEST + 1)
    assert field.on_notices_since is None or field.on_notices_since in range(LOWEST, HIGHEST + 1)
    assert field.source


def test_what_is_always_compared_is_carried_by_every_version_and_other_groups_by_the_same_versions() -> None:
    always = {FingerprintGroup.KEY, FingerprintGroup.FRAME, FingerprintGroup.TEXT}
    for group in FingerprintGroup:
        versions = {(field.since, field.on_notices_since) for field in EVENT_FIELDS if field.group is group}
        assert versions == {(LOWEST, None)} if group in always else len(versions) <= 1, group


def test_an_attribute_of_a_part_is_carried_by_every_version() -> None:
    assert {field.since for field in EVENT_FIELDS if field.attribute is not None and "." in field.attribute} == {LOWEST}


# --- events with one attribute set -----------------------------------------------------------------------------------


def type_of(attribute: str) -> Any:
    part, _, name = attribute.rpartition(".")
    fields = msgspec.structs.fields(PARTS[part] if part else ChatEvent)
    return next(field.type for field in fields if field.name == name)


def value_of(field: EventField, variant: int = 0) -> Any:
    """A value of the attribute's type, another one for each variant."""
    kind = type_of(field.attribute or "")
    if field.attribute in COLLECTIONS:
        return [*ITEMS, Item("variant", value=str(variant))]
    if field.attribute == "unknown_attributes":
        return {"later": f"value {variant}"}
    return 40 + variant if kind is int or int in get_args(kind) else f"{field.json}-{variant}"


def event_with(field: EventField, value: Any, event_type: str = NEW_PARTY) -> ChatEvent:
    """An event that has this value of an attribute and nothing else of its own."""
    event = ChatEvent(event_type, 7, "00A1")
    part, _, name = (field.attribute or "").rpartition(".")
    if part:
        return msgspec.structs.replace(event, **{part: PARTS[part](**{name: value})})
    return msgspec.structs.replace(event, **{name: value})


def attribute_in(event: ChatEvent, field: EventField) -> Any:
    found: Any = event
    for name in (field.attribute or "").split("."):
        found = getattr(found, name)
    return found


def session_info(event: ChatEvent) -> EventSessionInfo:
    return EventSessionInfo(ChatTranscript(CHAT, chat_event_list=[event]))


# --- readers and writers ---------------------------------------------------------------------------------------------


@every_field
def test_the_json_wire_writes_and_both_decodings_read_it_under_its_name(field: EventField) -> None:
    event = event_with(field, value_of(field))
    line = json.loads(encode(session_info(event)))
    [written] = line["chatTranscript"]["chatEventList"]
    for name in field.json.split("."):
        written = written[name]
    assert written == msgspec.to_builtins(value_of(field))
    assert decode_event(json.dumps(line).encode()).message == session_info(event)
    line["chatTranscript"]["chatEventList"][0]["sentiment"] = "good"  # the exact types do not fit any more
    tolerant = decode_event(json.dumps(line).encode()).message
    assert isinstance(tolerant, EventSessionInfo)
    [read] = tolerant.chat_transcript.chat_event_list
    assert read.unknown_attributes["sentiment"] == "good"
    if field.attribute != "unknown_attributes":
        assert attribute_in(read, field) == value_of(field)


@every_field
def test_the_stored_form_holds_it_in_its_place(field: EventField) -> None:
    event = event_with(field, value_of(field))
    written = ucs_xml.write(ChatTranscript(CHAT, chat_event_list=[event]))
    [read] = ucs_xml.read(written, "stored").transcript.chat_event_list
    assert read == event
    value = value_of(field)
    element, _, place = field.stored.rpartition("/")
    text = written.decode()
    if field.stored == "name()":
        assert f"<{value} " in text
    elif place.startswith("@"):
        [line] = [line for line in text.splitlines() if f'{place[1:]}="{value}"' in line]
        assert f"<{element} " in line if element else line.lstrip().startswith(f"<{event.event_type} ")
    elif place == "text()":
        assert f"{value}</{element}>" in text
    else:
        assert f"<{field.stored}><item " in text


NUMBERS: Final = [
    field
    for field in EVENT_FIELDS
    if field.attribute is not None
    and ((kind := type_of(field.attribute)) is int or (kind not in (str, dict) and int in get_args(kind)))
]


@pytest.mark.parametrize("field", NUMBERS, ids=ids)
def test_every_number_is_held_within_bounds(field: EventField) -> None:
    assert outside(event_with(field, 2**63)) == f"{field.json}: integer value out of range"
    assert outside(event_with(field, 2**31 - 1)) is None


@every_collection
def test_every_collection_is_held_within_a_depth(field: EventField) -> None:
    items = [Item("a")]
    for _ in range(MAX_DEPTH):
        items = [Item("a", "kvlist", items)]
    assert outside(event_with(field, items)) == f"{field.json}: nested more than {MAX_DEPTH} levels deep"
    assert outside(event_with(field, items[0].value)) is None


# --- records ---------------------------------------------------------------------------------------------------------


def avro_fields() -> set[str]:
    """Every field of a TranscriptEvent, those of a record with an attribute in it with a dot below it."""
    found: set[str] = set()
    for outer in _fields_of("TranscriptEvent"):
        name = outer["name"]
        part = outer["type"][1].rpartition(".")[2] if name in {"party", "message", "notice", "departure"} else None
        found |= {f"{name}.{inner['name']}" for inner in _fields_of(part)} if part else {name}
    return found


def _fields_of(name: str) -> list[dict[str, Any]]:
    schema: dict[str, Any] = json.loads((SCHEMA_FILES / f"org.chatbridge.v1.{name}.avsc").read_text("utf-8"))
    return list(schema["fields"])


def test_every_field_of_the_record_is_in_the_table_or_of_the_bridge() -> None:
    assert {field.avro for field in EVENT_FIELDS} | OF_THE_BRIDGE == avro_fields()
    assert not {field.avro for field in EVENT_FIELDS} & OF_THE_BRIDGE


def recorded(event: ChatEvent) -> dict[str, Any]:
    fold = Transcript(TranscriptState(SessionFacts(CHAT)))
    update = TranscriptUpdate(ChatTranscript(CHAT, chat_event_list=[event]), over=False, snapshot=False, version=106)
    [entry] = fold.apply(update)
    payload = ChatRecorder(CHAT, Recording(SCHEMAS, Redactor())).event_record(entry, fold.facts)
    return SCHEMAS.decode(TRANSCRIPT_EVENT, payload)


@every_field
def test_the_record_has_it_in_its_field(field: EventField) -> None:
    value: Any = recorded(event_with(field, value_of(field)))
    for name in field.avro.split("."):
        value = value[name]
    expected = value_of(field)
    if field.attribute in COLLECTIONS:
        expected = {"a.b": "c", "variant": "0"}
    elif field.attribute == "event_type":
        expected = "UNKNOWN"  # a word without a kind of its own; the word itself is in unknownAttributes
    assert value == expected


# --- fingerprints ----------------------------------------------------------------------------------------------------

ALL_CARRIED: Final = carried_groups(None)
FRAME_BYTES: Final = slice(1, 9)
"""The identity and the hash of the frame."""
IDENTITY: Final = {"event_type", "user_id", "time_shift"}


@every_field
def test_a_change_of_it_shows_in_the_part_of_the_fingerprint_that_its_group_names(field: EventField) -> None:
    event_type = NOTICE if field.attribute == "notice_text.text" else NEW_PARTY
    one, other = (event_with(field, value_of(field, variant), event_type) for variant in (0, 1))
    before, after = fingerprint(one, ALL_CARRIED), fingerprint(other, ALL_CARRIED)
    if field.group is FingerprintGroup.KEY:
        assert before == after
        return
    expected = Comparison.ANOTHER if field.attribute in IDENTITY else Comparison.DIFFERENT
    assert compare(before, other, ALL_CARRIED).result is expected
    assert (before[FRAME_BYTES] != after[FRAME_BYTES]) == (field.group is FingerprintGroup.FRAME)


@every_collection
@pytest.mark.parametrize("event_type", [NEW_PARTY, NOTICE])
@pytest.mark.parametrize("version", range(LOWEST, HIGHEST + 1))
def test_its_absence_is_an_amendment_only_for_a_version_that_carries_it(
    field: EventField, event_type: str, version: int
) -> None:
    assert field.group not in (FingerprintGroup.FRAME, FingerprintGroup.TEXT)
    event = event_with(field, value_of(field), event_type)
    without = ChatEvent(event_type, 7, "00A1")
    delivered = fingerprint(event, ALL_CARRIED)
    carried = field.is_carried(version, notice=event_type == NOTICE)
    expected = Comparison.DIFFERENT if carried else Comparison.SAME
    assert compare(delivered, without, carried_groups(version)).result is expected
