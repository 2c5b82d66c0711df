"""Builds the batch of one transaction: entries, certificates, quarantined input and checkpoints as framed records.

Pure: what happened is an argument, the result is a TransactionPlan. A record that a topic would refuse is replaced
here (P2: by a GAP and the quarantined content), never left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.announcement import Announcement, encode, session_id_problem
from bridge.capture.batch_numbers import MARKER_KEY
from bridge.capture.chat import OVER
from bridge.capture.ports import Batch, Limits, Outgoing, same_limits
from bridge.errors import BridgeError, Problem
from bridge.facts import Fact, GapRecorded, Quarantined, Resumed
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.checkpoint import Checkpoint
from bridge.records.payload_framing import single_object
from bridge.records.session_records import PART_BYTES, json_of, quarantine_records
from bridge.records.writer_schemas import KEPT, schema_record
from bridge.transcript import input_codes
from bridge.transcript.entries import GAP, RESUMED, Certificate, Entry
from bridge.transcript.updates import JoinRefused, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.capture.batch_numbers import BatchNumbers
    from bridge.capture.chat import Chat
    from bridge.capture.inbox import Input
    from bridge.records.checkpoint import BatchStamp
    from bridge.records.normalise import Recording
    from bridge.records.writer_schemas import WriterSchemas

_HEADROOM: Final = 1_024
"""Bytes that Kafka's record framing and the headers may add to a value."""
_AMENDS_NOTHING: Final = Problem(input_codes.NOT_RECORDED, "the event that it changes was not recorded")
_T = TypeVar("_T")


@dataclass(slots=True, frozen=True)
class SessionStoreSettings:
    """What all shards of a process share. `payload_headers`: topic kind -> bytes before the Avro payload of a value.

    Checkpoints have none there: they are single objects, whatever registry there is. `writers` reads them back.
    `closed_retention_us` says how long closed chats are remembered; None is for ever. `limits` and `owner` are a
    shard's own: the owner in the stamps of its checkpoints, 0 where nobody has to recognise its batches.
    """

    recording: Recording
    payload_headers: Mapping[str, bytes]
    writers: WriterSchemas
    partition_of: Callable[[bytes], int]
    limits: Limits = field(default_factory=lambda: same_limits(1_000_000))
    closed_retention_us: int | None = 86_400_000_000
    owner: int = 0


@dataclass(slots=True)
class TransactionPlan:
    """What a fold decided. `facts` are emitted once the batch is committed; `kinds` counts event records per kind.

    `number` is that of the batch; 0 when there is nothing to commit. `cut`: a record did not fit its topic's limit,
    and was replaced.
    """

    batch: Batch = field(default_factory=Batch)
    follow: list[Chat] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    number: int = 0
    cut: bool = False


class BatchBuilder:
    """Collects the records of one transaction, in order, into `plan`."""

    def __init__(self, settings: SessionStoreSettings) -> None:
        """Start with an empty plan."""
        self.plan = TransactionPlan()
        self._kinds: list[str] = []  # of the events of the plan
        self._settings = settings
        self._event_room = self.room("events")
        self._event_prefix = settings.payload_headers["events"]
        self._added: list[list[Any]] = []  # since the last mark: the lists that grew, but for the events
        self._marked = (0, False)

    def finished(self, numbers: BatchNumbers, now: int, *, mark: bool) -> TransactionPlan:
        """Return the plan, once everything was added, with its number and the marker that it may need.

        With `mark` it has the marker in any case. `now` in us since 1970 UTC.
        """
        plan = self.plan
        plan.kinds = dict(Counter(self._kinds))
        if mark or len(plan.batch) or plan.batch.announcement_offset is not None:
            if mark or numbers.wants_marker(plan.batch.checkpoints):
                self.checkpoint(MARKER_KEY, numbers.marker(now))
            plan.number = numbers.take()
        return plan

    def mark(self) -> None:
        """Remember this moment for `undo`; forwards and checkpoints are not part of it."""
        self._marked = (len(self._kinds), self.plan.cut)
        if self._added:
            self._added = []

    def undo(self) -> None:
        """Take back what was added since the last `mark`."""
        events, self.plan.cut = self._marked
        del self.plan.batch.events[events:], self._kinds[events:]
        for items in reversed(self._added):
            items.pop()
        self._added = []

    def fact(self, fact: Fact) -> None:
        """Add a fact."""
        self._add(self.plan.facts, fact)

    def forget(self, session_id: str) -> None:
        """Add a chat that the source need not watch any more."""
        self._add(self.plan.forget, session_id)

    def release(self, one: Input) -> None:
        """Let the source forget a chat if it reported its end, whatever became of that; not undone with the input."""
        if not isinstance(one, TranscriptUpdate | JoinRefused) or not one.ends_chat:
            return
        if self.plan.forget[-1:] != [one.session_id]:  # else it was closed just now
            self.plan.forget.append(one.session_id)

    def _add(self, items: list[_T], item: _T) -> None:
        items.append(item)
        self._added.append(items)

    def room(self, kind: str) -> int:
        """Return the largest value in bytes that fits a record of this kind of topic."""
        return self._settings.limits[kind] - _HEADROOM

    def publish(self, chat: Chat, entry: Entry) -> None:
        """Add an event record; one that cannot be published becomes a GAP in its place (P2)."""
        recorder, facts = chat.recorder, chat.transcript.facts
        head = recorder.head
        reason = _AMENDS_NOTHING
        try:
            payload = b"" if entry.amendment and _amends_nothing(chat, entry) else recorder.event_record(entry, facts)
        except BridgeError as error:
            payload, reason = b"", Problem(input_codes.NOT_RECORDED, error.message)
        if not payload or len(payload) > self._event_room:
            if payload:
                sizes = f"a record of {len(payload)} bytes; {self._event_room} fit"
                self.plan.cut, reason = True, Problem(input_codes.TOO_LARGE, sizes)
            recorder.head = head
            self.quarantine(facts.server or "", facts.session_id, entry.observed_at, reason, json_of(entry.event))
            chat.transcript.withdraw(entry, reason)
            payload = recorder.event_record(entry, facts)
        self.plan.batch.events.append(
            Outgoing(
                recorder.key,
                self._event_prefix + payload,
                recorder.headers(entry, facts),
            )
        )
        self._kinds.append(entry.kind)
        if entry.event is not None:
            return
        if entry.kind == GAP and entry.gap is not None:
            self.fact(GapRecorded(code=entry.gap.code))
        elif entry.kind == RESUMED:
            self.fact(Resumed())

    def session_record(self, chat: Chat, state: str, at: int, certificate: Certificate | None) -> None:
        """Add a record of the sessions topic: the chat was opened, or closed with its certificate."""
        facts = chat.transcript.facts
        payload = chat.recorder.session_record(state, facts, at, certificate, room=self.room("sessions"))
        self._add(
            self.plan.batch.sessions,
            Outgoing(
                facts.session_id.encode(),
                self._framed("sessions", payload),
                chat.recorder.session_headers(state, at, certificate),
            ),
        )

    def quarantine(  # noqa: PLR0913 - the columns of a quarantine record
        self,
        source: str,
        session_id: str | None,
        at: int,
        reason: Problem,
        raw: bytes,
        *,
        total_bytes: int | None = None,
    ) -> None:
        """Add quarantined input, in as many records as it needs."""
        if session_id is not None and session_id_problem(session_id):
            session_id = None  # a peer may call a chat anything; what is no id is still in the bytes
        key = (session_id or source).encode()
        for payload in quarantine_records(
            self._settings.recording.schemas,
            site=self._settings.recording.site,
            source=source,
            session_id=session_id,
            observed_at=at,
            reason=reason,
            raw=raw,
            total_bytes=total_bytes,
            part_bytes=min(PART_BYTES, self.room("quarantine") // 2),
        ):
            record = Outgoing(key, self._framed("quarantine", payload))
            self._add(self.plan.batch.quarantine, record)
        self.fact(Quarantined(code=reason.code))

    def checkpoint(self, session_id: str, value: bytes) -> None:
        """Add a checkpoint, as `checkpoint_of` made it."""
        header = single_object(self._settings.recording.schemas.fingerprint(SESSION_CHECKPOINT))
        self.plan.batch.checkpoints.append(Outgoing(session_id.encode(), header + value))

    def schemas_of_shard(self) -> bool:
        """Add the schemas with which every other version reads back what the shard writes (P7), before checkpoints.

        Returns whether there are any.
        """
        checkpoints = self.plan.batch.checkpoints
        if all(record.value is None for record in checkpoints):
            return False
        schemas = self._settings.recording.schemas
        checkpoints[:0] = [Outgoing(key.encode(), text) for key, text in (schema_record(schemas, one) for one in KEPT)]
        return True

    def tombstone(self, session_id: str) -> None:
        """Delete the checkpoint of a chat."""
        self.plan.batch.checkpoints.append(Outgoing(session_id.encode(), None))

    def _framed(self, kind: str, payload: bytes) -> bytes:
        return self._settings.payload_headers[kind] + payload


def _amends_nothing(chat: Chat, entry: Entry) -> bool:
    """Tell whether the event that this entry amends was withdrawn from the very same input."""
    event = entry.event
    return event is not None and event.event_id not in chat.transcript.delivered


def _announced(chat: Chat) -> bytes:
    """Return what a checkpoint holds of the announcement: of a chat that is over, only that it is there (P5)."""
    if chat.state != OVER:
        return chat.announced
    told = chat.announcement
    return encode(Announcement(session_id=told.session_id, host=told.host, port=told.port)) if chat.whole else b""


def checkpoint_of(chat: Chat, now: int, stamp: BatchStamp) -> bytes:
    """Return the checkpoint payload of a chat, written in the batch of `stamp`; `now` in us since 1970 UTC."""
    state = chat.transcript.state()
    if not chat.whole:  # remember that it is over, not what was in it
        state = replace(
            state,
            id_ranges=[],
            prints=b"",
            parties=[],
            parties_set_by=[],
            gaps=[],
            gap_sequences=[],
            filled=[],
            amendments={},
        )
    return chat.recorder.checkpoint(
        Checkpoint(
            announcement=_announced(chat),
            state=chat.state,
            transcript=state,
            head=chat.recorder.head,
            observed_at=chat.closed_at or now,
            stamp=stamp,
        )
    )
