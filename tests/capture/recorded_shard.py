"""A store, and the topics that its transactions were written to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.capture.session_store import SessionStore
from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.verifier import Verifier
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.test_session_store import NOW, PREFIX, SCHEMAS, announcement, settings
from tests.capture.written_topics import EVENTS, TOPICS, output, same_limits, written_to

if TYPE_CHECKING:
    from bridge.capture.inbox import Input


@dataclass
class RecordedShard:
    """One shard whose transactions all succeed. `announced`: its chat was."""

    limits: int = 1_000_000
    announced: bool = True
    given_up_chats: int = 64
    encoded_chats: int = 512
    redactor: Redactor = field(default_factory=Redactor)
    now: int = NOW
    events: list[bytes] = field(default_factory=list)
    sessions: list[bytes] = field(default_factory=list)
    quarantine: list[bytes] = field(default_factory=list)
    topic: CompactedTopic = field(default_factory=CompactedTopic)

    def __post_init__(self) -> None:
        self.settings = settings(
            **written_to(output(Recording(SCHEMAS, self.redactor), PREFIX)),
            partition_of=lambda _: 3,
            limits=same_limits(self.limits),
            given_up_chats=self.given_up_chats,
            encoded_chats=self.encoded_chats,
        )
        self.store = SessionStore(3, self.settings)
        if self.announced:
            self.fold(announcement())

    def fold(self, *inputs: Input) -> Any:
        plan = self.store.fold(list(inputs), self.now)
        for topic in ("events", "sessions", "quarantine"):
            records = plan.batch.on(TOPICS[topic])
            getattr(self, topic).extend((record.value or b"")[len(PREFIX) :] for record in records)
        self.topic.commit(plan)
        assert sum(plan.kinds.values()) == len(plan.batch.on(EVENTS))
        return plan

    def restarted(self) -> RecordedShard:
        """The same topics, and a store that was restored from the checkpoints."""
        self.store = self.topic.restored(3, self.settings)
        return self

    def chats(self) -> dict[str, bytes]:
        """The stored checkpoints but for the marker, which tells when there were restarts."""
        return {key: value for key, value in self.topic.values.items() if key != MARKER_KEY}

    def records(self) -> list[dict[str, Any]]:
        return [SCHEMAS.decode(TRANSCRIPT_EVENT, payload) for payload in self.events]

    def outline(self) -> list[str | int]:
        return [record["eventId"] or record["kind"] for record in self.records()]

    def gaps(self) -> list[tuple[int | None, int | None, str]]:
        found = [record["gap"] for record in self.records() if record["gap"]]
        return [(gap["fromEventId"], gap["toEventId"], gap["code"]) for gap in found]

    def certificates(self) -> list[dict[str, Any]]:
        records = [SCHEMAS.decode(SESSION_RECORD, payload) for payload in self.sessions]
        return [record["certificate"] for record in records if record["certificate"]]

    def set_aside(self) -> list[tuple[str | None, str]]:
        records = [SCHEMAS.decode(QUARANTINED_INPUT, payload) for payload in self.quarantine]
        return [(record["sessionId"], record["code"]) for record in records]

    def findings(self) -> list[str]:
        verifier = Verifier(SCHEMAS)
        for offset, payload in enumerate(self.sessions):
            verifier.feed_session(payload, 3, offset)
        for offset, payload in enumerate(self.events):
            verifier.feed_event(payload, 3, offset)
        return [str(finding) for finding in verifier.findings()]
