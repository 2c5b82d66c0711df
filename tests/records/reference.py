"""A record as the design describes it, as a dict, written without the code under test: the dull way, field by field."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastavro import schemaless_writer
from fastavro.schema import load_schema

from bridge.transcript.attributes import flatten

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry, Gap, Party, SessionFacts

FOLDER = Path(__file__).parents[2] / "schemas"
EVENT_SCHEMA = load_schema(str(FOLDER / "org.chatbridge.v1.TranscriptEvent.avsc"))


def encoded(schema: Any, record: dict[str, Any]) -> bytes:
    """Encode with fastavro and the schemas as fastavro itself resolves them."""
    out = io.BytesIO()
    schemaless_writer(out, schema, record)
    return out.getvalue()


def event_bytes(record: dict[str, Any], previous: bytes) -> bytes:
    """The whole record; the body that is hashed is the record without the 66 bytes of integrity."""
    empty = encoded(EVENT_SCHEMA, {**record, "integrity": {"previousHash": bytes(32), "hash": bytes(32)}})
    own = sha256(previous + empty[:-66]).digest()
    return encoded(EVENT_SCHEMA, {**record, "integrity": {"previousHash": previous, "hash": own}})


def party(value: Party | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "userId": value.user_id,
        "nickname": value.nickname,
        "userType": value.user_type,
        "protocolType": value.protocol_type,
        "personId": value.person_id,
        "timeZoneOffset": value.time_zone_offset,
        "clientVersion": value.client_version,
        "bot": value.bot,
    }


def gap(value: Gap | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "fromEventId": value.from_event_id,
        "toEventId": value.to_event_id,
        "since": value.since,
        "code": value.code,
        "detail": value.detail,
    }


def session(value: SessionFacts, site: str = "main") -> dict[str, Any]:
    return {
        "site": site,
        "source": value.source,
        "startAt": value.start_at,
        "tenant": value.tenant,
        "monitored": value.monitored,
        "idleTimeExpire": value.idle_time_expire,
        "server": value.server,
        "clientVersion": value.client_version,
    }


def _int(value: str | None) -> int | None:
    try:
        number = int(value) if value is not None and value.strip() == value and "_" not in value else None
    except ValueError:
        return None
    plain = value is not None and value.isascii() and not value.startswith("+") and len(value) <= 18
    return number if plain else None


def _file(entry: Entry, user_data: dict[str, str]) -> dict[str, Any] | None:
    notice = entry.event.notice_text if entry.event else None
    if notice is None or notice.notice_type != "SYS_COMMAND":
        return None
    if not any(name.startswith("file-") for name in [notice.text, *user_data]):
        return None
    return {
        "fileId": user_data.get("file-id"),
        "name": user_data.get("file-name"),
        "size": _int(user_data.get("file-size")),
        "source": user_data.get("file-source"),
        "documentId": user_data.get("file-document-id"),
        "action": notice.text,
    }


def escaped(session_id: str) -> str:
    """The session id as it stands in ids."""
    return "".join(f"%{ord(one):02X}" if one in "%:~#" else one for one in session_id)


def event(entry: Entry, facts: SessionFacts, epoch: int = 0) -> dict[str, Any]:
    """All fields but integrity, of an entry that nothing is redacted in."""
    said = entry.event
    name = escaped(facts.session_id)
    base: dict[str, Any] = dict.fromkeys(
        (
            "eventId",
            "occurredAt",
            "occurredAtFrom",
            "occurredAtPrecision",
            "timeShift",
            "visibility",
            "receiverId",
            "message",
            "notice",
            "file",
            "departure",
        ),
    )
    maps: dict[str, Any] = {
        name: {}
        for name in ("userData", "userDataTypes", "eventAttributes", "eventAttributeTypes", "unknownAttributes")
    }
    record: dict[str, Any] = (
        {
            "id": f"{name}:~{epoch}.{entry.sequence}",
            "sessionId": facts.session_id,
            "epoch": epoch,
            "sequence": entry.sequence,
            "kind": entry.kind,
            "observedAt": entry.observed_at,
            "party": party(entry.party),
            "gap": gap(entry.gap),
            "fills": None if entry.fills is None else f"{name}:~{epoch}.{entry.fills}",
            "amends": None,
            "amendment": None,
            "session": session(facts),
            "origin": entry.origin,
            "redactions": [],
            "ruleSet": None,
        }
        | base
        | maps
    )
    if said is None:
        return record
    original = record["id"] = f"{name}:{said.event_id}"
    if entry.amendment:
        record["id"] = f"{original}:{epoch}.{entry.amendment}" if epoch else f"{original}:{entry.amendment}"
        record["amends"], record["amendment"] = (None, "ID_REUSED") if entry.reused else (original, "CHANGED")
    record["eventId"] = said.event_id
    record["timeShift"] = said.time_shift
    if facts.start_at is not None:
        at = facts.start_at + said.time_shift * 1000
        if -62_135_596_800_000 <= at <= 253_402_300_799_999:
            record["occurredAt"], record["occurredAtFrom"], record["occurredAtPrecision"] = at, "START_PLUS_SHIFT", 1000
    record["visibility"] = said.visibility
    record["receiverId"] = said.receiver_id
    record["userData"], record["userDataTypes"] = flatten(said.user_data)
    record["eventAttributes"], record["eventAttributeTypes"] = flatten(said.event_attributes)
    record["unknownAttributes"] = dict(said.unknown_attributes)
    if entry.kind == "UNKNOWN":
        record["unknownAttributes"]["eventType"] = said.event_type
    if said.message_text is not None:
        text = said.message_text
        record["message"] = {"text": text.text, "messageType": text.message_type, "treatAs": text.treat_as}
    if said.notice_text is not None:
        record["notice"] = {"noticeType": said.notice_text.notice_type, "text": said.notice_text.text}
    record["file"] = _file(entry, record["userData"])
    if entry.kind == "PARTY_LEFT" or said.reason is not None or said.asker_id is not None:
        record["departure"] = {
            "askerId": said.asker_id,
            "reasonCode": said.reason.code if said.reason else None,
            "reasonText": said.reason.text if said.reason else None,
            "quitReasonCode": _int(record["eventAttributes"].get("GCTI_SYSTEM.quit-reason-code")),
        }
    return record
