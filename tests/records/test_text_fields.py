"""Every text field of the schemas is reached by the rules, or stands in a list with the reason why it need not be."""

from __future__ import annotations

from typing import Final

import pytest

from bridge.records.avro import ROOTS
from bridge.records.escapes import unescaped
from bridge.records.pseudonyms import HashKey
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from tests.records.text_in_every_field import (
    BYTES,
    CARD,
    KINDS,
    REACHED,
    SCHEMAS,
    SPELLINGS,
    clear_in,
    found,
    published,
    texts,
)

NO_TEXT_OF_PEOPLE: Final = {
    "AuditRecord.detail": "a sentence of the bridge, which quotes no input",
    "AuditRecord.outcome": "a word of the bridge",
    "AuditRecord.principal": "a name of the settings",
    "AuditRecord.reason": "words of an operator about a request",
    "AuditRecord.request": "a random number",
    "AuditRecord.sessionIds": "ids of the server",
    "AuditRecord.site": "a name of the settings",
    "AuditRecord.verb": "a word of the bridge",
    "AuditRecord.who": "the name of an operator",
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
    "QuarantinedInput.ruleSet": "a hash over the settings",
    "QuarantinedInput.code": "a code of the bridge",
    "QuarantinedInput.detail": "a sentence of the bridge, which quotes no input",
    "QuarantinedInput.sessionId": "an id of the server",
    "QuarantinedInput.site": "a name of the settings",
    "QuarantinedInput.source": "an address",
    "Redaction.earlier": "ids of the bridge",
    "Redaction.field": "a name of the schema, or of an attribute as it is shown",
    "Redaction.rule": "a name of the settings",
    "SessionFacts.idleTimeExpire": "a time of the server",
    "SessionFacts.server": "an address",
    "SessionFacts.site": "a name of the settings",
    "SessionFacts.source": "a word of the bridge",
    "SessionFacts.tenant": "the name of an organisation, from who announces the chat",
    "SeldomExtra.subjects": "keyed hashes",
    "SessionRecord.ruleSet": "a hash over the settings",
    "SessionRecord.noSummary": "a code of the bridge",
    "SessionRecord.part": "the conditions of the settings",
    "SessionRecord.server": "an address",
    "SessionRecord.sessionId": "an id of the server",
    "SessionRecord.site": "a name of the settings",
    "SessionRecord.source": "a word of the bridge",
    "SessionRecord.state": "a word of the bridge",
    "SessionRecord.subjects": "keyed hashes",
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
    "TranscriptEvent.ruleSet": "a hash over the settings",
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
            "SplitNumber.detector",
            "SplitNumber.output",
            "SplitNumber.records",
            "SplitNumber.standIn",
            "SplitNumber.userId",
        ),
        "no record for readers: the bridge needs it as it was (SECURITY.md)",
    ),
}
"""Field -> why no rule has to reach it."""


def test_every_text_field_of_every_schema_is_reached_by_rules_or_listed_with_the_reason_why_not() -> None:
    fields = {field for name in ROOTS for field, _ in texts(SCHEMAS.whole(name), "", ...)}
    reached = REACHED | {BYTES}
    assert reached.isdisjoint(NO_TEXT_OF_PEOPLE)
    assert fields == reached | NO_TEXT_OF_PEOPLE.keys()


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
    rule = Rule("card", detector="payment_card", action=action)  # type: ignore[arg-type]
    records = published(SPELLINGS[spelling], Redactor([rule], HashKey("k1", b"k" * 16)))
    assert len(records) == 2 + 1 + 2 * len(KINDS) + 2
    assert clear_in(records) == set()
    for record in records:
        assert CARD.encode() not in (record.value or b"")
        assert all(CARD.encode() not in value for _, value in record.headers)
