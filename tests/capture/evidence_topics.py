"""A shard with evidence, and what is on its topics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.capture.session_store import SessionStore
from bridge.capture.shard_evidence import EvidenceSettings
from bridge.evidence.anchors import KIND
from bridge.evidence.certificate_signature import split_signature
from bridge.evidence.merkle import edge_of, leaf_hash
from bridge.evidence.signed_note import parsed_note
from bridge.records.avro import SESSION_RECORD
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.test_session_store import NOW, PREFIX, SCHEMAS, settings
from tests.capture.written_topics import SESSIONS
from tests.evidence.signing_keys import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.inbox import Input
    from bridge.capture.ports import Outgoing
    from bridge.evidence.merkle import TreeEdge
    from bridge.evidence.signed_note import Note

LEAVES: Final = "test.leaves"
ANCHORS: Final = "test.anchors"
MINUTE: Final = 60_000_000


def evidence(**changes: Any) -> EvidenceSettings:
    fields: dict[str, Any] = {"name": NAME, "leaves": LEAVES, "anchors": ANCHORS, **changes}
    return EvidenceSettings(**fields)


@dataclass
class EvidenceTopics:
    """What transactions have written: session records as (payload, decoded), leaves by key, anchors by kind."""

    sessions: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)
    leaves: dict[str, bytes] = field(default_factory=dict)
    anchors: list[tuple[bytes, bytes]] = field(default_factory=list)

    def write(self, records: Iterable[Outgoing]) -> None:
        for record in records:
            value = record.value or b""
            if record.topic == SESSIONS:
                payload = value[len(PREFIX) :]
                self.sessions.append((payload, SCHEMAS.decode(SESSION_RECORD, payload)))
            elif record.topic == LEAVES:
                assert record.key.decode() not in self.leaves, "a leaf is never written twice"
                self.leaves[record.key.decode()] = value
            elif record.topic == ANCHORS:
                assert record.key == b"%d" % record.partition
                self.anchors.append((dict(record.headers)[KIND], value))

    def certificates(self) -> list[bytes]:
        """The certificates up to their signatures, in order."""
        return [split_signature(payload, one["signature"]) for payload, one in self.sessions if one["certificate"]]

    def tree(self) -> TreeEdge:
        """The tree over the certificates that are there."""
        return edge_of(map(leaf_hash, self.certificates()))

    def notes(self, kind: bytes) -> list[Note]:
        return [parsed_note(value) for found, value in self.anchors if found == kind]


@dataclass
class RecordedEvidence:
    """One shard whose transactions succeed, and which signs nothing."""

    changes: dict[str, Any] = field(default_factory=dict)
    topics: EvidenceTopics = field(default_factory=EvidenceTopics)
    checkpoints: CompactedTopic = field(default_factory=CompactedTopic)
    now: int = NOW

    def __post_init__(self) -> None:
        self.settings = settings(partition_of=lambda _: 3, evidence=evidence(**self.changes))
        self.store = SessionStore(3, self.settings)

    def fold(self, *inputs: Input, mark: bool = False) -> TransactionPlan:
        plan = self.store.fold(list(inputs), self.now, mark=mark)
        self.topics.write(plan.batch.records)
        return self.checkpoints.commit(plan)

    def lost(self, *inputs: Input) -> TransactionPlan:
        """Fold, but let the commit fail: what was decided is gone with the store."""
        plan = self.store.fold(list(inputs), self.now)
        self.restart()
        return plan

    def restart(self) -> None:
        self.store = self.checkpoints.restored(3, self.settings)
