"""A store that records in two outputs, and what is on the topics of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.capture.session_store import SessionStore
from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.records.verifier import Verifier
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.test_session_store import NOW, PREFIX, SCHEMAS, announcement, settings
from tests.capture.written_topics import TOPICS, output, written_to

if TYPE_CHECKING:
    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.inbox import Input
    from bridge.capture.outputs import Output
    from bridge.capture.ports import Batch
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.records.findings import Finding

AUDIT: Final = "audit"
AUDIT_PREFIX: Final = b"\xc3\x01AUDITING"
CARD_RULE: Final = Rule("card", detector="payment_card")
WHOLE: Final = output(Recording(SCHEMAS, Redactor()), PREFIX)
MASKED: Final = output(Recording(SCHEMAS, Redactor([CARD_RULE])), AUDIT_PREFIX, AUDIT, "audit.")
"""Other topics, other rules, another framing."""
BOTH: Final = (WHOLE, MASKED)
SMALL: Final = 9_000
"""Bytes of a record that the second output's events topic takes."""
PARTITION: Final = 3


def settings_of(*outputs: Output, **changes: Any) -> SessionStoreSettings:
    """Return settings with these outputs; the events of MASKED have to be SMALL."""
    limits = {**dict.fromkeys(TOPICS.values(), 1_000_000), "audit.events": SMALL}
    return settings(**{**written_to(*outputs), "limits": limits, **changes})


@dataclass
class WrittenOutput:
    """What is on the topics of one output, without framing."""

    output: Output
    events: list[bytes] = field(default_factory=list)
    sessions: list[bytes] = field(default_factory=list)
    quarantine: list[bytes] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        """Take what a batch writes here; all of it is framed for this output."""
        for kind in ("events", "sessions", "quarantine"):
            header = self.output.payload_headers[kind]
            for record in batch.on(self.output.topics[kind]):
                assert record.partition == PARTITION
                assert (record.value or b"").startswith(header)
                getattr(self, kind).append((record.value or b"")[len(header) :])

    def records(self) -> list[dict[str, Any]]:
        """Return the events, decoded."""
        return [SCHEMAS.decode(TRANSCRIPT_EVENT, payload) for payload in self.events]

    def outline(self) -> list[tuple[int, str]]:
        """Return sequence and kind of the events."""
        return [(record["sequence"], record["kind"]) for record in self.records()]

    def session_records(self) -> list[dict[str, Any]]:
        """Return the records of the sessions topic, decoded."""
        return [SCHEMAS.decode(SESSION_RECORD, payload) for payload in self.sessions]

    def certificates(self) -> list[dict[str, Any]]:
        """Return the certificates, in order."""
        return [one["certificate"] for one in self.session_records() if one["certificate"]]

    def set_aside(self) -> list[dict[str, Any]]:
        """Return the records of the quarantine, decoded."""
        return [SCHEMAS.decode(QUARANTINED_INPUT, payload) for payload in self.quarantine]

    def findings(self) -> list[Finding]:
        """Return what `verify` finds on this output's topics, without the other's."""
        verifier = Verifier(SCHEMAS)
        for offset, payload in enumerate(self.sessions):
            verifier.feed_session(payload, PARTITION, offset)
        for offset, payload in enumerate(self.events):
            verifier.feed_event(payload, PARTITION, offset)
        return verifier.findings()


class RecordedOutputs:
    """One shard whose transactions all succeed: `whole` is what is in one output, `masked` in the other."""

    def __init__(self, *outputs: Output, **changes: Any) -> None:
        """Announce the chat. All of `outputs`, or else both, are written to from the beginning."""
        self.changes = changes
        self.whole, self.masked = WrittenOutput(WHOLE), WrittenOutput(MASKED)
        self.topic = CompactedTopic()
        self.store = SessionStore(PARTITION, settings_of(*(outputs or BOTH), **changes))
        self.fold(announcement())

    def fold(self, *inputs: Input, now: int = NOW) -> TransactionPlan:
        """Commit a batch of inputs."""
        return self.take(self.store.fold(list(inputs), now))

    def take(self, plan: TransactionPlan) -> TransactionPlan:
        """Commit what was decided."""
        self.topic.commit(plan)
        for one in (self.whole, self.masked):
            one.take(plan.batch)
        return plan

    def restart(self, *outputs: Output) -> None:
        """Go on from the checkpoints, with other outputs if any are named."""
        self.store = self.topic.restored(PARTITION, settings_of(*(outputs or BOTH), **self.changes))

    def nothing_broken(self) -> None:
        """Check each output by itself."""
        for one in (self.whole, self.masked):
            assert [str(finding) for finding in one.findings()] == []
