"""Which offsets a certificate names: what Kafka acknowledged before its transaction, also after a restart."""

from __future__ import annotations

from itertools import count

from bridge.capture.known_offsets import take_offsets
from bridge.capture.session_store import SessionStore
from bridge.records.avro import SESSION_RECORD
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.test_session_store import WRITERS, announcement, decoded, settings
from tests.capture.written_topics import SESSIONS
from tests.transcript.build import history, joined, push, said

NOW = 1_700_000_000_000_000


class AcknowledgingKafka:
    """Commits what a store decides, and tells it the offsets; `forget` loses the acknowledgement of the next commit."""

    def __init__(self) -> None:
        self.topic = CompactedTopic()
        self.settings = settings()
        self.store = SessionStore(3, self.settings)
        self.next = {name: count(100) for output in self.settings.outputs for name in output.topics.values()}
        self.offsets: list[dict[str, object]] = []

    def fold(self, one: object, *, told: bool = True) -> None:
        plan = self.topic.commit(self.store.fold([one], NOW))  # type: ignore[list-item]
        for record in plan.batch.records:
            if record.topic in self.next:
                offset = next(self.next[record.topic])
                record.offset = offset if told else None
        take_offsets(plan.batch.records, self.store.chats, self.settings.outputs)
        for told_of in decoded(SESSION_RECORD, plan.batch.on(SESSIONS)):
            if told_of["certificate"] is not None:
                self.offsets = told_of["certificate"]["offsets"]

    def restart(self) -> None:
        self.store = SessionStore(3, self.settings)
        self.store.restore(self.topic.shard(WRITERS))

    def named(self) -> list[tuple[object, object]]:
        return [(one["first"], one["last"]) for one in self.offsets]


def test_a_certificate_names_the_first_and_the_last_offset_that_were_acknowledged_before_it() -> None:
    kafka = AcknowledgingKafka()
    for one in (announcement(), history(joined(1), said(2)), push(said(3)), push(said(4), over=True)):
        kafka.fold(one)
    assert kafka.named() == [(100, 102), (100, 100)]
    assert [one["partition"] for one in kafka.offsets] == [3, 3]


def test_they_outlive_a_restart_but_for_what_no_checkpoint_could_tell() -> None:
    kafka = AcknowledgingKafka()
    for one in (announcement(), history(joined(1), said(2)), push(said(3))):
        kafka.fold(one)
    kafka.restart()
    kafka.fold(push(said(4), over=True))
    assert kafka.named() == [(100, 101), (100, 100)]


def test_the_first_is_not_known_if_its_acknowledgement_was_lost() -> None:
    kafka = AcknowledgingKafka()
    kafka.fold(announcement())
    kafka.fold(history(joined(1), said(2)), told=False)
    kafka.restart()
    kafka.fold(push(said(3)))
    kafka.fold(push(said(4), over=True))
    assert kafka.named() == [(None, 102), (100, 100)]
