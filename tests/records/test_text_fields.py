"""Every text field of the schemas is reached by the rules, or stands in a list with the reason why it need not be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.records.avro import ROOTS, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.escapes import unescaped
from bridge.records.redact import Rule
from tests.capture.link_harness import CHAT, PREFIX, LinkHarness, info, party

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.capture.ports import Outgoing

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
"""Fields that may hold what people wrote."""

NO_TEXT_OF_PEOPLE: Final = {
    "Certificate.counts (key)": "a kind of record",
    "OutputPart.counts (key)": "a kind of record",
    "Certificate.details": "sentences of the bridge, which quote no input",
    "Certificate.details (key)": "a code of the bridge",
    "Certificate.head": "a hash",
    "Certificate.reasons": "codes of the bridge",
    "Certificate.verdict": "a word of the bridge",
    "Departure.askerId": "an id of the server; masked, it would name nobody",
    "Gap.code": "a code of the bridge",
    "Gap.detail": "a sentence of the bridge, which quotes no input",
    "Integrity.hash": "a hash",
    "Integrity.previousHash": "a hash",
    "LogMark.topicId": "an id of Kafka",
    "Party.userId": "an id of the server; masked, parties could not be told apart",
    "QuarantinedInput.bytes": "unreadable input has no fields: secrets are masked, rules do not apply (SECURITY.md)",
    "QuarantinedInput.code": "a code of the bridge",
    "QuarantinedInput.detail": "a sentence of the bridge, which quotes no input",
    "QuarantinedInput.sessionId": "an id of the server",
    "QuarantinedInput.site": "a name of the settings",
    "QuarantinedInput.source": "an address",
    "Redaction.field": "a name of the schema, or of an attribute as it is shown",
    "Redaction.rule": "a name of the settings",
    "SessionFacts.idleTimeExpire": "a time of the server",
    "SessionFacts.server": "an address",
    "SessionFacts.site": "a name of the settings",
    "SessionFacts.source": "a word of the bridge",
    "SessionFacts.tenant": "the name of an organisation, from who announces the chat",
    "SessionRecord.noSummary": "a code of the bridge",
    "SessionRecord.part": "the conditions of the settings",
    "SessionRecord.server": "an address",
    "SessionRecord.sessionId": "an id of the server",
    "SessionRecord.site": "a name of the settings",
    "SessionRecord.source": "a word of the bridge",
    "SessionRecord.state": "a word of the bridge",
    "SessionRecord.tenant": "the name of an organisation, from who announces the chat",
    "ShardFacts.group": "a name of the settings",
    "ShardFacts.logs (key)": "a kind of topic",
    "Signature.algorithm": "a word of the bridge",
    "Signature.keyId": "a name of the settings",
    "Signature.signature": "a signature",
    "TreeState.name": "a number of a partition",
    "TreeState.roots": "hashes",
    "Summary.approximateReasons": "codes of the bridge",
    "Summary.byUserType (key)": "a word of the bridge",
    "Summary.closeReason": "a word of the bridge",
    "Summary.closedByUserId": "an id of the server; masked, it would name nobody",
    "Summary.closedByUserType": "a word of the bridge",
    "TranscriptEvent.amendment": "a word of the bridge",
    "TranscriptEvent.amends": "an id of the bridge",
    "TranscriptEvent.fills": "an id of the bridge",
    "TranscriptEvent.id": "an id of the bridge",
    "TranscriptEvent.kind": "a word of the bridge",
    "TranscriptEvent.occurredAtFrom": "a word of the bridge",
    "TranscriptEvent.origin": "a word of the bridge",
    "TranscriptEvent.receiverId": "an id of the server; masked, it would name nobody",
    "TranscriptEvent.sessionId": "an id of the server",
    **dict.fromkeys(
        (
            "Certificate.blindSpots",
            "Certificate.ending",
            "Certificate.endedByType",
            "Certificate.sources",
            "Certificate.visibility",
            "Hole.class",
            "UnwatchedInterval.code",
        ),
        "a word of the bridge",
    ),
    "Certificate.endedBy": "an id of the server; masked, it would name nobody",
    "OffsetRange.topic": "a name of the settings",
    **dict.fromkeys(
        (
            "HeadExtra.position",
            "HeadExtra.unwatchedCode",
            "CheckpointWatch.sources",
            "CheckpointWatch.visibility",
            "ClosingEvent.ending",
            "ClosingEvent.userId",
            "ClosingEvent.userType",
            "CheckpointHead.chainHead",
            "CheckpointHead.counts (key)",
            "CheckpointHead.state",
            "CheckpointIds.outlines",
            "CheckpointIds.prints",
            "HeldRecords.counts (key)",
            "OutputChain.head",
            "OutputChain.output",
            "OutputGap.amendment",
            "OutputGap.kind",
            "OutputGap.output",
            "SessionCheckpoint.announcement",
        ),
        "no record for readers: the bridge needs it as it was (SECURITY.md)",
    ),
}
"""Field -> why no rule has to reach it."""


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
        yield where, value if isinstance(value, str) else ""
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


def test_every_text_field_of_every_schema_is_reached_by_rules_or_listed_with_the_reason_why_not() -> None:
    fields = {field for name in ROOTS for field, _ in texts(SCHEMAS.whole(name), "", ...)}
    assert REACHED.isdisjoint(NO_TEXT_OF_PEOPLE)
    assert fields == REACHED | NO_TEXT_OF_PEOPLE.keys()


# --- a text in every field --------------------------------------------------------------------------------------------


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


def published(text: str, *rules: Rule) -> list[Outgoing]:
    """What comes of a chat with this text in every field of events of every kind."""
    with LinkHarness(CHAT, rules=rules) as harness:
        for at, event_type in enumerate(KINDS, 1):
            harness.hears(info(CHAT, event(event_type, 2 * at, text, text)))
            harness.hears(info(CHAT, event(event_type, 2 * at + 1, text, "SYS_COMMAND")))
        renamed = {"noticeType": "USER_UPDATE_NICK", "text": f"I am {text}"}
        notice = {"eventType": "notice", "eventId": 90, "userId": "00A2", "noticeText": renamed}
        harness.hears(info(CHAT, notice, {**party(91), "userId": "00A2"}, status="Over"))
        assert harness.quarantine == []
        return [*harness.events, *harness.sessions]


def found(records: list[Outgoing]) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, field, text) of all texts in records of both topics."""
    for record in records:
        name = SESSION_RECORD if b"SessionRecord" in dict(record.headers)["ce_type"] else TRANSCRIPT_EVENT
        decoded = SCHEMAS.decode(name, (record.value or b"")[len(PREFIX) :])
        for field, text in texts(SCHEMAS.whole(name), "", decoded):
            yield decoded.get("kind", ""), field, text


CARD: Final = "4111111111111111"
SPELLINGS: Final = {
    "plain": CARD,
    "among words": f"my card is {CARD}, thanks",
    "in JSON after a prefix": f'\ufeff callback: {{"card": "\\u0034{CARD[1:]}"}}',
    "in JSON in JSON": f'[{{"inner": "{{\\"card\\": \\"\\\\u0034{CARD[1:]}\\"}}"}}]',
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_without_rules_the_text_is_found_in_every_field_on_every_kind(spelling: str) -> None:
    where: dict[str, set[str]] = {}
    for kind, field, text in found(published(SPELLINGS[spelling])):
        if CARD in unescaped(text):
            where.setdefault(kind, set()).add(field)
    assert where == {kind: set(REACHED) for kind in KINDS.values()}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("action", ["mask", "hash", "drop"])
def test_under_a_rule_it_is_in_no_byte_of_any_record(spelling: str, action: str) -> None:
    rule = Rule("card", detector="payment_card", action=action, key=b"k" * 16)  # type: ignore[arg-type]
    records = published(SPELLINGS[spelling], rule)
    assert len(records) == 2 + 1 + 2 * len(KINDS) + 2
    assert [text for _, _, text in found(records) if CARD in unescaped(text)] == []
    for record in records:
        assert CARD.encode() not in (record.value or b"")
        assert all(CARD.encode() not in value for _, value in record.headers)
