"""Builds the batch of one transaction: entries, certificates, quarantined input and checkpoints as framed records.

Pure: what happened is an argument, the result is a TransactionPlan. A record that a topic would refuse is replaced
here (P2: by a GAP and the quarantined content), never left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bridge.announcement import session_id_problem
from bridge.capture.chat import OVER, Chat
from bridge.capture.ports import Batch, Limits, Outgoing, same_limits
from bridge.errors import BridgeError
from bridge.facts import Fact, GapRecorded, Quarantined, Resumed
from bridge.records.checkpoint import Checkpoint
from bridge.records.session_records import PART_BYTES, json_of, quarantine_records
from bridge.transcript import gap_reasons
from bridge.transcript.entries import GAP, RESUMED, Certificate, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.records.normalise import Recording

_HEADROOM: Final = 1_024
"""Bytes that Kafka's record framing and the headers may add to a value."""
_US_PER_MS: Final = 1_000


@dataclass(slots=True, frozen=True)
class SessionStoreSettings:
    """What all shards of a process share. `payload_headers`: topic kind -> bytes before the Avro payload of a value.

    `checkpoint_schema_ids` are the schema ids and fingerprints under which our own checkpoints may be stored.
    `closed_retention_us` says how long closed chats are remembered; None is for ever.
    """

    recording: Recording
    payload_headers: Mapping[str, bytes]
    checkpoint_schema_ids: frozenset[int | bytes]
    partition_of: Callable[[bytes], int]
    limits: Limits = field(default_factory=lambda: same_limits(1_000_000))
    closed_retention_us: int | None = 86_400_000_000


@dataclass(slots=True)
class TransactionPlan:
    """What a fold decided. `facts` are emitted once the batch is committed; `kinds` counts event records per kind.

    `cut`: a record did not fit its topic's limit, and was replaced.
    """

    batch: Batch = field(default_factory=Batch)
    follow: list[Chat] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    cut: bool = False


class BatchBuilder:
    """Collects the records of one transaction, in order, into `plan`."""

    def __init__(self, settings: SessionStoreSettings) -> None:
        """Start with an empty plan."""
        self.plan = TransactionPlan()
        self._settings = settings

    def room(self, kind: str) -> int:
        """Return the largest value in bytes that fits a record of this kind of topic."""
        return self._settings.limits[kind] - _HEADROOM

    def publish(self, chat: Chat, entry: Entry) -> None:
        """Add an event record; one that cannot be published becomes a GAP in its place (P2)."""
        recorder, facts = chat.recorder, chat.transcript.facts
        head = recorder.head
        reason = gap_reasons.TOO_LARGE
        try:
            payload = recorder.event_record(entry, facts)
        except BridgeError as error:
            payload, reason = b"", error.message
        if not payload or len(payload) > self.room("events"):
            recorder.head = head
            self.plan.cut |= bool(payload)
            self.quarantine(facts.server or "", facts.session_id, entry.observed_at, reason, json_of(entry.event))
            chat.transcript.withdraw(entry, gap_reasons.TOO_LARGE if payload else gap_reasons.UNREADABLE)
            payload = recorder.event_record(entry, facts)
        self.plan.batch.events.append(
            Outgoing(
                facts.session_id.encode(),
                self._framed("events", payload),
                entry.observed_at // _US_PER_MS,
                recorder.headers(entry, facts),
            )
        )
        kind = entry.kind
        self.plan.kinds[kind] = self.plan.kinds.get(kind, 0) + 1
        if kind == GAP and entry.gap is not None:
            self.plan.facts.append(GapRecorded(reason=entry.gap.reason))
        elif kind == RESUMED:
            self.plan.facts.append(Resumed())

    def session_record(self, chat: Chat, state: str, at: int, certificate: Certificate | None) -> None:
        """Add a record of the sessions topic: the chat was opened, or closed with its certificate."""
        facts = chat.transcript.facts
        payload = chat.recorder.session_record(state, facts, at, certificate, room=self.room("sessions"))
        self.plan.batch.sessions.append(
            Outgoing(
                facts.session_id.encode(),
                self._framed("sessions", payload),
                at // _US_PER_MS,
                chat.recorder.session_headers(state, at),
            )
        )

    def quarantine(  # noqa: PLR0913 - the columns of a quarantine record
        self, source: str, session_id: str | None, at: int, reason: str, raw: bytes, *, total_bytes: int | None = None
    ) -> None:
        """Add quarantined input, in as many records as it needs."""
        if session_id is not None and session_id_problem(session_id):
            session_id = None  # a peer may call a chat anything; what is no id is still in the bytes
        key = (session_id or source).encode()
        for payload in quarantine_records(
            self._settings.recording.schemas,
            source=source,
            session_id=session_id,
            observed_at=at,
            reason=reason,
            raw=raw,
            total_bytes=total_bytes,
            part_bytes=min(PART_BYTES, self.room("quarantine") // 2),
        ):
            self.plan.batch.quarantine.append(Outgoing(key, self._framed("quarantine", payload), at // _US_PER_MS))
        self.plan.facts.append(Quarantined(reason=reason))

    def checkpoint(self, session_id: str, value: bytes) -> None:
        """Add a checkpoint, as `checkpoint_of` made it."""
        self.plan.batch.checkpoints.append(Outgoing(session_id.encode(), self._framed("checkpoints", value)))

    def tombstone(self, session_id: str) -> None:
        """Delete the checkpoint of a chat."""
        self.plan.batch.checkpoints.append(Outgoing(session_id.encode(), None))

    def _framed(self, kind: str, payload: bytes) -> bytes:
        return self._settings.payload_headers[kind] + payload


def checkpoint_of(chat: Chat, now: int) -> bytes:
    """Return the checkpoint payload of a chat; `now` in us since 1970 UTC."""
    state = chat.transcript.state()
    if chat.state == OVER:  # nothing more can come: remember that it is over, not what was in it
        state = replace(state, id_ranges=[], prints=b"", parties=[], gaps=[], amendments={})
    return chat.recorder.checkpoint(
        Checkpoint(
            announcement=b"" if chat.state == OVER else chat.announced,
            state=chat.state,
            transcript=state,
            head=chat.recorder.head,
            observed_at=chat.closed_at or now,
        )
    )
