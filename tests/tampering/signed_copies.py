"""Copies of topics whose session records are signed, with the log over their certificates and three anchors each."""

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


ANCHORINGS: Final = 3


def signed(copies: TopicCopies) -> TopicCopies:
    """Return copies with signed session records; each partition was anchored after a third, two, and all of them."""
    found = copies.copy()
    for partition in range(PARTITIONS):
        for number in range(1, ANCHORINGS + 1):
            _anchor(found, partition, number)
        log = found.log(SESSIONS, partition)
        for index, leaf in enumerate(_leaves(log)):
            _append(found, LEAVES, partition, leaf_key(str(partition), index), leaf)
        log[:] = [record.with_payload(_signed(record.payload)) for record in log]
    return found


def _anchor(copies: TopicCopies, partition: int, number: int) -> None:
    """Anchor the first so many thirds of a partition, whose session records are not signed yet."""
    logs = [copies.log(each, partition) for each in (EVENTS, SESSIONS)]
    events, sessions = (log[: len(log) * number // ANCHORINGS] for log in logs)
    origin = origin_of(NAME, str(partition))
    head = head_of(origin, edge_of(_leaves(sessions)))
    committed = [
        CommittedOffsets(EVENTS, partition, 0, len(events)),
        CommittedOffsets(SESSIONS, partition, 0, len(sessions)),
    ]
    texts = statement_texts(head, AT + 10**9 + number, committed, _heads(events), room=10_000)
    for text in (head.text(), *texts):
        _append(copies, ANCHORS, partition, str(partition).encode(), KEY.note(text, origin))


def _heads(events: list[CopiedRecord]) -> list[ChatHead]:
    found: dict[str, ChatHead] = {}
    for record in events:
        told = SCHEMAS.decode(TRANSCRIPT_EVENT, record.payload)
        own = split(record.payload)[2]
        found[told["sessionId"]] = ChatHead(told["sessionId"], 0, told["sequence"], "default", own)
    return list(found.values())[-1:]  # the last chat of a partition is open


def _leaves(sessions: list[CopiedRecord]) -> list[bytes]:
    return [leaf_hash(statement_of(record.payload)) for record in sessions if _certified(record)]


def _certified(record: CopiedRecord) -> bool:
    return SCHEMAS.decode("org.chatbridge.v1.SessionRecord", record.payload)["certificate"] is not None


def _signed(payload: bytes) -> bytes:
    statement = statement_of(payload)
    return statement + signed_field(KEY.public, KEY.signature(message_of(statement)))


def _append(copies: TopicCopies, topic: str, partition: int, key: bytes, value: bytes) -> None:
    copies.append(CopiedRecord(topic, partition, key, (), value, AT // 1000))
