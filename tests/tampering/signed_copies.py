"""Copies of topics whose session records are signed, with the log over their certificates and one anchor at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.shard_evidence import leaf_key
from bridge.evidence.anchors import ChatHead, CommittedOffsets, head_of, origin_of, statement_texts
from bridge.evidence.certificate_signature import message_of, signed_field, statement_of
from bridge.evidence.merkle import edge_of, leaf_hash
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.chain import split
from tests.evidence.signing_keys import KnownKey
from tests.tampering.topic_copies import AT, EVENTS, PARTITIONS, SCHEMAS, SESSIONS, CopiedRecord

if TYPE_CHECKING:
    from tests.tampering.topic_copies import TopicCopies

LEAVES: Final = "chat.capture.leaves.v1"
ANCHORS: Final = "chat.transcript.anchors.v1"
NAME: Final = f"chatbridge/main/{SESSIONS}"
KEY: Final = KnownKey(1, NAME)


def signed(copies: TopicCopies) -> TopicCopies:
    """Return copies with signed session records, in their order, of which each partition was anchored once."""
    found = copies.copy()
    for partition in range(PARTITIONS):
        log = found.log(SESSIONS, partition)
        leaves = [leaf_hash(statement_of(record.payload)) for record in log if _certified(record)]
        log[:] = [record.with_payload(_signed(record.payload)) for record in log]
        for index, leaf in enumerate(leaves):
            _append(found, LEAVES, partition, leaf_key(str(partition), index), leaf)
        origin = origin_of(NAME, str(partition))
        head = head_of(origin, edge_of(leaves))
        committed = [
            CommittedOffsets(each, partition, 0, len(found.log(each, partition))) for each in (EVENTS, SESSIONS)
        ]
        texts = statement_texts(head, AT + 10**9, committed, _heads(found, partition), room=10_000)
        for text in (head.text(), *texts):
            _append(found, ANCHORS, partition, str(partition).encode(), KEY.note(text, origin))
    return found


def _heads(copies: TopicCopies, partition: int) -> list[ChatHead]:
    found: dict[str, ChatHead] = {}
    for record in copies.log(EVENTS, partition):
        told = SCHEMAS.decode(TRANSCRIPT_EVENT, record.payload)
        own = split(record.payload)[2]
        found[told["sessionId"]] = ChatHead(told["sessionId"], 0, told["sequence"], "default", own)
    return list(found.values())[-1:]  # the last chat of a partition is open


def _certified(record: CopiedRecord) -> bool:
    return SCHEMAS.decode("org.chatbridge.v1.SessionRecord", record.payload)["certificate"] is not None


def _signed(payload: bytes) -> bytes:
    statement = statement_of(payload)
    return statement + signed_field(KEY.public, KEY.signature(message_of(statement)))


def _append(copies: TopicCopies, topic: str, partition: int, key: bytes, value: bytes) -> None:
    copies.append(CopiedRecord(topic, partition, key, (), value, AT // 1000))
