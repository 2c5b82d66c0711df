"""A text in every field that people can write, on every kind of event, and where it comes out in the records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.escapes import unescaped
from tests.capture.link_harness import CHAT, PREFIX, LinkHarness, info, message, party

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.capture.ports import Outgoing
    from bridge.records.redactor import Redactor

SCHEMAS: Final = Schemas(schema_folder())
KINDS: Final = {
    "newParty": "PARTY_JOINED",
    "message": "MESSAGE",
    "notice": "NOTICE",
    "partyLeft": "PARTY_LEFT",
    "whisper": "UNKNOWN",
}

REACHED: Final = frozenset(
    {
        "Departure.reasonText",
        "FileReference.action",
        "FileReference.documentId",
        "FileReference.fileId",
        "FileReference.name",
        "FileReference.source",
        "MessageText.messageType",
        "MessageText.text",
        "MessageText.treatAs",
        "NoticeText.noticeType",
        "NoticeText.text",
        "Party.nickname",
        "Party.personId",
        "Party.protocolType",
        "Party.userType",
        "TranscriptEvent.eventAttributeTypes",
        "TranscriptEvent.eventAttributeTypes (key)",
        "TranscriptEvent.eventAttributes",
        "TranscriptEvent.eventAttributes (key)",
        "TranscriptEvent.unknownAttributes",
        "TranscriptEvent.unknownAttributes (key)",
        "TranscriptEvent.userData",
        "TranscriptEvent.userData (key)",
        "TranscriptEvent.userDataTypes",
        "TranscriptEvent.userDataTypes (key)",
        "TranscriptEvent.visibility",
    }
)
"""Fields of a TranscriptEvent that may hold what people wrote."""

BYTES: Final = "QuarantinedInput.bytes"
"""The field that holds input that could not be read."""

CARD: Final = "4111111111111111"
SPELLINGS: Final = {
    "plain": CARD,
    "among words": f"my card is {CARD}, thanks",
    "in JSON after a prefix": f'\ufeff callback: {{"card": "\\u0034{CARD[1:]}"}}',
    "in JSON in JSON": f'[{{"inner": "{{\\"card\\": \\"\\\\u0034{CARD[1:]}\\"}}"}}]',
}


SEEN: Final[dict[str, Any]] = {}


def _resolved(schema: Any) -> Any:
    """A type of the schemas; a name stands for the record that was defined under it before."""
    if isinstance(schema, dict) and schema["type"] == "record":
        SEEN[f"{schema['namespace']}.{schema['name']}"] = schema
    return SEEN.get(schema, schema) if isinstance(schema, str) else schema


def texts(schema: Any, where: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (field, text) of a decoded value; of the value ... every field that a value could have, with no text."""
    schema = _resolved(schema)
    if schema in ("string", "bytes"):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        yield where, text if isinstance(text, str) else ""
        return
    if isinstance(schema, dict) and schema["type"] == "map":
        for key in [""] if value is ... else value:
            yield f"{where} (key)", key
    for inner, place, part in _parts(schema, where, value):
        yield from texts(inner, place, part)


def _parts(schema: Any, where: str, value: Any) -> list[tuple[Any, str, Any]]:
    match schema:
        case ["null", optional]:
            return [] if value is None else [(optional, where, value)]
        case {"type": "record", "name": name, "fields": fields}:
            return [
                (field["type"], f"{name}.{field['name']}", ... if value is ... else value[field["name"]])
                for field in fields
            ]
        case {"type": "array", "items": inner}:
            return [(inner, where, one) for one in ([...] if value is ... else value)]
        case {"type": "map", "values": inner}:
            return [(inner, where, one) for one in ([...] if value is ... else value.values())]
        case {"logicalType": _} | "long" | "boolean":
            return []
    pytest.fail(f"{where}: a type that is not walked, {schema}")


def items(text: str) -> list[dict[str, object]]:
    files = ("file-name", "file-id", "file-source", "file-document-id")
    return [
        *[dict[str, object](key=name, type="string", value=text) for name in files],
        {"key": text, "type": text, "value": text},
        {"key": text, "type": "kvlist", "value": [{"key": f"in {text}", "type": text, "value": f"more: {text}"}]},
    ]


def event(event_type: str, event_id: int, text: str, notice_type: str) -> dict[str, object]:
    return {
        "eventType": f"whisper {text}" if event_type == "whisper" else event_type,
        "eventId": event_id,
        "userId": "00A2",
        "visibility": text,
        "userInfo": {"userNickname": text, "userType": text, "personId": text, "protocolType": text},
        "messageText": {"text": text, "messageType": text, "treatAs": text},
        "noticeText": {"noticeType": notice_type, "text": f"file-uploaded {text}"},
        "reason": {"code": 4, "text": text},
        "userData": items(text),
        "eventAttributes": items(text),
        text: text,
        "newer": {"deep": [f"line\n{text}"]},
    }


def published(text: str, redactor: Redactor | None = None) -> list[Outgoing]:
    """What comes of a chat with this text in every field of events of every kind."""
    with LinkHarness(CHAT, redactor=redactor) as harness:
        for at, event_type in enumerate(KINDS, 1):
            harness.hears(info(CHAT, event(event_type, 2 * at, text, text)))
            harness.hears(info(CHAT, event(event_type, 2 * at + 1, text, "SYS_COMMAND")))
        renamed = {"noticeType": "USER_UPDATE_NICK", "text": f"I am {text}"}
        notice = {"eventType": "notice", "eventId": 90, "userId": "00A2", "noticeText": renamed}
        harness.hears(info(CHAT, notice, {**party(91), "userId": "00A2"}, status="Over"))
        assert harness.quarantine == []
        return [*harness.events, *harness.sessions]


def found(records: list[Outgoing]) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, field, text) of all texts in records of all topics."""
    for record in records:
        word = dict(record.headers).get("ce_type", QUARANTINED_INPUT.encode()).decode()
        name = next(name for name in (TRANSCRIPT_EVENT, SESSION_RECORD, QUARANTINED_INPUT) if word.startswith(name))
        decoded = SCHEMAS.decode(name, (record.value or b"")[len(PREFIX) :])
        for field, text in texts(SCHEMAS.whole(name), "", decoded):
            yield decoded.get("kind", ""), field, text


def quarantined(text: str, redactor: Redactor | None = None) -> list[Outgoing]:
    """What comes of a line with this text that cannot be read, and of an event that cannot be recorded."""
    with LinkHarness(CHAT, redactor=redactor) as harness:
        harness.hears(info(CHAT, party(1)))
        harness.hears(json.dumps(info(CHAT, event("message", 2, text, text)))[:-1].encode())
        harness.hears(info(CHAT, {**message(3, text), "timeShift": 2**64}))
        assert len(harness.quarantine) == 2
        return harness.quarantine


def clear_in(records: list[Outgoing]) -> set[str]:
    """The fields in which the card's number can be read, behind escapes, too."""
    return {field for _, field, text in found(records) if CARD in unescaped(text)}
